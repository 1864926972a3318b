"""Problems whose loss is known exactly: noise comes with the batches, judging is without it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from etastar.schedules import Constant, Cosine
from etastar.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 100
WIDE, DEEP = 8, 4


def quadratic() -> Task:
    """Curvatures from 1 to 0.001 under noisy gradients (arXiv:1803.02021), SGD, constant."""
    return Task(
        Point,
        partial(torch.optim.SGD, lr=0.1),
        _noisy_bowl,
        train=Noise((SIZE,), count=100),
        valid=[torch.zeros(1, SIZE)],
        steps=1000,
        schedule=Constant(steps=1000),
        name="quadratic",
    )


def plateau() -> Task:
    """Four matrices multiplied, from small weights: a saddle holds training up. SGD, cosine."""
    return Task(
        Product,
        partial(torch.optim.SGD, lr=0.01),
        _noisy_fit,
        train=Noise((32, WIDE), count=100),
        valid=[torch.zeros(1, 32, WIDE)],
        steps=3000,
        schedule=Cosine(steps=3000),
        name="plateau",
    )


class Noise:
    """Batches of one standard normal draw each, from torch's global generator."""

    def __init__(self, shape: tuple[int, ...], count: int) -> None:
        self._shape = shape
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Tensor]:
        return (torch.randn(1, *self._shape) for _ in range(self._count))


class Point(nn.Module):
    """A place in a bowl; it begins at 1 in every direction."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.ones(SIZE))
        self.register_buffer("curvature", torch.logspace(0, -3, SIZE))

    def forward(self) -> Tensor:
        """Height above the bottom."""
        return 0.5 * (self.curvature * self.place**2).sum()


def _noisy_bowl(model: nn.Module, batch: Tensor) -> Tensor:
    slope = model.curvature.sqrt() * batch[0]  # noise as large as the curvature allows
    return model() + 0.3 * (slope * model.place).sum()


class Product(nn.Module):
    """A linear map as a product of small random matrices (arXiv:1312.6120)."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ParameterList(
            nn.Parameter(0.25 * torch.randn(WIDE, WIDE)) for _ in range(DEEP)
        )
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("goal", torch.randn(WIDE, WIDE, generator=generator) / WIDE**0.5)

    def forward(self) -> Tensor:
        """The map, (WIDE, WIDE)."""
        return torch.linalg.multi_dot(list(self.parts))


def _noisy_fit(model: nn.Module, batch: Tensor) -> Tensor:
    """Squared error on noisy examples; where the batch is zero, its exact expectation."""
    error = model() - model.goal
    if not batch.any():
        return 1.0 + (error**2).sum()
    inputs = batch[0]  # (32, WIDE)
    return ((inputs @ error.T + torch.randn(32, WIDE)) ** 2).sum(1).mean() / WIDE
