"""Decays that fall slowly first and fast at the end: REX and the hyperbolic tangent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etastar.schedules.base import Decay, FloatArray


@dataclass(frozen=True, kw_only=True)
class Rex(Decay):
    """Reflected exponential: between linear and delayed linear, without a delay to choose.

    Formula: the share of the way from `floor` up to `peak` is `(1−u)/(1/2 + (1−u)/2)` with
    `u = (t−W)/(N−W)`.
    Endpoints: `peak` first at step max(W−1, 0), `floor` at step N and after.

    Raises:
        ScheduleError: `floor` above `peak`, or a warmup that fills the horizon.

    References:
        Chen et al., REX: Revisiting Budgeted Training with an Improved Schedule, 2021.
        arXiv:2107.04197

    >>> lr = Rex(steps=100)
    >>> lr(0), round(lr(50), 4), lr(100)
    (1.0, 0.6667, 0.0)
    """

    kind = "rex"

    def _remaining(self, u: FloatArray) -> FloatArray:
        left = 1.0 - u
        return left / (0.5 + 0.5 * left)


@dataclass(frozen=True, kw_only=True)
class Tanh(Decay):
    """A hyperbolic tangent between `lower` and `upper`, brought to meet both ends exactly.

    Formula: with `x = lower + (upper−lower)·u` and `u = (t−W)/(N−W)`, the share of the way from
    `floor` up to `peak` is `(tanh upper − tanh x)/(tanh upper − tanh lower)`.
    Endpoints: `peak` first at step max(W−1, 0), `floor` at step N and after.

    Raises:
        ScheduleError: `lower` not below `upper`, and what every warmed decay refuses.

    References:
        Hsueh et al., Stochastic Gradient Descent with Hyperbolic-Tangent Decay on
        Classification, 2018. arXiv:1806.01593

    >>> lr = Tanh(steps=100)
    >>> lr(0), round(lr(50), 3), lr(100)
    (1.0, 0.952, 0.0)
    """

    kind = "tanh"

    lower: float = -6.0
    upper: float = 3.0

    def _check(self) -> None:
        super()._check()
        if np.tanh(self.upper) <= np.tanh(self.lower):
            raise self.error(
                f"lower={self.lower} and upper={self.upper}",
                "tanh must rise between them; the usual pair is −6 and 3",
            )

    def _remaining(self, u: FloatArray) -> FloatArray:
        top = np.tanh(self.upper)
        x = self.lower * (1.0 - u) + self.upper * u
        return (top - np.tanh(x)) / (top - np.tanh(self.lower))
