"""When a range test has lost its footing: the early stop, and the edge it reveals."""

from __future__ import annotations

import math
import statistics
from bisect import insort

import numpy as np

from etastar.finder.smoothing import SmoothCurve, sigma_of, start_length, unit_of

LOST_SHARE = 0.5
"""The test stops once this share of its progress is lost again."""

MARGIN_SIGMAS = 6.0
"""Beyond the lost share, so many standard deviations of one loss."""

MARGIN_FLOOR = 0.2
"""And at least this share of the progress, or of the unit where there was little."""

SUSTAINED = 3
"""For this many steps in a row: one spike is no divergence."""

PATIENCE = 12
"""Steps before the stop may fire at all: fewer say nothing about the noise."""

RENEWED = 1.2
"""The limit is worked out anew whenever so many times the steps were made."""

FALL_SIGMAS = 5.0
"""A fall counts when the smoothed loss drops by so many of its own standard deviations."""

LEAST_FALL = 0.01
"""And by at least this, on the judged scale."""

EDGE_SHARE = 0.1
"""The edge is where this share of the progress is lost for good."""


class Footing:
    """Follows a growing-rate run and says when it is lost.

    It weighs differences only, so losses may be negative; and weighs them against the noise
    seen so far, so a slow start cannot fire it. A step costs a microsecond.
    """

    def __init__(self) -> None:
        self._losses: list[float] = []
        self._values: list[float] = []  # on the judged scale
        self._bends: list[float] = []  # their second differences, by size
        self._logarithmic = True
        self._best = math.inf
        self._limit = math.inf
        self._renew_at = PATIENCE + 1
        self._above = 0

    def lost(self, loss: float) -> bool:
        """Whether, with this next loss, the run has lost its footing.

        Returns:
            True for a loss that is not finite, and once the loss has stayed far above what was
            reached.
        """
        self._losses.append(loss)
        if not math.isfinite(loss):
            return True
        if self._logarithmic and loss <= 0:  # the first one that no logarithm can take
            self._logarithmic = False
            self._values, self._bends, self._best = [], [], math.inf
            self._renew_at = PATIENCE + 1  # the limit stood on the other scale
            for earlier in self._losses[:-1]:
                self._take(earlier)
        value = math.log(loss) if self._logarithmic else loss
        self._take(value)
        steps = len(self._values)
        if steps >= self._renew_at:  # not before the patience has run out: no limit until then
            self._limit = self._new_limit()
            self._renew_at = int(RENEWED * steps) + 1
        if value <= self._limit:
            self._above = 0
            return False
        self._above += 1
        return self._above >= SUSTAINED

    def _take(self, value: float) -> None:
        values = self._values
        values.append(value)
        if len(values) >= 3:
            three = values[-3:]
            insort(self._bends, abs(value - 2 * three[1] + three[0]))
            # what the middle one of three neighbours reached, not one lucky batch
            self._best = min(self._best, sorted(three)[1])

    def _new_limit(self) -> float:
        start = statistics.median(self._values[: start_length(len(self._values))])
        best = min(start, self._best)
        unit = unit_of(start, logarithmic=self._logarithmic)
        noise = sigma_of(self._bends)
        margin = max(MARGIN_SIGMAS * noise, MARGIN_FLOOR * max(start - best, unit))
        return best + LOST_SHARE * (start - best) + margin


def fell(curve: SmoothCurve) -> bool:
    """Whether the loss fell clearly below its start before anything else happened.

    Returns:
        True if the drop is well above what smoothing leaves of the noise.
    """
    return curve.drop > max(FALL_SIGMAS * curve.noise / 3**0.5, LEAST_FALL * curve.unit)


def edge(curve: SmoothCurve, ended_lost: bool) -> float | None:
    """The rate at which training lost its footing for good.

    Args:
        curve: the smoothed curve up to where it was stopped.
        ended_lost: whether the test ended by divergence.

    Returns:
        The last rate whose loss was still within a tenth of the progress above the best; None
        if the test never lost its footing.
    """
    if not ended_lost:
        return None
    limit = float(curve.losses.min()) + EDGE_SHARE * max(curve.drop, 0.0) + curve.noise
    within = np.flatnonzero(curve.losses <= limit)
    return float(curve.lrs[within[-1]])
