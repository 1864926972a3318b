"""timm's schedulers, class by class: the same parameters, the same numbers.

`lr` is the optimizer's initial rate and t is what `step_update(t)` is given (or `step`, with
`t_in_epochs`). Noise is left out: it is drawn, not written down. The step families of timm have
`warmup_prefix=True` by default, the others do not: their warmup overlaps the decay.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from etastar.schedules.base import FloatArray, shrunk
from etastar.schedules.compat.foreign import Foreign


@dataclass(frozen=True, kw_only=True)
class TimmSchedule(Foreign):
    """A scheduler of timm: a line from `warmup_lr_init` over `warmup_t`, then its own curve."""

    library: ClassVar[str] = "timm"
    rates: ClassVar[tuple[str, ...]] = ("lr", "warmup_lr_init")
    counts: ClassVar[tuple[str, ...]] = ("warmup_t",)

    lr: float = 1.0
    warmup_t: int = 0
    warmup_lr_init: float = 0.0
    warmup_prefix: bool = False

    def _curve(self, t: FloatArray) -> FloatArray:
        """The curve on its own clock, which starts after the warmup if that is a prefix."""
        raise NotImplementedError

    def _target(self) -> float:
        """What the warmup climbs towards."""
        return self.lr

    def _formula(self, t: FloatArray) -> FloatArray:
        after = np.maximum(t, self.warmup_t) - (self.warmup_t if self.warmup_prefix else 0)
        if not self.warmup_t:
            return self._curve(after)
        climb = (self._target() - self.warmup_lr_init) / self.warmup_t
        return np.where(t < self.warmup_t, self.warmup_lr_init + t * climb, self._curve(after))


@dataclass(frozen=True, kw_only=True)
class Cycled(TimmSchedule):
    """Cycles of `t_initial`, `t_initial·cycle_mul` … steps, then `lr_min`."""

    rates: ClassVar[tuple[str, ...]] = ("lr", "warmup_lr_init", "lr_min")
    counts: ClassVar[tuple[str, ...]] = ("warmup_t", "t_initial")

    t_initial: int
    lr_min: float = 0.0
    cycle_mul: float = 1.0
    cycle_decay: float = 1.0
    cycle_limit: int = 1

    def _length(self) -> int:
        cycles = max(1, self.cycle_limit)
        length = self.t_initial * cycles
        if self.cycle_mul != 1:
            growth = (self.cycle_mul**cycles - 1) / (1 - self.cycle_mul)
            length = math.floor(-self.t_initial * growth)
        return length + (self.warmup_t if self.warmup_prefix else 0)

    def _share(self, inside: FloatArray, length: FloatArray) -> FloatArray:
        """The share of the way from `lr_min` to the cycle's top."""
        raise NotImplementedError

    def _curve(self, t: FloatArray) -> FloatArray:
        if self.cycle_mul == 1:
            cycle = np.floor(t / self.t_initial)
            length = np.full_like(t, self.t_initial)
            inside = t - self.t_initial * cycle
        else:
            cycle = np.array([self._cycle(step) for step in t.ravel()]).reshape(t.shape)
            length = self.cycle_mul**cycle * self.t_initial
            inside = t - (1 - self.cycle_mul**cycle) / (1 - self.cycle_mul) * self.t_initial
        top = self.lr * self.cycle_decay**cycle
        running = cycle < self.cycle_limit
        inside = np.where(running, inside, 0.0)
        values = self.lr_min + (top - self.lr_min) * self._share(inside, length)
        return np.where(running, values, self.lr_min)

    def _cycle(self, step: float) -> float:
        # The logarithm rounds at the cycles' ends; the library's own rounding is kept.
        return float(
            math.floor(math.log(1 - step / self.t_initial * (1 - self.cycle_mul), self.cycle_mul))
        )


@dataclass(frozen=True, kw_only=True)
class CosineLRScheduler(Cycled):
    """Half cosines, bent by `k_decay`.

    >>> lr = CosineLRScheduler(lr=1.0, t_initial=10)
    >>> lr(0), lr(5), lr(10)
    (1.0, 0.5, 0.0)
    """

    kind = "timm.CosineLRScheduler"

    k_decay: float = 1.0

    def _share(self, inside: FloatArray, length: FloatArray) -> FloatArray:
        bent = inside**self.k_decay / length**self.k_decay
        return 0.5 * (1.0 + np.cos(np.pi * bent))


@dataclass(frozen=True, kw_only=True)
class PolyLRScheduler(Cycled):
    """Powers of what remains, bent by `k_decay`.

    >>> PolyLRScheduler(lr=1.0, t_initial=10, power=2.0)(5)
    0.25
    """

    kind = "timm.PolyLRScheduler"

    power: float = 0.5
    k_decay: float = 1.0

    def _share(self, inside: FloatArray, length: FloatArray) -> FloatArray:
        bent = inside**self.k_decay / length**self.k_decay
        return np.maximum(1.0 - bent, 0.0) ** self.power


