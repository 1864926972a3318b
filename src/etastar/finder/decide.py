"""The decision: the rate of least expected regret, its interval, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etastar.finder.belief import Belief
from etastar.finder.scale import Scale
from etastar.records import Prediction, Regime, RegimeBand

Floats = NDArray[np.float64]

TOLERANCE = math.log(1.05)
"""A regret of 5 %, on the surrogate's scale."""

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
    expected_regret: float


def decide(belief: Belief, tried: Sequence[float]) -> Decision:
    """Choose the rate of least expected regret at the full horizon.

    Overshooting costs more than undershooting, by the belief's skew and its cliff, so the
    choice is shaded low by itself.

    Args:
        belief: about the landscape at the full horizon.
        tried: rates of the trials. The choice is no higher than the highest of them.

    Returns:
        The decision.
    """
    low, middle, high = belief.optimum([0.1, 0.5, 0.9], belief.horizon)
    low, high = middle - WIDEN * (middle - low), middle + WIDEN * (high - middle)
    top = min(max(high, middle), math.log2(max(tried)))
    x = np.arange(min(low, top) - 1.0, top + FINEST_OCTAVES / 2, FINEST_OCTAVES)
    excess = np.minimum(belief.excess(x), FALL_REGRET)  # (H, X)
    fallen = np.zeros(len(x)) if belief.cliff is None else belief.cliff.fallen(x)  # (X,)
    regret = (1 - fallen) * belief.mean(excess) + fallen * FALL_REGRET
    best = int(regret.argmin())
    within = belief.mean((excess[:, best] < TOLERANCE).astype(np.float64))
    return Decision(
        x=float(x[best]),
        low=float(min(low, x[best])),
        high=float(max(high, x[best])),
        confidence=float(within * (1 - fallen[best])),
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
    """The final loss at the full horizon, over rate: the belief drawn as a curve.

    The level is carried from the pilots' horizons along their own trend in log horizon; where
    the curve is lowest is the finding's business, how low it gets is a projection.

    Returns:
        The curve and its 80 % band over the rates tried.
    """
    x = np.linspace(
        min(*np.log2(tried), decision.low) - 0.5, max(*np.log2(tried), decision.high) + 0.5, 121
    )
    level, spread = _projected_level(belief)
    excess = belief.excess(x)  # (H, X)
    order = np.argsort(excess, axis=0)
    cumulative = np.cumsum(belief.weight[order], axis=0)
    columns = np.arange(len(x))
    low, middle, high = (
        np.take_along_axis(excess, order, axis=0)[
            np.minimum((cumulative < share).sum(axis=0), len(belief.weight) - 1), columns
        ]
        for share in (0.1, 0.5, 0.9)
    )
    return Prediction(
        lrs=2.0**x,
        losses=scale.back(level + middle),
        low=scale.back(level - spread + low),
        high=scale.back(level + spread + high),
        drift_per_octave=float(belief.mean(belief.drift_beyond)),
        noise=float(belief.mean(belief.noise)),
    )


def _projected_level(belief: Belief) -> tuple[float, float]:
    """The level at the full horizon: half the pilots' trend per octave goes on.

    Returns:
        Level and 80 % half-width, on the surrogate's scale.
    """
    rungs = sorted(belief.levels)
    last = belief.levels[rungs[-1]]
    if len(rungs) < 2:
        return last, float(belief.mean(belief.noise))
    slope = (last - belief.levels[rungs[0]]) / math.log2(rungs[-1] / rungs[0])
    move = slope * math.log2(belief.horizon / rungs[-1])
    return last + 0.5 * move, 0.5 * abs(move) + float(belief.mean(belief.noise))
