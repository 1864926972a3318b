"""A task whose trial trains at many rates and settings at once: the batched sister of `LiveTask`.

Shapes: K slices, one per trial; … the shape of a weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from etastar.engine.vectorized.clipping import clip_norm, clip_value
from etastar.engine.vectorized.evaluation import Evaluation
from etastar.engine.vectorized.noise import OwnNoise
from etastar.engine.vectorized.optimizer import SliceOptimizer
from etastar.engine.vectorized.slices import Slices, StoppedBatchingError
from etastar.engine.vectorized.weights import frozen_weights, loss_modules, named_buffers
from etastar.errors import TaskError
from etastar.tasks import Batch
from etastar.training.batches import move
from etastar.training.live import LiveTask


class BatchedTask:
    """K copies of a trial that has begun, trained side by side.

    Args:
        live: a live task, after its `begin`; its model and optimizer are taken over.
        moving: names of the buffers that training changes; see `proof`. Other buffers and
            frozen weights may be among them.
        count: K.
        noise: where every slice draws random numbers of its own from; shared ones without it.
        settings: of the optimizer, for every slice; None leaves all at the task's own.

    Raises:
        TaskError: the optimizer has no such setting, or cannot take the value.
    """

    def __init__(
        self,
        live: LiveTask,
        moving: Sequence[str],
        count: int,
        noise: OwnNoise | None = None,
        settings: Sequence[Mapping[str, float]] | None = None,
    ) -> None:
        self._task = live.task
        self._parts = parts = live.parts
        if parts.judge is None:
            raise RuntimeError("a task with a step of its own has no loss to batch")
        modules = loss_modules(live.task, parts.judge.model)
        trained = list(parts.trained())
        held = {**named_buffers(modules), **frozen_weights(modules, trained)}
        if missing := [name for name in moving if name not in held]:
            raise StoppedBatchingError(
                f"the model has changed since it was tried, it has no {missing[0]} now: use the "
                f"sequential engine, or a new task."
            )
        self.slices = Slices(
            loss=parts.judge.loss,
            autocast=parts.judge.autocast,
            modules=modules,
            trained=trained,
            moving=[held[name] for name in moving],
            count=count,
            noise=noise,
        )
        own = {id(parameter) for parameter in parts.judge.model.parameters()}
        self._clipped = [index for index, weight in enumerate(trained) if id(weight) in own]
        own = [live.task.settings] * count
        self._optimizer = SliceOptimizer(live, trained, self.slices, settings or own)

    def next_batches(self) -> list[Batch]:
        """The batches of the next update, as the sequential engine would be given them."""
        found = [self._parts.stream.next() for _ in range(self._task.accumulate)]
        device = self._parts.device
        return found if device is None else [move(batch, device) for batch in found]

    def backward(self, batches: Sequence[Batch]) -> tuple[list[float], list[Tensor | None]]:
        """Losses and gradients of every slice.

        Returns:
            Per slice the mean loss over the batches, or the first that is not finite; and per
            trained weight its gradient (K, …), None where the loss does not depend on it.

        Raises:
            TaskError: the loss depends on no weight.
        """
        rows: list[list[float]] = []
        total: list[Tensor | None] = []
        for batch in batches:
            losses, gradients = self.slices.gradients(batch, len(batches))
            rows.append(losses.tolist())
            total = (
                gradients
                if not total
                else [sum_of(*pair) for pair in zip(total, gradients, strict=True)]
            )
        if all(gradient is None for gradient in total):
            raise TaskError(
                "the loss reaches none of the optimizer's parameters: compute it from the very "
                "model that loss(model, batch) is given."
            )
        if len(rows) == 1:
            return rows[0], total
        return [_mean(column) for column in zip(*rows, strict=True)], total

    def alone(self, place: int, batches: Sequence[Batch]) -> Exception | None:
        """What the task raises for one slice without batching.

        Args:
            place: of the slice.
            batches: for which batching failed.

        Returns:
            The exception; None where it computes a loss, or stumbles over what batching left.
        """
        try:
            for batch in batches:
                device = self._parts.device
                self.slices.single(place, batch if device is None else move(batch, device))
        except Exception as error:  # noqa: BLE001  the user's loss may raise anything
            return None if "vmap" in str(error) else error
        return None

    def own(self, place: int, batches: Sequence[Batch]) -> Sequence[Batch]:  # noqa: ARG002  see seeds
        """The last batches as one slice is given them."""
        return batches

    def judged(self, evaluation: Evaluation, width: int) -> tuple[list[float] | None, list[float]]:
        """The losses of the slices on the validation data; see `Evaluation.losses`.

        Returns:
            The losses, and what each of them cost in sample gradients.
        """
        losses = evaluation.losses(self.slices, width)
        return losses, [evaluation.cost] * self.slices.count

    def update(self, rates: np.ndarray, gradients: Sequence[Tensor | None]) -> None:
        """Clip the gradients, and step every slice at its own rate.

        Args:
            rates: of the reference group, (K,) float64.
            gradients: as `backward` returned them, (K, …) each.
        """
        self._optimizer.step(rates, self.clipped(gradients))

    def clipped(self, gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
        """The gradients as the optimizer is given them.

        Returns:
            Per trained weight (K, …), or None.
        """
        task, found = self._task, list(gradients)
        for limit, clip in ((task.clip_norm, clip_norm), (task.clip_value, clip_value)):
            if limit is not None:
                held = [index for index in self._clipped if found[index] is not None]
                fixed = clip([g for index in held if (g := found[index]) is not None], limit)
                for index, gradient in zip(held, fixed, strict=True):
                    found[index] = gradient
        return found

    def keep(self, kept: Sequence[int]) -> None:
        """Drop all slices but some, so that the work shrinks.

        Args:
            kept: their indices.
        """
        self.slices.keep(kept)
        self._optimizer.keep(kept)


def sum_of(one: Tensor | None, two: Tensor | None) -> Tensor | None:
    """The sum of two gradients, of which None is that of a weight without one."""
    if one is None or two is None:
        return two if one is None else one
    return one + two


def _mean(losses: Sequence[float]) -> float:
    """The mean of the batches' losses; training stops at the first that is not finite."""
    broken = (loss for loss in losses if not math.isfinite(loss))
    return next(broken, sum(losses) / len(losses))
