"""The loss of a batch, whichever way the task gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from etastar.errors import TaskError
from etastar.tasks import Batch, Task

BatchLoss = Callable[[Batch], torch.Tensor]


def batch_loss(task: Task, model: torch.nn.Module) -> BatchLoss:
    """The task's loss as a function of the batch alone.

    Returns:
        `batch -> scalar tensor`, for `loss(model, batch)`, for `criterion(output, target)`,
        or for a model whose output carries its loss.
    """
    if task.loss is not None:
        loss = task.loss
        return lambda batch: scalar(loss(model, batch))
    if task.criterion is not None:
        criterion = task.criterion
        return lambda batch: scalar(_criterion_loss(criterion, model, batch))
    return lambda batch: scalar(_carried_loss(model, batch))


def scalar(loss: Any) -> torch.Tensor:
    """Refuse a loss that cannot be minimised.

    Returns:
        `loss` itself, a tensor with one element.

    Raises:
        TaskError: it is not a tensor, or has more than one element.
    """
    if not isinstance(loss, torch.Tensor):
        raise TaskError(
            f"the loss is a {type(loss).__name__}: return the scalar tensor itself, without "
            f".item() or float()."
        )
    if loss.numel() != 1:
        raise TaskError(
            f"the loss has shape {tuple(loss.shape)}: return a scalar, for instance loss.mean()."
        )
    return loss


def differentiable(loss: torch.Tensor) -> torch.Tensor:
    """Refuse a training loss without a gradient.

    Returns:
        `loss` itself.

    Raises:
        TaskError: no trainable parameter took part in it.
    """
    if not loss.requires_grad:
        raise TaskError(
            "the loss depends on no trainable parameter: compute it from this model's output, "
            "without detach() or no_grad()."
        )
    return loss


def _criterion_loss(
    criterion: Callable[..., torch.Tensor], model: torch.nn.Module, batch: Batch
) -> torch.Tensor:
    if not isinstance(batch, tuple | list) or len(batch) < 2:
        raise TaskError(
            f"criterion= needs batches (input, ..., target), and one is a "
            f"{type(batch).__name__}: pass loss(model, batch) instead."
        )
    *inputs, target = batch
    return criterion(model(*inputs), target)


def _carried_loss(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    if isinstance(batch, Mapping):
        output = model(**batch)
    elif isinstance(batch, tuple | list):
        output = model(*batch)
    else:
        output = model(batch)
    loss = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    if loss is None:
        raise TaskError(
            f"the model's output ({type(output).__name__}) carries no loss: pass "
            f"loss(model, batch), or criterion(output, target)."
        )
    return loss
