"""The optimizers: against the theory of quadratics, found by training, counted and timed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from etastar.engine import Observer
from etastar.errors import InputError
from etastar.lessons.optimizers import contest, explain, price
from etastar.lessons.optimizers.race import COURSES, LRS, STEPS, TAIL, Course, race, walk
from etastar.lessons.optimizers.rivals import RIVALS
from etastar.records.lessons.optimizers import Race, Racer, Terrain
from etastar.tasks import Task, load_task


@pytest.fixture(scope="module")
def valley() -> Race:
    return race("valley")


@pytest.fixture(scope="module")
def aligned() -> Race:
    return race("aligned")


def racer(run: Race, name: str) -> Racer:
    return next(racer for racer in run.racers if racer.optimizer == name)


def finite_up_to(run: Race, name: str) -> float:
    """The highest rate whose score is finite and no worse than the start's loss."""
    start = float(run.terrain.height(*run.start))
    return float(run.lrs[racer(run, name).scores < start].max())


def test_the_edges_of_sgd_and_momentum_are_those_of_theory(valley: Race) -> None:
    pace = float(LRS[1] / LRS[0])
    sharpest = valley.terrain.across
    for name, edge in (("SGD", 2 / sharpest), ("momentum", 2 * 1.9 / sharpest)):
        seen = finite_up_to(valley, name)
        assert edge / pace**2 < seen < edge, name  # the last rate below the edge, or the one before


def test_sgd_walks_as_predicted(valley: Race) -> None:
    run, terrain = racer(valley, "SGD"), valley.terrain
    u, v = COURSES["valley"].begin
    steps = np.arange(STEPS + 1)
    along = u * (1 - run.lr * terrain.along) ** steps
    across = v * (1 - run.lr * terrain.across) ** steps
    foretold = 0.5 * terrain.along * along**2 + 0.5 * terrain.across * across**2
    np.testing.assert_allclose(run.losses, foretold, rtol=1e-4)
    fastest = 2 / (terrain.along + terrain.across)
    assert fastest / 1.25 < run.lr < fastest * 1.25


def test_only_those_that_scale_each_weight_care_how_the_valley_lies(
    valley: Race, aligned: Race
) -> None:
    for name in ("SGD", "momentum", "Nesterov"):
        np.testing.assert_allclose(
            racer(aligned, name).losses, racer(valley, name).losses, rtol=1e-3, atol=1e-9
        )
    for name in ("Adagrad", "Adadelta", "RMSprop"):
        assert racer(aligned, name).score < 1e-6 * racer(valley, name).score


def test_the_rate_is_the_best_tried_and_lies_within_the_grid(valley: Race) -> None:
    for run in valley.racers:
        place = int(np.flatnonzero(valley.lrs == run.lr)[0])
        assert 0 < place < len(valley.lrs) - 1, run.optimizer
        assert run.scores[place] == run.scores.min()
        assert run.score == pytest.approx(float(run.losses[-TAIL:].mean()), rel=1e-4)


def test_escape_means_down_and_never_back() -> None:
    run = race("saddle")
    assert run.terrain.lowest == pytest.approx(-0.25)
    for one in run.racers:
        out = round(one.score)
        assert one.losses[out] <= run.terrain.lowest / 2
        assert np.all(one.losses[out:] < 0)
        assert one.losses[out - 1] > run.terrain.lowest / 2 or np.any(one.losses[:out] >= 0)
    # where gradients shrink, the step of RMSprop does not
    assert racer(run, "RMSprop").score < racer(run, "SGD").score


def test_no_step_leaves_a_saddle_from_its_ridge() -> None:
    ridge = Course(COURSES["saddle"].terrain.model_copy(update={"angle": 0.0}), (-1.5, 0.0))
    run = race("saddle", course=ridge, lrs=np.array([0.01, 0.1]))
    assert racer(run, "SGD").score == math.inf


def test_where_there_is_noise_other_seeds_score_than_chose() -> None:
    run = race("bowl", lrs=np.geomspace(0.01, 0.1, 4))
    assert run.noise > 0
    for one in run.racers:
        assert one.error > 0
        assert one.score not in one.scores
    course = COURSES["bowl"]
    path = walk(RIVALS["SGD"], course, np.array([0.03]), 5)
    assert path.shape == (6, 1, 2 * course.seeds, 2)
    assert len(np.unique(path[-1, 0, :, 0])) == 2 * course.seeds
    again = walk(RIVALS["SGD"], course, np.array([0.03]), 5)
    assert np.array_equal(path, again)
    assert not np.array_equal(path, walk(RIVALS["SGD"], course, np.array([0.03]), 5, seed=1))


def test_heights_have_the_curvatures_and_minima_they_say() -> None:
    land = Terrain(along=3, across=-2, quartic=0.5, angle=0.7, centre=(0.3, -1.0))
    for minimum in land.minima:
        assert land.height(*minimum) == pytest.approx(land.lowest)
        weights = torch.tensor(minimum, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(land.height(weights[0], weights[1]), weights)
        assert slope.abs().max() < 1e-9
    with pytest.raises(ValueError, match="without bottom"):
        Terrain(along=1, across=-1, angle=0, centre=(0, 0))


def test_bytes_are_those_of_the_state() -> None:
    task = load_task("digits-mlp")
    costs = price.measure(
        contest.with_optimizer(task, "SGD"), seed=0, observer=Observer(), rounds=5
    )
    kept = {one.optimizer: one.state_bytes for one in costs.prices}
    assert kept["SGD"] == 0
    assert kept["momentum"] == kept["Nesterov"] == 4
    tensors = 6  # torch keeps a step count beside each
    assert kept["Adam"] == kept["AdamW"] == 8 + 4 * tensors / costs.parameters
    assert kept["RMSprop"] == kept["Adagrad"] == 4 + 4 * tensors / costs.parameters
    assert costs.pairs == 5
    assert all(0 < one.step_low <= one.step_ratio <= one.step_high for one in costs.prices)


def test_timing_leaves_the_task_as_it_was() -> None:
    model = torch.nn.Linear(3, 1)
    before = model.weight.detach().clone()
    data = [(torch.randn(4, 3), torch.randn(4, 1))]
    task = Task(
        model,
        torch.optim.Adagrad(model.parameters(), lr=0.1),
        train=data,
        criterion=torch.nn.functional.mse_loss,
        steps=10,
    )
    price.measure(contest.with_optimizer(task, "SGD"), seed=0, observer=Observer(), rounds=5)
    assert torch.equal(model.weight, before)
    assert model.weight.grad is None


def test_a_factory_of_model_and_optimizer_gives_its_model() -> None:
    digits = load_task("digits-mlp").with_steps(60)

    def made() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        model = digits.model()
        return model, torch.optim.SGD(model.parameters(), lr=0.1)

    task = replace(digits, model=made, optimizer=None)
    run = contest.run(task, "Adam", seed=0, observer=Observer())
    assert len(run.finals) == contest.SEEDS
    assert len(run.default_finals) == contest.DEFAULT_SEEDS
    assert run.lr is not None
    assert run.finals.max() < run.default_finals.min()
    assert len(run.steps) == len(run.losses) == 60
    assert run.losses[-1] < run.losses[0] / 2


def test_what_cannot_be_exchanged_is_refused() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    task = Task.from_step(
        lambda batch: weight.sum(), state=[weight], optimizers=optimizer, train=[1], steps=5
    )
    with pytest.raises(InputError, match="one model and one optimizer"):
        explain(task, seed=0, observer=Observer())
    with pytest.raises(InputError, match="needs a task"):
        explain(None, seed=0, observer=Observer())
