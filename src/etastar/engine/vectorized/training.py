"""Trials trained side by side.

Shapes: K slices, one per trial; S steps; … the shape of a weight.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakSet

import numpy as np
from torch import Tensor

from etastar.engine.contract import Lost
from etastar.engine.progress import Observer
from etastar.engine.sequential import Path, recorded, tail_steps
from etastar.engine.vectorized.batched import BatchedTask
from etastar.engine.vectorized.evaluation import Evaluation
from etastar.engine.vectorized.noise import OwnNoise
from etastar.engine.vectorized.optimizer import kind_of
from etastar.engine.vectorized.seeds import ApartError, BatchedSeeds, starts
from etastar.engine.vectorized.slices import StoppedBatchingError, chosen
from etastar.errors import EtastarError, TaskFailedError
from etastar.records import Trial, TrialStatus
from etastar.tasks import Batch, Task
from etastar.training.batches import samples
from etastar.training.live import LiveTask
from etastar.training.refusal import named_trial, raised_by_itself, refuses_divergence

APART: WeakSet[Task] = WeakSet()
"""Tasks whose seeds were found not to go together."""


class Row(NamedTuple):
    """What a trial is of, beside its seed."""

    lr: float  # peak rate of the reference group
    task: Task  # under the settings of the trial


@dataclass(frozen=True)
class Plan:
    """What all trials of a call have in common."""

    task: Task  # which engines know; its own settings need not be those of a trial
    path: Path
    moving: Sequence[str]  # see `proof`
    width: int  # slices that fit into memory in evaluation
    memory: float  # bytes that batches read beforehand may take
    lost: Lost | None
    observer: Observer
    independent: bool = False  # whether every slice draws random numbers of its own


class SideBySide:
    """One training of several rows, with one seed or several.

    Seeds that turn out not to go together are trained in turns, from their start.

    Args:
        live: the task.
        plan: what the trials have in common.
        rows: rates and settings, of every seed.
        seeds: of the trials of each row.
        place: of the first of these rows among all.
    """

    def __init__(
        self, live: LiveTask, plan: Plan, rows: Sequence[Row], seeds: Sequence[int], place: int = 0
    ) -> None:
        self._live = live
        self._plan = plan
        self._trials = [(row, seed) for seed in seeds for row in rows]
        self._lrs = [row.lr for row, _ in self._trials]
        self._place = place
        self._joined = len(seeds) > 1
        self._losses: list[list[float]] = [[] for _ in self._trials]
        self._ended: dict[int, Trial] = {}
        self._heard = [0] * len(self._trials)  # steps the observer was told of
        self._asked = [0] * len(self._trials)  # steps after which hope was asked about
        self._seconds = [0.0] * len(self._trials)  # a trial's share of the time
        self._cost = 0.0  # sample gradients of a trial still in training
        self._clock = time.perf_counter()

    def run(self) -> list[Trial]:
        """Train.

        Returns:
            One trial per seed and row: seeds in the order given, rows within each.

        Raises:
            TaskFailedError: the task's own code raised.
            EtastarError: the parts do not fit together after all.
        """
        for row, seed in self._trials:
            self._plan.observer.trial_started(row.lr, seed, self._horizon)
        waiting = list(range(len(self._trials)))
        while waiting:
            first = self._trials[waiting[0]][1]
            turn = [i for i in waiting if self._joined or self._trials[i][1] == first]
            turn.sort(key=lambda i: kind_of(self._trials[i][0].task.settings))  # side by side
            try:
                with ExitStack() as held:
                    self._train(turn, held)
            except ApartError as error:
                self._joined = False
                if error.lasts:
                    APART.add(self._plan.task)
            waiting = [index for index in waiting if index not in self._ended]
        return [self._ended[index] for index in range(len(self._trials))]

    @property
    def _horizon(self) -> int:
        return len(self._plan.path.multipliers)

    def _train(self, alive: list[int], held: ExitStack) -> None:
        """Train until all trials ended, or one of them made the task raise.

        In that case the others are to be trained again from the start: what they would have
        drawn at random in the broken step is lost.

        Raises:
            ApartError: the trials are of seeds that cannot be trained together.
            TaskFailedError: the task's own code raised.
            EtastarError: the parts do not fit together after all.
        """
        for index in alive:
            self._losses[index] = []
        self._cost = 0.0
        self._clock = time.perf_counter()
        batched = self._begun(alive, held)
        for step, multiplier in enumerate(self._plan.path.multipliers.tolist()):
            batches = self._next_batches(batched, step)
            try:
                losses, gradients = batched.backward(batches)
            except (EtastarError, ApartError):
                raise
            except Exception as error:  # noqa: BLE001  the user's loss may raise anything
                self._end_broken(batched, alive, batches, step, error)
                return
            self._hear(alive, step, losses)
            alive, gradients = self._drop(batched, alive, gradients, _finite(losses))
            if not alive:
                return
            rates = np.array([self._lrs[index] for index in alive]) * multiplier
            try:
                batched.update(rates, gradients)
            except Exception as error:  # torch's optimizers may raise anything
                raise TaskFailedError(
                    f"the task raised {type(error).__name__} at step {step}, in its optimizer's "
                    f"step: {error}"
                ) from error
            alive = self._stop(batched, alive, step)
            if not alive:
                return
        self._judge(batched, alive)

    def _begun(self, alive: Sequence[int], held: ExitStack) -> BatchedTask:
        """The slices of some trials at their start."""
        plan, seeds = self._plan, list(dict.fromkeys(self._trials[i][1] for i in alive))
        settings = [self._trials[index][0].task.settings for index in alive]
        if len(seeds) == 1:
            self._live.begin(seeds[0], self._horizon)
            noise = OwnNoise(seeds[0], self._place) if plan.independent else None
            return BatchedTask(self._live, plan.moving, len(alive), noise, settings)
        begun = starts(self._live, seeds, self._horizon, plan.memory, held)
        places = [seeds.index(self._trials[index][1]) for index in alive]
        return BatchedSeeds(self._live, plan.moving, begun, places, settings)

    def _next_batches(self, batched: BatchedTask, step: int) -> list[Batch]:
        try:
            batches = batched.next_batches()
        except (EtastarError, ApartError):
            raise
        except Exception as error:  # the user's data may raise anything
            raise TaskFailedError(
                f"the task's data raised {type(error).__name__} at step {step}: {error}"
            ) from error
        self._cost += sum(map(samples, batched.own(0, batches)))
        return batches

    def _hear(self, alive: Sequence[int], step: int, losses: Sequence[float]) -> None:
        for index, loss in zip(alive, losses, strict=True):
            self._losses[index].append(loss)
            self._tell(index, step, loss)
        self._spend(alive)

    def _tell(self, index: int, step: int, loss: float) -> None:
        if step >= self._heard[index]:
            self._heard[index] = step + 1
            self._plan.observer.stepped(self._lrs[index], step, loss)

    def _drop(
        self,
        batched: BatchedTask,
        alive: list[int],
        gradients: list[Tensor | None],
        fine: Sequence[int],
    ) -> tuple[list[int], list[Tensor | None]]:
        """Let go of what diverged in this step, before it is updated."""
        if len(fine) == len(alive):
            return alive, gradients
        for place, index in enumerate(alive):
            if place not in fine:
                self._end(index, "diverged")
        if fine:
            batched.keep(fine)
            gradients = [None if g is None else chosen(g, fine) for g in gradients]
        return [alive[place] for place in fine], gradients

    def _stop(self, batched: BatchedTask, alive: list[int], step: int) -> list[int]:
        """Let go of what is beyond hope, as far as that was not asked before."""
        lost = self._plan.lost
        if lost is None:
            return alive
        kept: list[int] = []
        for place, index in enumerate(alive):
            asked, self._asked[index] = self._asked[index], max(self._asked[index], step + 1)
            if step >= asked and lost(self._losses[index], self._horizon):
                self._end(index, "stopped")
            else:
                kept.append(place)
        if kept and len(kept) < len(alive):
            batched.keep(kept)
        return [alive[place] for place in kept]

    def _judge(self, batched: BatchedTask, alive: Sequence[int]) -> None:
        """End the trials that made all their steps."""
        evaluation = Evaluation(self._live)
        judged, costs = batched.judged(evaluation, self._plan.width)
        sound = batched.slices.sound()
        spent = self._cost
        self._spend(alive)
        for place, index in enumerate(alive):
            losses = self._losses[index]
            self._cost = spent + costs[place]
            final = (
                float(np.mean(losses[-tail_steps(len(losses)) :]))
                if judged is None
                else judged[place]
            )
            if math.isfinite(final) and sound[place]:
                self._end(index, "finished", final)
            else:
                self._end(index, "diverged")

    def _end(self, index: int, status: TrialStatus, final: float = math.nan) -> None:
        row, seed = self._trials[index]
        trial = recorded(
            row.task,
            row.lr,
            seed,
            self._plan.path,
            self._losses[index],
            status=status,
            final_loss=final,
            sample_gradients=self._cost,
            seconds=self._seconds[index],
        )
        self._ended[index] = trial
        self._plan.observer.trial_ended(trial)

    def _spend(self, alive: Sequence[int]) -> None:
        """Share the time since the last look among the trials in training."""
        now = time.perf_counter()
        for index in alive:
            self._seconds[index] += (now - self._clock) / len(alive)
        self._clock = now

    def _end_broken(
        self,
        batched: BatchedTask,
        alive: Sequence[int],
        batches: Sequence[Batch],
        step: int,
        error: Exception,
    ) -> None:
        """Find the trials that made the task raise, and end those that met divergence.

        Raises:
            TaskFailedError: the task's code raised for another reason.
            ApartError: it raises for no trial alone, but there are several seeds.
            StoppedBatchingError: it raises for no trial alone.
        """
        broken: list[int] = []
        for place, index in enumerate(alive):
            own = batched.own(place, batches)
            alone = batched.alone(place, own)
            if alone is None:
                continue
            if not refuses_divergence(alone, batched.slices.weights(place), own):
                row, seed = self._trials[index]
                trial = named_trial(row.lr, seed, row.task.settings)
                raise TaskFailedError(
                    f"the task raised {type(alone).__name__} at step {step}, {trial}: {alone}"
                ) from alone
            broken.append(index)
        if not broken and raised_by_itself(error):  # it would raise for any trial, once
            raise TaskFailedError(
                f"the task raised {type(error).__name__} at step {step}: {error}"
            ) from error
        if not broken and isinstance(batched, BatchedSeeds):
            raise ApartError("torch cannot batch it with different batches") from error
        if not broken:
            raise StoppedBatchingError(
                f"the task can no longer be batched at step {step} ({type(error).__name__}: "
                f"{error}): use the sequential engine."
            ) from error
        self._cost -= sum(map(samples, batched.own(0, batches)))  # what raised went neither way
        for index in broken:
            self._losses[index].append(math.nan)
            self._tell(index, step, math.nan)
            self._end(index, "diverged")


def _finite(losses: Sequence[float]) -> list[int]:
    return [place for place, loss in enumerate(losses) if math.isfinite(loss)]
