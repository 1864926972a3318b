"""The vectorized engine and what models, losses and optimizers keep: told, or trained the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from etastar.engine import Sequential
from etastar.engine.auto import Auto
from etastar.engine.vectorized import Vectorized, why_not
from etastar.errors import InputError
from etastar.tasks import Task

STEPS = 20
X = torch.randn(24, 3, generator=torch.Generator().manual_seed(0)).double()
BATCHES = [(x, x.sum(1, keepdim=True)) for x in X.split(8)]


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double()


def task(**changes: Any) -> Task:
    parts: dict[str, Any] = {
        "model": net,
        "optimizer": partial(torch.optim.SGD, lr=0.05),
        "train": BATCHES,
        "criterion": None if "loss" in changes else functional.mse_loss,
        "steps": STEPS,
        **changes,
    }
    return Task(**parts)


def same(
    made: Task,
    lrs: tuple[float, ...] = (0.01, 0.05),
    seeds: tuple[int, ...] = (0,),
    rtol: float = 1e-9,
    **options: Any,
) -> None:
    """Train with both engines and compare."""
    assert why_not(made) is None
    alone = Sequential().train(made, lrs, seeds, STEPS)
    together = Vectorized(**options).train(made, lrs, seeds, STEPS)
    for one, two in zip(together, alone, strict=True):
        assert one.status == two.status
        np.testing.assert_allclose(one.curve.losses, two.curve.losses, rtol=rtol)
        np.testing.assert_allclose(one.final_loss, two.final_loss, rtol=rtol)


# --- kept outside of buffers ------------------------------------------------------------------


class Balance:
    """A criterion that divides by the running mean of its loss."""

    def __init__(self) -> None:
        self.mean = torch.ones((), dtype=torch.float64)

    def state_dict(self) -> dict[str, Tensor]:
        return {"mean": self.mean}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.mean = state["mean"]

    def __call__(self, found: Tensor, wanted: Tensor) -> Tensor:
        loss = functional.mse_loss(found, wanted)
        if torch.is_grad_enabled():
            self.mean = 0.9 * self.mean + 0.1 * loss.detach()
        return loss / self.mean


class Centred(nn.Module):
    """Keeps a running mean in an attribute, and begins late to subtract it."""

    def __init__(self, keep: Callable[[Tensor], Any] = lambda mean: mean) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 8).double(), nn.Linear(8, 1).double()
        self.passes = 0
        self.keep = keep
        self.mean = keep(torch.zeros(8, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.first(x))
        mean = self.mean[0] if isinstance(self.mean, list) else self.mean
        if self.training:
            self.passes += 1
            self.mean = self.keep(0.9 * mean + 0.1 * hidden.mean(0).detach())
        return self.last(hidden - mean if self.passes > 6 else hidden)


def balanced() -> Task:
    balance = Balance()
    return task(criterion=balance, state=[balance], valid=BATCHES)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (balanced, "its model or loss keeps what it computes in a list or variable"),
        (lambda: task(model=lambda: Centred(lambda mean: [mean])), "in a list or variable"),
        (lambda: task(model=Centred), "its model keeps what it computes in mean, outside of its"),
    ],
    ids=["an object of the task", "a list in the model", "an attribute"],
)
def test_what_is_kept_outside_of_buffers_is_told(make: Callable[[], Task], reason: str) -> None:
    assert reason in str(why_not(make()))
    with pytest.raises(InputError, match="cannot train this task, because its model"):
        Vectorized().train(make(), [0.01, 0.05], [0], STEPS)
    trials = Auto().train(make(), [0.01, 0.05], [0, 1], STEPS)
    for one, two in zip(
        trials, Sequential().train(make(), [0.01, 0.05], [0, 1], STEPS), strict=True
    ):
        assert one.final_loss == two.final_loss


def test_what_a_loss_has_kept_can_be_used_afterwards() -> None:
    """As after a step of the usual loop, by the user as well as by the next trial."""
    kept: dict[str, Any] = {"mean": torch.ones((), dtype=torch.float64), "all": []}

    def loss(model: Any, batch: Any) -> Tensor:
        found = functional.mse_loss(model(batch[0]), batch[1])
        kept["mean"] = 0.9 * kept["mean"] + 0.1 * found.detach()
        kept["all"].append(found.detach())
        return found

    trials = Auto().train(task(loss=loss), [0.01, 0.05], [0], STEPS)
    assert [trial.status for trial in trials] == ["finished", "finished"]
    assert torch.stack(kept["all"]).isfinite().all()
    assert kept["all"][-1].item() == trials[-1].curve.losses[-1]
    assert math.isfinite(kept["mean"].item())


def test_what_a_model_shows_is_no_memory() -> None:
    """Also where an earlier pass has shown something before."""

    class Showing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = net()
            self.scale = scale

        def forward(self, x: Tensor) -> Tensor:
            own.append(self.scale is scale)
            self.hidden = self.inner[:2](x)
            return self.inner[2](self.hidden * self.scale)

    scale, own = torch.ones(8, dtype=torch.float64), list[bool]()
    model = Showing()
    model(X)
    shown = model.hidden
    same(task(model=model))
    assert model.hidden is shown
    assert own.count(False) == 2  # looked at in the first pass of the proof and of the training
    assert own[-1]


# --- what stands in for weights ---------------------------------------------------------------


@pytest.mark.parametrize(
    "of_weight",
    [
        lambda p: p.requires_grad,
        lambda p: isinstance(p, nn.Parameter),
        lambda p: isinstance(p, nn.Parameter) and not p.requires_grad,
    ],
    ids=["wanting gradients", "parameters", "frozen parameters"],
)
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_penalty_meets_the_weights_it_asks_for(
    of_weight: Callable[[Tensor], bool], kind: torch.dtype
) -> None:
    """In single precision far more is allowed between the losses than such a penalty makes."""

    def model() -> nn.Module:
        made = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1)).to(kind)
        made[0].bias.requires_grad_(False)
        return made

    def loss(model: nn.Module, batch: Any) -> Tensor:
        penalty = sum(p.square().sum() for p in model.parameters() if of_weight(p))
        return functional.mse_loss(model(batch[0]), batch[1]) + 0.02 * penalty

    far = [(x.to(kind), (30 * y + 100).to(kind)) for x, y in BATCHES]
    made = task(model=model, loss=loss, train=far)
    same(made, (0.001, 0.002), rtol=1e-5 if kind is torch.float32 else 1e-9)


def test_frozen_weights_may_be_infinite() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = net()
            mask = torch.tensor([0.0, -math.inf, 0.0], dtype=torch.float64)
            self.mask = nn.Parameter(mask, requires_grad=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x * self.mask.exp())

    same(task(model=Masked))
    trials = Sequential().train(task(model=Masked), [0.01], [0], STEPS)
    assert trials[0].status == "finished"


@pytest.mark.parametrize("foreach", [True, False])
def test_steps_may_write_into_gradients(foreach: bool) -> None:
    """As Nesterov's do by `foreach`; and gradients of two weights may be one tensor."""

    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            ones = torch.ones(1, 3, dtype=torch.float64)
            self.one, self.two = nn.Parameter(ones), nn.Parameter(-0.5 * ones)
            self.shift = nn.Parameter(2 * ones)

        def forward(self, x: Tensor) -> Tensor:
            return functional.linear(x, self.one + self.two) + self.shift.sum()

    nesterov = partial(torch.optim.SGD, lr=0.05, momentum=0.9, nesterov=True, foreach=foreach)
    for model in (net, Shared):
        same(task(model=model, optimizer=nesterov))


