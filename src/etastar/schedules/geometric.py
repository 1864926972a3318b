"""Rates that fall by a law without an end: exponential, time-based, inverse square root, Noam.

Their `floor` is a limit that the curve is not allowed below; the horizon is where it is held.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from etastar.schedules.base import FloatArray, Floored, Schedule, shrunk


@dataclass(frozen=True, kw_only=True)
class Exponential(Floored):
    """Linear warmup to `peak`, then a factor `gamma` every `every_steps` steps.

    Formula: `max(peak·gamma^((t−W)/every_steps), floor)`; with `staircase` the exponent is
    rounded down, so the rate falls in steps.
    Endpoints: `peak` first at step max(W−1, 0); the value reached at step N is held.

    Raises:
        ScheduleError: `gamma` outside (0, 1], `every_steps` not above 0, and what every warmed
            schedule refuses.

    >>> lr = Exponential(steps=100, gamma=0.5, every_steps=10)
    >>> lr(0), lr(10), lr(20)
    (1.0, 0.5, 0.25)
    >>> Exponential(steps=100, gamma=0.5, every_steps=10, staircase=True)(19)
    0.5
    """

    kind = "exponential"
    spans: ClassVar[tuple[str, ...]] = ("every_steps",)

    gamma: float
    every_steps: float = 1.0
    staircase: bool = False

    def _check(self) -> None:
        super()._check()
        if not 0 < self.gamma <= 1:
            raise self.error(f"gamma={self.gamma}", "a decay multiplies by a factor in (0, 1]")
        if self.every_steps <= 0:
            raise self.error(f"every_steps={self.every_steps}", "it is above 0")

    def _rest(self, t: FloatArray) -> FloatArray:
        times = (t - self.warmup_steps) / self.every_steps
        times = np.floor(times) if self.staircase else times
        return np.maximum(self.peak * self.gamma**times, self.floor)

    @property
    def tail_start(self) -> int:
        """The end: the law goes on by itself."""
        return self.steps


@dataclass(frozen=True, kw_only=True)
class InverseTime(Floored):
    """Linear warmup to `peak`, then the time-based decay `peak/(1 + decay·time)`.

    Formula: `max(peak/(1 + decay·(t−W)/every_steps), floor)`; with `staircase` the quotient is
    rounded down.
    Endpoints: `peak` first at step max(W−1, 0); the value reached at step N is held.

    Raises:
        ScheduleError: `decay` below 0, `every_steps` not above 0, and what every warmed
            schedule refuses.

    References:
        Robbins & Monro, A Stochastic Approximation Method, 1951. doi:10.1214/aoms/1177729586

    >>> lr = InverseTime(steps=100, peak=0.1, decay=1.0, every_steps=10)
    >>> lr(0), lr(10), lr(30)
    (0.1, 0.05, 0.025)
    """

    kind = "inverse_time"
    spans: ClassVar[tuple[str, ...]] = ("every_steps",)

    decay: float
    every_steps: float = 1.0
    staircase: bool = False

    def _check(self) -> None:
        super()._check()
        if self.decay < 0:
            raise self.error(f"decay={self.decay}", "a decay is 0 or more")
        if self.every_steps <= 0:
            raise self.error(f"every_steps={self.every_steps}", "it is above 0")

    def _rest(self, t: FloatArray) -> FloatArray:
        times = (t - self.warmup_steps) / self.every_steps
        times = np.floor(times) if self.staircase else times
        return np.maximum(self.peak / (1.0 + self.decay * times), self.floor)

    @property
    def tail_start(self) -> int:
        """The end: the law goes on by itself."""
        return self.steps


@dataclass(frozen=True, kw_only=True)
class InverseSqrt(Floored):
    """Linear warmup to `peak`, then a fall with the square root of the time since.

    Formula: `max(peak·√(τ/(τ + t − W)), floor)` where τ is `timescale_steps`, W (or 1) unless
    given.
    Endpoints: `peak` first at step max(W−1, 0); the value reached at step N is held.

    Raises:
        ScheduleError: `timescale_steps` below 0, and what every warmed schedule refuses.

    References:
        Raffel et al., Exploring the Limits of Transfer Learning with a Unified Text-to-Text
        Transformer, 2019. arXiv:1910.10683

    >>> lr = InverseSqrt(steps=1000, warmup_steps=100)
    >>> lr(99), lr(100), lr(400)
    (1.0, 1.0, 0.5)
    """

    kind = "inverse_sqrt"
    spans: ClassVar[tuple[str, ...]] = ("timescale_steps",)

    timescale_steps: float = 0.0

    def _check(self) -> None:
        super()._check()
        if self.timescale_steps < 0:
            raise self.error(
                f"timescale_steps={self.timescale_steps}", "it is above 0, or 0 for the warmup's"
            )

    def _rest(self, t: FloatArray) -> FloatArray:
        scale = self.timescale_steps or max(self.warmup_steps, 1)
        since = t - self.warmup_steps
        return np.maximum(self.peak * np.sqrt(scale / (scale + since)), self.floor)

    @property
    def tail_start(self) -> int:
        """The end: the law goes on by itself."""
        return self.steps


@dataclass(frozen=True, kw_only=True)
class Noam(Schedule):
    """The Transformer's schedule: the peak follows from the model's width and the warmup.

    Formula: `factor·width^−½·min((t+1)^−½, (t+1)·W^−3/2)`.
    Endpoints: the peak `factor/√(width·W)` at step W−1; the value reached at step N is held.
    `resized` keeps the peak: it changes `factor` with the warmup.

    Raises:
        ScheduleError: A width, factor or warmup that is not above 0.

    References:
        Vaswani et al., Attention Is All You Need, 2017. arXiv:1706.03762

    >>> lr = Noam(steps=100_000, width=512, warmup_steps=4000)
    >>> lr.ceiling == lr(3999)
    True
    >>> lr(15_999) / lr(3999)
    0.5
    """

    kind = "noam"
    rates: ClassVar[tuple[str, ...]] = ("factor",)
    counts: ClassVar[tuple[str, ...]] = ("warmup_steps",)

    width: int
    warmup_steps: int
    factor: float = 1.0

    def _check(self) -> None:
        super()._check()
        if self.width < 1 or self.warmup_steps < 1 or self.factor < 0:
            raise self.error(
                f"width={self.width}, warmup_steps={self.warmup_steps} and factor={self.factor}",
                "width and warmup are 1 or more, factor 0 or more",
            )

    def _formula(self, t: FloatArray) -> FloatArray:
        count = t + 1.0
        rising, falling = count / self.warmup_steps, np.sqrt(self.warmup_steps / count)
        return self.ceiling * np.minimum(rising, falling)

    @property
    def ceiling(self) -> float:
        """The peak at the end of the warmup."""
        return self.factor / math.sqrt(self.width * self.warmup_steps)

    @property
    def tail_start(self) -> int:
        """The end: the law goes on by itself."""
        return self.steps

    def resized(self, steps: int) -> Schedule:
        """The same shape and the same peak over `steps` steps."""
        warmup = max(shrunk(self.warmup_steps, self.steps, steps), 1)
        factor = self.factor * math.sqrt(warmup / self.warmup_steps)
        return replace(self, steps=steps, warmup_steps=warmup, factor=factor)
