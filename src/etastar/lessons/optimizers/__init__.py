"""Eight optimizers, each at its own rate, over three landscapes and on a real task.

References:
    SGD: Robbins & Monro, Ann. Math. Stat. 22, 1951. Momentum: Polyak, 1964. Nesterov, 1983.
    Adagrad: Duchi, Hazan & Singer, JMLR 12, 2011. Adadelta: Zeiler, arXiv:1212.5701.
    RMSprop: Tieleman & Hinton, Coursera lecture 6.5, 2012. Adam: Kingma & Ba, arXiv:1412.6980.
    AdamW: Loshchilov & Hutter, arXiv:1711.05101.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from etastar.errors import InputError
from etastar.lessons.environment import environment
from etastar.lessons.optimizers import contest, price
from etastar.lessons.optimizers.race import COURSES, race
from etastar.lessons.optimizers.rivals import RIVALS
from etastar.records.lessons.optimizers import Optimizers

if TYPE_CHECKING:
    from etastar.engine import Observer
    from etastar.records.lessons import Lesson
    from etastar.tasks import Task

__all__ = ["explain"]


def explain(task: Task | None, *, seed: int, observer: Observer) -> Lesson:
    """Race the optimizers, run them on a task, and weigh what they cost.

    Args:
        task: the real one.
        seed: of all randomness.
        observer: hears what is running.

    Returns:
        What happened.

    Raises:
        InputError: no task, or one whose optimizer cannot be exchanged.
    """
    if task is None:
        raise InputError("the lesson 'optimizers' needs a task: give --task digits-mlp.")
    begun = time.perf_counter()
    for name in RIVALS:  # what cannot be exchanged is refused before anything runs
        contest.with_optimizer(task, name)
    costs = price.measure(contest.with_optimizer(task, "SGD"), seed=seed, observer=observer)
    races = []
    for place in COURSES:
        observer.stage(f"race over the {place}", [], 1)
        races.append(race(place, seed=seed))
    runs = tuple(contest.run(task, name, seed=seed, observer=observer) for name in RIVALS)
    return Optimizers(
        task=task.name,
        seed=seed,
        races=tuple(races),
        objective="validation loss" if task.has_validation else "training loss",
        task_steps=task.horizon,
        parameters=costs.parameters,
        seeds=tuple(range(seed + 1, seed + 1 + contest.SEEDS)),
        runs=runs,
        pairs=costs.pairs,
        step_seconds=costs.step_seconds,
        device=costs.device,
        prices=costs.prices,
        seconds=time.perf_counter() - begun,
        environment=environment(),
    )
