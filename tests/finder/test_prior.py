"""What a task's parts say before any pilot."""

from __future__ import annotations

import pytest

from etastar.finder.prior import (
    ADAGRAD_DRIFT,
    CONSTANT_DRIFT,
    DECAYED_DRIFT,
    FRESH_OVERFIT,
    MOST_OVERFIT,
    decay_share,
    prior_of,
    worn,
)
from etastar.schedules import Constant, Cosine, Linear, Schedule, WarmupStableDecay

T = 1000


@pytest.mark.parametrize(
    ("shape", "share"),
    [
        (Constant(steps=T), 0.0),
        (Linear(steps=T), 0.95),  # it leaves its highest values at once
        (Linear(steps=T, floor=0.6), 0.0),  # hardly a decay
        (WarmupStableDecay(steps=T, decay_steps=200), 0.19),
    ],
)
def test_the_decay_is_the_share_of_the_run_that_comes_down(shape: Schedule, share: float) -> None:
    assert decay_share(shape) == pytest.approx(share, abs=0.011)


def test_a_warmup_is_no_decay() -> None:
    late = decay_share(Cosine(steps=T, warmup_steps=500))
    assert 0.3 < late < 0.5 < decay_share(Cosine(steps=T)) < 1.0


def test_the_best_rate_sinks_under_a_constant_rate_and_hardly_under_a_decay() -> None:
    constant, cosine = (
        prior_of("SGD", shape, None) for shape in (Constant(steps=T), Cosine(steps=T))
    )
    assert constant.drift == CONSTANT_DRIFT
    assert cosine.drift == DECAYED_DRIFT
    between = prior_of("SGD", WarmupStableDecay(steps=T, decay_steps=300), None).drift
    assert CONSTANT_DRIFT[0] < between[0] < DECAYED_DRIFT[0]


def test_adagrad_slows_down_by_itself() -> None:
    assert prior_of("Adagrad", Constant(steps=T), None).drift[0] == ADAGRAD_DRIFT
    assert prior_of("Adam", Constant(steps=T), None).drift[0] == CONSTANT_DRIFT[0]


def test_only_data_seen_again_can_be_overfitted() -> None:
    overfit = [
        prior_of("SGD", Cosine(steps=T), passes).overfit for passes in (None, 2, 4, 12, 40, 400)
    ]
    assert overfit[:3] == [FRESH_OVERFIT] * 3
    assert FRESH_OVERFIT < overfit[3] < MOST_OVERFIT
    assert overfit[4:] == pytest.approx([MOST_OVERFIT] * 2)


def test_wear_grows_with_the_logarithm_of_the_passes() -> None:
    assert worn(4 * 10**0.5) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("optimizer", "clipped", "abrupt"),
    [("SGD", False, True), ("SGD", True, False), ("AdamW", False, False)],
)
def test_unclipped_gradient_descent_does_not_survive_its_edge(
    optimizer: str, clipped: bool, abrupt: bool
) -> None:
    assert prior_of(optimizer, Cosine(steps=T), None, clipped=clipped).abrupt is abrupt


def test_the_laws_of_the_drift_are_a_mixture() -> None:
    laws = prior_of("SGD", Cosine(steps=T), 20.0).laws(0.1)
    assert sum(share for share, _, _ in laws) == pytest.approx(1.0)
    assert [centre for _, centre, _ in laws[:2]] == [0.1, 0.1]
    assert laws[2][1] < -0.5  # where training overfits, the best rate sinks
