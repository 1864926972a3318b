"""Random numbers for slices that each draw their own."""

from __future__ import annotations

import numpy as np
import torch

from etastar.training.preserved import RandomState


class OwnNoise:
    """A context whose random numbers are drawn beside those of the data.

    Slices that draw for themselves draw more than one trial would. From the data's own stream
    that would change the order of the samples with every slice that comes or goes.

    Args:
        entropy: whole numbers; each sequence of them is a stream of its own.
    """

    def __init__(self, *entropy: int) -> None:
        words = np.random.SeedSequence([number % 2**64 for number in entropy])
        outside = RandomState()
        torch.manual_seed(int(words.generate_state(1, np.uint64)[0]))
        self._inside = RandomState()
        outside.restore()
        self._outside = outside

    def __enter__(self) -> None:
        self._outside = RandomState()
        self._inside.restore()

    def __exit__(self, *error: object) -> None:
        self._inside = RandomState()
        self._outside.restore()
