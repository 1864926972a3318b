"""A task whose trial trains at many rates and settings at once: the batched sister of `LiveTask`.

Shapes: K slices, one per trial; … the shape of a weight.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from torch import Tensor, nn

from etastar.engine.vectorized.clipping import clip_norm, clip_value
from etastar.engine.vectorized.evaluation import Evaluation
from etastar.engine.vectorized.noise import OwnNoise
from etastar.engine.vectorized.optimizer import SliceOptimizer
from etastar.engine.vectorized.slices import Slices
from etastar.errors import TaskError
from etastar.tasks import Batch, Task
from etastar.training.batches import move
from etastar.training.live import LiveTask, Parts


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
        trained = trained_weights(parts)
        held = {**named_buffers(modules), **frozen_weights(modules, trained)}
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
                else [_sum(*pair) for pair in zip(total, gradients, strict=True)]
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


def loss_modules(task: Task, model: nn.Module) -> list[nn.Module]:
    """The modules that a task's loss computes with: the model, and its criterion's own.

    Returns:
        The model first.
    """
    others = [getattr(part, "__self__", part) for part in (task.criterion, task.loss)]
    return [model, *(part for part in others if isinstance(part, nn.Module) and part is not model)]


def trained_weights(parts: Parts) -> list[nn.Parameter]:
    """The weights that the optimizer moves, in its own order; frozen ones are left out."""
    return [parameter for parameter in parts.parameters() if parameter.requires_grad]


def frozen_weights(modules: Iterable[nn.Module], trained: Iterable[Tensor]) -> dict[str, Tensor]:
    """The weights that are not trained, by names like those of buffers."""
    others = {id(weight) for weight in trained}
    return {
        f"{index}.{name}": weight
        for index, module in enumerate(modules)
        for name, weight in module.named_parameters()
        if id(weight) not in others
    }


def named_buffers(modules: Iterable[nn.Module]) -> dict[str, Tensor]:
    """The buffers of some modules, by a name that tells the modules apart."""
    return {
        f"{index}.{name}": buffer
        for index, module in enumerate(modules)
        for name, buffer in module.named_buffers()
    }


def _sum(one: Tensor | None, two: Tensor | None) -> Tensor | None:
    if one is None or two is None:
        return two if one is None else one
    return one + two


def _mean(losses: Sequence[float]) -> float:
    """The mean of the batches' losses; training stops at the first that is not finite."""
    broken = (loss for loss in losses if not math.isfinite(loss))
    return next(broken, sum(losses) / len(losses))
