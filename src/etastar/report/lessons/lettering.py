"""The words inside pictures: in the page's language where this machine has the letters."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib import font_manager

from etastar.report.page.words import Words

if TYPE_CHECKING:
    from collections.abc import Generator

_HANGUL = (
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "NanumGothic",
    "Apple SD Gothic Neo",
    "AppleGothic",
    "Malgun Gothic",
    "UnDotum",
)


def picture_words(words: Words) -> Words:
    """The words for pictures on a page in that language.

    Returns:
        The same, or the English ones where no font here has the letters.
    """
    return words if words.lang == "en" or _hangul() is not None else Words("en")


_FILES = ("NotoSansCJK", "NotoSansKR", "NanumGothic", "AppleSDGothicNeo", "malgun", "UnDotum")


@contextmanager
def lettering(words: Words) -> Generator[None]:
    """Draw with a font that has the letters of `picture_words(words)`.

    Yields:
        Nothing.
    """
    font = _hangul() if words.lang == "ko" else None
    family = ["DejaVu Sans"] if font is None else [font, "DejaVu Sans"]
    with mpl.rc_context({"font.family": family}):
        yield


@cache
def _hangul() -> str | None:
    known = font_manager.fontManager
    here = {font.name for font in known.ttflist}
    if here.isdisjoint(_HANGUL):  # fonts that came after matplotlib made its list
        for path in font_manager.findSystemFonts():
            if Path(path).stem.startswith(_FILES):
                known.addfont(path)
        here = {font.name for font in known.ttflist}
    return next((name for name in _HANGUL if name in here), None)
