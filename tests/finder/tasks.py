"""Small real trainings for the finder's tests: seconds, and a rate that matters."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

import etastar as es


def batches(count: int = 16, size: int = 16, seed: int = 0) -> list[tuple[torch.Tensor, ...]]:
    """Points and the side of a wavy line they lie on."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(count, size, 2, generator=generator) * 4 - 2
    y = (x[..., 1] > torch.sin(2 * x[..., 0])).long()
    return list(zip(x, y, strict=True))


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))


def sgd(params: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(params, lr=0.1, momentum=0.9)


def wave(**changes: Any) -> es.Task:
    """The classifier as a task."""
    parts: dict[str, Any] = {
        "model": net,
        "optimizer": sgd,
        "train": batches(),
        "valid": batches(4, 64, seed=1),
        "criterion": nn.CrossEntropyLoss(),
        "steps": 400,
        "name": "wave",
    }
    return es.Task(**{**parts, **changes})
