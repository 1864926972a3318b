"""The optimizers on a real task: each at the rate `find` finds for it, and at torch's default."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from etastar.engine.sequential import Sequential
from etastar.errors import InputError
from etastar.finder import find
from etastar.finder.find import BUDGETS
from etastar.lessons.optimizers.rivals import RIVALS
from etastar.records.lessons.optimizers import TaskRun

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from etastar.engine import Observer
    from etastar.records import Trial
    from etastar.records.lessons.optimizers import Optimizer
    from etastar.tasks import Task

    Floats = NDArray[np.float64]

SEEDS = 4
"""Runs at each rate, with other seeds than the rate was found with."""

FEWEST_STEPS = 160
"""What a search may always spend, in steps: half a very short run pays for no pilot."""

DEFAULT_SEEDS = 2
"""Runs at torch's default rate: the difference there is larger than seeds make."""

POINTS = 80
"""Of a curve that is drawn."""


def with_optimizer(task: Task, name: Optimizer) -> Task:
    """The task with another optimizer over all its parameters, in one group.

    Returns:
        A new task; model, loss, data, schedule and horizon are the old one's.

    Raises:
        InputError: the task makes its own updates, or has several optimizers.
    """
    if task.step is not None or isinstance(task.optimizer, list | tuple):
        raise InputError(
            f"the lesson 'optimizers' exchanges the optimizer, and {task.name} makes its own "
            f"updates or has several: give a task of one model and one optimizer."
        )
    model: Any = task.model
    if task.optimizer is None:  # the factory of a model and its optimizer
        model = _first(task.model)
    return replace(
        task, model=model, optimizer=RIVALS[name], settings={}, name=f"{task.name}, {name}"
    )


def run(task: Task, name: Optimizer, *, seed: int, observer: Observer) -> TaskRun:
    """Find the rate, and train in full at it and at torch's default with fresh seeds.

    Args:
        task: with any optimizer.
        name: the optimizer to take instead.
        seed: of the search; the runs have the seeds after it.
        observer: hears what is running.

    Returns:
        What happened.
    """
    rival = with_optimizer(task, name)
    seeds = range(seed + 1, seed + 1 + SEEDS)
    budget = max(BUDGETS["standard"], FEWEST_STEPS / rival.horizon)
    finding = find(rival, budget=budget, seed=seed, observer=observer)
    default_lr = float(RIVALS[name].keywords["lr"])

    def full(lr: float, count: int) -> list[Trial]:
        observer.stage(f"{name} in full", [lr], rival.horizon)
        return Sequential().train(rival, [lr], seeds[:count], rival.horizon, observer=observer)

    found = [] if finding.lr is None else full(finding.lr, SEEDS)
    default = full(default_lr, DEFAULT_SEEDS)
    steps, losses = mean_curve(found)
    return TaskRun(
        optimizer=name,
        lr=finding.lr,
        interval=finding.interval,
        verdict=finding.verdict,
        cost=finding.cost,
        default_lr=default_lr,
        finals=np.array([trial.final_loss for trial in found]),
        default_finals=np.array([trial.final_loss for trial in default]),
        steps=steps,
        losses=losses,
    )


def mean_curve(trials: Sequence[Trial], points: int = POINTS) -> tuple[Floats, Floats]:
    """The training loss around at most so many steps, mean over the trials that finished.

    Returns:
        Steps and losses, (P,); empty where none finished.
    """
    curves = [trial.curve.losses for trial in trials if trial.measured]
    if not curves:
        return np.array([]), np.array([])
    together = np.mean(curves, axis=0)
    parts = np.array_split(np.arange(len(together)), min(points, len(together)))
    losses = [float(f"{together[part].mean():.6g}") for part in parts]
    return np.array([part.mean() for part in parts]), np.array(losses)


def _first(factory: Any) -> Callable[[], Any]:
    def model() -> Any:
        made = factory()
        return made[0] if isinstance(made, tuple) else made

    return model
