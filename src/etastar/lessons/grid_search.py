"""What the sweet spot costs: by a grid of full runs, by a range test, by `find`."""

from __future__ import annotations

import itertools
import math
import time
from typing import TYPE_CHECKING

import numpy as np

from etastar.engine.auto import Auto, Choice
from etastar.engine.sequential import Sequential
from etastar.errors import InputError
from etastar.finder import find, range_test
from etastar.lessons.environment import environment
from etastar.records.lessons.grid_search import GridSearch, Named, Way
from etastar.training.live import living

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from etastar.engine import Observer
    from etastar.records import Finding, Trial
    from etastar.records.lessons import Lesson
    from etastar.tasks import Task

    Floats = NDArray[np.float64]

OCTAVES = 8
"""The grid reaches so far below and above the task's own rate, in steps of one octave."""

MORE_OCTAVES = 6
"""A grid whose best is at its end goes on there, at most so far."""

NEAR = (-1.5, -0.5, 0.5, 1.5)
"""Octaves from the best at which the grid is filled in."""

JUDGES = 4
"""Other seeds that judge every rate."""

RULES: tuple[Way, ...] = ("steepest", "valley", "minimum_over_10", "slide")


def explain(task: Task | None, *, seed: int, observer: Observer) -> Lesson:
    """Look for the sweet spot in three ways, and judge what they name with other seeds.

    Args:
        task: on which.
        seed: of all three; the judging seeds come after it.
        observer: hears what is running.

    Returns:
        What happened.

    Raises:
        InputError: there is no task.
    """
    if task is None:
        raise InputError("the lesson 'grid-search' needs a task: give --task digits-mlp.")
    return compare(task, seed=seed, observer=observer)


def compare(
    task: Task, *, seed: int, observer: Observer, octaves: int = OCTAVES, judges: int = JUDGES
) -> GridSearch:
    """As `explain`, with a grid of another width and other judges.

    Args:
        task: on which.
        seed: of all three ways.
        observer: hears what is running.
        octaves: the grid's reach to either side of the task's own rate.
        judges: how many other seeds judge.

    Returns:
        What happened.
    """
    begun = time.perf_counter()
    default = _own_rate(task, seed)
    found = find(task, seed=seed, observer=observer)
    tested = range_test(task, seed=seed, observer=observer)

    since = time.perf_counter()
    trials, coarse, chosen = _grid(task, default, octaves, seed=seed, observer=observer)
    grid_seconds = time.perf_counter() - since
    (alone,) = Sequential().train(task, [default], [seed], task.horizon, observer=observer)
    full = alone.sample_gradients
    best = _best(trials)

    named: dict[Way, float | None] = {"grid": best.lr if best else None}
    for rule in RULES:
        suggestion = tested.suggestions.get(rule)
        named[rule] = None if suggestion is None else suggestion.lr
    named["find"] = found.lr
    seeds = range(seed + 1, seed + 1 + judges)
    rates = [trial.lr for trial in trials]
    asked = [lr for lr in named.values() if lr is not None]
    finals = _judged(task, [*rates, *asked], seeds, observer)

    spent = np.cumsum([trial.sample_gradients for trial in trials]) / full
    costs: dict[Way, tuple[float, float]] = {
        "grid": (float(spent[-1]), grid_seconds),
        **dict.fromkeys(RULES, (tested.sample_gradients / full, tested.seconds)),
        "find": (found.cost, found.seconds),
    }
    judged = np.array([finals[lr] for lr in rates])  # (R, J)
    return GridSearch(
        task=task.name,
        seed=seed,
        objective="validation loss" if task.has_validation else "training loss",
        steps=task.horizon,
        default_lr=default,
        judges=tuple(seeds),
        coarse=coarse,
        lrs=np.array(rates),
        losses=np.array([trial.final_loss for trial in trials]),
        spent=spent,
        means=judged.mean(axis=1),
        deviations=judged.std(axis=1, ddof=1) if judges > 1 else np.zeros(len(judged)),
        pilot_lrs=np.array([trial.lr for trial in found.trials]),
        pilot_steps=np.array([trial.steps for trial in found.trials], dtype=float),
        pilot_losses=np.array([trial.final_loss for trial in found.trials]),
        pilot_spent=_pilots_spent(found, full),
        engine=chosen.engine,
        why_engine=chosen.reason,
        run_seconds=alone.seconds,
        named=tuple(
            Named(
                way=way,
                lr=lr,
                finals=np.array([] if lr is None else finals[lr]),
                cost=costs[way][0],
                seconds=costs[way][1],
                interval=found.interval if way == "find" else None,
                verdict=found.verdict if way == "find" else None,
            )
            for way, lr in named.items()
        ),
        seconds=time.perf_counter() - begun,
        environment=environment(),
    )


def _own_rate(task: Task, seed: int) -> float:
    """The rate the task's optimizer came with."""
    with living(task) as live:
        live.begin(seed)
        return float(live.rates.reference)


def _grid(
    task: Task, middle: float, octaves: int, *, seed: int, observer: Observer
) -> tuple[list[Trial], int, Choice]:
    """Full runs octave by octave, further where the best is at an end, then finer around it.

    Returns:
        The trials, how many of them are octaves, and which engine trained those.
    """
    engine = Auto()

    def train(places: Sequence[float]) -> list[Trial]:
        lrs = [middle * 2.0**place for place in places]
        observer.stage("grid", lrs, task.horizon)
        return engine.train(task, lrs, [seed], task.horizon, observer=observer)

    low, high = -octaves, octaves
    trials = train(range(low, high + 1))
    chosen = engine.choice or Choice(engine.name, "")
    for _ in range(MORE_OCTAVES):
        best = _best(trials)
        if best is None:
            break
        at = round(math.log2(best.lr / middle))
        if low < at < high:
            break
        low, high = (low - 1, high) if at == low else (low, high + 1)
        trials += train([low if at == low + 1 else high])
    coarse = len(trials)
    best = _best(trials)
    if best is not None:
        at = math.log2(best.lr / middle)
        trials += train([at + near for near in NEAR])
    return trials, coarse, chosen


def _best(trials: Sequence[Trial]) -> Trial | None:
    measured = [trial for trial in trials if trial.measured]
    return min(measured, key=lambda trial: trial.final_loss, default=None)


def _judged(
    task: Task, lrs: Sequence[float], seeds: Sequence[int], observer: Observer
) -> dict[float, list[float]]:
    """Final losses of full runs with the judging seeds, by rate."""
    rates = sorted(set(lrs))
    observer.stage("judging with other seeds", rates, task.horizon)
    trials = Auto().train(task, rates, seeds, task.horizon, observer=observer)
    return {
        lr: [trial.final_loss for trial in group]
        for lr, group in itertools.groupby(trials, key=lambda trial: trial.lr)
    }


def _pilots_spent(found: Finding, full: float) -> Floats:
    """Full runs that `find` had spent at the end of each pilot; what is not a pilot came first."""
    pilots = np.cumsum([trial.sample_gradients for trial in found.trials]) / full
    if not len(pilots):
        return np.array([])
    return pilots + max(0.0, found.cost - float(pilots[-1]))
