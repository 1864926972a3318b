"""What a task's parts say before any pilot: progress, drift, overfitting."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etastar.schedules import Schedule

Floats = NDArray[np.float64]

Law = tuple[float, float | Floats, float]
"""A normal law's share in a mixture, its mean and its deviation."""

CONSTANT_DRIFT, DECAYED_DRIFT = (-0.45, 0.25), (0.02, 0.2)
"""The optimum's drift in octaves per doubling of the horizon, mean and deviation: without decay
noise accumulates and the best rate sinks fast; under a long decay to zero it hardly moves."""

ADAGRAD_DRIFT = 0.05
"""Adagrad's own steps shrink with the root of time (Duchi et al., 2011), so its rate need not."""

LONG_DECAY = 0.6
"""The share of a run from which its decay counts as long."""

TAIL, TAIL_SPREAD = 0.15, 0.5
"""Drifts of another kind are believed with this probability and deviation."""

OVERFIT_DRIFT = (-0.9, 0.3)
"""Where training overfits, progress alone counts: the best rate halves when the horizon doubles."""

MOST_OVERFIT, FRESH_OVERFIT = 0.08, 0.01
"""A held-out loss can rise again only where data repeat: more likely the more passes over them."""

FEW_PASSES, MANY_PASSES = 4.0, 40.0
"""Passes over the data up to which they count as fresh, and from which on as worn."""


@dataclass(frozen=True)
class Prior:
    """What is believed of a task before any pilot."""

    drift: tuple[float, float] = DECAYED_DRIFT  # octaves per doubling: mean, deviation
    overfit: float = FRESH_OVERFIT  # the probability that the run overfits
    abrupt: bool = False  # whether training past the edge of stability is lost

    def laws(self, centre: float | Floats) -> tuple[Law, ...]:
        """The law of drifts around a centre.

        Returns:
            A mixture whose shares sum to 1.
        """
        sound = 1 - self.overfit
        return (
            (sound * (1 - TAIL), centre, self.drift[1]),
            (sound * TAIL, centre, TAIL_SPREAD),
            (self.overfit, *OVERFIT_DRIFT),
        )


def prior_of(
    optimizer: str, shape: Schedule, passes: float | None, *, clipped: bool = False
) -> Prior:
    """The prior of a task.

    Args:
        optimizer: its name.
        shape: the schedule of the full run.
        passes: over the training data in the full run; None where that is unknown, or nothing
            is held out to see the loss rise.
        clipped: whether gradients are clipped.

    Returns:
        The prior.
    """
    share = min(decay_share(shape) / LONG_DECAY, 1.0)
    mean, spread = (
        share * decayed + (1 - share) * constant
        for decayed, constant in zip(DECAYED_DRIFT, CONSTANT_DRIFT, strict=True)
    )
    if "adagrad" in optimizer.lower():
        mean = ADAGRAD_DRIFT
    overfit = FRESH_OVERFIT + (MOST_OVERFIT - FRESH_OVERFIT) * worn(passes)
    abrupt = "sgd" in optimizer.lower() and not clipped
    return Prior(drift=(mean, spread), overfit=overfit, abrupt=abrupt)


def worn(passes: float | None) -> float:
    """How often data were seen, on a scale of logarithms.

    Args:
        passes: over the training data; None counts as few.

    Returns:
        0 up to `FEW_PASSES` over the data, 1 from `MANY_PASSES` on.
    """
    if passes is None or passes <= FEW_PASSES:
        return 0.0
    return min(math.log(passes / FEW_PASSES) / math.log(MANY_PASSES / FEW_PASSES), 1.0)


def decay_share(shape: Schedule) -> float:
    """The share of a run during which the rate comes down from its highest value for good.

    Returns:
        0 for a constant rate, 1 for one that falls from the first step.
    """
    rates = shape(np.arange(shape.steps))
    high = np.flatnonzero(rates >= 0.95 * rates.max())
    if rates[-1] > 0.5 * rates.max():
        return 0.0
    return 1.0 - float(high[-1] + 1) / shape.steps
