"""The hypotheses the surrogate weighs, and what is believed of them before any pilot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etastar.finder.prior import Law, Prior

Floats = NDArray[np.float64]

STEP_OCTAVES = 0.2
BELOW_OCTAVES, ABOVE_OCTAVES = 4.0, 2.0
"""How far beyond the rates tried the optimum is still looked for."""

DRIFTS = np.concatenate([[-1.6, -1.3, -1.0], np.linspace(-0.8, 0.8, 13)])
"""Octaves the optimum moves per doubling of the horizon."""

FOLLOWS = 0.3
"""Early training drifts otherwise than late training: beyond the longest pilot the drift is only
by this share what it was among the pilots, and else what was believed before."""

FADES = np.array([0.0, 0.3, 0.6])
FADE_WEIGHTS = np.array([0.3, 0.4, 0.3])
CURVATURES = np.geomspace(0.004, 2.0, 9)
SKEWS = np.array([0.8, 1.3, 2.0])
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


def hypotheses(x: Floats, prior: Prior) -> Hypotheses:
    """The grid around the rates tried.

    Args:
        x: log2 of them.
        prior: what is believed before any pilot.

    Returns:
        All hypotheses and their prior.
    """
    low, high = x.min() - BELOW_OCTAVES, x.max() + ABOVE_OCTAVES
    places = np.linspace(low, high, max(2, int(np.ceil((high - low) / STEP_OCTAVES))))
    axes = (places, DRIFTS, CURVATURES, SKEWS, NOISES, FADES)
    beliefs = (
        np.zeros(len(places)),
        np.log(mixture(DRIFTS, prior.laws(prior.drift[0]))),
        np.zeros(len(CURVATURES)),
        np.zeros(len(SKEWS)),
        -0.5 * (np.log2(NOISES / NOISE_CENTRE) / NOISE_OCTAVES) ** 2,
        np.log(FADE_WEIGHTS),
    )
    grid = [axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")]
    total = sum(part.ravel() for part in np.meshgrid(*beliefs, indexing="ij"))
    return Hypotheses(*grid, log_prior=np.asarray(total))


def drifts_beyond(drift: Floats, prior: Prior) -> tuple[Floats, Floats]:
    """The drift beyond the longest pilot, given the pilots' own.

    Args:
        drift: (H,)
        prior: what is believed before any pilot.

    Returns:
        The drifts to consider, (D,), and their probabilities for every hypothesis, (H, D).
    """
    mean = prior.drift[0]
    centre = mean + FOLLOWS * (drift - mean)  # (H,)
    return DRIFTS, mixture(DRIFTS[None, :], prior.laws(centre[:, None]))


def mixture(values: Floats, laws: Sequence[Law]) -> Floats:
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
