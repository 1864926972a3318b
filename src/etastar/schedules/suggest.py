"""The nearest known name, for error messages."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """A question naming the closest known name.

    Returns:
        The question with a space before it, or nothing when no name is close.

    >>> nearest("cosin", ["linear", "cosine"])
    " (did you mean 'cosine'?)"
    """
    matches = get_close_matches(name, list(known), n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""
