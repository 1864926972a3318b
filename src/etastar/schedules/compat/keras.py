"""`keras.optimizers.schedules`, class by class: the same parameters, the same numbers.

Keras computes in float32 and counts `decay_steps` after the warmup; ours are the same formulas
in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from etastar.schedules.base import FloatArray, shrunk
from etastar.schedules.compat.foreign import Foreign


@dataclass(frozen=True, kw_only=True)
class KerasSchedule(Foreign):
    """A schedule of Keras that starts at `initial_learning_rate`."""

    library: ClassVar[str] = "keras"
    rates: ClassVar[tuple[str, ...]] = ("initial_learning_rate",)

    initial_learning_rate: float


@dataclass(frozen=True, kw_only=True)
class Rated(KerasSchedule):
    """A schedule with a `decay_rate` per `decay_steps`, in steps with `staircase`."""

    counts: ClassVar[tuple[str, ...]] = ("decay_steps",)

    decay_steps: int
    decay_rate: float
    staircase: bool = False

    def _times(self, t: FloatArray) -> FloatArray:
        times = t / self.decay_steps
        return np.floor(times) if self.staircase else times


@dataclass(frozen=True, kw_only=True)
class ExponentialDecay(Rated):
    """`decay_rate` to the power `t/decay_steps`, without an end.

    >>> ExponentialDecay(initial_learning_rate=1.0, decay_steps=10, decay_rate=0.5, steps=40)(20)
    0.25
    """

    kind = "keras.ExponentialDecay"

    def _formula(self, t: FloatArray) -> FloatArray:
        return self.initial_learning_rate * self.decay_rate ** self._times(t)


@dataclass(frozen=True, kw_only=True)
class InverseTimeDecay(Rated):
    """`1/(1 + decay_rate·t/decay_steps)`, without an end.

    >>> InverseTimeDecay(initial_learning_rate=1.0, decay_steps=10, decay_rate=1.0, steps=40)(10)
    0.5
    """

    kind = "keras.InverseTimeDecay"

    def _formula(self, t: FloatArray) -> FloatArray:
        return self.initial_learning_rate / (1.0 + self.decay_rate * self._times(t))


@dataclass(frozen=True, kw_only=True)
class PiecewiseConstantDecay(KerasSchedule):
    """`values[k]`; boundary b takes effect at step b+1.

    >>> lr = PiecewiseConstantDecay(boundaries=(10,), values=(1.0, 0.5), steps=20)
    >>> lr(10), lr(11)
    (1.0, 0.5)
    """

    kind = "keras.PiecewiseConstantDecay"
    rates: ClassVar[tuple[str, ...]] = ("values",)

    boundaries: tuple[int, ...]
    values: tuple[float, ...]
    initial_learning_rate: float = 1.0

    def _formula(self, t: FloatArray) -> FloatArray:
        piece = np.searchsorted(np.asarray(self.boundaries, dtype=np.float64), t, side="left")
        return np.asarray(self.values)[piece]

    def _fitted(self, steps: int, counts: dict[str, Any]) -> dict[str, Any]:
        bounds = tuple(shrunk(bound, self.steps, steps) for bound in self.boundaries)
        return counts | {"boundaries": bounds}


@dataclass(frozen=True, kw_only=True)
class PolynomialDecay(KerasSchedule):
    """`(1−t/decay_steps)^power` down to `end_learning_rate`; with `cycle`, ever longer ones.

    >>> lr = PolynomialDecay(initial_learning_rate=1.0, decay_steps=10, end_learning_rate=0.0)
    >>> lr(0), lr(5), lr(20)
    (1.0, 0.5, 0.0)
    """

    kind = "keras.PolynomialDecay"
    rates: ClassVar[tuple[str, ...]] = ("initial_learning_rate", "end_learning_rate")
    counts: ClassVar[tuple[str, ...]] = ("decay_steps",)

    decay_steps: int
    end_learning_rate: float = 1e-4
    power: float = 1.0
    cycle: bool = False

    def _length(self) -> int:
        return self.decay_steps

    def _formula(self, t: FloatArray) -> FloatArray:
        rounds = np.maximum(np.ceil(t / self.decay_steps), 1.0) if self.cycle else 1.0
        u = np.minimum(t / (self.decay_steps * rounds), 1.0)
        span = self.initial_learning_rate - self.end_learning_rate
        return span * (1.0 - u) ** self.power + self.end_learning_rate


@dataclass(frozen=True, kw_only=True)
class CosineDecay(KerasSchedule):
    """A half cosine down to `alpha` of the top over `decay_steps`, after a warmup if given.

    >>> lr = CosineDecay(
    ...     initial_learning_rate=0.0, decay_steps=10, warmup_target=1.0, warmup_steps=5
    ... )
    >>> lr(0), lr(5), lr(10), lr(15), lr(99)
    (0.0, 1.0, 0.5, 0.0, 0.0)
    """

    kind = "keras.CosineDecay"
    rates: ClassVar[tuple[str, ...]] = ("initial_learning_rate", "warmup_target")
    counts: ClassVar[tuple[str, ...]] = ("decay_steps", "warmup_steps")

    decay_steps: int
    alpha: float = 0.0
    warmup_target: float | None = None
    warmup_steps: int = 0

    def _length(self) -> int:
        return self.decay_steps + (0 if self.warmup_target is None else self.warmup_steps)

    def _formula(self, t: FloatArray) -> FloatArray:
        start = self.initial_learning_rate
        top = start if self.warmup_target is None else self.warmup_target
        warmup = 0 if self.warmup_target is None else self.warmup_steps
        u = np.clip((t - warmup) / self.decay_steps, 0.0, 1.0)
        wave = 0.5 * (1.0 + np.cos(np.pi * u))
        decayed = top * ((1.0 - self.alpha) * wave + self.alpha)
        if not warmup:
            return decayed
        return np.where(t < warmup, (top - start) * (t / warmup) + start, decayed)


@dataclass(frozen=True, kw_only=True)
class CosineDecayRestarts(KerasSchedule):
    """Half cosines of `first_decay_steps·t_mul^i` steps and heights `m_mul^i`, without an end.

    At a restart Keras' float32 logarithm may still answer the cycle before.

    >>> lr = CosineDecayRestarts(initial_learning_rate=1.0, first_decay_steps=10, steps=30)
    >>> lr(5), lr(10), lr(20)
    (0.5, 1.0, 0.5)
    """

    kind = "keras.CosineDecayRestarts"
    counts: ClassVar[tuple[str, ...]] = ("first_decay_steps",)

    first_decay_steps: int
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0

    def _formula(self, t: FloatArray) -> FloatArray:
        done = t / self.first_decay_steps
        if self.t_mul == 1:
            cycle = np.floor(done)
            inside = done - cycle
        else:
            growth = 1.0 - done * (1.0 - self.t_mul)
            cycle = np.floor(np.log(growth) / np.log(self.t_mul) + 1e-12)
            power = self.t_mul**cycle
            inside = (done - (1.0 - power) / (1.0 - self.t_mul)) / power
        wave = 0.5 * self.m_mul**cycle * (1.0 + np.cos(np.pi * inside))
        return self.initial_learning_rate * ((1.0 - self.alpha) * wave + self.alpha)
