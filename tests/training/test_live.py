"""Live tasks: every trial begins from one start, and judging it disturbs nothing."""

from __future__ import annotations

import gc
import math
import random
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from tests.tasks.parts import linear, pairs, sgd, task
from tests.training.bitwise import assert_same, random_bits, seed_everything
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

import etastar as es
from etastar.errors import TaskFailedError
from etastar.training.live import FORWARD_COST, LiveTask, living

mse = nn.functional.mse_loss
x, y = (torch.cat(part) for part in zip(*pairs(), strict=True))
dataset = TensorDataset(x, y)


def noisy() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))


def losses(made: es.Task, *, judged: bool = False, seed: int = 0, steps: int = 9) -> list[float]:
    with living(made) as live:
        live.begin(seed)
        return steps_of(live, judged, steps)


def steps_of(live: LiveTask, judged: bool, steps: int) -> list[float]:
    seen = []
    for _ in range(steps):
        seen.append(live.step(0.01))
        if judged:
            assert math.isfinite(live.evaluate() or math.nan)
    return seen


# --- validation disturbs nothing --------------------------------------------------------------

generator = torch.Generator()
shared = torch.Generator().manual_seed(3)
both = DataLoader(dataset, 8, shuffle=True)
persistent = DataLoader(dataset, 8, shuffle=True, num_workers=1, persistent_workers=True)

DATA: dict[str, tuple[Any, Any]] = {
    "lists": (pairs(), pairs(2, seed=1)),
    "loaders": (DataLoader(dataset, 8, shuffle=True), DataLoader(dataset, 8, shuffle=True)),
    "one loader": (both, both),
    "one loader with persistent workers": (persistent, persistent),
    "one generator": (
        DataLoader(dataset, 8, shuffle=True, generator=shared),
        DataLoader(dataset, 8, shuffle=True, generator=shared),
    ),
    "functions": (lambda: iter(both), lambda: iter(both)),
}


@pytest.mark.parametrize(("train", "valid"), DATA.values(), ids=DATA.keys())
def test_validation_does_not_disturb_training(train: Any, valid: Any) -> None:
    made = task(model=noisy, train=train, valid=valid)
    assert losses(made) == losses(made, judged=True)


def test_validation_gives_random_states_and_modes_back() -> None:
    model = noisy()
    model[1].eval()

    def loss(model: nn.Module, batch: Any) -> Tensor:
        if not model.training:
            torch.rand(3), random.random(), np.random.rand(2)  # noqa: NPY002
            modes.append([module.training for module in model.modules()])
        return mse(model(batch[0]), batch[1])

    modes: list[list[bool]] = []
    made = task(model=model, criterion=None, loss=loss, valid=pairs(2))
    with living(made) as live:
        live.begin(0)
        live.step(0.1)
        before, before_modes = random_bits(), [module.training for module in model.modules()]
        first = live.evaluate()
        assert_same(random_bits(), before)
        assert [module.training for module in model.modules()] == before_modes
        assert before_modes == [True, True, False, True, True]
        assert modes == [[False] * 5] * 2
        assert live.evaluate() == first


def test_a_model_that_changes_itself_in_eval_changes_back() -> None:
    class Merging(nn.Linear):
        """Changes its weight in eval, as adapters do that are merged."""

        def train(self, mode: bool = True) -> Merging:
            if mode != self.training:
                self.weight.data *= 0.5 if mode else 2.0
            return super().train(mode)

    model = Merging(3, 1)
    made = task(model=model, valid=pairs(1))
    assert losses(made) == losses(made, judged=True)


def test_frozen_parts_stay_in_eval_and_a_model_in_eval_is_trained() -> None:
    frozen, sleeping = noisy(), noisy().eval()
    frozen[1].eval()
    for model, normalises in ((frozen, False), (sleeping, True)):
        with living(task(model=model)) as live:
            live.begin(0)
            assert model.training
            assert model[1].training == normalises
    assert not frozen[1].training
    assert not any(module.training for module in sleeping.modules())


def test_the_validation_loss_is_the_mean_over_samples() -> None:
    model = noisy()
    uneven = [(x[:5], y[:5]), (x[5:6], y[5:6]), (x[6:], y[6:])]
    with living(task(model=model, valid=uneven)) as live:
        live.begin(0)
        judged = live.evaluate()
    model.eval()
    with torch.no_grad():
        assert judged == pytest.approx(mse(model(x), y).item(), rel=1e-6)
    assert not any(p.grad is not None for p in model.parameters())


