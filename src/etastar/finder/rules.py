"""Rules that read a learning rate off a range test: pure functions of the curve.

Each answers None where the curve does not support it: when the loss never fell, and never with
a rate that was not tried or lies beyond the edge of stability.
"""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from etastar.finder.footing import fell
from etastar.finder.smoothing import SmoothCurve, smooth
from etastar.records import CyclicBounds, LossCurve, Suggestion

Rule = Callable[[LossCurve], Suggestion | None]

SLIDE_DECADES = 1.2
"""Width of fastai's sliding window: 15 points at 12.5 points per decade."""

SLIDE_SHARE = 0.05
"""The slide stops where the slope changes by less than this share of the drop per decade."""

BEGINS_SHARE = 0.1
"""The loss has begun to fall once it has lost this share of its whole drop."""


@dataclass(frozen=True)
class Falling:
    """A smoothed curve that clearly fell, and the index of its lowest point."""

    smoothed: SmoothCurve
    bottom: int


def falling(smoothed: SmoothCurve | None) -> Falling | None:
    """What rules may read a rate off.

    Returns:
        None where the loss never clearly fell, and nothing may be suggested.
    """
    if smoothed is None or not fell(smoothed):
        return None
    return Falling(smoothed, int(smoothed.losses.argmin()))


def on_curves(read: Callable[[Falling], Suggestion | None]) -> Rule:
    """Make a rule of a reader: smooth the curve, and answer None where it never fell.

    Returns:
        The rule, with the reader's own words.
    """

    @functools.wraps(read)
    def rule(curve: LossCurve) -> Suggestion | None:
        found = falling(smooth(curve))
        return None if found is None else read(found)

    return rule


def suggestions(found: Falling | None) -> dict[str, Suggestion | None]:
    """What every named rule says of one curve, smoothed once.

    Returns:
        A suggestion or None for each of `RULES`.
    """
    return {name: None if found is None else read(found) for name, read in _READERS.items()}


def _steepest(curve: Falling) -> Suggestion | None:
    """The rate where the smoothed loss falls fastest per decade of rate.

    Returns:
        The suggestion, or None where the loss never fell.

    References: Smith, Cyclical Learning Rates, 2017. arXiv:1506.01186
    """
    smoothed, bottom = curve.smoothed, curve.bottom
    index = int(np.argmin(smoothed.slopes[: bottom + 1]))
    slope = smoothed.slopes[index]
    if slope >= 0:
        return None
    return Suggestion(
        lr=float(smoothed.lrs[index]), reason=f"the loss falls fastest here, {_per_decade(slope)}"
    )


def _valley(curve: Falling) -> Suggestion | None:
    """Half way down the longest valley: the longest decreasing subsequence of the loss.

    Returns:
        The suggestion, or None where the loss never fell.

    References: fastai's default rule (Novetta's valley algorithm), on the smoothed curve.
    """
    smoothed = curve.smoothed
    path = longest_decrease(smoothed.losses)
    if len(path) < 3:
        return None
    width = len(path)
    index = path[min(width // 3 + width // 6, width - 1)]
    return Suggestion(
        lr=float(smoothed.lrs[index]), reason=f"half way down a valley of {width} steps"
    )


def _minimum_over_10(curve: Falling) -> Suggestion | None:
    """A tenth of the rate at which the smoothed loss is lowest.

    Returns:
        The suggestion, or None where the loss never fell or that rate was not tried.

    References: fastai's rule "minimum".
    """
    smoothed, bottom = curve.smoothed, curve.bottom
    lr = float(smoothed.lrs[bottom]) / 10
    if lr < smoothed.lrs[0]:
        return None
    return Suggestion(
        lr=lr, reason=f"a tenth of {smoothed.lrs[bottom]:.2g}, where the loss is lowest"
    )


def _slide(curve: Falling) -> Suggestion | None:
    """The left edge of a window slid down from the right until the slope is steady within it.

    Returns:
        The suggestion, or None where the loss never fell or the slope never settles while
        falling.

    References: fastai's rule "slide", with the window in decades instead of points.
    """
    smoothed, bottom = curve.smoothed, curve.bottom
    x = np.log10(smoothed.lrs)
    limit = SLIDE_SHARE * smoothed.drop
    for right in range(bottom, 0, -1):
        left = int(np.searchsorted(x, x[right] - SLIDE_DECADES))
        if x[right] - x[0] < SLIDE_DECADES:
            return None
        steady = abs(smoothed.slopes[right] - smoothed.slopes[left]) <= limit
        if steady and smoothed.slopes[left] < 0:
            return Suggestion(
                lr=float(smoothed.lrs[left]),
                reason=f"the slope is steady for {SLIDE_DECADES} decades from here",
            )
    return None


_READERS = MappingProxyType(
    {"steepest": _steepest, "valley": _valley, "minimum_over_10": _minimum_over_10, "slide": _slide}
)

steepest = on_curves(_steepest)
valley = on_curves(_valley)
minimum_over_10 = on_curves(_minimum_over_10)
slide = on_curves(_slide)

RULES: Mapping[str, Rule] = MappingProxyType(
    {"steepest": steepest, "valley": valley, "minimum_over_10": minimum_over_10, "slide": slide}
)
"""The named rules, as they appear in `RangeTest.suggestions`: pure functions of the curve."""


def cyclic_bounds(curve: Falling) -> CyclicBounds | None:
    """The rates between which a triangular or 1cycle schedule may move.

    The low bound is where the loss has begun to fall; the high one is the last rate that still
    made it fall, short of where it turns.

    Returns:
        The bounds, or None where they do not bound anything.

    References: Smith, Cyclical Learning Rates, 2017. arXiv:1506.01186, section 3.3
    """
    smoothed, bottom = curve.smoothed, curve.bottom
    begun = np.flatnonzero(smoothed.losses < smoothed.start - BEGINS_SHARE * smoothed.drop)
    descending = np.flatnonzero(smoothed.slopes[: bottom + 1] < -BEGINS_SHARE * smoothed.drop)
    if len(begun) == 0 or len(descending) == 0:
        return None
    low, high = float(smoothed.lrs[begun[0]]), float(smoothed.lrs[descending[-1]])
    if not low < high:
        return None
    return CyclicBounds(
        low=low, high=high, reason="the loss begins to fall at the one and stops at the other"
    )


def longest_decrease(values: np.ndarray) -> list[int]:
    """The longest strictly decreasing subsequence.

    Returns:
        Its indices, rising; O(n log n).
    """
    tails: list[float] = []  # the greatest last value, negated, of a run of each length
    ends: list[int] = []
    before = [-1] * len(values)
    for index, value in enumerate(values):
        place = bisect_left(tails, -value)
        before[index] = ends[place - 1] if place else -1
        tails[place : place + 1] = [-value]
        ends[place : place + 1] = [index]
    path: list[int] = []
    index = ends[-1] if ends else -1
    while index >= 0:
        path.append(index)
        index = before[index]
    return path[::-1]


def _per_decade(slope: float) -> str:
    return f"{-slope:.2g} per decade"
