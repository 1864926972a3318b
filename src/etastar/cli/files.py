"""Files that commands read and write: refused before any work, in one sentence."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from etastar.errors import InputError, RecordError

if TYPE_CHECKING:
    from pathlib import Path

    from etastar.records import Finding, RangeTest, Sweep
    from etastar.records.lessons import Lesson

PICTURES = (".png", ".svg", ".pdf")


def writable_picture(path: Path) -> Path:
    """Check that a picture can be written there, and make its folder.

    Returns:
        The path.

    Raises:
        InputError: the suffix names no format we draw, or the folder cannot be written.
    """
    if path.suffix.lower() not in PICTURES:
        raise InputError(
            f"--plot {path}: the suffix {path.suffix!r} names no format; use .png, .svg or .pdf."
        )
    if path.is_dir():
        raise InputError(f"--plot {path} is a folder; give a file name.")
    writable_folder(path.parent)
    return path


def writable_page(path: Path) -> Path:
    """Check that a page can be written there, and make its folder.

    Returns:
        The path.

    Raises:
        InputError: it is not called .html, or the folder cannot be written.
    """
    if path.suffix.lower() not in {".html", ".htm"} or path.is_dir():
        raise InputError(f"--out {path}: a page is one file; give a name that ends in .html.")
    writable_folder(path.parent)
    return path


def writable_folder(folder: Path) -> Path:
    """Make the folder, and check that files can be written into it.

    Returns:
        The folder.

    Raises:
        InputError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be made ({error.strerror}); give another."
        ) from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"the folder {folder} cannot be written; give another.")
    return folder


def draw(record: Finding | RangeTest | Sweep, path: Path) -> None:
    """Write the record's picture in the format that the suffix names."""
    record.plot().savefig(path, dpi=150)


def read_record(path: Path) -> Finding | RangeTest | Sweep | Lesson:
    """Read a saved finding, range test, sweep or lesson, whichever it is.

    Returns:
        The record.

    Raises:
        RecordError: the file is none of them.
    """
    from etastar.records import Finding, RangeTest, Sweep
    from etastar.records.lessons import read_lesson

    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
    except OSError as error:
        raise RecordError(
            f"{path} cannot be read ({error.strerror}); give a file that `etastar find --out`, "
            f"`etastar sweep --out` or `--json` wrote, or a study of a store by --store."
        ) from error
    except ValueError as error:  # no JSON, or no text at all
        raise RecordError(
            f"{path} is not JSON ({error}); give a file that `etastar find --out` or `--json` "
            f"wrote."
        ) from error
    kind = content.get("etastar") if isinstance(content, dict) else None
    for record in (Finding, RangeTest, Sweep):
        if kind == record.kind:
            return record.from_json(path)
    if isinstance(kind, str) and kind.startswith("lesson_"):
        return read_lesson(path)
    raise RecordError(
        f"{path} is {f'a {kind!r}' if kind else 'no record of etastar'}; give a finding, a "
        f"range test, a sweep or a lesson, as `etastar find --out` or `--json` writes them."
    )
