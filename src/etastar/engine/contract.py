"""What every engine promises: the same numbers, whichever one ran."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

from etastar.engine.progress import Observer
from etastar.errors import InputError
from etastar.records import Trial
from etastar.schedules import Schedule
from etastar.tasks import Task
from etastar.training.live import living

_SEEDS = 2**63
"""What torch's generators and databases take."""

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
            schedule: the shape over these steps, a multiplier of the rates; the task's own,
                resized, by default.
            lost: asked after every step; a trial it answers True for is stopped.
            observer: told what happens.

        Returns:
            One trial per rate and seed: rates in the order given, seeds within each.

        Raises:
            InputError: rates, steps or schedule that cannot be trained.
            TaskFailedError: the task's own code raised; everything is restored.
        """
        ...


@dataclass(frozen=True)
class Work:
    """Trials asked for together with others: what one call of `Engine.train` is given.

    Args:
        task: what to train; works of the very same task may share what is known of it.
        lrs: peak rates of the reference group.
        seeds: of the trials at each rate.
        steps: their horizon, in updates.
        name: what observers call it; see `Observer.stage`.
        settings: numbers of the optimizer for these trials, over the task's own.
    """

    task: Task
    lrs: Sequence[float]
    seeds: Sequence[int]
    steps: int
    name: str = "trials"
    settings: Mapping[str, float] = field(default_factory=dict[str, float])

    @cached_property
    def tuned(self) -> Task:
        """The task under the settings of this work."""
        return self.task if self.settings == {} else self.task.with_settings(self.settings)

    @property
    def pairs(self) -> list[tuple[float, int]]:
        """Every rate with every seed, in the order of the trials."""
        return [(lr, seed) for lr in map(float, self.lrs) for seed in map(int, self.seeds)]


@runtime_checkable
class TrainsTogether(Protocol):
    """An engine that trains the trials of several works side by side."""

    def train_all(
        self, works: Sequence[Work], *, observer: Observer | None = None
    ) -> list[list[Trial]]:
        """Train them all, as one call of `Engine.train` for each would.

        Args:
            works: in the order in which they would be trained one by one.
            observer: told what happens, the stages among it.

        Returns:
            The trials of each.

        Raises:
            InputError: rates, steps or schedule that cannot be trained.
            TaskFailedError: the task's own code raised; everything is restored.
        """
        ...


def train_all(
    engine: Engine, works: Sequence[Work], *, observer: Observer | None = None
) -> list[list[Trial]]:
    """Train several works: side by side where the engine can, else one after the other.

    Returns:
        The trials of each; see `TrainsTogether.train_all`.
    """
    if isinstance(engine, TrainsTogether):
        return engine.train_all(works, observer=observer)
    return train_in_turn(engine, works, observer=observer)


def train_in_turn(
    engine: Engine, works: Sequence[Work], *, observer: Observer | None = None
) -> list[list[Trial]]:
    """Train several works one after the other.

    Returns:
        The trials of each.
    """
    watching = observer or Observer()
    trained: list[list[Trial]] = []
    for work in works:
        watching.stage(work.name, work.lrs, work.steps)
        trained.append(
            engine.train(work.tuned, work.lrs, work.seeds, work.steps, observer=observer)
        )
    return trained


def announce(works: Sequence[Work], observer: Observer) -> None:
    """Tell of works that are trained side by side as of one stage."""
    name = works[0].name if len(works) == 1 else "trials"
    lrs = [lr for work in works for lr in work.lrs]
    observer.stage(name, lrs, max(work.steps for work in works))


def train_abreast(
    works: Sequence[Work], train: Callable[[Sequence[Work], Schedule], list[list[Trial]]]
) -> list[list[Trial]]:
    """Train works in groups that may share a pass: of one task, with the same seeds and horizon.

    Args:
        works: of any tasks, seeds and horizons.
        train: trains such a group, under the schedule it is given.

    Returns:
        The trials of each.

    Raises:
        InputError: rates, steps or schedule of any of them that cannot be trained.
        TaskError: settings of any of them that its optimizer does not have, or cannot take.
        TaskFailedError: the task's own code raised; everything is restored.
    """
    shapes = [shape_of(w.tuned, w.lrs, w.seeds, w.steps, None) for w in works]
    _check_settings(works)
    groups: dict[tuple[int, int, tuple[int, ...]], list[int]] = {}
    for place, work in enumerate(works):
        groups.setdefault((id(work.task), work.steps, tuple(work.seeds)), []).append(place)
    found: list[list[Trial]] = [[] for _ in works]
    for places in groups.values():
        trained = train([works[place] for place in places], shapes[places[0]])
        for place, trials in zip(places, trained, strict=True):
            found[place] = trials
    return found


def _check_settings(works: Sequence[Work]) -> None:
    """Refuse what no optimizer of theirs can take, before any of them is trained."""
    others = [work for work in works if work.settings and work.seeds]
    for task in {id(work.task): work.task for work in others}.values():
        own = [work for work in others if work.task is task]
        with living(task) as live:
            live.begin(int(own[0].seeds[0]))
            for settings in {tuple(w.tuned.settings.items()) for w in own}:
                live.groups_under(dict(settings))


def shape_of(
    task: Task, lrs: Sequence[float], seeds: Sequence[int], steps: int, schedule: Schedule | None
) -> Schedule:
    """The shape of the trials an engine is asked for; refuses what cannot be trained.

    Every engine begins with it, so that all refuse the same, before anything is touched.

    Returns:
        A multiplier of the rates over `steps` steps.

    Raises:
        InputError: which of the arguments to change.
    """
    for name, given in (("lrs", lrs), ("seeds", seeds)):
        if isinstance(given, str) or not hasattr(given, "__len__"):  # an iterator is read once
            raise InputError(f"{name}={given!r}: pass a list of numbers.")
    for lr in lrs:
        if not (is_finite(lr) and lr > 0):
            raise InputError(f"lrs holds {lr!r}: pass positive, finite learning rates.")
    for seed in seeds:
        if not (is_whole(seed) and abs(seed) < _SEEDS):
            raise InputError(f"seeds holds {seed!r}: pass whole numbers of less than 64 bits.")
    if isinstance(steps, bool) or not is_whole(steps) or steps < 1:
        raise InputError(f"steps={steps!r}: pass a whole number of at least 1.")
    shape = task.shape.resized(int(steps)) if schedule is None else schedule
    if shape.steps != steps:
        raise InputError(
            f"the schedule spans {shape.steps} steps but the trials {steps}: pass "
            f"schedule.resized({steps})."
        )
    return shape


def is_finite(value: Any) -> bool:
    """Whether a value is a finite number; those of NumPy and torch will do."""
    return hasattr(value, "__float__") and math.isfinite(value)


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number, as 3 and 3.0 are."""
    return is_finite(value) and int(value) == value
