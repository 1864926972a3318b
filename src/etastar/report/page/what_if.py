"""What another rate would have cost, as the finding's own prediction tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from etastar.records import Finding, Prediction, Regime


@dataclass(frozen=True)
class Excess:
    """How much higher a run is predicted to end, with its 80 % band.

    Relative, or in losses where these are not all positive.
    """

    middle: float
    low: float
    high: float
    relative: bool


@dataclass(frozen=True)
class WhatIf:
    """Another rate: its regime, and its excess over the chosen rate where one is predicted."""

    factor: float
    lr: float
    regime: Regime | None
    excess: Excess | None


def what_if(finding: Finding, factor: float) -> WhatIf | None:
    """Ask what `factor` times the rate would have cost.

    Returns:
        None without an answer. Without an excess where the prediction does not reach that far.
    """
    if finding.lr is None:
        return None
    other = factor * finding.lr
    excess = None if finding.prediction is None else _excess(finding.prediction, finding.lr, other)
    return WhatIf(factor, other, _regime(finding, other), excess)


def _regime(finding: Finding, lr: float) -> Regime | None:
    for band in finding.regimes:
        if (band.low or 0.0) <= lr < (band.high or np.inf):
            return band.regime
    return None


def _excess(prediction: Prediction, lr: float, other: float) -> Excess | None:
    usable = prediction.lrs > 0
    rates = prediction.lrs[usable]
    if not rates.size or not all(rates.min() <= rate <= rates.max() for rate in (lr, other)):
        return None
    order = np.argsort(rates)

    def at(rate: float, column: str) -> float:
        values = getattr(prediction, column)[usable][order]
        return float(np.interp(np.log(rate), np.log(rates[order]), values))

    here = at(lr, "losses")
    there = [at(other, column) for column in ("losses", "low", "high")]
    if not np.all(np.isfinite([here, *there])):
        return None
    relative = min(here, *there) > 0
    middle, low, high = ((x / here - 1 if relative else x - here) for x in there)
    return Excess(middle, low, high, relative)
