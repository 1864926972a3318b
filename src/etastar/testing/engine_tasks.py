"""What engines are held against each other on: tasks, optimizers, and what is looked at of them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from etastar.engine import Observer
from etastar.errors import EtastarError
from etastar.records import Trial
from etastar.schedules import Cosine, Cyclic, OneCycle, Schedule
from etastar.tasks import Task
from etastar.training.live import living

Settings = tuple[dict[str, float], dict[str, float]]
"""Of two parameter groups."""

OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any], float]] = {
    "SGD": (torch.optim.SGD, {}, 0.05),
    "momentum": (torch.optim.SGD, {"momentum": 0.9, "dampening": 0.1}, 0.02),
    "Nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}, 0.02),
    "Adam": (torch.optim.Adam, {"amsgrad": True}, 0.01),
    "AdamW": (torch.optim.AdamW, {}, 0.01),
    "NAdam": (torch.optim.NAdam, {}, 0.01),
    "RAdam": (torch.optim.RAdam, {}, 0.01),
    "Adamax": (torch.optim.Adamax, {}, 0.01),
    "RMSprop": (torch.optim.RMSprop, {"momentum": 0.9, "centered": True}, 0.002),
    "Adagrad": (torch.optim.Adagrad, {"lr_decay": 0.1, "initial_accumulator_value": 0.1}, 0.1),
    "Adadelta": (torch.optim.Adadelta, {}, 1.0),
}
"""Optimizers an engine is held against: class, settings, and a rate that learns."""

EXTRAS = ("nothing", "decay", "clipping", "batch_norm", "dropout", "all")
"""What each of them is tried with."""

SCHEDULED: dict[str, tuple[type[torch.optim.Optimizer], Settings, float, dict[str, Schedule]]] = {
    "momentum": (
        torch.optim.SGD,
        ({"momentum": 0.9}, {"momentum": 0.9}),
        0.02,
        {"momentum": OneCycle(steps=120).momentum()},
    ),
    "beta1 and decay": (
        torch.optim.AdamW,
        ({"weight_decay": 0.1}, {"weight_decay": 0.0}),
        0.01,
        {"beta1": OneCycle(steps=120).momentum(), "weight_decay": Cosine(steps=50, peak=5.0)},
    ),
    "coupled decay through 0": (
        torch.optim.Adam,
        ({"weight_decay": 0.2}, {"weight_decay": 0.1}),
        0.01,
        {"weight_decay": Cyclic(steps=100, peak=0.5, up_steps=20)},
    ),
}
"""What schedules of other numbers are tried with: class, settings of two groups, rate."""

TUNED: dict[str, dict[str, float]] = {
    "SGD": {"momentum": 0.5},
    "momentum": {"momentum": 0.5, "dampening": 0.3},
    "Nesterov": {"momentum": 0.5},
    "Adam": {"beta1": 0.5, "eps": 1e-3},
    "AdamW": {"beta1": 0.5},
    "NAdam": {"momentum_decay": 0.1, "beta2": 0.9},
    "RAdam": {"beta2": 0.9},
    "Adamax": {"beta1": 0.5},
    "RMSprop": {"alpha": 0.5, "momentum": 0.5},
    "Adagrad": {"lr_decay": 0.5},
    "Adadelta": {"rho": 0.5},
}
"""Settings that make each of the optimizers move otherwise."""


class Points:
    """Batches of points and their sum, shuffled by torch's global generator."""

    size = 8

    def __init__(
        self, count: int = 3, *, shuffled: bool = True, dtype: torch.dtype = torch.float32
    ) -> None:
        generator = torch.Generator().manual_seed(0)
        self._inputs = torch.randn(count * self.size, 3, generator=generator).to(dtype)
        self._shuffled = shuffled

    def __len__(self) -> int:
        return len(self._inputs) // self.size

    def __iter__(self) -> Any:
        rows = torch.arange(len(self._inputs))
        order = torch.randperm(len(rows)) if self._shuffled else rows
        parts = (self._inputs[part] for part in order.split(self.size))
        return ((x, x.sum(1, keepdim=True)) for x in parts)


def net() -> nn.Module:
    """A net with dropout: it draws random numbers at every step.

    Returns:
        A new one, from torch's global generator.
    """
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 1))


