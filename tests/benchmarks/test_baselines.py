"""Baselines: every one answers, from the seed's weights and batches, and pays for what it uses."""

import dataclasses
import math
import random
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from benchmarks.baselines import METHODS, TRAINERS, Suggestion
from benchmarks.baselines.contract import AbstractMethod, Meter, NothingFoundError, full_run
from benchmarks.baselines.fastai_finder import FastaiFinder
from benchmarks.baselines.free import ScheduleFree, decoupled, groups, replaced
from benchmarks.baselines.parts import parts
from benchmarks.baselines.searches import SuccessiveHalving
from torch import nn

import etastar as es
from etastar.engine import Sequential
from etastar.schedules import Constant
from etastar.tasks.data.batches import ShuffledBatches
from etastar.training.randomness import seed_everything

PACKAGES = {
    "torch-lr-finder": "torch_lr_finder",
    "Lightning": "lightning",
    "fastai": "fastai",
    "ignite": "ignite",
    "Prodigy": "prodigyopt",
    "D-Adaptation": "dadaptation",
    "Schedule-Free": "schedulefree",
    "DoG": "dog",
}


def installed(method):
    needed = [module for name, module in PACKAGES.items() if method.name.startswith(name)]
    here = all(find_spec(module) is not None for module in needed)
    reason = "comes with the bench group"
    return pytest.param(method, id=method.name, marks=pytest.mark.skipif(not here, reason=reason))


METHODS_HERE = [installed(method) for method in METHODS]
TRAINERS_HERE = [installed(trainer) for trainer in TRAINERS]
RANGE_TESTS = [
    installed(method)
    for method in METHODS
    if method.name.startswith(("torch-lr", "Lightning", "fastai", "ignite"))
]


SIZE = 64


class Seen:
    """Counts the samples a loss is computed for, as an independent bookkeeper."""

    def __init__(self):
        self.sample_gradients = 0.0

    def __call__(self, model, batch):
        inputs, targets = batch
        self.sample_gradients += len(inputs) * (1 if torch.is_grad_enabled() else 1 / 3)
        return nn.functional.mse_loss(model(inputs), targets)


def network():
    return nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 1))


def made(loss=None, **changes):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(640, 4, generator=generator)
    targets = 3 + inputs[:, :1] * inputs[:, 1:2] + inputs[:, 2:3]
    options = {
        "train": ShuffledBatches(inputs[:512], targets[:512], size=SIZE),
        "valid": [(inputs[512:], targets[512:])],
        "steps": 160,
        "clip_norm": 5.0,
    }
    optimizer = changes.pop(
        "optimizer", lambda params: torch.optim.SGD(params, lr=0.01, momentum=0.9)
    )
    return es.Task(network, optimizer, loss or Seen(), **options | changes)


def drawn():
    return random.random(), np.random.rand(), torch.rand(()).item()  # noqa: NPY002


@pytest.mark.parametrize("method", METHODS_HERE)
def test_a_method_answers_pays_for_all_it_uses_and_repeats_itself(method):
    seen = Seen()
    task = made(seen)
    full_run(task)
    said = method.suggest(task, 3)
    assert said.note == ""
    assert said.lr is not None
    assert 1e-9 < said.lr < 100
    paid = said.cost * task.horizon * SIZE
    if method.name.startswith("successive"):  # it looks at the price of judging beforehand
        seen.sample_gradients -= 128 / 3
    assert paid == pytest.approx(seen.sample_gradients, abs=1e-6)
    again = method.suggest(task, 3)
    assert again.lr == said.lr
    assert again.cost == said.cost


@pytest.mark.parametrize("trainer", TRAINERS_HERE)
def test_a_trainer_learns_in_one_full_run(trainer):
    seen = Seen()
    task = made(seen)
    came = trainer.train(task, 3)
    assert came.note == ""
    untrained = Sequential().train(task, [1e-9], [3], task.horizon)[0]
    assert came.loss < untrained.final_loss
    assert 1 <= came.cost < 1.2
    assert trainer.train(task, 3).loss == came.loss
    assert trainer.train(task, 4).loss != came.loss


@pytest.mark.parametrize("method", METHODS_HERE + TRAINERS_HERE)
def test_the_random_state_comes_back(method):
    seed_everything(11)
    expected = drawn()
    seed_everything(11)
    (method.suggest if hasattr(method, "suggest") else method.train)(made(steps=60), 0)
    assert drawn() == expected


@pytest.mark.parametrize("accumulate", [1, 2])
def test_parts_train_as_the_engine_does(accumulate):
    task = made(accumulate=accumulate)
    trial = Sequential().train(task, [0.05], [7], 20, schedule=Constant(steps=20))[0]
    meter = Meter(task)
    losses = []
    with parts(task, 7, meter) as part:
        part.optimizer.param_groups[0]["lr"] = 0.05
        while len(losses) < 20:
            for batches in part.updates:
                part.optimizer.zero_grad()
                loss = part.model(batches)
                loss.backward()
                part.optimizer.step()
                losses.append(loss.item())
                if len(losses) == 20:
                    break
    np.testing.assert_allclose(losses, trial.curve.losses, rtol=1e-5)
    assert meter.cost == pytest.approx(20 / task.horizon)


@pytest.mark.parametrize("method", RANGE_TESTS)
def test_the_range_tests_see_the_seeds_own_weights_and_batches(method):
    seen = []

    def loss(model, batch):
        value = nn.functional.mse_loss(model(batch[0]), batch[1])
        seen.append(value.item())
        return value

    method.suggest(made(loss), 5)
    first = Sequential().train(made(), [1e-3], [5], 1)[0].curve.losses[0]
    assert seen[0] == pytest.approx(first, rel=1e-6)


