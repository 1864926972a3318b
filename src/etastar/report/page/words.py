"""The words of a page, in one catalogue per language."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from etastar.errors import InputError

LANGUAGES = ("en", "ko")
"""What pages can be written in."""

_FOR_SCRIPTS = "js."


@cache
def catalogue(lang: str) -> dict[str, str]:
    """The texts of a language by key.

    Returns:
        Shared between callers: not to be changed.

    Raises:
        InputError: no such language.
    """
    if lang not in LANGUAGES:
        raise InputError(f"lang={lang!r}: pages are written in {' or '.join(LANGUAGES)}.")
    text = files("etastar.report").joinpath("lang", f"{lang}.json").read_text(encoding="utf-8")
    return json.loads(text)


class Words:
    """Texts of one language, with their blanks filled.

    >>> Words("en")("facts.confidence")
    'Confidence'
    >>> Words("en").count("count.trials", 1), Words("en").count("count.trials", 12345)
    ('1 trial', '12,345 trials')
    """

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self._texts = catalogue(lang)

    def __call__(self, key: str, **values: object) -> str:
        """The text of `key`, with `{name}` replaced by `values`."""
        return self._texts[key].format(**values)

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def count(self, key: str, number: int) -> str:
        """A number of things; `key` names the pair `key.one` and `key.other`."""
        return self(f"{key}.{'one' if number == 1 else 'other'}", n=f"{number:,}")

    def percent(self, share: float, digits: int = 2) -> str:
        r"""A share as a percentage.

        Returns:
            Its text; a space in it does not break.

        >>> Words("en").percent(0.0312), Words("ko").percent(12.345), Words("ko").percent(0.93)
        ('3.1\xa0%', '1234%', '93%')
        """
        value = 100 * share
        text = f"{value:.{digits}g}" if abs(value) < 99.5 else f"{value:.0f}"
        return self("js.number.percent", value=text)

    def duration(self, seconds: float) -> str:
        """A time in the unit that suits it.

        Returns:
            Its text.

        >>> Words("en").duration(0.25), Words("en").duration(190), Words("en").duration(7500)
        ('0.25 s', '3 min 10 s', '2 h 5 min')
        """
        if seconds < 10:
            return self("time.seconds", s=f"{seconds:.2g}")
        whole = round(seconds)
        if whole < 60:
            return self("time.seconds", s=whole)
        if whole < 3600:
            return self("time.minutes", m=whole // 60, s=whole % 60)
        return self("time.hours", h=f"{whole // 3600:,}", m=whole % 3600 // 60)

    def for_scripts(self) -> dict[str, str]:
        """The texts that are filled and shown in the browser.

        Returns:
            Texts by key, without the prefix that marks them.
        """
        return {
            key.removeprefix(_FOR_SCRIPTS): text
            for key, text in self._texts.items()
            if key.startswith(_FOR_SCRIPTS)
        }
