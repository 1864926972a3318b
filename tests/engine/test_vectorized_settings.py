"""Trials of several settings in one batched pass: what shares it, and what each is left with."""

from __future__ import annotations

import copy
import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from etastar.engine import Sequential, Work
from etastar.engine.auto import Auto
from etastar.engine.vectorized import Vectorized, engine, training
from etastar.engine.vectorized.proof import prove
from etastar.errors import InputError, TaskError, TaskFailedError
from etastar.records import Trial
from etastar.schedules import OneCycle
from etastar.tasks import Task
from etastar.testing.engine_tasks import Heard, Points, double_net, in_groups

STEPS = 30
MOMENTA = (0.0, 0.3, 0.6, 0.9)


def task(**changes: Any) -> Task:
    parts: dict[str, Any] = {
        "model": partial(double_net, batch_norm=False, dropout=True),
        "optimizer": partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.01),
        "train": Points(dtype=torch.float64),
        "valid": Points(2, dtype=torch.float64),
        "criterion": nn.functional.mse_loss,
        "steps": STEPS,
        **changes,
    }
    return Task(**parts)


def drawn(made: Task, lrs: dict[float, float] | None = None, seeds: Any = (0,)) -> list[Work]:
    """A rate for every momentum, as random search draws them."""
    rates = lrs or {momentum: 0.02 * (1 + place) for place, momentum in enumerate(MOMENTA)}
    return [
        Work(made, [lr], seeds, made.horizon, settings={"momentum": momentum})
        for momentum, lr in rates.items()
    ]


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many trials each batched pass begins with."""
    found: list[int] = []

    class Noted(training.SideBySide):
        def __init__(self, live: Any, plan: Any, rows: Any, seeds: Any, place: int = 0) -> None:
            found.append(len(rows) * len(seeds))
            super().__init__(live, plan, rows, seeds, place)

    monkeypatch.setattr(engine, "SideBySide", Noted)
    return found


def same(works: list[Work], trained: list[list[Trial]]) -> None:
    """Every trial is the sequential engine's under the settings of its work."""
    for work, trials in zip(works, trained, strict=True):
        alone = Sequential().train(work.tuned, work.lrs, work.seeds, work.steps)
        assert [(t.lr, t.seed, t.status, t.settings) for t in trials] == [
            (t.lr, t.seed, t.status, t.settings) for t in alone
        ]
        for one, two in zip(trials, alone, strict=True):
            np.testing.assert_allclose(one.curve.losses, two.curve.losses, rtol=1e-9)
            np.testing.assert_allclose(one.final_loss, two.final_loss, rtol=1e-9)


def test_one_rate_of_each_setting_shares_one_pass(passes: list[int]) -> None:
    works, heard = drawn(task()), Heard()
    trained = Vectorized().train_all(works, observer=heard)
    assert passes == [4]
    assert heard.stages == ["trials"]
    same(works, trained)


def test_settings_and_seeds_share_one_pass(passes: list[int]) -> None:
    made = task(model=partial(double_net, batch_norm=True, dropout=False))
    works = drawn(made, seeds=[3, 0, 7])
    trained = Vectorized().train_all(works)
    assert passes == [12]
    same(works, trained)


def test_what_does_not_fit_is_trained_in_turns(passes: list[int]) -> None:
    works = drawn(task())
    trained = Vectorized(width=3).train_all(works)
    assert passes == [2, 2]
    same(works, trained)


def test_other_tasks_seeds_and_horizons_have_passes_of_their_own(passes: list[int]) -> None:
    made, other = task(), task()
    works = [
        Work(made, [0.1], [0], STEPS, name="first"),
        Work(other, [0.1], [0], STEPS, name="other task"),
        Work(made, [0.05, 0.02], [0], STEPS, settings={"momentum": 0.5}),
        Work(made, [0.1], [1], STEPS, name="other seed"),
        Work(made, [0.1], [0], STEPS - 1, name="shorter"),
    ]
    heard = Heard()
    trained = Vectorized().train_all(works, observer=heard)
    assert passes == [3, 1, 1, 1]
    assert heard.stages == ["trials", "other task", "other seed", "shorter"]
    same(works, trained)


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_a_setting_whose_trials_are_all_lost_leaves_the_others_alone(seeds: Any) -> None:
    made = task(model=partial(double_net, batch_norm=False, dropout=False))
    works = drawn(made, {0.0: 0.05, 0.3: 1e300, 0.6: 0.02, 0.9: 0.01}, seeds)
    trained = Vectorized().train_all(works)
    statuses = [{trial.status for trial in trials} for trials in trained]
    assert statuses == [{"finished"}, {"diverged"}, {"finished"}, {"finished"}]
    same(works, trained)