@pytest.mark.parametrize("method", METHODS_HERE + TRAINERS_HERE)
def test_failure_is_an_answer(method):
    def broken(model, batch):
        raise ValueError("first line\nsecond line")

    suggests = hasattr(method, "suggest")
    came = (method.suggest if suggests else method.train)(made(broken), 0)
    if method.name.endswith("default"):  # they do not look
        assert came.lr in {1e-3, 0.1}
        return
    assert "first line" in came.note
    assert "second" not in came.note
    assert (came.lr is None) if suggests else (came.loss == math.inf)


@pytest.mark.parametrize("method", METHODS_HERE + TRAINERS_HERE)
def test_nothing_but_nan_is_survived(method):
    def lost(model, batch):
        return nn.functional.mse_loss(model(batch[0]), batch[1]) * math.nan

    suggests = hasattr(method, "suggest")
    came = (method.suggest if suggests else method.train)(made(lost), 0)
    if not suggests:
        assert came.loss == math.inf
        assert came.note == "diverged"
    elif came.lr is None:
        assert came.note
    else:  # argmin prefers NaN: some suggest a rate beside it
        assert math.isfinite(came.lr)
        assert came.lr > 0


def test_a_method_that_suggests_nan_has_nothing_to_say():
    class Nan(AbstractMethod):
        name = "nan"

        def search(self, task, seed, meter):
            meter.pay(SIZE * task.horizon)
            return math.nan

    said = Nan().suggest(made(), 0)
    assert said == Suggestion(None, 1.0, said.seconds, "suggests nan")


def test_a_missing_package_is_named():
    class Missing(AbstractMethod):
        name = "missing"

        def search(self, task, seed, meter):
            import no_such_package  # noqa: F401

    assert Missing().suggest(made(), 0).note == "no_such_package is not installed"


def test_the_minimum_over_ten_is_a_tenth_of_the_minimum():
    pytest.importorskip("fastai")
    tenth = FastaiFinder("minimum/10").suggest(made(), 1).lr
    assert FastaiFinder("minimum").suggest(made(), 1).lr == pytest.approx(10 * tenth)


def test_a_full_run_counts_unequal_batches():
    task = made(train=[(torch.zeros(n, 4), torch.zeros(n, 1)) for n in (8, 16)], accumulate=2)
    assert full_run(task) == task.horizon * 2 * 12


def test_a_task_with_a_step_of_its_own_is_declined():
    weight = torch.zeros(1, requires_grad=True)
    task = es.Task.from_step(
        lambda batch: 1.0,
        state=[weight],
        optimizers=torch.optim.SGD([weight], lr=0.1),
        train=[torch.zeros(2, 1)],
        steps=50,
    )
    with pytest.raises(NothingFoundError, match="a step of its own"), parts(task, 0, Meter(task)):
        pass


def test_successive_halving_keeps_to_its_budget():
    assert SuccessiveHalving(5).suggest(made(), 0).cost == pytest.approx(5, abs=0.35)


def test_replacing_an_optimizer_keeps_its_groups_and_their_decay():
    def split(params):
        first, *others = params
        return torch.optim.AdamW(
            [{"params": [first], "weight_decay": 0.0, "lr": 0.0}, {"params": others}],
            lr=0.01,
            weight_decay=0.3,
        )

    kept = []

    def new(old):
        kept.append(groups(old))
        return torch.optim.SGD(groups(old))

    task = replaced(made(optimizer=split), new)
    assert Sequential().train(task, [0.01], [0], 5)[0].measured
    frozen, rest = kept[0]
    assert (frozen["lr"], frozen["weight_decay"]) == (0.0, 0.0)
    assert (rest["lr"], rest["weight_decay"]) == (1.0, 0.3)

    def both():
        model = network()
        return model, split(model.parameters())

    pair = dataclasses.replace(made(), model=both, optimizer=None)
    assert Sequential().train(replaced(pair, new), [0.01], [0], 5)[0].measured
    assert len(kept) == 2


def test_decay_beside_the_gradient_is_told_from_decay_within_it():
    weight = [torch.zeros(1, requires_grad=True)]
    assert decoupled(torch.optim.AdamW(weight))
    assert not decoupled(torch.optim.Adam(weight))
    assert not decoupled(torch.optim.SGD(weight, lr=0.1, weight_decay=0.1))


def test_schedule_free_is_judged_at_its_average():
    schedulefree = pytest.importorskip("schedulefree")
    task = dataclasses.replace(made(clip_norm=None), model=lambda: nn.Linear(4, 1))
    came = ScheduleFree().train(task, 2)
    torch.manual_seed(2)
    model = nn.Linear(4, 1)
    optimizer = schedulefree.SGDScheduleFree(model.parameters(), lr=1.0, warmup_steps=8)
    optimizer.train()
    for _ in range(task.horizon // len(task.train)):
        for inputs, targets in task.train:
            optimizer.zero_grad()
            nn.functional.mse_loss(model(inputs), targets).backward()
            optimizer.step()
    wrong = nn.functional.mse_loss(model(task.valid[0][0]), task.valid[0][1]).item()
    optimizer.eval()
    right = nn.functional.mse_loss(model(task.valid[0][0]), task.valid[0][1]).item()
    assert came.loss == pytest.approx(right, rel=1e-5)
    assert abs(wrong - right) > 1e-4
