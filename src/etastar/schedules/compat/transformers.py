"""Every name of `transformers.get_scheduler` that is a function of the step.

`lr` is the optimizer's initial rate. `reduce_lr_on_plateau` and `greedy` follow the loss and
cannot be written down in advance. All but one warm up as `t/W`: their first update is made
at rate 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from etastar.errors import ScheduleError
from etastar.schedules.base import FAMILIES, FloatArray, Schedule
from etastar.schedules.compat.foreign import Foreign
from etastar.schedules.suggest import nearest

Shape = Literal["linear", "cosine", "1-sqrt"]


@dataclass(frozen=True, kw_only=True)
class TransformersSchedule(Foreign):
    """A schedule of transformers, of an optimizer whose groups start at `lr`."""

    library: ClassVar[str] = "transformers"
    rates: ClassVar[tuple[str, ...]] = ("lr",)

    lr: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Constant(TransformersSchedule):
    """`lr` at every step.

    >>> Constant(lr=0.1, steps=10)(3)
    0.1
    """

    kind = "transformers.constant"

    def _formula(self, t: FloatArray) -> FloatArray:
        return np.full_like(t, self.lr)


@dataclass(frozen=True, kw_only=True)
class WithWarmup(TransformersSchedule):
    """A warmup `lr·t/W`, then `lr` times what the subclass makes of the rest."""

    counts: ClassVar[tuple[str, ...]] = ("num_warmup_steps",)

    num_warmup_steps: int

    def _warm(self, t: FloatArray) -> FloatArray:
        return t / max(1, self.num_warmup_steps)

    def _factor(self, t: FloatArray) -> FloatArray:
        """The multiplier of `lr` after the warmup."""
        return np.ones_like(t)

    def _formula(self, t: FloatArray) -> FloatArray:
        after = self._factor(np.maximum(t, self.num_warmup_steps))
        return self.lr * np.where(t < self.num_warmup_steps, self._warm(t), after)


@dataclass(frozen=True, kw_only=True)
class ConstantWithWarmup(WithWarmup):
    """A warmup, then `lr`.

    >>> lr = ConstantWithWarmup(lr=1.0, num_warmup_steps=4, steps=10)
    >>> lr(0), lr(2), lr(4)
    (0.0, 0.5, 1.0)
    """

    kind = "transformers.constant_with_warmup"


@dataclass(frozen=True, kw_only=True)
class InverseSqrt(WithWarmup):
    """A warmup, then `√(timescale/(t − W + timescale))`, without an end.

    >>> InverseSqrt(lr=1.0, num_warmup_steps=100, steps=1000)(400)
    0.5
    """

    kind = "transformers.inverse_sqrt"
    counts: ClassVar[tuple[str, ...]] = ("num_warmup_steps", "timescale")

    timescale: int = 0

    def _factor(self, t: FloatArray) -> FloatArray:
        timescale = self.timescale or self.num_warmup_steps or 10_000
        return 1.0 / np.sqrt((t + (timescale - self.num_warmup_steps)) / timescale)


@dataclass(frozen=True, kw_only=True)
class WithEnd(WithWarmup):
    """A warmup, then a curve of the progress through `num_training_steps`."""

    counts: ClassVar[tuple[str, ...]] = ("num_warmup_steps", "num_training_steps")

    num_training_steps: int

    def _length(self) -> int:
        return self.num_training_steps

    def _progress(self, t: FloatArray) -> FloatArray:
        rest = max(1, self.num_training_steps - self.num_warmup_steps)
        return (t - self.num_warmup_steps) / rest


@dataclass(frozen=True, kw_only=True)
class Linear(WithEnd):
    """A warmup, then a line down to 0, held.

    >>> lr = Linear(lr=1.0, num_warmup_steps=2, num_training_steps=10)
    >>> lr(0), lr(2), lr(6), lr(12)
    (0.0, 1.0, 0.5, 0.0)
    """

    kind = "transformers.linear"

    def _factor(self, t: FloatArray) -> FloatArray:
        rest = max(1, self.num_training_steps - self.num_warmup_steps)
        return np.maximum((self.num_training_steps - t) / rest, 0.0)


@dataclass(frozen=True, kw_only=True)
class Cosine(WithEnd):
    """A warmup, then a cosine of `num_cycles` waves; past the end it climbs again.

    >>> lr = Cosine(lr=1.0, num_warmup_steps=0, num_training_steps=10)
    >>> lr(0), lr(5), lr(10), lr(20)
    (1.0, 0.5, 0.0, 1.0)
    """

    kind = "transformers.cosine"

    num_cycles: float = 0.5

    def _factor(self, t: FloatArray) -> FloatArray:
        return np.maximum(_wave(self.num_cycles, self._progress(t)), 0.0)


@dataclass(frozen=True, kw_only=True)
class CosineWithRestarts(WithEnd):
    """A warmup, then `num_cycles` equal half cosines, then 0.

    >>> lr = CosineWithRestarts(lr=1.0, num_warmup_steps=0, num_training_steps=20, num_cycles=2)
    >>> lr(5), lr(10), lr(20)
    (0.5, 1.0, 0.0)
    """

    kind = "transformers.cosine_with_restarts"

    num_cycles: int = 1

    def _factor(self, t: FloatArray) -> FloatArray:
        progress = self._progress(t)
        inside = (self.num_cycles * progress) % 1.0
        wave = 0.5 * (1.0 + np.cos(np.pi * inside))
        return np.where(progress >= 1.0, 0.0, np.maximum(wave, 0.0))


@dataclass(frozen=True, kw_only=True)
class Polynomial(WithEnd):
    """A warmup, then `(1−u)^power` down to `lr_end`, held.

    >>> lr = Polynomial(lr=1.0, num_warmup_steps=0, num_training_steps=10, lr_end=0.1)
    >>> lr(0), lr(5), lr(11)
    (1.0, 0.55, 0.1)
    """

    kind = "transformers.polynomial"
    rates: ClassVar[tuple[str, ...]] = ("lr", "lr_end")

    lr_end: float = 1e-7
    power: float = 1.0

    def _factor(self, t: FloatArray) -> FloatArray:
        left = 1.0 - (t - self.num_warmup_steps) / (self.num_training_steps - self.num_warmup_steps)
        decayed = (self.lr - self.lr_end) * np.maximum(left, 0.0) ** self.power + self.lr_end
        return np.where(t > self.num_training_steps, self.lr_end, decayed) / self.lr


@dataclass(frozen=True, kw_only=True)
class CosineWithMinLr(WithEnd):
    """A warmup, then a cosine down to `lr·min_lr_rate`; past the end it climbs again.

    >>> lr = CosineWithMinLr(lr=1.0, num_warmup_steps=0, num_training_steps=10, min_lr_rate=0.5)
    >>> lr(0), lr(5), lr(10)
    (1.0, 0.75, 0.5)
    """

    kind = "transformers.cosine_with_min_lr"

    min_lr_rate: float
    num_cycles: float = 0.5

    def _factor(self, t: FloatArray) -> FloatArray:
        wave = _wave(self.num_cycles, self._progress(t))
        return np.maximum(wave * (1.0 - self.min_lr_rate) + self.min_lr_rate, 0.0)


@dataclass(frozen=True, kw_only=True)
class CosineWarmupWithMinLr(WithEnd):
    """A warmup `(t+1)/W`, then a cosine that reaches the minimum at the last step trained.

    `warmup_lr_rate` above 0 is the share of `lr` the warmup starts from instead.
    """

    kind = "transformers.cosine_warmup_with_min_lr"

    min_lr_rate: float
    num_cycles: float = 0.5
    warmup_lr_rate: float | None = None

    def _warm(self, t: FloatArray) -> FloatArray:
        if self.warmup_lr_rate is None:
            return (t + 1.0) / max(1, self.num_warmup_steps)
        rise = (1.0 - self.warmup_lr_rate) * t / max(1, self.num_warmup_steps - 1)
        return self.warmup_lr_rate + rise

    def _factor(self, t: FloatArray) -> FloatArray:
        done = t - self.num_warmup_steps + 1.0
        progress = done / max(1, self.num_training_steps - self.num_warmup_steps)
        wave = _wave(self.num_cycles, progress)
        return np.maximum(wave * (1.0 - self.min_lr_rate) + self.min_lr_rate, 0.0)


@dataclass(frozen=True, kw_only=True)
class WarmupStableDecay(WithWarmup):
    """A warmup from the minimum, `lr`, a decay to `lr·min_lr_ratio`, held.

    >>> lr = WarmupStableDecay(
    ...     lr=1.0, num_warmup_steps=2, num_stable_steps=4, num_decay_steps=4, decay_type="linear"
    ... )
    >>> lr(0), lr(1), lr(5), lr(8), lr(10)
    (0.0, 0.5, 1.0, 0.5, 0.0)
    """

    kind = "transformers.warmup_stable_decay"
    counts: ClassVar[tuple[str, ...]] = ("num_warmup_steps", "num_stable_steps", "num_decay_steps")

    num_stable_steps: int
    num_decay_steps: int
    warmup_type: Shape = "linear"
    decay_type: Shape = "cosine"
    min_lr_ratio: float = 0.0
    num_cycles: float = 0.5

    def _length(self) -> int:
        return self.num_warmup_steps + self.num_stable_steps + self.num_decay_steps

    def _warm(self, t: FloatArray) -> FloatArray:
        u = np.minimum(t / max(1, self.num_warmup_steps), 1.0)
        rise = {
            "linear": u,
            "cosine": 0.5 * (1.0 - np.cos(np.pi * u)),
            "1-sqrt": 1 - np.sqrt(1 - u),
        }
        return rise[self.warmup_type] * (1.0 - self.min_lr_ratio) + self.min_lr_ratio

    def _factor(self, t: FloatArray) -> FloatArray:
        since = t - self.num_warmup_steps - self.num_stable_steps
        u = np.clip(since / max(1, self.num_decay_steps), 0.0, 1.0)
        fall = {"linear": 1.0 - u, "cosine": _wave(self.num_cycles, u), "1-sqrt": 1.0 - np.sqrt(u)}
        decayed = fall[self.decay_type] * (1.0 - self.min_lr_ratio) + self.min_lr_ratio
        ended = since >= self.num_decay_steps
        value = np.where(ended, self.min_lr_ratio, np.maximum(decayed, 0.0))
        return np.where(since < 0, 1.0, value)


def get_scheduler(name: str, **fields: Any) -> Schedule:
    """The schedule `transformers.get_scheduler` would build, from its name and its arguments.

    Args:
        name: One of the names `get_scheduler` knows.
        **fields: `lr`, `num_warmup_steps`, `num_training_steps` and the name's own arguments.

    Returns:
        The schedule with the library's numbers.

    Raises:
        ScheduleError: The name is unknown, or names a scheduler that follows the loss.

    >>> get_scheduler("linear", lr=1.0, num_warmup_steps=0, num_training_steps=4)(1)
    0.75
    """
    from etastar.schedules.spec import build

    if name in {"reduce_lr_on_plateau", "greedy"}:
        raise ScheduleError(
            f"{name!r} follows the loss and is no function of the step: it cannot be written as "
            "a schedule; choose one that can."
        )
    cls = FAMILIES.get(f"transformers.{name}")
    if cls is None:
        names = [kind.split(".")[1] for kind in FAMILIES if kind.startswith("transformers.")]
        raise ScheduleError(
            f"transformers has no scheduler {name!r}{nearest(name, names)}: choose one of "
            f"{', '.join(names)}."
        )
    return build(cls, fields)


def _wave(cycles: float, progress: FloatArray) -> FloatArray:
    return 0.5 * (1.0 + np.cos(np.pi * cycles * 2.0 * progress))
