"""Cyclical rates: up and down in straight lines, again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from etastar.schedules.base import FloatArray, Schedule, between

Policy = Literal["triangular", "triangular2", "exp_range"]


@dataclass(frozen=True, kw_only=True)
class Cyclic(Schedule):
    """Straight lines from `floor` up to `peak` and back, cycle after cycle.

    Formula: a cycle climbs for `up_steps` and descends for `down_steps` (as long as the climb
    unless given); `peak − floor` is multiplied by 1 ("triangular"), by `½^cycle`
    ("triangular2") or by `gamma^t` ("exp_range").
    Endpoints: `floor` at step 0 and at every cycle's start, the top `up_steps` later; the value
    reached at step N is held.

    Raises:
        ScheduleError: `floor` above `peak`, a climb or descent without length, `gamma` outside
            (0, 1].

    References:
        Smith, Cyclical Learning Rates for Training Neural Networks, 2017. arXiv:1506.01186

    >>> lr = Cyclic(steps=40, peak=1.0, floor=0.1, up_steps=10)
    >>> lr(0), lr(10), lr(20), lr(40)
    (0.1, 1.0, 0.1, 0.1)
    >>> Cyclic(steps=40, floor=0.1, up_steps=10, policy="triangular2")(30)
    0.55
    """

    kind = "cyclic"
    rates: ClassVar[tuple[str, ...]] = ("peak", "floor")
    spans: ClassVar[tuple[str, ...]] = ("up_steps", "down_steps")
    per_step: ClassVar[tuple[str, ...]] = ("gamma",)

    up_steps: float
    down_steps: float = 0.0
    peak: float = 1.0
    floor: float = 0.0
    policy: Policy = "triangular"
    gamma: float = 1.0

    def _check(self) -> None:
        super()._check()
        if not 0 <= self.floor <= self.peak:
            raise self.error(
                f"peak={self.peak} and floor={self.floor}", "it needs 0 ≤ floor ≤ peak"
            )
        if self.up_steps <= 0 or self.down_steps < 0:
            raise self.error(
                f"up_steps={self.up_steps} and down_steps={self.down_steps}",
                "the climb is above 0; the descent too, or 0 for the climb's length",
            )
        if not 0 < self.gamma <= 1:
            raise self.error(f"gamma={self.gamma}", "it is in (0, 1]")

    def _formula(self, t: FloatArray) -> FloatArray:
        down = self.down_steps or self.up_steps
        cycle = np.floor(t / (self.up_steps + down))
        inside = t - cycle * (self.up_steps + down)
        height = np.where(
            inside <= self.up_steps,
            inside / self.up_steps,
            1.0 - (inside - self.up_steps) / down,
        )
        if self.policy == "triangular2":
            height = height * 0.5**cycle
        elif self.policy == "exp_range":
            height = height * self.gamma**t
        return between(self.peak, self.floor, height)

    @property
    def ceiling(self) -> float:
        """The stated peak."""
        return self.peak

    @property
    def tail_start(self) -> int:
        """The end: a longer run has more cycles, none of them changed."""
        return self.steps
