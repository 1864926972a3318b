"""Schedules made of schedules: joined, multiplied, clipped, repeated, shifted, stretched.

Every node is a schedule again, so they nest to any depth and travel in the same JSON.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise

import numpy as np

from etastar.schedules.base import FloatArray, Schedule, proportion, shrunk
from etastar.schedules.constant import Constant

# What a join declared continuous may miss by, relative to the larger side.
_CONTINUITY = 1e-9


@dataclass(frozen=True, kw_only=True)
class Join(Schedule):
    """One schedule after the other; each starts its own clock at 0.

    Endpoints: part k is in charge from the sum of the horizons before it; the last one's end
    value is held. With `continuous=True` a jump at a join is refused.

    Raises:
        ScheduleError: No parts, or a jump where continuity was declared.

    >>> from etastar.schedules import Constant, Linear
    >>> lr = Constant(steps=3, peak=0.1) >> Linear(steps=2, peak=0.1)
    >>> lr.steps, lr(2), lr(3), lr(4), lr(5)
    (5, 0.1, 0.1, 0.05, 0.0)
    """

    kind = "join"

    parts: tuple[Schedule, ...]
    continuous: bool = False
    steps: int = field(init=False, repr=False)

    def _horizon(self) -> int:
        return sum(part.steps for part in self.parts)

    def _check(self) -> None:
        if not self.parts:
            raise self.error("parts=()", "a join needs at least one schedule")
        if self.continuous:
            for start, (before, after) in zip(self.starts[1:], pairwise(self.parts), strict=True):
                left, right = before(before.steps), after(0)
                if not math.isclose(left, right, rel_tol=_CONTINUITY):
                    raise self.error(
                        f"continuous=True with a jump from {left:g} to {right:g} at step {start}",
                        "make the two ends meet, or join without continuous",
                    )

    @property
    def starts(self) -> tuple[int, ...]:
        """The step at which each part takes over, 0 first."""
        return (0, *accumulate(part.steps for part in self.parts[:-1]))

    def _formula(self, t: FloatArray) -> FloatArray:
        inside = np.asarray(self.starts[1:], dtype=np.float64)
        owner = np.searchsorted(inside, t, side="right")
        values = np.empty_like(t)
        for index, (start, part) in enumerate(zip(self.starts, self.parts, strict=True)):
            mine = owner == index
            if mine.any():
                values[mine] = part.at(t[mine] - start)
        return values

    @property
    def ceiling(self) -> float:
        """The highest of the parts' stated peaks."""
        return max(part.ceiling for part in self.parts)

    def scale(self, factor: float) -> Schedule:
        """Every part scaled."""
        return replace(self, parts=tuple(part.scale(factor) for part in self.parts))

    def resized(self, steps: int) -> Schedule:
        """Every part in proportion, none lost.

        Returns:
            The join over `steps` steps.

        Raises:
            ScheduleError: Fewer steps than parts.
        """
        if steps < len(self.parts):
            raise self.error(
                f"resized({steps}) with {len(self.parts)} parts",
                "every part lasts one step or more",
            )
        ends = [shrunk(start, self.steps, steps) for start in self.starts[1:]] + [steps]
        for index in range(len(ends) - 1):  # room for this part, and for those after it
            least = ends[index - 1] + 1 if index else 1
            ends[index] = min(max(ends[index], least), steps - (len(ends) - 1 - index))
        lengths = [end - start for start, end in pairwise([0, *ends])]
        parts = zip(self.parts, lengths, strict=True)
        return replace(self, parts=tuple(part.resized(length) for part, length in parts))

    @property
    def _stable(self) -> bool:
        """A constant before the last part, which a longer run makes longer."""
        return len(self.parts) > 1 and isinstance(self.parts[-2], Constant)

    @property
    def tail_start(self) -> int:
        """The start of the last part, where that follows a constant; else of its own tail."""
        return self.starts[-1] + (0 if self._stable else self.parts[-1].tail_start)

    def _lengthened(self, steps: int) -> Schedule:
        index = -2 if self._stable else -1
        parts = list(self.parts)
        parts[index] = parts[index].extend(parts[index].steps + steps - self.steps)
        return replace(self, parts=tuple(parts))


