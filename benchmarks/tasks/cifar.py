"""Four networks on CIFAR-10 photographs at half their size. Shapes: (B, 3, 16, 16)."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from etastar.schedules import Cosine, OneCycle, WarmupStableDecay
from etastar.tasks import Task
from etastar.tasks.data.batches import ShuffledBatches
from etastar.tasks.data.cifar10 import cifar10

if TYPE_CHECKING:
    from collections.abc import Callable

    from etastar.schedules import Schedule

HELD_OUT_BATCH = 500


def cnn() -> Task:
    """Plain convolutions by SGD with momentum, warmup, stable, decay."""
    momentum = partial(torch.optim.SGD, lr=0.01, momentum=0.9)
    shape = WarmupStableDecay(steps=1500, warmup_steps=75, decay_steps=450)
    return _classifier("cifar-cnn", _cnn, momentum, shape)


def bn_cnn() -> Task:
    """Normalised convolutions by SGD with Nesterov's momentum and weight decay, cosine."""
    nesterov = partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    return _classifier("cifar-bn-cnn", _bn_cnn, nesterov, Cosine(steps=1200))


def resnet() -> Task:
    """A residual net by SGD with momentum, 1cycle."""
    momentum = partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=5e-4)
    return _classifier("cifar-resnet", ResNet, momentum, OneCycle(steps=1000))


def autoencoder() -> Task:
    """Photographs through 64 numbers and back by Adadelta, linear warmup, cosine."""
    (images, classes), (held, held_classes) = _half_size()
    return Task(
        _autoencoder,
        partial(torch.optim.Adadelta, lr=1.0),
        _reconstruction_error,
        train=ShuffledBatches(images, classes, size=32),
        valid=list(
            zip(held.split(HELD_OUT_BATCH), held_classes.split(HELD_OUT_BATCH), strict=True)
        ),
        steps=1500,
        schedule=Cosine(steps=1500, warmup_steps=50),
        name="cifar-autoencoder",
    )


def _classifier(
    name: str,
    model: Callable[[], nn.Module],
    optimizer: Callable[..., torch.optim.Optimizer],
    schedule: Schedule,
) -> Task:
    train, (held, classes) = _half_size()
    return Task(
        model,
        optimizer,
        criterion=nn.functional.cross_entropy,
        train=ShuffledBatches(*train, size=32),
        valid=_parts(held, classes),
        steps=schedule.steps,
        schedule=schedule,
        name=name,
    )


def _parts(images: Tensor, classes: Tensor) -> list[tuple[Tensor, Tensor]]:
    parts = zip(images.split(HELD_OUT_BATCH), classes.split(HELD_OUT_BATCH), strict=True)
    return list(parts)


@cache
def _half_size() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    (images, classes), (held, held_classes) = cifar10(train=12_000, valid=2_000)
    halve = partial(nn.functional.avg_pool2d, kernel_size=2)
    return (halve(images), classes), (halve(held), held_classes)


def _cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 12, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(12, 24, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(24 * 16, 48),
        nn.ReLU(),
        nn.Linear(48, 10),
    )


def _normalised(convolution: nn.Conv2d) -> nn.Module:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels))


def _bn_cnn() -> nn.Module:
    return nn.Sequential(
        _normalised(nn.Conv2d(3, 12, 3, stride=2, padding=1, bias=False)),
        nn.ReLU(),
        _normalised(nn.Conv2d(12, 24, 3, padding=1, bias=False)),
        nn.ReLU(),
        nn.MaxPool2d(2),
        _normalised(nn.Conv2d(24, 32, 3, padding=1, bias=False)),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 4, 10),
    )


class ResNet(nn.Module):
    """A stem and two normalised blocks beside their shortcuts."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _normalised(nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False))
        self.first = _normalised(nn.Conv2d(16, 16, 3, padding=1, bias=False))
        self.second = _normalised(nn.Conv2d(16, 16, 3, padding=1, bias=False))
        self.third = _normalised(nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False))
        self.fourth = _normalised(nn.Conv2d(32, 32, 3, padding=1, bias=False))
        self.shortcut = _normalised(nn.Conv2d(16, 32, 1, stride=2, bias=False))
        self.head = nn.Linear(32, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores, (B, 10)."""
        features = self.stem(images).relu()  # (B, 16, 8, 8)
        features = (features + self.second(self.first(features).relu())).relu()
        deeper = self.fourth(self.third(features).relu())
        return self.head((deeper + self.shortcut(features)).relu().mean((2, 3)))


def _autoencoder() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 16, 64),
        nn.Linear(64, 32 * 16),
        nn.ReLU(),
        nn.Unflatten(1, (32, 4, 4)),
        nn.ConvTranspose2d(32, 16, 2, stride=2),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 3, 2, stride=2),
    )


def _reconstruction_error(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    images, _ = batch
    return nn.functional.mse_loss(model(images), images)
