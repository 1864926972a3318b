"""Sweeps for real: one table whatever ran it, resumed without training twice, nothing disturbed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tasks.parts import linear, pairs, task
from tests.training.bitwise import assert_same, random_bits
from torch import nn

import etastar as es
from etastar.engine import Engine, Observer, Sequential, Work
from etastar.engine.choose import engine_named
from etastar.engine.contract import train_in_turn
from etastar.errors import InputError, InterruptedRunError, TaskError, TaskFailedError
from etastar.records import Sweep, Trial
from etastar.store import open_store
from etastar.sweeps.space import Log

SPACE: dict[str, Any] = {"lr": "1e-3:3:log:4", "weight_decay": [0.0, 0.1]}
STRATEGIES = ("grid", "random", "sobol", "halving", "hyperband", "asha", "tpe")


class Counting(Observer):
    """Counts steps trained, and interrupts after some."""

    def __init__(self, until: float = math.inf) -> None:
        self.steps = 0
        self.until = until

    def stepped(self, lr: float, step: int, loss: float) -> None:
        self.steps += 1
        if self.steps > self.until:
            raise KeyboardInterrupt


class Stages(Observer):
    """Hears the names of the stages."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def stage(self, name: str, lrs: Any, steps: int) -> None:
        self.heard.append(name)


def judged(**changes: Any) -> es.Task:
    return task(valid=pairs(2, seed=1), steps=30, **changes)


def swept(
    made: es.Task | None = None, strategy: str = "grid", engine: Any = None, **options: Any
) -> Sweep:
    options = {"space": SPACE, "seeds": 2, "progress": False, **options}
    return es.sweep(made or judged(), strategy=strategy, engine=engine or Sequential(), **options)


def table(sweep: Sweep) -> list[Any]:
    """The trials without what depends on the clock, to the last bit."""
    return [trial.model_copy(update={"seconds": 0.0}).to_json() for trial in sweep.trials]


# --- what it says ------------------------------------------------------------------------------


def test_a_grid_is_trained_once_in_order_and_the_best_is_the_lowest_mean() -> None:
    found = swept()
    rows = found.table()
    assert len(rows) == 4 * 2 * 2
    assert [row["weight_decay"] for row in rows] == [0.0] * 8 + [0.1] * 8
    assert [row["seed"] for row in rows] == [0, 1] * 8
    assert [row["lr"] for row in rows[:8:2]] == list(found.space["lr"].values)
    means: dict[Any, float] = {}
    for row in rows:
        point = (row["lr"], row["weight_decay"])
        means[point] = means.get(point, 0.0) + row["final_loss"] / 2
    lr, decay = min(means, key=lambda point: means[point])
    assert found.best is not None
    assert (found.lr, found.settings) == (lr, {"weight_decay": decay})
    assert found.best.mean == pytest.approx(means[lr, decay])
    assert found.best.seeds == 2
    assert found.schedule == judged().shape.scale(lr)
    assert found.cost == pytest.approx(16, rel=0.1)


def test_trials_are_those_of_the_engine_with_the_settings_of_the_task() -> None:
    found = swept()
    alone = Sequential().train(judged(settings={"weight_decay": 0.1}), [3.0], [1], 30)
    assert found.trials[-1].model_copy(update={"seconds": 0.0}) == alone[0].model_copy(
        update={"seconds": 0.0}
    )


def test_short_runs_are_miniatures_of_the_full_one() -> None:
    found = swept(strategy="halving", trials=9, steps=90)
    assert [trial.steps for trial in found.trials].count(10) == 9
    assert {trial.shape for trial in found.trials if trial.steps == 10} == {
        judged().shape.resized(10).fingerprint
    }
    assert found.task.steps == 90


def test_diverged_trials_stay_in_the_table_and_are_never_best() -> None:
    found = swept(space=[0.01, 1e6], seeds=1)
    assert [trial.status for trial in found.trials] == ["finished", "diverged"]
    assert math.isnan(found.trials[1].final_loss)
    assert found.lr == 0.01
    assert swept(space=[1e6, 1e7], seeds=1).best is None
    assert "try lower rates" in swept(space=[1e6, 1e7], seeds=1).warnings[0]


