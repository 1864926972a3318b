"""One applied optimizer update, in each of the ways a training loop does it."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from numbers import Real
from typing import Any, NamedTuple

import torch

from etastar.errors import TaskError
from etastar.tasks import Batch, Task
from etastar.training.loss import BatchLoss, differentiable


class Updated(NamedTuple):
    """What came of an update."""

    loss: float  # at the weights before it
    applied: bool  # False where the scaler skipped it, or the loss was not finite
    passes: int = 1  # forward and backward passes over the batches


class AbstractUpdate(ABC):
    """An update as a function of its batches."""

    @abstractmethod
    def __call__(self, batches: Sequence[Batch]) -> Updated:
        """Compute the gradient of the mean loss over `batches` and apply it.

        Returns:
            The loss and whether weights moved. A loss that is not finite moves none.
        """


class PlainUpdate(AbstractUpdate):
    """Backward and step, on one batch at full precision: the shortest way, and the commonest."""

    def __init__(self, loss: BatchLoss, optimizer: torch.optim.Optimizer) -> None:
        self._loss = loss
        self._optimizer = optimizer
        self._clear = clearing(optimizer)
        self._reached = False

    def __call__(self, batches: Sequence[Batch]) -> Updated:
        """Step along the gradient of the one batch.

        Returns:
            Its loss; not applied where that is not finite.
        """
        optimizer = self._optimizer
        self._clear()
        loss = differentiable(self._loss(batches[0]))
        value = loss.item()
        if not math.isfinite(value):
            return Updated(value, applied=False)
        loss.backward()
        if not self._reached:
            check_reached(optimizer)
            self._reached = True
        optimizer.step()
        return Updated(value, applied=True)


class GradientUpdate(AbstractUpdate):
    """Backward, clip, step, in any precision and over any number of batches."""

    def __init__(
        self,
        task: Task,
        loss: BatchLoss,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        device: torch.device,
    ) -> None:
        self._loss = loss
        self._optimizer = optimizer
        self._autocast = autocast(task, device)
        self._scaler = task.scaler
        if task.autocast == "float16" and task.scaler is None:
            self._scaler = torch.amp.GradScaler(device.type)
        self._clip = clipper(task, model)
        self._reached = False

    def __call__(self, batches: Sequence[Batch]) -> Updated:
        """Accumulate the gradients of all batches, clip them, and step.

        Returns:
            The mean loss; not applied where the scaler skipped or a loss was not finite.
        """
        self._optimizer.zero_grad()
        total = 0.0
        for batch in batches:
            with self._autocast():
                loss = self._loss(batch)
            value = differentiable(loss).item()
            total += value
            if not math.isfinite(value):
                return Updated(value, applied=False)
            if len(batches) > 1:
                loss = loss / len(batches)
            (loss if self._scaler is None else self._scaler.scale(loss)).backward()
        if not self._reached:
            check_reached(self._optimizer)
            self._reached = True
        return Updated(total / len(batches), applied=self._apply())

    def _apply(self) -> bool:
        if self._scaler is None:
            if self._clip is not None:
                self._clip()
            self._optimizer.step()
            return True
        if self._clip is not None:
            self._scaler.unscale_(self._optimizer)
            self._clip()
        before = self._scaler.get_scale()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return self._scaler.get_scale() >= before  # it backs off exactly when it skipped


class _NotFiniteError(Exception):
    """Leaves an optimizer's step before it moves the weights by NaN."""


class ClosureUpdate(AbstractUpdate):
    """For optimizers that evaluate the loss several times per step, such as LBFGS."""

    def __init__(
        self,
        task: Task,
        loss: BatchLoss,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        device: torch.device,
    ) -> None:
        if task.scaler is not None or task.autocast == "float16":
            raise TaskError(
                f"{type(optimizer).__name__} evaluates the loss several times per step, which a "
                f"GradScaler cannot follow: train without float16, or with another optimizer."
            )
        self._loss = loss
        self._optimizer = optimizer
        self._autocast = autocast(task, device)
        self._clip = clipper(task, model)

    def __call__(self, batches: Sequence[Batch]) -> Updated:
        """Step with a closure over all batches.

        Returns:
            The first evaluation's mean loss, and how many evaluations there were.
        """
        values: list[float] = []

        def closure() -> torch.Tensor:
            self._optimizer.zero_grad(set_to_none=True)
            total = torch.zeros(())
            for batch in batches:
                with self._autocast():
                    loss = differentiable(self._loss(batch))
                if len(batches) > 1:
                    loss = loss / len(batches)
                loss.backward()
                total = total + loss.detach().cpu()
            if not values:
                check_reached(self._optimizer)
            values.append(total.item())
            if not math.isfinite(values[0]):
                raise _NotFiniteError
            if self._clip is not None:
                self._clip()
            return total

        try:
            self._optimizer.step(closure)  # type: ignore[arg-type]  # torch types closures as float
        except _NotFiniteError:
            return Updated(values[0], applied=False)
        return Updated(values[0], applied=True, passes=len(values))


