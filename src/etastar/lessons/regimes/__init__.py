"""The five regimes: too small, good, optimal, oscillating, diverging."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np

from etastar.lessons.environment import environment
from etastar.lessons.regimes.line import EPOCHS, RATES, descend, line, predicted_epochs, regimes_at
from etastar.lessons.regimes.rule import MARK, bands
from etastar.records.lessons import Lesson, Regimes

if TYPE_CHECKING:
    from etastar.engine.progress import Observer
    from etastar.tasks import Task

__all__ = ["explain"]

_RATES = np.unique([*np.geomspace(0.003, 3.0, 241), *np.linspace(0.98, 1.02, 41)])
"""Where the regimes' borders are looked for: 80 rates per decade, and finely at the edge."""


def explain(task: Task | None, *, seed: int, observer: Observer) -> Lesson:
    """Show what a rate does: on a line fit, or on a task.

    Args:
        task: None for the line fit.
        seed: of all randomness.
        observer: hears what is running.

    Returns:
        What happened.
    """
    if task is not None:
        from etastar.lessons.regimes.on_task import explain_on_task  # torch starts here

        return explain_on_task(task, seed=seed, observer=observer)
    begun = time.perf_counter()
    problem = line(seed)
    needed = [predicted_epochs(problem, lr) for lr in _RATES]
    return Regimes(
        seed=seed,
        x=problem.x,
        y=problem.y,
        curvatures=(float(problem.curvatures[0]), float(problem.curvatures[1])),
        minimum=(float(problem.minimum[0]), float(problem.minimum[1])),
        lowest=problem.lowest,
        edge=problem.edge,
        best=problem.best,
        mark=MARK,
        epochs=EPOCHS,
        rates=_RATES,
        needed=np.array([math.nan if n is None else n for n in needed]),
        bands=bands([*_RATES], regimes_at(problem, _RATES)),
        runs=tuple(descend(problem, lr) for lr in RATES),
        seconds=time.perf_counter() - begun,
        environment=environment(),
    )
