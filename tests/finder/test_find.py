"""`find` is right in shape: it answers, says how sure it is, what it cost, and when it cannot."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from tests.finder.tasks import batches, net, sgd, wave
from torch import nn

import etastar as es
from etastar.engine import Observer, Sequential
from etastar.finder.edge import critical_rate
from etastar.finder.ladder import ladder
from etastar.records import Finding, Trial
from etastar.schedules import Constant, Cosine


@pytest.fixture(scope="module")
def finding() -> Finding:
    return es.find(wave(), budget=1.0, progress=False)


def test_an_answer_has_all_its_parts(finding: Finding) -> None:
    assert finding.verdict in ("confident", "uncertain")
    assert finding.lr is not None
    assert finding.interval is not None
    assert finding.interval[0] <= finding.lr <= finding.interval[1]
    assert 0 < finding.confidence <= 1
    assert finding.schedule == Cosine(steps=400).scale(finding.lr)
    assert finding.prediction is not None
    assert {band.regime for band in finding.regimes} >= {"too_small", "optimal"}
    assert finding.task.optimizer == "SGD"
    assert finding.task.parameters == sum(p.numel() for p in net().parameters())
    assert finding.environment["torch"] == torch.__version__


def test_its_rate_is_near_the_best_of_a_grid(finding: Finding) -> None:
    assert finding.lr is not None
    grid = [finding.lr * 2.0**k for k in range(-5, 5)]
    trials = Sequential().train(wave(), grid, [0, 1], 400)
    losses = np.array([t.final_loss if t.measured else math.inf for t in trials]).reshape(-1, 2)
    mean = losses.mean(axis=1)
    assert mean[5] < 1.5 * mean.min()


def test_the_cost_is_all_that_was_spent(finding: Finding) -> None:
    assert finding.range_test is not None
    full_run = 400 * 16
    judged = 256 / 3  # the first look at the untrained model
    spent = finding.range_test.sample_gradients + judged
    spent += sum(trial.sample_gradients for trial in finding.trials)
    assert finding.range_test.edge is not None
    spent += critical_rate(wave(), finding.range_test.edge, seed=0)[1]  # the check of the edge
    assert finding.cost == pytest.approx(spent / full_run)


@pytest.mark.parametrize("budget", [0.3, 0.5, 1.0, 2.0])
def test_the_budget_is_kept_to_within_one_pilot(budget: float) -> None:
    found = es.find(wave(steps=2000), budget=budget, progress=False)
    longest = max(trial.sample_gradients for trial in found.trials)
    assert found.cost <= budget + longest / (2000 * 16)
    assert found.cost > 0.5 * budget
    assert found.budget == budget


def test_a_budget_for_no_pilot_says_so() -> None:
    found = es.find(wave(steps=100), budget=0.05, progress=False)
    assert found.verdict == "no_answer"
    assert "pays for no pilot" in found.reason
    assert found.cost > 0


def test_the_same_seed_gives_the_same_answer_and_another_one_other_trials() -> None:
    def timeless(found: Finding) -> Any:
        fields = found.model_dump(mode="json")
        for part in (fields, fields["range_test"], *fields["trials"]):
            part["seconds"] = 0
        return fields

    first, second, other = (es.find(wave(), seed=s, progress=False) for s in (1, 1, 2))
    assert timeless(first) == timeless(second)
    assert timeless(first) != timeless(other)


def test_the_json_holds_everything(finding: Finding) -> None:
    assert Finding.from_json(finding.to_json()) == finding


def test_pilots_follow_the_tasks_own_schedule() -> None:
    task = wave(schedule=Cosine(steps=400, warmup_steps=100), steps=None)
    trial = es.find(task, progress=False).trials[0]
    rates = trial.curve.lrs
    top = int(np.argmax(rates))
    assert top == pytest.approx(0.25 * len(rates), abs=2)
    assert rates[top] == pytest.approx(trial.lr)
    assert rates[-1] < 0.05 * trial.lr


def test_a_schedules_own_peak_is_ignored() -> None:
    low, high = (
        es.find(wave(schedule=Constant(steps=400, peak=peak)), progress=False).lr
        for peak in (1e-6, 10.0)
    )
    assert low == pytest.approx(high)


def test_parts_and_task_are_the_same_thing() -> None:
    torch.manual_seed(0)
    model = net()
    optimizer = sgd(model.parameters())
    train, criterion = batches(), nn.CrossEntropyLoss()
    from_parts = es.find(
        model, optimizer, train=train, criterion=criterion, steps=300, progress=False
    )
    task = es.Task(model, optimizer, train=train, criterion=criterion, steps=300)
    assert from_parts.lr == es.find(task, progress=False).lr


def test_without_validation_data_the_answer_warns() -> None:
    found = es.find(wave(valid=None), progress=False)
    assert found.task.objective == "training loss"
    assert any("cannot see overfitting" in warning for warning in found.warnings)


def test_frozen_outputs_and_random_labels_get_no_confident_answer() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = [(x, torch.randint(0, 2, y.shape, generator=generator)) for x, y in batches()]
    held_out = [(x, torch.randint(0, 2, y.shape, generator=generator)) for x, y in batches(8)]
    found = es.find(wave(train=noise, valid=held_out), progress=False)
    assert found.verdict != "confident"


def test_everything_that_diverges_gets_no_answer() -> None:
    def loss(model: Any, batch: Any) -> torch.Tensor:
        # steep without bound: any step upward along it overflows at last
        return -torch.exp(model(batch[0]).float().pow(2).sum() * 1e3)

    found = es.find(wave(loss=loss, criterion=None, valid=None), progress=False)
    assert found.verdict == "no_answer"
    assert found.lr is None


def test_the_observer_hears_every_pilot() -> None:
    class Listener(Observer):
        def __init__(self) -> None:
            self.stages: list[str] = []
            self.ended: list[Trial] = []
            self.costs: list[float] = []
            self.over = 0

        def stage(self, name: str, lrs: Any, steps: int) -> None:
            self.stages.append(name)

        def trial_ended(self, trial: Trial) -> None:
            self.ended.append(trial)

        def spent(self, cost: float, budget: float) -> None:
            self.costs.append(cost)

        def finished(self) -> None:
            self.over += 1

    listener = Listener()
    found = es.find(wave(), observer=listener)
    assert listener.stages[0] == "range test"
    assert tuple(listener.ended) == found.trials
    assert listener.costs == sorted(listener.costs)
    assert listener.costs[-1] == found.cost
    assert listener.over == 1


@pytest.mark.parametrize("horizon", [300, 640, 2000, 10_000])
@pytest.mark.parametrize("budget", [0.1, 0.45, 0.95, 3.0])
@pytest.mark.parametrize("evaluation", [0.0, 10.0])
def test_a_ladder_climbs_within_its_budget(horizon: int, budget: float, evaluation: float) -> None:
    rungs = ladder(horizon, budget, evaluation)
    cost = sum(rung.pilots * (rung.steps + evaluation) for rung in rungs)
    assert cost <= budget * horizon + 1e-9
    steps = [rung.steps for rung in rungs]
    assert steps == sorted(steps)
    longest = horizon if budget >= 1.5 else max(16, horizon // 4)
    assert all(16 <= s <= longest for s in steps)
