"""Two small tables from medicine, 40 % of the rows held out."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from etastar.schedules import Cosine, Linear
from etastar.tasks.data.batches import ShuffledBatches
from etastar.tasks.data.bundled import cancer as cancer_data
from etastar.tasks.data.bundled import diabetes as diabetes_data
from etastar.tasks.task import Task

BATCH = 32


def diabetes() -> Task:
    """The progression of diabetes from ten measurements by Adam; the loss is the squared error.

    Returns:
        400 steps, 50 passes over 265 patients.
    """
    train, valid = diabetes_data()
    steps = 400
    return Task(
        partial(_mlp, features=10),
        partial(torch.optim.Adam, lr=1e-3),
        criterion=nn.functional.mse_loss,
        train=ShuffledBatches(*train, size=BATCH),
        valid=[valid],
        steps=steps,
        schedule=Linear(steps=steps),
        name="diabetes-mlp",
    )


def cancer() -> Task:
    """Benign or malignant from thirty measurements by SGD with Nesterov's momentum.

    Returns:
        400 steps, 40 passes over 341 tumours.
    """
    train, valid = cancer_data()
    steps = 400
    return Task(
        partial(_mlp, features=30),
        partial(torch.optim.SGD, lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-3),
        criterion=nn.functional.binary_cross_entropy_with_logits,
        train=ShuffledBatches(*train, size=BATCH),
        valid=[valid],
        steps=steps,
        schedule=Cosine(steps=steps),
        name="cancer-mlp",
    )


def _mlp(features: int) -> nn.Module:
    return nn.Sequential(nn.Linear(features, 32), nn.ReLU(), nn.Linear(32, 1))
