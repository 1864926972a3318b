"""Pilots: short runs with the whole schedule, decayed to its end, and the best of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from etastar.engine import Sequential

from .contract import NothingFoundError

if TYPE_CHECKING:
    from etastar.tasks import Task

    from .contract import Meter

LOWEST, HIGHEST = 1e-5, 10.0
"""Six decades for every search that is told nothing of the task."""

MOST_TRIALS = 100
"""Where nearly all trials diverge at once, a budget would last for ever."""


def pilot(task: Task, lr: float, seed: int, share: float, meter: Meter) -> float:
    """The final loss of a run over `share` of the horizon; inf where it was lost."""
    steps = max(1, round(task.horizon * share))
    (trial,) = Sequential().train(task, [lr], [seed], steps)
    meter.pay(trial.sample_gradients)
    return trial.final_loss if trial.measured else math.inf


def best(losses: dict[float, float]) -> float:
    """The rate of the lowest loss."""
    lr = min(losses, key=lambda rate: losses[rate])
    if not math.isfinite(losses[lr]):
        raise NothingFoundError("every pilot diverged")
    return lr