def test_the_surrogate_finds_a_rate_and_trains_it_in_full() -> None:
    longer = judged().with_steps(300)
    found = swept(longer, strategy="find", space=None, budget=4.0)
    assert [trial.steps for trial in found.trials[-2:]] == [300, 300]
    assert {trial.lr for trial in found.trials[-2:]} == {found.lr}
    assert all(trial.steps < 300 for trial in found.trials[:-2])
    assert found.cost < 5


def test_a_budget_is_never_exceeded() -> None:
    found = swept(strategy="asha", budget=2.5, seeds=1, trials=20)
    assert sum(trial.steps for trial in found.trials) <= 2.5 * 30
    assert "the budget ended" in found.warnings[0]


# --- one table, whatever happens ---------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_sweep_resumed_at_any_trial_gives_the_undisturbed_table(
    strategy: str, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"strategy": strategy, "seeds": 1}
    if strategy not in {"grid", "hyperband"}:
        options["trials"] = 9
    whole = Counting()
    undisturbed = swept(**options, observer=whole)
    trained = 0
    for stop in (7, 31, 95, math.inf):
        watching = Counting(until=stop)
        try:
            resumed = swept(**options, store=tmp_path / "s.db", observer=watching)
        except InterruptedRunError:
            trained += watching.steps
            continue
        trained += watching.steps
        assert table(resumed) == table(undisturbed)
    assert whole.steps <= trained <= whole.steps + 3 * 31  # but the trials in hand
    again = Counting()
    assert table(swept(**options, store=tmp_path / "s.db", observer=again)) == table(undisturbed)
    assert again.steps == 0
    with open_store(tmp_path / "s.db") as store:
        (study,) = store.studies()
        assert study.count == len(undisturbed.trials)


def test_seeds_and_points_added_later_train_only_what_is_new(tmp_path: Path) -> None:
    swept(store=tmp_path / "s.db", seeds=1)
    watching = Counting()
    more = swept(store=tmp_path / "s.db", seeds=2, observer=watching)
    assert watching.steps == 8 * 30
    assert table(more) == table(swept(seeds=2))


def test_a_task_that_changed_has_a_study_of_its_own(tmp_path: Path) -> None:
    swept(store=tmp_path / "s.db", seeds=1)
    watching = Counting()
    swept(judged(accumulate=2), store=tmp_path / "s.db", seeds=1, observer=watching)
    assert watching.steps == 8 * 30
    with open_store(tmp_path / "s.db") as store:
        assert [study.name for study in store.studies()] == ["task", "task-2"]


class Backwards:
    """An engine that trains in another order, as several workers may."""

    name = "backwards"

    def train(self, task: es.Task, lrs: Any, seeds: Any, steps: int, **options: Any) -> Any:
        trained = {
            (lr, seed): Sequential().train(task, [lr], [seed], steps, **options)[0]
            for lr in reversed(lrs)
            for seed in reversed(seeds)
        }
        return [trained[lr, seed] for lr in lrs for seed in seeds]


@pytest.mark.parametrize("strategy", ["grid", "halving", "asha", "tpe"])
def test_the_table_does_not_depend_on_the_order_an_engine_trains_in(strategy: str) -> None:
    trials = None if strategy == "grid" else 9
    backwards: Engine = Backwards()
    assert table(swept(strategy=strategy, trials=trials, engine=backwards)) == table(
        swept(strategy=strategy, trials=trials)
    )


@pytest.mark.parametrize("strategy", ["grid", "random"])
def test_ray_gives_the_very_table_of_sequential(strategy: str) -> None:
    pytest.importorskip("ray")
    options: dict[str, Any] = {"strategy": strategy, "seeds": 1}
    options["trials"] = 6 if strategy == "random" else None
    stages = Stages()
    with engine_named("ray", cpus=1) as ray:  # pyright: ignore[reportAttributeAccessIssue]
        found = swept(engine=ray, observer=stages, **options)
    assert table(found) == table(swept(**options))
    assert stages.heard == ["trials"]  # of all settings


def test_what_an_engine_knows_of_a_task_serves_all_its_settings() -> None:
    """It knows it of the object: whether it can be batched, how long a step takes."""
    asked: list[Work] = []

    class Noting(Sequential):
        def train_all(self, works: Sequence[Work], **options: Any) -> list[list[Trial]]:
            asked.extend(works)
            return train_in_turn(self, works, **options)

    swept(strategy="halving", engine=Noting(), seeds=1)
    assert len(asked) > len({tuple(work.settings.items()) for work in asked}) == 2
    assert len({id(work.task) for work in asked}) == 1
    assert all(work.tuned.settings == work.settings for work in asked)


