"""Every refusal comes before the first update, in one sentence that says what to do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from tests.tasks.parts import linear, pairs, sgd, task, train
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import etastar as es
from etastar.engine import Sequential
from etastar.errors import TaskError

x, y = pairs(1)[0]
dataset = TensorDataset(x, y)


def generator() -> Iterator[Any]:
    yield from pairs()


def frozen() -> nn.Module:
    return linear().requires_grad_(requires_grad=False)


def optimizer_of(model: nn.Module, **options: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), **{"lr": 0.1, **options})


class Silent(IterableDataset[Any]):
    """No length, and nothing in it."""

    def __iter__(self) -> Iterator[Any]:
        return iter(())


def rateless(params: Any) -> torch.optim.Optimizer:
    made = torch.optim.SGD(params, lr=0.1)
    made.param_groups[0]["lr"] = None  # as Adafactor's, where it chooses its own
    return made


model = linear()

WHEN_MADE: dict[str, tuple[dict[str, Any], str]] = {
    "no data": ({"train": None}, "train= is missing: pass a DataLoader"),
    "no batches": ({"train": []}, "train is empty: pass at least one batch"),
    "empty loader": (
        {"train": DataLoader(dataset, batch_size=99, drop_last=True)},
        "train is empty.*drop_last",
    ),
    "empty validation": ({"valid": []}, "valid is empty"),
    "generator": ({"train": generator()}, "one-shot iterator .generator.*pass a DataLoader"),
    "iterator": ({"train": iter(pairs())}, "one-shot iterator .list_iterator"),
    "zip": ({"valid": zip(x, y, strict=True)}, "valid is a one-shot iterator"),
    "data set": ({"train": dataset}, r"TensorDataset, .*train=DataLoader\(dataset, batch_size"),
    "dict": ({"train": {"x": x}}, "train is a dict: pass a DataLoader"),
    "text": ({"train": "data/"}, "train is a str: pass a DataLoader"),
    "number": ({"train": 3}, "train is a int, which yields no batches: pass a DataLoader"),
    "no steps": ({"steps": 0}, "steps=0: pass a whole number of at least 1"),
    "negative steps": ({"steps": -5}, "steps=-5"),
    "fractional steps": ({"steps": 2.5}, "steps=2.5: pass a whole number"),
    "NaN steps": ({"steps": math.nan}, "steps=nan: pass a whole number"),
    "infinite steps": ({"steps": math.inf}, "steps=inf: pass a whole number"),
    "bool steps": ({"steps": True}, "steps=True: pass a whole number"),
    "steps in words": ({"steps": "100"}, "steps='100': pass a whole number"),
    "no horizon": ({"steps": None}, "length of the run is missing: pass steps="),
    "two horizons": ({"epochs": 2}, "both steps=6 and epochs=2 were given"),
    "fractional epochs": ({"steps": None, "epochs": 0.5}, "epochs=0.5: pass a whole number"),
    "epochs without length": (
        {"steps": None, "epochs": 2, "train": generator},
        "epochs=2 needs training data with a length, and function has none: pass steps=",
    ),
    "epochs of an iterable data set": (
        {"steps": None, "epochs": 2, "train": DataLoader(Silent())},
        "epochs=2 needs training data with a length, and DataLoader has none",
    ),
    "epochs too short": (
        {"steps": None, "epochs": 1, "accumulate": 9},
        "epochs=1 of 4 batches with accumulate=9 make no whole update",
    ),
    "schedule of other steps": (
        {"schedule": es.schedules.Cosine(steps=7)},
        r"schedule spans 7 steps but the run 6: pass schedule.resized\(6\), or steps=7",
    ),
    "schedule of nothing": (
        {"schedule": es.schedules.Constant(steps=6, peak=0.0)},
        "highest value is 0.0: pass one that rises above 0",
    ),
    "schedule of torch": (
        {"schedule": torch.optim.lr_scheduler.ConstantLR(optimizer_of(linear()))},
        "schedule is a ConstantLR: pass one of etastar.schedules",
    ),
    "schedule in words": ({"schedule": "cosine"}, "schedule is a str: pass one of"),
    "no model": ({"model": None}, "model= is missing: pass a torch.nn.Module"),
    "model of another kind": ({"model": 3}, "model is a int: pass a torch.nn.Module"),
    "nothing to train": ({"model": frozen()}, r"\(Linear\) has no trainable parameter: unfreeze"),
    "no parameters": ({"model": nn.Identity()}, r"\(Identity\) has no trainable parameter"),
    "no optimizer": ({"model": model, "optimizer": None}, "optimizer= is missing: pass an"),
    "optimizer by name": ({"optimizer": "sgd"}, "optimizer is a str: pass a torch.optim.Optimizer"),
    "two optimizers": (
        {"model": model, "optimizer": [optimizer_of(model), optimizer_of(model)]},
        "several optimizers need a hand-written update: use Task.from_step",
    ),
    "optimizer of another model": (
        {"model": model, "optimizer": optimizer_of(linear())},
        "holds none of the model's trainable parameters: build it from this very model",
    ),
    "optimizer bound, model not": (
        {"optimizer": optimizer_of(model)},
        "the model is a factory but the optimizer an instance.*pass a function",
    ),
    "all rates 0": (
        {"model": model, "optimizer": optimizer_of(model, lr=0.0)},
        "every parameter group of the optimizer has learning rate 0.*give at least one",
    ),
    "rate NaN": (
        {"model": model, "optimizer": optimizer_of(model, lr=math.nan)},
        "a parameter group at learning rate nan: give every group a finite rate",
    ),
    "rate None": (
        {"model": model, "optimizer": rateless(model.parameters())},
        "a parameter group without a learning rate",
    ),
    "loss twice": ({"loss": nn.functional.mse_loss}, "both loss= and criterion= were given"),
    "loss is a module": (
        {"criterion": None, "loss": nn.MSELoss()},
        r"loss=MSELoss is a module for \(output, target\): pass it as criterion=",
    ),
    "loss is a class": (
        {"criterion": None, "loss": nn.MSELoss},
        r"loss=MSELoss is a class: pass an instance of it as criterion=, criterion=MSELoss\(\)",
    ),
    "criterion is a class": ({"criterion": nn.MSELoss}, r"criterion=MSELoss is a class"),
    "criterion by name": ({"criterion": "mse"}, "criterion is a str: pass a function"),
    "evaluate": ({"evaluate": float}, "evaluate= belongs to Task.from_step: pass valid="),
    "accumulate 0": ({"accumulate": 0}, "accumulate=0: pass a whole number of at least 1"),
    "accumulate bool": ({"accumulate": True}, "accumulate=True: pass a whole number"),
    "clip 0": ({"clip_norm": 0.0}, "clip_norm=0.0: pass a positive, finite number"),
    "clip NaN": ({"clip_value": math.nan}, "clip_value=nan: pass a positive, finite number"),
    "precision": ({"autocast": "float8"}, "autocast='float8': pass 'float16', 'bfloat16' or None"),
    "state of one": ({"state": model}, "state is a Linear: pass a list of objects"),
}


@pytest.mark.parametrize(("changes", "words"), WHEN_MADE.values(), ids=WHEN_MADE.keys())
def test_refused_when_the_task_is_made(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(TaskError, match=words) as caught:
        task(**changes)
    assert "\n" not in str(caught.value)


def loss_with(change: Any) -> dict[str, Any]:
    def loss(model: nn.Module, batch: Any) -> Any:
        return change(nn.functional.mse_loss(model(batch[0]), batch[1], reduction="none"))

    return {"criterion": None, "loss": loss}


other = linear()
reused = linear()

WHEN_BEGUN: dict[str, tuple[dict[str, Any], str]] = {
    "silent loader": ({"train": DataLoader(Silent())}, "train yields no batch: pass data"),
    "silent function": ({"train": lambda: iter(())}, "train yields no batch"),
    "function of a number": (
        {"train": lambda: 3},
        "train is a function that returned a int: let it return a new iterator",
    ),
    "silent validation": (
        {"valid": DataLoader(Silent())},
        "valid yields no batch: pass data with at least one, or valid=None",
    ),
    "loss per sample": (loss_with(lambda losses: losses), r"loss has shape \(8, 1\).*loss.mean"),
    "loss as float": (loss_with(lambda losses: losses.mean().item()), "loss is a float.*without"),
    "no loss": (loss_with(lambda losses: None), "loss is a NoneType: return the scalar tensor"),
    "loss detached": (
        loss_with(lambda losses: losses.mean().detach()),
        "depends on no trainable parameter.*without detach",
    ),
    "loss of another model": (
        {"criterion": None, "loss": lambda model, batch: other(batch[0]).mean()},
        "reaches none of the optimizer's parameters: compute it from the very model",
    ),
    "criterion of single tensors": (
        {"train": [x]},
        r"needs batches \(input, ..., target\).*Tensor",
    ),
    "criterion of dicts": ({"train": [{"x": x}]}, r"and one is a dict: pass loss\(model, batch\)"),
    "nothing carried": ({"criterion": None, "train": [x]}, r"\(Tensor\) carries no loss"),
    "factory of a frozen model": ({"model": frozen}, "holds none of the model's trainable"),
    "factory of a number": ({"model": lambda: 3}, "factory of the model returned a int: return a"),
    "factory of three": (
        {"model": lambda: (linear(), None, None), "optimizer": None},
        "returned 3 objects: return the module, or",
    ),
    "factory of no optimizer": (
        {"optimizer": lambda params: None},
        "factory of the optimizer returned a NoneType: return a torch.optim.Optimizer",
    ),
    "optimizer twice": (
        {"model": lambda: (other, optimizer_of(other))},
        "returned an optimizer and optimizer= was given too: drop one",
    ),
    "no optimizer": ({"optimizer": None}, "optimizer= is missing: pass a function params"),
    "all rates 0": ({"optimizer": partial(torch.optim.SGD, lr=0.0)}, "has learning rate 0"),
    "rate None": ({"optimizer": rateless}, "a parameter group without a learning rate"),
    "unknown device": ({"device": "nowhere"}, "device='nowhere' cannot be used"),
    "absent device": ({"device": "cuda:77"}, "device='cuda:77' cannot be used"),
    "other device": ({"model": model, "device": "meta"}, "model is on cpu but device='meta'"),
    "closure and scaler": (
        {"optimizer": torch.optim.LBFGS, "autocast": "float16"},
        "LBFGS evaluates the loss several times per step, which a GradScaler cannot follow",
    ),
}


@pytest.mark.parametrize(("changes", "words"), WHEN_BEGUN.values(), ids=WHEN_BEGUN.keys())
def test_refused_before_the_first_update(changes: dict[str, Any], words: str) -> None:
    made = task(**changes)
    with pytest.raises(TaskError, match=words) as caught:
        train(made, steps=1 if "valid" in changes else 6)
    assert "\n" not in str(caught.value)


def test_a_function_that_runs_out_is_refused_at_its_second_pass() -> None:
    once = iter(pairs())
    with pytest.raises(TaskError, match=r"yields no batch when read again.*new iterator"):
        train(task(train=lambda: once))


@pytest.mark.parametrize("changes", [{}, {"optimizer": None}])
def test_a_factory_that_hands_out_a_trained_model_is_refused(changes: dict[str, Any]) -> None:
    bound = optimizer_of(reused)
    made = task(model=(lambda: (reused, bound)) if changes else (lambda: reused), **changes)
    with pytest.raises(TaskError, match=r"returned the same .* twice, trained already"):
        Sequential().train(made, [0.1, 0.2], [0], 2)


STEP: dict[str, tuple[dict[str, Any], str]] = {
    "with a model": ({"model": model}, "step= does the whole update itself: leave out model"),
    "with a criterion": ({"criterion": nn.MSELoss()}, "leave out model, loss and criterion"),
    "with validation": ({"valid": pairs()}, r"no loss for valid= batches: pass evaluate="),
    "accumulating": ({"accumulate": 2}, "accumulate, clip and scale inside it"),
    "clipping": ({"clip_norm": 1.0}, "accumulate, clip and scale inside it"),
    "scaling": ({"scaler": torch.amp.GradScaler("cpu")}, "accumulate, clip and scale inside it"),
    "without optimizers": ({"optimizer": []}, "a step task needs optimizers="),
    "with a factory": ({"optimizer": sgd}, "a step task needs optimizers="),
    "all rates 0": ({"optimizer": optimizer_of(model, lr=0.0)}, "has learning rate 0"),
    "evaluate": ({"evaluate": 3.0}, r"evaluate is a float: pass a function \(\) -> float"),
    "state of one": ({"state": linear()}, "state is a Linear: pass a list of objects"),
}


@pytest.mark.parametrize(("changes", "words"), STEP.values(), ids=STEP.keys())
def test_step_tasks_refuse_what_they_would_ignore(changes: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"optimizer": optimizer_of(model), "train": pairs(), "steps": 3}
    with pytest.raises(TaskError, match=words):
        es.Task(step=lambda batch: 0.0, **{**given, **changes})


@pytest.mark.parametrize("returned", [None, "1.0", True, torch.zeros(2)])
def test_a_step_that_returns_no_loss_is_refused(returned: Any) -> None:
    made = es.Task.from_step(
        lambda batch: returned, state=[], optimizers=optimizer_of(model), train=[0], steps=3
    )
    with pytest.raises(TaskError, match=r"step\(batch\) returned a"):
        train(made)


def test_a_refusal_leaves_the_callers_model_untouched() -> None:
    mine = linear()
    before = [p.detach().clone() for p in mine.parameters()]
    with pytest.raises(TaskError):
        train(task(model=mine, optimizer=optimizer_of(mine), valid=DataLoader(Silent())))
    assert all(map(torch.equal, mine.parameters(), before))
    assert all(p.grad is None for p in mine.parameters())
    assert mine.training


def test_tensors_count_as_batches_by_their_first_axis() -> None:
    stacked = torch.stack([batch[0] for batch in pairs()])
    assert task(train=stacked, steps=None, epochs=2).horizon == 2 * len(stacked)
