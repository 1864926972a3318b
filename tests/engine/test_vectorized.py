"""The vectorized engine: the contract, and what batching adds to it."""

from __future__ import annotations

import copy
import math
import warnings
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from etastar.engine import Observer, Sequential
from etastar.engine.choose import engine_named
from etastar.engine.vectorized import Vectorized, why_not
from etastar.errors import InputError, TaskFailedError
from etastar.schedules import Cosine, Cyclic, OneCycle
from etastar.tasks import Task
from etastar.testing.engine_tasks import Points
from etastar.testing.engines import EngineContract
from etastar.training.live import LiveTask

LRS = [0.01, 0.05, 0.1]
DECAY = Cyclic(steps=20, peak=0.5, up_steps=4)  # from 0, and to 0 again


class TestVectorized(EngineContract):
    tolerance = 1e-5

    def engine(self) -> Vectorized:
        return Vectorized()


class TestInTurns(EngineContract):
    """With memory for a single slice, so that every rate is a chunk."""

    tolerance = 1e-5

    def engine(self) -> Vectorized:
        return Vectorized(memory=1.0)


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double()


def task(**changes: Any) -> Task:
    parts: dict[str, Any] = {
        "model": net,
        "optimizer": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
        "train": Points(dtype=torch.float64),
        "valid": Points(2, dtype=torch.float64),
        "criterion": nn.functional.mse_loss,
        "steps": 20,
        "schedule": Cosine(steps=20, warmup_steps=4),
        **changes,
    }
    return Task(**parts)


def same(
    made: Task, lrs: list[float] = LRS, seeds: tuple[int, ...] = (0, 1), **options: Any
) -> Any:
    """Train with both engines and compare.

    Returns:
        The vectorized trials.
    """
    reference = Sequential().train(made, lrs, seeds, 20, **options)
    trials = Vectorized().train(made, lrs, seeds, 20, **options)
    for one, two in zip(trials, reference, strict=True):
        assert (one.lr, one.seed, one.status) == (two.lr, two.seed, two.status)
        assert one.sample_gradients == pytest.approx(two.sample_gradients)
        np.testing.assert_allclose(one.curve.losses, two.curve.losses, rtol=1e-7)
        np.testing.assert_allclose(one.curve.lrs, two.curve.lrs, rtol=1e-15)
        np.testing.assert_allclose(one.final_loss, two.final_loss, rtol=1e-7)
    return trials


# --- the user's own parts ---------------------------------------------------------------------


class Carrying(nn.Module):
    """Computes its loss itself, as transformers' models do."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = net()

    def forward(self, x: Tensor, y: Tensor) -> Any:
        return {"loss": nn.functional.mse_loss(self.inner(x), y)}


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
        self.decode.weight = self.encode.weight
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.decode(self.encode(x).tanh()).sum(1, keepdim=True)


class Counting(nn.Module):
    """Keeps running means in buffers, in place and by assignment, and counts its calls."""

    calls: Tensor
    mean: Tensor
    span: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 1)
        self.register_buffer("calls", torch.tensor(0))
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("span", torch.zeros(()))
        self.register_buffer("constant", torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        if self.training:
            self.calls += 1
            self.mean.lerp_(y.detach().mean(0), 0.1)
            self.span = 0.9 * self.span + 0.1 * y.detach().abs().max()
        return (y - self.mean) / (1 + self.span) * self.constant


def by_loss(model: Any, batch: Any) -> Tensor:
    return (model(batch[0]) - batch[1]).abs().mean() + 1e-3 * model[0].weight.square().sum()


def grouped(model: nn.Module | None = None) -> Any:
    model = model or net()
    first, second, third = model[0], model[2], nn.Linear(1, 1).double()
    model.add_module("unused", third)
    return model, torch.optim.AdamW(
        [
            {"params": first.parameters(), "lr": 0.3, "weight_decay": 0.2},
            {"params": [second.weight], "lr": 0.0},
            {"params": [second.bias]},
        ],
        lr=0.1,
    )


def frozen() -> nn.Module:
    model = net()
    model[0].requires_grad_(False)
    return model


class Halves(nn.Sequential):
    """Leaves out a layer on every batch whose first number is negative."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        first, middle, last = self
        hidden = first(x).tanh()
        return ((last(middle(hidden) if y[0, 0] > 0 else hidden)) - y).square().mean()