# --- sample gradients -------------------------------------------------------------------------


def test_samples_are_counted_and_a_forward_pass_is_a_third() -> None:
    with living(task(accumulate=3, valid=pairs(2, size=5))) as live:
        live.begin(0)
        assert live.sample_gradients == 0
        live.step(0.1)
        live.step(0.1)
        assert live.sample_gradients == 2 * 3 * 8
        live.evaluate()
        assert live.sample_gradients == 2 * 3 * 8 + FORWARD_COST * 10
        live.begin(1)
        assert live.sample_gradients == 0


# --- user code that raises --------------------------------------------------------------------


class RefusedError(Exception):
    """A loss that refuses NaN."""


def picky(model: nn.Module, batch: Any) -> Tensor:
    output = model(batch[0])
    if not torch.isfinite(output).all():
        raise RefusedError("not finite")
    return mse(output, batch[1])


def deep() -> nn.Module:
    return nn.Sequential(*(nn.Linear(3, 3, bias=False) for _ in range(4)), nn.Linear(3, 1))


@pytest.mark.parametrize("model", [linear, deep])
@pytest.mark.parametrize("valid", [None, pairs(1)])
def test_a_loss_that_refuses_what_diverged_is_divergence(model: Any, valid: Any) -> None:
    with living(task(model=model, criterion=None, loss=picky, valid=valid)) as live:
        live.begin(0)
        seen = [live.step(1e15) for _ in range(2)]
        while math.isfinite(seen[-1]) and len(seen) < 50:
            seen.append(live.step(1e15))
        assert not math.isfinite(seen[-1])
        if valid is not None:
            assert not math.isfinite(live.evaluate() or 0.0)


def test_weights_that_are_finite_may_predict_what_is_not() -> None:
    model = deep()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 1e12
    for loss in (picky, normal):
        with living(task(model=model, criterion=None, loss=loss, valid=pairs(1))) as live:
            live.begin(0)
            assert math.isnan(live.step(0.1))
            assert live.sound
            assert math.isnan(live.evaluate() or 0.0)


def normal(model: nn.Module, batch: Any) -> Tensor:
    """torch's distributions refuse NaN themselves."""
    return (
        -torch.distributions.Normal(model(batch[0]) * 0 * batch[0].sum(), 1.0)
        .log_prob(batch[1])
        .mean()
    )


@pytest.mark.parametrize("at", [0, 3])
def test_code_that_raises_on_finite_numbers_has_failed(at: int) -> None:
    calls = iter(range(100))
    mask = torch.full((8, 1), -math.inf)  # as attention uses it; no sign of divergence

    def loss(model: nn.Module, batch: Any) -> Tensor:
        best, hidden = math.inf, mask
        if next(calls) == at:
            raise RefusedError(f"for another reason {best} {hidden.shape}")
        return mse(model(batch[0]), batch[1])

    with living(task(criterion=None, loss=loss)) as live:
        live.begin(0)
        for _ in range(at):
            live.step(0.1)
        with pytest.raises(TaskFailedError, match=f"raised RefusedError at step {at}") as caught:
            live.step(0.1)
    assert isinstance(caught.value.__cause__, RefusedError)


def test_missing_values_in_the_data_are_no_divergence() -> None:
    def loss(model: nn.Module, batch: Any) -> Tensor:
        _, targets = batch
        raise RefusedError(f"cannot use {targets}")

    with living(task(criterion=None, loss=loss, train=[(x, y * math.nan)])) as live:
        live.begin(0)
        with pytest.raises(TaskFailedError):
            live.step(0.1)


def test_code_that_raises_in_validation_or_in_a_factory_has_failed() -> None:
    def loss(model: nn.Module, batch: Any) -> Tensor:
        if not model.training:
            raise RefusedError("in validation")
        return mse(model(batch[0]), batch[1])

    def broken() -> nn.Module:
        raise RefusedError("in the factory")

    with living(task(criterion=None, loss=loss, valid=pairs(1))) as live:
        live.begin(0)
        with pytest.raises(TaskFailedError, match="RefusedError while it was evaluated") as caught:
            live.evaluate()
        assert isinstance(caught.value.__cause__, RefusedError)
        assert live.step(0.1) > 0
    with living(task(model=broken)) as live:
        with pytest.raises(TaskFailedError, match="building the task raised RefusedError"):
            live.begin(0)
        with pytest.raises(RuntimeError, match="begin"):
            live.step(0.1)


