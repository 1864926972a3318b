"""The five regimes on a line fit: from the dynamics, against theory, by a rule that sees losses."""

from __future__ import annotations

import numpy as np
import pytest

import etastar
from etastar.errors import InputError
from etastar.lessons.regimes.line import (
    EPOCHS,
    RATES,
    descend,
    line,
    predicted_epochs,
    regimes_at,
    walk,
)
from etastar.lessons.regimes.rule import MARK, epochs_to_converge, regime_of
from etastar.records.lessons import Regimes


@pytest.fixture(scope="module")
def lesson() -> Regimes:
    found = etastar.explain("regimes")
    assert isinstance(found, Regimes)
    return found


def test_the_five_rates_end_as_the_issue_of_the_rate_says(lesson: Regimes) -> None:
    runs = {run.lr: run for run in lesson.runs}
    assert tuple(runs) == RATES == (0.01, 0.1, 0.7, 0.99, 1.01)
    assert all(run.epochs == EPOCHS == 100 for run in lesson.runs)
    assert [run.regime for run in lesson.runs] == [
        "too_small",
        "good",
        "optimal",
        "oscillating",
        "diverging",
    ]
    observed = {lr: run.observed_epochs for lr, run in runs.items()}
    assert observed[0.01] > 100
    assert 10 < observed[0.1] <= 100
    assert observed[0.7] < 10
    assert observed[0.99] > 100
    assert observed[1.01] is None


def test_circling_is_seen_in_the_weights_and_diverging_in_the_loss(lesson: Regimes) -> None:
    circling, diverging = lesson.runs[3], lesson.runs[4]
    away = circling.intercepts - lesson.minimum[0]
    assert np.all(away[1:] * away[:-1] < 0)  # on the other side after every step
    whole = diverging.losses[::2] - lesson.lowest
    assert whole[-1] > 10 * whole[0]
    assert np.all(np.diff(np.abs(diverging.intercepts - lesson.minimum[0])) > 0)


def test_the_problem_is_the_one_described() -> None:
    problem = line()
    assert problem.x.min() >= -1
    assert problem.x.max() <= 1
    assert problem.x.mean() == pytest.approx(0, abs=1e-15)
    assert problem.curvatures == pytest.approx([2, 2 * np.mean(problem.x**2)])
    assert problem.edge == 1.0
    assert problem.best == pytest.approx(0.75, abs=0.001)
    fitted = np.polyfit(problem.x, problem.y, 1)  # slope, intercept: least squares by another way
    assert problem.minimum == pytest.approx(fitted[::-1])
    assert problem.lowest == pytest.approx(float(problem.loss(problem.minimum)))
    assert problem.gradient(problem.minimum) == pytest.approx(np.zeros(2), abs=1e-12)


def test_curvatures_are_those_of_the_loss() -> None:
    problem = line()
    for place in (0, 1):
        unit = np.eye(2)[place]
        second = (
            problem.loss(problem.minimum + unit)
            + problem.loss(problem.minimum - unit)
            - 2 * problem.lowest
        )
        assert problem.curvatures[place] == pytest.approx(second)


@pytest.mark.parametrize(("share", "converges"), [(0.999, True), (1.001, False)])
def test_the_edge_is_where_it_was_predicted(share: float, converges: bool) -> None:
    problem = line()
    run = descend(problem, share * problem.edge)
    assert (run.observed_epochs is not None) == converges
    _, losses = walk(problem, np.array([run.lr]), 5000)
    left = (losses[::2, 0] - problem.lowest) / (losses[0, 0] - problem.lowest)
    assert left[-1] < 1e-6 if converges else left[-1] > 1e6
    assert run.regime == ("oscillating" if converges else "diverging")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_predictions_are_exact(seed: int) -> None:
    problem = line(seed)
    for lr in (0.005, 0.03, 0.2, 0.5, problem.best, 0.9, 0.97, 0.999):
        assert descend(problem, lr).observed_epochs == predicted_epochs(problem, lr)
    best = predicted_epochs(problem, problem.best)
    assert best is not None
    slower = [predicted_epochs(problem, problem.best * factor) for factor in (0.4, 1.25)]
    assert all(epochs is not None and epochs > best for epochs in slower)


@pytest.mark.parametrize("mark", [1e-2, 1e-3, 1e-4, 1e-5])
def test_the_names_do_not_hang_on_the_mark(lesson: Regimes, mark: float) -> None:
    named = [regime_of(run.losses, lesson.lowest, mark) for run in lesson.runs]
    assert named == [run.regime for run in lesson.runs]


def test_over_the_rates_the_regimes_come_in_order(lesson: Regimes) -> None:
    assert [band.regime for band in lesson.bands] == [
        "too_small",
        "good",
        "optimal",
        "good",
        "oscillating",
        "diverging",
    ]
    for left, right in zip(lesson.bands, lesson.bands[1:], strict=False):
        assert left.high == right.low
    last = lesson.bands[-1]
    assert last.low is not None
    assert last.low == pytest.approx(1.0, rel=0.002)
    below = regimes_at(line(), np.array([0.02, 0.03, 0.04, 0.044]))
    assert below == ["too_small"] * 4


def test_the_rule_sees_the_losses_alone() -> None:
    epochs = np.arange(201) / 2
    assert regime_of(0.9**epochs, 0.0) == "good"
    assert regime_of(0.3**epochs, 0.0) == "optimal"
    assert regime_of(0.99**epochs, 0.0) == "too_small"
    assert regime_of(1.001**epochs, 0.0) == "diverging"
    circling = 0.99**epochs
    circling[1::2] *= 0.1
    assert regime_of(circling, 0.0) == "oscillating"
    broken = 0.3**epochs
    broken[150:] = np.nan
    assert regime_of(broken, 0.0) == "diverging"


def test_converged_means_for_good() -> None:
    assert epochs_to_converge(np.array([1.0, 1e-4, 0.5, 1e-4, 1e-5]), 0.0) == 3
    assert epochs_to_converge(np.array([1.0, 1e-4, 0.5]), 0.0) is None
    assert epochs_to_converge(np.array([1.0, np.nan]), 0.0) is None
    assert MARK == 1e-3


def test_a_rate_without_bounds_is_recorded_and_not_raised() -> None:
    run = descend(line(), 1e6)
    assert run.regime == "diverging"
    assert not np.isfinite(run.losses[-1])


def test_unknown_lessons_are_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"'regime' \(did you mean 'regimes'\?\); there are"):
        etastar.explain("regime")
