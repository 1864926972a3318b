"""A network that maps places of scikit-learn's two photographs to their colours.

Shapes: B places per batch, (B, 2) in [-1, 1]; colours (B, 3) in [0, 1].
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.datasets import load_sample_image
from torch import Tensor, nn

from etastar.schedules import Cosine, Linear
from etastar.tasks import Task
from etastar.tasks.data.batches import ShuffledBatches, held_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from etastar.schedules import Schedule


def china() -> Task:
    """A temple by Adagrad, cosine."""
    adagrad = partial(torch.optim.Adagrad, lr=1e-2)
    return _task("china-photo", "china.jpg", adagrad, Cosine(steps=2000))


def flower() -> Task:
    """A flower by Adagrad, linear."""
    adagrad = partial(torch.optim.Adagrad, lr=1e-2)
    return _task("flower-photo", "flower.jpg", adagrad, Linear(steps=2500))


def _task(
    name: str, photo: str, optimizer: Callable[..., torch.optim.Optimizer], schedule: Schedule
) -> Task:
    places, colours = _pixels(photo)
    train, valid = held_out(len(places), share=0.1)
    return Task(
        Field,
        optimizer,
        criterion=nn.functional.mse_loss,
        train=ShuffledBatches(places[train], colours[train], size=128),
        valid=[(places[valid], colours[valid])],
        steps=schedule.steps,
        schedule=schedule,
        name=name,
    )


@cache
def _pixels(photo: str) -> tuple[Tensor, Tensor]:
    pixels = load_sample_image(photo)[::4, ::4].astype(np.float32) / 255  # every fourth, (R, C, 3)
    rows, columns = pixels.shape[:2]
    grid = torch.meshgrid(
        torch.linspace(-1, 1, rows), torch.linspace(-1, 1, columns), indexing="ij"
    )
    return torch.stack(grid, -1).reshape(-1, 2), torch.from_numpy(pixels).reshape(-1, 3)


class Field(nn.Module):
    """Colours as a function of the place, through fixed waves (arXiv:2006.10739)."""

    def __init__(self) -> None:
        super().__init__()
        waves = torch.randn(2, 32, generator=torch.Generator().manual_seed(0)) * 3
        self.register_buffer("waves", waves)
        self.net = nn.Sequential(
            nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3)
        )

    def forward(self, places: Tensor) -> Tensor:
        """Colours, (B, 3)."""
        phases = places @ self.waves  # (B, 32)
        return self.net(torch.cat([phases.sin(), phases.cos()], dim=1))