# --- one start for every trial ----------------------------------------------------------------


def nested() -> DataLoader[Any]:
    own = RandomSampler(dataset, generator=torch.Generator().manual_seed(9))
    return DataLoader(dataset, batch_sampler=BatchSampler(own, 8, drop_last=False))


class Shuffled:
    """A loader of one's own, with NumPy's generator."""

    def __init__(self, kind: Any) -> None:
        self.rng = kind

    def __iter__(self) -> Iterator[Any]:
        order = list(range(len(x)))
        self.rng.shuffle(order)
        return ((x[order[i : i + 8]], y[order[i : i + 8]]) for i in range(0, len(x), 8))


def function_of_a_generator() -> Any:
    own = torch.Generator().manual_seed(4)

    def read() -> Iterator[Any]:
        order = torch.randperm(len(x), generator=own)
        return ((x[part], y[part]) for part in order.split(8))

    return read


def function_of_a_loader() -> Any:
    own = DataLoader(dataset, 8, shuffle=True, generator=torch.Generator().manual_seed(4))
    return lambda: iter(own)


def method() -> Any:
    return Shuffled(random.Random(1)).__iter__


STREAMS: dict[str, Any] = {
    "shuffling loader": lambda: DataLoader(dataset, 8, shuffle=True),
    "loader with a generator": lambda: DataLoader(
        dataset, 8, shuffle=True, generator=torch.Generator().manual_seed(5)
    ),
    "generator in the batch sampler's sampler": nested,
    "numpy generator": lambda: Shuffled(np.random.default_rng(0)),
    "numpy legacy generator": lambda: Shuffled(np.random.RandomState(0)),
    "python generator": lambda: Shuffled(random.Random(0)),
    "function of a generator": function_of_a_generator,
    "function of a loader": function_of_a_loader,
    "method": method,
    "Python's own generator": lambda: Shuffled(random),
    "NumPy's own generator": lambda: Shuffled(np.random),
}


@pytest.mark.parametrize("make", STREAMS.values(), ids=STREAMS.keys())
def test_the_seed_alone_decides_the_order_of_samples(make: Any) -> None:
    made = task(model=linear(), train=make())
    with living(made) as live:
        seen = []
        for seed in (0, 1, 0):
            live.begin(seed)
            seen.append(steps_of(live, judged=False, steps=6))
    assert seen[0] == seen[2]
    assert seen[0] != seen[1]
    random.random(), np.random.rand(), torch.rand(1)  # noqa: NPY002  wherever the caller is
    assert losses(made, seed=1, steps=6) == seen[1]


@pytest.mark.parametrize("make", STREAMS.values(), ids=STREAMS.keys())
def test_the_callers_own_order_goes_on_as_if_nothing_had_been_read(make: Any) -> None:
    def order(source: Any) -> list[Tensor]:
        seed_everything(0)
        return [batch[0] for batch in (source() if callable(source) else source)]

    alone, used = make(), make()
    order(alone), order(used)
    losses(task(train=used))
    assert all(map(torch.equal, order(used), order(alone)))


def test_a_trial_begins_without_what_the_last_one_left() -> None:
    model = noisy()
    made = task(model=model, optimizer=torch.optim.Adam(model.parameters(), lr=0.1))
    with living(made) as live:
        live.begin(0)
        first = steps_of(live, judged=False, steps=4)
        live.begin(5)
        live.step(1e6)
        live.begin(0)
        assert steps_of(live, judged=False, steps=4) == first


def test_a_tensor_that_every_optimizer_is_given_as_its_rate_stays_as_it_was() -> None:
    held = torch.tensor(0.1)

    def optimizer(params: Any) -> torch.optim.Optimizer:
        weight, bias = params
        groups = [{"params": [weight]}, {"params": [bias], "lr": 0.01}]
        return torch.optim.Adam(groups, lr=held, foreach=False)

    with living(task(optimizer=optimizer)) as live:
        trials = []
        for _ in range(2):
            live.begin(0)
            assert live.rates.ratios == pytest.approx([1.0, 0.1])
            trials.append(steps_of(live, judged=False, steps=5))
    assert trials[0] == trials[1]
    assert held.item() == pytest.approx(0.1)


