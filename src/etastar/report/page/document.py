"""One self-contained HTML document: its parts inlined, everything else forbidden.

The content-security policy allows exactly the scripts and styles written into the page, by
their hashes; nothing is fetched, nothing inline runs, no string becomes markup.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etastar.errors import InputError
from etastar.report.page.names import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Environment

    from etastar.report.page.words import Words

UPLOT = "vendor/uplot/uPlot.iife.min.js"
UPLOT_STYLE = "vendor/uplot/uPlot.min.css"
UPLOT_LICENSE = "vendor/uplot/LICENSE"

_FIRST = "page/assets/theme.js"  # before anything is painted


def document(
    template: str,
    words: Words,
    data: dict[str, Any],
    *,
    scripts: Sequence[str],
    styles: Sequence[str] = (),
    **parts: Any,
) -> str:
    """Fill a template of this package and inline all it needs.

    Args:
        template: its name among the page's templates; it extends `page.html`.
        words: the language.
        data: what the scripts draw, JSON-ready; NaN and infinities become null.
        scripts: the scripts, as paths in `etastar.report`, in the order they run.
        styles: style sheets beside the page's own, likewise.
        **parts: what the template shows.

    Returns:
        The document.
    """
    sheets = ("page/assets/style.css", *styles)
    with_uplot = UPLOT in scripts
    return (
        _environment()
        .get_template(template)
        .render(
            t=words,
            policy=policy([_asset(_FIRST), *map(_asset, scripts)], [*map(_asset, sheets)]),
            first=_asset(_FIRST),
            scripts=[*map(_asset, scripts)],
            styles=[*map(_asset, sheets)],
            data=finite(data | {"words": words.for_scripts()}),
            licenses=[_asset(UPLOT_LICENSE)] if with_uplot else [],
            **parts,
        )
    )


def policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """The content-security policy that allows these texts and nothing else.

    Returns:
        The policy, for a `meta` element.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(map(_hashed, scripts))}",
            f"style-src {' '.join(map(_hashed, styles))}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def saved(page: str, path: str | Path) -> Path:
    """Write a page.

    Args:
        page: the document.
        path: the file; its folder is made if needed.

    Returns:
        The path.

    Raises:
        InputError: the place cannot be written.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # a lone surrogate in somebody's name is no text; it comes out as a question mark
        target.write_bytes(page.encode("utf-8", errors="replace"))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(
            f"the page {target} cannot be written ({why}); give a file name."
        ) from error
    return target


def finite(value: Any) -> Any:
    """`value` with None for every number that is not finite: JSON has no word for them.

    Returns:
        A copy of the containers.
    """
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _hashed(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


@cache
def _asset(path: str) -> Any:
    """A file of this package, as markup: it is ours, and its hash is in the policy."""
    from markupsafe import Markup

    text = files("etastar.report").joinpath(*path.split("/")).read_text(encoding="utf-8")
    return Markup(text.replace("\r\n", "\n"))  # noqa: S704 - package data, never a user's


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("etastar.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["plain"] = plain
    # no spaces between the numbers: large studies are mostly numbers
    pages.policies["json.dumps_function"] = json.dumps
    pages.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return pages
