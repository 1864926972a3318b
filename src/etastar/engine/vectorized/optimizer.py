"""The user's own optimizer, stepped once for all slices, with one rate per slice.

Most optimizers move a weight by the rate times something that the rate has no part in. For
those it is enough to step once, at rate 1, on zeros that carry the slices' gradients: what
they have become is the move, and each slice scales its own. Weight decay is the one term that
looks at the weights themselves, so it is taken out of the optimizer and done here, at each
slice's own.

Other settings are numbers of a parameter group. Slices side by side that have the same are of a
kind, and each kind has parameter groups of its own, over its range of the zeros.

Shapes: K slices; … the shape of a weight.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from etastar.engine.vectorized.slices import Slices, chosen, copies_of
from etastar.tasks.settings import Group
from etastar.training.live import LiveTask
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


Kind = tuple[tuple[str, float], ...]
"""Settings that slices of a kind have in common, by name."""


def kind_of(settings: Mapping[str, float]) -> Kind:
    """What the optimizer has to know of a slice's settings: all but the weight decay."""
    return tuple(sorted((n, value) for n, value in settings.items() if n != "weight_decay"))


@dataclass
class _Group:
    """A parameter group of the user's: the weights it trains, and how they decay."""

    own: Group
    weights: list[int]  # indices among the slices' trained weights
    ratio: float  # of its rate to the reference group's
    decay: np.ndarray  # (K,)
    decoupled: bool


class SliceOptimizer:
    """Steps all slices, each at its own rate and settings.

    Takes the user's optimizer over: its parameter groups are those of the kinds from now on, and
    its state that of all slices.

    Args:
        live: the task, whose trial has begun; its optimizer is one of `LINEAR`.
        originals: the trained weights, in the order of the slices' own.
        slices: what to step.
        settings: of every slice; those of a kind had better lie side by side.

    Raises:
        TaskError: the optimizer has no such setting, or cannot take the value.
    """

    def __init__(
        self,
        live: LiveTask,
        originals: Sequence[Tensor],
        slices: Slices,
        settings: Sequence[Mapping[str, float]],
    ) -> None:
        (self._optimizer,) = live.parts.optimizers
        self._slices = slices
        self._others = live.others
        self._steps = 0
        own: list[Group] = list(self._optimizer.param_groups)
        every = _under(live, settings)
        order = {id(tensor): index for index, tensor in enumerate(originals)}
        self._groups = [
            _Group(
                own=group,
                weights=[order[id(p)] for p in group["params"] if id(p) in order],
                ratio=ratio,
                decay=np.array([float(each[g].get("weight_decay", 0.0)) for each in every]),
                decoupled=_is_decoupled(self._optimizer, group),
            )
            for g, (group, ratio) in enumerate(zip(own, live.rates.ratios, strict=True))
        ]
        self._places = {id(group): place for place, group in enumerate(own)}
        runs = [len(list(same)) for _, same in groupby(map(kind_of, settings))]
        starts = np.cumsum([0, *runs[:-1]])
        self._rows = np.repeat(np.arange(len(runs)), runs)  # the kind of every slice, (K,)
        self._kinds: list[list[Group]] = [
            [{**group, "lr": 1.0, "weight_decay": 0.0} for group in every[start]]
            for start in starts
        ]
        states = {id(tensor): state for tensor, state in self._optimizer.state.items()}
        self._lay_out()
        self._optimizer.state.clear()
        for row, kind in enumerate(self._kinds):
            count = int((self._rows == row).sum())
            for zero, index in self._trained(kind):
                state = states.get(id(originals[index]))
                if state:
                    self._optimizer.state[zero] = _spread(state, count)

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
            for index in group.weights:
                gradient = _decayed(gradients[index], weights[index], group)
                self._hand_out(index, gradient)
        self._optimizer.step()
        for group in self._groups:
            own = rates * group.ratio
            for index in group.weights:
                if gradients[index] is None:
                    continue
                weight, move = weights[index], self._zeros[index]
                if group.decoupled and group.decay.any():
                    weight.mul_(_per_slice(1 - own * group.decay, weight))
                weight.addcmul_(move, _per_slice(own, weight))
                move.zero_()
                self._hand_out(index, None)

    def keep(self, kept: Sequence[int]) -> None:
        """Drop all slices but some.

        Args:
            kept: their indices.
        """
        old = self._optimizer.state.copy()
        before = [[*self._trained(kind)] for kind in self._kinds]
        left = [
            np.flatnonzero(np.isin(np.flatnonzero(self._rows == row), kept)).tolist()
            for row in range(len(self._kinds))
        ]
        there = [row for row, places in enumerate(left) if places]
        self._rows = np.searchsorted(there, self._rows[list(kept)])
        self._kinds = [self._kinds[row] for row in there]
        self._groups = [replace(group, decay=group.decay[list(kept)]) for group in self._groups]
        self._lay_out()
        self._optimizer.state.clear()
        for row, kind in zip(there, self._kinds, strict=True):
            for (zero, _), (fewer, _) in zip(before[row], self._trained(kind), strict=True):
                if zero in old:
                    self._optimizer.state[fewer] = {
                        name: value if _is_shared(name, value) else chosen(value, left[row])
                        for name, value in old[zero].items()
                    }

    def _lay_out(self) -> None:
        """Make the zeros, and give every kind its range of them."""
        self._zeros = [torch.zeros_like(copies).detach() for copies in self._slices.trained]
        ends = np.cumsum(np.bincount(self._rows)).tolist()
        self._ranges = [slice(*pair) for pair in zip([0, *ends], ends, strict=False)]
        self._parts = [[zeros[part] for part in self._ranges] for zeros in self._zeros]
        for row, kind in enumerate(self._kinds):
            for group, own in zip(kind, self._groups, strict=True):
                group["params"] = [self._parts[index][row] for index in own.weights]
        self._optimizer.param_groups = [group for kind in self._kinds for group in kind]

    def _trained(self, kind: Sequence[Group]) -> list[tuple[Tensor, int]]:
        """The zeros of a kind, each with the index of its weight."""
        return [
            pair
            for group, own in zip(kind, self._groups, strict=True)
            for pair in zip(group["params"], own.weights, strict=True)
        ]

    def _hand_out(self, index: int, gradient: Tensor | None) -> None:
        """Give the kinds their slices' gradients of a weight, or take them away."""
        for zero, part in zip(self._parts[index], self._ranges, strict=True):
            zero.grad = None if gradient is None else gradient[part]

    def _follow_schedules(self) -> None:
        """Write the step's other numbers: weight decay here, the rest into the optimizer."""
        for change in self._others.at(self._steps):
            place = self._places[id(change.group)]
            if change.name == "weight_decay":
                self._groups[place].decay[:] = change.value
            else:
                for kind in self._kinds:
                    write(replace(change, group=kind[place]))
        self._steps += 1


