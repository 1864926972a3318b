"""The vectorized engine with several seeds in one pass: never other numbers than each alone."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from etastar.engine import Observer, Sequential
from etastar.engine.vectorized import Vectorized, training, why_not
from etastar.errors import TaskFailedError
from etastar.records import Trial
from etastar.schedules import Cosine, OneCycle
from etastar.tasks import Task
from etastar.testing.engine_tasks import Points
from etastar.training.live import LiveTask

LRS = [0.01, 0.05, 0.1]
SEEDS = [3, 0, 7]
STEPS = 50


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many slices every pass of several seeds began with."""
    found: list[int] = []

    class Noted(training.BatchedSeeds):
        def __init__(self, live: LiveTask, moving: Any, begun: Any, rows: Any, *rest: Any) -> None:
            found.append(len(rows))
            super().__init__(live, moving, begun, rows, *rest)

    monkeypatch.setattr(training, "BatchedSeeds", Noted)
    return found


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double()


def task(**changes: Any) -> Task:
    parts: dict[str, Any] = {
        "model": net,
        "optimizer": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
        "train": Points(dtype=torch.float64),
        "valid": Points(2, dtype=torch.float64),
        "criterion": nn.functional.mse_loss,
        "steps": STEPS,
        "schedule": Cosine(steps=STEPS, warmup_steps=4),
        **changes,
    }
    return Task(**parts)


def same(made: Task, lrs: list[float] = LRS, rtol: float = 1e-9, **options: Any) -> list[Trial]:
    """Train with both engines and compare.

    Returns:
        The vectorized trials.
    """
    assert why_not(made) is None
    reference = Sequential().train(made, lrs, SEEDS, STEPS, **options)
    trials = Vectorized().train(made, lrs, SEEDS, STEPS, **options)
    for one, two in zip(trials, reference, strict=True):
        assert (one.lr, one.seed, one.status) == (two.lr, two.seed, two.status)
        assert one.sample_gradients == pytest.approx(two.sample_gradients)
        np.testing.assert_allclose(one.curve.losses, two.curve.losses, rtol=rtol)
        np.testing.assert_allclose(one.final_loss, two.final_loss, rtol=rtol)
    return trials


def table(count: int = 32) -> TensorDataset:
    inputs = torch.randn(count, 3, generator=torch.Generator().manual_seed(0)).double()
    return TensorDataset(inputs, inputs.sum(1, keepdim=True))


# --- trained together -------------------------------------------------------------------------


class Constants(nn.Module):
    """Draws a buffer and a frozen weight, which no training changes, from the seed."""

    features: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("features", torch.randn(3, 8))
        self.scale = nn.Parameter(torch.randn(8), requires_grad=False)
        self.leave = nn.Linear(8, 1)
        self.order = torch.arange(8)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(((x @ self.features).sin() * self.scale)[:, self.order])


class Alternating(Dataset[Any]):
    """Yields its samples in an order that depends on how often it was begun."""

    def __init__(self) -> None:
        self.inputs = table().tensors[0]
        self.passes = 0

    def __iter__(self) -> Iterator[Any]:
        self.passes += 1
        order = torch.randperm(32).roll(self.passes)
        return ((x, x.sum(1, keepdim=True) + self.passes) for x in self.inputs[order].split(8))


class Noisy(Points):
    """Adds noise from NumPy and from Python to what it yields."""

    def __iter__(self) -> Any:
        for x, y in super().__iter__():
            yield x + 0.1 * np.random.randn(), {"y": y + random.random()}  # noqa: NPY002  as users do


class Reusing(Points):
    """Yields the same tensors again and again, with other numbers in them."""

    def __iter__(self) -> Any:
        room = None
        for x, y in super().__iter__():
            room = room or (x.clone(), y.clone())
            yield room[0].copy_(x), room[1].copy_(y)


class Growing(Points):
    """Batches of other lengths with every seed."""

    def __iter__(self) -> Any:
        length = int(torch.randint(4, 8, ()))
        return ((x[:length], y[:length]) for x, y in super().__iter__())


