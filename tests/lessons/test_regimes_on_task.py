"""The regimes of a network, its sharpness, and the edge: against a task whose answers are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from tests.finder.test_leaves_no_trace import assert_no_trace, task_of
from tests.training.bitwise import Training
from tests.training.trainings import loader, noisy_mlp

import etastar
from etastar.engine import Observer
from etastar.lessons.cost import seconds_per_step
from etastar.lessons.regimes import on_task
from etastar.lessons.regimes.edge import Plan, measure_edge
from etastar.lessons.regimes.rule import bands, regimes_of
from etastar.records.lessons import RegimesOnTask
from etastar.tasks import Task, load_task


def explained(task: Task | str) -> RegimesOnTask:
    lesson = etastar.explain("regimes", task=task)
    assert isinstance(lesson, RegimesOnTask)
    return lesson


@pytest.fixture(scope="module")
def line() -> RegimesOnTask:
    return explained("line")


def test_on_the_line_the_measured_edge_is_the_known_one(line: RegimesOnTask) -> None:
    assert line.rule == "gradient_descent"
    assert line.edge_before == pytest.approx(1.0, rel=1e-4)
    assert line.edge_later == pytest.approx(1.0, rel=1e-4)
    for trial, regime in zip(line.trials, line.regimes, strict=True):
        assert (regime == "diverging") == (trial.lr > 1.01), trial.lr
    for run in line.sharpness:
        assert run.sharpness == pytest.approx(np.full(len(run.sharpness), 2.0), rel=1e-4)
        assert run.limit == pytest.approx(2 / run.lr)


def test_all_regimes_are_named_in_their_order(line: RegimesOnTask) -> None:
    order = ["too_small", "good", "optimal", "oscillating", "diverging"]
    assert list(dict.fromkeys(line.regimes)) == order
    assert sorted(run.regime for run in line.sharpness) == sorted(order)
    rates = [trial.lr for trial in line.trials]
    assert rates == sorted(rates)
    assert line.full_steps == load_task("line").horizon


def test_the_same_seed_gives_the_same_numbers(line: RegimesOnTask) -> None:
    again = explained("line")
    for one, other in zip(line.trials, again.trials, strict=True):
        assert one.final_loss == other.final_loss or math.isnan(one.final_loss)
    assert again.sharpness == line.sharpness


@pytest.mark.slow
def test_a_network_sharpens_to_its_limit_and_is_thrown_back() -> None:
    lesson = explained("digits-mlp")
    assert lesson.seconds < 120
    assert lesson.rule == "heavy_ball"
    assert lesson.factor == pytest.approx(3.8)
    runs = {run.regime: run for run in lesson.sharpness}
    assert set(runs) >= {"too_small", "optimal", "diverging"}
    calm, lost = runs["optimal"], runs["diverging"]
    assert calm.limit is not None
    assert lost.limit is not None
    assert calm.sharpness.max() > 10 * calm.sharpness[0]  # progressive sharpening
    assert lost.sharpness.max() > lost.limit  # past what the rate bears
    assert calm.losses[-1] < 0.1 * calm.losses[0]
    assert lost.losses.max() > lost.losses[0]
    assert lesson.edge_before is not None
    assert lesson.edge_later is not None
    assert lesson.edge_later < lesson.edge_before


@pytest.mark.slow
def test_adam_settles_at_its_own_edge() -> None:
    lesson = explained("digits-autoencoder")
    assert lesson.seconds < 120
    assert lesson.rule == "adam"
    (run,) = [run for run in lesson.sharpness if run.regime == "optimal"]
    assert run.limit == pytest.approx(38 / run.lr)
    late = run.sharpness[run.steps >= 0.5 * lesson.summary.steps]
    assert np.median(late) == pytest.approx(run.limit, rel=0.15)


def test_it_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_task, "_STEPS", (6, 6))
    monkeypatch.setattr(on_task, "_BATCHES", 2)
    monkeypatch.setattr(on_task, "_MEASURED", (3, 3))

    def make() -> Training:
        model = noisy_mlp()
        return Training(model, torch.optim.Adam(model.parameters(), lr=0.01), loader())

    def use(training: Training) -> None:
        lesson = explained(task_of(training))
        assert lesson.sharpness
        assert lesson.rule == "adam"

    assert_no_trace(make, use)


def stepped() -> Task:
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(batch: Any) -> torch.Tensor:
        optimizer.zero_grad()
        loss = (model(batch[0]) - batch[1]).square().mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    x = torch.linspace(-1, 1, 16).unsqueeze(1)
    return Task.from_step(step, state=[model], optimizers=optimizer, train=[(x, 3 * x)], steps=40)


def test_where_sharpness_cannot_be_had_it_is_said() -> None:
    lesson = explained(stepped())
    assert lesson.sharpness == ()
    assert lesson.obstacle is not None
    assert "a step of its own" in lesson.obstacle
    assert lesson.edge_before is lesson.edge_later is None
    assert "could not be measured: the task has a step" in lesson._repr_html_()
    assert [shown for shown in lesson.regimes if shown == "optimal"]


class Flat(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad


def test_a_loss_without_a_second_derivative_is_no_failure() -> None:
    task = load_task("line")
    x, y = task.train[0]  # type: ignore[index]

    def loss(model: Any, batch: Any) -> torch.Tensor:
        return Flat.apply(model(batch[0]) - batch[1]).square().mean()  # type: ignore[no-any-return]

    once = Task(task.model, task.optimizer, loss, [(x, y)], steps=30)
    edge = measure_edge(once, [(0.1, "optimal")], Plan(1, 10, 4), seed=0, observer=Observer())
    assert edge.runs == ()
    assert edge.obstacle is not None
    assert "twice" in edge.obstacle


@pytest.mark.parametrize(
    ("losses", "names"),
    [
        ([0.9, 0.5, 0.11, 0.1, 0.104, 0.12, 0.3, 1.2, math.nan], "ssgoogtdd"),
        ([0.9, 0.5, 0.1], "sso"),  # the best at the end
        ([0.1, 0.2, math.nan, 0.5], "otdd"),  # what comes after the first loss is lost too
        ([1.0, 1.1, math.nan], "ssd"),  # nothing fell
    ],
)
def test_the_rule_for_networks(losses: list[float], names: str) -> None:
    full = {
        "s": "too_small",
        "g": "good",
        "o": "optimal",
        "t": "oscillating",
        "d": "diverging",
    }
    assert regimes_of(losses, 1.0) == [full[letter] for letter in names]


def test_losses_below_zero_are_weighed_by_what_was_gained() -> None:
    assert regimes_of([0.0, -0.8, -1.0, -0.99, 0.5], 0.0) == [
        "too_small",
        "good",
        "optimal",
        "optimal",
        "diverging",
    ]


def test_bands_join_neighbours_and_leave_no_gap() -> None:
    found = bands([1.0, 4.0, 16.0], ["good", "optimal", "optimal"])
    assert [(band.regime, band.low, band.high) for band in found] == [
        ("good", None, 2.0),
        ("optimal", 2.0, None),
    ]


def test_costs_are_counted_and_not_timed() -> None:
    small, large = (seconds_per_step(load_task(name)) for name in ("line", "digits-cnn"))
    assert small < large
    assert large == seconds_per_step(load_task("digits-cnn"))
