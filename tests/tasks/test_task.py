"""Tasks: every way of giving a model, an optimizer, a loss, data and a horizon trains."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, UserDict, namedtuple
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from tests.tasks.parts import linear, pairs, sgd, task, train
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import etastar as es
from etastar.tasks import instances, is_instance

mse = nn.functional.mse_loss


# --- every form of loss, every kind of batch --------------------------------------------------


def reference() -> Any:
    """The trial every other form must repeat."""
    return train(task(criterion=nn.MSELoss()))


Pair = namedtuple("Pair", ["x", "y"])
pair_batches = pairs()


class Carries(nn.Module):
    """A model that returns its loss, as transformers do."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 1)
        self.kind = kind

    def forward(self, x: Tensor, y: Tensor) -> Any:
        loss = mse(self.linear(x), y)
        if self.kind == "attribute":
            return Output(loss)
        return OrderedDict(loss=loss) if self.kind == "ordered" else {"loss": loss}


class Output:
    def __init__(self, loss: Tensor) -> None:
        self.loss = loss


class Whole(nn.Linear):
    """A model of one argument that returns its loss."""

    def forward(self, batch: Tensor) -> Any:
        return Output(mse(super().forward(batch[:, :3]), batch[:, 3:]))


LOSSES: dict[str, dict[str, Any]] = {
    "loss of tuples": {"loss": lambda model, batch: mse(model(batch[0]), batch[1])},
    "loss of dicts": {
        "loss": lambda model, batch: mse(model(batch["x"]), batch["y"]),
        "train": [{"x": x, "y": y} for x, y in pair_batches],
    },
    "loss of named tuples": {
        "loss": lambda model, batch: mse(model(batch.x), batch.y),
        "train": [Pair(x, y) for x, y in pair_batches],
    },
    "loss of nested batches": {
        "loss": lambda model, batch: mse(model(batch["deep"][0]["x"]), batch["y"]),
        "train": [{"deep": [{"x": x}, "a word"], "y": y} for x, y in pair_batches],
    },
    "loss of shape (1,)": {"loss": lambda model, batch: mse(model(batch[0]), batch[1])[None]},
    "criterion, function": {"criterion": mse},
    "criterion, lists": {"criterion": mse, "train": [[x, y] for x, y in pair_batches]},
    "criterion, named tuples": {
        "criterion": mse,
        "train": [Pair(x, y) for x, y in pair_batches],
    },
    "carried as attribute": {"model": partial(Carries, "attribute")},
    "carried in a dict": {"model": partial(Carries, "dict")},
    "carried in an ordered dict, dict batches": {
        "model": partial(Carries, "ordered"),
        "train": [{"x": x, "y": y} for x, y in pair_batches],
    },
    "carried, mapping batches": {
        "model": partial(Carries, "attribute"),
        "train": [UserDict(x=x, y=y) for x, y in pair_batches],
    },
    "carried, tensor batches": {
        "model": partial(Whole, 3, 1),
        "train": [torch.cat([x, y], dim=1) for x, y in pair_batches],
    },
}


@pytest.mark.parametrize("form", LOSSES.values(), ids=LOSSES.keys())
def test_every_form_of_loss_gives_the_same_training(form: dict[str, Any]) -> None:
    trial = train(task(**{"criterion": None, **form}))
    assert trial.curve == reference().curve
    assert trial.final_loss == reference().final_loss


def test_criterion_of_several_inputs() -> None:
    class Adds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 1)

        def forward(self, left: Tensor, right: Tensor) -> Tensor:
            return self.linear(left + right)

    halved = [(x / 2, x / 2, y) for x, y in pairs()]
    trial = train(task(model=Adds, train=halved, valid=halved))
    assert trial.curve == reference().curve


# --- instances and factories ------------------------------------------------------------------


def test_a_seed_covers_the_weights_of_a_factory_but_not_of_an_instance() -> None:
    model = linear()
    of_factory, of_instance = task(), task(model=model)
    assert train(of_factory, seed=0).curve == train(of_factory, seed=0).curve
    assert train(of_factory, seed=0).curve != train(of_factory, seed=1).curve
    assert train(of_instance, seed=0).curve == train(of_instance, seed=1).curve