class Late(nn.Module):
    """Begins to drop something in its twentieth pass."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.calls = net(), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += self.training
        return self.inner(nn.functional.dropout(x, 0.2) if self.calls >= 20 else x)


def mapped(model: Any, batch: Any) -> Tensor:
    return nn.functional.mse_loss(model(batch[0]), batch[1]["y"])


def normed() -> nn.Module:
    return nn.Sequential(
        nn.Linear(3, 8, bias=False), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1)
    ).double()


def of_its_generator(**options: Any) -> Any:
    return DataLoader(table(), 8, shuffle=True, generator=torch.Generator(), **options)


def trained_before() -> dict[str, Any]:
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for x, y in Points(dtype=torch.float64):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    return {"model": model, "optimizer": optimizer}


@pytest.mark.parametrize(
    "changes",
    [
        dict,
        lambda: {"train": [*Points(dtype=torch.float64)]},
        lambda: {"model": net()},
        trained_before,
        lambda: {"model": normed},
        lambda: {"model": lambda: Constants().double()},
        lambda: {"train": DataLoader(table(), 5, shuffle=True), "accumulate": 2, "clip_norm": 0.3},
        lambda: {"train": of_its_generator()},
        lambda: {"train": Reusing(dtype=torch.float64)},
        lambda: {"train": Alternating(), "valid": Alternating()},
        lambda: {
            "train": Noisy(dtype=torch.float64),
            "valid": Noisy(dtype=torch.float64),
            "criterion": None,
            "loss": mapped,
        },
        lambda: {"other_schedules": {"momentum": OneCycle(steps=9).momentum()}},
        lambda: {"valid": Growing(dtype=torch.float64)},
        lambda: {"valid": None, "optimizer": partial(torch.optim.AdamW, lr=0.1, weight_decay=0.1)},
    ],
    ids=[
        "factories",
        "list",
        "instance",
        "trained before",
        "running statistics",
        "constants of the seed",
        "loader",
        "generator of its own",
        "tensors used again",
        "data with a memory",
        "noise of other libraries",
        "scheduled momentum",
        "validation of any size",
        "no validation",
    ],
)
def test_seeds_train_together(changes: Any, passes: list[int]) -> None:
    made = task(**changes())
    same(made)
    assert passes == [9]
    assert made not in training.APART


def test_the_same_loader_for_training_and_validation(passes: list[int]) -> None:
    loader = of_its_generator()
    same(task(train=loader, valid=loader))
    assert passes == [9]


def test_a_single_rate_trains_with_all_seeds_at_once(passes: list[int]) -> None:
    same(task(), [0.05])
    assert passes == [3]


@pytest.mark.parametrize("model", [net, Late])
def test_time_is_shared_out(model: Any) -> None:
    """Between trials side by side, and not to those that wait for their turn."""
    made = task(model=model)
    assert why_not(made) is None
    began = time.perf_counter()
    trials = Vectorized().train(made, LRS, SEEDS, STEPS)
    whole = time.perf_counter() - began
    spent = [trial.seconds for trial in trials]
    assert min(spent) > 0
    assert 0.2 * whole < sum(spent) < whole  # the rest prepares


def test_everything_comes_back(passes: list[int]) -> None:
    loader = of_its_generator()
    parts = trained_before()
    made = task(train=loader, valid=loader, **parts)
    assert why_not(made) is None
    attributes = dict(vars(loader))
    before = copy.deepcopy(
        (parts["model"].state_dict(), parts["optimizer"].state_dict(), loader.generator.get_state())
    )
    state = torch.get_rng_state()

    class Impatient(Observer):
        def stepped(self, lr: float, step: int, loss: float) -> None:
            if step == 5:
                raise KeyboardInterrupt

    for observer in (None, Impatient()):
        try:
            Vectorized().train(made, LRS, SEEDS, 10, observer=observer)
        except KeyboardInterrupt:
            assert observer is not None
        weights, moments, generator = before
        now = parts["model"].state_dict()
        assert all(torch.equal(tensor, now[name]) for name, tensor in weights.items())
        assert str(parts["optimizer"].state_dict()) == str(moments)
        assert torch.equal(loader.generator.get_state(), generator)
        assert torch.equal(torch.get_rng_state(), state)
        assert vars(loader) == attributes
    assert passes == [9, 9]


# --- the work shrinks -------------------------------------------------------------------------


def test_lost_trials_leave_and_so_do_whole_seeds() -> None:
    sizes: list[int] = []
    rows: list[int] = []

    def loss(model: Any, batch: Any) -> Tensor:
        weight, x = model[0].weight, batch[0]
        if model.training and torch._C._functorch.is_batchedtensor(weight):
            sizes.append(torch._C._functorch.get_unwrapped(weight).shape[0])
            rows.append(torch._C._functorch.is_batchedtensor(x))
        return nn.functional.mse_loss(model(x), batch[1])

    calls: list[int] = []

    def lost(losses: Any, steps: int) -> bool:
        calls.append(len(losses))
        return len(losses) == 10 and losses[0] in firsts

    made = task(criterion=None, loss=loss)
    alone = Sequential().train(made, [0.05], [SEEDS[1]], 2)
    firsts = np.array([alone[0].curve.losses[0]]).round(9).tolist()
    near = lambda losses, steps: lost([round(losses[0], 9), *losses[1:]], steps)  # noqa: E731  short
    assert why_not(made) is None
    sizes.clear()
    rows.clear()
    trials = same(made, [0.01, 1e200, 0.05], lost=near)
    for trial in trials:
        expected = "stopped" if trial.seed == SEEDS[1] else "finished"
        assert trial.status == ("diverged" if trial.lr == 1e200 else expected)
    assert sizes[0] == 9
    assert sizes[-1] == 4
    assert sizes == sorted(sizes, reverse=True)
    assert all(rows)
    assert len(sizes) == STEPS


def test_a_task_that_raises_at_nan_ends_only_the_trials_that_met_it(passes: list[int]) -> None:
    def loss(model: Any, batch: Any) -> Tensor:
        return nn.functional.binary_cross_entropy(
            torch.sigmoid(model(batch[0]) ** 3), (batch[1] > 0).double()
        )

    class Heard(Observer):
        def __init__(self) -> None:
            self.steps: list[tuple[float, int]] = []

        def stepped(self, lr: float, step: int, loss: float) -> None:
            self.steps.append((lr, step))

    heard = Heard()
    trials = same(task(criterion=None, loss=loss), [0.1, 1e200], observer=heard)
    assert [trial.status for trial in trials] == ["finished"] * 3 + ["diverged"] * 3
    assert [heard.steps.count((0.1, step)) for step in range(STEPS)] == [6] * STEPS
    assert passes[0] == 6
    assert passes[-1] == 3


# --- in turns, since together they would go wrong ---------------------------------------------


class Drawn(nn.Module):
    """Draws a number that is no weight from the seed; evaluation alone looks at it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.scale = net(), random.random()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) if self.training else self.inner(x) * self.scale