def _under(live: LiveTask, settings: Sequence[Mapping[str, float]]) -> list[list[Group]]:
    """The optimizer's parameter groups under the settings of every slice."""
    keys = [tuple(each.items()) for each in settings]
    made = {key: live.groups_under(dict(key)) for key in set(keys)}
    return [made[key] for key in keys]


def _is_decoupled(optimizer: torch.optim.Optimizer, group: Group) -> bool:
    """Whether weight decay bypasses the gradient."""
    always = isinstance(optimizer, torch.optim.AdamW)
    return always or bool(group.get("decoupled_weight_decay", False))


def _decayed(gradient: Tensor | None, weight: Tensor, group: _Group) -> Tensor | None:
    """The gradient with coupled decay in it: the optimizer turns it round where it maximizes."""
    if gradient is None:
        return None
    if group.own.get("nesterov"):  # some of its steps write into them, and two may share memory
        gradient = gradient.clone(memory_format=torch.contiguous_format)
    elif group.own.get("fused"):
        gradient = gradient.contiguous()  # its kernels take that for granted
    if group.decoupled or not group.decay.any():
        return gradient
    sign = -1.0 if group.own.get("maximize", False) else 1.0
    decay = _per_slice(sign * group.decay, weight)
    decayed = torch.addcmul(gradient, weight, decay)
    if group.decay.all():
        return decayed
    return torch.where(decay == 0, gradient, decayed)  # an infinite weight times 0 is not 0


def _per_slice(numbers: np.ndarray, like: Tensor) -> Tensor:
    shape = (len(numbers), *[1] * (like.dim() - 1))
    return torch.from_numpy(numbers).to(like.device, like.dtype).view(shape)


def _spread(state: dict[str, Any], count: int) -> dict[str, Any]:
    """The state of one weight as that of all its copies."""
    return {
        name: copy.deepcopy(value) if _is_shared(name, value) else copies_of(value, count)
        for name, value in state.items()
    }


def _is_shared(name: str, value: Any) -> bool:
    return name in _COUNTERS or not isinstance(value, Tensor)
