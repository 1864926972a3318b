"""`torch.optim.lr_scheduler`, class by class: the same parameters, the same numbers.

`lr` is the optimizer's initial rate. Torch needs no import here: these are the formulas of its
closed-form schedulers, tested against the installed library.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from etastar.errors import ScheduleError
from etastar.schedules.base import FloatArray, Schedule, shrunk
from etastar.schedules.compat.foreign import Foreign


@dataclass(frozen=True, kw_only=True)
class TorchSchedule(Foreign):
    """A scheduler of torch, of an optimizer whose groups start at `lr`."""

    library: ClassVar[str] = "torch"
    rates: ClassVar[tuple[str, ...]] = ("lr",)

    lr: float = 1.0


@dataclass(frozen=True, kw_only=True)
class StepLR(TorchSchedule):
    """`lr·gamma^⌊t/step_size⌋`, without an end.

    >>> StepLR(lr=0.1, step_size=30, gamma=0.5, steps=90)(30)
    0.05
    """

    kind = "torch.StepLR"
    counts: ClassVar[tuple[str, ...]] = ("step_size",)

    step_size: int
    gamma: float = 0.1

    def _formula(self, t: FloatArray) -> FloatArray:
        return self.lr * self.gamma ** np.floor(t / self.step_size)


@dataclass(frozen=True, kw_only=True)
class MultiStepLR(TorchSchedule):
    """A factor `gamma` at each milestone; a repeated milestone counts twice.

    >>> MultiStepLR(lr=0.1, milestones=(30, 60), gamma=0.5, steps=90)(60)
    0.025
    """

    kind = "torch.MultiStepLR"

    milestones: tuple[int, ...]
    gamma: float = 0.1

    def _formula(self, t: FloatArray) -> FloatArray:
        # A milestone at 0 is never met: torch's first step is made by the constructor.
        met = sorted(milestone for milestone in self.milestones if milestone > 0)
        falls = np.searchsorted(np.asarray(met, dtype=np.float64), t, side="right")
        at_once = sum(milestone == 0 for milestone in self.milestones)
        return self.lr * self.gamma ** (falls + at_once).astype(np.float64)

    def _fitted(self, steps: int, counts: dict[str, Any]) -> dict[str, Any]:
        milestones = tuple(shrunk(milestone, self.steps, steps) for milestone in self.milestones)
        return counts | {"milestones": milestones}


@dataclass(frozen=True, kw_only=True)
class ConstantLR(TorchSchedule):
    """`lr·factor` before step `total_iters`, `lr` from it on.

    >>> lr = ConstantLR(lr=0.3, factor=0.5, total_iters=4)
    >>> lr(3), lr(4)
    (0.15, 0.3)
    """

    kind = "torch.ConstantLR"
    counts: ClassVar[tuple[str, ...]] = ("total_iters",)

    factor: float = 1 / 3
    total_iters: int = 5

    def _length(self) -> int:
        return self.total_iters

    def _formula(self, t: FloatArray) -> FloatArray:
        return np.where(t < self.total_iters, self.lr * self.factor, self.lr)


@dataclass(frozen=True, kw_only=True)
class LinearLR(TorchSchedule):
    """A line from `lr·start_factor` to `lr·end_factor` over `total_iters`, then held.

    >>> lr = LinearLR(lr=1.0, start_factor=0.5, total_iters=4)
    >>> lr(0), lr(2), lr(9)
    (0.5, 0.75, 1.0)
    """

    kind = "torch.LinearLR"
    counts: ClassVar[tuple[str, ...]] = ("total_iters",)

    start_factor: float = 1 / 3
    end_factor: float = 1.0
    total_iters: int = 5

    def _length(self) -> int:
        return self.total_iters

    def _formula(self, t: FloatArray) -> FloatArray:
        done = np.minimum(t, self.total_iters) / self.total_iters
        return self.lr * (self.start_factor + (self.end_factor - self.start_factor) * done)


@dataclass(frozen=True, kw_only=True)
class ExponentialLR(TorchSchedule):
    """`lr·gamma^t`, without an end.

    >>> ExponentialLR(lr=1.0, gamma=0.5, steps=10)(3)
    0.125
    """

    kind = "torch.ExponentialLR"
    per_step: ClassVar[tuple[str, ...]] = ("gamma",)

    gamma: float

    def _formula(self, t: FloatArray) -> FloatArray:
        return self.lr * self.gamma**t


@dataclass(frozen=True, kw_only=True)
class PolynomialLR(TorchSchedule):
    """`lr·(1−t/total_iters)^power` down to 0, then held.

    >>> lr = PolynomialLR(lr=1.0, total_iters=4, power=2.0)
    >>> lr(2), lr(4), lr(5)
    (0.25, 0.0, 0.0)
    """

    kind = "torch.PolynomialLR"
    counts: ClassVar[tuple[str, ...]] = ("total_iters",)

    total_iters: int = 5
    power: float = 1.0

    def _length(self) -> int:
        return self.total_iters

    def _formula(self, t: FloatArray) -> FloatArray:
        return self.lr * (1.0 - np.minimum(t, self.total_iters) / self.total_iters) ** self.power


@dataclass(frozen=True, kw_only=True)
class CosineAnnealingLR(TorchSchedule):
    """A cosine of period `2·T_max` between `lr` and `eta_min`: after `T_max` it climbs again.

    >>> lr = CosineAnnealingLR(lr=1.0, T_max=10)
    >>> lr(0), lr(10), lr(20)
    (1.0, 0.0, 1.0)
    """

    kind = "torch.CosineAnnealingLR"
    rates: ClassVar[tuple[str, ...]] = ("lr", "eta_min")
    counts: ClassVar[tuple[str, ...]] = ("T_max",)

    T_max: int
    eta_min: float = 0.0

    def _length(self) -> int:
        return self.T_max

    def _formula(self, t: FloatArray) -> FloatArray:
        share = (1.0 + np.cos(np.pi * t / self.T_max)) / 2.0
        return self.eta_min + (self.lr - self.eta_min) * share


@dataclass(frozen=True, kw_only=True)
class CosineAnnealingWarmRestarts(TorchSchedule):
    """Half cosines of `T_0`, `T_0·T_mult`, `T_0·T_mult²` … steps, without an end.

    >>> lr = CosineAnnealingWarmRestarts(lr=1.0, T_0=10, T_mult=2, steps=30)
    >>> lr(0), lr(5), lr(10), lr(20), lr(30)
    (1.0, 0.5, 1.0, 0.5, 1.0)
    """

    kind = "torch.CosineAnnealingWarmRestarts"
    rates: ClassVar[tuple[str, ...]] = ("lr", "eta_min")
    counts: ClassVar[tuple[str, ...]] = ("T_0",)

    T_0: int
    T_mult: int = 1
    eta_min: float = 0.0

    def _formula(self, t: FloatArray) -> FloatArray:
        if self.T_mult == 1:
            inside, length = t % self.T_0, np.full_like(t, self.T_0)
        else:
            starts, size = [0], self.T_0
            while starts[-1] + size <= float(t.max(initial=0.0)):
                starts.append(starts[-1] + size)
                size *= self.T_mult
            cycle = np.searchsorted(np.asarray(starts[1:], dtype=np.float64), t, side="right")
            inside = t - np.asarray(starts, dtype=np.float64)[cycle]
            length = self.T_0 * float(self.T_mult) ** cycle
        share = (1.0 + np.cos(np.pi * inside / length)) / 2.0
        return self.eta_min + (self.lr - self.eta_min) * share


@dataclass(frozen=True, kw_only=True)
class CyclicLR(TorchSchedule):
    """Triangles between `base_lr` and `max_lr`, without an end.

    Triangular2 halves them each cycle, exp_range multiplies them by `gamma^t`. `momentum` is
    the momentum torch cycles beside it.

    >>> lr = CyclicLR(base_lr=0.1, max_lr=1.0, step_size_up=10, steps=20)
    >>> lr(0), lr(10), lr(20)
    (0.1, 1.0, 0.1)
    """

    kind = "torch.CyclicLR"
    rates: ClassVar[tuple[str, ...]] = ("base_lr", "max_lr")
    counts: ClassVar[tuple[str, ...]] = ("step_size_up", "step_size_down")
    per_step: ClassVar[tuple[str, ...]] = ("gamma",)

    base_lr: float
    max_lr: float
    step_size_up: int = 2000
    step_size_down: int = 0
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular"
    gamma: float = 1.0

    def _formula(self, t: FloatArray) -> FloatArray:
        total = float(self.step_size_up + (self.step_size_down or self.step_size_up))
        ratio = self.step_size_up / total
        cycle = np.floor(1.0 + t / total)
        x = 1.0 + t / total - cycle
        height = np.where(x <= ratio, x / ratio, (x - 1.0) / (ratio - 1.0))
        if self.mode == "triangular2":
            height = height / 2.0 ** (cycle - 1.0)
        elif self.mode == "exp_range":
            height = height * self.gamma**t
        return self.base_lr + (self.max_lr - self.base_lr) * height

    def momentum(self, base_momentum: float = 0.8, max_momentum: float = 0.9) -> Momentum:
        """The momentum of the same cycle: high where the rate is low."""
        return Momentum(
            steps=self.steps,
            part=CyclicLR(
                base_lr=0.0,
                max_lr=1.0,
                step_size_up=self.step_size_up,
                step_size_down=self.step_size_down,
                mode=self.mode,
                gamma=self.gamma,
                steps=self.steps,
            ),
            base_momentum=base_momentum,
            max_momentum=max_momentum,
        )


@dataclass(frozen=True, kw_only=True)
class Momentum(TorchSchedule):
    """`max_momentum` minus the height of a cycle from 0 to 1: torch's `CyclicLR` momentum."""

    kind = "torch.CyclicMomentum"
    rates: ClassVar[tuple[str, ...]] = ("base_momentum", "max_momentum")

    part: CyclicLR
    base_momentum: float
    max_momentum: float

    def _formula(self, t: FloatArray) -> FloatArray:
        return self.max_momentum - (self.max_momentum - self.base_momentum) * self.part.at(t)

    def _fitted(self, steps: int, counts: dict[str, Any]) -> dict[str, Any]:
        return counts | {"part": self.part.resized(steps)}