class Keeping(nn.Module):
    """Looks at the batch before, too."""

    def __init__(self, late: int) -> None:
        super().__init__()
        self.inner, self.last = net(), torch.zeros(8, 3, dtype=torch.float64)
        self.calls, self.late = 0, late

    def forward(self, x: Tensor) -> Tensor:
        self.calls += self.training
        y = self.inner(x + 0.1 * self.last) if self.training else self.inner(x)
        if self.calls > self.late:
            self.last = x
        return y


def deciding(model: Any, batch: Any) -> Tensor:
    loss = nn.functional.mse_loss(model(batch[0]), batch[1])
    return loss if batch[0][0, 0] > 0 else 2 * loss


def writing(model: Any, batch: Any) -> Tensor:
    x = batch[0].mul_(0.9)
    return nn.functional.mse_loss(model(x), batch[1])


def drawn_rate(weights: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(weights, lr=0.1, momentum=random.random())


def of_arrays(model: Any, batch: Any) -> Tensor:
    return nn.functional.mse_loss(model(torch.from_numpy(batch[0])), batch[1])


@pytest.mark.parametrize(
    ("changes", "begun"),
    [
        ({"model": lambda: nn.Sequential(net(), nn.Dropout(0.2))}, []),
        ({"train": DataLoader(table(), 8, shuffle=True, num_workers=1)}, []),
        ({"train": Growing(dtype=torch.float64), "valid": None}, []),
        ({"model": Drawn}, []),
        ({"optimizer": drawn_rate}, []),
        ({"model": Late}, [9]),
        ({"model": partial(Keeping, 0)}, []),
        ({"model": partial(Keeping, 20)}, [9]),
        ({"model": Keeping(0)}, [9]),
        ({"criterion": None, "loss": deciding}, [9]),
        ({"criterion": None, "loss": writing}, [9]),
        (
            {
                "train": [(x.numpy(), y) for x, y in Points(dtype=torch.float64)],
                "valid": None,
                "criterion": None,
                "loss": of_arrays,
            },
            [],
        ),
    ],
    ids=[
        "dropout",
        "workers",
        "lengths",
        "drawn attribute",
        "drawn momentum",
        "late noise",
        "batch before",
        "batch before, late",
        "batch before, instance",
        "decided by the batch",
        "written to the batch",
        "arrays",
    ],
)
def test_seeds_train_in_turns(changes: Any, begun: list[int], passes: list[int]) -> None:
    """And the next call does not try again."""
    made = task(**changes)
    same(made)
    assert passes == begun
    Vectorized().train(made, LRS, SEEDS, 3)
    assert passes == begun


def test_falling_apart_is_heard_once(passes: list[int]) -> None:
    class Heard(Observer):
        def __init__(self) -> None:
            self.started: list[tuple[float, int]] = []
            self.steps: list[tuple[float, int, float]] = []

        def trial_started(self, lr: float, seed: int, steps: int) -> None:
            self.started.append((lr, seed))

        def stepped(self, lr: float, step: int, loss: float) -> None:
            self.steps.append((lr, step, loss))

    heard, asked = Heard(), []

    def lost(losses: Any, steps: int) -> bool:
        asked.append(len(losses))
        return False

    trials = Vectorized().train(task(model=Late), LRS, SEEDS, STEPS, lost=lost, observer=heard)
    assert passes == [9]
    assert sorted(heard.started) == sorted((trial.lr, trial.seed) for trial in trials)
    told = sorted((lr, step, round(loss, 9)) for lr, step, loss in heard.steps)
    curves = [(t.lr, *p) for t in trials for p in enumerate(t.curve.losses.tolist())]
    assert told == sorted((lr, step, round(loss, 9)) for lr, step, loss in curves)
    assert len(asked) == len(curves)


def test_batches_that_do_not_fit_are_read_in_turns(passes: list[int]) -> None:
    made = task()
    assert why_not(made) is None
    engine = Vectorized(memory=2e5)  # enough for the slices, but not for 200 steps' batches
    engine.train(made, LRS, SEEDS, 10)
    assert passes == [9]
    assert len(engine.train(made, LRS, SEEDS, 200)) == 9
    assert passes == [9]
    engine.train(made, LRS, SEEDS, 10)
    assert passes == [9, 9]


def test_as_many_seeds_as_fit(passes: list[int]) -> None:
    made = task()
    reference = Sequential().train(made, LRS, [*range(5)], 10)
    trials = Vectorized(width=6).train(made, LRS, [*range(5)], 10)
    assert passes == [6, 6]
    for one, two in zip(trials, reference, strict=True):
        assert (one.lr, one.seed) == (two.lr, two.seed)
        np.testing.assert_allclose(one.curve.losses, two.curve.losses, rtol=1e-9)


class Ending(Points):
    """Breaks in its fifth pass."""

    def __init__(self) -> None:
        super().__init__(dtype=torch.float64)
        self.passes = 0

    def __iter__(self) -> Any:
        self.passes += 1
        if self.passes == 5:
            raise LookupError("no more of it")
        return super().__iter__()


def test_data_that_raise_are_heard_of_by_those_who_get_there(passes: list[int]) -> None:
    made = task(train=Ending())
    with pytest.raises(TaskFailedError, match="the task's data raised LookupError at step 12"):
        Vectorized().train(made, LRS, SEEDS, STEPS)
    made = task(train=Ending())
    trials = Vectorized().train(made, LRS, SEEDS, STEPS, lost=lambda losses, _: len(losses) == 5)
    assert {trial.status for trial in trials} == {"stopped"}
    assert passes == []
