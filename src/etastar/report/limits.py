"""How much of the rates and losses a picture shows, on paper or in a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_DECADES = 305.0
"""Rates further from 1 are no numbers any more."""

_LARGEST = 1e140
"""Losses beyond are off every scale, and would overflow in its arithmetic."""


@dataclass(frozen=True)
class Frame:
    """The losses a picture has room for."""

    low: float
    high: float
    log: bool
    empty: bool = False


def frame(losses: NDArray[np.float64], *, also: Sequence[float] = ()) -> Frame:
    """Choose the losses worth showing: all of them, but for a few far above the rest.

    Args:
        losses: what was measured; it decides how high the picture reaches.
        also: further losses, shown as far as they are not higher.

    Returns:
        The range, and whether it is drawn in decades: where all losses are positive and span
        more than a factor of 10.

    >>> frame(np.array([0.5, 0.6, 2.0, np.nan]), also=[0.4, 9.0])
    Frame(low=0.4, high=2.0, log=False, empty=False)
    >>> frame(np.array([0.01, 0.02, 0.05, 1e12])).log
    True
    """
    finite = np.clip(losses[np.isfinite(losses)], -_LARGEST, _LARGEST)
    if not finite.size:
        return frame(np.array(also)) if len(also) else Frame(0.0, 1.0, log=False, empty=True)
    low, middle, high = (float(v) for v in np.quantile(finite, [0, 0.5, 1], method="lower"))
    lowest = min([low, *(max(v, -_LARGEST) for v in also if np.isfinite(v))])
    if lowest > 0 and high / lowest > 10:
        decades = np.log10(middle / low)
        return Frame(lowest, float(min(high, middle * 10 ** (2 * decades + 2))), log=True)
    if low <= 0 and middle > low:
        high = min(high, middle + 10 * (middle - low))
    if high <= lowest:
        pad = 0.1 * abs(lowest) or 1.0
        return Frame(lowest - pad, high + pad, log=False)
    return Frame(lowest, high, log=False)


def rate_limits(
    rates: Sequence[float], rise: Literal["exponential", "linear"] = "exponential"
) -> tuple[float, float]:
    """The learning rates a picture shows: those given and a margin.

    Returns:
        Lowest and highest.
    """
    if rise == "linear":
        pad = 0.04 * (max(rates) - min(rates)) or 0.5 * max(rates) or 1.0
        return min(rates) - pad, max(rates) + pad
    low, high = np.log10(min(rates)), np.log10(max(rates))
    pad = max(0.06 * (high - low), 0.15)
    return float(10 ** max(low - pad, -_DECADES)), float(10 ** min(high + pad, _DECADES))


def share_between(
    lr: float, low: float, high: float, rise: Literal["exponential", "linear"] = "exponential"
) -> float:
    """Where a rate lies between two others, on the scale they are drawn on.

    Returns:
        0 at `low`, 1 at `high`.
    """
    if rise == "linear":
        return (lr - low) / (high - low)
    return float((np.log(lr) - np.log(low)) / (np.log(high) - np.log(low)))