@pytest.mark.parametrize(
    "changes",
    [
        {"criterion": None, "loss": by_loss},
        {"criterion": nn.MSELoss()},
        {"criterion": None, "model": Carrying},
        {"model": lambda: Tied().double()},
        {"model": lambda: Counting().double()},
        {"model": grouped, "optimizer": None},
        {"model": frozen},
        {
            "model": lambda: Halves(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 1)).double(),
            "criterion": None,
            "loss": lambda model, batch: model(*batch),
            "optimizer": partial(torch.optim.AdamW, lr=0.1, weight_decay=0.1),
        },
        {"accumulate": 2, "clip_norm": 0.3},
        {"clip_norm": 0.5, "clip_value": 0.1},
        {"optimizer": partial(torch.optim.Adam, lr=0.1, maximize=True, weight_decay=0.1)},
        {"optimizer": partial(torch.optim.Adam, lr=torch.tensor(0.1))},
        {"optimizer": partial(torch.optim.AdamW, lr=0.1, fused=True)},
        {"optimizer": partial(torch.optim.NAdam, lr=0.1, decoupled_weight_decay=True)},
        {"settings": {"momentum": 0.5, "weight_decay": 0.01}},
        {"other_schedules": {"momentum": OneCycle(steps=9).momentum(), "weight_decay": DECAY}},
        {"model": grouped, "optimizer": None, "other_schedules": {"weight_decay": DECAY}},
        {"valid": None},
    ],
    ids=[
        "loss",
        "criterion module",
        "carried loss",
        "tied and scalar",
        "buffers",
        "groups",
        "frozen",
        "unreached by turns",
        "accumulate",
        "clip",
        "maximize",
        "tensor rate",
        "fused",
        "decoupled",
        "settings",
        "other schedules",
        "other schedules of groups",
        "no validation",
    ],
)
def test_trains_as_the_sequential_engine_does(changes: dict[str, Any]) -> None:
    same(task(**changes), [0.001, 0.01, 0.05])


def test_a_group_at_rate_0_stays() -> None:
    seen: list[Tensor] = []

    def loss(model: Any, batch: Any) -> Tensor:
        weight = model[2].weight
        if torch._C._functorch.is_batchedtensor(weight):
            seen.append(torch._C._functorch.get_unwrapped(weight).detach().clone())
        return nn.functional.mse_loss(model(batch[0]), batch[1])

    Vectorized().train(task(model=grouped, optimizer=None, criterion=None, loss=loss), LRS, [0], 5)
    assert len(seen) > 5
    last = seen[-1]
    assert last.shape == (3, 1, 8)
    assert torch.equal(last[0], last[2])
    assert torch.equal(last, seen[-5][:3])


def test_goes_on_from_an_optimizer_that_has_trained() -> None:
    """Moments and counters are the slices' start, and come back to the caller."""
    for kind in (torch.optim.NAdam, torch.optim.Adagrad, partial(torch.optim.SGD, momentum=0.9)):
        model = net()
        optimizer = kind(model.parameters(), lr=0.1)
        for x, y in Points(dtype=torch.float64):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
        before = copy.deepcopy(optimizer.state_dict())
        same(task(model=model, optimizer=optimizer), seeds=(0,))
        after = optimizer.state_dict()
        assert after["param_groups"] == before["param_groups"]
        for index, state in before["state"].items():
            assert all(torch.equal(state[name], after["state"][index][name]) for name in state)


def test_dropout_is_what_a_single_trial_draws() -> None:
    model = nn.Sequential(nn.Linear(3, 16), nn.Dropout(0.5), nn.Tanh(), nn.Linear(16, 1))
    same(task(model=lambda: copy.deepcopy(model).double()))


class Attending(nn.Module):
    """A layer of torch's own transformer: some of what it drops lies transposed in memory."""

    def __init__(self, *, norm_first: bool) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(
            8, 2, 16, dropout=0.2, batch_first=True, norm_first=norm_first
        )
        self.enter, self.leave = nn.Linear(1, 8), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(self.layer(self.enter(x.unsqueeze(-1))).mean(1))


