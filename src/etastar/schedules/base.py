"""`Schedule`: a frozen value that turns a step into a number. Every family is one of these.

The conventions, for every schedule of ours:

- A step is one applied optimizer update, counted from 0. A schedule of `steps` steps is used
  at 0 … steps−1; what it gives at `steps` is held for ever after, and it never rises again.
- Values are float64 in closed form: any step at any time, one at once or a whole array.
- A schedule knows no optimizer, no framework and no clock but its argument.

Fields come in four kinds, which is all that scaling and resizing need to know: rates (in the
unit of the answer), counts (whole steps), spans (steps that need not be whole) and factors
per step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, cast, overload

import numpy as np
import numpy.typing as npt

from etastar.errors import ScheduleError
from etastar.schedules.fields import coerce, hints

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

FloatArray = npt.NDArray[np.float64]

# kind -> class: what a spec or a short form may name, and nothing else.
FAMILIES: dict[str, type[Schedule]] = {}

# A curve is searched for its highest value in pieces of this many steps.
_PIECE_STEPS = 1 << 18
_EXACT_STEPS = 1 << 22


@dataclass(frozen=True, kw_only=True)
class Schedule(ABC):
    """A number for every step: immutable, comparable, picklable, JSON in and out.

    Subclasses state `_formula`, the curve on `[0, steps]`, and name their fields by kind.
    """

    kind: ClassVar[str]
    rates: ClassVar[tuple[str, ...]] = ()  # scaled by `scale`
    counts: ClassVar[tuple[str, ...]] = ()  # scaled by `resized`, rounded, kept at least 1
    spans: ClassVar[tuple[str, ...]] = ()  # scaled by `resized`, not rounded
    per_step: ClassVar[tuple[str, ...]] = ()  # factors of one step: `resized` takes their power

    steps: int

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        kind = cls.__dict__.get("kind")
        if kind is not None:
            FAMILIES[kind] = cls

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.init:
                value = coerce(
                    type(self).__name__,
                    field.name,
                    hints(type(self))[field.name],
                    getattr(self, field.name),
                )
                object.__setattr__(self, field.name, value)
        object.__setattr__(self, "steps", self._horizon())
        self._check()

    def _horizon(self) -> int:
        """The horizon, for families in which it follows from the other fields."""
        return self.steps

    def _check(self) -> None:
        """Refuse fields that contradict each other; subclasses add their own."""
        if self.steps < 1:
            raise self.error(f"steps={self.steps}", "a schedule lasts at least one step")

    def error(self, given: str, needed: str) -> ScheduleError:
        """The error for one contradiction, to be raised by the caller."""
        return ScheduleError(f"{type(self).__name__} was given {given}: {needed}.")

    @abstractmethod
    def _formula(self, t: FloatArray) -> FloatArray:
        """The curve at the steps `t`, all within `[0, steps]`."""

    def at(self, t: FloatArray) -> FloatArray:
        """The values at an array of steps `t ≥ 0`, the last one held after the end."""
        return self._formula(np.minimum(t, float(self.steps)))

    @overload
    def __call__(self, step: float) -> float: ...

    @overload
    def __call__(self, step: npt.NDArray[Any]) -> FloatArray: ...

    def __call__(self, step: float | npt.NDArray[Any]) -> float | FloatArray:
        """The value at a step, or the values at an array of steps.

        Returns:
            A float for a number, a float64 array of the same shape for an array.

        Raises:
            ScheduleError: A step is negative or not a number.
        """
        t = np.asarray(step, dtype=np.float64)
        if not np.all(t >= 0):
            raise ScheduleError(
                f"step={step} lies before the first step: steps are counted from 0, so give 0 "
                "or more."
            )
        values = self.at(np.atleast_1d(t))
        if isinstance(step, np.ndarray):
            return values.reshape(step.shape)
        return float(values[0])

    @property
    def ceiling(self) -> float:
        """The stated peak: no value lies above it. A schedule with ceiling 1 is a shape."""
        return self.maximum

    @property
    def maximum(self) -> float:
        """The highest value at the steps 0 … steps, the held one included.

        Beyond four million steps an even choice of them is looked at.
        """
        if self.steps >= _EXACT_STEPS:
            steps = np.linspace(0, self.steps, _PIECE_STEPS).round()
            return float(self.at(steps).max())
        pieces = range(0, self.steps + 1, _PIECE_STEPS)
        ends = (min(start + _PIECE_STEPS, self.steps + 1) for start in pieces)
        return max(
            float(self.at(np.arange(start, end, dtype=np.float64)).max())
            for start, end in zip(pieces, ends, strict=True)
        )

    @property
    def tail_start(self) -> int:
        """The step from which `extend` rewrites the curve; everything before it stays."""
        return 0

    def resized(self, steps: int) -> Schedule:
        """The same shape at another horizon: every count of steps in proportion.

        Returns:
            The schedule over `steps` steps; a phase that exists keeps at least one of them,
            where the new horizon has room for it.
        """
        steps = coerce(type(self).__name__, "steps", int, steps)
        counts = {name: shrunk(getattr(self, name), self.steps, steps) for name in self.counts}
        spans = {name: scaled(getattr(self, name), steps / self.steps) for name in self.spans}
        factors = {name: getattr(self, name) ** (self.steps / steps) for name in self.per_step}
        return replace(self, steps=steps, **self._fitted(steps, counts), **spans, **factors)

    def _fitted(self, steps: int, counts: dict[str, Any]) -> dict[str, Any]:
        """Rounded counts made to fit the horizon again; subclasses with phases override it."""
        return counts if steps else {}

    def extend(self, steps: int, at: int | None = None) -> Schedule:
        """The schedule at a longer horizon, with only its tail rewritten.

        Args:
            steps: The new horizon, at least the old one.
            at: The step up to which nothing may change; the start of the tail unless given.
                Past the start of the tail, what remains of the curve is stretched.

        Returns:
            A schedule over `steps` steps with the same values before `at`.

        Raises:
            ScheduleError: The new horizon is shorter, or the schedule has ended before `at`.
        """
        steps = coerce(type(self).__name__, "steps", int, steps)
        if steps < self.steps:
            raise self.error(
                f"extend(steps={steps}) with a horizon of {self.steps}",
                "extending lengthens; to shorten use resized",
            )
        if at is None or at <= self.tail_start:
            return self._lengthened(steps)
        from etastar.schedules.wrappers import Stretch

        return Stretch(part=self, start=at, length=steps)

    def _lengthened(self, steps: int) -> Schedule:
        """The same schedule with a longer tail; counts and spans stay as they are."""
        return replace(self, steps=steps)

    def scale(self, factor: float) -> Schedule:
        """The same curve with every value multiplied by `factor`, floor included."""
        factor = coerce(type(self).__name__, "factor", float, factor)
        if factor < 0:
            raise self.error(f"factor={factor}", "a rate scales by 0 or more")
        return replace(self, **{name: scaled(getattr(self, name), factor) for name in self.rates})

    def __rshift__(self, then: object) -> Schedule:
        from etastar.schedules.algebra import join

        return join(self, then) if isinstance(then, Schedule) else NotImplemented

    def __mul__(self, factor: float | Schedule) -> Schedule:
        from etastar.schedules.algebra import product

        if isinstance(factor, Schedule):
            return product(self, factor)
        return self.scale(factor) if isinstance(factor, Real) else NotImplemented

    def __rmul__(self, factor: float) -> Schedule:
        return self.scale(factor)

    def clip(self, low: float = 0.0, high: float | None = None) -> Schedule:
        """The schedule held within `[low, high]`."""
        from etastar.schedules.wrappers import Clip

        return Clip(part=self, low=low, high=high)

    def repeat(self, times: int) -> Schedule:
        """The whole schedule run `times` times, one after the other."""
        from etastar.schedules.wrappers import Repeat

        return Repeat(part=self, times=times)

    def shift(self, by: int) -> Schedule:
        """The schedule started `by` steps later, its first value held; earlier if negative."""
        from etastar.schedules.wrappers import Shift

        return Shift(part=self, by=by)

    def to_spec(self) -> dict[str, Any]:
        """The schedule as JSON-ready data, with the version of the format."""
        from etastar.schedules.spec import to_spec

        return to_spec(self)

    def to_json(self) -> str:
        """The schedule as one line of JSON."""
        from etastar.schedules.spec import to_json

        return to_json(self)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits; equal schedules have equal ones, on any machine."""
        from etastar.schedules.spec import fingerprint

        return fingerprint(self)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        """Fields of pydantic models hold a schedule and are written as its spec."""
        from etastar.schedules.spec import core_schema_for

        return core_schema_for(cls)


