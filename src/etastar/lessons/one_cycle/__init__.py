"""1cycle: the range test, the cycle, the momentum against it, and super-convergence measured.

References:
    Smith & Topin, Super-Convergence, 2018. arXiv:1708.07120
    Smith, A Disciplined Approach to Neural Network Hyper-Parameters, 2018. arXiv:1803.09820
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from etastar.errors import InputError
from etastar.finder import range_test
from etastar.lessons.environment import environment
from etastar.lessons.schedules.followed import Followed, follow, look_steps, momentum_name
from etastar.lessons.schedules.search import Searched, first_guess, search
from etastar.records import LossCurve
from etastar.records.lessons.one_cycle import Arm, ArmName, OneCycleLesson
from etastar.schedules import CycledMomentum, MultiStep, OneCycle, Schedule

if TYPE_CHECKING:
    from etastar.engine.progress import Observer
    from etastar.records.lessons import Lesson
    from etastar.tasks import Task

__all__ = ["explain", "race"]

TIMES = 4
"""The long run is the task's own; the cycle has a share of its steps, one in so many."""

SEARCHING, JUDGING = 2, 8
"""Seeds that choose each rate, and other seeds that judge it."""

RISE = 0.45
"""Up for this share of the steps, down for as much; what is left is the annihilation."""

SHORTEST = 20
"""Steps below which a cycle has no phases to speak of."""

MOST_POINTS = 400
"""Of the range test's curve in the record."""


class Way(NamedTuple):
    """How an arm trains, before its rate is known."""

    arm: ArmName
    shape: Schedule
    task: Task
    momentum: CycledMomentum | None = None


def explain(task: Task | None, *, seed: int, observer: Observer) -> Lesson:
    """Race 1cycle against the task's own length.

    Args:
        task: what to train.
        seed: the first of all seeds.
        observer: hears what is running.

    Returns:
        What happened.

    Raises:
        InputError: no task, or a run too short.
    """
    if task is None:
        raise InputError("the lesson 'one-cycle' needs a task: name one.")
    return race(
        task,
        searching=range(seed, seed + SEARCHING),
        judging=range(seed + SEARCHING, seed + SEARCHING + JUDGING),
        observer=observer,
    )


def cycle(steps: int) -> OneCycle:
    """Smith's three phases, in straight lines: up, down, annihilation."""
    return OneCycle(steps=steps, phases=3, anneal="linear", rise=RISE)


def falling(steps: int) -> MultiStep:
    """Piecewise-constant: a tenth at half of the run and again at three quarters."""
    return MultiStep(steps=steps, milestones=(steps // 2, 3 * steps // 4), gamma=0.1)


def race(
    task: Task, *, searching: Sequence[int], judging: Sequence[int], observer: Observer
) -> OneCycleLesson:
    """Find every arm's rate with some seeds, and judge it with others.

    Args:
        task: what to train; its horizon is that of the long run.
        searching: seeds of the searches.
        judging: seeds of the runs that count.
        observer: hears what is running.

    Returns:
        What happened.

    Raises:
        InputError: a run too short.
    """
    begun, steps = time.perf_counter(), task.horizon // TIMES
    if steps < SHORTEST:
        raise InputError(
            f"{task.name} trains for {task.horizon} steps, and a cycle of {steps} has no phases to "
            f"speak of; give a task of at least {TIMES * SHORTEST} steps."
        )
    tested = range_test(task, seed=searching[0], observer=observer)
    name = momentum_name(task, searching[0])
    shape = cycle(steps)
    guess = first_guess(task, shape, searching[0], observer, budget="thorough")
    peak = guess.lr if guess.found or tested.cyclic is None else tested.cyclic.high
    ways = [Way("one_cycle", shape, task)]
    if name is not None:
        momentum = shape.momentum()
        cycled = replace(
            task,
            settings={n: value for n, value in task.settings.items() if n != name},
            other_schedules={**task.other_schedules, name: momentum},
        )
        ways = [Way("one_cycle", shape, cycled, momentum), Way("steady_momentum", shape, task)]
    found = [_searched(way, peak, searching, observer) for way in ways]
    for way in (
        Way("step_short", falling(steps), task),
        Way("step_long", falling(steps * TIMES), task),
    ):
        ways.append(way)
        found.append(_searched(way, found[-1].lr, searching, observer))
    runs = [_judged(way, at.lr, judging, observer) for way, at in zip(ways, found, strict=True)]
    finals = [float(np.mean([run.final for run in those])) for those in runs]
    rivals = [finals[-1]] * (len(ways) - 1) + [finals[0]]
    top = tested.runs[0].curve
    thin = slice(None, None, -(-len(top) // MOST_POINTS))
    end = 2 * shape.peak_step
    return OneCycleLesson(
        task=task.name,
        seed=searching[0],
        held_out=task.has_validation,
        curve=LossCurve(lrs=top.lrs[thin], losses=top.losses[thin]),
        edge=tested.edge,
        bounds=None if tested.cyclic is None else (tested.cyclic.low, tested.cyclic.high),
        guess=guess.lr if guess.found else None,
        momentum=name,
        peak_step=shape.peak_step,
        before=float(np.mean([run.looks[_looks(shape).index(end)] for run in runs[0]])),
        searching=tuple(searching),
        judging=tuple(judging),
        arms=tuple(map(_recorded, ways, found, runs, rivals)),
        seconds=time.perf_counter() - begun,
        environment=environment(),
    )


def _looks(shape: Schedule) -> list[int]:
    """Evenly, and at the begin of the annihilation."""
    ends = {2 * shape.peak_step} if isinstance(shape, OneCycle) else set[int]()
    return sorted({*look_steps(shape.steps), *ends})


def _searched(way: Way, start: float, seeds: Sequence[int], observer: Observer) -> Searched:
    return search(way.task, way.shape, start, seeds, observer=observer)


def _judged(way: Way, lr: float, seeds: Sequence[int], observer: Observer) -> list[Followed]:
    observer.stage(way.arm.replace("_", " "), [lr], way.shape.steps)
    looks = _looks(way.shape)
    return follow(way.task, lr, seeds, way.shape, observer=observer, looks=looks)


def _recorded(way: Way, found: Searched, runs: Sequence[Followed], rival: float) -> Arm:
    seen = np.array([run.looks for run in runs])  # (J, L)
    at = np.array(_looks(way.shape), dtype=np.float64)
    met = seen <= rival if np.isfinite(rival) else np.zeros_like(seen, dtype=bool)
    return Arm(
        arm=way.arm,
        schedule=way.shape.scale(found.lr),
        momentum=way.momentum,
        lrs=np.array(found.lrs),
        scores=np.array(found.scores),
        lr=found.lr,
        finals=np.array([run.final for run in runs]),
        at=at,
        lowest=seen.min(axis=0),
        losses=seen.mean(axis=0),
        highest=seen.max(axis=0),
        reached=np.where(met.any(axis=1), at[met.argmax(axis=1)], np.nan),
    )
