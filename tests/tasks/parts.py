"""Small parts to make tasks of."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import etastar as es


def pairs(count: int = 4, size: int = 8, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    """Batches of points on a plane."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, size, 3, generator=generator)
    return [(x, x.sum(1, keepdim=True)) for x in inputs]


def linear() -> nn.Module:
    return nn.Linear(3, 1)


def sgd(params: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(params, lr=0.1)


def parts(**changes: Any) -> dict[str, Any]:
    """What makes a task; None in `changes` leaves a part out."""
    made: dict[str, Any] = {
        "model": linear,
        "optimizer": sgd,
        "train": pairs(),
        "criterion": nn.MSELoss(),
        "steps": 6,
        **changes,
    }
    return {name: part for name, part in made.items() if part is not None}


def task(**changes: Any) -> es.Task:
    return es.Task(**parts(**changes))


def train(task: es.Task, lr: float = 0.05, steps: int = 6, seed: int = 0) -> Any:
    """The trial of a task at one rate."""
    from etastar.engine import Sequential

    (trial,) = Sequential().train(task, [lr], [seed], steps)
    return trial
