"""The scale on which final losses are compared: a unit of 1 is a relative regret of about 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etastar.records import Trial

Floats = NDArray[np.float64]

TINY = 1e-12
"""Losses this far below the start count as zero."""


@dataclass(frozen=True)
class Scale:
    """Turns final losses into comparable numbers and back.

    Positive losses become logarithms, in which a difference *is* a relative regret. Where some
    are not positive, differences are divided by the size of the best.
    """

    logarithmic: bool
    unit: float

    @classmethod
    def of(cls, trials: Sequence[Trial], start: float) -> Scale:
        """The scale for these trials, of which `start` is the loss before any training.

        Returns:
            A logarithmic scale where every loss is positive.
        """
        losses = [trial.final_loss for trial in trials if trial.measured]
        if start > 0 and all(loss >= 0 for loss in losses):
            return cls(logarithmic=True, unit=TINY * start)
        best = min([*losses, start])
        return cls(logarithmic=False, unit=max(abs(best), 0.05 * abs(start - best), TINY))

    def forward(self, losses: float | Floats) -> Floats:
        """Losses on the scale.

        Returns:
            Numbers whose differences are relative regrets, to first order.
        """
        values = np.asarray(losses, dtype=np.float64)
        return np.log(np.maximum(values, self.unit)) if self.logarithmic else values / self.unit

    def back(self, values: Floats) -> Floats:
        """Losses from numbers on the scale.

        Returns:
            The losses.
        """
        return np.exp(values) if self.logarithmic else values * self.unit


def trained(trial: Trial, start: float) -> bool:
    """Whether a trial ended below where it began.

    One that did not is beyond the cliff, or learned nothing.

    Returns:
        True for trials the terms are fitted to.
    """
    return trial.measured and trial.final_loss < start
