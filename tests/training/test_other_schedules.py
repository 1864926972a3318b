"""Schedules of other numbers than the rate: as `attach` drives them, resized, and undone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tests.tasks.parts import linear, pairs, task, train
from torch import nn

import etastar as es
from etastar.engine import Sequential
from etastar.errors import TaskError
from etastar.schedules import Constant, Cosine, Cyclic, Linear, OneCycle, Points, Schedule
from etastar.tasks import Task
from etastar.training.live import living
from etastar.training.other_schedules import OtherSchedules

CYCLE = OneCycle(steps=40).momentum()


def groups(kind: Any, *settings: dict[str, Any], **common: Any) -> torch.optim.Optimizer:
    own = [{"params": nn.Linear(1, 1).parameters(), **one} for one in settings]
    return kind(own, lr=0.1, **common)


class Watched(torch.optim.SGD):
    """Notes the momentum of every step."""

    seen: list[float] = []  # noqa: RUF012  of all that are built

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        self.seen.append(self.param_groups[0]["momentum"])
        return super().step(closure)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    monkeypatch.setattr(Watched, "seen", [])
    return Watched.seen


def watched(**changes: Any) -> Task:
    return task(
        optimizer=lambda params: Watched(params, lr=0.1, momentum=0.9),
        other_schedules={"momentum": CYCLE},
        **changes,
    )


# --- what the numbers become -------------------------------------------------------------------

DIPS = Cyclic(steps=40, peak=0.5, up_steps=5)  # 0 at the begin, and again and again
SHAPE = Cosine(steps=40, warmup_steps=4)  # its stated peak is 1

DRIVEN: dict[str, tuple[Any, list[dict[str, Any]], str, Schedule]] = {
    "one group": (torch.optim.SGD, [{"momentum": 0.9}], "momentum", CYCLE),
    "ratios, through 0": (
        torch.optim.SGD,
        [{"weight_decay": 0.1}, {"weight_decay": 0.4}, {"weight_decay": 0.0}],
        "weight_decay",
        DIPS,
    ),
    "the first group at 0": (
        torch.optim.AdamW,
        [{"weight_decay": 0.0}, {"weight_decay": 0.2}, {"weight_decay": 0.1}],
        "weight_decay",
        DIPS,
    ),
    "a shape": (
        torch.optim.Adam,
        [{"weight_decay": 0.1}, {"weight_decay": 0.3}],
        "weight_decay",
        SHAPE,
    ),
    "beta1": (torch.optim.Adam, [{}, {"betas": (0.45, 0.6)}], "beta1", CYCLE),
    "beta2": (torch.optim.AdamW, [{}], "beta2", Linear(steps=40, peak=0.999, floor=0.9)),
    "a shape of beta2": (torch.optim.Adam, [{}, {"betas": (0.9, 0.5)}], "beta2", SHAPE),
}


@pytest.mark.parametrize(("kind", "own", "name", "schedule"), DRIVEN.values(), ids=DRIVEN)
def test_what_attach_makes_of_it(
    kind: Any, own: list[dict[str, Any]], name: str, schedule: Schedule
) -> None:
    ours, theirs = groups(kind, *own), groups(kind, *own)
    followed = OtherSchedules([ours], {name: schedule}, 40)
    attached = es.attach(theirs, **{name: schedule}, counts="calls")  # type: ignore[arg-type]
    entry = "betas" if name.startswith("beta") else name
    values: list[Any] = []
    for step in range(40):
        followed.write(step)
        values.append([group[entry] for group in ours.param_groups])
        expected = [group[entry] for group in theirs.param_groups]
        assert np.allclose(values[-1], expected, rtol=1e-15, atol=0)
        attached.step()
    assert len({str(value) for value in values}) > 5


def test_where_all_groups_are_at_0_all_get_the_value() -> None:
    optimizer = groups(torch.optim.SGD, {}, {})
    followed = OtherSchedules([optimizer], {"weight_decay": DIPS}, 40)
    for step in (5, 0, 3):
        followed.write(step)
        held = [group["weight_decay"] for group in optimizer.param_groups]
        assert held == [DIPS(step)] * 2
    assert DIPS(3) > DIPS(0) == 0


def test_numbers_in_tensors_stay_tensors() -> None:
    betas = (torch.tensor(0.9), torch.tensor(0.99))
    weights = list(nn.Linear(1, 1).parameters())
    optimizer = torch.optim.Adam(weights, lr=torch.tensor(0.1), betas=betas)
    OtherSchedules([optimizer], {"beta1": CYCLE}, 40).write(7)
    held = optimizer.param_groups[0]["betas"]
    assert isinstance(held[0], torch.Tensor)
    assert held[0].item() == pytest.approx(CYCLE(7))
    assert held[1] is betas[1]
    assert betas[0].item() == pytest.approx(0.9)  # what was there is not written into


# --- over a trial ------------------------------------------------------------------------------


def test_every_trial_has_the_whole_schedule_whatever_its_horizon(seen: list[float]) -> None:
    for steps in (40, 11):
        seen.clear()
        Sequential().train(watched(), [0.01, 0.02], [0], steps)
        once = list(CYCLE.resized(steps)(np.arange(steps)))
        assert seen == once * 2
        assert min(once) < 0.87 < 0.94 < once[0]


def test_a_range_test_holds_the_values_of_step_0(seen: list[float]) -> None:
    low = Points(steps=10, at_steps=(0, 10), values=(0.2, 0.9))
    es.range_test(replace(watched(), other_schedules={"momentum": low}))
    assert len(seen) > 20
    assert set(seen) == {0.2}


def test_find_resizes_it_for_its_pilots(seen: list[float]) -> None:
    finding = es.find(watched(steps=240), budget="thorough", engine="sequential", progress=False)
    pilots = {trial.steps for trial in finding.trials if trial.status == "finished"}
    assert pilots
    said = "the task has a schedule of momentum too: attach it beside that of the rate"
    assert said in finding.warnings
    assert min(pilots) < 240
    told = np.array(seen)
    for steps in pilots:
        once = CYCLE.resized(steps)(np.arange(steps))
        windows = np.lib.stride_tricks.sliding_window_view(told, steps)
        assert (windows == once).all(axis=1).any(), steps


def test_it_changes_what_is_trained() -> None:
    optimizer = watched().optimizer
    plain = train(task(optimizer=optimizer, other_schedules={}), steps=40)
    cycled = train(task(optimizer=optimizer, other_schedules={"momentum": CYCLE}), steps=40)
    flat = {"momentum": Constant(steps=3, peak=0.9)}
    steady = train(task(optimizer=optimizer, other_schedules=flat), steps=40)
    assert np.array_equal(steady.curve.losses, plain.curve.losses)
    assert not np.allclose(cycled.curve.losses, plain.curve.losses, rtol=1e-3)


def test_an_instance_comes_back_with_its_own_numbers() -> None:
    model = linear()
    optimizer = torch.optim.AdamW(
        [
            {"params": [model.weight], "weight_decay": 0.3},
            {"params": [model.bias], "weight_decay": 0.0, "betas": (0.5, 0.6)},
        ],
        lr=0.1,
    )
    before = copy.deepcopy([{**g, "params": len(g["params"])} for g in optimizer.param_groups])
    made = task(
        model=model,
        optimizer=optimizer,
        settings={"beta2": 0.9},
        other_schedules={"weight_decay": DIPS, "beta1": CYCLE},
    )
    first, second = Sequential().train(made, [0.1, 0.1], [0], 40)
    assert first.curve == second.curve  # set anew from the start for every trial
    with living(made) as live:
        live.begin(0, 40)
        for step in range(7):
            live.step(0.1)
            assert optimizer.param_groups[0]["weight_decay"] == DIPS(step)
            assert optimizer.param_groups[1]["weight_decay"] == 0.0
            assert optimizer.param_groups[0]["betas"] == (CYCLE(step), 0.9)
    assert [{**g, "params": len(g["params"])} for g in optimizer.param_groups] == before


def test_a_step_task_has_them_before_its_step() -> None:
    net = linear()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    heard: list[float] = []

    def step(batch: Any) -> torch.Tensor:
        heard.append(optimizer.param_groups[0]["momentum"])
        optimizer.zero_grad()
        loss = (net(batch[0]) - batch[1]).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    parts: Any = {"state": [net], "optimizers": optimizer, "train": pairs(), "steps": 8}
    made = Task.from_step(step, **parts, other_schedules={"momentum": CYCLE})
    train(made, steps=8)
    assert heard == list(CYCLE.resized(8)(np.arange(8)))
    assert optimizer.param_groups[0]["momentum"] == 0.9
    with pytest.raises(TaskError, match="holds 'beta1', which SGD does not have"):
        Task.from_step(step, **parts, other_schedules={"beta1": CYCLE})


def test_a_sweep_says_what_else_to_attach(seen: list[float]) -> None:
    two = {"momentum": CYCLE, "weight_decay": DIPS}
    made = replace(watched(steps=4), other_schedules=two)
    sweep = es.sweep(made, [0.01, 0.1], engine="sequential", progress=False)
    said = "the task has schedules of momentum and weight_decay too: attach them beside that of "
    assert [text for text in sweep.warnings if "attach" in text] == [said + "the rate"]
    plain = es.sweep(task(), [0.01, 0.1], engine="sequential", progress=False)
    assert not any("attach" in text for text in plain.warnings)
    assert len(seen) == 8


# --- refusals ----------------------------------------------------------------------------------


class Below(Constant):
    """A curve of one's own that goes where no schedule of ours does."""

    def _formula(self, t: Any) -> Any:
        return np.where(t < 3, 0.5, self.peak) - 1.0

    @property
    def ceiling(self) -> float:
        return self.peak - 1.0


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ([("momentum", CYCLE)], "other_schedules is a list: pass a mapping"),
        (CYCLE, "other_schedules is a CycledMomentum: pass a mapping"),
        ({3: CYCLE}, "holds the name 3: pass names as text"),
        ({"lr": CYCLE}, "holds 'lr': leave it out, and pass the shape of the rate as schedule="),
        ({"initial_lr": CYCLE}, "pass the shape of the rate as schedule="),
        ({"momentum": 0.9}, "holds momentum=0.9: pass one of etastar.schedules"),
        ({"momentum": lambda step: 0.9}, "pass one of etastar.schedules"),
        ({"dampening": CYCLE}, "dampening has a schedule in other_schedules and cannot be a set"),
        ({"beta1": Constant(steps=9, peak=1.5)}, "makes beta1=1.5 at step 0: .* 0 to below 1"),
        ({"beta2": Linear(steps=6, peak=2.0)}, "makes beta2=2 at step 0"),
        ({"momentum": Below(steps=6, peak=1.2)}, "makes momentum=-0.5 at step 0: .* at least 0"),
    ],
)
def test_what_is_no_schedule_of_a_number_is_refused_at_once(given: Any, named: str) -> None:
    with pytest.raises(es.errors.EtastarError, match=named):
        task(settings={"dampening": 0.1}, other_schedules=given)