@dataclass(frozen=True, kw_only=True)
class TanhLRScheduler(Cycled):
    """Hyperbolic tangents from `lb` to `ub`; neither end is quite reached.

    >>> lr = TanhLRScheduler(lr=1.0, t_initial=10)
    >>> round(lr(0), 6), round(lr(9), 3), lr(10)
    (0.999999, 0.018, 0.0)
    """

    kind = "timm.TanhLRScheduler"

    lb: float = -7.0
    ub: float = 3.0

    def _target(self) -> float:
        if self.warmup_prefix:
            return self.lr
        return float(self._curve(np.array([float(self.warmup_t)]))[0])

    def _share(self, inside: FloatArray, length: FloatArray) -> FloatArray:
        u = inside / length
        return 0.5 * (1.0 - np.tanh(self.lb * (1.0 - u) + self.ub * u))


@dataclass(frozen=True, kw_only=True)
class StepLRScheduler(TimmSchedule):
    """`lr·decay_rate^⌊t/decay_t⌋`, without an end.

    >>> StepLRScheduler(lr=1.0, decay_t=30, decay_rate=0.5, steps=90)(30)
    0.5
    """

    kind = "timm.StepLRScheduler"
    spans: ClassVar[tuple[str, ...]] = ("decay_t",)

    decay_t: float
    decay_rate: float = 1.0
    warmup_prefix: bool = True

    def _curve(self, t: FloatArray) -> FloatArray:
        return self.lr * self.decay_rate ** np.floor_divide(t, self.decay_t)


@dataclass(frozen=True, kw_only=True)
class MultiStepLRScheduler(TimmSchedule):
    """A factor `decay_rate` at each milestone, one step before it is named.

    >>> lr = MultiStepLRScheduler(lr=1.0, decay_t=(30,), decay_rate=0.5, steps=90)
    >>> lr(28), lr(29)
    (1.0, 0.5)
    """

    kind = "timm.MultiStepLRScheduler"

    decay_t: tuple[int, ...]
    decay_rate: float = 1.0
    warmup_prefix: bool = True

    def _curve(self, t: FloatArray) -> FloatArray:
        falls = np.searchsorted(np.asarray(self.decay_t, dtype=np.float64), t + 1.0, side="right")
        return self.lr * self.decay_rate ** falls.astype(np.float64)

    def _fitted(self, steps: int, counts: dict[str, Any]) -> dict[str, Any]:
        return counts | {"decay_t": tuple(shrunk(m, self.steps, steps) for m in self.decay_t)}


@dataclass(frozen=True, kw_only=True)
class WSDLRScheduler(TimmSchedule):
    """A warmup before `t_initial`, a stable phase, a decay over its last `decay_t` steps.

    >>> lr = WSDLRScheduler(lr=1.0, t_initial=10, decay_t=4, decay_fn="linear")
    >>> lr(6), lr(8), lr(10), lr(20)
    (1.0, 0.5, 0.0, 0.0)
    """

    kind = "timm.WSDLRScheduler"
    rates: ClassVar[tuple[str, ...]] = ("lr", "warmup_lr_init", "lr_min")
    counts: ClassVar[tuple[str, ...]] = ("warmup_t", "t_initial", "decay_t")

    t_initial: int
    decay_t: int
    lr_min: float = 0.0
    stable_fn: Literal["constant", "rsqrt", "power"] = "constant"
    stable_timescale: float | None = None
    stable_power: float = 0.5
    decay_fn: Literal["linear", "1-sqrt", "cosine", "power", "exp"] = "1-sqrt"
    decay_power: float = 0.5
    decay_ratio: float = 0.1
    warmup_prefix: bool = True

    def _length(self) -> int:
        return self.warmup_t + self.t_initial

    def _curve(self, t: FloatArray) -> FloatArray:
        stable = np.maximum(self.lr * self._stable(t), self.lr_min)
        since = t - (self.t_initial - self.decay_t)
        decayed = self.lr_min + (stable - self.lr_min) * self._decay(since / self.decay_t)
        return np.where(since <= 0, stable, decayed)

    def _stable(self, t: FloatArray) -> FloatArray:
        if self.stable_fn == "constant":
            return np.ones_like(t)
        timescale = self.warmup_t if self.stable_timescale is None else self.stable_timescale
        power = 0.5 if self.stable_fn == "rsqrt" else self.stable_power
        return (1.0 + t / timescale) ** -power

    def _decay(self, u: FloatArray) -> FloatArray:
        u = np.clip(u, 0.0, 1.0)
        falls = {
            "linear": 1.0 - u,
            "1-sqrt": 1.0 - np.sqrt(u),
            "cosine": 0.5 * (1.0 + np.cos(np.pi * u)),
            "power": 1.0 - u**self.decay_power,
            "exp": (self.decay_ratio**u - self.decay_ratio) / (1.0 - self.decay_ratio),
        }
        return falls[self.decay_fn]
