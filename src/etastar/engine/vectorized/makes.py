"""Whether what factories built for several seeds differs in its weights only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_REGISTERS = {"_parameters", "_buffers", "_modules"}
_PLAIN = (bool, int, float, complex, str, bytes, type(None), set, frozenset, torch.Size)


def same_modules(ours: Sequence[nn.Module], others: Sequence[nn.Module]) -> bool:
    """Whether modules are built alike: the same parts with the same attributes, weights apart.

    What cannot be compared counts as different.

    Returns:
        True only where that is certain.
    """
    return len(ours) == len(others) and all(map(_same_module, ours, others))


def same_optimizer(one: torch.optim.Optimizer, other: torch.optim.Optimizer) -> bool:
    """Whether optimizers are alike: their groups' settings and sizes, and both untrained.

    Returns:
        True only where that is certain.
    """
    if one is other:
        return True
    if type(one) is not type(other) or one.state or other.state:
        return False
    return len(one.param_groups) == len(other.param_groups) and all(
        map(_same_group, one.param_groups, other.param_groups)
    )


def _same_module(one: nn.Module, other: nn.Module) -> bool:
    if one is other:
        return True
    ours, others = dict(one.named_modules()), dict(other.named_modules())
    return (
        [*ours] == [*others]
        and _shapes(one) == _shapes(other)
        and all(type(a) is type(b) for a, b in zip(ours.values(), others.values(), strict=True))
        and all(
            _same(_attributes(a), _attributes(b))
            for a, b in zip(ours.values(), others.values(), strict=True)
        )
    )


def _shapes(module: nn.Module) -> list[tuple[Any, ...]]:
    """The weights and buffers, tied ones as often as they are held."""
    order: dict[int, int] = {}
    tensors = (
        *module.named_parameters(remove_duplicate=False),
        *module.named_buffers(remove_duplicate=False),
    )
    return [
        (n, t.shape, t.dtype, t.device, t.requires_grad, order.setdefault(id(t), len(order)))
        for n, t in tensors
    ]


def _attributes(module: nn.Module) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if name not in _REGISTERS}


def _same_group(one: dict[str, Any], other: dict[str, Any]) -> bool:
    shapes = [[weight.shape for weight in group["params"]] for group in (one, other)]
    ours, others = ({**group, "params": None} for group in (one, other))
    return shapes[0] == shapes[1] and _same(ours, others)


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return [*one] == [*other] and all(map(_same, one.values(), other.values()))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return _same_value(one, other)


def _same_value(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.dtype != object and np.array_equal(one, other)
    return isinstance(one, _PLAIN) and one == other
