"""The loss of all slices on the validation data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import islice

import torch
from torch import Tensor

from etastar.engine.vectorized.slices import Slices
from etastar.engine.vectorized.weights import Standing, loss_modules
from etastar.errors import EtastarError, TaskError, TaskFailedError
from etastar.tasks import Batch
from etastar.training.batches import move, one_pass, samples
from etastar.training.live import FORWARD_COST, Judge, LiveTask, beside
from etastar.training.preserved import RandomState
from etastar.training.preserved.random_state import GeneratorState
from etastar.training.randomness import generators
from etastar.training.refusal import refuses_divergence


class Evaluation:
    """Judges slices as `LiveTask.evaluate` judges one trial.

    Args:
        live: the task, whose trial has begun.

    Attributes:
        cost: sample gradients spent per slice.
    """

    def __init__(self, live: LiveTask) -> None:
        self.cost = 0.0
        self._live = live
        self._given: list[Batch] = []

    def losses(self, slices: Slices, width: int) -> list[float] | None:
        """The mean loss over the validation samples, for every slice.

        Args:
            slices: whose weights to judge.
            width: how many of them fit into memory at once.

        Returns:
            K losses, NaN where the task refused what divergence left; None for a task without
            validation data.

        Raises:
            TaskFailedError: the task's own code raised, and not for meeting NaN.
            EtastarError: the validation data are empty, or the loss is no scalar.
        """
        if self._live.task.valid is None:
            return None
        found: list[float] = []
        for first in range(0, slices.count, width):
            part = slices.part(slice(first, first + width))
            try:
                found += self.together(part)
            except EtastarError:
                raise
            except Exception:  # noqa: BLE001  one slice may spoil it for the others
                found += self.singly(part)
        return found

    def together(self, part: Slices, batches: int | None = None) -> list[float]:
        """The mean losses of some slices, batched.

        Args:
            part: the slices.
            batches: look at so many only.

        Returns:
            One for each.
        """
        return self._means(part.losses, batches)

    def singly(self, part: Slices) -> list[float]:
        """The mean losses of some slices, one after another.

        Returns:
            One for each; NaN where the task refused what divergence left.

        Raises:
            TaskFailedError: the task's own code raised, and not for meeting NaN.
            EtastarError: the validation data are empty, or the loss is no scalar.
        """
        return [
            self._mean(lambda batch, i=index: part.single(i, batch), part.weights(index))
            for index in range(part.count)
        ]

    def usual(self, batches: int | None = None) -> float:
        """The mean loss of the trial itself, computed as in the usual loop.

        Args:
            batches: look at so many only.

        Returns:
            NaN where the task refused what divergence left.

        Raises:
            TaskFailedError: the task's own code raised, and not for meeting NaN.
            EtastarError: the validation data are empty, or the loss is no scalar.
        """
        judge = self._judge

        def judged(batch: Batch) -> Tensor:
            with judge.autocast():
                return judge.loss(batch)

        return self._mean(judged, self._live.parts.trained(), batches)

    @property
    def _judge(self) -> Judge:
        judge = self._live.parts.judge
        if judge is None:
            raise RuntimeError("a task with a step of its own has no loss to batch")
        return judge

    def _mean(
        self,
        judge: Callable[[Batch], Tensor],
        weights: Iterable[Tensor],
        limit: int | None = None,
    ) -> float:
        """The mean loss of one model; NaN where the task refused what divergence left."""
        try:
            return self._means(lambda batch: judge(batch).reshape(1), limit)[0]
        except EtastarError:
            raise
        except Exception as error:
            if refuses_divergence(error, weights, self._given):
                return math.nan
            raise TaskFailedError(
                f"the task raised {type(error).__name__} while it was evaluated: {error}"
            ) from error

    def _means(self, judge: Callable[[Batch], Tensor], limit: int | None) -> list[float]:
        """Mean losses over the samples; modules and random generators stay as they are."""
        task, parts = self._live.task, self._live.parts
        if task.valid is None:
            raise RuntimeError("there is nothing to judge by")
        model, device = self._judge.model, parts.device
        standing = Standing(loss_modules(task, model))
        drawing = [GeneratorState(generator) for generator in generators(task.valid)]
        random = RandomState()
        total, count = torch.zeros((), dtype=torch.float64), 0
        model.eval()
        try:
            with (
                torch.no_grad(),
                beside(task.valid, task.train),
                one_pass(task.valid, "valid") as whole,
            ):
                for batch in islice(whole, limit):
                    moved = batch if device is None else move(batch, device)
                    self._given = [moved]
                    total = total + judge(moved).detach().cpu().double() * samples(moved)
                    count += samples(moved)
        finally:
            model.train()  # undoes whatever the module's own eval() did
            standing.restore()
            for generator in drawing:
                generator.restore()
            random.restore()
        if count == 0:
            raise TaskError("valid yields no batch: pass data with at least one, or valid=None.")
        self.cost = FORWARD_COST * count
        return (total / count).tolist()
