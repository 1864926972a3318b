"""The range test extends itself, starts lower when it must, and repeats over seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.finder.tasks import batches, net, wave
from torch import nn

import etastar as es
from etastar.finder.range_test import merge, plan
from etastar.records import LossCurve, RangeTest


@pytest.mark.parametrize("rate", [1e-6, 1e-3, 0.1, 30.0])
def test_sees_the_fall_and_the_edge_wherever_the_optimizer_starts(rate: float) -> None:
    task = wave(optimizer=lambda params: torch.optim.SGD(params, lr=rate, momentum=0.9))
    found = es.range_test(task)
    assert found.fell
    assert found.edge is not None
    assert 0.1 < found.edge < 10
    for suggestion in found.suggestions.values():
        assert suggestion is None or suggestion.lr < found.edge


def test_explicit_bounds_are_kept_exactly() -> None:
    curve = es.range_test(wave(), low=1e-4, high=1e-2, steps=30).runs[0].curve
    assert curve.lrs[0] == pytest.approx(1e-4, rel=1e-12)
    assert curve.lrs[-1] == pytest.approx(1e-2, rel=1e-12)
    ratios = curve.lrs[1:] / curve.lrs[:-1]
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-9)


def test_linear_rise_takes_equal_strides() -> None:
    curve = es.range_test(wave(), low=1e-3, high=1e-1, steps=25, rise="linear").runs[0].curve
    np.testing.assert_allclose(np.diff(curve.lrs), np.diff(curve.lrs)[0], rtol=1e-9)


def test_a_test_that_never_loses_its_footing_says_so() -> None:
    # a sign-like clip makes any rate survive for a while
    task = wave(
        model=lambda: nn.Linear(2, 2),
        optimizer=lambda params: torch.optim.SGD(params, lr=1e-9),
    )
    found = es.range_test(task, low=1e-9, high=1e-6, steps=20)
    assert found.edge is None
    assert not found.fell
    assert any("never fell" in warning for warning in found.warnings)


def test_repeats_are_passes_with_their_own_seeds() -> None:
    found = es.range_test(wave(), repeats=3, seed=5)
    assert [run.seed for run in found.runs] == [5, 6, 7]
    starts = {run.curve.losses[0] for run in found.runs}
    assert len(starts) == 3  # a factory: other weights
    assert found.steps == sum(len(run.curve) for run in found.runs)
    assert found.sample_gradients == 16 * found.steps


def test_the_same_seed_gives_the_same_record() -> None:
    first, second = (es.range_test(wave(), seed=3) for _ in range(2))
    assert first.model_copy(update={"seconds": 0.0}) == second.model_copy(update={"seconds": 0.0})


def test_validation_mode_measures_the_validation_loss() -> None:
    calm = es.range_test(wave(), low=1e-6, high=1e-5, steps=20, valid=True)
    losses = calm.runs[0].curve.losses
    assert calm.measured == "valid"
    assert np.std(losses) < 1e-3  # one fixed set, hardly any training
    assert calm.sample_gradients == pytest.approx(20 * 16 + 20 * 256 / 3)


def test_validation_mode_does_not_change_the_training_it_watches() -> None:
    seen: list[list[float]] = []

    def run(*, valid: bool) -> RangeTest:
        losses: list[float] = []
        seen.append(losses)

        def loss(model: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
            value = nn.functional.cross_entropy(model(batch[0]), batch[1])
            if model.training:
                losses.append(value.item())
            return value

        task = wave(loss=loss, criterion=None, model=lambda: nn.Sequential(net(), nn.Dropout(0.1)))
        return es.range_test(task, low=1e-3, high=1e-1, steps=20, valid=valid)

    run(valid=True)
    run(valid=False)
    assert seen[0] == seen[1]


def test_json_round_trip() -> None:
    found = es.range_test(wave(), repeats=2)
    assert RangeTest.from_json(found.to_json()) == found


@pytest.mark.parametrize("reference", [1e-5, 1.0])
def test_an_open_plan_spans_the_optimizers_rate(reference: float) -> None:
    path = plan(reference, None, None, None, "exponential")
    assert path.low < reference < path.high < path.open_end
    assert path(0) == path.low
    assert path(path.steps - 1) == pytest.approx(path.high)
    rates = list(path)
    assert rates[: path.steps] == [path(step) for step in range(path.steps)]
    assert path.open_end / rates[1] * rates[0] < rates[-1] <= path.open_end * (1 + 1e-9)
    lowered = path.lowered()
    assert lowered.high == path.low
    assert lowered(1) / lowered(0) == pytest.approx(path(1) / path(0), rel=0.05)


def test_a_closed_plan_ends_at_its_last_rate() -> None:
    path = plan(0.1, 1e-3, 1.0, 31, "linear")
    assert list(path) == [path(step) for step in range(31)]


def test_merged_passes_are_the_median_where_all_were() -> None:
    lrs = np.geomspace(1e-3, 1.0, 31)
    curves = [LossCurve(lrs=lrs[: 31 - i], losses=np.full(31 - i, float(i))) for i in range(3)]
    merged = merge(curves)
    assert len(merged) == 29
    np.testing.assert_array_equal(merged.losses, 1.0)


def test_lbfgs_by_closure() -> None:
    task = wave(
        optimizer=lambda params: torch.optim.LBFGS(params, lr=0.1, max_iter=4),
        train=batches(1, 128),
    )
    found = es.range_test(task, steps=40)
    assert found.fell
    assert found.sample_gradients > 128 * found.steps  # several evaluations a step


def test_infinite_data_without_length() -> None:
    def forever() -> object:
        while True:
            yield from batches(seed=2)

    found = es.range_test(wave(train=forever))
    assert found.fell
    assert math.isfinite(found.edge or math.nan)