def double_net(*, batch_norm: bool, dropout: bool) -> nn.Module:
    """A net in float64, with the parts whose state or randomness an engine may get wrong.

    Returns:
        A new one.
    """
    parts: list[nn.Module] = [nn.Linear(3, 8)]
    parts += [nn.BatchNorm1d(8)] if batch_norm else []
    parts += [nn.Tanh()]
    parts += [nn.Dropout(0.2)] if dropout else []
    return nn.Sequential(*parts, nn.Linear(8, 1)).double()


def in_groups(
    kind: type[torch.optim.Optimizer], lr: float, settings: Settings, params: Iterable[Tensor]
) -> torch.optim.Optimizer:
    """An optimizer over two layers, each a parameter group with settings of its own.

    Returns:
        A new one.
    """
    weights = list(params)
    parts = zip((weights[:2], weights[2:]), settings, strict=True)
    return kind([{"params": part, **own} for part, own in parts], lr=lr)  # type: ignore[call-arg]


def by_hand(task: Task, lr: float, settings: Settings, steps: int) -> list[float]:
    """The losses of a trial whose other numbers are written into the groups, step by step.

    Returns:
        One per step.
    """
    rates = lr * task.shape.resized(steps)(np.arange(steps))
    ways = {name: each.resized(steps) for name, each in task.other_schedules.items()}
    losses: list[float] = []
    with living(replace(task, other_schedules={})) as live:
        live.begin(0)
        groups = live.optimizers[0].param_groups
        for step, rate in enumerate(rates.tolist()):
            for name, way in ways.items():
                for group, own in zip(groups, settings, strict=True):
                    value = way(step) * own.get(name, 1.0) / settings[0].get(name, 1.0)
                    if name == "beta1":
                        group["betas"] = (value, group["betas"][1])
                    else:
                        group[name] = value
            losses.append(live.step(rate))
    return losses


class Heard(Observer):
    """Notes what it is told.

    Attributes:
        stages: their names.
        started: rate, seed and steps of every trial.
        steps: rate, step and loss.
        ended: the trials.
    """

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.started: list[tuple[float, int, int]] = []
        self.steps: list[tuple[float, int, float]] = []
        self.ended: list[Trial] = []

    def stage(self, name: str, lrs: Sequence[float], steps: int) -> None:  # noqa: ARG002
        """A stage begins."""
        self.stages.append(name)

    def trial_started(self, lr: float, seed: int, steps: int) -> None:
        """A trial begins."""
        self.started.append((lr, seed, steps))

    def stepped(self, lr: float, step: int, loss: float) -> None:
        """A step was made."""
        self.steps.append((lr, step, loss))

    def trial_ended(self, trial: Trial) -> None:
        """A trial ended."""
        self.ended.append(trial)


def failing(after: int) -> Any:
    """A loss that raises from some call on.

    Args:
        after: so many calls.

    Returns:
        The loss.
    """
    calls = iter(range(10**9))

    def loss(model: nn.Module, batch: Any) -> Tensor:
        if next(calls) >= after:
            raise LookupError("the task's own error")
        return nn.functional.mse_loss(model(batch[0]), batch[1])

    return loss


def losses_of(trial: Trial) -> list[float]:
    """Those of its steps."""
    return trial.curve.losses.tolist()


def state_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Everything of the caller's as bytes and plain values.

    Returns:
        By what it is of.
    """
    moments = [
        {key: _bytes(value) for key, value in state.items()} for state in optimizer.state.values()
    ]
    return {
        "weights": [_bytes(tensor) for tensor in model.state_dict().values()],
        "gradients": [_bytes(parameter.grad) for parameter in model.parameters()],
        "modes": [module.training for module in model.modules()],
        "moments": moments,
        "rates": [group["lr"] for group in optimizer.param_groups],
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tobytes(),  # type: ignore[index,union-attr]  # noqa: NPY002  the global one
        "torch": _bytes(torch.get_rng_state()),
    }


def _bytes(value: Any) -> Any:
    return value.detach().cpu().numpy().tobytes() if isinstance(value, Tensor) else value


def raised(act: Any) -> BaseException:
    """What a call raises.

    Returns:
        The error, one of ours.

    Raises:
        AssertionError: nothing was raised.
    """
    try:
        act()
    except EtastarError as error:
        return error
    raise AssertionError("nothing was raised where an error is due")


def hold(condition: bool, law: str, found: object = "") -> None:
    """Assert a law.

    Args:
        condition: whether it holds.
        law: in words.
        found: what was there instead.

    Raises:
        AssertionError: it does not.
    """
    if not condition:
        raise AssertionError(f"the law “{law}” does not hold: {found}")
