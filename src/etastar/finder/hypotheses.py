"""The hypotheses the surrogate weighs, and what is believed of them before any pilot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEP_OCTAVES = 0.2
BELOW_OCTAVES, ABOVE_OCTAVES = 4.0, 2.0
"""How far beyond the rates tried the optimum is still looked for."""

DRIFTS = np.concatenate([[-1.6, -1.3, -1.0], np.linspace(-0.8, 0.4, 9)])
DRIFT_LAWS = ((0.8, -0.2, 0.15), (0.2, -0.5, 0.5))
"""Octaves the optimum moves per doubling of the horizon: a mixture of normal laws (share, mean,
deviation). -0.33 on small vision tasks and near 0 for language models; the wide law is for
tasks that overfit, whose optimum sinks much faster."""

BEYOND_MEAN, BEYOND_FOLLOWS = -0.2, 0.3
BEYOND_LAWS = ((0.8, 0.0, 0.15), (0.2, -0.3, 0.5))
"""Beyond the longest pilot the drift settles: it is expected at the mean, moved by this share of
how far the pilots' own drift is from it, and spread by these laws (share, shift, deviation).
Early training drifts faster than late training, so the pilots' drift is not simply carried on."""

FADES = np.array([0.0, 0.3, 0.6])
FADE_WEIGHTS = np.array([0.3, 0.4, 0.3])
CURVATURES = np.geomspace(0.004, 2.0, 9)
SKEWS = np.array([1.0, 1.7, 3.0])
NOISES = np.array([0.01, 0.03, 0.08, 0.2])
NOISE_CENTRE, NOISE_OCTAVES = 0.05, 1.0


@dataclass(frozen=True)
class Hypotheses:
    """Every combination on the grid, with its log prior; all arrays (H,)."""

    mu: Floats  # log2 of the best rate at the longest pilots' horizon
    drift: Floats  # octaves per doubling of the horizon
    curvature: Floats  # at the longest pilots' horizon
    skew: Floats  # of the right side over the left
    noise: Floats  # of one final loss
    fade: Floats  # octaves of curvature lost per doubling of the horizon
    log_prior: Floats


def hypotheses(x: Floats) -> Hypotheses:
    """The grid around the rates tried.

    Args:
        x: log2 of them.

    Returns:
        All hypotheses and their prior.
    """
    low, high = x.min() - BELOW_OCTAVES, x.max() + ABOVE_OCTAVES
    places = np.linspace(low, high, max(2, int(np.ceil((high - low) / STEP_OCTAVES))))
    axes = (places, DRIFTS, CURVATURES, SKEWS, NOISES, FADES)
    priors = (
        np.zeros(len(places)),
        np.log(mixture(DRIFTS, DRIFT_LAWS)),
        np.zeros(len(CURVATURES)),
        np.zeros(len(SKEWS)),
        -0.5 * (np.log2(NOISES / NOISE_CENTRE) / NOISE_OCTAVES) ** 2,
        np.log(FADE_WEIGHTS),
    )
    grid = [axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")]
    prior = sum(part.ravel() for part in np.meshgrid(*priors, indexing="ij"))
    return Hypotheses(*grid, log_prior=np.asarray(prior))


def drifts_beyond(drift: Floats) -> tuple[Floats, Floats]:
    """The drift beyond the longest pilot, given the pilots' own.

    Args:
        drift: (H,)

    Returns:
        The drifts to consider, (D,), and their probabilities for every hypothesis, (H, D).
    """
    centre = BEYOND_MEAN + BEYOND_FOLLOWS * (drift - BEYOND_MEAN)  # (H,)
    laws = ((share, centre[:, None] + shift, spread) for share, shift, spread in BEYOND_LAWS)
    return DRIFTS, mixture(DRIFTS[None, :], tuple(laws))


def mixture(values: Floats, laws: tuple[tuple[float, float | Floats, float], ...]) -> Floats:
    """The probability of grid values under a mixture of normal laws.

    Each value stands for the gap around it.

    Returns:
        Sums to 1 along the last axis.
    """
    density = sum(
        share / spread * np.exp(-0.5 * ((values - mean) / spread) ** 2)
        for share, mean, spread in laws
    )
    mass = np.asarray(density) * np.gradient(DRIFTS)
    return mass / mass.sum(axis=-1, keepdims=True)
