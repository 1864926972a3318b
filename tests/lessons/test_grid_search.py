"""The grid search: what each way names, what that costs, and where other seeds say it ends."""

from __future__ import annotations

import math

import numpy as np
import pytest

from etastar.engine import Observer
from etastar.engine.sequential import Sequential
from etastar.errors import InputError
from etastar.finder import range_test
from etastar.lessons.grid_search import NEAR, compare, explain
from etastar.records.lessons.grid_search import GridSearch, Named
from etastar.report.lessons.grid_search import compared
from etastar.report.lessons.grid_search_pictures import ceiling
from etastar.tasks import load_task

STEPS = 120
JUDGES = 3


@pytest.fixture(scope="module")
def lesson() -> GridSearch:
    task = load_task("digits-mlp").with_steps(STEPS)
    return compare(task, seed=0, observer=Observer(), octaves=6, judges=JUDGES)


def test_the_grid_is_octaves_and_then_half_octaves_near_the_best(lesson: GridSearch) -> None:
    octaves = np.log2(lesson.lrs / lesson.default_lr)
    coarse, fine = octaves[: lesson.coarse], octaves[lesson.coarse :]
    assert np.allclose(coarse, np.round(coarse))
    assert np.allclose(np.diff(np.sort(coarse)), 1)
    best = int(np.nanargmin(lesson.losses[: lesson.coarse]))
    assert np.allclose(fine - coarse[best], NEAR)
    assert coarse.min() < coarse[best] < coarse.max()  # the best is not at an end


def test_the_grid_names_its_lowest_loss(lesson: GridSearch) -> None:
    assert lesson.by("grid").lr == lesson.lrs[int(np.nanargmin(lesson.losses))]


def test_the_range_tests_rules_are_those_of_the_range_test(lesson: GridSearch) -> None:
    tested = range_test(load_task("digits-mlp").with_steps(STEPS), seed=0)
    for rule, suggestion in tested.suggestions.items():
        assert lesson.by(rule).lr == (None if suggestion is None else suggestion.lr)
        assert lesson.by(rule).cost == lesson.by("steepest").cost


def test_costs_are_in_full_runs(lesson: GridSearch) -> None:
    grid, found = lesson.by("grid"), lesson.by("find")
    assert np.all(np.diff(lesson.spent) > 0)
    assert grid.cost == lesson.spent[-1] == pytest.approx(len(lesson.lrs), rel=0.5)
    assert grid.cost <= len(lesson.lrs) + 1e-9  # diverged runs end early, none costs more
    assert 0 < found.cost < 1
    assert grid.cost > 5 * found.cost
    if len(lesson.pilot_spent):
        assert lesson.pilot_spent[-1] == pytest.approx(found.cost, rel=0.2)


def test_other_seeds_judge(lesson: GridSearch) -> None:
    assert lesson.seed not in lesson.judges
    assert len(lesson.judges) == JUDGES
    grid = lesson.by("grid")
    assert grid.lr is not None
    place = int(np.flatnonzero(lesson.lrs == grid.lr)[0])
    assert lesson.means[place] == pytest.approx(grid.finals.mean())
    assert lesson.deviations[place] == pytest.approx(grid.finals.std(ddof=1))
    task = load_task("digits-mlp").with_steps(STEPS)
    calm = int(np.flatnonzero(lesson.lrs == lesson.default_lr)[0])  # far from the chaotic edge
    alone = Sequential().train(task, [lesson.default_lr], lesson.judges, STEPS)
    ends = [trial.final_loss for trial in alone]
    assert lesson.means[calm] == pytest.approx(np.mean(ends), rel=1e-3)
    assert lesson.deviations[calm] == pytest.approx(np.std(ends, ddof=1), rel=0.02)


def test_a_grid_goes_on_where_its_best_is_at_the_end() -> None:
    task = load_task("line").with_steps(12)  # its own rate is 0.1, its best beyond 0.5
    lesson = compare(task, seed=0, observer=Observer(), octaves=1, judges=1)
    assert lesson.lrs[: lesson.coarse].max() > 0.2
    assert 0.3 < (lesson.by("grid").lr or 0) < 1.0
    beyond = lesson.losses[lesson.lrs > 1.05]  # the edge
    assert len(beyond) > 0
    assert not np.any(beyond < 10)
    assert ceiling(lesson) < 10  # they do not press the picture flat


def _named(*finals: float) -> Named:
    return Named(way="find", lr=0.1, finals=np.array(finals), cost=1, seconds=1)


def test_seeds_decide_who_ends_lower() -> None:
    grid = _named(1.0, 1.1, 0.9, 1.05)
    assert compared(_named(1.02, 1.08, 0.92, 1.03), grid) == "alike"
    assert compared(_named(1.5, 1.61, 1.39, 1.56), grid) == "higher"
    assert compared(_named(0.5, 0.61, 0.39, 0.56), grid) == "lower"
    assert compared(_named(0.5, math.nan, 0.39, 0.56), grid) == "unknown"
    assert compared(_named(), grid) == "unknown"


def test_without_a_task_it_is_refused() -> None:
    with pytest.raises(InputError, match="needs a task"):
        explain(None, seed=0, observer=Observer())
