"""Runs that are judged as they go: the held-out loss at chosen steps, the training untouched."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etastar.engine.sequential import Path, walk
from etastar.tasks.settings import settings_of
from etastar.training.live import LiveTask, living

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etastar.engine.progress import Observer
    from etastar.records import Trial
    from etastar.schedules import Schedule
    from etastar.tasks import Task


@dataclass(frozen=True)
class Followed:
    """A run, and what was seen of it on the way."""

    trial: Trial
    looks: NDArray[np.float64]  # (L,) the loss after so many updates; infinite once it broke

    @property
    def final(self) -> float:
        """The final loss; infinite where the run broke."""
        return self.trial.final_loss if self.trial.measured else math.inf


def look_steps(steps: int, most: int = 60) -> list[int]:
    """After which updates a run is looked at: evenly, the last one included.

    Returns:
        At most so many steps.

    >>> look_steps(10, 4), len(look_steps(640))
    ([2, 5, 7, 10], 60)
    """
    count = min(most, steps)
    return [int(place) for place in np.floor(np.linspace(0, steps, count + 1))[1:]]


def momentum_name(task: Task, seed: int = 0) -> str | None:
    """What the task's optimizer calls its momentum.

    Returns:
        `momentum` or `beta1`; None where it has none, or has it at 0.
    """
    with living(task) as live:
        live.begin(seed)
        held = settings_of(live.optimizers)
    return next((name for name in ("momentum", "beta1") if held.get(name)), None)


def follow(
    task: Task,
    lr: float,
    seeds: Sequence[int],
    shape: Schedule,
    *,
    observer: Observer,
    looks: Collection[int] = (),
) -> list[Followed]:
    """Train the task at one rate with each seed, under a schedule over the schedule's steps.

    The numbers are those of `Sequential`: looking changes nothing.

    Args:
        task: what to train; left as it was.
        lr: the peak rate.
        seeds: one run each.
        shape: a multiplier of the rate; its steps are the run's.
        observer: told what happens.
        looks: after which updates the loss is looked at; see `look_steps`.

    Returns:
        The runs. Without data held out, a look is the mean training loss since the one before.
    """
    wanted, path = sorted(looks), Path.of(shape)
    made: list[Followed] = []
    with living(task) as live:
        for seed in seeds:
            observer.trial_started(lr, seed, shape.steps)
            losses: list[float] = []
            seen: list[float] = []
            steps = walk(live, lr, seed, path)
            while True:
                try:
                    losses.append(next(steps))
                except StopIteration as end:
                    trial: Trial = end.value
                    break
                done = len(losses)
                observer.stepped(lr, done - 1, losses[-1])
                if len(seen) < len(wanted) and done == wanted[len(seen)]:
                    since = wanted[len(seen) - 1] if seen else 0
                    seen.append(_look(live, losses[since:]))
            observer.trial_ended(trial)
            broken = [math.inf] * (len(wanted) - len(seen))
            made.append(Followed(trial, np.array([*seen, *broken])))
    return made


def _look(live: LiveTask, losses: Sequence[float]) -> float:
    judged = live.evaluate() if math.isfinite(losses[-1]) else math.inf
    value = float(np.mean(losses)) if judged is None else judged
    return value if math.isfinite(value) else math.inf
