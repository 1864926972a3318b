"""Warmup, a long stable phase, a short cooldown: the run's length can be decided late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from etastar.schedules.base import FloatArray, Floored, between
from etastar.schedules.cosine import half_cosine

Cooldown = Literal["sqrt", "linear", "cosine", "exponential"]


@dataclass(frozen=True, kw_only=True)
class WarmupStableDecay(Floored):
    """Linear warmup to `peak`, `peak` held, then a cooldown over the last `decay_steps`.

    Formula: with `u = (t−(N−D))/D` over the last D steps, the share of the way from `floor` up
    to `peak` is `1−√u` ("sqrt"), `1−u` ("linear") or `(1+cos πu)/2` ("cosine");
    "exponential" is `peak·(floor/peak)^u`, which needs a floor above 0.
    Endpoints: `peak` first at step max(W−1, 0), last at N−D; `floor` at step N and after.
    `extend` lengthens the stable phase and keeps the cooldown.

    Raises:
        ScheduleError: Warmup and cooldown do not fit the horizon; an exponential cooldown to 0.

    References:
        Hu et al., MiniCPM, 2024. arXiv:2404.06395
        Hägele et al., Scaling Laws and Compute-Optimal Training Beyond Fixed Training
        Durations, 2024. arXiv:2405.18392

    >>> lr = WarmupStableDecay(steps=1000, peak=0.01, warmup_steps=100, decay_steps=200)
    >>> lr(99), lr(500), lr(800), lr(850), lr(1000)
    (0.01, 0.01, 0.01, 0.005, 0.0)
    """

    kind = "wsd"
    counts: ClassVar[tuple[str, ...]] = ("warmup_steps", "decay_steps")

    decay_steps: int
    cooldown: Cooldown = "sqrt"

    def _check(self) -> None:
        super()._check()
        if not 1 <= self.decay_steps <= self.steps - self.warmup_steps:
            raise self.error(
                f"decay_steps={self.decay_steps}, warmup_steps={self.warmup_steps} and "
                f"steps={self.steps}",
                "the cooldown lasts at least one step and fits after the warmup",
            )
        if self.cooldown == "exponential" and self.floor == 0 < self.peak:
            raise self.error(
                'cooldown="exponential" and floor=0.0',
                "a geometric fall never reaches 0; give a floor above 0, or another cooldown",
            )

    def _rest(self, t: FloatArray) -> FloatArray:
        u = np.maximum(t - (self.steps - self.decay_steps), 0.0) / self.decay_steps
        if self.cooldown == "exponential" and self.peak > 0:
            return np.clip(self.peak * (self.floor / self.peak) ** u, self.floor, self.peak)
        share = {
            "sqrt": _one_minus_sqrt,
            "linear": _one_minus,
            "cosine": half_cosine,
            "exponential": _one_minus,  # of a peak of 0
        }
        return between(self.peak, self.floor, share[self.cooldown](u))

    @property
    def tail_start(self) -> int:
        """The start of the cooldown: a longer run branches off the stable phase."""
        return self.steps - self.decay_steps

    def _fitted(self, steps: int, counts: dict[str, Any]) -> dict[str, Any]:
        decay = min(counts["decay_steps"], steps)
        return {"decay_steps": decay, "warmup_steps": min(counts["warmup_steps"], steps - decay)}


def _one_minus(u: FloatArray) -> FloatArray:
    return 1.0 - u


def _one_minus_sqrt(u: FloatArray) -> FloatArray:
    return 1.0 - np.sqrt(u)
