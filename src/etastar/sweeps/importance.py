"""Which settings make a trial one of the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from etastar.records import Axis

TOP = 1 / 3
"""The share of points that counts as best."""

FEWEST = 6
"""Points below which nothing can be said."""

CONFIDENCE = 0.95
"""The share of shuffled ranks that a setting must stand out of."""

_GRID = np.linspace(0.0, 1.0, 65)
_SHUFFLES = 200

Floats = NDArray[np.float64]


def importance(
    axes: Mapping[str, Axis], points: Sequence[Mapping[str, float]], best_first: Sequence[int]
) -> dict[str, float]:
    """How much each setting that varies decides whether a point is among the best third.

    PED-ANOVA: the divergence of a setting's density among the best points from its density
    among all. It needs only ranks, so points that diverged count as what they are, the worst;
    it allows for points that a strategy did not spread evenly; and it fits no model. Few points
    show a divergence by chance: what shuffled ranks give in the mean is taken off, and a setting
    that does not stand out of 95 in 100 of them has none.

    Args:
        axes: of the space.
        points: their values by name.
        best_first: indices of the points, the best first.

    Returns:
        Shares by name that add up to 1; empty where fewer than two settings vary, where the
        points are too few, or where none stands out of chance.

    References: Watanabe et al., PED-ANOVA, IJCAI 2023. arXiv:2304.10255
    """
    varying = [name for name in axes if len({point[name] for point in points}) > 1]
    if len(varying) < 2 or len(points) < FEWEST:
        return {}
    top = max(2, round(TOP * len(points)))
    chance = np.random.default_rng(0)
    shuffles = [chance.permutation(len(points))[:top] for _ in range(_SHUFFLES)]
    found: dict[str, float] = {}
    for name in varying:
        axis = axes[name]
        shares = np.array([axis.share(point[name]) for point in points])
        by_chance = [_divergence(axis, shares, chosen) for chosen in shuffles]
        seen = _divergence(axis, shares, np.array(best_first[:top]))
        stands_out = seen > np.quantile(by_chance, CONFIDENCE)
        found[name] = max(0.0, float(seen - np.mean(by_chance))) if stands_out else 0.0
    total = sum(found.values())
    return {name: value / total for name, value in found.items()} if total > 0 else {}


def _divergence(axis: Axis, shares: Floats, chosen: NDArray[np.int64]) -> float:
    """Pearson's divergence of the chosen points' density from that of all."""
    density = _choices if axis.scale == "choice" else _smooth
    among, everywhere = density(shares[chosen], shares), density(shares, shares)
    return float(np.mean((among / everywhere - 1) ** 2 * everywhere) / np.mean(everywhere))


def _smooth(shares: Floats, all_shares: Floats) -> Floats:
    """A density on [0, 1] by kernels as wide as Scott's rule says, mixed with a flat one."""
    width = max(0.05, float(np.std(all_shares)) * len(shares) ** -0.2)
    kernels = np.exp(-0.5 * ((_GRID[:, None] - shares) / width) ** 2)
    kernels /= kernels.mean(axis=0)
    return (kernels.sum(axis=1) + 1) / (len(shares) + 1)


def _choices(shares: Floats, all_shares: Floats) -> Floats:
    values = np.unique(all_shares)
    counts = np.array([np.sum(shares == value) for value in values])
    return (counts + 1 / len(values)) / (len(shares) + 1) * len(values)
