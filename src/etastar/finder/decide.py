"""The decision: the rate of least expected regret, its interval, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from etastar.finder.belief import Belief
from etastar.finder.calibration import promised
from etastar.finder.scale import Scale
from etastar.records import Prediction, Regime, RegimeBand

Floats = NDArray[np.float64]

TOLERANCE, TIGHT = math.log(1.05), math.log(1.01)
"""Regrets of 5 % and of 1 %, on the surrogate's scale."""

SURE = 0.8
"""P(regret < 5 %) from which an answer is called confident."""

FALL_REGRET = 3.0
"""What a run beyond the cliff costs, on the surrogate's scale; excess is capped at it too."""

GOOD = math.log(1.25)
"""Rates within a quarter of the best loss are good."""

WIDEN = 1.3
"""The interval is this much wider than the grid's own: its bowl is a simplification."""

FINEST_OCTAVES = 0.05


@dataclass(frozen=True)
class Decision:
    """A rate, in octaves, and what may be said of it."""

    x: float  # log2 of the rate
    low: float  # 10 % quantile of the best rate, log2, widened
    high: float  # 90 %
    confidence: float  # P(regret < 5 %)
    confidence_tight: float  # P(regret < 1 %)
    expected_regret: float


def decide(belief: Belief, tried: Sequence[float], passes: float | None = None) -> Decision:
    """Choose the rate of least expected regret at the full horizon.

    Overshooting costs more than undershooting, by the belief's skew and its cliff, so the
    choice is shaded low by itself.

    Args:
        belief: about the landscape at the full horizon.
        tried: rates of the trials. The choice is no higher than the highest of them.
        passes: over the training data, see `calibration.promised`.

    Returns:
        The decision.
    """
    low, middle, high = belief.optimum([0.1, 0.5, 0.9], belief.horizon)
    low, high = middle - WIDEN * (middle - low), middle + WIDEN * (high - middle)
    top = min(max(high, middle), math.log2(max(tried)))
    x = np.minimum(np.arange(min(low, top) - 1.0, top + FINEST_OCTAVES, FINEST_OCTAVES), top)
    excess = np.minimum(belief.excess(x), FALL_REGRET)  # (H, X)
    fallen = np.zeros(len(x)) if belief.cliff is None else belief.cliff.fallen(x)  # (X,)
    regret = (1 - fallen) * belief.mean(excess) + fallen * FALL_REGRET
    best = int(regret.argmin())
    within, tight = (
        float(belief.mean((excess[:, best] < bound).astype(np.float64)) * (1 - fallen[best]))
        for bound in (TOLERANCE, TIGHT)
    )
    within, tight = promised(within, tight, passes)
    return Decision(
        x=float(x[best]),
        low=float(min(low, x[best])),
        high=float(max(high, x[best])),
        confidence=within,
        confidence_tight=tight,
        expected_regret=float(regret[best]),
    )


def regimes(belief: Belief, decision: Decision) -> tuple[RegimeBand, ...]:
    """The stretches of rates that behave alike at the full horizon.

    Returns:
        From `too_small` to `diverging`, without gaps; a stretch of no width is left out.
    """
    x = np.arange(decision.low - 12.0, decision.high + 12.0, FINEST_OCTAVES)
    good = x[belief.mean(belief.excess(x)) < GOOD]
    lowest = min(float(good.min()) if len(good) else decision.low, decision.low)
    highest = max(float(good.max()) if len(good) else decision.high, decision.high)
    edge = None if belief.cliff is None else max(belief.cliff.centre, decision.high)
    highest = highest if edge is None else min(highest, edge)
    bounds: list[tuple[Regime, float | None, float | None]] = [
        ("too_small", None, lowest),
        ("good", lowest, decision.low),
        ("optimal", decision.low, decision.high),
        ("good", decision.high, highest),
        ("oscillating", highest, edge),
        *([] if edge is None else [("diverging", edge, None)]),
    ]
    return tuple(
        RegimeBand(
            regime=name,
            low=None if low is None else 2.0**low,
            high=None if high is None else 2.0**high,
        )
        for name, low, high in bounds
        if low is None or high is None or high - low > 1e-9
    )


def predict(belief: Belief, scale: Scale, decision: Decision, tried: Sequence[float]) -> Prediction:
    """The belief drawn as a curve: final loss over rate, in the shape it has at the full horizon.

    How low the full run gets no pilot can tell; the curve's bottom is drawn at the level of the
    longest pilots. Where the bottom lies, and how fast the loss rises from it, is the belief.

    Returns:
        The curve and its 80 % band over the rates tried.
    """
    octaves = np.log2(tried)
    x = np.linspace(
        min(octaves.min(), decision.low) - 0.5, max(octaves.max(), decision.high) + 0.5, 121
    )
    level, noise = belief.levels[belief.longest], float(belief.mean(belief.noise))
    low, middle, high = _quantiles(belief, belief.excess(x), (0.1, 0.5, 0.9))
    return Prediction(
        lrs=2.0**x,
        losses=scale.back(level + middle),
        low=scale.back(level - noise + low),
        high=scale.back(level + noise + high),
        drift_per_octave=float(belief.mean(belief.drift_beyond)),
        noise=noise,
    )


def _quantiles(belief: Belief, values: Floats, shares: tuple[float, ...]) -> list[Floats]:
    """Weighted quantiles over the hypotheses, without the graininess of their grid.

    Args:
        belief: whose weights count.
        values: (H, X)
        shares: of the weight below each quantile.

    Returns:
        (X,) for each share.
    """
    order = np.argsort(values, axis=0)
    cumulative = np.cumsum(belief.weight[order], axis=0)
    last = len(belief.weight) - 1
    found: list[Floats] = []
    for share in shares:
        place = np.minimum((cumulative < share).sum(axis=0), last)
        columns = np.arange(values.shape[1])
        exact = values[order[place, columns], columns]
        found.append(gaussian_filter1d(exact, sigma=3.0, mode="nearest"))
    return found
