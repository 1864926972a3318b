"""A range test's curve without its noise, and without the lag that noise filters bring.

An exponential average of 0.98 over 100 steps and 8 decades lags 4 decades behind, and its
minimum with it. A local line in log rate has no lag on straight stretches, and never looks
further than `REACH` bandwidths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etastar.records import LossCurve

BANDWIDTH_DECADES = 0.1
"""Width of the Gaussian kernel; wider only where a step is longer than half of it."""

BLOCK = 64
"""Points whose lines are fitted at once; only those within reach of a block are weighed."""

REACH = 3.0
"""How many bandwidths the kernel looks to either side."""

_MAD_TO_SIGMA = 1.4826
_SQRT_6 = 6**0.5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SmoothCurve:
    """The finite, informative part of a curve, smoothed over log rate.

    Losses are on the scale on which range tests are judged: their natural logarithm where all
    are positive, else as they are.
    """

    lrs: Floats  # (F,) rising rates before the first loss that is not finite
    losses: Floats  # (F,) smoothed, on the judged scale
    raw: Floats  # (F,) on the judged scale
    slopes: Floats  # (F,) of the smoothed loss, per decade
    start: float  # the median of the first tenth, three steps at least
    noise: float  # standard deviation of one raw loss around the smooth curve
    unit: float  # the size of a change that matters, on the judged scale

    @property
    def drop(self) -> float:
        """How far the smoothed loss fell below the start."""
        return self.start - float(self.losses.min())


def start_length(steps: int) -> int:
    """How many steps count as the start of a curve.

    Returns:
        A tenth of the steps, between 3 and 10, or all if there are fewer.
    """
    return min(steps, max(3, min(10, steps // 10)))


def smooth(curve: LossCurve) -> SmoothCurve | None:
    """Fit a local line in log rate around every finite point of the curve.

    Nothing after the first loss that is not finite counts.

    Returns:
        The smooth curve, or None with fewer than five finite points or no rise of the rate.
    """
    finite = curve.finite_steps
    lrs, raw = curve.lrs[:finite], curve.losses[:finite]
    if finite < 5 or lrs[0] <= 0 or lrs[-1] <= lrs[0]:
        return None
    logarithmic = bool(np.all(raw > 0))
    raw = np.log(raw) if logarithmic else raw
    x = np.log10(lrs)
    losses, slopes = _local_lines(x, raw, _widths(x))
    start = float(np.median(raw[: start_length(finite)]))
    return SmoothCurve(
        lrs=lrs,
        losses=losses,
        raw=raw,
        slopes=slopes,
        start=start,
        noise=noise_of(raw),
        unit=unit_of(start, logarithmic=logarithmic),
    )


def unit_of(start: float, *, logarithmic: bool) -> float:
    """The size of a change that matters, on the scale on which curves are judged.

    Returns:
        1 on the log scale, a factor of e. Losses that may be negative have no natural unit:
        then a fiftieth of the start's size, as an offset says nothing.
    """
    return 1.0 if logarithmic else max(0.02 * abs(start), 1e-12)


def noise_of(losses: Floats) -> float:
    """The standard deviation of one loss around its trend, from second differences.

    Returns:
        A robust estimate: their median magnitude, scaled as for a normal law. A straight trend
        of any slope adds nothing to it.
    """
    return sigma_of(np.sort(np.abs(losses[2:] - 2 * losses[1:-1] + losses[:-2])))


def sigma_of(bends: Sequence[float] | Floats) -> float:
    """The standard deviation of one loss, from the magnitudes of second differences.

    Args:
        bends: in rising order, at least one.

    Returns:
        Their median, scaled as for a normal law.
    """
    return float(_MAD_TO_SIGMA * bends[len(bends) // 2] / _SQRT_6)


def _widths(x: Floats) -> Floats:
    """The kernel's width around each x: a linear rise is sparse at its beginning.

    Returns:
        (F,)
    """
    gaps = np.diff(x)
    wider = np.maximum(np.append(gaps, gaps[-1]), np.insert(gaps, 0, gaps[0]))
    return np.maximum(BANDWIDTH_DECADES, 2 * wider)


def _local_lines(x: Floats, y: Floats, widths: Floats) -> tuple[Floats, Floats]:
    """Weighted least squares of a line around each x.

    Returns:
        Heights and slopes of the lines at their own x, each of shape (F,).
    """
    columns = np.stack([np.ones_like(x), x, x**2, y, x * y], axis=1)
    heights, slopes = np.empty_like(x), np.empty_like(x)
    for first in range(0, len(x), BLOCK):
        here = slice(first, first + BLOCK)
        farthest = REACH * widths[here].max()
        near = slice(
            int(np.searchsorted(x, x[here][0] - farthest)),
            int(np.searchsorted(x, x[here][-1] + farthest, side="right")),
        )
        reach = np.subtract.outer(x[here], x[near]) / widths[here, None]  # (B, N)
        weight = np.exp(-0.5 * reach**2) * (np.abs(reach) <= REACH)
        w, wx, wxx, wy, wxy = (weight @ columns[near]).T
        slopes[here] = (w * wxy - wx * wy) / (w * wxx - wx**2)
        heights[here] = (wy + slopes[here] * (w * x[here] - wx)) / w
    return heights, slopes
