"""Which regime a descent is in, read off its loss curve alone: neither rate nor curvature counts.

The curve is measured at every half epoch: before a step, half way along it, and after it. The
loss of a quadratic falls at every whole step even while the descent circles its minimum; only
half way along the step does it show that the valley was crossed and the other wall climbed
(Xing et al., A Walk with SGD, 2018. arXiv:1802.08770, see the same on real networks).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etastar.records import Regime

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