@pytest.mark.parametrize("norm_first", [False, True])
def test_dropout_falls_as_the_input_lies_in_memory(norm_first: bool) -> None:
    same(task(model=lambda: Attending(norm_first=norm_first).double()))


def test_dropout_in_place_and_of_data_and_of_everything() -> None:
    def loss(model: Any, batch: Any) -> Tensor:
        x = nn.functional.dropout(batch[0], 0.1)  # before any slice differs
        hidden = model(x)
        nothing = nn.functional.dropout(hidden, 1.0).sum()
        return nn.functional.mse_loss(hidden, batch[1]) + nothing

    model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.3, inplace=True), nn.Linear(8, 1))
    same(task(model=lambda: copy.deepcopy(model).double(), criterion=None, loss=loss))


# --- random numbers of its own for every slice -------------------------------------------------


def curves(made: Task, lrs: list[float], **options: Any) -> list[list[float]]:
    trials = Vectorized(**options).train(made, lrs, [0, 1], 20)
    return [[*trial.curve.losses.tolist(), trial.final_loss] for trial in trials]


def still() -> nn.Module:
    """Draws as many initial numbers as no model at all.

    Returns:
        A net.
    """
    with torch.random.fork_rng():
        return net()


def dropping(**changes: Any) -> Task:
    model = nn.Sequential(nn.Linear(3, 16), nn.Dropout(0.5), nn.Tanh(), nn.Linear(16, 1)).double()
    return task(model=lambda: copy.deepcopy(model), **changes)


@pytest.mark.parametrize("width", [None, 1])
def test_slices_share_their_random_numbers_or_draw_their_own(width: int | None) -> None:
    """Also in turns: no slice may repeat what another has drawn."""
    made = dropping()
    alike = curves(made, [0.05, 0.05], width=width)
    assert alike[:2] == alike[2:]
    apart = curves(made, [0.05, 0.05], width=width, randomness="independent")
    assert all(one != two for one, two in zip(apart[0][:-1], apart[2][:-1], strict=True))
    assert apart[0] != apart[1]
    assert curves(made, [0.05, 0.05], width=width, randomness="independent") == apart


def test_without_random_numbers_in_the_model_both_are_the_same() -> None:
    assert curves(task(), LRS) == curves(task(), LRS, randomness="independent")


def test_slices_that_draw_their_own_see_the_same_batches_and_validation() -> None:
    """Whatever they draw, and however many they are."""
    seen: list[Tensor] = []

    def loss(model: Any, batch: Any) -> Tensor:
        if model.training:
            seen.append(batch[0].clone())
        return nn.functional.mse_loss(model(batch[0]), batch[1])

    made, silent = dropping(criterion=None, loss=loss), task(model=still, criterion=None, loss=loss)
    orders = []
    for which, lrs in ((made, LRS), (made, [0.1]), (silent, [0.05])):
        assert why_not(which) is None
        seen.clear()
        Vectorized(randomness="independent").train(which, lrs, [0], 20)
        orders.append(torch.stack(seen))
    assert torch.equal(orders[0], orders[1])
    assert torch.equal(orders[0], orders[2])
    idle = dropping(criterion=None, loss=lambda m, b: 0 * m(b[0]).sum() + torch.randn(()))
    first, second = Vectorized(randomness="independent").train(idle, [0.1, 0.1], [0], 3)
    assert first.final_loss == second.final_loss
    assert first.curve.losses.tolist() != second.curve.losses.tolist()


@pytest.mark.parametrize("wrong", ["same", None, True])
def test_randomness_is_shared_or_independent(wrong: Any) -> None:
    with pytest.raises(InputError, match="pass 'shared' or 'independent'"):
        Vectorized(randomness=wrong)
    with pytest.raises(InputError, match=r"randomness=.*: pass 'shared' or 'independent'"):
        engine_named("vectorized", randomness=wrong)


# --- the work shrinks -------------------------------------------------------------------------


