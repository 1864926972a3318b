"""Warmups: to be joined before a schedule, or multiplied with one.

None of them spends an update at 0, and after its end a warmup holds what it has reached.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from etastar.errors import ScheduleError
from etastar.schedules.base import FloatArray, Schedule

# exp(−38) is below half an ulp of 1: an exponential warmup this long has arrived.
_ARRIVED = 38


@dataclass(frozen=True, kw_only=True)
class Warmup(Schedule):
    """A rise to `peak`."""

    rates: ClassVar[tuple[str, ...]] = ("peak",)

    peak: float = 1.0

    def _check(self) -> None:
        super()._check()
        if self.peak < 0:
            raise self.error(f"peak={self.peak}", "a rate is 0 or more")

    @property
    def ceiling(self) -> float:
        """The stated peak."""
        return self.peak


@dataclass(frozen=True, kw_only=True)
class LinearWarmup(Warmup):
    """A straight line from `start` to `peak`.

    Formula: `start + (peak−start)·(t+1)/N`.
    Endpoints: one step above `start` at step 0, `peak` at step N−1 and after.

    Raises:
        ScheduleError: Not 0 ≤ start ≤ peak.

    References:
        Goyal et al., Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour, 2017.
        arXiv:1706.02677
        Ma & Yarats, On the Adequacy of Untuned Warmup for Adaptive Optimization, 2019.
        arXiv:1910.04209 (the length from β2)

    >>> [LinearWarmup(steps=4)(step) for step in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    >>> LinearWarmup.from_beta2(0.999).steps
    2000
    """

    kind = "linear_warmup"
    rates: ClassVar[tuple[str, ...]] = ("peak", "start")

    start: float = 0.0

    def _check(self) -> None:
        super()._check()
        if not 0 <= self.start <= self.peak:
            raise self.error(
                f"start={self.start} and peak={self.peak}", "it needs 0 ≤ start ≤ peak"
            )

    def _formula(self, t: FloatArray) -> FloatArray:
        done = np.minimum((t + 1.0) / self.steps, 1.0)
        return np.clip(self.peak * done + self.start * (1.0 - done), self.start, self.peak)

    @classmethod
    def from_beta2(cls, beta2: float, peak: float = 1.0) -> LinearWarmup:
        """The untuned warmup of Adam: 2/(1−β2) steps."""
        return cls(steps=math.ceil(2.0 / _forgetting(beta2) - 1e-9), peak=peak)


@dataclass(frozen=True, kw_only=True)
class ExponentialWarmup(Warmup):
    """An approach to `peak` with time constant `tau_steps`.

    Formula: `peak·(1 − exp(−(t+1)/τ))`.
    Endpoints: `peak·(1−e^{−1/τ})` at step 0; what is reached at step N is held, and it is
    `peak` to the last bit when N is 38 τ or more.

    Raises:
        ScheduleError: `tau_steps` not above 0.

    References:
        Ma & Yarats, On the Adequacy of Untuned Warmup for Adaptive Optimization, 2019.
        arXiv:1910.04209

    >>> warmup = ExponentialWarmup.from_beta2(0.999)
    >>> warmup.tau_steps, round(warmup(999), 4), warmup(warmup.steps)
    (1000.0, 0.6321, 1.0)
    """

    kind = "exponential_warmup"
    spans: ClassVar[tuple[str, ...]] = ("tau_steps",)

    tau_steps: float

    def _check(self) -> None:
        super()._check()
        if self.tau_steps <= 0:
            raise self.error(f"tau_steps={self.tau_steps}", "a time constant is above 0")

    def _formula(self, t: FloatArray) -> FloatArray:
        return self.peak * -np.expm1(-(t + 1.0) / self.tau_steps)

    @property
    def tail_start(self) -> int:
        """The end: the approach goes on by itself."""
        return self.steps

    @classmethod
    def from_beta2(cls, beta2: float, peak: float = 1.0) -> ExponentialWarmup:
        """The untuned exponential warmup of Adam: τ = 1/(1−β2), until it has arrived."""
        tau = round(1.0 / _forgetting(beta2), 9)
        return cls(steps=math.ceil(_ARRIVED * tau), tau_steps=tau, peak=peak)


@dataclass(frozen=True, kw_only=True)
class RAdamWarmup(Warmup):
    """The factor by which rectified Adam holds back its early, noisy steps.

    Formula: with `ρ∞ = 2/(1−β2) − 1` and `ρ_n = ρ∞ − 2n·β2^n/(1−β2^n)`, the factor is
    `√((ρ_n−4)(ρ_n−2)ρ∞ / ((ρ∞−4)(ρ∞−2)ρ_n))`, n counted from the first with ρ_n > 4.
    Endpoints: above 0 at step 0, below `peak` at every step and close to it after some 4/(1−β2).

    Raises:
        ScheduleError: `beta2` outside (0.6, 1): below it the factor does not exist.

    References:
        Liu et al., On the Variance of the Adaptive Learning Rate and Beyond, 2019.
        arXiv:1908.03265

    >>> warmup = RAdamWarmup(steps=5000, beta2=0.999)
    >>> 0 < warmup(0) < warmup(100) < warmup(5000) <= 1
    True
    """

    kind = "radam_warmup"

    beta2: float

    def _check(self) -> None:
        super()._check()
        if not 0.6 < self.beta2 < 1:
            raise self.error(f"beta2={self.beta2}", "the rectification needs β2 in (0.6, 1)")

    def _formula(self, t: FloatArray) -> FloatArray:
        limit = 2.0 / (1.0 - self.beta2) - 1.0
        first = 1
        while _rho(np.float64(first), self.beta2, limit) <= 4:
            first += 1
        rho = _rho(t + first, self.beta2, limit)
        ratio = (rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho)
        return self.peak * np.sqrt(np.minimum(ratio, 1.0))

    @property
    def tail_start(self) -> int:
        """The end: the factor goes on by itself."""
        return self.steps


def _rho(n: FloatArray | np.float64, beta2: float, limit: float) -> FloatArray:
    power = beta2**n
    return np.asarray(limit - 2.0 * n * power / (1.0 - power))


def _forgetting(beta2: float) -> float:
    if not 0 < beta2 < 1:
        raise ScheduleError(f"beta2={beta2} was given: Adam's β2 lies strictly between 0 and 1.")
    return 1.0 - beta2