def test_optimizer_as_instance_as_factory_as_class_and_from_the_models_factory() -> None:
    model = linear()
    own = torch.optim.SGD(model.parameters(), lr=0.1)
    curves = [
        train(task(model=model, optimizer=optimizer)).curve
        for optimizer in (own, sgd, partial(torch.optim.SGD, lr=3.0), torch.optim.SGD)
    ]
    assert all(curve == curves[0] for curve in curves)

    def both() -> tuple[nn.Module, torch.optim.Optimizer]:
        made = linear()
        return made, torch.optim.SGD(made.parameters(), lr=0.1)

    assert train(task(model=both, optimizer=None)).curve == reference().curve


def test_instances_are_told_from_factories() -> None:
    model = linear()
    assert is_instance(model)
    assert is_instance(sgd(model.parameters()))
    for factory in (nn.Linear, linear, sgd, torch.optim.SGD, partial(nn.Linear, 1, 1), None):
        assert not is_instance(factory)


def test_a_module_as_criterion_trains_and_comes_back() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, output: Tensor, target: Tensor) -> Tensor:
            self.calls += 1
            return mse(output, target)

    criterion = Scaled()
    assert train(task(criterion=criterion)).curve == reference().curve
    assert criterion.calls == 0


def test_a_method_of_the_model_as_loss_leaves_it_as_it_was() -> None:
    class Own(nn.Linear):
        seen = 0

        def loss(self, model: Any, batch: Any) -> Tensor:
            self.seen += 1
            return mse(self(batch[0]), batch[1])

    model = Own(3, 1)
    made = task(model=model, criterion=None, loss=model.loss)
    assert model in instances(made)
    assert train(made).status == "finished"
    assert model.seen == 0


# --- the horizon ------------------------------------------------------------------------------


def loader(count: int = 20, **options: Any) -> DataLoader[Any]:
    x = torch.randn(count, 3, generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), **{"batch_size": 5, **options})


def test_the_horizon_in_steps_in_epochs_and_by_the_schedule() -> None:
    assert task(steps=17).horizon == 17
    assert task(steps=None, epochs=3, train=loader()).horizon == 12
    assert task(steps=None, epochs=3, train=loader(), accumulate=5).horizon == 2
    assert task(steps=None, schedule=es.schedules.Cosine(steps=9)).horizon == 9
    assert task(steps=9, schedule=es.schedules.Cosine(steps=9)).horizon == 9


@pytest.mark.parametrize("count", [6, 6.0, np.int64(6), np.float64(6), torch.tensor(6)])
def test_whole_numbers_of_any_type_count_steps(count: Any) -> None:
    made = task(steps=count, accumulate=2.0)
    assert (type(made.horizon), made.horizon) == (int, 6)
    assert train(made).sample_gradients == 6 * 2 * 8
    epochs = task(steps=None, epochs=count, train=loader())
    assert (type(epochs.horizon), epochs.horizon) == (int, 24)


def test_the_shape_peaks_at_one_and_keeps_the_schedules_form() -> None:
    cosine = es.schedules.Cosine(steps=9, peak=3e-4, floor=3e-5)
    shape = task(steps=9, schedule=cosine).shape
    assert shape.maximum == pytest.approx(1)
    assert [shape(t) * 3e-4 for t in range(10)] == pytest.approx([cosine(t) for t in range(10)])
    assert task(steps=9).shape == es.schedules.Cosine(steps=9)


# --- data -------------------------------------------------------------------------------------


class Drawn(IterableDataset[Any]):
    """Samples without a length, drawn anew in every pass."""

    def __init__(self, count: int | None = None) -> None:
        self.count = count

    def __iter__(self) -> Iterator[Any]:
        made = 0
        while self.count is None or made < self.count:
            x = torch.randn(3)
            yield x, x.sum()[None]
            made += 1


def test_an_iterable_data_set_without_length_or_end() -> None:
    trial = train(task(train=DataLoader(Drawn(), batch_size=4)), steps=7)
    assert trial.status == "finished"
    assert trial.sample_gradients == 28


@pytest.mark.parametrize("form", ["loader", "list", "function", "function of a list", "iterable"])
def test_data_shorter_than_the_horizon_is_read_again(form: str) -> None:
    batches = pairs(2)

    class Iterable:
        def __iter__(self) -> Iterator[Any]:
            return iter(batches)

    x, y = (torch.cat(part) for part in zip(*batches, strict=True))
    forms: dict[str, Any] = {
        "loader": DataLoader(TensorDataset(x, y), batch_size=8),
        "list": batches,
        "function": lambda: iter(batches),
        "function of a list": lambda: batches,
        "iterable": Iterable(),
    }
    recycled = train(task(train=forms[form]), steps=7)
    written_out = train(task(train=[*batches, *batches, *batches, batches[0]]), steps=7)
    assert recycled.curve == written_out.curve


