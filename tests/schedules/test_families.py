"""Conventions and analytic values, family by family."""

import math

import numpy as np
import pytest

from etastar import schedules as es
from etastar.errors import ScheduleError
from etastar.schedules.chebyshev import fractal_order

DECAYS = (es.Linear, es.Cosine, es.KDecay, es.Polynomial, es.Rex, es.Tanh)


@pytest.mark.parametrize("family", DECAYS)
def test_the_peak_is_first_used_at_the_end_of_the_warmup_without_an_ulp_missing(family):
    for warmup in (*range(1, 130), 499, 500, 9999):
        schedule = family(steps=20_000, peak=0.1, floor=0.03, warmup_steps=warmup)
        assert schedule(warmup - 1) == 0.1 == schedule(warmup)
        assert warmup == 1 or schedule(warmup - 2) < 0.1
        assert schedule(0) == pytest.approx(0.1 / warmup, rel=1e-15)


@pytest.mark.parametrize("family", DECAYS)
def test_the_floor_is_reached_at_the_horizon_and_not_before(family):
    schedule = family(steps=1000, peak=0.1, floor=0.03, warmup_steps=100)
    assert schedule(1000) == schedule(10**12) == pytest.approx(0.03, rel=1e-14)
    assert schedule(999) > 0.03


def test_scalars_of_any_kind_are_steps():
    schedule = es.Linear(steps=10)
    assert schedule(np.int64(5)) == schedule(5) == schedule(5.0) == 0.5
    assert type(schedule(np.int64(5))) is float
    assert schedule(2.5) == 0.75
    assert schedule(np.array(5)).shape == ()
    assert schedule(np.zeros((0, 3))).shape == (0, 3)
    assert schedule(np.arange(4, dtype=np.uint8)).dtype == np.float64
    for bad in (-1, np.array([0, -3]), math.nan):
        with pytest.raises(ScheduleError, match="counted from 0"):
            schedule(bad)


def test_time_based_decay_is_robbins_and_monro():
    schedule = es.InverseTime(steps=1000, peak=0.5, decay=0.01)
    steps = np.arange(1000)
    np.testing.assert_allclose(schedule(steps), 0.5 / (1 + 0.01 * steps), rtol=1e-15)


def test_wsd_phases():
    for cooldown in ("sqrt", "linear", "cosine", "exponential"):
        schedule = es.WarmupStableDecay(
            steps=100, peak=1.0, floor=0.01, warmup_steps=10, decay_steps=20, cooldown=cooldown
        )
        values = schedule(np.arange(120))
        assert (values[9:81] == 1.0).all()
        assert (np.diff(values[80:101]) < 0).all()
        assert values[100:] == pytest.approx(0.01)
    half = {"sqrt": 1 - math.sqrt(0.5), "linear": 0.5, "cosine": 0.5}
    for cooldown, share in half.items():
        schedule = es.WarmupStableDecay(steps=100, decay_steps=20, cooldown=cooldown)
        assert schedule(90) == pytest.approx(share)


def test_sgdr_restarts_at_the_top_and_ends_on_the_floor():
    schedule = es.CosineRestarts(steps=70, cycle_steps=10, multiplier=2.0, peak=0.4, floor=0.1)
    assert [schedule(step) for step in (0, 10, 30)] == [0.4] * 3
    assert schedule(70) == schedule(500) == pytest.approx(0.1)
    limited = es.CosineRestarts(steps=70, cycle_steps=10, limit=3, peak=0.4, floor=0.1)
    assert limited(np.arange(30, 90)) == pytest.approx(0.1)


def test_one_cycle_and_its_momentum_meet_at_the_top():
    for phases in (2, 3):
        cycle = es.OneCycle(steps=1000, peak=0.2, phases=phases)
        momentum = cycle.momentum()
        rate, inverse = cycle(np.arange(1001)), momentum(np.arange(1001))
        assert rate.argmax() == inverse.argmin() == cycle.peak_step == 300
        assert (rate[0], rate[-1]) == (pytest.approx(0.2 / 25), pytest.approx(0.2 / 25e4))
        if phases == 3:
            assert rate[600] == pytest.approx(rate[0])


def test_noam_is_the_papers_formula_with_steps_from_one():
    schedule = es.Noam(steps=10_000, width=512, warmup_steps=4000)
    n = np.arange(1, 10_001)
    paper = 512**-0.5 * np.minimum(n**-0.5, n * 4000**-1.5)
    np.testing.assert_allclose(schedule(n - 1), paper, rtol=1e-14)


def test_noam_keeps_its_peak_in_a_miniature():
    schedule = es.Noam(steps=16_000, width=512, warmup_steps=4000)
    assert schedule.resized(1000).maximum == pytest.approx(schedule.maximum)


