"""A fingerprint changes with what is trained, and with nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from tests.training.bitwise import Training, assert_same, contents
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from etastar.engine import Sequential
from etastar.errors import TaskFailedError
from etastar.records import Trial
from etastar.schedules import Constant, OneCycle
from etastar.tasks import Task
from etastar.training.fingerprint import task_fingerprint

CYCLE = OneCycle(steps=20).momentum()
X = torch.arange(24.0).reshape(8, 3)
Y = X.sum(1, keepdim=True)
BATCHES = [(X[:4], Y[:4]), (X[4:], Y[4:])]
SCALE = 1.0


def net(*, dropout: float = 0.1, width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Linear(3, width), nn.Dropout(dropout), nn.Linear(width, 1))


def loss(model: nn.Module, batch: Any) -> Tensor:
    return SCALE * nn.functional.mse_loss(model(batch[0]), batch[1])


def task(**changes: Any) -> Task:
    parts: dict[str, Any] = {
        "model": net,
        "optimizer": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
        "loss": loss,
        "train": BATCHES,
        "valid": BATCHES[:1],
        "steps": 10,
        **changes,
    }
    return Task(**parts)


def two_rates(params: Any) -> torch.optim.Optimizer:
    first, *rest = params
    return torch.optim.SGD(
        [{"params": [first], "lr": 0.01}, {"params": rest}], lr=0.1, momentum=0.9
    )


def smoothed(smoothing: float) -> nn.Module:
    return nn.CrossEntropyLoss(label_smoothing=smoothing)


def weighed(weight: float) -> Any:
    return lambda model, batch: weight * nn.functional.mse_loss(model(batch[0]), batch[1])


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.inner(x)).sum(1, keepdim=True)


class Straight(Residual):
    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x).sum(1, keepdim=True)


Straight.__qualname__ = "Residual"  # only the code tells them apart

SAME = {
    "the rate": {"optimizer": partial(torch.optim.SGD, lr=3.0, momentum=0.9)},
    "the horizon": {"steps": 99},
    "the schedule": {"schedule": Constant(steps=10)},
    "the settings": {"settings": {"momentum": 0.5, "weight_decay": 0.01}},
    "the name": {"name": "another"},
    "an option said at its default": {
        "optimizer": partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0, nesterov=False)
    },
    "a factory by another name": {"model": lambda: net()},
}
OTHERS = {
    "momentum": {"optimizer": partial(torch.optim.SGD, lr=0.1, momentum=0.8)},
    "the optimizer": {"optimizer": partial(torch.optim.RMSprop, lr=0.1, momentum=0.9)},
    "the ratios": {"optimizer": two_rates},
    "the width": {"model": partial(net, width=5)},
    "the dropout": {"model": partial(net, dropout=0.2)},
    "the loss": {"loss": None, "criterion": nn.functional.mse_loss},
    "the loss's closure": {"loss": weighed(2.0)},
    "its other closure": {"loss": weighed(3.0)},
    "a criterion": {"loss": None, "criterion": smoothed(0.1)},
    "a criterion's option": {"loss": None, "criterion": smoothed(0.2)},
    "the first batch": {"train": [(X[:4] + 1, Y[:4]), BATCHES[1]]},
    "the number of batches": {"train": BATCHES[:1]},
    "validation data": {"valid": BATCHES[1:]},
    "no validation data": {"valid": None},
    "accumulation": {"accumulate": 2},
    "a clipped norm": {"clip_norm": 1.0},
    "clipped values": {"clip_value": 1.0},
    "precision": {"autocast": "bfloat16"},
    "another schedule": {"other_schedules": {"momentum": CYCLE}},
    "another such schedule": {"other_schedules": {"momentum": replace(CYCLE, low=0.8)}},
    "a schedule of another number": {"other_schedules": {"weight_decay": CYCLE}},
    "further state": {"state": [nn.Linear(1, 1)]},
    "a method": {"model": Residual},
    "the method's code": {"model": Straight},
}


@pytest.mark.parametrize("changes", SAME.values(), ids=SAME)
def test_does_not_change_with(changes: dict[str, Any]) -> None:
    assert task_fingerprint(task(**changes)) == task_fingerprint(task())


def test_changes_with_everything_else() -> None:
    prints = {name: task_fingerprint(task(**changes)) for name, changes in OTHERS.items()}
    prints["nothing"] = task_fingerprint(task())
    assert len(set(prints.values())) == len(prints), prints
    assert all(len(p) == 32 and set(p) <= set("0123456789abcdef") for p in prints.values())


def test_other_schedules_count_as_given_at_every_horizon() -> None:
    both = {"momentum": CYCLE, "weight_decay": CYCLE}
    first = task_fingerprint(task(other_schedules=both))
    turned = dict(reversed(both.items()))
    assert task_fingerprint(task(other_schedules=turned)) == first
    assert task_fingerprint(task(other_schedules=both).with_steps(7)) == first


def test_changes_with_an_instance_s_weights_and_its_optimizer_s_state() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    own = task(model=model, optimizer=optimizer)
    before = task_fingerprint(own)
    assert task_fingerprint(own) == before
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    with_state = task_fingerprint(own)
    with torch.no_grad():
        next(model.parameters())[0, 0] += 1e-7
    assert len({before, with_state, task_fingerprint(own)}) == 3


def test_changes_with_a_constant_the_loss_refers_to(monkeypatch: pytest.MonkeyPatch) -> None:
    before = task_fingerprint(task())
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    assert task_fingerprint(task()) != before


def test_does_not_change_with_what_a_loss_counts() -> None:
    calls = 0
    seen: list[int] = []

    def counting(model: nn.Module, batch: Any) -> Tensor:
        nonlocal calls
        calls += 1
        seen.append(calls)
        return loss(model, batch)

    before = task_fingerprint(task(loss=counting))
    calls = 17
    seen.append(3)
    assert task_fingerprint(task(loss=counting)) == before


SOURCE = '''
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 1)

    def forward(self, x):
        return self.inner(x)


def loss(model, batch):
    """The mean square."""
    return ((model(batch[0]) - batch[1]) ** 2).mean()
'''


def loaded(text: str, folder: Path, name: str) -> Task:
    file = folder / f"{name}.py"
    file.write_text(text, encoding="utf-8")
    made = ModuleType(name)
    made.__file__ = str(file)
    exec(compile(text, str(file), "exec"), made.__dict__)
    return task(model=made.Net, loss=made.loss)


def test_where_and_how_code_is_written_does_not_matter(tmp_path: Path) -> None:
    here = task_fingerprint(loaded(SOURCE, tmp_path, "one"))
    laid_out = SOURCE.replace("def loss", "\n\n# of what?\ndef loss").replace("mean square", "MSE")
    assert laid_out != SOURCE
    assert task_fingerprint(loaded(laid_out, tmp_path, "two")) == here
    for old, new in (("** 2", "** 4"), ("self.inner(x)", "self.inner(x) + 1")):
        changed = SOURCE.replace(old, new)
        assert changed != SOURCE
        assert task_fingerprint(loaded(changed, tmp_path, f"changed{len(new)}")) != here


def test_code_without_a_source_is_told_apart_too() -> None:
    def made(text: str) -> Any:
        return eval(text, {"F": nn.functional})

    one = "lambda model, batch: F.mse_loss(model(batch[0]), batch[1])"
    two = "lambda model, batch: F.l1_loss(model(batch[0]), batch[1])"
    prints = [task_fingerprint(task(loss=made(text))) for text in (one, one, two)]
    assert prints[0] == prints[1] != prints[2]


PROGRAM = """
from tests.training.test_fingerprint import loader_task, task, task_fingerprint
print(task_fingerprint(task()), task_fingerprint(loader_task()))
"""


def loader_task() -> Task:
    data = TensorDataset(X, Y)
    return task(train=DataLoader(data, batch_size=2, shuffle=True), loss=weighed(2.0))


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_the_same_in_every_process(hash_seed: str) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [task_fingerprint(task()), task_fingerprint(loader_task())]


def test_leaves_the_task_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(5)
    loader = DataLoader(TensorDataset(X, Y), batch_size=2, shuffle=True, generator=generator)
    own = task(model=model, optimizer=optimizer, train=loader)
    model(X).sum().backward()
    optimizer.step()
    training = Training(model, optimizer, loader)
    before = contents(training)
    task_fingerprint(own)
    assert_same(contents(training), before)


def test_a_task_with_a_step_of_its_own() -> None:
    def made(weight: float, factor: float) -> Task:
        model = nn.Linear(3, 1)
        nn.init.constant_(model.weight, weight)
        nn.init.zeros_(model.bias)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(batch: Any) -> Tensor:
            optimizer.zero_grad()
            value = factor * (model(batch[0]) - batch[1]).abs().mean()
            value.backward()
            optimizer.step()
            return value

        return Task.from_step(
            step, state=[model], optimizers=optimizer, train=BATCHES, steps=5, name="own"
        )

    prints = [task_fingerprint(made(*pair)) for pair in ((1, 1), (1, 1), (2, 1), (1, 2))]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def test_data_that_cannot_be_read_are_the_task_s_failure() -> None:
    def broken() -> Any:
        raise LookupError("no such file")
        yield

    with pytest.raises(TaskFailedError, match="first batch of train raised LookupError: no such"):
        task_fingerprint(task(train=broken))


def test_equal_fingerprints_train_equal_trials() -> None:
    """What it is for: settings and schedule apart, such tasks give the same numbers."""

    def trained(one: Task) -> Trial:
        return Sequential().train(one, [0.01], [3], 10, schedule=Constant(steps=10))[0]

    same = {**SAME, "as it is": {}}
    del same["the settings"]
    curves = {tuple(trained(task(**changes)).curve.losses) for changes in same.values()}
    assert len(curves) == 1