def test_the_last_trials_model_is_let_go_of_before_the_next_is_built() -> None:
    alive: list[int] = []
    made: list[weakref.ref[Any]] = []

    def build() -> nn.Module:
        gc.collect()
        alive.append(sum(ref() is not None for ref in made))
        model = linear()
        made.extend(map(weakref.ref, (model, *model.parameters())))
        return model

    with living(task(model=build)) as live:
        for seed in range(3):
            live.begin(seed)
            live.step(0.1)
    assert alive == [0, 0, 0]


def attached(steps_before: int) -> tuple[nn.Module, torch.optim.Optimizer, Any]:
    """A training in progress, its rate driven by a schedule of ours."""
    torch.manual_seed(0)
    model = linear()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    go_on(model, optimizer, None, steps_before)
    return model, optimizer, es.attach(optimizer, lr=es.schedules.Cosine(steps=40, peak=0.1))


def go_on(model: nn.Module, optimizer: torch.optim.Optimizer, scheduler: Any, steps: int) -> Any:
    seen = []
    for batch in pairs(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.zero_grad()
        mse(model(batch[0]), batch[1]).backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return seen, [p.detach().clone() for p in model.parameters()]


@pytest.mark.parametrize("steps_before", [0, 2])
def test_a_schedule_attached_to_the_optimizer_stands_still_and_moves_nothing(
    steps_before: int,
) -> None:
    model, optimizer, scheduler = attached(steps_before)
    hooks = [list(vars(optimizer)[f"_optimizer_step_{kind}_hooks"]) for kind in ("pre", "post")]
    moved = losses(task(model=model, optimizer=optimizer))
    assert hooks == [
        list(vars(optimizer)[f"_optimizer_step_{kind}_hooks"]) for kind in ("pre", "post")
    ]
    rates, weights = go_on(model, optimizer, scheduler, 5)

    alone = attached(steps_before)
    assert (rates, scheduler.last_epoch) == (go_on(*alone, 5)[0], 5)
    assert all(map(torch.equal, weights, alone[0].parameters()))

    model, optimizer, scheduler = attached(steps_before)
    scheduler.detach()
    assert moved == losses(task(model=model, optimizer=optimizer))


def test_a_snapshot_brings_an_attached_schedule_back() -> None:
    model, optimizer, scheduler = attached(0)
    go_on(model, optimizer, scheduler, 3)
    with es.preserved(model, optimizer, scheduler):
        go_on(model, optimizer, scheduler, 5)
        assert scheduler.last_epoch == 8
    assert scheduler.last_epoch == 3
    go_on(model, optimizer, scheduler, 1)
    assert scheduler.last_epoch == 4


# --- parts ------------------------------------------------------------------------------------


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
        self.two.weight = self.one.weight
        self.frozen = nn.Linear(3, 1).requires_grad_(requires_grad=False)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.frozen(self.two(self.one(inputs)))


def test_trainable_numbers_count_tied_ones_once_and_frozen_ones_not() -> None:
    with living(task(model=Tied)) as live:
        live.begin(0)
        assert live.trainable == 9


def test_a_lazy_model_trains() -> None:
    model = nn.LazyLinear(1)
    with living(task(model=model)) as live:
        live.begin(0)
        assert live.trainable == 0
        assert live.sound
        assert math.isfinite(live.step(0.1))
        assert live.trainable == 4


def test_the_weights_are_unsound_once_one_is_not_finite() -> None:
    model = linear()
    with living(task(model=model)) as live:
        live.begin(0)
        assert live.sound
        with torch.no_grad():
            model.bias.fill_(math.nan)
        assert not live.sound


def test_batches_go_to_the_part_of_the_model_that_device_names() -> None:
    class Split(nn.Module):
        """Its first parameter is elsewhere, and not used."""

        def __init__(self) -> None:
            super().__init__()
            self.far = nn.Linear(1, 1, device="meta").requires_grad_(requires_grad=False)
            self.near = nn.Linear(3, 1)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.near(inputs)

    model = Split()
    optimizer = sgd(model.near.parameters())
    with living(task(model=model, optimizer=optimizer, device="cpu")) as live:
        live.begin(0)
        assert math.isfinite(live.step(0.1))


def test_a_step_tasks_batches_go_where_device_says() -> None:
    model, seen = linear(), list[torch.device]()

    def step(batch: Any) -> float:
        seen.append(batch[0].device)
        return 1.0

    for device in (None, "meta"):
        made = es.Task(
            step=step, optimizer=[sgd(model.parameters())], train=pairs(), steps=2, device=device
        )
        losses(made, steps=1)
    assert seen == [torch.device("cpu"), torch.device("meta")]
