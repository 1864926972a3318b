"""Chebyshev steps in fractal order: long steps paid back by short ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from etastar.schedules.base import FloatArray, Schedule


@dataclass(frozen=True, kw_only=True)
class Chebyshev(Schedule):
    """The inverse roots of a Chebyshev polynomial as rates, in the order that keeps it stable.

    Formula: over each block of n steps (a power of two) the rates are
    `2/((1/floor + 1/peak) + (1/floor − 1/peak)·cos((2i−1)π/2n))`, i = σ(1) … σ(n), where the
    fractal permutation σ is built by `σ_2n = interlace(σ_n, 2n+1−σ_n)`.
    Endpoints: every rate lies strictly between `floor` and `peak`; `floor` at step N and after.

    Raises:
        ScheduleError: A block that is no power of two, or not 0 < floor ≤ peak.

    References:
        Agarwal, Goel & Zhang, Acceleration via Fractal Learning Rate Schedules, 2021.
        arXiv:2103.01338

    >>> lr = Chebyshev(steps=8, peak=1.0, floor=0.1, block_steps=4)
    >>> [round(lr(step), 3) for step in range(5)]
    [0.104, 0.745, 0.138, 0.265, 0.104]
    """

    kind = "chebyshev"
    rates: ClassVar[tuple[str, ...]] = ("peak", "floor")

    block_steps: int
    peak: float = 1.0
    floor: float = 0.05

    def _check(self) -> None:
        super()._check()
        if self.block_steps < 1 or self.block_steps & (self.block_steps - 1):
            raise self.error(
                f"block_steps={self.block_steps}", "the fractal order needs a power of two"
            )
        if not 0 < self.floor <= self.peak and not self.peak == self.floor == 0:
            raise self.error(
                f"peak={self.peak} and floor={self.floor}", "it needs 0 < floor ≤ peak"
            )

    def _formula(self, t: FloatArray) -> FloatArray:
        if self.peak == 0:
            return np.zeros_like(t)
        order = fractal_order(self.block_steps)[np.floor(t).astype(np.int64) % self.block_steps]
        angle = (2.0 * order - 1.0) * np.pi / (2.0 * self.block_steps)
        steep, flat = 1.0 / self.floor, 1.0 / self.peak
        values = 2.0 / ((steep + flat) + (steep - flat) * np.cos(angle))
        return np.where(t >= self.steps, self.floor, np.clip(values, self.floor, self.peak))

    @property
    def ceiling(self) -> float:
        """The stated peak."""
        return self.peak

    @property
    def tail_start(self) -> int:
        """The end: a longer run has more blocks, none of them changed."""
        return self.steps


@cache
def fractal_order(size: int) -> npt.NDArray[np.int64]:
    """The permutation 1 … size in which a prefix never amplifies much; size a power of two."""
    order = np.array([1], dtype=np.int64)
    while len(order) < size:
        mirrored = 2 * len(order) + 1 - order
        order = np.stack((order, mirrored), axis=1).reshape(-1)
    return order
