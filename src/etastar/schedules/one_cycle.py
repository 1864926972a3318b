"""1cycle: one climb and one long fall, with the momentum that mirrors them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from etastar.schedules.base import FloatArray, Schedule, between
from etastar.schedules.cosine import half_cosine

Anneal = Literal["cosine", "linear"]


@dataclass(frozen=True, kw_only=True)
class Cycle(Schedule):
    """The clock that 1cycle's rate and momentum share.

    The climb takes P = round(rise·N) steps. In two phases the fall takes the rest; in three, it
    first returns to the start in another P steps, then goes on to the end.
    """

    rise: float = 0.3
    phases: int = 2
    anneal: Anneal = "cosine"

    def _check(self) -> None:
        super()._check()
        if self.phases not in {2, 3}:
            raise self.error(f"phases={self.phases}", "1cycle has 2 phases or 3")
        most = 1.0 if self.phases == 2 else 0.5
        if not 0 <= self.rise < most:
            raise self.error(
                f"rise={self.rise} with phases={self.phases}",
                f"the climb is a share of the run in [0, {most:g})",
            )

    @property
    def peak_step(self) -> int:
        """The step at the top of the cycle."""
        return min(round(self.rise * self.steps), (self.steps - 1) // (self.phases - 1))

    def _blend(self, u: FloatArray) -> FloatArray:
        return half_cosine(u) if self.anneal == "cosine" else 1.0 - u

    def _shares(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        """How much of the top, and how much of the start (not the end), lies in each step."""
        top = self.peak_step
        back = top * (self.phases - 1)
        up = np.minimum(t, top) / max(top, 1)
        from_top = back if self.phases == 3 else self.steps
        fall = np.clip((t - top) / max(from_top - top, 1), 0.0, 1.0)
        high = np.where(t < top, 1.0 - self._blend(up), self._blend(fall))
        ended = np.clip((t - back) / (self.steps - back), 0.0, 1.0)
        start = np.where(t < top, 1.0, self._blend(ended) if self.phases == 3 else 0.0)
        return high, start

    @property
    def tail_start(self) -> int:
        """The start: every phase is a share of the run."""
        return 0


@dataclass(frozen=True, kw_only=True)
class OneCycle(Cycle):
    """From `peak/div` up to `peak`, then down to `peak/(div·final_div)`, in 2 or 3 phases.

    Formula: with P = round(rise·N), the rate climbs over P steps and falls over the rest; with
    three phases it is back at its start at 2P and falls to the end from there. Each phase is a
    half cosine ("cosine") or a straight line ("linear").
    Endpoints: `peak/div` at step 0, `peak` at step P, `peak/(div·final_div)` at step N and
    after. `momentum` is the paired schedule of the momentum.

    Raises:
        ScheduleError: `rise` outside [0, 1) (0.5 with three phases), phases other than 2 and 3,
            `div` or `final_div` below 1.

    References:
        Smith & Topin, Super-Convergence: Very Fast Training of Neural Networks Using Large
        Learning Rates, 2018. arXiv:1708.07120

    >>> lr = OneCycle(steps=100, peak=1.0)
    >>> lr(0), lr(30), lr(65), lr(100)
    (0.04, 1.0, 0.500002, 4e-06)
    >>> momentum = lr.momentum()
    >>> momentum(0), momentum(30), momentum(100)
    (0.95, 0.85, 0.95)
    """

    kind = "one_cycle"
    rates: ClassVar[tuple[str, ...]] = ("peak",)

    peak: float = 1.0
    div: float = 25.0
    final_div: float = 1e4

    def _check(self) -> None:
        super()._check()
        if self.peak < 0 or self.div < 1 or self.final_div < 1:
            raise self.error(
                f"peak={self.peak}, div={self.div} and final_div={self.final_div}",
                "peak is 0 or more, the divisors 1 or more",
            )

    def _formula(self, t: FloatArray) -> FloatArray:
        high, start = self._shares(t)
        low = self.peak / self.div
        base = between(low, low / self.final_div, start)
        return np.clip(self.peak * high + base * (1.0 - high), 0.0, self.peak)

    @property
    def ceiling(self) -> float:
        """The stated peak."""
        return self.peak

    def momentum(self, high: float = 0.95, low: float = 0.85) -> CycledMomentum:
        """The momentum of the same cycle: `high` where the rate is low, and back."""
        return CycledMomentum(
            steps=self.steps,
            rise=self.rise,
            phases=self.phases,
            anneal=self.anneal,
            high=high,
            low=low,
        )


@dataclass(frozen=True, kw_only=True)
class CycledMomentum(Cycle):
    """Momentum against the rate of a 1cycle: down to `low` at the top, back to `high`.

    Formula: the cycle of `OneCycle`, mirrored.
    Endpoints: `high` at step 0, `low` at step P, `high` at step N (at 2P with three phases) and
    after.

    Raises:
        ScheduleError: Not 0 ≤ low ≤ high, and what the cycle refuses.

    References:
        Smith, A Disciplined Approach to Neural Network Hyper-Parameters, 2018.
        arXiv:1803.09820

    >>> momentum = CycledMomentum(steps=100, high=0.9, low=0.8)
    >>> momentum(0), momentum(30), momentum(100)
    (0.9, 0.8, 0.9)
    """

    kind = "cycled_momentum"
    rates: ClassVar[tuple[str, ...]] = ("high", "low")

    high: float = 0.95
    low: float = 0.85

    def _check(self) -> None:
        super()._check()
        if not 0 <= self.low <= self.high:
            raise self.error(f"high={self.high} and low={self.low}", "it needs 0 ≤ low ≤ high")

    def _formula(self, t: FloatArray) -> FloatArray:
        share, _ = self._shares(t)
        return between(self.high, self.low, 1.0 - share)

    @property
    def ceiling(self) -> float:
        """The momentum away from the top."""
        return self.high
