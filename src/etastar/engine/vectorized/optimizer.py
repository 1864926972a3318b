"""The user's own optimizer, stepped once for all slices, with one rate per slice.

Most optimizers move a weight by the rate times something that the rate has no part in. For
those it is enough to step once, at rate 1, on zeros that carry the slices' gradients: what
they have become is the move, and each slice scales its own. Weight decay is the one term that
looks at the weights themselves, so it is taken out of the optimizer and done here.

Shapes: K slices, one per learning rate; … the shape of a weight.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from etastar.engine.vectorized.slices import Slices, chosen, copies_of
from etastar.training.other_schedules import OtherSchedules
from etastar.training.settings import write

LINEAR: tuple[type[torch.optim.Optimizer], ...] = (
    torch.optim.SGD,
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.Adamax,
    torch.optim.RMSprop,
    torch.optim.Adagrad,
    torch.optim.Adadelta,
)
"""Optimizers whose update is the rate times what does not depend on it, element by element."""

_COUNTERS = ("step", "mu_product")
"""State that counts updates: one number for all slices, since they make them together."""


@dataclass
class _Group:
    """A parameter group: the weights it trains, and how they decay."""

    settings: dict[str, Any]
    weights: list[int]  # indices among the slices' trained weights
    zeros: list[Tensor]  # each (K, …); what the optimizer believes to train
    ratio: float  # of its rate to the reference group's
    decay: float
    decoupled: bool


class SliceOptimizer:
    """Steps all slices, each at its own rate.

    Takes the user's optimizer over: its groups hold the zeros from now on, and its state that
    of all slices.

    Args:
        optimizer: one of `LINEAR`, over the weights the slices were made from.
        ratios: each group's rate over the reference group's.
        originals: the trained weights, in the order of the slices' own.
        slices: what to step.
        others: numbers that are scheduled beside the rate, one for all slices.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        ratios: Sequence[float],
        originals: Sequence[Tensor],
        slices: Slices,
        others: OtherSchedules,
    ) -> None:
        self._optimizer = optimizer
        self._slices = slices
        self._others = others
        self._steps = 0
        order = {id(tensor): index for index, tensor in enumerate(originals)}
        states = {id(tensor): state for tensor, state in optimizer.state.items()}
        optimizer.state.clear()
        self._groups: list[_Group] = []
        for settings, ratio in zip(optimizer.param_groups, ratios, strict=True):
            weights = [order[id(p)] for p in settings["params"] if id(p) in order]
            zeros = [torch.zeros_like(slices.trained[index]).detach() for index in weights]
            for index, zero in zip(weights, zeros, strict=True):
                state = states.get(id(originals[index]))
                if state:
                    optimizer.state[zero] = _spread(state, slices.count)
            self._groups.append(
                _Group(settings, weights, zeros, ratio, *_decay(optimizer, settings))
            )
            settings.update(params=zeros, lr=1.0, weight_decay=0.0)

    @torch.no_grad()
    def step(self, rates: np.ndarray, gradients: Sequence[Tensor | None]) -> None:
        """Apply one update.

        Args:
            rates: of the reference group, (K,) float64.
            gradients: per trained weight (K, …); a weight without one stays as it is.
        """
        weights = self._slices.trained
        self._follow_schedules()
        for group in self._groups:
            for index, zero in zip(group.weights, group.zeros, strict=True):
                zero.grad = _decayed(gradients[index], weights[index], group)
        self._optimizer.step()
        for group in self._groups:
            own = rates * group.ratio
            for index, move in zip(group.weights, group.zeros, strict=True):
                if gradients[index] is None:
                    continue
                weight = weights[index]
                if group.decoupled and group.decay:
                    weight.mul_(_per_slice(1 - own * group.decay, weight))
                weight.addcmul_(move, _per_slice(own, weight))
                move.zero_()
                move.grad = None

    def _follow_schedules(self) -> None:
        """Write the step's other numbers: weight decay here, the rest into the optimizer."""
        for change in self._others.at(self._steps):
            if change.name == "weight_decay":
                (own,) = (group for group in self._groups if group.settings is change.group)
                own.decay = change.value
            else:
                write(change)
        self._steps += 1

    def keep(self, kept: Sequence[int]) -> None:
        """Drop all slices but some.

        Args:
            kept: their indices.
        """
        state = self._optimizer.state
        for group in self._groups:
            for place, zero in enumerate(group.zeros):
                fewer = chosen(zero, kept)
                if zero in state:
                    state[fewer] = {
                        name: value if _shared(name, value) else chosen(value, kept)
                        for name, value in state.pop(zero).items()
                    }
                group.zeros[place] = fewer
            group.settings["params"] = group.zeros


def _decay(optimizer: torch.optim.Optimizer, settings: dict[str, Any]) -> tuple[float, bool]:
    """The weight decay of a group, and whether it bypasses the gradient."""
    always = isinstance(optimizer, torch.optim.AdamW)
    decoupled = always or bool(settings.get("decoupled_weight_decay", False))
    return float(settings.get("weight_decay", 0.0)), decoupled


def _decayed(gradient: Tensor | None, weight: Tensor, group: _Group) -> Tensor | None:
    """The gradient with coupled decay in it: the optimizer turns it round where it maximizes."""
    if gradient is None:
        return None
    if group.settings.get("fused"):
        gradient = gradient.contiguous()  # its kernels take that for granted
    if group.decoupled or group.decay == 0:
        return gradient
    sign = -1.0 if group.settings.get("maximize", False) else 1.0
    return gradient.add(weight, alpha=sign * group.decay)


def _per_slice(numbers: np.ndarray, like: Tensor) -> Tensor:
    shape = (len(numbers), *[1] * (like.dim() - 1))
    return torch.from_numpy(numbers).to(like.device, like.dtype).view(shape)


def _spread(state: dict[str, Any], count: int) -> dict[str, Any]:
    """The state of one weight as that of all its copies."""
    return {
        name: copy.deepcopy(value) if _shared(name, value) else copies_of(value, count)
        for name, value in state.items()
    }


def _shared(name: str, value: Any) -> bool:
    return name in _COUNTERS or not isinstance(value, Tensor)