UNFIT: dict[str, tuple[Any, str, Schedule, str]] = {
    "other name": (torch.optim.Adam, "momentum", CYCLE, "here it is called 'beta1'"),
    "typo": (torch.optim.SGD, "weight_decy", DIPS, "other_schedules holds .*did you mean 'weigh"),
    "no number": (torch.optim.SGD, "nesterov", CYCLE, "SGD does not have"),
    "a shape of 0": (torch.optim.SGD, "weight_decay", SHAPE, "that is 0: give the schedule a peak"),
    "no whole number": (
        torch.optim.LBFGS,
        "max_iter",
        Linear(steps=6, peak=20.0, floor=2.5),
        "makes max_iter=17.0833 at step 1: pass a schedule of whole numbers",
    ),
}


@pytest.mark.parametrize(("kind", "name", "schedule", "named"), UNFIT.values(), ids=UNFIT)
def test_an_optimizer_it_does_not_fit_is_refused_before_step_1(
    kind: Any, name: str, schedule: Schedule, named: str
) -> None:
    model, batches = linear(), list[Any]()
    optimizer = kind(model.parameters(), lr=0.1)
    with pytest.raises(TaskError, match=named):  # an instance: when the task is made
        task(model=model, optimizer=optimizer, other_schedules={name: schedule})
    built = task(
        optimizer=lambda params: kind(params, lr=0.1),
        other_schedules={name: schedule},
        criterion=lambda output, target: batches.append(target),
    )
    with pytest.raises(TaskError, match=named):  # a factory: when it builds
        train(built)
    assert batches == []