def test_chebyshev_steps_contract_every_eigenvalue():
    """Gradient descent with these rates ends below the Chebyshev bound on all of [m, M]."""
    schedule = es.Chebyshev(steps=16, peak=1.0, floor=0.05, block_steps=16)
    rates = schedule(np.arange(16))
    curvatures = np.linspace(1.0, 20.0, 500)
    left = np.abs(np.prod(1 - np.outer(curvatures, rates), axis=1))
    kappa = 20.0
    bound = 2 * ((math.sqrt(kappa) - 1) / (math.sqrt(kappa) + 1)) ** 16
    assert left.max() <= bound * (1 + 1e-9)
    assert sorted(fractal_order(16)) == list(range(1, 17))


def test_warmups_from_beta2_are_the_papers():
    assert es.LinearWarmup.from_beta2(0.99).steps == 200
    warmup = es.ExponentialWarmup.from_beta2(0.99)
    n = np.arange(1, 500)
    np.testing.assert_allclose(warmup(n - 1), 1 - np.exp(-(1 - 0.99) * n), rtol=1e-12)
    assert warmup(warmup.steps) == 1.0
    radam = es.RAdamWarmup(steps=5000, beta2=0.999)
    limit = 2 / 0.001 - 1
    rho = limit - 2 * 100 * 0.999**100 / (1 - 0.999**100)
    factor = math.sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho))
    assert any(radam(step) == pytest.approx(factor, rel=1e-12) for step in range(90, 100))
    with pytest.raises(ScheduleError, match="between 0 and 1"):
        es.LinearWarmup.from_beta2(1.0)


def test_a_miniature_has_the_same_shape():
    for schedule in (
        es.Cosine(steps=16_000, warmup_steps=1600),
        es.WarmupStableDecay(steps=16_000, warmup_steps=1600, decay_steps=3200),
        es.Exponential(steps=16_000, gamma=0.5, every_steps=4000),
        es.InverseTime(steps=16_000, decay=3.0, every_steps=16_000),
        es.MultiStep(steps=16_000, milestones=(8000, 12_000)),
        es.OneCycle(steps=16_000),
        es.Cyclic(steps=16_000, up_steps=2000, policy="exp_range", gamma=0.9999),
        es.LinearWarmup(steps=1600) >> es.Constant(steps=11_200) >> es.Linear(steps=3200),
        es.CosineRestarts(steps=16_000, cycle_steps=4000),
    ):
        small = schedule.resized(1000)
        inner = np.arange(1000)
        apart = np.abs(small(inner) - schedule(inner * 16))
        assert np.median(apart) < 2e-3, schedule


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: es.Cosine(steps=0), "at least one step"),
        (lambda: es.Cosine(steps=10, warmup_steps=10), "leave at least one step"),
        (lambda: es.Cosine(steps=10, peak=0.1, floor=0.2), "0 ≤ floor ≤ peak"),
        (lambda: es.Cosine(steps=10, peak=math.nan), "finite number"),
        (lambda: es.Cosine(steps=10, peak="high"), "finite number"),
        (lambda: es.Cosine(steps=10.5), "whole number"),
        (lambda: es.Cosine(steps=True), "whole number"),
        (lambda: es.Cosine(steps=2**60), "counted up to"),
        (lambda: es.WarmupStableDecay(steps=10, decay_steps=11), "fits after the warmup"),
        (lambda: es.WarmupStableDecay(steps=9, decay_steps=2, cooldown="exponential"), "above 0"),
        (lambda: es.WarmupStableDecay(steps=9, decay_steps=2, cooldown="cubic"), "choose one of"),
        (lambda: es.MultiStep(steps=10, milestones=(5, 3)), "increasing order"),
        (lambda: es.MultiStep(steps=10, milestones=5), "list of values"),
        (lambda: es.Piecewise(steps=10, milestones=(5,), values=(1.0,)), "one value more"),
        (lambda: es.OneCycle(steps=10, phases=4), "2 phases or 3"),
        (lambda: es.OneCycle(steps=10, phases=3, rise=0.5), r"\[0, 0.5\)"),
        (lambda: es.Chebyshev(steps=10, block_steps=6), "power of two"),
        (lambda: es.Points(steps=10, at_steps=(0, 0), values=(1, 2)), "increase"),
        (lambda: es.Exponential(steps=10, gamma=1.5), r"\(0, 1\]"),
        (lambda: es.Tanh(steps=10, lower=2.0, upper=1.0), "must rise"),
        (lambda: es.Join(parts=()), "at least one"),
        (lambda: es.Join(parts=(1,)), "give a schedule"),
        (lambda: es.Linear(steps=5) * -1.0, "0 or more"),
        (lambda: es.Linear(steps=5).clip(0.9, 0.1), "low ≤ high"),
        (lambda: es.Linear(steps=5).repeat(0), "at least once"),
        (lambda: es.Linear(steps=5).shift(-5), "leave one step"),
        (lambda: es.Linear(steps=5).extend(4), "use resized"),
        (lambda: es.Linear(steps=5).extend(9, at=5), "has ended"),
        (lambda: (es.Linear(steps=5) >> es.Linear(steps=5)).resized(1), "every part"),
    ],
)
def test_impossible_input_is_refused_in_one_sentence(make, words):
    with pytest.raises(ScheduleError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)
