"""What is probably wrong with a schedule, said before the run and not after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from etastar.schedules.algebra import Join, Product
from etastar.schedules.base import FloatArray, Schedule, Warmed
from etastar.schedules.warmup import Warmup
from etastar.schedules.wrappers import Wrapper

Code = Literal[
    "rises-after-end",
    "starts-at-zero",
    "other-horizon",
    "per-rank-steps",
    "above-edge",
    "warmup-short-of-peak",
]

# Schedules longer than this are looked at in this many places and at both ends.
_LOOKS = 200_001


@dataclass(frozen=True)
class Problem:
    """One thing found.

    Attributes:
        code: Its name, stable for filters.
        message: What was seen, why it matters, what to do.
        step: Where it was seen.
    """

    code: Code
    message: str
    step: int | None = None


def lint(
    schedule: Schedule,
    *,
    steps: int | None = None,
    ranks: int = 1,
    edge: float | None = None,
) -> list[Problem]:
    """The problems of a schedule.

    Args:
        schedule: The schedule.
        steps: Applied updates of the run it is meant for.
        ranks: Processes of that run, to recognise steps that were counted per rank.
        edge: The highest rate found stable, to compare the peak with.

    Returns:
        The problems, the gravest first; none for a sound schedule.

    >>> from etastar.schedules import compat, Cosine
    >>> [problem.code for problem in lint(compat.torch.CosineAnnealingLR(lr=0.1, T_max=100))]
    ['rises-after-end']
    >>> lint(Cosine(steps=100, peak=0.1, warmup_steps=10), steps=100)
    []
    """
    found = [
        _above_edge(schedule, edge),
        _other_horizon(schedule, steps, ranks),
        _rises_after_end(schedule),
        _starts_at_zero(schedule),
        _warmup_short_of_peak(schedule),
    ]
    return [problem for problem in found if problem is not None]


def _rises_after_end(schedule: Schedule) -> Problem | None:
    end = schedule.steps
    past = np.unique(np.linspace(end, 2 * end + 10, 1001).round())
    values = _tolerant(schedule, past)
    at_end = values[0]
    higher = np.flatnonzero(values > at_end + 1e-9 * max(schedule.maximum, 1e-300))
    if not higher.size:
        return None
    step = int(past[higher[0]])
    return Problem(
        "rises-after-end",
        f"The rate rises again after the end: {at_end:.3g} at step {end}, {values.max():.3g} "
        "later. A run that goes on, or counts differently, trains at a rate nobody chose. Use a "
        "schedule that holds, or clip it there.",
        step,
    )


def _tolerant(schedule: Schedule, steps: FloatArray) -> FloatArray:
    """The values as far as the schedule gives any: some libraries raise past their end."""
    from etastar.errors import ScheduleError

    try:
        return schedule(steps)
    except ScheduleError:
        values: list[float] = []
        for step in steps[:50]:
            try:
                values.append(schedule(float(step)))
            except ScheduleError:
                break
        return np.array(values or [0.0])


def _starts_at_zero(schedule: Schedule) -> Problem | None:
    if schedule(0) > 0 or schedule.maximum == 0:
        return None
    return Problem(
        "starts-at-zero",
        "The first update has rate 0: its batch is read, propagated and thrown away. Start a "
        "warmup at 1/W of the peak, as the warmups here do.",
        0,
    )


def _other_horizon(schedule: Schedule, steps: int | None, ranks: int) -> Problem | None:
    if steps is None or steps == schedule.steps:
        return None
    if ranks > 1 and schedule.steps in {steps * ranks, -(-steps // ranks)}:
        how = "multiplied by" if schedule.steps > steps else "divided by"
        return Problem(
            "per-rank-steps",
            f"The schedule lasts {schedule.steps} steps and the run {steps}: that is the run's "
            f"length {how} its {ranks} ranks. Steps are applied updates of the whole job; give "
            f"steps={steps}.",
            min(steps, schedule.steps),
        )
    if steps < schedule.steps:
        reached = _tolerant(schedule, np.array([float(steps)]))[0]
        end = f"The run stops at step {steps}, where the rate is still {reached:.3g}"
    else:
        end = f"From step {schedule.steps} on the run is trained at {schedule(schedule.steps):.3g}"
    return Problem(
        "other-horizon",
        f"The schedule lasts {schedule.steps} steps and the run {steps}. {end}. Give "
        f"steps={steps}, or use resized({steps}).",
        min(steps, schedule.steps),
    )


def _above_edge(schedule: Schedule, edge: float | None) -> Problem | None:
    if edge is None or schedule.maximum <= edge:
        return None
    steps = np.unique(np.linspace(0, schedule.steps, _LOOKS).round())
    over = np.flatnonzero(schedule(steps) > edge)
    step = int(steps[over[0]]) if over.size else None
    return Problem(
        "above-edge",
        f"The peak {schedule.maximum:.3g} lies above {edge:.3g}, the highest rate found stable: "
        "training is likely to diverge there. Scale the schedule down, or lengthen the warmup.",
        step,
    )


def _warmup_short_of_peak(schedule: Schedule) -> Problem | None:
    intended = _intended_peak(schedule)
    if intended is None or intended == 0:
        return None
    highest = schedule.maximum
    if highest >= intended * (1 - 1e-6):
        return None
    return Problem(
        "warmup-short-of-peak",
        f"The warmup never reaches the peak: {highest:.4g} of {intended:.4g}. The decay starts "
        "before the warmup is over; let it begin where the warmup ends.",
        None,
    )


def _intended_peak(schedule: Schedule) -> float | None:
    """The peak a warmup in the schedule is meant to reach, where there is a warmup."""
    from etastar.schedules.compat import timm

    if isinstance(schedule, timm.TimmSchedule):
        return schedule.lr if schedule.warmup_t else None
    if isinstance(schedule, Warmup):
        return schedule.ceiling
    if isinstance(schedule, Product) and any(_warms(part) for part in schedule.parts):
        return schedule.ceiling
    if isinstance(schedule, Join) and _warms(schedule.parts[0]):
        return schedule.ceiling
    if isinstance(schedule, Wrapper):
        inner = _intended_peak(schedule.part)
        return None if inner is None else schedule.ceiling
    return None


def _warms(schedule: Schedule) -> bool:
    return isinstance(schedule, Warmup) or (
        isinstance(schedule, Warmed) and schedule.warmup_steps > 0
    )