def test_vectorized_gives_the_table_within_its_tolerance() -> None:
    made = judged(model=lambda: nn.Linear(3, 1, dtype=torch.float64), train=doubles(4))
    made = es.Task(**{**vars(made), "valid": doubles(2)})
    batched, single = swept(made, engine="vectorized"), swept(made)
    assert batched.engine.startswith("vectorized")
    for left, right in zip(batched.trials, single.trials, strict=True):
        assert (left.lr, left.seed, left.settings) == (right.lr, right.seed, right.settings)
        assert left.final_loss == pytest.approx(right.final_loss, rel=1e-5)


def doubles(count: int) -> list[Any]:
    return [(x.double(), y.double()) for x, y in pairs(count)]


# --- nothing disturbed -------------------------------------------------------------------------


@pytest.mark.parametrize("until", [17.0, math.inf])
def test_instances_come_back_bit_for_bit(until: float) -> None:
    model = linear()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.5)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    made = judged(model=model, optimizer=optimizer)
    before = [p.detach().clone() for p in model.parameters()]
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    groups = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    bits = random_bits()
    with suppress(InterruptedRunError):
        swept(made, observer=Counting(until))
    assert_same(random_bits(), bits)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))
    assert [p.grad.tolist() for p in model.parameters() if p.grad is not None] == [
        g.tolist() for g in gradients
    ]
    assert [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups] == groups


def test_an_interruption_tells_what_is_known() -> None:
    with pytest.raises(InterruptedRunError, match="after 2 trials") as stop:
        swept(observer=Counting(until=70))
    known = stop.value.known
    assert isinstance(known, Sweep)
    assert len(known.trials) == 2
    assert known.best is not None
    assert "interrupted" in known.warnings[0]
    with pytest.raises(InterruptedRunError) as stop:
        swept(observer=Counting(until=3))
    assert stop.value.known is None


def test_what_ended_before_the_tasks_own_error_is_kept(tmp_path: Path) -> None:
    calls = [0]

    def loss(output: Any, target: Any) -> Any:
        calls[0] += 1
        if calls[0] == 100:
            raise ZeroDivisionError("the hundredth")
        return nn.functional.mse_loss(output, target)

    with pytest.raises(TaskFailedError, match="the hundredth"):
        swept(judged(criterion=loss), store=tmp_path / "s.db")
    with open_store(tmp_path / "s.db") as store:
        (study,) = store.studies()
        assert study.count == 3  # of 32 calls each, after two at the opening


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"strategy": "gird"}, "did you mean 'grid'"),
        ({"engine": "sequentail"}, "did you mean 'sequential'"),
        ({"seeds": 0}, "at least 1"),
        ({"seeds": ()}, "at least one"),
        ({"seeds": (1, 1)}, "each once"),
        ({"seeds": (0.5,)}, "whole numbers"),
        ({"seeds": "012"}, "how many"),
        ({"steps": 0}, "at least 1"),
        ({"strategy": "sobol", "trials": 0}, "at least 1"),
        ({"strategy": "sobol", "budget": -1.0}, "positive number"),
        ({"strategy": "sobol", "budget": math.nan}, "positive number"),
        ({"strategy": "find", "space": "decade"}, "leave the rate out"),
        ({"strategy": "find", "space": {"lr": [0.1]}}, "leave the rate out"),
        ({"space": {"weight_decay": "decade"}}, "no decade"),
        ({"space": {"weight_dcay": [0.1]}}, "did you mean 'weight_decay'"),
        ({"space": {"beta1": [0.9]}}, "here it is called 'momentum'"),
        ({"space": {"weight_decay": [-0.1, 0.1]}}, "at least 0"),
    ],
)
def test_what_makes_no_sweep_is_refused_before_step_1(options: dict[str, Any], named: str) -> None:
    watching = Counting()
    with pytest.raises((InputError, TaskError), match=named):
        swept(**{"observer": watching, **options})
    assert watching.steps == 0


# --- what is told beside the numbers ------------------------------------------------------------


