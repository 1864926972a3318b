"""Tiny Shakespeare: one megabyte of plays, read character by character (Karpathy, 2015).

Shapes: B windows per batch, T characters per window.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch

from etastar.errors import MissingDataError
from etastar.tasks.data.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

SOURCE = Source(
    title="Tiny Shakespeare",
    local_name="tinyshakespeare.txt",
    url=(
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
    ),
    checksum="sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)

HELD_OUT = 0.1  # the last tenth of the text


@dataclass(frozen=True)
class Text:
    """A text as numbers: each character is its place in the sorted alphabet."""

    alphabet: str
    train: Tensor  # (characters,) int64, the beginning of the text
    valid: Tensor  # (characters,) int64, the rest


def shakespeare() -> Text:
    """The plays, the first nine tenths to train on.

    Returns:
        The text as numbers, with its alphabet of 65 characters.

    Raises:
        MissingDataError: The text is absent and cannot be fetched, or is not text.
    """
    return _encoded(SOURCE.local() or SOURCE.fetched())


@cache
def _encoded(path: Path) -> Text:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as damage:
        raise MissingDataError(
            f"{path} is not UTF-8 text ({damage.reason}). Put {SOURCE.local_name} there anew."
        ) from damage
    alphabet = "".join(sorted(set(text)))
    number = {character: place for place, character in enumerate(alphabet)}
    codes = torch.tensor([number[character] for character in text])
    cut = len(codes) - round(len(codes) * HELD_OUT)
    return Text(alphabet, codes[:cut], codes[cut:])


class RandomWindows:
    """Windows of a text at random places, with the character that follows each as target.

    The places are drawn from torch's global generator when a pass begins. A pass reads as many
    characters as the text has.

    Raises:
        MissingDataError: The text is too short for one batch.

    >>> windows = RandomWindows(torch.arange(100), size=2, length=8)
    >>> inputs, targets = next(iter(windows))
    >>> tuple(inputs.shape), bool((targets == inputs + 1).all()), len(windows)
    ((2, 8), True, 6)
    """

    def __init__(self, codes: Tensor, *, size: int, length: int) -> None:
        if len(codes) <= size * length:
            raise MissingDataError(
                f"The text has {len(codes)} characters; {size} windows of {length} need more "
                f"than {size * length}. Put the whole {SOURCE.local_name} in its place."
            )
        self._codes = codes
        self._size = size
        self._length = length

    @property
    def batch_size(self) -> int:
        """Windows per batch."""
        return self._size

    def with_batch_size(self, size: int) -> RandomWindows:
        """Windows of the same text in batches of another size."""
        return RandomWindows(self._codes, size=size, length=self._length)

    def __len__(self) -> int:
        return len(self._codes) // (self._size * self._length)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        starts = torch.randint(len(self._codes) - self._length, (len(self), self._size))
        return (_windows(self._codes, places, self._length) for places in starts)


def even_windows(
    codes: Tensor, *, size: int, length: int, batches: int
) -> list[tuple[Tensor, Tensor]]:
    """The same windows in every run, spread evenly over the text.

    Returns:
        `batches` pairs of (B, T) characters and the (B, T) characters that follow them.
    """
    starts = torch.linspace(0, len(codes) - length - 1, size * batches).long()
    return [_windows(codes, places, length) for places in starts.split(size)]


def _windows(codes: Tensor, starts: Tensor, length: int) -> tuple[Tensor, Tensor]:
    places = starts.unsqueeze(1) + torch.arange(length)  # (B, T)
    return codes[places], codes[places + 1]
