"""A power of what remains of the run."""

from __future__ import annotations

from dataclasses import dataclass

from etastar.schedules.base import Decay, FloatArray


@dataclass(frozen=True, kw_only=True)
class Polynomial(Decay):
    """Linear warmup to `peak`, then `(1−u)^power` down to `floor`.

    Formula: `floor + (peak−floor)·(1−u)^power` with `u = (t−W)/(N−W)`.
    Endpoints: `peak` first at step max(W−1, 0), `floor` at step N and after.

    Raises:
        ScheduleError: `power` not above 0, and what every warmed decay refuses.

    References:
        Liu et al., ParseNet: Looking Wider to See Better, 2015. arXiv:1506.04579

    >>> lr = Polynomial(steps=100, power=2.0)
    >>> lr(0), lr(50), lr(100)
    (1.0, 0.25, 0.0)
    """

    kind = "polynomial"

    power: float = 2.0

    def _check(self) -> None:
        super()._check()
        if self.power <= 0:
            raise self.error(f"power={self.power}", "the power of a decay is above 0")

    def _remaining(self, u: FloatArray) -> FloatArray:
        return (1.0 - u) ** self.power
