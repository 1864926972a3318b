"""A schedule's own best rate: from some rate downhill, by full runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from etastar.errors import InputError
from etastar.finder import find
from etastar.finder.find import Budget
from etastar.lessons.schedules.followed import follow

if TYPE_CHECKING:
    from etastar.engine.progress import Observer
    from etastar.schedules import Schedule
    from etastar.tasks import Task

FARTHEST = 8
"""Octaves from the start after which the search stays where it is."""

LEAST_FALL = 0.01
"""The loss has fallen when it ends lower than its start by this share."""


@dataclass(frozen=True)
class Searched:
    """What a search saw: rates (R,) rising, their scores, and the best of them."""

    lrs: tuple[float, ...]
    scores: tuple[float, ...]  # mean final loss over the seeds; infinite where one broke
    lr: float

    @property
    def best(self) -> float:
        """The score of the best rate."""
        return min(self.scores)


@dataclass(frozen=True)
class Guess:
    """Where a search begins, and what it cost to know, in full runs."""

    lr: float
    found: bool  # by `find`; else it is the optimizer's own rate
    cost: float


def first_guess(
    task: Task, shape: Schedule, seed: int, observer: Observer, *, budget: Budget = "quick"
) -> Guess:
    """The rate that `find` names; else that of the task's optimizer.

    Returns:
        The guess.

    Raises:
        InputError: there is neither.
    """
    sized = replace(task, steps=shape.steps, epochs=None, schedule=shape)
    found = find(sized, budget=budget, seed=seed, observer=observer)
    lr = found.lr or found.task.default_lr
    if lr is None:
        raise InputError(
            f"no rate to begin with for {task.name}: `find` has no answer ({found.reason}), and "
            f"its optimizer has no rate; give the optimizer one."
        )
    return Guess(lr=lr, found=found.lr is not None, cost=found.cost)


def search(
    task: Task,
    shape: Schedule,
    start: float,
    seeds: Sequence[int],
    *,
    observer: Observer,
) -> Searched:
    """Find a schedule's rate on the task.

    From `start` full runs at half and double of it, and on by octaves, until the lowest mean
    final loss has a worse one on either side; then half an octave to both sides. Every schedule
    is searched in this way with the same seeds. Rates whose loss did not fall are as good as
    broken: beyond the cliff lies a plain of dead networks, where going downhill leads nowhere.

    Args:
        task: what to train.
        shape: over the steps of the run, peak 1.
        start: the first rate.
        seeds: of the runs.
        observer: told what happens.

    Returns:
        What was seen.
    """
    scores: dict[float, float] = {}
    weighed: dict[float, float] = {}

    def score(octaves: float) -> bool:
        lr = start * 2.0**octaves
        observer.stage("search", [lr], shape.steps)
        runs = follow(task, lr, seeds, shape, observer=observer)
        scores[octaves] = float(np.mean([run.final for run in runs]))
        began = float(np.mean([run.trial.curve.losses[0] for run in runs]))
        fell = scores[octaves] < began - LEAST_FALL * abs(began)
        weighed[octaves] = scores[octaves] if fell else math.inf
        return fell

    def best() -> float:
        return min(weighed, key=lambda octaves: (weighed[octaves], octaves))

    for octaves in sorted(range(-FARTHEST, FARTHEST + 1), key=lambda away: (abs(away), away)):
        if score(octaves):
            break
    while abs(best()) < FARTHEST:
        beyond = [side for side in (best() - 1.0, best() + 1.0) if side not in scores]
        if not beyond:
            break
        score(beyond[0])
    if math.isfinite(weighed[best()]):
        for octaves in (best() - 0.5, best() + 0.5):
            score(octaves)
    tried = sorted(scores)
    return Searched(
        lrs=tuple(start * 2.0**octaves for octaves in tried),
        scores=tuple(scores[octaves] for octaves in tried),
        lr=start * 2.0 ** best(),
    )
