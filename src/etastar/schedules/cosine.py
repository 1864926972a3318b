"""The half cosine, and the k-decay that bends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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


@dataclass(frozen=True, kw_only=True)
class KDecay(Decay):
    """A decay whose progress is bent to `u^k`: with k above 1 the rate stays high for longer.

    Formula: the share of the way from `floor` up to `peak` is `(1 + cos πu^k)/2` ("cosine") or
    `(1−u^k)^power` ("polynomial"), with `u = (t−W)/(N−W)`.
    Endpoints: `peak` first at step max(W−1, 0), `floor` at step N and after.

    Raises:
        ScheduleError: `k` or `power` not above 0, and what every warmed decay refuses.

    References:
        Zhang & Li, k-decay: A New Method for Learning Rate Schedule, 2020. arXiv:2004.05909

    >>> lr = KDecay(steps=100, k=2.0)
    >>> lr(0), round(lr(50), 4), lr(100)
    (1.0, 0.8536, 0.0)
    """

    kind = "k_decay"

    k: float = 2.0
    curve: Literal["cosine", "polynomial"] = "cosine"
    power: float = 1.0

    def _check(self) -> None:
        super()._check()
        if self.k <= 0 or self.power <= 0:
            raise self.error(f"k={self.k} and power={self.power}", "both are above 0")

    def _remaining(self, u: FloatArray) -> FloatArray:
        bent = u**self.k
        return half_cosine(bent) if self.curve == "cosine" else (1.0 - bent) ** self.power
