"""What the trials say about the landscape: weighted hypotheses about bowl and cliff."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

REACH_OCTAVES = 3.0


def bowl(distance: Floats, curvature: Floats, skew: Floats) -> Floats:
    """Excess loss `distance` octaves away from the best rate.

    Returns:
        0 at the bottom, quadratic near it, linear far away, steeper on the right.
    """
    height = curvature * distance**2 / (1 + np.abs(distance) / REACH_OCTAVES)
    return height * np.where(distance > 0, skew, 1.0)


@dataclass(frozen=True)
class Cliff:
    """The rate beyond which training does not survive, in octaves: normal belief."""

    centre: float
    spread: float

    def fallen(self, x: Floats) -> Floats:
        """The probability that training at x fails.

        Returns:
            Of the shape of x.
        """
        return ndtr((x - self.centre) / self.spread)


@dataclass(frozen=True)
class Belief:
    """Hypotheses about the bowl, weighed by the trials.

    `mu` is the optimum at `longest`, the pilots' longest horizon. From there it moves by
    `drift_beyond` octaves per doubling, and towards shorter ones by `drift`.
    """

    horizon: int  # of the full run
    longest: int  # of the pilots
    mu: Floats  # (H,) log2 of the best rate at the longest pilots' horizon
    drift: Floats  # (H,) octaves per doubling, among the pilots
    drift_beyond: Floats  # (H,) octaves per doubling, from there on
    curvature: Floats  # (H,) at the full horizon
    skew: Floats  # (H,)
    noise: Floats  # (H,)
    weight: Floats  # (H,) sums to 1
    levels: dict[int, float]  # expected lowest loss at each horizon, mean over seeds
    cliff: Cliff | None  # None where nothing ever failed

    def mean(self, values: Floats) -> Floats:
        """The expectation of values given per hypothesis, (H,) or (H, X).

        Returns:
            A number, or (X,).
        """
        return np.tensordot(self.weight, values, axes=1)

    def best_rate(self, steps: int) -> Floats:
        """Each hypothesis' best rate at a horizon.

        Returns:
            log2 of the rate, (H,).
        """
        octaves = math.log2(steps / self.longest)
        return self.mu + (self.drift_beyond if octaves > 0 else self.drift) * octaves

    def optimum(self, shares: Sequence[float], steps: int) -> Floats:
        """Quantiles of the best rate at a horizon.

        Returns:
            log2 of the rate, one per share.
        """
        mu = self.best_rate(steps)
        order = np.argsort(mu)
        cumulative = np.cumsum(self.weight[order]) - 0.5 * self.weight[order]
        return np.interp(shares, cumulative, mu[order])

    def spread(self, steps: int) -> float:
        """The standard deviation of the best rate at a horizon.

        Returns:
            Octaves.
        """
        mu = self.best_rate(steps)
        return float(np.sqrt(self.mean((mu - self.mean(mu)) ** 2)))

    def excess(self, x: Floats) -> Floats:
        """Each hypothesis' excess loss at the full horizon.

        Returns:
            (H, X), on the surrogate's scale.
        """
        distance = x[None, :] - self.best_rate(self.horizon)[:, None]
        return bowl(distance, self.curvature[:, None], self.skew[:, None])
