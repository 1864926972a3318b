"""Two image classifiers on the first 10,000 CIFAR-10 photographs, 2,000 more held out.

A fifth of the data keeps a full run within minutes on two cores. Shapes: B images per batch,
each (3, 32, 32).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from etastar.schedules import Cosine, WarmupStableDecay
from etastar.tasks.data.batches import ShuffledBatches
from etastar.tasks.data.cifar10 import cifar10
from etastar.tasks.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from etastar.schedules import Schedule

BATCH = 64
HELD_OUT_BATCH = 500


def cnn() -> Task:
    """Three plain convolutions by SGD with momentum and a cosine decay.

    Returns:
        1,500 steps, 9.6 passes over the data.
    """
    steps = 1500
    momentum = partial(torch.optim.SGD, lr=0.01, momentum=0.9, weight_decay=5e-4)
    return _task("cifar10-cnn", _cnn, momentum, Cosine(steps=steps))


def resnet() -> Task:
    """A residual net of three stages with batch normalisation by SGD with Nesterov's momentum.

    Returns:
        1,000 steps, 6.4 passes over the data, warmed up, held, and decayed over the last fifth.
    """
    steps = 1000
    nesterov = partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    shape = WarmupStableDecay(steps=steps, warmup_steps=50, decay_steps=200)
    return _task("cifar10-resnet", ResNet, nesterov, shape)


def _task(
    name: str,
    model: Callable[[], nn.Module],
    optimizer: Callable[..., torch.optim.Optimizer],
    schedule: Schedule,
) -> Task:
    train, (images, classes) = cifar10()
    valid = zip(images.split(HELD_OUT_BATCH), classes.split(HELD_OUT_BATCH), strict=True)
    return Task(
        model,
        optimizer,
        criterion=nn.functional.cross_entropy,
        train=ShuffledBatches(*train, size=BATCH),
        valid=list(valid),
        steps=schedule.steps,
        schedule=schedule,
        name=name,
    )


def _cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (B, 16, 16, 16)
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (B, 32, 8, 8)
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 4, 10),
    )


class ResNet(nn.Module):
    """The CIFAR residual net with one block per stage: 8 layers, widths 16, 32, 64.

    References: He et al., Deep Residual Learning, 2015. arXiv:1512.03385
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _normalised(nn.Conv2d(3, 16, 3, padding=1, bias=False))
        self.stages = nn.Sequential(Block(16, 16), Block(16, 32), Block(32, 64))
        self.head = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores of the images.

        Returns:
            Logits, (B, 10).
        """
        features = self.stages(self.stem(images).relu())  # (B, 64, 8, 8)
        return self.head(features.mean((2, 3)))


class Block(nn.Module):
    """Two convolutions beside a shortcut; a wider block halves the image."""

    def __init__(self, narrow: int, wide: int) -> None:
        super().__init__()
        stride = wide // narrow
        self.first = _normalised(nn.Conv2d(narrow, wide, 3, stride, padding=1, bias=False))
        self.second = _normalised(nn.Conv2d(wide, wide, 3, padding=1, bias=False))
        same = narrow == wide
        self.shortcut = (
            nn.Identity() if same else _normalised(nn.Conv2d(narrow, wide, 1, stride, bias=False))
        )

    def forward(self, features: Tensor) -> Tensor:
        """The features plus what the two convolutions add.

        Returns:
            (B, wide, height, width), halved where the block widens.
        """
        added = self.second(self.first(features).relu())
        return (added + self.shortcut(features)).relu()


def _normalised(convolution: nn.Conv2d) -> nn.Module:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels))
