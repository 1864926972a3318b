"""Schedules around a schedule: clipped, repeated, shifted, cut, stretched."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from etastar.schedules.base import FloatArray, Schedule, proportion, shrunk


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