@dataclass(frozen=True, kw_only=True)
class Product(Schedule):
    """The product of schedules on one clock: a warmup times a decay, a factor times a rate.

    Endpoints: the horizon is the longest of the parts'; a shorter part holds its last value.

    Raises:
        ScheduleError: No parts.

    >>> from etastar.schedules import Constant, Linear
    >>> lr = Linear(steps=4) * Constant(steps=2, peak=0.1)
    >>> lr.steps, lr(0), lr(2), lr(4)
    (4, 0.1, 0.05, 0.0)
    """

    kind = "product"

    parts: tuple[Schedule, ...]
    steps: int = field(init=False, repr=False)

    def _horizon(self) -> int:
        return max((part.steps for part in self.parts), default=0)

    def _check(self) -> None:
        if not self.parts:
            raise self.error("parts=()", "a product needs at least one schedule")

    def at(self, t: FloatArray) -> FloatArray:
        """The product of the parts, each on the same clock and each with its own end."""
        return self._formula(t)

    def _formula(self, t: FloatArray) -> FloatArray:
        values = self.parts[0].at(t)
        for part in self.parts[1:]:
            values = values * part.at(t)
        return values

    @property
    def ceiling(self) -> float:
        """The product of the parts' stated peaks."""
        return math.prod(part.ceiling for part in self.parts)

    def scale(self, factor: float) -> Schedule:
        """The first part scaled, and the product with it."""
        return replace(self, parts=(self.parts[0].scale(factor), *self.parts[1:]))

    def resized(self, steps: int) -> Schedule:
        """Every part in proportion."""
        parts = (part.resized(shrunk(part.steps, self.steps, steps)) for part in self.parts)
        return replace(self, parts=tuple(parts))

    @property
    def tail_start(self) -> int:
        """The earliest tail among the parts that last to the end."""
        return min(part.tail_start for part in self.parts if part.steps == self.steps)

    def _lengthened(self, steps: int) -> Schedule:
        parts = (
            part.extend(steps, at=self.tail_start) if part.steps == self.steps else part
            for part in self.parts
        )
        return replace(self, parts=tuple(parts))


@dataclass(frozen=True, kw_only=True)
class Wrapper(Schedule):
    """A schedule that changes the clock or the values of one other, `part`."""

    part: Schedule
    steps: int = field(init=False, repr=False)

    def _horizon(self) -> int:
        return self.part.steps

    @property
    def ceiling(self) -> float:
        """The part's stated peak."""
        return self.part.ceiling

    @property
    def tail_start(self) -> int:
        """The part's."""
        return self.part.tail_start

    def scale(self, factor: float) -> Schedule:
        """The part scaled."""
        return replace(self, part=self.part.scale(factor))


@dataclass(frozen=True, kw_only=True)
class Clip(Wrapper):
    """A schedule held within `[low, high]`; no `high` leaves it open above.

    Raises:
        ScheduleError: `low` below 0 or above `high`.

    >>> from etastar.schedules import Linear
    >>> Linear(steps=10).clip(0.2, 0.9)(0), Linear(steps=10).clip(0.2, 0.9)(10)
    (0.9, 0.2)
    """

    kind = "clip"

    low: float = 0.0
    high: float | None = None

    def _check(self) -> None:
        super()._check()
        if not 0 <= self.low <= (self.low if self.high is None else self.high):
            raise self.error(f"low={self.low} and high={self.high}", "it needs 0 ≤ low ≤ high")

    def at(self, t: FloatArray) -> FloatArray:
        """The part's values within the limits."""
        return self._formula(t)

    def _formula(self, t: FloatArray) -> FloatArray:
        return np.clip(self.part.at(t), self.low, self.high)

    @property
    def ceiling(self) -> float:
        """The lower of the part's stated peak and `high`."""
        return max(min(self.part.ceiling, self.high or math.inf), self.low)

    def scale(self, factor: float) -> Schedule:
        """The part and the limits scaled."""
        high = None if self.high is None else self.high * factor
        return replace(self, part=self.part.scale(factor), low=self.low * factor, high=high)

    def resized(self, steps: int) -> Schedule:
        """The part resized under the same limits."""
        return replace(self, part=self.part.resized(steps))

    def _lengthened(self, steps: int) -> Schedule:
        return replace(self, part=self.part.extend(steps))