def test_diverged_and_lost_slices_leave_the_batch() -> None:
    sizes: list[int] = []

    def loss(model: Any, batch: Any) -> Tensor:
        weight = model[0].weight
        if model.training and torch._C._functorch.is_batchedtensor(weight):
            sizes.append(torch._C._functorch.get_unwrapped(weight).shape[0])
        return nn.functional.mse_loss(model(batch[0]), batch[1])

    made = task(criterion=None, loss=loss)
    assert why_not(made) is None
    sizes.clear()
    trials = same(
        made,
        [0.01, 1e200, 0.05, 0.03],
        seeds=(0,),
        lost=lambda losses, steps: len(losses) == 10 and losses[0] / losses[-1] < 1.3,
    )
    statuses = [trial.status for trial in trials]
    assert statuses[1] == "diverged"
    assert "finished" in statuses
    assert sizes[0] == 4
    assert sizes[-1] == statuses.count("finished")
    assert sizes == sorted(sizes, reverse=True)


def test_a_task_that_raises_at_nan_ends_only_the_trial_that_met_it() -> None:
    """Others go on with the random numbers they would have drawn."""

    def loss(model: Any, batch: Any) -> Tensor:
        probability = torch.sigmoid(nn.functional.dropout(model(batch[0]), 0.3))
        return nn.functional.binary_cross_entropy(probability, (batch[1] > 0).double())

    class Heard(Observer):
        def __init__(self) -> None:
            self.steps: list[tuple[float, int]] = []

        def stepped(self, lr: float, step: int, loss: float) -> None:
            self.steps.append((lr, step))

    heard = Heard()
    trials = same(task(criterion=None, loss=loss), [0.1, 1e308, 1.0], seeds=(0,), observer=heard)
    assert [trial.status for trial in trials] == ["finished", "diverged", "finished"]
    counted = [heard.steps.count((0.1, step)) for step in range(20)]
    assert counted == [2] * 20  # once by each engine


# --- memory -----------------------------------------------------------------------------------


def test_chunks_are_as_large_as_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    begin = LiveTask.begin

    def counted(live: LiveTask, seed: int, *steps: int) -> None:
        begun.append(seed)
        begin(live, seed, *steps)

    made = task()
    assert why_not(made) is None
    monkeypatch.setattr(LiveTask, "begin", counted)
    passes = {}
    for memory in (None, 1e9, 1.0):
        begun.clear()
        trials = Vectorized(memory=memory).train(made, LRS, [0], 3)
        assert [trial.lr for trial in trials] == LRS
        passes[memory] = len(begun) - 1  # one begins to look where the model is
    assert passes == {None: 1, 1e9: 1, 1.0: 3}


# --- what cannot be batched -------------------------------------------------------------------


class Deciding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = net()

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        return y if y.mean() > 0 else -y


