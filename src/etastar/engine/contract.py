"""What every engine promises: the same numbers, whichever one ran."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from etastar.engine.progress import Observer
from etastar.records import Trial
from etastar.schedules import Schedule
from etastar.tasks import Task

Lost = Callable[[Sequence[float], int], bool]
"""`lost(losses so far, horizon)`: whether a trial is beyond hope and may be stopped."""


class Engine(Protocol):
    """Trains a task at many learning rates.

    Every trial begins from the same state with all randomness drawn from its seed, so trials
    of one seed see the same initial weights and batches (common random numbers), and each
    gives the same result whatever ran before it. The caller's objects come back bit for bit.
    """

    @property
    def name(self) -> str:
        """What records and messages call the engine."""
        ...

    def train(
        self,
        task: Task,
        lrs: Sequence[float],
        seeds: Sequence[int],
        steps: int,
        *,
        schedule: Schedule | None = None,
        lost: Lost | None = None,
        observer: Observer | None = None,
    ) -> list[Trial]:
        """Train the task at every rate with every seed.

        Args:
            task: what to train.
            lrs: peak rates of the reference group.
            seeds: each covers the order of the data and all randomness in training; and the
                initial weights where the task's model is a factory.
            steps: the trials' horizon, in updates.
            schedule: the shape over these steps; the task's own, resized, by default.
            lost: asked after every step; a trial it answers True for is stopped.
            observer: told what happens.

        Returns:
            One trial per rate and seed: rates in the order given, seeds within each.

        Raises:
            TaskFailedError: the task's own code raised; everything is restored.
        """
        ...
