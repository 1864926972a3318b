"""The price of 53,940 diamonds from nine attributes (the ggplot2 table, as plotnine ships it)."""

from __future__ import annotations

import csv
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from etastar.errors import MissingDependencyError
from etastar.schedules import Linear
from etastar.tasks import Task
from etastar.tasks.data.batches import ShuffledBatches, held_out

STEPS = 5000
WORDS = ("cut", "color", "clarity")
NUMBERS = ("carat", "depth", "table", "x", "y", "z")


def diamonds() -> Task:
    """Logarithm of the price by Adam, linear decay."""
    inputs, targets = _table()
    train, valid = held_out(len(inputs), share=0.1)
    return Task(
        partial(_mlp, inputs.shape[1]),
        partial(torch.optim.Adam, lr=1e-3),
        criterion=nn.functional.mse_loss,
        train=ShuffledBatches(inputs[train], targets[train], size=64),
        valid=[(inputs[valid], targets[valid])],
        steps=STEPS,
        schedule=Linear(steps=STEPS),
        name="diamonds-mlp",
    )


def _mlp(features: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(features, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1)
    )


@cache
def _table() -> tuple[Tensor, Tensor]:
    """Standardised features, (N, 26), and the log price, (N, 1)."""
    spec = find_spec("plotnine")
    if spec is None or spec.origin is None:
        raise MissingDependencyError("diamonds-mlp reads plotnine's table: pip install plotnine.")
    with (Path(spec.origin).parent / "data" / "diamonds.csv").open() as file:
        rows = list(csv.DictReader(file))
    columns: list[Tensor] = []
    for name in WORDS:
        words = sorted({row[name] for row in rows})
        codes = torch.tensor([words.index(row[name]) for row in rows])
        columns.append(nn.functional.one_hot(codes).float())
    numbers = torch.tensor([[float(row[name]) for name in NUMBERS] for row in rows])
    columns.append((numbers - numbers.mean(0)) / numbers.std(0))
    price = torch.tensor([[float(row["price"])] for row in rows]).log()
    return torch.cat(columns, dim=1), (price - price.mean()) / price.std()
