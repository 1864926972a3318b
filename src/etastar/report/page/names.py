"""Names and messages from elsewhere, made fit to be read: nothing hidden, nothing reordered."""

from __future__ import annotations

import re
import unicodedata

# Marks that reorder the text around them: with one, a name could turn a sentence around.
_REORDERS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_UNSEEN = {"Cc", "Cs", "Zl", "Zp"}  # controls, lone surrogates, line and paragraph separators


def plain(text: object) -> str:
    r"""Text without invisible commands: each is shown as a replacement character.

    Returns:
        The text, on one line.

    >>> plain("a\u202eb\u2028c\x00\td")
    'a�b�c� d'
    """
    shown = _REORDERS.sub("\ufffd", re.sub(r"[\t\r\n]+", " ", str(text)))
    return "".join("\ufffd" if unicodedata.category(c) in _UNSEEN else c for c in shown)


def isolated(text: object) -> str:
    """Plain text whose direction, right to left or not, does not reach its neighbours.

    Returns:
        The text between a first strong isolate and its end.
    """
    return f"\u2068{plain(text)}\u2069"