def proportion(count: int, steps: int, new_steps: int) -> int:
    """`count` of `steps` in proportion at `new_steps`, rounded; exact also beyond 2^53."""
    return (2 * count * new_steps + steps) // (2 * steps)


def shrunk(count: int, steps: int, new_steps: int) -> int:
    """`count` of `steps` in proportion at `new_steps`: rounded, and not lost while it fits."""
    if count <= 0:
        return count
    return min(max(proportion(count, steps, new_steps), 1), new_steps)


def scaled(value: Any, factor: float) -> Any:
    """A rate, a tuple of rates, or none, times the factor."""
    if value is None:
        return None
    if isinstance(value, tuple):
        return tuple(rate * factor for rate in cast("tuple[float, ...]", value))
    return value * factor


@dataclass(frozen=True, kw_only=True)
class Warmed(Schedule):
    """A linear warmup to `peak`, then whatever the subclass makes of `_rest`.

    The warmup over W steps is `peak·(t+1)/W`: no update is spent at 0 and the peak is first
    used at W−1. The horizon includes it; `_rest` begins at step W with progress 0.
    """

    rates: ClassVar[tuple[str, ...]] = ("peak",)
    counts: ClassVar[tuple[str, ...]] = ("warmup_steps",)

    peak: float = 1.0
    warmup_steps: int = 0

    def _check(self) -> None:
        super()._check()
        if self.peak < 0:
            raise self.error(f"peak={self.peak}", "a rate is 0 or more")
        if not 0 <= self.warmup_steps < self.steps:
            raise self.error(
                f"warmup_steps={self.warmup_steps} of steps={self.steps}",
                "the warmup must leave at least one step after it; shorten it, or lengthen steps",
            )

    @abstractmethod
    def _rest(self, t: FloatArray) -> FloatArray:
        """The curve after the warmup, at steps `t` in `[warmup_steps, steps]`."""

    def _formula(self, t: FloatArray) -> FloatArray:
        rest = self._rest(np.maximum(t, float(self.warmup_steps)))
        if self.warmup_steps == 0:
            return rest
        # The fraction is exactly 1 at W−1, so the peak is met without a rounding error.
        rising = self.peak * np.minimum((t + 1.0) / self.warmup_steps, 1.0)
        return np.where(t < self.warmup_steps, rising, rest)

    @property
    def ceiling(self) -> float:
        """The stated peak."""
        return self.peak

    @property
    def maximum(self) -> float:
        """The stated peak: it is met, at the warmup's end or at step 0."""
        return self.peak

    @property
    def tail_start(self) -> int:
        """The end of the warmup."""
        return self.warmup_steps

    def _fitted(self, steps: int, counts: dict[str, Any]) -> dict[str, Any]:
        return counts | {"warmup_steps": min(counts["warmup_steps"], steps - 1)}