class Remembering(nn.Module):
    """Adds its last output, kept outside of any buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = net()
        self.last: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        if self.last:
            y = y + float(self.last[-1].detach().sum())
        self.last.append(y)
        return y


class Smoothing(nn.Module):
    """Subtracts a running mean, kept where the engine does not look."""

    def __init__(self, where: str = "mean") -> None:
        super().__init__()
        self.inner = net()
        self.where = where
        self.mean = torch.zeros(1, dtype=torch.float64)
        self.register_buffer("late", None)

    def forward(self, x: Tensor) -> Tensor:
        y, mean = self.inner(x), getattr(self, self.where)
        mean = y.detach().mean() if mean is None else 0.9 * mean + 0.1 * y.detach().mean()
        setattr(self, self.where, mean)
        return y - mean


class Choosing(nn.Module):
    """Counts what it chose in a buffer of whole numbers, which it replaces."""

    chosen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 4).double()
        self.register_buffer("chosen", torch.zeros(4, dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        self.chosen = self.chosen + nn.functional.one_hot(y.argmax(1), 4).sum(0)
        return (y * self.chosen).sum(1, keepdim=True)


def traced() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.trace(net(), torch.ones(2, 3, dtype=torch.float64))


class Mine(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        return super().step(closure)


def hooked() -> Any:
    model = net()
    model[0].weight.register_hook(lambda gradient: 2 * gradient)
    return model


def watched() -> Any:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.register_step_pre_hook(lambda *_: None)
    return model, optimizer


class Embedded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(4, 1, sparse=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.table((x[:, 0] > 0).long())


def half_held() -> Any:
    model = net()
    return model, torch.optim.SGD(model[0].parameters(), lr=0.1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"optimizer": partial(torch.optim.LBFGS, lr=0.1)}, "LBFGS evaluates the loss several"),
        ({"optimizer": partial(torch.optim.Rprop, lr=0.1)}, "Rprop is not known to move weights"),
        ({"optimizer": partial(Mine, lr=0.1)}, "Mine is not known to move weights in proportion"),
        ({"model": Deciding}, "looks at the value of a tensor to decide"),
        ({"model": hooked}, "hooks on its weights"),
        ({"model": watched, "optimizer": None}, "hooks on its optimizer"),
        ({"model": Embedded}, "sparse gradients"),
        ({"model": lambda: nn.LazyLinear(1)}, "shape from the first batch"),
        ({"model": half_held, "optimizer": None, "clip_norm": 1.0}, "count in the clipped norm"),
        ({"model": traced}, "TorchScript keeps the weights"),
        ({"model": Smoothing}, "keeps what it computes in mean, outside of its buffers"),
        ({"model": lambda: Smoothing("late")}, "batched, its loss at step 1 is"),
        ({"model": Choosing}, "batched, its loss at step"),
        ({"scaler": torch.amp.GradScaler("cpu")}, "GradScaler"),
        ({"autocast": "float16"}, "GradScaler"),
    ],
    ids=lambda value: None,
)
def test_what_cannot_be_batched_is_told_beforehand(changes: dict[str, Any], reason: str) -> None:
    made = task(**changes)
    told = why_not(made)
    assert told is not None
    assert reason in told
    with pytest.raises(InputError, match="the vectorized engine cannot train this task, because"):
        Vectorized().train(made, LRS, [0], 3)


def test_a_loop_of_its_own_cannot_be_batched() -> None:
    model = net()
    made = Task.from_step(
        lambda batch: 1.0,
        state=[model],
        optimizers=torch.optim.SGD(model.parameters(), lr=0.1),
        train=[0],
        steps=3,
    )
    assert why_not(made) == "its step(batch) does the whole update itself"


def test_losses_that_come_out_differently_are_told() -> None:
    def loss(model: Any, batch: Any) -> Tensor:
        """Knows, by unfair means, that it is batched."""
        found = nn.functional.mse_loss(model(batch[0]), batch[1])
        return 2 * found if torch._C._functorch.is_batchedtensor(found) else found

    told = why_not(task(criterion=None, loss=loss))
    assert told is not None
    assert told.startswith("batched, its loss at step 0 is")


class Listing(nn.Module):
    """Takes its weight from a list of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.scale = nn.Parameter(torch.randn(3, 1)), nn.Parameter(torch.ones(1))
        self.hidden = [self.weight]

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.hidden[0]) * self.scale


def fine(**changes: Any) -> Task:
    """In single precision, at a rate so low that no loss shows what a step has missed."""
    parts = {"train": Points(), "valid": None, "model": lambda: net().float()}
    return task(**parts | {"optimizer": partial(torch.optim.Adam, lr=1e-7)} | changes)


def test_weights_taken_by_a_detour_are_told_at_any_rate() -> None:
    """They would stay as they were at the start, and training go wrong without a word."""
    model = net().float()
    weights = list(model.parameters())

    def penalised(model: Any, batch: Any) -> Tensor:
        penalty = sum(weight.square().sum() for weight in weights)
        return nn.functional.mse_loss(model(batch[0]), batch[1]) + 1e-5 * penalty

    for made in (
        fine(model=model, criterion=None, loss=penalised),
        fine(model=Listing),
    ):
        told = why_not(made)
        assert told is not None
        assert "keeps weights in a list or variable of its own" in told


def test_a_gradient_that_comes_out_differently_is_told_at_any_rate() -> None:
    def loss(model: Any, batch: Any) -> Tensor:
        """Knows, by unfair means, that it is batched."""
        found = nn.functional.mse_loss(model(batch[0]), batch[1])
        batched = torch._C._functorch.is_batchedtensor(found)
        return found * 0.9 + found.detach() * 0.1 if batched else found

    told = why_not(fine(criterion=None, loss=loss))
    assert told is not None
    assert told.startswith("batched, its gradient is")
    assert why_not(fine()) is None


