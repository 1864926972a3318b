"""Schedules made of several schedules: joined, multiplied.

Every node is a schedule again, so they nest to any depth and travel in the same JSON.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise

import numpy as np

from etastar.schedules.base import FloatArray, Schedule, shrunk
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