# --- validation -------------------------------------------------------------------------------


class Ageing(nn.Module):
    """Counts its passes, and speaks lower with each of them."""

    calls: Tensor

    def __init__(self, *, buffer: bool) -> None:
        super().__init__()
        self.inner = net()
        self.passes = 0
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))
        self.buffer = buffer

    def forward(self, x: Tensor) -> Tensor:
        if self.buffer:
            self.calls += 1
        else:
            self.passes += 1
        return self.inner(x) / (1 + 0.1 * (self.calls + self.passes))


@pytest.mark.parametrize("buffer", [True, False])
def test_passes_that_count_are_those_of_a_trial_alone(buffer: bool) -> None:
    made = task(model=partial(Ageing, buffer=buffer), valid=BATCHES)
    same(made, seeds=(0, 1, 2))
    wide = torch.cat([X] * 200)
    made = task(model=partial(Ageing, buffer=buffer), valid=[(wide, wide.sum(1, keepdim=True))])
    same(made, (0.01, 0.02, 0.03, 0.04), memory=2e5)  # one after another in validation


# --- seeds side by side -----------------------------------------------------------------------


def words(padding: int | None, first: int) -> Task:
    """Rows of a table by words, of which word 0 is first met in batch `first`."""

    def model() -> nn.Module:
        table = nn.Embedding(7, 4, padding_idx=padding)
        return nn.Sequential(table, nn.Flatten(), nn.Linear(20, 1)).double()

    def read() -> Any:
        order = torch.randperm(3).tolist()
        for place, index in enumerate(order):
            draw = torch.Generator().manual_seed(index)
            found = torch.randint(0 if place >= first else 1, 7, (8, 5), generator=draw)
            yield found, BATCHES[index][1]

    return task(model=model, train=read)


@pytest.mark.parametrize("first", [0, 2])
def test_padding_stays_where_it_is_for_every_seed(first: int) -> None:
    same(words(0, first), seeds=(0, 1))
    same(words(None, first), seeds=(0, 1))


def test_gradients_that_are_wrong_together_are_found_out() -> None:
    """A padding that no module tells of."""

    class Looking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.randn(7, 4).double())
            self.last = nn.Linear(20, 1).double()

        def forward(self, x: Tensor) -> Tensor:
            return self.last(functional.embedding(x, self.table, padding_idx=0).flatten(1))

    same(task(model=Looking, train=words(None, 0).train), seeds=(0, 1))


# --- the proof --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.RMSprop])
def test_a_bias_that_only_rounding_moves_is_no_obstacle(kind: Any) -> None:
    """It stands before a normalisation, and Adam makes steps of what rounding leaves of it."""

    def model() -> nn.Module:
        layers = [nn.Conv1d(3, 8, 1), nn.BatchNorm1d(8), nn.ReLU(), nn.Conv1d(8, 8, 1)]
        rest = [nn.BatchNorm1d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8, 1)]
        return nn.Sequential(nn.Unflatten(1, (3, 1)), *layers, *rest)

    single = [(x.float(), y.float()) for x, y in BATCHES]
    made = task(model=model, optimizer=partial(kind, lr=0.01), train=single, valid=single)
    assert why_not(made) is None


def test_a_model_that_has_changed_since_is_told() -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Linear(8, 1)).double()
    made = task(model=model)
    Vectorized().train(made, [0.01, 0.02], [0], 3)
    model[1] = nn.Identity()
    with pytest.raises(InputError, match=r"changed since .* no 0\.1\.running_mean now: use the"):
        Vectorized().train(made, [0.01, 0.02], [0], 3)
    assert Auto().train(made, [0.01, 0.02], [0], 3)[0].status == "finished"
