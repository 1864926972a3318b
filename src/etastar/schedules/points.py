"""Any curve, from points."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np

from etastar.schedules.base import FloatArray, Schedule


@dataclass(frozen=True, kw_only=True)
class Points(Schedule):
    """The curve through the points (`at_steps[k]`, `values[k]`).

    Formula: between two points a straight line ("linear"), a straight line of the logarithm
    ("log"), or the left point's value ("hold").
    Endpoints: the first value before the first point, the last value after the last, and what
    is reached at step N held.

    Raises:
        ScheduleError: No points, steps out of order, as many values as steps not given, or
            values below 0 (at 0 for "log").

    >>> lr = Points(steps=100, at_steps=(0, 20, 100), values=(0.0, 1.0, 0.1))
    >>> lr(10), lr(20), lr(60), lr(100)
    (0.5, 1.0, 0.55, 0.1)
    """

    kind = "points"
    rates: ClassVar[tuple[str, ...]] = ("values",)
    spans: ClassVar[tuple[str, ...]] = ("at_steps",)

    at_steps: tuple[float, ...]
    values: tuple[float, ...]
    between: Literal["linear", "log", "hold"] = "linear"

    def _check(self) -> None:
        super()._check()
        if not self.at_steps or len(self.at_steps) != len(self.values):
            raise self.error(
                f"{len(self.at_steps)} steps and {len(self.values)} values",
                "give one value for each step, and one point at least",
            )
        if self.at_steps[0] < 0 or any(left >= right for left, right in pairwise(self.at_steps)):
            raise self.error(f"at_steps={self.at_steps}", "give steps that increase, from 0 on")
        if min(self.values) < 0 or (self.between == "log" and min(self.values) == 0 < self.ceiling):
            raise self.error(
                f'values={self.values} with between="{self.between}"',
                "every value is 0 or more, and above 0 for a logarithm",
            )

    def _formula(self, t: FloatArray) -> FloatArray:
        steps, values = np.asarray(self.at_steps), np.asarray(self.values)
        if self.between == "hold":
            return values[np.maximum(np.searchsorted(steps, t, side="right") - 1, 0)]
        if self.between == "log" and self.ceiling > 0:
            curve = np.exp(np.interp(t, steps, np.log(values)))
        else:
            curve = np.interp(t, steps, values)
        return np.clip(curve, values.min(), values.max())

    @property
    def ceiling(self) -> float:
        """The highest of the values."""
        return max(self.values)
