"""The surrogate: final loss over log rate and log horizon, as a belief on an exact grid.

At horizon h of T, with x = log2(rate),

    y(x, h) = a_h + bowl(x - mu_h) + noise,      mu_h = mu_T + drift * log2(h / T)
    bowl(d) = c * d^2 / (1 + |d| / REACH), times `skew` to the right of the bottom

Every horizon has a level a_h of its own, integrated out exactly. The noise of an observation
is the seed's noise plus a share of the bowl's height there, since no bowl is exact far from its
bottom; so distant trials guide and near ones decide. A trial that diverged, or ended no better
than it began, is censored: it bounds the cliff and enters no sum of squares.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etastar.finder.scale import Scale
from etastar.records import Trial

Floats = NDArray[np.float64]

REACH_OCTAVES = 3.0
MISFIT = 0.2
"""The bowl's error, as a share of its height."""

DRIFT_MEAN, DRIFT_SPREAD = -0.2, 0.2
"""Octaves the optimum moves per doubling of the horizon, before anything is measured: -0.33 on
small vision tasks, near 0 for language models."""

STEP_OCTAVES = 0.2
DRIFTS = np.linspace(-0.8, 0.6, 11)
CURVATURES = np.geomspace(0.004, 2.0, 9)
SKEWS = np.array([1.0, 1.7, 3.0])
NOISES = np.array([0.003, 0.01, 0.03, 0.1])
NOISE_CENTRE, NOISE_OCTAVES = 0.02, 1.5

BELOW_OCTAVES, ABOVE_OCTAVES = 4.0, 2.0
"""How far beyond the rates tried the optimum is still looked for."""


@dataclass(frozen=True)
class Cliff:
    """The rate beyond which training does not survive, in octaves: normal belief."""

    centre: float
    spread: float

    def fallen(self, x: Floats) -> Floats:
        """The probability that training at x fails.

        Returns:
            Of the shape of x.
        """
        return 0.5 * (1 + np.vectorize(math.erf)((x - self.centre) / (self.spread * 2**0.5)))


@dataclass(frozen=True)
class Belief:
    """What the trials say about the landscape at the full horizon: weighted hypotheses."""

    mu: Floats  # (H,) log2 of the best rate
    drift: Floats  # (H,) octaves per doubling of the horizon
    curvature: Floats  # (H,)
    skew: Floats  # (H,)
    noise: Floats  # (H,)
    weight: Floats  # (H,) sums to 1
    levels: dict[int, float]  # expected a_h of each horizon
    cliff: Cliff
    horizon: int

    def mean(self, values: Floats) -> Floats:
        """The expectation of values given per hypothesis, (H,) or (H, X).

        Returns:
            A number, or (X,).
        """
        return np.tensordot(self.weight, values, axes=1)

    def excess(self, x: Floats) -> Floats:
        """Each hypothesis' excess loss at the full horizon.

        Returns:
            (H, X), on the surrogate's scale.
        """
        return bowl(
            x[None, :] - self.mu[:, None], self.curvature[:, None], self.skew[:, None]
        )

    def optimum(self, shares: Sequence[float], steps: int | None = None) -> Floats:
        """Quantiles of the best log2 rate at a horizon, the full one by default.

        Returns:
            One per share.
        """
        mu = self.mu + self.drift * math.log2((steps or self.horizon) / self.horizon)
        order = np.argsort(mu)
        cumulative = np.cumsum(self.weight[order]) - 0.5 * self.weight[order]
        return np.interp(shares, cumulative, mu[order])


def bowl(distance: Floats, curvature: Floats, skew: Floats) -> Floats:
    """Excess loss `distance` octaves away from the best rate.

    Returns:
        0 at the bottom, quadratic near it, linear far away, steeper on the right.
    """
    height = curvature * distance**2 / (1 + np.abs(distance) / REACH_OCTAVES)
    return np.where(distance > 0, skew * height, height)