class Showing(nn.Module):
    """Leaves its last output for whoever wants to look."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = net()

    def forward(self, x: Tensor) -> Tensor:
        self.shown = self.inner(x)
        return self.shown


def test_what_a_model_leaves_lying_about_is_no_obstacle_and_no_ruin() -> None:
    made: list[Showing] = []

    def model() -> nn.Module:
        made.append(Showing())
        return made[-1]

    same(task(model=model))
    shown = [vars(one)["shown"] for one in made if "shown" in vars(one)]
    assert shown  # by the usual loop
    assert all(torch.isfinite(tensor).all() for tensor in shown)


class Late(nn.Module):
    """Begins in its fifth training pass to compare with what it computed once."""

    def __init__(self, *, buffer: bool) -> None:
        super().__init__()
        self.inner = net()
        self.calls = 0
        zero = torch.zeros(1, dtype=torch.float64)
        if buffer:
            self.register_buffer("first", zero)
        else:
            self.first = zero

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        self.calls += self.training
        if self.calls == 5 and self.training:
            self.first = y.detach().mean()
        return y - self.first


@pytest.mark.parametrize("buffer", [True, False])
def test_a_model_that_begins_late_to_remember_stops_batching(buffer: bool) -> None:
    made = task(model=partial(Late, buffer=buffer))
    assert why_not(made) is None
    with pytest.raises(InputError, match=r"no longer be batched at step 4 .* in first, outside"):
        Vectorized().train(made, LRS, [0], 20)


def test_a_loss_may_use_torch_func_and_a_generator_of_its_own() -> None:
    generator = torch.Generator()

    def loss(model: Any, batch: Any) -> Tensor:
        slopes = torch.func.vmap(torch.func.jacrev(model))(batch[0])
        noise = torch.randn(batch[1].shape, generator=generator, dtype=torch.float64)
        target = batch[1] + 0.1 * noise
        return nn.functional.mse_loss(model(batch[0]), target) + slopes.square().mean()

    same(task(criterion=None, loss=loss))


def test_looking_leaves_everything_as_it_was() -> None:
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    before = copy.deepcopy((model.state_dict(), optimizer.state_dict(), torch.get_rng_state()))
    for changes in ({}, {"loss": None, "criterion": nn.functional.l1_loss}):
        assert why_not(task(model=model, optimizer=optimizer, **changes)) is None
    Vectorized().train(task(model=model, optimizer=optimizer), LRS, [0], 3)
    weights, state, random = before
    assert all(torch.equal(weights[name], tensor) for name, tensor in model.state_dict().items())
    assert optimizer.state_dict() == state
    assert torch.equal(random, torch.get_rng_state())


def test_ctrl_c_leaves_everything_as_it_was() -> None:
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    made = task(model=model, optimizer=optimizer)
    assert why_not(made) is None
    before = copy.deepcopy(model.state_dict())

    class Impatient(Observer):
        def stepped(self, lr: float, step: int, loss: float) -> None:
            if step == 5:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Vectorized().train(made, LRS, [0], 20, observer=Impatient())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert optimizer.state_dict()["state"] == {}
    assert optimizer.param_groups[0]["params"][0] is model[0].weight


def test_a_broken_task_says_so_itself() -> None:
    with pytest.raises(TaskFailedError, match="RuntimeError"):
        why_not(task(model=lambda: nn.Linear(7, 1).double()))


@pytest.mark.parametrize("wrong", [0, -1.0, math.nan, "1 GB"])
def test_memory_and_width_are_numbers(wrong: Any) -> None:
    with pytest.raises(InputError, match="pass a positive number of bytes"):
        Vectorized(memory=wrong)
    with pytest.raises(InputError, match="pass a positive number of trials"):
        Vectorized(width=wrong)


def test_as_many_together_as_told() -> None:
    reference = Sequential().train(task(), LRS, [0], 20)
    for width in (1, 2, 3, 100):
        trials = Vectorized(width=width).train(task(), LRS, [0], 20)
        for one, two in zip(trials, reference, strict=True):
            np.testing.assert_allclose(one.curve.losses, two.curve.losses, rtol=1e-9)
