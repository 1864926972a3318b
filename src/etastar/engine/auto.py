"""The faster of two engines, found by timing them on the task itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch

from etastar.engine.contract import Lost, shape_of
from etastar.engine.progress import Observer
from etastar.engine.sequential import Sequential
from etastar.engine.vectorized.batched import BatchedTask
from etastar.engine.vectorized.engine import Vectorized, chunk
from etastar.engine.vectorized.proof import Proof, prove
from etastar.engine.vectorized.slices import quiet
from etastar.engine.vectorized.training import StoppedBatchingError
from etastar.records import Trial
from etastar.schedules import Schedule
from etastar.tasks import Task
from etastar.training.live import LiveTask, living

SMALL, LARGE = 2, 8
"""Slices timed first. A batched step costs a fixed part and a part per slice: two sizes tell."""

WIDER = 4
"""Then so many times more, as long as that is faster for each of them."""

GAIN = 1.05
"""What counts as faster; less is left to chance."""

BOLD = 1.25
"""Where more slices are dear to try, they are taken untried if they promise at least this."""

TURNS, ALONE = 3, 12
"""How often a batched step is timed, and a single one, of which a dozen cost no more; the best
counts, since whatever else runs only makes it slower."""

CLOSE = 2.0
"""Where the two engines come out closer than this factor, both are timed once more."""

AFFORDABLE = 1 / 30
"""The share of the training that trying one more width may take."""


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


_CHOICES: WeakKeyDictionary[Task, dict[int, Choice]] = WeakKeyDictionary()


class Auto:
    """Trains with the sequential or the vectorized engine, whichever is faster here.

    Both are timed on a few steps of the task, which belong to no trial and leave nothing
    behind; the choice is remembered for the task and the number of rates. What cannot be
    batched is trained sequentially. See `Engine` for the contract.

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
        known = _CHOICES.setdefault(task, {})
        if len(lrs) not in known:
            known[len(lrs)] = self._compared(task, lrs, steps * len(seeds))
        return known[len(lrs)]

    def _compared(self, task: Task, lrs: Sequence[float], steps: int) -> Choice:
        try:
            proof = prove(task)
            if proof.reason is not None:
                return Choice(Sequential.name, proof.reason)
            with quiet(), living(task) as live:
                race = _Race(live, proof, float(min(lrs)))
                speedup, width = race.run(len(lrs), steps, self._memory)
        except Exception as error:  # noqa: BLE001  the trials themselves shall raise it
            return Choice(Sequential.name, f"trying the task raised {type(error).__name__}")
        faster = Vectorized.name if speedup > 1 else Sequential.name
        words = f"{max(speedup, 1 / speedup):.1f} times as fast for {len(lrs)} rates of this task"
        return Choice(faster, words, speedup, width)


class _Race:
    """Times steps of one live task in both ways.

    Args:
        live: the task.
        proof: that it can be batched.
        lr: the rate of all steps: a low one, since a diverged model may take other times.
    """

    def __init__(self, live: LiveTask, proof: Proof, lr: float) -> None:
        self._live = live
        self._proof = proof
        self._lr = lr

    def run(self, count: int, steps: int, memory: float | None) -> tuple[float, int]:
        """Find the best width, and what it gains.

        Args:
            count: rates to be trained.
            steps: of each of them.
            memory: bytes, as given to the engine.

        Returns:
            The time of the sequential engine over that of the vectorized one, and how many
            slices that one trains together.
        """
        self._live.begin(0)
        fits = chunk(self._live, self._proof, count, memory)
        first = {size: self._time(size) for size in {0, min(SMALL, fits), min(LARGE, fits)}}
        alone = first.pop(0)
        width, each = self._widest(first, fits, AFFORDABLE * count * steps)
        if 1 / CLOSE < alone / each < CLOSE:
            tried = width if width in first else min(LARGE, fits)
            again = self._time(tried)
            each *= min(1.0, again / first[tried])
            alone = min(alone, self._time(0))
        return alone / each, width

    def _widest(self, times: dict[int, float], fits: int, allowance: float) -> tuple[int, float]:
        """Go to more slices as long as each of them gains.

        Args:
            times: seconds of a step by the number of slices; more are added.
            fits: the most there is room for.
            allowance: steps of slices that a trial of a width may take.

        Returns:
            The number of slices, and the seconds of a step for each.
        """
        width = max(times)
        while width < fits:
            wider = min(WIDER * width, fits)
            if wider * (TURNS + 1) > allowance:
                promised = _extrapolated(times, fits)
                if promised * BOLD < times[width] / width:
                    return fits, promised
                break
            times[wider] = self._time(wider)
            if times[wider] / wider * GAIN > times[width] / width:
                break
            width = wider
        return width, times[width] / width

    def _time(self, size: int) -> float:
        """Seconds of a step: of so many slices, or of the sequential engine for 0."""
        return self._together(size) if size else self._alone()

    def _alone(self) -> float:
        self._live.begin(0)
        return self._best(lambda: self._live.step(self._lr), ALONE)

    def _together(self, count: int) -> float:
        self._live.begin(0)
        batched = BatchedTask(self._live, self._proof.moving, count)
        rates = np.full(count, self._lr)

        def step() -> None:
            _, gradients = batched.backward(batched.next_batches())
            batched.update(rates, gradients)

        return self._best(step, TURNS)

    def _best(self, step: Callable[[], object], turns: int) -> float:
        """Seconds of the fastest step after a first one that warms up."""
        step()
        times: list[float] = []
        for _ in range(turns):
            self._finish()
            began = time.perf_counter()
            step()
            self._finish()
            times.append(time.perf_counter() - began)
        return min(times)

    def _finish(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()


def _extrapolated(times: Mapping[int, float], width: int) -> float:
    """Seconds of a step for each of `width` slices, from the two largest numbers timed.

    Returns:
        Seconds.
    """
    *_, small, large = sorted(times) if len(times) > 1 else (0, *times)
    slope = max(times[large] - times.get(small, 0.0), 0.0) / (large - small)
    return (times[large] + slope * (width - large)) / width
