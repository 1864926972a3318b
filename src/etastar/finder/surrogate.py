"""The surrogate: final loss over log rate and log horizon, as a belief on an exact grid.

At horizon h, with x = log2(rate) and L the longest pilots' horizon,

    y(x, h) = a_h + bowl(x - mu_h) + noise,      mu_h = mu_L + drift * log2(h / L)
    bowl(d) = c_h * d^2 / (1 + |d| / REACH), times `skew` to the right of the bottom
    c_h = c_L * 2^(fade * log2(L / h)): short runs tell rates apart more sharply than long ones

Every horizon and seed has a level a_h of its own, integrated out exactly: seeds are compared by
where their losses are lowest, never by how low. The noise of an observation
is the seed's noise plus a share of the bowl's height there, since no bowl is exact far from its
bottom; so distant trials guide and near ones decide.

Trials that made little of the progress the best of their horizon made, and those that diverged,
say no more than "far": their loss saturates at the start's, or is no number at all. They are
censored: the bowl must be at least so high there, however much higher.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from etastar.finder.belief import Belief, Cliff, bowl
from etastar.finder.cliff import cliff
from etastar.finder.hypotheses import Hypotheses, drifts_beyond, hypotheses
from etastar.finder.prior import Prior
from etastar.finder.scale import Scale, trained
from etastar.records import Trial

Floats = NDArray[np.float64]

FAR_SHARE = 0.4
"""Trials with less than this share of their horizon's best progress are far, and censored."""

FAR_TOLERANCE = 0.25
"""How softly a censored trial binds, as a share of the height it asks for."""

HIDDEN_SHARE = 0.5
"""The best rate of a horizon is believed to make at most about so much more progress than the
best one tried there."""

MISFIT = 0.2
"""The bowl's error, as a share of its height."""

MOST_HYPOTHESES = 1500
"""So many of the likeliest are kept: in practice all but a thousandth of the belief."""


def believe(
    trials: Sequence[Trial], horizon: int, start: float, edge: float | None, prior: Prior
) -> Belief | None:
    """Weigh every hypothesis on the grid by the trials.

    Args:
        trials: pilots at any horizons and rates.
        horizon: the full run, in steps.
        start: the loss before any training.
        edge: the rate at which a range test lost its footing, if it did.
        prior: what is believed before any pilot.

    Returns:
        The belief, or None with fewer than two trials that trained at all.
    """
    scale = Scale.of(trials, start)
    near, far = _split(trials, scale, start)
    if len(near) < 2:
        return None
    longest = max(trial.steps for trial in near)
    tried = np.log2([trial.lr for trial in (*near, *(trial for trial, _ in far))])
    grid = hypotheses(tried, prior)
    y = scale.forward(np.array([trial.final_loss for trial in near]))  # (N,)
    rungs = sorted({_rung(trial) for trial in near})
    member = np.array([[_rung(trial) == rung for trial in near] for rung in rungs])  # (R, N)

    fitted = _heights(grid, near, longest)  # (H, N)
    variance = grid.noise[:, None] ** 2 + (MISFIT * fitted) ** 2
    log_weight, levels = _evidence(y - fitted, variance, member)
    log_weight += grid.log_prior + _hidden(y, levels, member, float(scale.forward(start)))
    if far:
        least = np.array([excess for _, excess in far])
        reached = _heights(grid, [trial for trial, _ in far], longest)
        log_weight += log_ndtr((reached - least) / (FAR_TOLERANCE * least)).sum(axis=1)

    keep = np.argsort(log_weight)[-MOST_HYPOTHESES:]
    weight = np.exp(log_weight[keep] - log_weight[keep[-1]])
    weight /= weight.sum()
    means = dict(zip(rungs, weight @ levels[keep], strict=True))
    return _extrapolated(
        grid,
        keep,
        weight,
        horizon=horizon,
        longest=longest,
        levels={
            steps: float(np.mean([level for (other, _), level in means.items() if other == steps]))
            for steps, _ in rungs
        },
        cliff=cliff(trials, horizon, start, edge, abrupt=prior.abrupt),
        prior=prior,
    )


def _rung(trial: Trial) -> tuple[int, int]:
    """Horizon and seed: trials that share them began alike, and share a level."""
    return trial.steps, trial.seed


def _heights(grid: Hypotheses, trials: Sequence[Trial], longest: int) -> Floats:
    """Each hypothesis' excess at the rate and horizon of every trial.

    Returns:
        (H, N)
    """
    x = np.log2([trial.lr for trial in trials])
    octaves = np.log2([trial.steps / longest for trial in trials])
    distance = x - (grid.mu[:, None] + grid.drift[:, None] * octaves)
    sharper = 2.0 ** (-grid.fade[:, None] * octaves)
    return bowl(distance, grid.curvature[:, None] * sharper, grid.skew[:, None])


def _extrapolated(
    grid: Hypotheses,
    keep: NDArray[np.intp],
    weight: Floats,
    *,
    horizon: int,
    longest: int,
    levels: dict[int, float],
    cliff: Cliff | None,
    prior: Prior,
) -> Belief:
    """Pair every hypothesis kept with every drift beyond the longest pilot.

    Returns:
        The belief at the full horizon.
    """
    beyond, shares = drifts_beyond(grid.drift[keep], prior)  # (D,), (K, D)
    joint = (weight[:, None] * shares).ravel()  # (K * D,)
    each = np.repeat(keep, len(beyond))
    faded = 2.0 ** (-grid.fade[each] * math.log2(horizon / longest))
    return Belief(
        horizon=horizon,
        longest=longest,
        mu=grid.mu[each],
        drift=grid.drift[each],
        drift_beyond=np.tile(beyond, len(keep)),
        curvature=grid.curvature[each] * faded,
        skew=grid.skew[each],
        noise=grid.noise[each],
        weight=joint,
        levels=levels,
        cliff=cliff,
    )


def _split(
    trials: Sequence[Trial], scale: Scale, start: float
) -> tuple[list[Trial], list[tuple[Trial, float]]]:
    """Trials near the best of their horizon and seed, and far ones with the excess known of them.

    Returns:
        Near trials; far trials, each with a lower bound on its excess.
    """
    near: list[Trial] = []
    far: list[tuple[Trial, float]] = []
    origin = float(scale.forward(start))
    for rung in sorted({_rung(trial) for trial in trials}):
        here = [trial for trial in trials if _rung(trial) == rung]
        gains = [
            origin - float(scale.forward(trial.final_loss)) if trained(trial, start) else 0.0
            for trial in here
        ]
        best = max(gains)
        if best <= 0:
            continue  # nothing trained here, so it has no bottom to be far from
        # two at least, as one alone would say nothing of where the bottom lies
        least = min(FAR_SHARE * best, sorted(gains)[-2] if len(gains) > 1 else best)
        for trial, gain in zip(here, gains, strict=True):
            if gain >= least and gain > 0:
                near.append(trial)
            else:
                # one stopped for being slow might have made some progress yet
                made = FAR_SHARE * best if trial.status == "stopped" else gain
                far.append((trial, best - made))
    return near, far


def _hidden(y: Floats, levels: Floats, member: Floats, origin: float) -> Floats:
    """How far below everything seen a hypothesis puts the bottom: log prior.

    Without it a distant optimum, far lower than any trial, would explain any trials.

    Returns:
        (H,)
    """
    best = np.array([y[row].min() for row in member])  # (R,)
    return -0.5 * ((((best - levels) / (HIDDEN_SHARE * (origin - best))) ** 2).sum(axis=1))


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
