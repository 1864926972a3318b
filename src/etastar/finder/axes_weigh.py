"""What the pilots of another value say: how its best rate and its lowest loss have moved.

The bowl over log rate, as the surrogate believes it at the pilots' horizon, is taken to have the
same shape at the other value. What is weighed is where it lies (under the scaling rule as prior)
and how deep it is; every hypothesis about the bowl is paired with every move on a grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from etastar.finder.axes_rules import Rule
from etastar.finder.belief import Belief, Cliff, bowl
from etastar.finder.hypotheses import DRIFTS
from etastar.finder.scale import Scale, trained
from etastar.finder.surrogate import MISFIT
from etastar.records import Trial

Floats = NDArray[np.float64]

MOVES = np.linspace(-3.0, 3.0, 41)
"""Moves of the best rate that are weighed, in standard deviations of the rule's spread."""

USUAL_CHANGE = 0.2
"""Losses usually change by less than this between neighbouring values, on the surrogate's scale;
larger changes are believed too, only later."""

CARRIED = 0.3
"""A difference seen at the pilots' horizon is this uncertain at the full one, as a share of it."""


@dataclass(frozen=True)
class Landscape:
    """A value's bowl: where it lies at the pilots' horizon and at the full one, and its pilots."""

    pilots: Belief  # at the pilots' own horizon
    full: Belief
    trials: tuple[Trial, ...]  # that tell how deep it is

    @property
    def best(self) -> float:
        """The best rate of the pilots as expected, in octaves."""
        return float(self.pilots.mean(self.pilots.mu))


@dataclass(frozen=True)
class Change:
    """How a value's bowl differs from the one it is compared with."""

    depth: float  # its lowest loss less the other's, on the surrogate's scale
    depth_spread: float  # standard deviation at the full horizon
    best: float  # octaves: its best rate at the pilots' horizon
    best_spread: float

    @property
    def better(self) -> float:
        """The probability that it ends lower."""
        return float(ndtr(-self.depth / self.depth_spread))


def thinned(belief: Belief) -> Belief:
    """The belief at the pilots' horizon without the drifts beyond it, which say nothing there.

    Returns:
        One hypothesis where there was one for every drift.
    """
    size = len(DRIFTS)
    parts = ("mu", "drift", "drift_beyond", "curvature", "skew", "noise")
    kept = {name: getattr(belief, name)[::size] for name in parts}
    return replace(belief, weight=belief.weight.reshape(-1, size).sum(axis=1), **kept)


def change(
    own: Landscape, trials: Sequence[Trial], rule: Rule, scale: Scale, start: float
) -> Change | None:
    """Weigh the pilots of another value.

    Args:
        own: what they are compared with.
        trials: of the value, at the same share of the run.
        rule: where the best rate is expected to have moved.
        scale: of the losses.
        start: the loss before any training.

    Returns:
        How the value differs; None where none of its pilots trained.
    """
    near = [trial for trial in trials if trained(trial, start)]
    beside = [trial for trial in own.trials if trained(trial, start)]
    if not near or not beside:
        return None
    belief = own.pilots
    moves = rule.octaves + rule.spread * MOVES  # (D,)
    level, precision, _ = _level(belief, beside, np.zeros(1), scale)  # (H, 1)
    other, other_precision, likelihood = _level(belief, near, moves, scale)  # (H, D)
    depth = other - level
    variance = 1 / precision + 1 / other_precision
    log_weight = (
        np.log(np.maximum(belief.weight, 1e-300))[:, None]
        - 0.5 * MOVES[None, :] ** 2
        + likelihood
        - np.log1p((depth / USUAL_CHANGE) ** 2)
    )
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mean = float((weight * depth).sum())
    seen = float((weight * (variance + (depth - mean) ** 2)).sum())
    places = belief.mu[:, None] + moves[None, :]
    best = float((weight * places).sum())
    spread = math.sqrt(float((weight * (places - best) ** 2).sum()))
    carried = math.sqrt(seen + (CARRIED * mean) ** 2)
    return Change(depth=mean, depth_spread=carried, best=best, best_spread=spread)


def _level(
    belief: Belief, trials: Sequence[Trial], moves: Floats, scale: Scale
) -> tuple[Floats, Floats, Floats]:
    """The lowest loss of a bowl moved by so many octaves, given its trials.

    Returns:
        Its mean, its precision, and the log likelihood of the trials; each (H, D).
    """
    x = np.log2([trial.lr for trial in trials])  # (N,)
    y = scale.forward(np.array([trial.final_loss for trial in trials]))
    place = belief.mu[:, None] + moves[None, :]  # (H, D)
    heights = bowl(
        x - place[..., None], belief.curvature[:, None, None], belief.skew[:, None, None]
    )
    precision = 1 / (belief.noise[:, None, None] ** 2 + (MISFIT * heights) ** 2)  # (H, D, N)
    total = precision.sum(axis=-1)
    level = (precision * (y - heights)).sum(axis=-1) / total
    misfit = (y - heights - level[..., None]) ** 2 * precision
    likelihood = -0.5 * (misfit - np.log(precision)).sum(axis=-1) - 0.5 * np.log(total)
    return level, total, likelihood


def moved(own: Landscape, change: Change, trials: Sequence[Trial]) -> Landscape:
    """The landscape of a value: the other's bowl, carried to where its own pilots put it.

    Returns:
        One whose best rate has the change's mean and spread at the pilots' horizon.
    """
    return Landscape(
        pilots=_carried(own.pilots, change),
        full=_carried(own.full, change),
        trials=tuple(trials),
    )


def _carried(belief: Belief, change: Change) -> Belief:
    centre = float(belief.mean(belief.mu))
    spread = math.sqrt(float(belief.mean((belief.mu - centre) ** 2)))
    stretch = change.best_spread / spread if spread > 0 else 1.0
    by = change.best - centre
    cliff = belief.cliff
    return replace(
        belief,
        mu=change.best + stretch * (belief.mu - centre),
        levels={steps: level + change.depth for steps, level in belief.levels.items()},
        cliff=None if cliff is None else Cliff(centre=cliff.centre + by, spread=cliff.spread),
    )
