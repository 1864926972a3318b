"""Three networks on scikit-learn's 1,797 handwritten digits, 40 % of them held out.

Shapes: B images per batch, each (1, 8, 8) with values in [0, 1].
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from etastar.schedules import Cosine, Linear
from etastar.tasks.data.batches import ShuffledBatches
from etastar.tasks.data.bundled import digits
from etastar.tasks.task import Task

BATCH = 64


def mlp() -> Task:
    """Two hidden layers by SGD with momentum and a cosine decay.

    Returns:
        640 steps, 40 passes over the data.
    """
    train, valid = digits()
    steps = 640
    return Task(
        _mlp,
        partial(torch.optim.SGD, lr=0.01, momentum=0.9, weight_decay=1e-3),
        criterion=nn.functional.cross_entropy,
        train=ShuffledBatches(*train, size=BATCH),
        valid=[valid],
        steps=steps,
        schedule=Cosine(steps=steps),
        name="digits-mlp",
    )


def cnn() -> Task:
    """Two convolutions and one batch normalisation by AdamW, warmed up and decayed linearly.

    Returns:
        480 steps, 30 passes over the data.
    """
    train, valid = digits()
    steps = 480
    return Task(
        _cnn,
        partial(torch.optim.AdamW, lr=1e-3, weight_decay=1e-2),
        criterion=nn.functional.cross_entropy,
        train=ShuffledBatches(*train, size=BATCH),
        valid=[valid],
        steps=steps,
        schedule=Linear(steps=steps, warmup_steps=24),
        name="digits-cnn",
    )


def autoencoder() -> Task:
    """64 pixels through eight numbers and back by Adam; the loss is the squared pixel error.

    Returns:
        800 steps, 50 passes over the data.
    """
    train, valid = digits()
    steps = 800
    return Task(
        _autoencoder,
        partial(torch.optim.Adam, lr=1e-3),
        _reconstruction_error,
        train=ShuffledBatches(*train, size=BATCH),
        valid=[valid],
        steps=steps,
        schedule=Cosine(steps=steps),
        name="digits-autoencoder",
    )


def _mlp() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 128),
        nn.ReLU(),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def _cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (B, 16, 4, 4)
        # Without a second normalisation: with it no rate up to 1.0 is too large, and the
        # optimum is a plain.
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (B, 32, 2, 2)
        nn.Flatten(),
        nn.Linear(128, 10),
    )


def _autoencoder() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 8),
        nn.Linear(8, 64),
        nn.ReLU(),
        nn.Linear(64, 64),
        nn.Unflatten(1, (1, 8, 8)),
    )


def _reconstruction_error(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    images, _ = batch
    return nn.functional.mse_loss(model(images), images)