def test_a_group_s_share_counts_when_values_are_checked() -> None:
    optimizer = groups(torch.optim.Adam, {"betas": (0.5, 0.9)}, {"betas": (0.9, 0.9)})
    with pytest.raises(TaskError, match=r"makes beta1=1\.\d+ at step 0: .* from 0 to below 1"):
        OtherSchedules([optimizer], {"beta1": CYCLE}, 40)
    OtherSchedules([optimizer], {"beta1": Constant(steps=1, peak=0.55)}, 40)


def test_rmsprop_cannot_begin_without_momentum() -> None:
    rising = Points(steps=6, at_steps=(0, 6), values=(0.0, 0.9))
    for build, needed in ((torch.optim.RMSprop, True), (torch.optim.SGD, False)):
        made = task(
            optimizer=lambda params, build=build: build(params, lr=0.01),
            other_schedules={"momentum": rising},
        )
        if needed:
            with pytest.raises(TaskError, match="begin above 0"):
                train(made)
        else:
            assert train(made).status == "finished"


def test_what_has_a_schedule_is_not_searched_as_well(seen: list[float]) -> None:
    made = watched(steps=12)
    with pytest.raises(TaskError, match="momentum has a schedule in other_schedules"):
        made.with_settings({"momentum": 0.5})
    space: Any = {"lr": [0.1], "momentum": [0.5, 0.9]}
    with pytest.raises(TaskError, match="momentum has a schedule in other_schedules"):
        es.sweep(made, space, progress=False)
    with pytest.raises(TaskError, match="momentum has a schedule in other_schedules"):
        es.find(made, also=["momentum"], progress=False)
    assert seen == []