def test_a_shuffling_loader_shuffles_anew_in_every_pass() -> None:
    seen: list[Tensor] = []

    def loss(model: nn.Module, batch: Any) -> Tensor:
        seen.append(batch[0])
        return mse(model(batch[0]), batch[1])

    train(task(train=loader(shuffle=True), criterion=None, loss=loss), steps=8)
    first, second = torch.cat(seen[:4]), torch.cat(seen[4:])
    assert not torch.equal(first, second)
    assert torch.equal(first.sum(1).sort().values, second.sum(1).sort().values)


def test_plain_batches_are_not_copied_but_loaders_are_brought_back() -> None:
    plain, loading = pairs(), loader(shuffle=True)
    drawn = torch.Generator().manual_seed(4)

    class Own:
        generator = drawn

        def __iter__(self) -> Iterator[Any]:
            return iter(plain)

    assert plain not in instances(task(train=plain, valid=torch.zeros(2, 2, 3)))
    assert loading in instances(task(train=loading))
    own = Own()
    assert own in instances(task(valid=own))


# --- loops of another kind --------------------------------------------------------------------


class Adversaries:
    """Two nets against each other, with an optimizer each."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.maker, self.judge = nn.Linear(2, 3), nn.Linear(3, 1)
        self.of_maker = torch.optim.Adam(self.maker.parameters(), lr=1e-3)
        self.of_judge = torch.optim.SGD(self.judge.parameters(), lr=4e-3)
        self.rates: list[tuple[float, float]] = []

    def step(self, batch: Any) -> Tensor:
        real = batch[0]
        self.rates.append(tuple(o.param_groups[0]["lr"] for o in (self.of_maker, self.of_judge)))
        fake = self.maker(torch.randn(len(real), 2))
        self.of_judge.zero_grad()
        judged = self.judge(fake.detach()).mean() - self.judge(real).mean()
        judged.backward()
        self.of_judge.step()
        self.of_maker.zero_grad()
        (-self.judge(fake).mean()).backward()
        self.of_maker.step()
        return judged.detach()

    def weights(self) -> list[Tensor]:
        return [p.detach().clone() for m in (self.maker, self.judge) for p in m.parameters()]

    def task(self, **changes: Any) -> es.Task:
        given: dict[str, Any] = {
            "state": [self.maker, self.judge],
            "optimizers": [self.of_maker, self.of_judge],
            "train": pairs(),
            "steps": 6,
            **changes,
        }
        return es.Task.from_step(self.step, **given)


def test_a_step_with_two_optimizers_equals_the_loop_by_hand() -> None:
    nets = Adversaries()
    before = nets.weights()
    trial = train(nets.task(), lr=2e-3)
    assert trial.curve.lrs[0] == 2e-3
    for maker, judge in nets.rates:
        assert judge == pytest.approx(4 * maker, rel=1e-12)
    assert all(map(torch.equal, nets.weights(), before))
    assert not nets.of_maker.state
    assert nets.of_maker.param_groups[0]["lr"] == 1e-3

    torch.manual_seed(0)
    losses = []
    for batch, rate in zip([*pairs(), *pairs()][:6], trial.curve.lrs, strict=True):
        nets.of_maker.param_groups[0]["lr"] = float(rate)
        nets.of_judge.param_groups[0]["lr"] = 4 * float(rate)
        losses.append(nets.step(batch).item())
    assert losses == trial.curve.losses.tolist()


def test_a_step_task_is_judged_by_evaluate_or_by_its_last_losses() -> None:
    nets = Adversaries()
    assert train(nets.task(evaluate=lambda: torch.tensor(3.5))).final_loss == 3.5
    assert nets.task(evaluate=lambda: 1.0).has_validation
    trial = train(nets.task())
    assert trial.final_loss == trial.curve.losses[-1]


@pytest.mark.parametrize("returned", [1.0, 1, np.float32(1), np.float64(1), torch.tensor([1.0])])
def test_a_step_may_return_any_number(returned: Any) -> None:
    model = linear()
    made = es.Task.from_step(
        lambda batch: returned,
        state=[model],
        optimizers=sgd(model.parameters()),
        train=[0],
        steps=3,
    )
    assert train(made).curve.losses[0] == 1.0


def test_a_copy_with_another_part_is_checked_again() -> None:
    made = task()
    assert dataclasses.replace(made, steps=9).horizon == 9
    with pytest.raises(es.errors.TaskError):
        dataclasses.replace(made, steps=0)
