"""Schedules side by side: one task, each schedule at its own found rate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from etastar.errors import InputError
from etastar.lessons.environment import environment
from etastar.lessons.schedules.followed import Followed, follow, look_steps
from etastar.lessons.schedules.search import Searched, first_guess, search
from etastar.lessons.schedules.shapes import shapes
from etastar.records.lessons.schedules import Family, Scheduled, Schedules

if TYPE_CHECKING:
    from etastar.engine.progress import Observer
    from etastar.records.lessons import Lesson
    from etastar.schedules import Schedule
    from etastar.tasks import Task

__all__ = ["compare", "explain"]

SEARCHING, JUDGING = 2, 5
"""Seeds that choose each rate, and other seeds that judge it."""

SHORTEST = 16
"""Steps below which the shapes cannot be told apart."""


def explain(task: Task | None, *, seed: int, observer: Observer) -> Lesson:
    """Compare the schedules on a task, at its own horizon.

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
        raise InputError("the lesson 'schedules' needs a task: name one.")
    return compare(
        task,
        searching=range(seed, seed + SEARCHING),
        judging=range(seed + SEARCHING, seed + SEARCHING + JUDGING),
        observer=observer,
    )


def compare(
    task: Task,
    *,
    searching: Sequence[int],
    judging: Sequence[int],
    observer: Observer,
    families: Sequence[Family] | None = None,
) -> Schedules:
    """Find every schedule's rate with some seeds, and judge it with others.

    Args:
        task: what to train, over its own horizon.
        searching: seeds of the search.
        judging: seeds of the runs that count: none chose its own rate.
        observer: hears what is running.
        families: which; all by default, the constant rate first.

    Returns:
        What happened.

    Raises:
        InputError: a run too short.
    """
    begun, steps = time.perf_counter(), task.horizon
    if steps < SHORTEST:
        raise InputError(
            f"{task.name} trains for {steps} steps, where schedules cannot be told apart; give a "
            f"task of at least {SHORTEST}."
        )
    made: dict[Family, Schedule] = shapes(steps)
    chosen: dict[Family, Schedule] = (
        made if families is None else {family: made[family] for family in families}
    )
    looks = look_steps(steps)
    guess = first_guess(task, next(iter(chosen.values())), searching[0], observer)
    cost, start, runs = guess.cost, guess.lr, list[Scheduled]()
    for family, shape in chosen.items():
        found = search(task, shape, start, searching, observer=observer)
        start = start if runs else found.lr  # the others begin at the best constant rate
        cost += len(found.lrs) * len(searching)
        observer.stage(family.replace("_", " "), [found.lr], steps)
        judged = follow(task, found.lr, judging, shape, observer=observer, looks=looks)
        runs.append(_recorded(family, shape, found, judged))
    return Schedules(
        task=task.name,
        seed=searching[0],
        steps=steps,
        held_out=task.has_validation,
        at=np.array(looks, dtype=np.float64),
        guess=guess.lr if guess.found else None,
        searching=tuple(searching),
        judging=tuple(judging),
        searched=cost,
        runs=tuple(runs),
        seconds=time.perf_counter() - begun,
        environment=environment(),
    )


def _recorded(
    family: Family, shape: Schedule, found: Searched, runs: Sequence[Followed]
) -> Scheduled:
    seen = np.array([run.looks for run in runs])  # (J, L)
    return Scheduled(
        family=family,
        schedule=shape.scale(found.lr),
        lrs=np.array(found.lrs),
        scores=np.array(found.scores),
        lr=found.lr,
        finals=np.array([run.final for run in runs]),
        lowest=seen.min(axis=0),
        losses=seen.mean(axis=0),
        highest=seen.max(axis=0),
    )