@dataclass(frozen=True, kw_only=True)
class Repeat(Wrapper):
    """A schedule run `times` times; its end value is met once, after the last round.

    Raises:
        ScheduleError: Fewer than one round.

    >>> from etastar.schedules import Linear
    >>> lr = Linear(steps=2).repeat(2)
    >>> [lr(step) for step in range(6)]
    [1.0, 0.5, 1.0, 0.5, 0.0, 0.0]
    """

    kind = "repeat"

    times: int

    def _horizon(self) -> int:
        return self.part.steps * max(self.times, 0)

    def _check(self) -> None:
        if self.times < 1:
            raise self.error(f"times={self.times}", "repeat at least once")
        super()._check()

    def _formula(self, t: FloatArray) -> FloatArray:
        done = np.minimum(np.floor(t / self.part.steps), self.times - 1)
        return self.part.at(t - done * self.part.steps)

    @property
    def tail_start(self) -> int:
        """The end: a longer run adds rounds."""
        return self.steps

    def resized(self, steps: int) -> Schedule:
        """Shorter or longer rounds, as many as before.

        Returns:
            The repetition over `steps` steps; where the rounds do not divide them, the last
            round is the longer one.

        Raises:
            ScheduleError: Fewer steps than rounds.
        """
        length = steps // self.times
        if length < 1:
            raise self.error(
                f"resized({steps}) with times={self.times}", "every round lasts one step or more"
            )
        rounds = replace(self, part=self.part.resized(length))
        if rounds.steps == steps:
            return rounds
        return Stretch(part=rounds, start=length * (self.times - 1), length=steps)

    def _lengthened(self, steps: int) -> Schedule:
        rounds = replace(self, times=-(-steps // self.part.steps))
        return rounds if rounds.steps == steps else Cut(part=rounds, length=steps)


@dataclass(frozen=True, kw_only=True)
class Shift(Wrapper):
    """A schedule started `by` steps later, or that much earlier in its course if negative.

    Endpoints: a later start holds the first value until then; the end moves along.

    Raises:
        ScheduleError: Nothing is left of the schedule.

    >>> from etastar.schedules import Linear
    >>> late, early = Linear(steps=4).shift(2), Linear(steps=4).shift(-2)
    >>> late.steps, late(2), late(4), early.steps, early(0), early(2)
    (6, 1.0, 0.5, 2, 0.5, 0.0)
    """

    kind = "shift"

    by: int

    def _horizon(self) -> int:
        return self.part.steps + self.by

    def _check(self) -> None:
        if self.steps < 1:
            raise self.error(
                f"by={self.by} with a part of {self.part.steps} steps", "it must leave one step"
            )

    def _formula(self, t: FloatArray) -> FloatArray:
        return self.part.at(np.maximum(t - self.by, 0.0))

    def resized(self, steps: int) -> Schedule:
        """The part and the shift in proportion."""
        part = self.part.resized(max(proportion(self.part.steps, self.steps, steps), 1))
        return replace(self, part=part, by=steps - part.steps)

    @property
    def tail_start(self) -> int:
        """The part's, moved along; 0 where even the part's first value may change."""
        return max(self.part.tail_start + self.by, 0) if self.part.tail_start else 0

    def _lengthened(self, steps: int) -> Schedule:
        return replace(self, part=self.part.extend(steps - self.by, at=max(-self.by, 0)))


@dataclass(frozen=True, kw_only=True)
class Cut(Wrapper):
    """The first `length` steps of a schedule; the value reached there is held.

    Raises:
        ScheduleError: Less than one step, or more than the schedule has.

    >>> from etastar.schedules import Linear
    >>> Cut(part=Linear(steps=4), length=2)(10)
    0.5
    """

    kind = "cut"

    length: int

    def _horizon(self) -> int:
        return self.length

    def _check(self) -> None:
        if not 1 <= self.length <= self.part.steps:
            raise self.error(
                f"length={self.length} with a part of {self.part.steps} steps",
                "it needs 1 ≤ length ≤ the part's steps",
            )

    def _formula(self, t: FloatArray) -> FloatArray:
        return self.part.at(t)

    @property
    def tail_start(self) -> int:
        """The end, from which the part goes on; the part's own where nothing was cut off."""
        return self.length if self.length < self.part.steps else self.part.tail_start

    def resized(self, steps: int) -> Schedule:
        """The part in proportion, cut at `steps`."""
        inner = max(proportion(self.part.steps, self.steps, steps), steps)
        return replace(self, part=self.part.resized(inner), length=steps)

    def _lengthened(self, steps: int) -> Schedule:
        if steps <= self.part.steps:
            return replace(self, length=steps)
        return self.part.extend(steps, at=self.tail_start)


@dataclass(frozen=True, kw_only=True)
class Stretch(Wrapper):
    """A schedule as it is up to `start`; what remains of it spread until step `length`.

    Formula: after `start`, `part(start + (t−start)·(N−start)/(length−start))`.
    Endpoints: continuous at `start`; the part's end value at step `length` and after. This is
    how a run is made longer in the middle of its decay without the rate jumping.

    Raises:
        ScheduleError: `start` is at the part's end or after it, or `length` before that end.

    >>> from etastar.schedules import Linear
    >>> lr = Linear(steps=10).extend(15, at=5)
    >>> lr(5), lr(10), lr(15)
    (0.5, 0.25, 0.0)
    """

    kind = "stretch"

    start: int
    length: int

    def _horizon(self) -> int:
        return self.length

    def _check(self) -> None:
        if not 0 <= self.start < self.part.steps <= self.length:
            raise self.error(
                f"start={self.start} and length={self.length} with a part of "
                f"{self.part.steps} steps",
                "the part must still be running at start, and end at length or before; a "
                "schedule that has ended is replaced by a new one",
            )

    def _formula(self, t: FloatArray) -> FloatArray:
        # Products of whole numbers stay exact, so the end meets the part's end.
        after = np.maximum(t - self.start, 0.0)
        spread = after * (self.part.steps - self.start) / (self.length - self.start)
        return self.part.at(np.minimum(t, float(self.start)) + spread)

    @property
    def tail_start(self) -> int:
        """The step from which the part is spread."""
        return self.start

    def resized(self, steps: int) -> Schedule:
        """Part, start and length in proportion."""
        inner = min(max(shrunk(self.part.steps, self.steps, steps), 1), steps)
        start = min(shrunk(self.start, self.steps, steps), inner - 1)
        return replace(self, part=self.part.resized(inner), start=start, length=steps)

    def _lengthened(self, steps: int) -> Schedule:
        return replace(self, length=steps)


def join(*parts: Schedule, continuous: bool = False) -> Join:
    """The schedules one after the other, as one flat join; `a >> b` is `join(a, b)`."""
    flat: list[Schedule] = []
    for part in parts:  # a join that promises something else stays a part of its own
        same = isinstance(part, Join) and part.continuous == continuous
        flat += part.parts if isinstance(part, Join) and same else (part,)
    return Join(parts=tuple(flat), continuous=continuous)


def product(*parts: Schedule) -> Product:
    """The schedules multiplied, as one flat product; `a * b` is `product(a, b)`."""
    flat: list[Schedule] = []
    for part in parts:
        flat += part.parts if isinstance(part, Product) else (part,)
    return Product(parts=tuple(flat))