def test_settings_beside_schedules_of_other_numbers() -> None:
    """The schedule moves every setting's groups; groups keep their ratios in both."""
    groups = ({"momentum": 0.9, "weight_decay": 0.1}, {"momentum": 0.45, "weight_decay": 0.0})
    made = task(
        optimizer=partial(in_groups, torch.optim.SGD, 0.05, groups),
        other_schedules={"momentum": OneCycle(steps=STEPS).momentum()},
    )
    works = [
        Work(made, [0.05], [0], STEPS, settings={"weight_decay": decay, "dampening": dampening})
        for decay, dampening in ((0.0, 0.0), (0.3, 0.0), (0.1, 0.5))
    ]
    trained = Vectorized().train_all(works)
    same(works, trained)
    assert len({trials[0].final_loss for trials in trained}) == 3


def test_a_tasks_own_settings_stay_under_those_of_a_work() -> None:
    """Ratios are those of the optimizer, not of what a setting of 0 has made of them."""
    groups = ({"weight_decay": 0.2}, {"weight_decay": 0.1})
    made = task(optimizer=partial(in_groups, torch.optim.AdamW, 0.05, groups))
    still = made.with_settings({"weight_decay": 0.0, "beta1": 0.5})
    works = [Work(still, [0.05], [0], STEPS, settings={"weight_decay": w}) for w in (0.4, 0.8)]
    trained = Vectorized().train_all(works)
    same(works, trained)
    assert trained[0][0].settings == {"weight_decay": 0.4, "beta1": 0.5}


