"""The surrogate finds the bottom of landscapes it knows, and doubts what it has not seen."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etastar.finder.belief import bowl
from etastar.finder.cliff import lowest_lost
from etastar.finder.decide import decide, predict, regimes
from etastar.finder.hypotheses import DRIFTS, drifts_beyond, hypotheses
from etastar.finder.prior import Prior
from etastar.finder.scale import Scale
from etastar.finder.surrogate import believe
from etastar.records import LossCurve, Trial

HORIZON = 4000
START = 2.3
PRIOR = Prior(drift=(-0.2, 0.17))


def trial(lr: float, steps: int, loss: float, status: str = "finished", seed: int = 0) -> Trial:
    return Trial(
        lr=lr,
        seed=seed,
        steps=steps,
        status=status,
        final_loss=loss if status == "finished" else math.nan,
        curve=LossCurve(lrs=[lr], losses=[loss]),
        sample_gradients=steps,
        seconds=0.0,
    )


def landscape(
    rates: Sequence[float],
    horizons: Sequence[int],
    *,
    best: float = 0.05,
    drift: float = -0.2,
    curvature: float = 0.1,
    skew: float = 1.7,
    noise: float = 0.0,
    level: float = 0.5,
    seed: int = 0,
) -> list[Trial]:
    """Trials drawn from the model itself; `best` is the optimum at the full horizon."""
    rng = np.random.default_rng(seed)
    found: list[Trial] = []
    for steps in horizons:
        octaves = math.log2(steps / HORIZON)
        mu = math.log2(best) + drift * octaves
        floor = math.log(level) - 0.1 * octaves
        for rate in rates:
            excess = float(
                bowl(np.array(math.log2(rate) - mu), np.array(curvature), np.array(skew))
            )
            y = floor + excess + noise * rng.normal()
            # like a real loss, it saturates at where training began
            loss = START * (1 - math.exp(-math.exp(y) / START)) if y > 0.5 else math.exp(y)
            found.append(trial(rate, steps, min(loss, START * 1.01)))
    return found


RATES = [0.05 * 2.0**k for k in (-3, -1.5, 0, 1.5, 3)]


@pytest.mark.parametrize("best", [0.02, 0.05, 0.12])
@pytest.mark.parametrize("drift", [-0.4, -0.2, 0.0])
def test_finds_the_optimum_of_its_own_model(best: float, drift: float) -> None:
    trials = landscape(RATES, [125, 250, 500], best=best, drift=drift)
    belief = believe(trials, HORIZON, START, edge=None, prior=PRIOR)
    assert belief is not None
    at_500 = math.log2(best) + drift * math.log2(500 / HORIZON)
    assert abs(belief.optimum([0.5], 500)[0] - at_500) < 0.3
    # beyond the pilots, the drift they showed is believed only in part
    low, middle, high = belief.optimum([0.05, 0.5, 0.95], HORIZON)
    assert abs(middle - math.log2(best)) < 0.9
    assert low < math.log2(best) < high


def test_the_decision_is_shaded_low() -> None:
    belief = believe(landscape(RATES, [250, 500], skew=3.0), HORIZON, START, edge=0.4, prior=PRIOR)
    assert belief is not None
    decision = decide(belief, RATES)
    assert decision.x < belief.optimum([0.5], HORIZON)[0]
    assert decision.low <= decision.x <= decision.high


def test_more_noise_makes_it_less_sure() -> None:
    confidences: list[float] = []
    for noise in (0.0, 0.3):
        belief = believe(
            landscape(RATES, [250, 500], noise=noise, seed=1),
            HORIZON,
            START,
            edge=None,
            prior=PRIOR,
        )
        assert belief is not None
        confidences.append(decide(belief, RATES).confidence)
    assert confidences[0] > confidences[1]


def test_a_longer_way_to_the_full_horizon_makes_it_less_sure() -> None:
    spreads: list[float] = []
    for horizons in ([500, 1000], [62, 125]):
        belief = believe(landscape(RATES, horizons), HORIZON, START, edge=None, prior=PRIOR)
        assert belief is not None
        low, high = belief.optimum([0.1, 0.9], HORIZON)
        spreads.append(high - low)
    assert spreads[1] > spreads[0]


def test_diverged_pilots_are_censored_and_bound_the_cliff() -> None:
    kept = landscape(RATES[:4], [250])
    lost = [trial(0.4, 250, math.inf, "diverged")]
    belief = believe([*kept, *lost], HORIZON, START, edge=None, prior=PRIOR)
    assert belief is not None
    assert belief.cliff is not None
    survived = math.log2(RATES[3])
    assert survived - 2 < belief.cliff.centre < math.log2(0.4)
    assert decide(belief, RATES[:4]).x < survived
    assert lowest_lost([*kept, *lost], START) == 0.4


def test_a_pilot_that_ended_no_better_than_it_began_counts_as_lost() -> None:
    stuck = trial(0.4, 250, START)
    assert lowest_lost([*landscape(RATES[:4], [250]), stuck], START) == 0.4


def test_a_far_pilot_guides_without_pulling() -> None:
    near = landscape(RATES[1:], [250])
    far = trial(RATES[1] / 2**5, 250, START * 0.99)
    alone, guided = (believe(t, HORIZON, START, None, PRIOR) for t in (near, [far, *near]))
    assert alone is not None
    assert guided is not None
    gap = alone.optimum([0.5], HORIZON)[0] - guided.optimum([0.5], HORIZON)[0]
    assert abs(gap) < 0.4


def test_one_pilot_is_no_evidence() -> None:
    assert believe([trial(0.1, 100, 1.0)], HORIZON, START, None, PRIOR) is None
    both_stuck = [trial(0.1, 100, START), trial(0.2, 100, START)]
    assert believe(both_stuck, HORIZON, START, None, PRIOR) is None


@settings(max_examples=25, deadline=None)
@given(
    losses=st.lists(st.floats(-3, 4), min_size=3, max_size=7),
    shift=st.sampled_from([0.0, -10.0]),
    data=st.data(),
)
def test_any_trials_give_a_proper_belief(
    losses: list[float], shift: float, data: st.DataObject
) -> None:
    steps = data.draw(st.lists(st.sampled_from([50, 100]), min_size=7, max_size=7))
    trials = [trial(0.01 * 2**i, steps[i], loss + shift) for i, loss in enumerate(losses)]
    belief = believe(trials, HORIZON, START + shift, edge=None, prior=PRIOR)
    if belief is None:
        return
    assert belief.weight.sum() == pytest.approx(1)
    decision = decide(belief, [t.lr for t in trials])
    assert 0 <= decision.confidence <= 1
    assert math.isfinite(decision.expected_regret)
    assert decision.x <= math.log2(max(t.lr for t in trials)) + 1e-9
    bands = regimes(belief, decision)
    assert bands[0].low is None
    edges = [(a.high, b.low) for a, b in itertools.pairwise(bands)]
    assert all(above == below for above, below in edges)
    drawn = predict(belief, Scale.of(trials, START + shift), decision, [t.lr for t in trials])
    assert np.all(drawn.low <= drawn.losses)
    assert np.all(drawn.losses <= drawn.high)


def test_the_same_trials_give_the_same_belief() -> None:
    trials = landscape(RATES, [125, 250], noise=0.05)
    one, two = (believe(trials, HORIZON, START, 0.5, PRIOR) for _ in range(2))
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one.weight, two.weight)


def test_priors_are_probabilities() -> None:
    grid = hypotheses(np.log2(RATES), PRIOR)
    assert np.all(np.isfinite(grid.log_prior))
    _, shares = drifts_beyond(DRIFTS, PRIOR)
    np.testing.assert_allclose(shares.sum(axis=1), 1)


@given(st.floats(0.01, 1e6), st.floats(1e-6, 1e3))
def test_the_logarithmic_scale_goes_there_and_back(start: float, loss: float) -> None:
    scale = Scale.of([trial(0.1, 10, loss)], start)
    back = float(scale.back(scale.forward(np.array([loss])))[0])
    assert back == pytest.approx(max(loss, 1e-12 * start), rel=1e-9)


def test_losses_below_zero_are_compared_relative_to_the_best() -> None:
    scale = Scale.of([trial(0.1, 10, -5.0), trial(0.2, 10, -4.0)], start=0.0)
    a, b = scale.forward(np.array([-5.0, -4.0]))
    assert b - a == pytest.approx(0.2)


def test_a_narrow_valley_with_one_good_pilot_still_has_a_bottom() -> None:
    trials = [trial(0.1 * 4**k, 100, loss) for k, loss in enumerate((2.0, 1.9, 0.2, 2.1))]
    belief = believe(trials, HORIZON, START, edge=None, prior=PRIOR)
    assert belief is not None
    middle = belief.optimum([0.5], 100)[0]
    assert math.log2(trials[1].lr) < middle < math.log2(trials[3].lr)
