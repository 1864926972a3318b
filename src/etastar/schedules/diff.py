"""Two schedules compared in numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etastar.schedules.base import FloatArray, Schedule

_LOOKS = 100_001


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far two schedules are apart, over the longer horizon and a tenth past it.

    Attributes:
        steps: The two horizons.
        peaks: The two highest values.
        ends: The two values held, or reached, at the longer horizon.
        first: The first step at which they differ; None if they never do.
        largest: The largest absolute difference.
        largest_at: Where it is.
        area_ratio: The second's sum of values over the first's: the distance trained.
        exact: Whether every step was compared, or an even choice of them.
    """

    steps: tuple[int, int]
    peaks: tuple[float, float]
    ends: tuple[float, float]
    first: int | None
    largest: float
    largest_at: int | None
    area_ratio: float | None
    exact: bool

    @property
    def same(self) -> bool:
        """Whether the two give the same numbers at every step compared."""
        return self.first is None


def diff(left: Schedule, right: Schedule, tolerance: float = 1e-12) -> Difference:
    """The difference of two schedules.

    Args:
        left: One schedule.
        right: The other.
        tolerance: Differences below this share of the higher peak are none.

    Returns:
        The numbers.

    >>> from etastar.schedules import Cosine, Linear
    >>> found = diff(Cosine(steps=100), Linear(steps=100))
    >>> found.first, found.largest_at, round(found.largest, 3)
    (1, 22, 0.105)
    """
    steps = sampled(left, right)
    a, b = left(steps), right(steps)
    peaks = left.maximum, right.maximum
    gap = np.abs(a - b)
    apart = np.flatnonzero(gap > tolerance * max(*peaks, 1e-300))
    end = float(max(left.steps, right.steps))
    trained = steps < end
    area = float(a[trained].sum())
    return Difference(
        steps=(left.steps, right.steps),
        peaks=peaks,
        ends=(left(end), right(end)),
        first=int(steps[apart[0]]) if apart.size else None,
        largest=float(gap.max()),
        largest_at=int(steps[gap.argmax()]) if apart.size else None,
        area_ratio=float(b[trained].sum()) / area if area > 0 else None,
        exact=len(steps) > end,
    )


def sampled(*schedules: Schedule, past: float = 0.1, most: int = _LOOKS) -> FloatArray:
    """The steps to compare schedules at: all of them, or an even choice of at most `most`."""
    last = max(schedule.steps for schedule in schedules)
    for schedule in schedules:  # a schedule that stops is looked at up to its end
        past = 0.0 if _stops(schedule, last) else past
    end = round(last * (1 + past)) + (past > 0)
    if end < most:
        return np.arange(end + 1, dtype=np.float64)
    return np.unique(np.linspace(0, end, most).round())


def _stops(schedule: Schedule, last: int) -> bool:
    from etastar.errors import ScheduleError

    try:
        schedule(float(2 * last + 10))
    except ScheduleError:
        return True
    return False
