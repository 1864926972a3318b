"""One value for the whole run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from etastar.schedules.base import FloatArray, Warmed


@dataclass(frozen=True, kw_only=True)
class Constant(Warmed):
    """`peak` at every step, after a linear warmup if there is one.

    Endpoints: `peak` at step 0 (`peak/W` with a warmup over W steps), `peak` held after the end.

    >>> Constant(steps=10, peak=0.1)(3)
    0.1
    >>> Constant(steps=10, peak=0.1, warmup_steps=4)(0)
    0.025
    """

    kind = "constant"

    def _rest(self, t: FloatArray) -> FloatArray:
        return np.full_like(t, self.peak)

    @property
    def tail_start(self) -> int:
        """The end: a longer constant is the same curve."""
        return self.steps
