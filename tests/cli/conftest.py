"""The command line, run in this process; and a task file such as a user could write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest
from typer.testing import CliRunner

from etastar.cli.main import app

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

TASKS = """
import time

import torch

import etastar as es

print("a task may print")
x = torch.linspace(-1, 1, 64).unsqueeze(1)


def task(model=lambda: torch.nn.Linear(1, 1), loss=None, steps=200):
    return es.Task(
        model,
        lambda params: torch.optim.SGD(params, lr=0.1),
        loss or (lambda model, batch: torch.nn.functional.mse_loss(model(batch[0]), batch[1])),
        train=[(x, 3 * x + 1)],
        steps=steps,
        name="tiny",
    )


def converged():
    def model():
        exact = torch.nn.Linear(1, 1)
        torch.nn.init.constant_(exact.weight, 3.0)
        torch.nn.init.constant_(exact.bias, 1.0)
        return exact

    return task(model)


def broken():
    calls = []

    def loss(model, batch):
        calls.append(batch)
        if len(calls) == 7:
            raise ZeroDivisionError("the seventh batch is bad")
        return (model(batch[0]) ** 2).mean()

    return task(loss=loss)


def broken_late():
    # in the trial at the higher of two rates, once its schedule has come down
    rates = []

    def optimizer(params):
        made = torch.optim.SGD(params, lr=0.1, momentum=0.9)
        rates[:] = [made.param_groups[0]]
        return made

    def loss(model, batch):
        rates.append(rates[0]["lr"])
        if max(rates[1:]) > 0.15 and rates[-1] < 0.1:
            raise ValueError("the rate was too high")
        return (model(batch[0]) ** 2).mean()

    cosine = es.schedules.Cosine(steps=20)
    return es.Task(
        lambda: torch.nn.Linear(1, 1), optimizer, loss, [(x, x)], steps=20, schedule=cosine
    )


def broken_once():
    calls = []

    def loss(model, batch):
        calls.append(1)
        if len(calls) == 60:
            raise ValueError("enough")
        return (model(batch[0]) ** 2).mean()

    return task(loss=loss)


def slow():
    def loss(model, batch):
        time.sleep(0.002)
        return torch.nn.functional.mse_loss(model(batch[0]), batch[1])

    return task(loss=loss, steps=5000)


not_a_task = 3
"""


class Run(Protocol):
    def __call__(self, *words: str) -> Result: ...


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.py"
    path.write_text(TASKS, encoding="utf-8")
    return path


@pytest.fixture
def run() -> Run:
    def invoke(*words: str) -> Result:
        return CliRunner().invoke(app, list(words))

    return invoke
