"""What a task's modules hold: frozen weights and buffers by name, and all that is no weight."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from etastar.tasks import Task


def loss_modules(task: Task, model: nn.Module) -> list[nn.Module]:
    """The modules that a task's loss computes with: the model, and its criterion's own.

    Returns:
        The model first.
    """
    others = [getattr(part, "__self__", part) for part in (task.criterion, task.loss)]
    return [model, *(part for part in others if isinstance(part, nn.Module) and part is not model)]


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


class Standing:
    """Buffers and attributes of some modules as they stand: a forward pass may count in them.

    Args:
        modules: which hold them.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        parts = {id(part): part for module in modules for part in module.modules()}.values()
        self._tables: list[tuple[dict[str, Any], dict[str, Any]]] = [
            (table, dict(table)) for part in parts for table in (vars(part), vars(part)["_buffers"])
        ]
        held = {id(b): b for part in parts for b in part.buffers(recurse=False)}.values()
        self._values = [(buffer, buffer._version, buffer.clone()) for buffer in held]

    @torch.no_grad()
    def restore(self) -> None:
        """Make them stand as they did."""
        for table, before in self._tables:
            for name in [name for name in table if name not in before]:
                del table[name]
            table.update(before)
        for buffer, version, value in self._values:
            if buffer._version != version:
                buffer.copy_(value)