def test_an_optimizer_that_has_trained_goes_on_from_its_state_and_comes_back() -> None:
    model = double_net(batch_norm=False, dropout=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for inputs, targets in Points(dtype=torch.float64):
        nn.functional.mse_loss(model(inputs), targets).backward()
        optimizer.step()
    groups, state = list(optimizer.param_groups), copy.deepcopy(optimizer.state_dict())
    weights = copy.deepcopy(model.state_dict())
    before = [{**group} for group in groups]
    made = task(model=model, optimizer=optimizer)
    works = [Work(made, [0.01], [0], STEPS, settings={"beta1": b}) for b in (0.5, 0.8)]
    trained = Vectorized().train_all(works)
    assert [group is old for group, old in zip(optimizer.param_groups, groups, strict=True)]
    assert [{**group} for group in optimizer.param_groups] == before
    for now, then in ((optimizer.state_dict(), state), (model.state_dict(), weights)):
        torch.testing.assert_close(now, then, rtol=0.0, atol=0.0)
    same(works, trained)


@pytest.mark.parametrize("kind", [Vectorized, Auto])
def test_what_one_work_cannot_be_set_to_is_refused_before_any_is_trained(kind: Any) -> None:
    made, heard = task(), Heard()
    for settings, words in (
        ({"beta1": 0.5}, "'beta1', which SGD does not have"),
        ({"momentum": -1.0}, "at least 0"),
        (None, "settings is a NoneType"),
    ):
        wrong = Work(made, [0.1], [1], 3, settings=settings)  # type: ignore[arg-type]
        with pytest.raises(TaskError, match=words):
            kind().train_all([Work(made, [0.1], [0], 3), wrong], observer=heard)
    assert heard.started == []


class Saturating(nn.Module):
    """Stays finite while its first weight is infinite, and no gradient reaches that."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Parameter(torch.tensor([0.1], dtype=torch.float64))
        self.outer = nn.Linear(1, 1).double()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.outer(torch.tanh(self.inner * (inputs.abs().sum(1, keepdim=True) + 1)))


def test_a_slice_without_decay_has_none_beside_one_that_decays() -> None:
    """An infinite weight times a decay of 0 would be no number."""

    def optimizer(params: Any) -> torch.optim.Optimizer:
        inner, *outer = params
        return torch.optim.SGD([{"params": [inner]}, {"params": outer, "lr": 1e-310}], lr=1.0)

    def loss(model: nn.Module, batch: Any) -> torch.Tensor:
        return 1e3 * nn.functional.mse_loss(model(batch[0]), batch[1])

    made = task(model=Saturating, optimizer=optimizer, criterion=None, loss=loss, valid=None)
    decaying = Work(made, [1e-5], [0], STEPS, settings={"weight_decay": 0.1})
    trained = Vectorized().train_all([Work(made, [1e308], [0], STEPS), decaying])
    assert len(trained[0][0].curve) == STEPS
    same([Work(made, [1e308], [0], STEPS), decaying], trained)


def test_what_the_optimizers_own_step_raises_is_the_tasks_failure() -> None:
    """RMSprop that has trained without momentum has none to go on with."""
    model = double_net(batch_norm=False, dropout=False)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01)
    for inputs, targets in Points(dtype=torch.float64):
        nn.functional.mse_loss(model(inputs), targets).backward()
        optimizer.step()
    made = task(model=model, optimizer=optimizer)
    with pytest.raises(TaskFailedError, match="KeyError at step 0"):
        Vectorized().train_all(drawn(made))


def test_memory_counts_what_a_setting_adds() -> None:
    """Momentum keeps a number more for every weight than the task's own plain SGD does."""
    made = task(optimizer=partial(torch.optim.SGD, lr=0.1))
    proof = prove(made)
    weights = 8 * sum(p.numel() for p in double_net(batch_norm=False, dropout=False).parameters())
    assert proof.bytes_under([{}, {"weight_decay": 0.1}]) == proof.slice_bytes
    assert proof.bytes_under([{}, {"momentum": 0.9}]) == proof.slice_bytes + weights


def test_a_choice_that_failed_is_not_remembered() -> None:
    calls = itertools.count()

    def loss(model: nn.Module, batch: Any) -> torch.Tensor:
        if next(calls) == first:
            raise LookupError("once")
        return nn.functional.mse_loss(model(batch[0]), batch[1])

    first = -1
    made, auto = task(criterion=None, loss=loss, steps=200), Auto()
    prove(made)
    first = next(calls) + 1
    auto.train_all(drawn(made))
    assert auto.choice is not None
    assert "raised TaskFailedError" in auto.choice.reason
    auto.train_all(drawn(made))
    assert "times as fast for 4 rates at 4 settings" in auto.choice.reason


def test_nothing_is_built_where_one_work_cannot_be_trained() -> None:
    calls: list[None] = []

    def model() -> nn.Module:
        calls.append(None)
        return double_net(batch_norm=False, dropout=False)

    made = task(model=model)
    for kind in (Vectorized, Auto):
        with pytest.raises(InputError, match=r"lrs holds -0\.1"):
            kind().train_all([Work(made, [0.1], [0], 3), Work(made, [-0.1], [0], 3)])
    assert not calls
    assert Vectorized().train_all([]) == Auto().train_all([]) == []


def test_auto_chooses_once_for_all_settings() -> None:
    """And says so; one rate each is then no reason to train them one by one."""

    class Chosen(Heard):
        def __init__(self) -> None:
            super().__init__()
            self.said: list[str] = []

        def engine_chosen(self, engine: str, reason: str) -> None:
            self.said.append(f"{engine}: {reason}")

    made, auto, heard = task(steps=200), Auto(), Chosen()
    settings = [{"momentum": 0.9 * k / 16} for k in range(16)]
    works = [Work(made, [0.02], [0], 200, settings=each) for each in settings]
    trained = auto.train_all(works, observer=heard)
    assert len(heard.said) == 1
    assert "times as fast for 16 rates at 16 settings of this task" in heard.said[0]
    assert auto.choice is not None
    assert heard.stages == (["trials"] if auto.choice.engine == "vectorized" else ["trials"] * 16)
    for work, trials in zip(works, trained, strict=True):
        alone = Sequential().train(work.tuned, work.lrs, work.seeds, work.steps)
        np.testing.assert_allclose(trials[0].curve.losses, alone[0].curve.losses, rtol=1e-5)


def test_auto_trains_in_turn_what_cannot_be_batched() -> None:
    def loss(model: nn.Module, batch: Any) -> torch.Tensor:
        error = nn.functional.mse_loss(model(batch[0]), batch[1])
        return error if error.item() > 0 else -error

    heard, auto = Heard(), Auto()
    works = drawn(task(criterion=None, loss=loss))
    trained = auto.train_all(works, observer=heard)
    assert heard.stages == ["trials"] * 4
    assert str(auto.choice).startswith(
        "Choice(engine='sequential', reason='its model or loss looks"
    )
    same(works, trained)