@dataclass(frozen=True, kw_only=True)
class OneCycleLR(TorchSchedule):
    """Up to `max_lr` at `pct_start·total_steps − 1`, down until `total_steps − 1`.

    Torch makes one step more, with a rate from beyond the curve, and raises after it; so does
    this. `momentum` is the momentum torch cycles beside it.

    Raises:
        ScheduleError: A phase of no length; a step past `total_steps`.

    >>> lr = OneCycleLR(max_lr=1.0, total_steps=10)
    >>> round(lr(0), 6), lr(2), round(lr(9), 8)
    (0.04, 1.0, 4e-06)
    """

    kind = "torch.OneCycleLR"
    rates: ClassVar[tuple[str, ...]] = ("max_lr",)
    counts: ClassVar[tuple[str, ...]] = ("total_steps",)

    max_lr: float
    total_steps: int
    pct_start: float = 0.3
    anneal_strategy: Literal["cos", "linear"] = "cos"
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    three_phase: bool = False

    def _length(self) -> int:
        return self.total_steps

    def _check(self) -> None:
        super()._check()
        if len(set(self._bounds())) < len(self._bounds()):
            raise self.error(
                f"total_steps={self.total_steps} and pct_start={self.pct_start}",
                "a phase has no length and torch divides by it; change either",
            )

    def _bounds(self) -> list[float]:
        """Where each phase begins and the last one ends."""
        first = self.pct_start * self.total_steps - 1.0
        middle = [2.0 * self.pct_start * self.total_steps - 2.0] if self.three_phase else []
        return [0.0, first, *middle, self.total_steps - 1.0]

    def _formula(self, t: FloatArray) -> FloatArray:
        low = self.max_lr / self.div_factor
        ends = [low, self.max_lr, low / self.final_div_factor]
        return self.phases(t, ends if not self.three_phase else [*ends[:2], low, ends[2]])

    def phases(self, t: FloatArray, levels: list[float]) -> FloatArray:
        """The cycle through the given levels, one more than there are phases.

        Returns:
            The values at the steps `t`.

        Raises:
            ScheduleError: A step past `total_steps`.
        """
        if np.any(t > self.total_steps):
            raise ScheduleError(
                f"OneCycleLR was asked for step {t.max():g} of total_steps={self.total_steps}: "
                "torch raises there; use schedules.OneCycle, which holds its last value."
            )
        bounds = self._bounds()
        values = np.empty_like(t)
        todo = np.ones(t.shape, dtype=bool)
        for index in range(len(levels) - 1):
            last = index == len(levels) - 2
            mine = todo & (last | (t <= bounds[index + 1]))
            share = (t[mine] - bounds[index]) / (bounds[index + 1] - bounds[index])
            values[mine] = self._anneal(levels[index], levels[index + 1], share)
            todo &= ~mine
        return values

    def _anneal(self, start: float, end: float, share: FloatArray) -> FloatArray:
        if self.anneal_strategy == "linear":
            return (end - start) * share + start
        return end + (start - end) / 2.0 * (np.cos(np.pi * share) + 1.0)

    def momentum(self, base_momentum: float = 0.85, max_momentum: float = 0.95) -> OneCycleMomentum:
        """The momentum of the same cycle."""
        return OneCycleMomentum(
            cycle=self, base_momentum=base_momentum, max_momentum=max_momentum, steps=self.steps
        )


