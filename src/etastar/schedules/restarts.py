"""Cosine annealing with warm restarts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from etastar.schedules.base import FloatArray, Floored
from etastar.schedules.cosine import half_cosine


@dataclass(frozen=True, kw_only=True)
class CosineRestarts(Floored):
    """Linear warmup, then half cosines one after the other, each longer and lower as asked.

    Formula: cycle i lasts `cycle_steps·multiplier^i` steps and falls from
    `floor + (peak−floor)·decay^i` to `floor` along a half cosine. After `limit` cycles (0: no
    limit) the floor is held.
    Endpoints: `peak` first at step max(W−1, 0); a cycle's last update stands just above the
    floor, the next update is at the next cycle's top; a cycle that ends at step N ends on the
    floor.

    Raises:
        ScheduleError: `cycle_steps` not above 0, `multiplier` below 1, `decay` outside (0, 1],
            `limit` below 0, and what every warmed schedule refuses.

    References:
        Loshchilov & Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017.
        arXiv:1608.03983

    >>> lr = CosineRestarts(steps=30, cycle_steps=10, multiplier=2.0, decay=0.5)
    >>> lr(0), lr(5), lr(10), lr(20), lr(30)
    (1.0, 0.5, 0.5, 0.25, 0.0)
    """

    kind = "sgdr"
    spans: ClassVar[tuple[str, ...]] = ("cycle_steps",)

    cycle_steps: float
    multiplier: float = 1.0
    decay: float = 1.0
    limit: int = 0

    def _check(self) -> None:
        super()._check()
        if self.cycle_steps <= 0 or self.multiplier < 1:
            raise self.error(
                f"cycle_steps={self.cycle_steps} and multiplier={self.multiplier}",
                "the first cycle is longer than 0 steps and the multiplier is 1 or more",
            )
        if not 0 < self.decay <= 1 or self.limit < 0:
            raise self.error(
                f"decay={self.decay} and limit={self.limit}",
                "decay is in (0, 1] and limit is 0 (none) or a number of cycles",
            )

    def _rest(self, t: FloatArray) -> FloatArray:
        since = t - self.warmup_steps
        cycle, u = self._position(since)
        # At the end of the run the cycle that was running is completed, not restarted.
        last_cycle, last_u = self._position(np.array([self.steps - self.warmup_steps - 1.0]))
        ending = (t >= self.steps) & (cycle > last_cycle) & (last_u < 1)
        cycle, u = np.where(ending, last_cycle, cycle), np.where(ending, 1.0, u)
        height = self.decay**cycle
        if self.limit:
            u = np.where(cycle >= self.limit, 1.0, u)
        share = half_cosine(u) * height
        return np.clip(self.peak * share + self.floor * (1.0 - share), self.floor, self.peak)

    def _position(self, since: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The cycle each step lies in, and the progress through it."""
        if self.multiplier == 1:
            cycle = np.floor(since / self.cycle_steps)
            return cycle, since / self.cycle_steps - cycle
        ends = self._ends()
        cycle = np.searchsorted(ends, since, side="right").astype(np.float64)
        starts = np.concatenate(([0.0], ends))[cycle.astype(np.intp)]
        length = self.cycle_steps * self.multiplier**cycle
        return cycle, np.minimum((since - starts) / length, 1.0)

    def _ends(self) -> FloatArray:
        """The ends of all cycles that begin within the horizon."""
        ratio = self.steps * (self.multiplier - 1) / self.cycle_steps + 1
        cycles = np.arange(1, math.ceil(math.log(ratio) / math.log(self.multiplier)) + 2)
        powers = self.multiplier ** cycles.astype(np.float64)
        return self.cycle_steps * (powers - 1.0) / (self.multiplier - 1.0)

    @property
    def tail_start(self) -> int:
        """The end: a longer run has more cycles, none of them changed."""
        return self.steps
