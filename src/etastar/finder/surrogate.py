"""The surrogate: final loss over log rate and log horizon, as a belief on an exact grid.

At horizon h of T, with x = log2(rate),

    y(x, h) = a_h + bowl(x - mu_h) + noise,      mu_h = mu_T + drift * log2(h / T)
    bowl(d) = c * d^2 / (1 + |d| / REACH), times `skew` to the right of the bottom

Every horizon has a level a_h of its own, integrated out exactly. The noise of an observation
is the seed's noise plus a share of the bowl's height there, since no bowl is exact far from its
bottom; so distant trials guide and near ones decide.

Trials that made little of the progress the best of their horizon made, and those that diverged,
say no more than "far": their loss saturates at the start's, or is no number at all. They are
censored: the bowl must be at least so high there, however much higher.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

from etastar.finder.scale import Scale
from etastar.records import Trial

Floats = NDArray[np.float64]

FAR_SHARE = 0.4
"""Trials with less than this share of their horizon's best progress are far, and censored."""

FAR_TOLERANCE = 0.25
"""How softly a censored trial binds, as a share of the height it asks for."""

HIDDEN_SHARE = 0.5
"""The best rate of a horizon is believed to make at most about so much more progress than the
best one tried there."""

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
        return ndtr((x - self.centre) / self.spread)


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
        return bowl(x[None, :] - self.mu[:, None], self.curvature[:, None], self.skew[:, None])

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
    return height * np.where(distance > 0, skew, 1.0)


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
    near, far = _split(trials, scale, start)
    if len(near) < 2:
        return None
    mu, drift, curvature, skew, noise = _grid(near + [trial for trial, _ in far])

    def height(x: Floats, octaves: Floats) -> Floats:
        distance = x - (mu[:, None] + drift[:, None] * octaves)
        return bowl(distance, curvature[:, None], skew[:, None])  # (H, N)

    y = scale.forward(np.array([trial.final_loss for trial in near]))  # (N,)
    rungs = np.unique([trial.steps for trial in near])
    member = np.array([[trial.steps == rung for trial in near] for rung in rungs])  # (R, N)
    fitted = height(*_places(near, horizon))
    variance = noise[:, None] ** 2 + (MISFIT * fitted) ** 2
    log_weight, levels = _evidence(y - fitted, variance, member)
    log_weight += -0.5 * ((drift - DRIFT_MEAN) / DRIFT_SPREAD) ** 2
    log_weight += -0.5 * (np.log2(noise / NOISE_CENTRE) / NOISE_OCTAVES) ** 2
    log_weight += _hidden(y, levels, member, float(scale.forward(start)))
    if far:
        least = np.array([excess for _, excess in far])
        reached = height(*_places([trial for trial, _ in far], horizon))
        log_weight += log_ndtr((reached - least) / (FAR_TOLERANCE * least)).sum(axis=1)
    weight = np.exp(log_weight - log_weight.max())
    keep = weight > 1e-6
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


def _split(
    trials: Sequence[Trial], scale: Scale, start: float
) -> tuple[list[Trial], list[tuple[Trial, float]]]:
    """Trials near their horizon's best, and the far ones with the excess they are known to have.

    Returns:
        Near trials; far trials, each with a lower bound on its excess.
    """
    near: list[Trial] = []
    far: list[tuple[Trial, float]] = []
    origin = float(scale.forward(start))
    for steps in sorted({trial.steps for trial in trials}):
        here = [trial for trial in trials if trial.steps == steps]
        gains = [
            origin - float(scale.forward(trial.final_loss)) if trained(trial, start) else 0.0
            for trial in here
        ]
        best = max(gains)
        if best <= 0:
            continue  # nothing trained at this horizon, so it has no bottom to be far from
        for trial, gain in zip(here, gains, strict=True):
            if gain >= FAR_SHARE * best:
                near.append(trial)
            else:
                far.append((trial, best - gain))
    return near, far


def _places(trials: Sequence[Trial], horizon: int) -> tuple[Floats, Floats]:
    """Where trials lie: log2 of the rate, and octaves of horizon from the full one.

    Returns:
        Two arrays of shape (N,).
    """
    return (
        np.log2([trial.lr for trial in trials]),
        np.log2([trial.steps / horizon for trial in trials]),
    )


def trained(trial: Trial, start: float) -> bool:
    """Whether a trial ended below where it began.

    One that did not is beyond the cliff, or learned nothing.

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
    lost = math.log2(lowest_lost(trials, start))
    if math.isfinite(lost) and math.isfinite(survived):
        return Cliff(centre=(survived + lost) / 2, spread=(lost - survived) / 4 + 0.25)
    if math.isfinite(lost):
        return Cliff(centre=lost - 0.5, spread=0.5)
    if edge is not None:
        return Cliff(centre=max(math.log2(edge), survived) + 1.0, spread=0.5)
    return Cliff(centre=survived + 2.0, spread=0.5)


def _hidden(y: Floats, levels: Floats, member: Floats, origin: float) -> Floats:
    """How far below everything seen a hypothesis puts the bottom: log prior.

    Without it a distant optimum, far lower than any trial, would explain any trials.

    Returns:
        (H,)
    """
    best = np.array([y[row].min() for row in member])  # (R,)
    return -0.5 * ((((best - levels) / (HIDDEN_SHARE * (origin - best))) ** 2).sum(axis=1))


def lowest_lost(trials: Sequence[Trial], start: float) -> float:
    """The lowest rate above the best one at which training failed, at any horizon.

    Returns:
        The rate, infinite where none failed.
    """
    learned = [trial for trial in trials if trained(trial, start)]
    best = min(learned, key=lambda trial: trial.final_loss).lr if learned else 0.0
    return min((t.lr for t in trials if not trained(t, start) and t.lr > best), default=math.inf)


def _grid(trials: Sequence[Trial]) -> tuple[Floats, ...]:
    x = np.log2([trial.lr for trial in trials])
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