class Choosing(Observer):
    """Hears which engine was chosen."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def engine_chosen(self, engine: str, reason: str) -> None:
        self.heard.append(f"{engine}: {reason}")


def test_which_engine_auto_took_and_why_is_told_once_and_recorded() -> None:
    watching = Choosing()
    found = swept(engine="auto", space={"lr": [0.1]}, observer=watching)
    assert watching.heard == ["sequential: a single rate has none to be batched with"]
    assert found.engine == f"auto ({watching.heard[0]})"
    assert found.engine in " ".join(str(found).split())


def test_auto_chooses_once_for_all_settings_of_a_batch() -> None:
    watching = Choosing()
    points = {"lr": [0.1], "momentum": [0.0, 0.5, 0.9], "weight_decay": [0.0, 0.1]}
    found = swept(engine="auto", space=points, observer=watching)
    assert len(watching.heard) == 1
    assert "6 rates at 6 settings" in found.engine
    assert [trial.final_loss for trial in found.trials] == pytest.approx(
        [trial.final_loss for trial in swept(space=points).trials], rel=1e-5
    )


def test_rates_that_teach_nothing_are_no_silent_best() -> None:
    found = swept(space={"lr": [1e-9, 1e-8]})
    assert found.best is not None
    assert any(one.startswith("nothing was learned, or hardly") for one in found.warnings)
    assert not any("learned" in one for one in swept().warnings)


def test_an_interrupted_sweep_says_what_is_lost_and_nothing_of_edges() -> None:
    with pytest.raises(
        InterruptedRunError, match=r"after 4 trials; 1 more in .* begin anew"
    ) as stop:
        swept(observer=Counting(until=4 * 30 + 7))
    assert stop.value.known is not None
    assert not any("edge of the space" in one for one in stop.value.known.warnings)
    with pytest.raises(InterruptedRunError, match=r"after 0 trials; 8 more in training will"):
        swept(engine="vectorized", observer=Counting(until=9), seeds=1)


def test_what_was_known_before_is_said(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    half = swept(space={"lr": [0.01, 0.1]}, store=path)
    assert half.known == 0
    assert "known before" not in str(half)
    whole = swept(space={"lr": [0.01, 0.1, 0.2]}, store=path)
    assert (whole.known, len(whole.trials)) == (4, 6)  # of two seeds
    assert "4 known before" in " ".join(str(whole).split())
    assert "6 full runs, part of it spent before; now " in str(whole)
    again = swept(space={"lr": [0.01, 0.1, 0.2]}, store=path)
    assert "6 full runs, all of it spent before; now " in str(again)
    assert "4 trials known before" in whole.report(tmp_path / "s.html").read_text("utf-8")


def test_trials_of_a_changed_task_are_kept_apart_and_that_is_told(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    first = swept(judged(name="net"), store=path)
    other = swept(judged(name="net", criterion=nn.L1Loss()), store=path)
    told = [warning for warning in other.warnings if "another version of this task" in warning]
    assert len(told) == 1
    assert "'net'" in told[0]
    assert "kept as 'net-2'" in told[0]
    again = swept(judged(name="net"), store=path)
    for same in (first, again):
        assert not any("another version" in warning for warning in same.warnings)


def test_an_interruption_after_one_trial_is_told_in_the_singular() -> None:
    with pytest.raises(InterruptedRunError, match=r"after 1 trial;"):
        swept(observer=Counting(until=45))


def test_seeds_that_change_nothing_are_told_to_say_nothing() -> None:
    alike = swept(task(model=linear(), steps=6), space=[0.01, 0.1], seeds=3)
    assert alike.best is not None
    assert alike.best.standard_error == 0
    assert any("every seed ended alike" in warning for warning in alike.warnings)
    assert not any("every seed ended alike" in warning for warning in swept().warnings)


@pytest.mark.parametrize("strategy", ["grid", "random"])
def test_points_that_a_strategy_does_not_use_are_told(strategy: str) -> None:
    space = {"lr": Log(0.01, 0.1, points=3), "momentum": "0:0.9:linear:2", "weight_decay": [0, 0.1]}
    found = es.sweep(es.load_task("line"), space, strategy, "sequential", steps=2)
    told = [warning for warning in found.warnings if "points" in warning]
    assert len(told) == (2 if strategy == "random" else 0)
    if told:
        assert told[0].startswith("lr names 3 points, which are a grid's: random draws")
        assert told[1].startswith("momentum names 2 points")
