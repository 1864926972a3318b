"""The schedules that are compared, as shapes over any horizon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etastar.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseTime,
    MultiStep,
    OneCycle,
    Schedule,
    WarmupStableDecay,
)

if TYPE_CHECKING:
    from etastar.records.lessons.schedules import Family

END = 0.01
"""Where step and exponential decay end, as a share of the peak: two falls by ten."""

TIMES = 9.0
"""Time-based decay ends at a tenth of the peak: 1/(1 + 9)."""

MILESTONES = (0.5, 0.75)
"""The falls of the step decay, as shares of the run (He et al., arXiv:1512.03385, on CIFAR)."""

WARMUP, COOLDOWN = 0.05, 0.2
"""Of warmup-stable-decay, as shares of the run (Hägele et al., arXiv:2405.18392)."""


def shapes(steps: int) -> dict[Family, Schedule]:
    """The shapes at a horizon, the constant rate first.

    Args:
        steps: the horizon, at least 8.

    Returns:
        Each with peak 1, by the name of its family.

    >>> [round(float(shape(99)), 3) for shape in shapes(100).values()]
    [1.0, 0.101, 0.01, 0.01, 0.0, 0.001, 0.025]
    """
    return {
        "constant": Constant(steps=steps),
        "time_based": InverseTime(steps=steps, decay=TIMES, every_steps=steps),
        "step": MultiStep(
            steps=steps,
            milestones=tuple(max(1, round(share * steps)) for share in MILESTONES),
            gamma=END**0.5,
        ),
        "exponential": Exponential(steps=steps, gamma=END, every_steps=steps),
        "cosine": Cosine(steps=steps),
        "one_cycle": OneCycle(steps=steps),
        "wsd": WarmupStableDecay(
            steps=steps,
            warmup_steps=round(WARMUP * steps),
            decay_steps=max(1, round(COOLDOWN * steps)),
        ),
    }