@dataclass(frozen=True, kw_only=True)
class OneCycleMomentum(TorchSchedule):
    """The momentum that torch's `OneCycleLR` cycles: low where the rate is high."""

    kind = "torch.OneCycleMomentum"
    rates: ClassVar[tuple[str, ...]] = ("base_momentum", "max_momentum")

    cycle: OneCycleLR
    base_momentum: float
    max_momentum: float

    def _formula(self, t: FloatArray) -> FloatArray:
        high, low = self.max_momentum, self.base_momentum
        levels = [high, low, high, high] if self.cycle.three_phase else [high, low, high]
        return self.cycle.phases(t, levels)

    def _fitted(self, steps: int, counts: dict[str, Any]) -> dict[str, Any]:
        return counts | {"cycle": self.cycle.resized(steps)}


@dataclass(frozen=True, kw_only=True)
class SequentialLR(TorchSchedule):
    """One scheduler after the other, each on its own clock; the last goes on past its end.

    >>> warmup = LinearLR(lr=1.0, start_factor=0.5, total_iters=1)
    >>> parts = (warmup, CosineAnnealingLR(lr=1.0, T_max=4))
    >>> lr = SequentialLR(parts=parts, milestones=(2,), steps=6)
    >>> lr(0), lr(2), lr(4), lr(6), round(lr(10), 6)
    (0.5, 1.0, 0.5, 0.0, 1.0)
    """

    kind = "torch.SequentialLR"
    rates: ClassVar[tuple[str, ...]] = ()

    parts: tuple[Schedule, ...]
    milestones: tuple[int, ...]

    def _check(self) -> None:
        super()._check()
        if len(self.parts) != len(self.milestones) + 1:
            raise self.error(
                f"{len(self.parts)} parts and {len(self.milestones)} milestones",
                "give a milestone between each two parts",
            )

    def _formula(self, t: FloatArray) -> FloatArray:
        owner = np.searchsorted(np.asarray(self.milestones, dtype=np.float64), t, side="right")
        values = np.empty_like(t)
        for index, (start, part) in enumerate(zip((0, *self.milestones), self.parts, strict=True)):
            mine = owner == index
            values[mine] = part.at(t[mine] - start)
        return values

    def scale(self, factor: float) -> Schedule:
        """Every part scaled."""
        return replace(self, parts=tuple(part.scale(factor) for part in self.parts))

    def _fitted(self, steps: int, counts: dict[str, Any]) -> dict[str, Any]:
        ends = (0, *self.milestones, self.steps)
        marks = [0, *(shrunk(mark, self.steps, steps) for mark in self.milestones), steps]
        parts = tuple(
            part.resized(max(shrunk(part.steps, end - start, stop - begin), 1))
            for part, start, end, begin, stop in zip(
                self.parts, ends, ends[1:], marks, marks[1:], strict=False
            )
        )
        return counts | {"parts": parts, "milestones": tuple(marks[1:-1])}