def update_of(
    task: Task,
    loss: BatchLoss,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
) -> AbstractUpdate:
    """The shortest update that does all the task asks for.

    Returns:
        The update.

    Raises:
        TaskError: a gradient scaler was given to an optimizer that needs a closure.
    """
    if needs_closure(optimizer):
        return ClosureUpdate(task, loss, model, optimizer, device)
    precise = task.autocast is None and task.scaler is None
    if precise and task.accumulate == 1 and clipper(task, model) is None:
        return PlainUpdate(loss, optimizer)
    return GradientUpdate(task, loss, model, optimizer, device)


class OwnUpdate(AbstractUpdate):
    """The task's own `step(batch)`, which does everything itself."""

    def __init__(self, step: Callable[[Batch], torch.Tensor | float]) -> None:
        self._step = step

    def __call__(self, batches: Sequence[Batch]) -> Updated:
        """Let the task do its update.

        Returns:
            The loss it returned.
        """
        value = number(self._step(batches[0]), "step(batch)")
        return Updated(value, applied=math.isfinite(value))


def clearing(optimizer: torch.optim.Optimizer) -> Callable[[], object]:
    """How to let go of the gradients: torch's way without its bookkeeping for a profiler.

    Returns:
        The optimizer's own `zero_grad` where it has one.
    """
    own: Any = optimizer.zero_grad
    if getattr(own, "__func__", None) is not torch.optim.Optimizer.zero_grad:
        return own

    def clear() -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    return clear


def check_reached(optimizer: torch.optim.Optimizer) -> None:
    """Refuse a loss whose gradient moves nothing, once it has been computed.

    Raises:
        TaskError: none of the optimizer's parameters has a gradient.
    """
    if all(p.grad is None for group in optimizer.param_groups for p in group["params"]):
        raise TaskError(
            "the loss reaches none of the optimizer's parameters: compute it from the very model "
            "that loss(model, batch) is given."
        )


def needs_closure(optimizer: torch.optim.Optimizer) -> bool:
    """Whether `optimizer.step` cannot be called without a closure.

    Returns:
        True for LBFGS and its like.
    """
    parameters = inspect.signature(type(optimizer).step).parameters
    closure = parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty


def autocast(task: Task, device: torch.device) -> Callable[[], AbstractContextManager[Any]]:
    """The task's mixed precision as a maker of contexts.

    Returns:
        A function to call before every forward pass.
    """
    if task.autocast is None:
        return nullcontext
    dtype = torch.float16 if task.autocast == "float16" else torch.bfloat16
    return lambda: torch.autocast(device.type, dtype=dtype)


def clipper(task: Task, model: torch.nn.Module) -> Callable[[], object] | None:
    """The task's gradient clipping.

    Returns:
        A function to call between backward and step, or None.
    """
    norm, value = task.clip_norm, task.clip_value
    if norm is None and value is None:
        return None

    def clip() -> None:
        if norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), norm)
        if value is not None:
            torch.nn.utils.clip_grad_value_(model.parameters(), value)

    return clip


def number(value: torch.Tensor | float, source: str) -> float:
    """A loss that user code returned, as a number.

    Returns:
        The float.

    Raises:
        TaskError: it is no scalar.
    """
    if isinstance(value, torch.Tensor):
        if value.numel() != 1:
            raise TaskError(
                f"{source} returned a tensor of shape {tuple(value.shape)}: return a scalar loss."
            )
        return value.item()
    if isinstance(value, bool) or not isinstance(value, Real):  # NumPy's floats are Real
        raise TaskError(
            f"{source} returned a {type(value).__name__}: return the loss, a scalar tensor or "
            f"float."
        )
    return float(value)
