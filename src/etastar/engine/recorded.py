"""An engine that remembers: trials it has seen are answered, not trained again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from etastar.engine.contract import (
    Engine,
    Lost,
    TrainsTogether,
    Work,
    shape_of,
    train_in_turn,
)
from etastar.engine.progress import Observer
from etastar.records import Trial
from etastar.schedules import Schedule
from etastar.tasks import Task


class Memory(Protocol):
    """Where trials of one task are kept; a `Study` is one."""

    def get(
        self, lr: float, seed: int, steps: int, shape: str, settings: Mapping[str, float]
    ) -> Trial | None:
        """The trial of exactly these terms.

        Args:
            lr: peak rate; equal to the last bit.
            seed: its seed.
            steps: its horizon.
            shape: the fingerprint of the schedule it was trained under.
            settings: the optimizer's settings changed for it.

        Returns:
            The trial, or None where there is none yet.
        """
        ...

    def add(self, trial: Trial) -> None:
        """Keep a trial; one that is there already changes nothing."""
        ...


class Recorded:
    """Answers what its memory holds, trains the rest with another engine, and keeps that.

    Every trial is kept as it ends, before anyone is told, so a killed process loses the trial
    in hand alone, and the same call again goes on where it stopped. Observers hear of answered
    trials as of trained ones, with a start and an end but no steps between, so a search that
    resumes sees what it saw.

    A trial that diverged is a result like one that finished: both are answered. One that was
    stopped by `lost` is answered only where this call's `lost`, asked anew along the recorded
    losses, stops it at the same step; else it is trained. A trial that ran to its end is
    answered even where `lost` would have stopped it: more is known than was asked.

    Args:
        engine: trains what is missing.
        memory: holds the trials of the task that will be trained, and of no other.
    """

    def __init__(self, engine: Engine, memory: Memory) -> None:
        self._engine = engine
        self._memory = memory

    @property
    def name(self) -> str:
        """That of the engine that trains."""
        return self._engine.name

    @property
    def trainer(self) -> Engine:
        """The engine that trains; for trials of another task, which the memory must not hold."""
        return self._engine

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
        """Train the task at every rate with every seed, as far as it is not known; see `Engine`.

        Returns:
            One trial per rate and seed: rates in the order given, seeds within each.
        """
        shape = shape_of(task, lrs, seeds, steps, schedule)
        watching = observer or Observer()
        work = Work(task, lrs, seeds, steps)
        known = self._known(work, shape, lost, watching)
        keeping = _Keeping(self._memory, watching)
        for missing_lrs, missing_seeds in _blocks(
            [pair for pair in work.pairs if pair not in known]
        ):
            trained = self._engine.train(
                task, missing_lrs, missing_seeds, steps, schedule=shape, lost=lost, observer=keeping
            )
            known |= {(trial.lr, trial.seed): trial for trial in trained}
        return [known[pair] for pair in work.pairs]

    def train_all(
        self, works: Sequence[Work], *, observer: Observer | None = None
    ) -> list[list[Trial]]:
        """Train several works, as far as they are not known; see `TrainsTogether`.

        Returns:
            The trials of each.
        """
        engine = self._engine
        if not isinstance(engine, TrainsTogether):
            return train_in_turn(self, works, observer=observer)
        watching = observer or Observer()
        found: dict[tuple[_Terms, tuple[float, int]], Trial] = {}
        missing: list[Work] = []
        asked = set[tuple[_Terms, tuple[float, int]]]()
        for work in works:
            shape = shape_of(work.task, work.lrs, work.seeds, work.steps, None)
            known = self._known(work, shape, None, watching)
            found |= {(_terms(work), pair): trial for pair, trial in known.items()}
            left = [
                pair
                for pair in work.pairs
                if pair not in known and (_terms(work), pair) not in asked
            ]
            asked |= {(_terms(work), pair) for pair in left}
            missing += [replace(work, lrs=lrs, seeds=seeds) for lrs, seeds in _blocks(left)]
        trained = engine.train_all(missing, observer=_Keeping(self._memory, watching))
        for work, trials in zip(missing, trained, strict=True):
            found |= {(_terms(work), (trial.lr, trial.seed)): trial for trial in trials}
        return [[found[_terms(work), pair] for pair in work.pairs] for work in works]

    def _known(
        self, work: Work, shape: Schedule, lost: Lost | None, observer: Observer
    ) -> dict[tuple[float, int], Trial]:
        """The trials of a work that the memory answers, told to the observer."""
        known: dict[tuple[float, int], Trial] = {}
        for lr, seed in dict.fromkeys(work.pairs):
            held = self._memory.get(lr, seed, work.steps, shape.fingerprint, work.tuned.settings)
            if held is not None and _answers(held, lost):
                known[lr, seed] = held
                observer.trial_started(lr, seed, work.steps)
                observer.trial_ended(held)
        return known


class _Keeping(Observer):
    """Keeps every trial that ends, and tells the other observer all it hears."""

    def __init__(self, memory: Memory, observer: Observer) -> None:
        self._memory = memory
        self._observer = observer

    def stage(self, name: str, lrs: Sequence[float], steps: int) -> None:
        self._observer.stage(name, lrs, steps)

    def engine_chosen(self, engine: str, reason: str) -> None:
        self._observer.engine_chosen(engine, reason)

    def trial_started(self, lr: float, seed: int, steps: int) -> None:
        self._observer.trial_started(lr, seed, steps)

    def stepped(self, lr: float, step: int, loss: float) -> None:
        self._observer.stepped(lr, step, loss)

    def trial_ended(self, trial: Trial) -> None:
        self._memory.add(trial)
        self._observer.trial_ended(trial)

    def spent(self, cost: float, budget: float) -> None:
        self._observer.spent(cost, budget)

    def finished(self) -> None:
        self._observer.finished()


def _answers(held: Trial, lost: Lost | None) -> bool:
    """Whether a recorded trial is what training would give.

    Returns:
        False for one stopped earlier than `lost` would, or later.
    """
    if held.status != "stopped":
        return True
    if lost is None:
        return False
    losses: list[float] = []
    for loss in held.curve.losses.tolist():
        losses.append(loss)
        if lost(losses, held.steps):
            return len(losses) == len(held.curve)
    return False


_Terms = tuple[int, int, tuple[tuple[str, float], ...]]
"""Horizon, schedule by its identity, and settings: what trials of a rate and seed differ by."""


def _terms(work: Work) -> _Terms:
    return work.steps, id(work.task.schedule), tuple(sorted(work.tuned.settings.items()))


def _blocks(pairs: Sequence[tuple[float, int]]) -> list[tuple[list[float], list[int]]]:
    """Rates by the seeds they miss, so that an engine gets many at once.

    Returns:
        Rates and seeds, every pair in one of the products.
    """
    missing: dict[float, dict[int, None]] = {}
    for lr, seed in pairs:
        missing.setdefault(lr, {})[seed] = None
    blocks: dict[tuple[int, ...], list[float]] = {}
    for lr, seeds in missing.items():
        blocks.setdefault(tuple(seeds), []).append(lr)
    return [(lrs, list(seeds)) for seeds, lrs in blocks.items()]
