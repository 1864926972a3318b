"""The half cosine, and the k-decay that bends it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etastar.schedules.base import Decay, FloatArray


@dataclass(frozen=True, kw_only=True)
class Cosine(Decay):
    """Linear warmup to `peak`, then a half cosine down to `floor`.

    Formula: `floor + (peak−floor)·(1 + cos πu)/2` with `u = (t−W)/(N−W)`.
    Endpoints: `peak` first at step max(W−1, 0), `floor` at step N and after.

    Raises:
        ScheduleError: `floor` above `peak`, or a warmup that fills the horizon.

    References:
        Loshchilov & Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017.
        arXiv:1608.03983

    >>> lr = Cosine(steps=1000, peak=1e-3, warmup_steps=100)
    >>> lr(0), lr(99), lr(550), lr(1000)
    (1e-05, 0.001, 0.0005, 0.0)
    """

    kind = "cosine"

    def _remaining(self, u: FloatArray) -> FloatArray:
        return half_cosine(u)


def half_cosine(u: FloatArray) -> FloatArray:
    """(1 + cos πu)/2, exactly 1 at 0, 1/2 at 1/2 and 0 at 1."""
    return 0.5 * (1.0 + np.cos(np.pi * u))
