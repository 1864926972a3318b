"""Straight lines: a decay, and a line between any two values."""

from __future__ import annotations

from dataclasses import dataclass

from etastar.schedules.base import Decay, FloatArray


@dataclass(frozen=True, kw_only=True)
class Linear(Decay):
    """Linear warmup to `peak`, then a straight line down to `floor`.

    Formula: `floor + (peak−floor)·(1−u)` with `u = (t−W)/(N−W)`.
    Endpoints: `peak` first at step max(W−1, 0), `floor` at step N and after.

    Raises:
        ScheduleError: `floor` above `peak`, or a warmup that fills the horizon.

    References:
        Defazio et al., Optimal Linear Decay Learning Rate Schedules and Further Refinements,
        2023. arXiv:2310.07831

    >>> lr = Linear(steps=100, peak=1.0, floor=0.2)
    >>> lr(0), lr(50), lr(100), lr(1000)
    (1.0, 0.6, 0.2, 0.2)
    """

    kind = "linear"

    def _remaining(self, u: FloatArray) -> FloatArray:
        return 1.0 - u
