"""Strategies, asked and told over a landscape whose optimum is known."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest

from etastar.errors import InputError
from etastar.records import Axis
from etastar.sweeps import Choice, Linear, Log
from etastar.sweeps.strategies import (
    STRATEGIES,
    Outcome,
    Plan,
    Run,
    Strategy,
    cost_of,
    strategy_named,
)

BEST = {"lr": 10**-1.5, "momentum": 0.6}
AXES = {"lr": Log(1e-4, 10.0).axis(), "momentum": Linear(0.0, 0.95).axis()}
DRAWN = tuple(name for name in STRATEGIES if name != "find")
Loss = Callable[[Run], float]


def valley(run: Run) -> float:
    """Lowest at `BEST`; rates above 1 diverge; longer runs end lower, everywhere alike."""
    lr, settings = run.point.lr, dict(run.point.settings)
    if lr > 1:
        return math.inf
    momentum = settings.get("momentum", BEST["momentum"])
    off = (math.log10(lr) + 1.5) ** 2 + 4 * (momentum - BEST["momentum"]) ** 2
    return 0.1 + off + 10 / run.steps


def plan(**changes: Any) -> Plan:
    fields: dict[str, Any] = {"axes": AXES, "steps": 900, "seeds": (0,), "seed": 0, **changes}
    return Plan(**fields)


def no_search(budget: float) -> Any:
    raise AssertionError("find was not asked for")


def made(name: str, given: Plan) -> Strategy:
    return strategy_named(name, given, no_search)


def driven(strategy: Strategy, loss: Loss = valley) -> list[list[Outcome]]:
    """What a strategy asked for, batch by batch, and what it heard."""
    batches: list[list[Outcome]] = []
    while runs := strategy.ask():
        batches.append([Outcome(run, loss(run)) for run in runs])
        strategy.tell(batches[-1])
    return batches


def flat(batches: list[list[Outcome]]) -> list[Outcome]:
    return [outcome for batch in batches for outcome in batch]


TRIALS = {"grid": None, "hyperband": None}
"""Those that decide the number by themselves."""


@pytest.mark.parametrize("name", DRAWN)
def test_the_best_of_a_known_valley_is_near_its_bottom(name: str) -> None:
    given = plan(trials=TRIALS.get(name, 60))
    outcomes = flat(driven(made(name, given)))
    full = [outcome for outcome in outcomes if outcome.run.steps == given.steps]
    best = min(full, key=lambda outcome: outcome.loss).run.point
    assert abs(math.log10(best.lr) + 1.5) < 0.5
    assert abs(dict(best.settings)["momentum"] - 0.6) < 0.3


@pytest.mark.parametrize("name", ["tpe", "cmaes"])
def test_a_sampler_learns_where_to_look(name: str) -> None:
    outcomes = flat(driven(made(name, plan(trials=60))))
    first = sorted(min(outcome.loss, 99.0) for outcome in outcomes[:20])
    last = sorted(min(outcome.loss, 99.0) for outcome in outcomes[-20:])
    assert last[10] < 0.6 * first[10]


@pytest.mark.parametrize("name", DRAWN)
def test_the_same_seed_asks_for_the_same_and_another_for_something_else(name: str) -> None:
    def asked(seed: int) -> list[Run]:
        trials = TRIALS.get(name, 24)
        batches = driven(made(name, plan(trials=trials, seed=seed)))
        return [outcome.run for outcome in flat(batches)]

    assert asked(1) == asked(1)
    assert (asked(1) == asked(2)) == (name == "grid")


@pytest.mark.parametrize("name", DRAWN)
def test_every_run_is_inside_the_space_and_nothing_is_asked_after_the_end(name: str) -> None:
    strategy = made(name, plan(trials=TRIALS.get(name, 20)))
    for outcome in flat(driven(strategy)):
        point = outcome.run.point
        assert 1e-4 <= point.lr <= 10.0
        assert 0.0 <= dict(point.settings)["momentum"] <= 0.95
        assert 1 <= outcome.run.steps <= 900
    assert not strategy.ask()


@pytest.mark.parametrize("name", DRAWN)
def test_all_lost_is_an_end_and_not_an_error(name: str) -> None:
    outcomes = flat(driven(made(name, plan(trials=TRIALS.get(name, 12))), lambda run: math.inf))
    assert outcomes


@pytest.mark.parametrize("name", [n for n in DRAWN if n != "asha"])
def test_the_cost_is_known_before(name: str) -> None:
    given = plan(trials=TRIALS.get(name, 20), seeds=(0, 1))
    strategy = made(name, given)
    said = strategy.cost
    spent = cost_of([outcome.run for outcome in flat(driven(strategy))], given.steps)
    assert spent == pytest.approx(said, rel=0.02)


def test_the_grid_is_every_combination_once_rates_side_by_side() -> None:
    axes = {"lr": Choice(0.1, 0.2).axis(), "eps": Choice(1.0, 2.0, 3.0).axis()}
    ((*outcomes,),) = driven(made("grid", plan(axes=axes)))
    points = [(dict(o.run.point.settings)["eps"], o.run.point.lr) for o in outcomes]
    assert points == [(eps, lr) for eps in (1.0, 2.0, 3.0) for lr in (0.1, 0.2)]


def test_sobol_points_leave_no_gap_that_random_ones_do() -> None:
    axes = {"lr": Log(1e-3, 1.0).axis()}

    def widest(name: str) -> float:
        outcomes = flat(driven(made(name, plan(axes=axes, trials=32))))
        shares = sorted(axes["lr"].share(outcome.run.point.lr) for outcome in outcomes)
        return max(b - a for a, b in itertools.pairwise(shares))

    assert widest("sobol") < 2 / 32 < widest("random")


def test_halving_keeps_the_best_third_for_three_times_as_long() -> None:
    given = plan(trials=27, seeds=(5, 6))
    batches = driven(made("halving", given))
    sizes = [(len(batch), batch[0].run.steps, batch[0].run.seeds) for batch in batches]
    assert sizes == [(27, 33, (5,)), (9, 100, (5,)), (3, 300, (5,)), (1, 900, (5, 6))]
    for shorter, longer in itertools.pairwise(batches):
        best = sorted(shorter, key=lambda outcome: outcome.loss)[: len(longer)]
        assert [o.run.point for o in longer] == [o.run.point for o in best]


def test_no_run_is_too_short_to_mean_anything() -> None:
    assert {o.run.steps for o in flat(driven(made("halving", plan(steps=40, trials=27))))} == {
        13,
        40,
    }
    assert {o.run.steps for o in flat(driven(made("hyperband", plan(steps=8))))} == {8}


def test_what_diverged_is_never_promoted() -> None:
    for name in ("halving", "asha"):
        batches = driven(made(name, plan(trials=27)))
        promoted = {o.run.point for o in flat(batches) if o.run.steps > 33}
        assert promoted
        assert all(point.lr <= 1 for point in promoted)


def test_asha_promotes_before_all_have_begun_and_no_one_twice() -> None:
    batches = driven(made("asha", plan(trials=27)))
    steps = [outcome.run.steps for outcome in flat(batches)]
    assert steps.index(100) < len(steps) - 1 - steps[::-1].index(33)
    runs = [outcome.run for outcome in flat(batches)]
    assert len(runs) == len(set(runs))
    assert max(len(batch) for batch in batches) == 4


def test_hyperband_begins_with_many_short_runs_and_ends_with_few_full_ones() -> None:
    batches = driven(made("hyperband", plan(steps=270)))
    firsts = [(len(batch), batch[0].run.steps) for batch in batches]
    assert firsts[0] == (27, 10)
    assert firsts[-1] == (4, 270)


def test_a_budget_decides_how_many_points_there_are() -> None:
    assert len(flat(driven(made("sobol", plan(budget=7.9, seeds=(0, 1)))))) == 3
    for name in ("halving", "hyperband"):
        given = plan(budget=5.0)
        runs = [outcome.run for outcome in flat(driven(made(name, given)))]
        assert 3.0 < cost_of(runs, given.steps) <= 5.0


LR_ONLY = {"lr": AXES["lr"]}


@pytest.mark.parametrize(
    ("name", "changes", "named"),
    [
        ("gird", {}, "did you mean 'grid'"),
        ("grid", {"trials": 7}, "the grid has"),
        ("grid", {"budget": 3.0}, "above the budget of 3"),
        ("sobol", {"budget": 0.5}, "does not pay"),
        ("halving", {"budget": 0.5}, "does not pay"),
        ("halving", {"budget": 2.0, "trials": 60}, "with trials=60"),
        ("hyperband", {"trials": 9}, "leave trials out"),
        ("hyperband", {"budget": 0.5}, "does not pay"),
        ("cmaes", {"axes": LR_ONLY}, "two ranges or more"),
        ("cmaes", {"axes": {**AXES, "eps": Choice(1.0, 2.0).axis()}}, "list of values for eps"),
        ("find", {}, "leave them out"),
        ("find", {"axes": {"lr": Axis(scale="choice", values=(0.1,))}, "trials": 3}, "budget="),
        ("find", {"axes": {"lr": Axis(scale="choice", values=(0.1,))}, "budget": 1.0}, "give more"),
    ],
)
def test_what_a_strategy_cannot_work_with_is_refused(
    name: str, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(InputError, match=named):
        made(name, plan(**changes))


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("halving", {}, "strategy='halving', which costs 2 at least with 2 seeds"),
        ("hyperband", {}, "strategy='hyperband', which costs 2 at least with 2 seeds"),
        ("sobol", {}, "one point with 2 seeds, .* give at least 2"),
        ("find", {"axes": {"lr": Axis(scale="choice", values=(0.1,))}}, "such as 2.5"),
    ],
)
def test_what_the_budget_lacks_is_said(name: str, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=f"a budget of 1 full run does.*{told}"):
        made(name, plan(seeds=(0, 1), budget=1.0, **changes))
