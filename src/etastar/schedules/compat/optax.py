"""`optax.schedules`, function by function: the same parameters, the same numbers.

optax computes in JAX's default float32 unless told otherwise; ours are the same formulas in
float64. Its `join_schedules` is our `>>`, and shifts the clock in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar, Literal

import numpy as np

from etastar.schedules.base import FloatArray, shrunk
from etastar.schedules.compat.foreign import Foreign


@dataclass(frozen=True, kw_only=True)
class OptaxSchedule(Foreign):
    """A schedule of optax."""

    library: ClassVar[str] = "optax"


@dataclass(frozen=True, kw_only=True)
class Constant(OptaxSchedule):
    """`value` at every step.

    >>> Constant(value=0.1, steps=10)(3)
    0.1
    """

    kind = "optax.constant_schedule"
    rates: ClassVar[tuple[str, ...]] = ("value",)

    value: float

    def _formula(self, t: FloatArray) -> FloatArray:
        return np.full_like(t, self.value)


@dataclass(frozen=True, kw_only=True)
class Polynomial(OptaxSchedule):
    """`(1−u)^power` from `init_value` to `end_value`, after `transition_begin` steps; held.

    >>> lr = Polynomial(init_value=1.0, end_value=0.0, power=2.0, transition_steps=10)
    >>> lr(0), lr(5), lr(20)
    (1.0, 0.25, 0.0)
    """

    kind = "optax.polynomial_schedule"
    rates: ClassVar[tuple[str, ...]] = ("init_value", "end_value")
    counts: ClassVar[tuple[str, ...]] = ("transition_steps", "transition_begin")

    init_value: float
    end_value: float
    power: float = 1.0
    transition_steps: int
    transition_begin: int = 0

    def _length(self) -> int:
        return self.transition_begin + self.transition_steps

    def _formula(self, t: FloatArray) -> FloatArray:
        done = np.clip(t - self.transition_begin, 0.0, self.transition_steps)
        left = 1.0 - done / self.transition_steps
        return (self.init_value - self.end_value) * left**self.power + self.end_value


@dataclass(frozen=True, kw_only=True)
class Linear(Polynomial):
    """A straight line from `init_value` to `end_value`; held.

    >>> Linear(init_value=1.0, end_value=0.0, transition_steps=10)(5)
    0.5
    """

    kind = "optax.linear_schedule"


@dataclass(frozen=True, kw_only=True)
class WarmupConstant(OptaxSchedule):
    """A straight line from `init_value` to `peak_value` over `warmup_steps`; held.

    >>> lr = WarmupConstant(init_value=0.0, peak_value=1.0, warmup_steps=4)
    >>> lr(0), lr(2), lr(4)
    (0.0, 0.5, 1.0)
    """

    kind = "optax.warmup_constant_schedule"
    rates: ClassVar[tuple[str, ...]] = ("init_value", "peak_value")
    counts: ClassVar[tuple[str, ...]] = ("warmup_steps",)

    init_value: float
    peak_value: float
    warmup_steps: int

    def _length(self) -> int:
        return self.warmup_steps

    def _formula(self, t: FloatArray) -> FloatArray:
        return climb(self.init_value, self.peak_value, self.warmup_steps, t)


@dataclass(frozen=True, kw_only=True)
class ExponentialDecay(OptaxSchedule):
    """`decay_rate` every `transition_steps`, after `transition_begin`, limited by `end_value`.

    >>> lr = ExponentialDecay(init_value=1.0, transition_steps=10, decay_rate=0.5, steps=40)
    >>> lr(0), lr(20)
    (1.0, 0.25)
    """

    kind = "optax.exponential_decay"
    rates: ClassVar[tuple[str, ...]] = ("init_value", "end_value")
    counts: ClassVar[tuple[str, ...]] = ("transition_steps", "transition_begin")

    init_value: float
    transition_steps: int
    decay_rate: float
    transition_begin: int = 0
    staircase: bool = False
    end_value: float | None = None

    def _formula(self, t: FloatArray) -> FloatArray:
        since = t - self.transition_begin
        times = since / self.transition_steps
        times = np.floor(times) if self.staircase else times
        decayed = self.init_value * self.decay_rate**times
        values = np.where(since <= 0, self.init_value, decayed)
        if self.end_value is None:
            return values
        limit = np.maximum if self.decay_rate < 1 else np.minimum
        return limit(values, self.end_value)


@dataclass(frozen=True, kw_only=True)
class WarmupExponentialDecay(ExponentialDecay):
    """A straight line from `init_value` to `peak_value`, then an exponential decay.

    >>> lr = WarmupExponentialDecay(
    ...     init_value=0.0, peak_value=1.0, warmup_steps=4, transition_steps=10, decay_rate=0.5,
    ...     steps=40,
    ... )
    >>> lr(0), lr(4), lr(14)
    (0.0, 1.0, 0.5)
    """

    kind = "optax.warmup_exponential_decay_schedule"
    rates: ClassVar[tuple[str, ...]] = ("init_value", "peak_value", "end_value")
    counts: ClassVar[tuple[str, ...]] = ("warmup_steps", "transition_steps", "transition_begin")

    peak_value: float
    warmup_steps: int

    def _formula(self, t: FloatArray) -> FloatArray:
        decay = ExponentialDecay(
            init_value=self.peak_value,
            transition_steps=self.transition_steps,
            decay_rate=self.decay_rate,
            transition_begin=self.transition_begin,
            staircase=self.staircase,
            end_value=self.end_value,
            steps=self.steps,
        )
        after = decay.at(t - self.warmup_steps)
        rising = climb(self.init_value, self.peak_value, self.warmup_steps, t)
        return np.where(t < self.warmup_steps, rising, after)


@dataclass(frozen=True, kw_only=True)
class CosineDecay(OptaxSchedule):
    """A half cosine to the power `exponent`, down to `alpha` of `init_value`; held.

    >>> lr = CosineDecay(init_value=1.0, decay_steps=10)
    >>> lr(0), lr(5), lr(20)
    (1.0, 0.5, 0.0)
    """

    kind = "optax.cosine_decay_schedule"
    rates: ClassVar[tuple[str, ...]] = ("init_value",)
    counts: ClassVar[tuple[str, ...]] = ("decay_steps",)

    init_value: float
    decay_steps: int
    alpha: float = 0.0
    exponent: float = 1.0

    def _length(self) -> int:
        return self.decay_steps

    def _formula(self, t: FloatArray) -> FloatArray:
        wave = 0.5 * (1.0 + np.cos(np.pi * np.minimum(t, self.decay_steps) / self.decay_steps))
        return self.init_value * ((1.0 - self.alpha) * wave**self.exponent + self.alpha)


@dataclass(frozen=True, kw_only=True)
class WarmupCosineDecay(OptaxSchedule):
    """A straight line to `peak_value`, then a half cosine to `end_value` at `decay_steps`.

    `decay_steps` is the whole length, the warmup included.

    >>> lr = WarmupCosineDecay(init_value=0.0, peak_value=1.0, warmup_steps=4, decay_steps=24)
    >>> lr(0), lr(4), lr(14), lr(99)
    (0.0, 1.0, 0.5, 0.0)
    """

    kind = "optax.warmup_cosine_decay_schedule"
    rates: ClassVar[tuple[str, ...]] = ("init_value", "peak_value", "end_value")
    counts: ClassVar[tuple[str, ...]] = ("warmup_steps", "decay_steps")

    init_value: float
    peak_value: float
    warmup_steps: int
    decay_steps: int
    end_value: float = 0.0
    exponent: float = 1.0

    def _check(self) -> None:
        super()._check()
        if self.decay_steps <= self.warmup_steps:
            raise self.error(
                f"warmup_steps={self.warmup_steps} and decay_steps={self.decay_steps}",
                "decay_steps is the whole length and must be above the warmup",
            )

    def _length(self) -> int:
        return self.decay_steps

    def _formula(self, t: FloatArray) -> FloatArray:
        decay = CosineDecay(
            init_value=self.peak_value,
            decay_steps=self.decay_steps - self.warmup_steps,
            alpha=self.end_value / self.peak_value if self.peak_value else 0.0,
            exponent=self.exponent,
        )
        after = decay.at(np.maximum(t - self.warmup_steps, 0.0))
        rising = climb(self.init_value, self.peak_value, self.warmup_steps, t)
        return np.where(t < self.warmup_steps, rising, after)


@dataclass(frozen=True, kw_only=True)
class PiecewiseConstant(OptaxSchedule):
    """`init_value` times the product of the scales of the boundaries met.

    >>> lr = PiecewiseConstant(init_value=1.0, boundaries=(10, 20), scales=(0.5, 0.5), steps=30)
    >>> lr(9), lr(10), lr(20)
    (1.0, 0.5, 0.25)
    """

    kind = "optax.piecewise_constant_schedule"
    rates: ClassVar[tuple[str, ...]] = ("init_value",)

    init_value: float
    boundaries: tuple[int, ...] = ()
    scales: tuple[float, ...] = ()

    def _levels(self) -> FloatArray:
        ordered = [scale for _, scale in sorted(zip(self.boundaries, self.scales, strict=True))]
        return np.asarray([*accumulate(ordered, lambda a, b: b * a, initial=self.init_value)])

    def _formula(self, t: FloatArray) -> FloatArray:
        bounds = np.asarray(sorted(self.boundaries), dtype=np.float64)
        return self._levels()[np.searchsorted(bounds, t, side="right")]

    def _fitted(self, steps: int, counts: dict[str, Any]) -> dict[str, Any]:
        bounds = tuple(shrunk(bound, self.steps, steps) for bound in self.boundaries)
        return counts | {"boundaries": bounds}


@dataclass(frozen=True, kw_only=True)
class PiecewiseInterpolate(PiecewiseConstant):
    """The levels of a piecewise schedule, joined by lines or half cosines.

    >>> lr = PiecewiseInterpolate(init_value=1.0, boundaries=(10,), scales=(0.5,))
    >>> lr(0), lr(5), lr(10)
    (1.0, 0.75, 0.5)
    """

    kind = "optax.piecewise_interpolate_schedule"

    interpolate_type: Literal["linear", "cosine"] = "linear"

    def _length(self) -> int:
        return max(self.boundaries, default=0)

    def _formula(self, t: FloatArray) -> FloatArray:
        bounds = np.asarray([0, *sorted(self.boundaries)], dtype=np.float64)
        levels = self._levels()
        piece = np.clip(np.searchsorted(bounds, t, side="right") - 1, 0, len(bounds) - 1)
        ended = piece == len(bounds) - 1
        start = np.minimum(piece, max(len(bounds) - 2, 0))
        stop = np.minimum(start + 1, len(bounds) - 1)
        share = (t - bounds[start]) / np.maximum(bounds[stop] - bounds[start], 1.0)
        low, high = levels[start], levels[stop]
        if self.interpolate_type == "linear":
            values = (high - low) * share + low
        else:
            values = high + (low - high) / 2.0 * (np.cos(np.pi * share) + 1.0)
        return np.where(ended, levels[-1], values)


@dataclass(frozen=True, kw_only=True)
class Onecycle(OptaxSchedule):
    """1cycle: `transition_steps` long, up over `pct_start` of them."""

    rates: ClassVar[tuple[str, ...]] = ("peak_value",)
    counts: ClassVar[tuple[str, ...]] = ("transition_steps",)

    transition_steps: int
    peak_value: float
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    def _length(self) -> int:
        return self.transition_steps

    def _check(self) -> None:
        super()._check()
        bounds = [0, *(bound for bound, _ in self._bends())]
        if len(set(bounds)) < len(bounds):
            raise self.error(
                f"transition_steps={self.transition_steps}",
                "a phase has no length, for which optax answers NaN or leaves the cycle out; "
                "give more steps",
            )

    def _bends(self) -> list[tuple[int, float]]:
        """The steps at which the line bends, each with the factor reached there."""
        raise NotImplementedError

    def _curve(self, kind: Literal["linear", "cosine"], t: FloatArray) -> FloatArray:
        bends = self._bends()
        return PiecewiseInterpolate(
            init_value=self.peak_value / self.div_factor,
            boundaries=tuple(bound for bound, _ in bends),
            scales=tuple(scale for _, scale in bends),
            interpolate_type=kind,
        ).at(t)


@dataclass(frozen=True, kw_only=True)
class CosineOnecycle(Onecycle):
    """Two half cosines: up, then down to `peak/(div·final_div)`.

    >>> lr = CosineOnecycle(transition_steps=10, peak_value=1.0)
    >>> round(lr(0), 6), lr(3), round(lr(10), 9)
    (0.04, 1.0, 4e-06)
    """

    kind = "optax.cosine_onecycle_schedule"

    def _bends(self) -> list[tuple[int, float]]:
        end = 1.0 / (self.div_factor * self.final_div_factor)
        return [
            (int(self.pct_start * self.transition_steps), self.div_factor),
            (self.transition_steps, end),
        ]

    def _formula(self, t: FloatArray) -> FloatArray:
        return self._curve("cosine", t)


@dataclass(frozen=True, kw_only=True)
class LinearOnecycle(Onecycle):
    """Three lines: up, back by `pct_final`, and down.

    >>> lr = LinearOnecycle(transition_steps=100, peak_value=1.0)
    >>> lr(0), lr(30), lr(85), round(lr(100), 9)
    (0.04, 1.0, 0.04, 4e-06)
    """

    kind = "optax.linear_onecycle_schedule"

    pct_final: float = 0.85

    def _bends(self) -> list[tuple[int, float]]:
        return [
            (int(self.pct_start * self.transition_steps), self.div_factor),
            (int(self.pct_final * self.transition_steps), 1.0 / self.div_factor),
            (self.transition_steps, 1.0 / self.final_div_factor),
        ]

    def _formula(self, t: FloatArray) -> FloatArray:
        return self._curve("linear", t)


def climb(start: float, top: float, steps: int, t: FloatArray) -> FloatArray:
    """A straight line from `start` to `top`, held; no steps leave it at `start`."""
    if steps <= 0:
        return np.full_like(t, start)
    left = 1.0 - np.clip(t, 0.0, steps) / steps
    return (start - top) * left + top
