"""Settings of a task, written over the optimizer's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from etastar.tasks.settings import BETAS, Change, Group, changes


def apply_settings(
    optimizers: Sequence[torch.optim.Optimizer], settings: Mapping[str, float]
) -> None:
    """Write settings into the parameter groups, all of them or none.

    Groups keep their ratios; see `etastar.tasks.settings.changes`. Undoing it is the caller's.

    Args:
        optimizers: a setting goes to every group that has it.
        settings: numbers by name; `beta1` and `beta2` are those of `betas`.

    Raises:
        TaskError: an optimizer has no such setting, or cannot take the value.

    Examples:
        >>> import torch
        >>> optimizer = torch.optim.Adam(torch.nn.Linear(1, 1).parameters(), lr=0.1)
        >>> apply_settings([optimizer], {"beta1": 0.8, "weight_decay": 0.01})
        >>> optimizer.param_groups[0]["betas"], optimizer.param_groups[0]["weight_decay"]
        ((0.8, 0.999), 0.01)
    """
    for change in changes(optimizers, settings):
        write(change)


def groups_of(optimizers: Sequence[torch.optim.Optimizer]) -> list[Group]:
    """The parameter groups as they are now, in dicts of their own."""
    return [dict(group) for optimizer in optimizers for group in optimizer.param_groups]


def groups_under(
    optimizers: Sequence[torch.optim.Optimizer],
    unset: Sequence[Group],
    settings: Mapping[str, float],
) -> list[Group]:
    """The parameter groups as some settings would make them; the optimizers stay as they are.

    Args:
        optimizers: whose groups.
        unset: the groups before any setting was written, as `groups_of` gave them.
        settings: numbers by name, as for `apply_settings`.

    Returns:
        Groups in dicts of their own.

    Raises:
        TaskError: an optimizer has no such setting, or cannot take the value.
    """
    held = [group for optimizer in optimizers for group in optimizer.param_groups]
    now = groups_of(optimizers)
    try:
        for group, before in zip(held, unset, strict=True):
            group.update(before)
        apply_settings(optimizers, settings)
        return groups_of(optimizers)
    finally:
        for group, own in zip(held, now, strict=True):
            group.update(own)


def write(change: Change) -> None:
    """Write one number into its group."""
    group, name = change.group, change.name
    if name in BETAS:
        betas = list(group["betas"])
        betas[BETAS[name]] = _like(betas[BETAS[name]], change.value)
        group["betas"] = type(group["betas"])(betas)
    else:
        group[name] = _like(group[name], change.value)


def _like(now: object, value: float) -> object:
    """The value as what stands there now: a new tensor, an int where it counts, else a float."""
    if isinstance(now, torch.Tensor):
        return torch.full_like(now, value)
    return int(value) if isinstance(now, int) and value.is_integer() else value