@dataclass(frozen=True, kw_only=True)
class Floored(Warmed):
    """A linear warmup to `peak`, then a curve that ends at `floor` or is limited by it."""

    rates: ClassVar[tuple[str, ...]] = ("peak", "floor")

    floor: float = 0.0

    def _check(self) -> None:
        if not 0 <= self.floor <= self.peak:
            raise self.error(
                f"peak={self.peak} and floor={self.floor}", "it needs 0 ≤ floor ≤ peak"
            )
        super()._check()


@dataclass(frozen=True, kw_only=True)
class Decay(Floored):
    """A warmup, then `peak·c + floor·(1−c)` where `c` falls from 1 to 0 over the rest.

    Subclasses state only `_remaining`: c as a function of the progress u in [0, 1].
    """

    @abstractmethod
    def _remaining(self, u: FloatArray) -> FloatArray:
        """The share of the way still to go: 1 at u = 0, 0 at u = 1."""

    def _rest(self, t: FloatArray) -> FloatArray:
        u = (t - self.warmup_steps) / (self.steps - self.warmup_steps)
        return between(self.peak, self.floor, self._remaining(u))


def between(peak: float, floor: float, c: FloatArray) -> FloatArray:
    """`peak` where c = 1, `floor` where c = 0, both exactly, and never outside them."""
    return np.clip(peak * c + floor * (1.0 - c), floor, peak)
