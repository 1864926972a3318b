"""Models and optimizers from a task: its own objects, or new ones by its factories."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from etastar.errors import TaskError
from etastar.tasks import Task, is_instance


class Built(NamedTuple):
    """What a trial trains."""

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    new: list[Any]  # those of them that a factory made for this trial


def built(task: Task) -> Built:
    """The task's model and optimizer, made by its factories where it has any.

    Returns:
        Both, the model on the task's device.

    Raises:
        TaskError: a factory returned something else, or no optimizer is to be had.
    """
    made: Any = task.model
    optimizer: Any = task.optimizer
    new: list[Any] = []
    if not is_instance(made):
        made = made()
        if isinstance(made, tuple):
            made, optimizer = _pair(made, optimizer)
            new.append(optimizer)
        elif optimizer is None:
            raise TaskError(
                "optimizer= is missing: pass a function params -> optimizer, or let the "
                "model's factory return (model, optimizer)."
            )
        _check_made(made, "model", "parameters", "a torch.nn.Module")
        new.append(made)
        if task.device is not None:
            made = made.to(full_device(task.device))
    if not is_instance(optimizer):
        optimizer = optimizer(made.parameters())
        _check_made(optimizer, "optimizer", "param_groups", "a torch.optim.Optimizer")
        new.append(optimizer)
    if any(part is optimizer for part in new):
        _own_rates(optimizer)
    return Built(made, optimizer, new)


def _pair(made: tuple[Any, ...], optimizer: Any) -> tuple[Any, Any]:
    if optimizer is not None:
        raise TaskError(
            "the model's factory returned an optimizer and optimizer= was given too: drop one of "
            "them."
        )
    if len(made) != 2:
        raise TaskError(
            f"the model's factory returned {len(made)} objects: return the module, or "
            f"(module, optimizer)."
        )
    _check_made(made[1], "optimizer", "param_groups", "a torch.optim.Optimizer")
    return made


def _own_rates(optimizer: torch.optim.Optimizer) -> None:
    """Give each group a rate of its own: one held in a tensor, which trials write, may be shared.

    The factory hands the same tensor to the next trial, as its own rate.
    """
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"] = group["lr"].clone()


def _check_made(part: Any, name: str, attribute: str, needed: str) -> None:
    if not hasattr(part, attribute) or isinstance(part, type):
        raise TaskError(
            f"the factory of the {name} returned a {type(part).__name__}: return {needed}."
        )


def device_for(model: torch.nn.Module, wanted: str | torch.device | None) -> torch.device:
    """Where the batches go: to the model, or to the part of it that is where `device=` says."""
    places = [parameter.device for parameter in model.parameters()]
    if wanted is None:
        return places[0]
    device = full_device(wanted)
    if device not in places:
        raise TaskError(
            f"the model is on {places[0]} but device={str(wanted)!r}: move it there before "
            f"building its optimizer, or drop device=."
        )
    return device


def full_device(device: str | torch.device) -> torch.device:
    """The device with its number, as tensors report it.

    Returns:
        The device.

    Raises:
        TaskError: there is no such device here.
    """
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:  # torch built without it asserts
        raise TaskError(
            f"device={str(device)!r} cannot be used ({str(error).splitlines()[0]}): pass one that "
            f"torch finds here, or drop device=."
        ) from error
