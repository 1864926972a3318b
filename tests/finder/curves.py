"""Range-test curves with known shape: what the rules and the smoothing are tested on."""

from __future__ import annotations

import numpy as np

from etastar.records import LossCurve


def curve(
    *,
    low: float = 1e-5,
    high: float = 10.0,
    steps: int = 120,
    falls_at: float = 1e-2,
    edge: float = 1.0,
    noise: float = 0.0,
    start: float = 2.3,
    depth: float = 2.0,
    seed: int = 0,
) -> LossCurve:
    """A loss that falls by `depth` around `falls_at` and climbs steeply from `edge` on."""
    lrs = np.geomspace(low, high, steps)
    x = np.log10(lrs)
    fall = depth / (1 + np.exp(-6 * (x - np.log10(falls_at))))
    climb = np.where(lrs > edge, (10 * (x - np.log10(edge))) ** 2, 0.0)
    jitter = noise * np.random.default_rng(seed).normal(size=steps)
    return LossCurve(lrs=lrs, losses=start - fall + climb + jitter)


def shifted(original: LossCurve, by: float) -> LossCurve:
    return LossCurve(lrs=original.lrs, losses=original.losses + by)


def with_losses(original: LossCurve, **at: float) -> LossCurve:
    """The curve with the losses at some steps replaced: `step_40=nan`."""
    losses = original.losses.copy()
    for name, value in at.items():
        losses[int(name.removeprefix("step_"))] = value
    return LossCurve(lrs=original.lrs, losses=losses)
