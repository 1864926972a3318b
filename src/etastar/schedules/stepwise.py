"""Rates that change at chosen steps and are constant in between.

A milestone m takes effect at step m: update m is the first to use the new rate. Milestones are
steps of the run, so a warmup before them does not move them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from etastar.schedules.base import FloatArray, Floored, Schedule, shrunk


@dataclass(frozen=True, kw_only=True)
class StepDecay(Floored):
    """A factor `gamma` every `every_steps` steps.

    Formula: `max(peak·gamma^⌊t/every_steps⌋, floor)`.
    Endpoints: `peak` first at step max(W−1, 0), the first fall at step `every_steps`; the last
    value is held.

    Raises:
        ScheduleError: `gamma` outside (0, 1], `every_steps` not above 0, and what every warmed
            schedule refuses.

    References:
        Krizhevsky, One Weird Trick for Parallelizing Convolutional Neural Networks, 2014.
        arXiv:1404.5997

    >>> lr = StepDecay(steps=90, peak=0.1, every_steps=30, gamma=0.5)
    >>> lr(29), lr(30), lr(60), lr(90)
    (0.1, 0.05, 0.025, 0.025)
    """

    kind = "step"
    spans: ClassVar[tuple[str, ...]] = ("every_steps",)

    every_steps: float
    gamma: float = 0.1

    def _check(self) -> None:
        super()._check()
        if not 0 < self.gamma <= 1:
            raise self.error(f"gamma={self.gamma}", "a decay multiplies by a factor in (0, 1]")
        if self.every_steps <= 0:
            raise self.error(f"every_steps={self.every_steps}", "it is above 0")

    def _rest(self, t: FloatArray) -> FloatArray:
        # The last update trained is N−1: a fall due at N would never be used.
        falls = np.floor(np.minimum(t, self.steps - 1.0) / self.every_steps)
        return np.maximum(self.peak * self.gamma**falls, self.floor)

    @property
    def tail_start(self) -> int:
        """The end: the law goes on by itself."""
        return self.steps


@dataclass(frozen=True, kw_only=True)
class MultiStep(Floored):
    """A factor `gamma` at each of the `milestones`.

    Formula: `max(peak·gamma^(number of milestones ≤ t), floor)`.
    Endpoints: `peak` first at step max(W−1, 0); the last value is held.

    Raises:
        ScheduleError: Milestones out of order or outside the horizon, `gamma` outside (0, 1],
            and what every warmed schedule refuses.

    References:
        He et al., Deep Residual Learning for Image Recognition, 2015. arXiv:1512.03385

    >>> lr = MultiStep(steps=90, milestones=(30, 60), gamma=0.5)
    >>> lr(29), lr(30), lr(60)
    (1.0, 0.5, 0.25)
    """

    kind = "multistep"

    milestones: tuple[int, ...]
    gamma: float = 0.1

    def _check(self) -> None:
        super()._check()
        check_milestones(self, self.milestones)
        if not 0 < self.gamma <= 1:
            raise self.error(f"gamma={self.gamma}", "a decay multiplies by a factor in (0, 1]")

    def _rest(self, t: FloatArray) -> FloatArray:
        falls = np.searchsorted(np.asarray(self.milestones, dtype=np.float64), t, side="right")
        return np.maximum(self.peak * self.gamma ** falls.astype(np.float64), self.floor)

    @property
    def tail_start(self) -> int:
        """The end: the last value goes on."""
        return self.steps

    def _fitted(self, steps: int, counts: dict[str, Any]) -> dict[str, Any]:
        milestones = tuple(shrunk(milestone, self.steps, steps) for milestone in self.milestones)
        return super()._fitted(steps, counts) | {"milestones": milestones}


@dataclass(frozen=True, kw_only=True)
class Piecewise(Schedule):
    """`values[k]` from milestone k on, `values[0]` before the first.

    Endpoints: `values[0]` at step 0, the last value from the last milestone on and held.

    Raises:
        ScheduleError: Milestones out of order or outside the horizon, not one value more than
            milestones, or a value below 0.

    >>> lr = Piecewise(steps=90, milestones=(30, 60), values=(0.1, 0.02, 0.01))
    >>> lr(0), lr(29), lr(30), lr(60)
    (0.1, 0.1, 0.02, 0.01)
    """

    kind = "piecewise"
    rates: ClassVar[tuple[str, ...]] = ("values",)

    milestones: tuple[int, ...]
    values: tuple[float, ...]

    def _check(self) -> None:
        super()._check()
        check_milestones(self, self.milestones)
        if len(self.values) != len(self.milestones) + 1:
            raise self.error(
                f"{len(self.milestones)} milestones and {len(self.values)} values",
                "give one value more than milestones, the first for the start",
            )
        if min(self.values) < 0:
            raise self.error(f"values={self.values}", "every value is 0 or more")

    def _formula(self, t: FloatArray) -> FloatArray:
        piece = np.searchsorted(np.asarray(self.milestones, dtype=np.float64), t, side="right")
        return np.asarray(self.values)[piece]

    @property
    def ceiling(self) -> float:
        """The highest of the values."""
        return max(self.values)

    @property
    def tail_start(self) -> int:
        """The end: the last value goes on."""
        return self.steps

    def _fitted(self, steps: int, counts: dict[str, Any]) -> dict[str, Any]:
        milestones = tuple(shrunk(milestone, self.steps, steps) for milestone in self.milestones)
        return counts | {"milestones": milestones}


def check_milestones(schedule: Schedule, milestones: tuple[int, ...]) -> None:
    """Refuse milestones out of order, before step 1 or after the horizon.

    Raises:
        ScheduleError: They are.
    """
    inside = all(1 <= milestone <= schedule.steps for milestone in milestones)
    if not inside or any(before > after for before, after in pairwise(milestones)):
        raise schedule.error(
            f"milestones={milestones} of steps={schedule.steps}",
            "give them in increasing order, from 1 to steps; a change at step 0 is the peak",
        )
