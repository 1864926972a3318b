"""The faster of two engines, found by timing them on the task itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from weakref import WeakKeyDictionary

from etastar.engine.contract import Lost, Work, announce, shape_of, train_abreast
from etastar.engine.progress import Observer
from etastar.engine.race import Race, Timings
from etastar.engine.sequential import Sequential
from etastar.engine.vectorized.engine import Vectorized, go_together
from etastar.engine.vectorized.optimizer import kind_of
from etastar.engine.vectorized.proof import prove
from etastar.engine.vectorized.slices import StoppedBatchingError, quiet
from etastar.engine.vectorized.training import APART
from etastar.records import Trial
from etastar.schedules import Schedule
from etastar.tasks import Task
from etastar.training.live import living


@dataclass(frozen=True)
class Choice:
    """Which engine was taken, and why.

    Attributes:
        engine: its name.
        reason: in words.
        speedup: time of the sequential engine over that of the vectorized one; None where
            there was nothing to time.
        width: how many trials the vectorized engine does best to train together.
    """

    engine: str
    reason: str
    speedup: float | None = None
    width: int | None = None


LONGER = 10
"""A choice holds for training up to so many times as long as that it was made for."""


class _Held(NamedTuple):
    """A choice, and what it was made for."""

    choice: Choice
    steps: int  # of all seeds
    joined: bool  # whether the seeds were to train together


@dataclass
class _Known:
    """What is known of a task.

    Attributes:
        timings: by the share of slices that are of a kind of their own; 0 where all are of one.
        choices: by the numbers of rates, seeds and kinds.
    """

    timings: dict[float, Timings] = field(default_factory=dict[float, Timings])
    choices: dict[tuple[int, int, int], _Held] = field(
        default_factory=dict[tuple[int, int, int], _Held]
    )


SEVERAL = 4
"""A single rate with fewer seeds is not worth a look."""

_ALONE = Choice(Sequential.name, "a single rate has none to be batched with")

_KNOWN: WeakKeyDictionary[Task, _Known] = WeakKeyDictionary()


class Auto:
    """Trains with the sequential or the vectorized engine, whichever is faster here.

    Both are timed on a few steps of the task, which belong to no trial and leave nothing
    behind; they take a twenty-fifth of the training at most. Their times are remembered for the
    task, and the choice for its numbers of rates, settings and seeds, until training is ten times
    as long. What cannot be batched is trained sequentially. See `Engine` for the contract.

    Args:
        memory: bytes the vectorized engine may use; half of what is free by default.

    Attributes:
        choice: what was taken last, and why; None before the first training.

    Examples:
        >>> from etastar.tasks import load_task
        >>> engine = Auto()
        >>> trials = engine.train(load_task("line"), lrs=[0.1], seeds=[0], steps=50)
        >>> engine.choice
        Choice(engine='sequential', reason='a single rate has none to be batched with',
            speedup=None, width=None)
    """

    name = "auto"

    def __init__(self, *, memory: float | None = None) -> None:
        Vectorized(memory=memory)  # which refuses what is no memory
        self._memory = memory
        self.choice: Choice | None = None

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
        """Train the task at every rate with every seed; see `Engine.train`.

        Returns:
            One trial per rate and seed: rates in the order given, seeds within each.
        """
        shape = shape_of(task, lrs, seeds, steps, schedule)
        works = [Work(task, lrs, seeds, steps)]
        return self._train_group(works, shape, lost, observer or Observer(), staged=True)[0]

    def train_all(
        self, works: Sequence[Work], *, observer: Observer | None = None
    ) -> list[list[Trial]]:
        """Train several works; an engine is chosen for those that may share a pass.

        See `TrainsTogether`.

        Returns:
            The trials of each.
        """
        watching = observer or Observer()

        def train(group: Sequence[Work], shape: Schedule) -> list[list[Trial]]:
            return self._train_group(group, shape, None, watching)

        return train_abreast(works, train)

    def one_by_one(self, works: Sequence[Work], observer: Observer) -> Sequential | None:
        """The sequential engine, if all of the works are best trained by it; see `OneByOne`.

        Returns:
            The engine, or None.
        """

        def choose(group: Sequence[Work], shape: Schedule) -> list[list[Trial]]:
            del shape
            choices.append(self._chosen(group))
            return [[] for _ in group]

        choices: list[Choice] = []
        train_abreast(works, choose)
        if not choices or any(choice.engine != Sequential.name for choice in choices):
            return None
        self.choice = choices[-1]
        observer.engine_chosen(self.choice.engine, self.choice.reason)
        return Sequential()

    def _train_group(
        self,
        works: Sequence[Work],
        shape: Schedule,
        lost: Lost | None,
        observer: Observer,
        *,
        staged: bool = False,
    ) -> list[list[Trial]]:
        """Train works of one task with the same seeds and horizon; `staged` where that was told."""
        self.choice = self._chosen(works)
        observer.engine_chosen(self.choice.engine, self.choice.reason)
        try:
            if self.choice.engine == Vectorized.name:
                if not staged:
                    announce(works, observer)
                engine = Vectorized(memory=self._memory, width=self.choice.width)
                return engine.train_group(works, shape, lost, observer)
        except StoppedBatchingError as error:  # begins anew, and observers hear it twice
            self.choice = Choice(Sequential.name, str(error).split(": use")[0])
            observer.engine_chosen(self.choice.engine, self.choice.reason)
        alone = Sequential()
        trained: list[list[Trial]] = []
        for work in works:
            if not staged:
                announce([work], observer)
            lrs, seeds = work.lrs, work.seeds
            trained.append(
                alone.train(
                    work.tuned, lrs, seeds, work.steps, schedule=shape, lost=lost, observer=observer
                )
            )
        return trained

    def _chosen(self, works: Sequence[Work]) -> Choice:
        task, seeds, steps = works[0].task, works[0].seeds, works[0].steps
        rows = sum(len(work.lrs) for work in works)
        if not seeds or rows < 1 or (rows < 2 and len(seeds) < SEVERAL):
            return _ALONE
        known = _KNOWN.setdefault(task, _Known())
        total = len(seeds) * steps
        kinds = len({kind_of(work.tuned.settings) for work in works})
        sizes = rows, len(seeds), kinds
        held = known.choices.get(sizes)
        if held is None or total > LONGER * held.steps or (held.joined and task in APART):
            share = kinds / rows if kinds > 1 else 0.0
            held = self._compared(works, rows, known.timings.setdefault(share, Timings()))
            known.choices[sizes] = held
        return held.choice

    def _compared(self, works: Sequence[Work], rows: int, timings: Timings) -> _Held:
        task, seeds, steps = works[0].task, works[0].seeds, works[0].steps
        settings = [work.tuned.settings for work in works for _ in work.lrs]
        total = len(seeds) * steps
        try:
            proof = prove(task)
            if proof.reason is not None:
                return _Held(Choice(Sequential.name, proof.reason), total, joined=False)
            with quiet(), living(task) as live:
                joined = go_together(live, proof, [*map(int, seeds)], steps, self._memory)
                if rows < 2 and not joined:
                    return _Held(_ALONE, total, joined=False)
                lowest = min(float(lr) for work in works for lr in work.lrs)
                race = Race(live, proof, lowest, settings, timings)
                together = len(seeds) if joined else 1
                speedup, width = race.run(rows * together, total // together, self._memory)
        except Exception as error:  # noqa: BLE001  the trials themselves shall raise it
            why = f"trying the task raised {type(error).__name__}"
            return _Held(Choice(Sequential.name, why), 0, joined=False)  # to be tried again
        faster = Vectorized.name if speedup > 1 else Sequential.name
        rates = f"{rows} rates" if rows > 1 else "one rate"
        points = rates if len(works) == 1 else f"{rates} at {len(works)} settings"
        several = f" and {len(seeds)} seeds" if joined else ""
        factor = f"{max(speedup, 1 / speedup):.1f} times as fast"
        words = f"{factor} for {points}{several} of this task"
        return _Held(Choice(faster, words, speedup, width), total, joined)
