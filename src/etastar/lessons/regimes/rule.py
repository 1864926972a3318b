"""Which regime a descent is in, read off its loss curve alone: neither rate nor curvature counts.

The curve is measured at every half epoch: before a step, half way along it, and after it. The
loss of a quadratic falls at every whole step even while the descent circles its minimum; only
half way along the step does it show that the valley was crossed and the other wall climbed
(Xing et al., A Walk with SGD, 2018. arXiv:1802.08770, see the same on real networks).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etastar.records import RegimeBand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from etastar.records import Regime

TOLERANCE, GOOD = 1.05, 1.25
"""Optimal and good on a network: final losses up to so many times the best, as in a `Finding`."""

MARK = 1e-3
"""Converged: the loss has lost all but a thousandth of what it could lose, for good.

The weights are then 30 times closer than at the start: no eye tells the line from the best one.
Nothing hangs on the number: from 1e-2 to 1e-5 the five descents of the lesson have the same names.
"""

FAST = 0.1
"""Optimal: converged within this share of the epochs."""


def regime_of(losses: NDArray[np.float64], lowest: float, mark: float = MARK) -> Regime:
    """The regime of a descent.

    - `optimal`: converged within a tenth of its epochs;
    - `good`: converged within its epochs;
    - `diverging`: not finite, or higher at the end than half way through;
    - `oscillating`: not converged, and the second half of most steps goes uphill;
    - `too_small`: not converged, and every step still goes downhill.

    Args:
        losses: (2E+1,) at every half epoch.
        lowest: the lowest loss there is.
        mark: see `MARK`.

    Returns:
        Its name.
    """
    epochs = len(losses) // 2
    whole, halfway = losses[::2], losses[1::2]
    converged = epochs_to_converge(whole, lowest, mark)
    if converged is not None:
        return "optimal" if converged <= FAST * epochs else "good"
    if not np.all(np.isfinite(losses)) or whole[-1] > whole[epochs // 2]:
        return "diverging"
    uphill = np.count_nonzero(halfway < whole[1:])
    return "oscillating" if uphill > epochs / 2 else "too_small"


def epochs_to_converge(
    losses: NDArray[np.float64], lowest: float, mark: float = MARK
) -> int | None:
    """Epochs after which the loss is converged and stays so.

    Args:
        losses: (E+1,) at every epoch.
        lowest: the lowest loss there is.
        mark: see `MARK`.

    Returns:
        The number; None where the last loss is not converged.
    """
    there = losses - lowest <= mark * (losses[0] - lowest)  # False for NaN
    if not there[-1]:
        return None
    away = np.flatnonzero(~there)
    return int(away[-1]) + 1 if len(away) else 0


def regimes_of(losses: Sequence[float], start: float) -> list[Regime]:
    """The regimes of trainings whose lowest loss nobody knows: by how they end beside each other.

    The best rate and those beside it within 5 % of its loss are `optimal`, further ones within
    25 % `good`, as in a `Finding`. What lies below is `too_small`. Above comes `oscillating`, and
    from the first rate that ends no better than it began, `diverging`.

    Args:
        losses: final losses at rising rates; NaN for a trial without one.
        start: the loss of the untrained network.

    Returns:
        A name per rate.
    """
    ends = np.array(losses, dtype=np.float64)
    fell = np.where(np.isfinite(ends) & (ends < start), ends, np.inf)
    if not np.isfinite(fell).any():
        return ["diverging" if np.isnan(end) else "too_small" for end in ends]
    best = int(fell.argmin())
    lowest = float(fell[best])
    # where losses may be negative, in shares of what was gained
    unit = lowest if lowest > 0 else start - lowest
    excess = (fell - lowest) / unit
    lost = next((i for i in range(best, len(ends)) if not np.isfinite(fell[i])), len(ends))
    tight = _around(best, excess <= TOLERANCE - 1)
    wide = _around(best, excess <= GOOD - 1)
    names: list[Regime] = []
    for place in range(len(ends)):
        if place in tight:
            names.append("optimal")
        elif place in wide:
            names.append("good")
        elif place < best:
            names.append("too_small")
        else:
            names.append("oscillating" if place < lost else "diverging")
    return names


def bands(lrs: Sequence[float], names: Sequence[Regime]) -> tuple[RegimeBand, ...]:
    """Join neighbouring rates of one regime.

    Args:
        lrs: rising.
        names: the regime at each.

    Returns:
        The stretches, without gaps; each ends half way (in the logarithm) to its neighbour.
    """
    turns = [i for i in range(1, len(lrs)) if names[i] != names[i - 1]]
    ends = [None, *(float(np.sqrt(lrs[i - 1] * lrs[i])) for i in turns), None]
    return tuple(
        RegimeBand(regime=names[begin], low=low, high=high)
        for begin, low, high in zip([0, *turns], ends[:-1], ends[1:], strict=True)
    )


def _around(best: int, holds: NDArray[np.bool_]) -> range:
    """The unbroken run of places around `best` where it holds."""
    low = high = best
    while low > 0 and holds[low - 1]:
        low -= 1
    while high + 1 < len(holds) and holds[high + 1]:
        high += 1
    return range(low, high + 1)
