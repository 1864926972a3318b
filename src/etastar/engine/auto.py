"""The faster of two engines, found by timing them on the task itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from etastar.engine.contract import Lost, shape_of
from etastar.engine.progress import Observer
from etastar.engine.race import Race, Timings
from etastar.engine.sequential import Sequential
from etastar.engine.vectorized.engine import Vectorized
from etastar.engine.vectorized.proof import prove
from etastar.engine.vectorized.slices import quiet
from etastar.engine.vectorized.training import StoppedBatchingError
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
        width: how many rates the vectorized engine does best to train together.
    """

    engine: str
    reason: str
    speedup: float | None = None
    width: int | None = None


LONGER = 10
"""A choice holds for training up to so many times as long as that it was made for."""


@dataclass
class _Known:
    """What was timed of a task, and the choices by the number of rates."""

    timings: Timings = field(default_factory=Timings)
    choices: dict[int, tuple[int, Choice]] = field(default_factory=dict[int, "tuple[int, Choice]"])


_KNOWN: WeakKeyDictionary[Task, _Known] = WeakKeyDictionary()


class Auto:
    """Trains with the sequential or the vectorized engine, whichever is faster here.

    Both are timed on a few steps of the task, which belong to no trial and leave nothing
    behind; they take a twenty-fifth of the training at most. Their times are remembered for the
    task, and the choice for its number of rates, until training is ten times as long. What cannot
    be batched is trained sequentially. See `Engine` for the contract.

    Args:
        memory: bytes the vectorized engine may use; half of what is free by default.

    Attributes:
        choice: what the last call of `train` took, and why; None before the first.

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
        watching = observer or Observer()
        self.choice = self._chosen(task, lrs, seeds, steps)
        watching.engine_chosen(self.choice.engine, self.choice.reason)
        engine = Sequential()
        if self.choice.engine == Vectorized.name:
            engine = Vectorized(memory=self._memory, width=self.choice.width)
        try:
            return engine.train(
                task, lrs, seeds, steps, schedule=shape, lost=lost, observer=watching
            )
        except StoppedBatchingError as error:  # begins anew, and observers hear it twice
            self.choice = Choice(Sequential.name, str(error).split(": use")[0])
            watching.engine_chosen(self.choice.engine, self.choice.reason)
            return Sequential().train(
                task, lrs, seeds, steps, schedule=shape, lost=lost, observer=watching
            )

    def _chosen(self, task: Task, lrs: Sequence[float], seeds: Sequence[int], steps: int) -> Choice:
        if len(lrs) < 2 or not seeds:
            return Choice(Sequential.name, "a single rate has none to be batched with")
        known = _KNOWN.setdefault(task, _Known())
        total = len(seeds) * steps
        held, choice = known.choices.get(len(lrs), (0, None))
        if choice is None or total > LONGER * held:
            choice = self._compared(task, lrs, total, known.timings)
            known.choices[len(lrs)] = total, choice
        return choice

    def _compared(self, task: Task, lrs: Sequence[float], steps: int, timings: Timings) -> Choice:
        try:
            proof = prove(task)
            if proof.reason is not None:
                return Choice(Sequential.name, proof.reason)
            with quiet(), living(task) as live:
                race = Race(live, proof, float(min(lrs)), timings)
                speedup, width = race.run(len(lrs), steps, self._memory)
        except Exception as error:  # noqa: BLE001  the trials themselves shall raise it
            return Choice(Sequential.name, f"trying the task raised {type(error).__name__}")
        faster = Vectorized.name if speedup > 1 else Sequential.name
        words = f"{max(speedup, 1 / speedup):.1f} times as fast for {len(lrs)} rates of this task"
        return Choice(faster, words, speedup, width)
