"""An update is the loop one would write by hand, bit for bit."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from tests.tasks.parts import linear, pairs, task
from torch import Tensor, nn

import etastar as es
from etastar.errors import TaskError
from etastar.training.live import MOST_SKIPS, LiveTask, living
from etastar.training.randomness import seed_everything
from etastar.training.update import needs_closure

mse = nn.functional.mse_loss
RATES = [0.05, 0.1, 0.2, 0.02, 0.01, 0.005]


def net() -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 1))


@dataclass
class Seen:
    """Losses and final weights of one training."""

    losses: list[float] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)

    def same(self, other: Seen) -> bool:
        same_losses = [loss.hex() for loss in self.losses] == [loss.hex() for loss in other.losses]
        return same_losses and all(map(torch.equal, self.weights, other.weights))


def copies(model: nn.Module) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in model.state_dict().values()]


def by_task(model: nn.Module, made: es.Task, rates: list[float]) -> Seen:
    with living(made) as live:
        live.begin(7)
        losses = [live.step(rate) for rate in rates]
        return Seen(losses, copies(model))


def by_hand(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    update: Callable[[nn.Module, torch.optim.Optimizer, list[Any]], float],
    rates: list[float],
    accumulate: int = 1,
) -> Seen:
    model = copy.deepcopy(model)
    new = type(optimizer)(
        [
            {**{k: v for k, v in group.items() if k != "params"}, "params": own}
            for group, own in zip(optimizer.param_groups, [list(model.parameters())], strict=True)
        ]
    )
    seed_everything(7)
    stream = iter(pairs() * 20)
    losses = []
    for rate in rates:
        new.param_groups[0]["lr"] = rate
        losses.append(update(model, new, [next(stream) for _ in range(accumulate)]))
    return Seen(losses, copies(model))


def simple(model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[Any]) -> float:
    ((x, y),) = batches
    optimizer.zero_grad()
    loss = mse(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


def accumulated(model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[Any]) -> float:
    optimizer.zero_grad()
    total = 0.0
    for x, y in batches:
        loss = mse(model(x), y)
        total += loss.item()
        (loss / len(batches)).backward()
    optimizer.step()
    return total / len(batches)


def clipped(by: Callable[[Any], object]) -> Callable[..., float]:
    def update(model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[Any]) -> float:
        ((x, y),) = batches
        optimizer.zero_grad()
        loss = mse(model(x), y)
        loss.backward()
        by(model.parameters())
        optimizer.step()
        return loss.item()

    return update


def halved(model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[Any]) -> float:
    ((x, y),) = batches
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = mse(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()


def by_closure(model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[Any]) -> float:
    ((x, y),) = batches
    first: list[float] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = mse(model(x), y)
        loss.backward()
        first.append(loss.item())
        return loss

    optimizer.step(closure)
    return first[0]


SGD: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-2}
KINDS: dict[str, tuple[Any, dict[str, Any], dict[str, Any], Any]] = {
    "sgd": (torch.optim.SGD, {"lr": 0.1}, {}, simple),
    "momentum": (torch.optim.SGD, SGD, {}, simple),
    "adamw": (torch.optim.AdamW, {"lr": 1e-2}, {}, simple),
    "accumulation": (torch.optim.SGD, SGD, {"accumulate": 4}, accumulated),
    "clip by norm": (
        torch.optim.SGD,
        SGD,
        {"clip_norm": 0.3},
        clipped(lambda ps: nn.utils.clip_grad_norm_(ps, 0.3)),
    ),
    "clip by value": (
        torch.optim.SGD,
        SGD,
        {"clip_value": 0.02},
        clipped(lambda ps: nn.utils.clip_grad_value_(ps, 0.02)),
    ),
    "bfloat16": (torch.optim.AdamW, {"lr": 1e-2}, {"autocast": "bfloat16"}, halved),
    "lbfgs": (torch.optim.LBFGS, {"lr": 0.1, "max_iter": 4}, {}, by_closure),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_equals_the_loop_by_hand(kind: tuple[Any, dict[str, Any], dict[str, Any], Any]) -> None:
    make, options, settings, update = kind
    model = net()
    optimizer = make(model.parameters(), **options)
    made = task(model=model, optimizer=optimizer, **settings)
    own = by_task(model, made, RATES)
    hand = by_hand(model, optimizer, update, RATES, settings.get("accumulate", 1))
    assert own.same(hand)
    other = [*RATES[:-1], RATES[-1] * 1.001]
    assert not own.same(by_hand(model, optimizer, update, other, settings.get("accumulate", 1)))


# --- float16 and its scaler -------------------------------------------------------------------


def overflowing(scale: float, most: int = 10**9) -> Callable[[nn.Module, Any], Tensor]:
    """A loss whose first gradients overflow float16 at a high scale."""

    class Overflows(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            calls.append(gradient.item())
            wild = abs(gradient.item()) > scale and len(calls) <= most
            return gradient * math.inf if wild else gradient

    calls: list[float] = []
    return lambda model, batch: Overflows.apply(mse(model(batch[0]), batch[1]))


def test_a_scaler_equals_the_loop_by_hand_and_skips_are_no_steps() -> None:
    model = linear()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    options: dict[str, Any] = {"init_scale": 2.0**16, "growth_interval": 3}
    scaler = torch.amp.GradScaler("cpu", **options)
    made = task(
        model=model,
        optimizer=optimizer,
        criterion=None,
        loss=overflowing(2.0**13),
        scaler=scaler,
        autocast="float16",
        clip_norm=0.5,
        steps=5,
    )
    own = by_task(model, made, RATES)
    with living(made) as live:
        live.begin(7)
        live.step(0.1)
        # scales 2^16, 2^15 and 2^14 overflow, 2^13 does not
        assert live.sample_gradients == 4 * 8
    assert scaler.get_scale() == 2.0**16

    model, loss = copy.deepcopy(model), overflowing(2.0**13)
    hand_optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    hand_scaler = torch.amp.GradScaler("cpu", **options)
    stream, losses = iter(pairs() * 20), list[float]()
    while len(losses) < len(RATES):
        hand_optimizer.param_groups[0]["lr"] = RATES[len(losses)]
        hand_optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.float16):
            value = loss(model, next(stream))
        hand_scaler.scale(value).backward()
        hand_scaler.unscale_(hand_optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        before = copies(model)
        hand_scaler.step(hand_optimizer)
        hand_scaler.update()
        if not all(map(torch.equal, copies(model), before)):
            losses.append(value.item())
    assert own.same(Seen(losses, copies(model)))


def test_a_scaler_that_finds_no_scale_ends_the_trial() -> None:
    made = task(criterion=None, loss=overflowing(0.0), autocast="float16")
    with living(made) as live:
        live.begin(0)
        assert math.isnan(live.step(0.1))
        assert live.sample_gradients == MOST_SKIPS * 8


def test_float16_brings_a_scaler_of_its_own_to_every_trial() -> None:
    loss = overflowing(2.0**12)
    made = task(criterion=None, loss=loss, autocast="float16")
    with living(made) as live:
        for _ in range(2):
            live.begin(0)
            live.step(0.1)
            assert live.sample_gradients == 5 * 8  # 2^16 to 2^13 overflow, every time


# --- what is not finite moves nothing ---------------------------------------------------------


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.LBFGS])
@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_loss_that_is_not_finite_moves_no_weight(
    optimizer: Any, value: float, accumulate: int
) -> None:
    model = linear()
    before = copies(model)

    def loss(model: nn.Module, batch: Any) -> Tensor:
        return mse(model(batch[0]), batch[1]) * value

    made = task(model=model, optimizer=optimizer, criterion=None, loss=loss, accumulate=accumulate)
    with living(made) as live:
        live.begin(0)
        assert not math.isfinite(live.step(0.1))
        assert all(map(torch.equal, copies(model), before))


def test_lbfgs_counts_its_evaluations() -> None:
    calls: list[int] = []

    def loss(model: nn.Module, batch: Any) -> Tensor:
        calls.append(len(batch[0]))
        return mse(model(batch[0]), batch[1])

    made = task(optimizer=torch.optim.LBFGS, criterion=None, loss=loss, accumulate=2)
    with living(made) as live:
        live.begin(0)
        live.step(0.1)
        assert len(calls) > 2
        assert live.sample_gradients == sum(calls)


def test_which_optimizers_need_a_closure() -> None:
    parameters = list(linear().parameters())
    assert needs_closure(torch.optim.LBFGS(parameters))
    for kind in (torch.optim.SGD, torch.optim.AdamW, torch.optim.Adagrad):
        assert not needs_closure(kind(parameters))
    scheduled = torch.optim.SGD(parameters, lr=0.1)
    torch.optim.lr_scheduler.StepLR(scheduled, 1)
    assert not needs_closure(scheduled)


def test_a_closure_and_a_scaler_do_not_go_together() -> None:
    made = task(optimizer=torch.optim.LBFGS, scaler=torch.amp.GradScaler("cpu"))
    with living(made) as live, pytest.raises(TaskError, match="a GradScaler cannot follow"):
        live.begin(0)
    assert isinstance(live, LiveTask)


def test_an_optimizer_with_its_own_way_to_clear_gradients_is_left_to_it() -> None:
    class Counting(torch.optim.SGD):
        cleared = 0

        def zero_grad(self, set_to_none: bool = True) -> None:
            Counting.cleared += 1
            super().zero_grad(set_to_none)

    model = net()
    made = task(model=model, optimizer=Counting(model.parameters(), lr=0.1))
    by_task(model, made, RATES)
    assert Counting.cleared == len(RATES)


def test_gradients_of_every_group_are_cleared_before_each_update() -> None:
    model = net()
    first, *others = model.parameters()
    optimizer = torch.optim.SGD([{"params": [first]}, {"params": others}], lr=0.1)
    seen: list[float] = []

    def loss(model: nn.Module, batch: Any) -> Tensor:
        seen.extend(0.0 if p.grad is None else 1.0 for p in model.parameters())
        return mse(model(batch[0]), batch[1])

    by_task(model, task(model=model, optimizer=optimizer, loss=loss, criterion=None), RATES)
    assert len(seen) == len(RATES) * (1 + len(others))
    assert not any(seen)