def believe(
    trials: Sequence[Trial], horizon: int, start: float, edge: float | None
) -> Belief | None:
    """Weigh every hypothesis on the grid by the trials.

    Args:
        trials: pilots at any horizons and rates.
        horizon: the full run, in steps.
        start: the loss before any training.
        edge: the rate at which a range test lost its footing, if it did.

    Returns:
        The belief, or None with fewer than two trials that trained at all.
    """
    scale = Scale.of(trials, start)
    useful = [trial for trial in trials if trained(trial, start)]
    if len(useful) < 2:
        return None
    x = np.log2([trial.lr for trial in useful])  # (N,)
    y = scale.forward(np.array([trial.final_loss for trial in useful]))  # (N,)
    octaves = np.log2([trial.steps / horizon for trial in useful])  # (N,)
    rungs = np.unique([trial.steps for trial in useful])
    member = np.array([[trial.steps == rung for trial in useful] for rung in rungs])  # (R, N)

    mu, drift, curvature, skew, noise = _grid(x, octaves)
    height = bowl(
        x - (mu[:, None] + drift[:, None] * octaves), curvature[:, None], skew[:, None]
    )  # (H, N)
    variance = noise[:, None] ** 2 + (MISFIT * height) ** 2
    log_weight, levels = _evidence(y - height, variance, member)
    log_weight += -0.5 * ((drift - DRIFT_MEAN) / DRIFT_SPREAD) ** 2
    log_weight += -0.5 * (np.log2(noise / NOISE_CENTRE) / NOISE_OCTAVES) ** 2
    weight = np.exp(log_weight - log_weight.max())
    keep = weight > 1e-7
    weight = weight[keep] / weight[keep].sum()
    means = weight @ levels[keep]
    return Belief(
        mu=mu[keep],
        drift=drift[keep],
        curvature=curvature[keep],
        skew=skew[keep],
        noise=noise[keep],
        weight=weight,
        levels={int(rung): float(level) for rung, level in zip(rungs, means, strict=True)},
        cliff=cliff(trials, start, edge),
        horizon=horizon,
    )


def trained(trial: Trial, start: float) -> bool:
    """Whether a trial ended below where it began; one that did not is beyond the cliff or
    learned nothing.

    Returns:
        True for trials the bowl is fitted to.
    """
    return trial.measured and trial.final_loss < start


def cliff(trials: Sequence[Trial], start: float, edge: float | None) -> Cliff:
    """Where training stops to survive, between the highest survivor and the lowest loss above it.

    Returns:
        The belief; a little low, as longer runs have more chances to fall.
    """
    survived = max((math.log2(t.lr) for t in trials if trained(t, start)), default=-math.inf)
    lost = min(
        (math.log2(t.lr) for t in trials if not trained(t, start) and math.log2(t.lr) > survived),
        default=math.inf,
    )
    if math.isfinite(lost) and math.isfinite(survived):
        return Cliff(centre=(survived + lost) / 2, spread=(lost - survived) / 4 + 0.25)
    if math.isfinite(lost):
        return Cliff(centre=lost - 0.5, spread=0.5)
    if edge is not None:
        return Cliff(centre=max(math.log2(edge), survived) + 1.0, spread=0.5)
    return Cliff(centre=survived + 2.0, spread=0.5)


def _grid(x: Floats, octaves: Floats) -> tuple[Floats, ...]:
    low, high = x.min() - BELOW_OCTAVES, x.max() + ABOVE_OCTAVES
    steps = max(2, math.ceil((high - low) / STEP_OCTAVES))
    axes = (np.linspace(low, high, steps), DRIFTS, CURVATURES, SKEWS, NOISES)
    return tuple(axis.ravel() for axis in np.meshgrid(*axes, indexing="ij"))


def _evidence(residual: Floats, variance: Floats, member: Floats) -> tuple[Floats, Floats]:
    """The log likelihood with every horizon's level integrated out under a flat prior.

    Returns:
        Per hypothesis: the log likelihood (H,) and the expected levels (H, R).
    """
    precision = 1 / variance  # (H, N)
    total = precision @ member.T  # (H, R)
    level = (precision * residual) @ member.T / total  # (H, R)
    misfit = (residual - level @ member) ** 2 * precision
    log_likelihood = -0.5 * (misfit - np.log(precision)).sum(axis=1)
    return log_likelihood - 0.5 * np.log(total).sum(axis=1), level
