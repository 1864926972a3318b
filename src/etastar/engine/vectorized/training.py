"""The trials of one seed, trained side by side.

Shapes: K slices, one per learning rate; S steps; … the shape of a weight.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from etastar.engine.contract import Lost
from etastar.engine.progress import Observer
from etastar.engine.sequential import Path, recorded, tail_steps
from etastar.engine.vectorized.batched import BatchedTask
from etastar.engine.vectorized.evaluation import Evaluation
from etastar.engine.vectorized.noise import OwnNoise
from etastar.engine.vectorized.slices import chosen
from etastar.errors import EtastarError, InputError, TaskFailedError
from etastar.records import Trial, TrialStatus
from etastar.tasks import Batch
from etastar.training.batches import samples
from etastar.training.live import LiveTask
from etastar.training.refusal import refuses_divergence


class StoppedBatchingError(InputError):
    """What was proven to be batchable is so no longer; nothing is wrong with the task."""


@dataclass(frozen=True)
class Plan:
    """What all trials of a call have in common."""

    path: Path
    moving: Sequence[str]  # see `proof`
    width: int  # slices that fit into memory in evaluation
    lost: Lost | None
    observer: Observer
    independent: bool = False  # whether every slice draws random numbers of its own


class SideBySide:
    """One training of several rates with one seed.

    Args:
        live: the task.
        plan: what the trials have in common.
        lrs: peak rates of the reference group.
        seed: of all trials.
        place: of the first of these rates among all.
    """

    def __init__(
        self, live: LiveTask, plan: Plan, lrs: Sequence[float], seed: int, place: int = 0
    ) -> None:
        self._live = live
        self._plan = plan
        self._lrs = lrs
        self._seed = seed
        self._place = place
        self._losses: list[list[float]] = []
        self._ended: dict[int, Trial] = {}
        self._heard = 0  # steps the observer was told of
        self._asked = 0  # steps after which the trials' hope was asked about
        self._cost = 0.0  # sample gradients of a trial still in training
        self._seconds = 0.0  # its share of the time
        self._clock = time.perf_counter()

    def run(self) -> list[Trial]:
        """Train.

        Returns:
            One trial per rate, in the order given.

        Raises:
            TaskFailedError: the task's own code raised.
            EtastarError: the parts do not fit together after all.
        """
        for lr in self._lrs:
            self._plan.observer.trial_started(lr, self._seed, len(self._plan.path.multipliers))
        alive = list(range(len(self._lrs)))
        while alive:
            alive = self._train(alive)
        return [self._ended[index] for index in range(len(self._lrs))]

    def _train(self, alive: list[int]) -> list[int]:
        """Train until all trials ended, or one of them made the task raise.

        Returns:
            The others in that case, to be trained again from the start: what they would have
            drawn at random in the broken step is lost.

        Raises:
            EtastarError: the parts do not fit together after all.
        """
        self._losses = [[] for _ in self._lrs]
        self._cost = 0.0
        self._live.begin(self._seed, len(self._plan.path.multipliers))
        noise = OwnNoise(self._seed, self._place) if self._plan.independent else None
        batched = BatchedTask(self._live, self._plan.moving, len(alive), noise)
        for step, multiplier in enumerate(self._plan.path.multipliers.tolist()):
            batches = self._next_batches(batched, step)
            try:
                losses, gradients = batched.backward(batches)
            except EtastarError:
                raise
            except Exception as error:  # noqa: BLE001  the user's loss may raise anything
                return self._without_broken(batched, alive, batches, step, error)
            self._hear(alive, step, losses)
            alive, gradients = self._drop(batched, alive, gradients, _finite(losses))
            if not alive:
                return []
            rates = np.array([self._lrs[index] for index in alive]) * multiplier
            batched.update(rates, gradients)
            alive = self._stop(batched, alive, step)
            if not alive:
                return []
        self._judge(batched, alive)
        return []

    def _next_batches(self, batched: BatchedTask, step: int) -> list[Batch]:
        try:
            batches = batched.next_batches()
        except EtastarError:
            raise
        except Exception as error:  # the user's data may raise anything
            raise TaskFailedError(
                f"the task's data raised {type(error).__name__} at step {step}: {error}"
            ) from error
        self._cost += sum(map(samples, batches))
        return batches

    def _hear(self, alive: Sequence[int], step: int, losses: Sequence[float]) -> None:
        for index, loss in zip(alive, losses, strict=True):
            self._losses[index].append(loss)
            if step >= self._heard:
                self._plan.observer.stepped(self._lrs[index], step, loss)
        self._heard = max(self._heard, step + 1)
        self._spend(len(alive))

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
        if lost is None or step < self._asked:
            return alive
        self._asked = step + 1
        horizon = len(self._plan.path.multipliers)
        kept: list[int] = []
        for place, index in enumerate(alive):
            if lost(self._losses[index], horizon):
                self._end(index, "stopped")
            else:
                kept.append(place)
        if kept and len(kept) < len(alive):
            batched.keep(kept)
        return [alive[place] for place in kept]

    def _judge(self, batched: BatchedTask, alive: Sequence[int]) -> None:
        """End the trials that made all their steps."""
        evaluation = Evaluation(self._live)
        judged = evaluation.losses(batched.slices, self._plan.width)
        sound = batched.slices.sound()
        self._cost += evaluation.cost
        self._spend(len(alive))
        for place, index in enumerate(alive):
            losses = self._losses[index]
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
        trial = recorded(
            self._live.task,
            self._lrs[index],
            self._seed,
            self._plan.path,
            self._losses[index],
            status=status,
            final_loss=final,
            sample_gradients=self._cost,
            seconds=self._seconds,
        )
        self._ended[index] = trial
        self._plan.observer.trial_ended(trial)

    def _spend(self, alive: int) -> None:
        """Share the time since the last look among the trials in training."""
        now = time.perf_counter()
        self._seconds += (now - self._clock) / alive
        self._clock = now

    def _without_broken(
        self,
        batched: BatchedTask,
        alive: Sequence[int],
        batches: Sequence[Batch],
        step: int,
        error: Exception,
    ) -> list[int]:
        """Find the trials that made the task raise, and end those that met divergence.

        Returns:
            The others.

        Raises:
            TaskFailedError: the task's code raised for another reason.
            StoppedBatchingError: it raises for no trial alone.
        """
        broken: list[int] = []
        for place, index in enumerate(alive):
            alone = batched.alone(place, batches)
            if alone is None:
                continue
            if not refuses_divergence(alone, batched.slices.weights(place), batches):
                lr = self._lrs[index] * self._plan.path.multipliers[step]
                raise TaskFailedError(
                    f"the task raised {type(alone).__name__} at step {step}, learning rate "
                    f"{lr:.3g}: {alone}"
                ) from alone
            broken.append(index)
        if not broken:
            raise StoppedBatchingError(
                f"the task can no longer be batched at step {step} ({type(error).__name__}: "
                f"{error}): use the sequential engine."
            ) from error
        self._cost -= sum(map(samples, batches))  # what raised went neither way
        for index in broken:
            self._losses[index].append(math.nan)
            if step >= self._heard:
                self._plan.observer.stepped(self._lrs[index], step, math.nan)
            self._end(index, "diverged")
        return [index for index in alive if index not in broken]


def _finite(losses: Sequence[float]) -> list[int]:
    return [place for place, loss in enumerate(losses) if math.isfinite(loss)]
