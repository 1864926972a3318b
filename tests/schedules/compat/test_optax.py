"""compat.optax equals the installed optax in its own runtime: float64 to 1e-12, float32 to 1e-6."""

import math

import numpy as np
import pytest

from etastar.errors import ScheduleError
from etastar.schedules import compat

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")

ours = compat.optax
PEAK = {"init_value": 0.01, "peak_value": 0.3}
# optax function, its arguments, our schedule
CASES = {
    "constant_schedule": (optax.constant_schedule(0.3), ours.Constant(value=0.3, steps=50)),
    "polynomial_schedule": (
        optax.polynomial_schedule(0.3, 0.01, 2.5, 80, 10),
        ours.Polynomial(
            init_value=0.3, end_value=0.01, power=2.5, transition_steps=80, transition_begin=10
        ),
    ),
    "linear_schedule": (
        optax.linear_schedule(0.01, 0.3, 70, 5),
        ours.Linear(init_value=0.01, end_value=0.3, transition_steps=70, transition_begin=5),
    ),
    "warmup_constant_schedule": (
        optax.warmup_constant_schedule(**PEAK, warmup_steps=30),
        ours.WarmupConstant(**PEAK, warmup_steps=30),
    ),
    "exponential_decay": (
        optax.exponential_decay(0.3, 20, 0.5, transition_begin=10, end_value=0.05),
        ours.ExponentialDecay(
            init_value=0.3,
            transition_steps=20,
            decay_rate=0.5,
            transition_begin=10,
            end_value=0.05,
            steps=100,
        ),
    ),
    "exponential_decay staircase": (
        optax.exponential_decay(0.3, 20, 1.5, staircase=True, end_value=0.9),
        ours.ExponentialDecay(
            init_value=0.3,
            transition_steps=20,
            decay_rate=1.5,
            staircase=True,
            end_value=0.9,
            steps=100,
        ),
    ),
    "warmup_exponential_decay_schedule": (
        optax.warmup_exponential_decay_schedule(
            **PEAK, warmup_steps=15, transition_steps=20, decay_rate=0.6, transition_begin=5
        ),
        ours.WarmupExponentialDecay(
            **PEAK,
            warmup_steps=15,
            transition_steps=20,
            decay_rate=0.6,
            transition_begin=5,
            steps=100,
        ),
    ),
    "cosine_decay_schedule": (
        optax.cosine_decay_schedule(0.3, 100, alpha=0.1, exponent=1.5),
        ours.CosineDecay(init_value=0.3, decay_steps=100, alpha=0.1, exponent=1.5),
    ),
    "warmup_cosine_decay_schedule": (
        optax.warmup_cosine_decay_schedule(
            **PEAK, warmup_steps=20, decay_steps=120, end_value=0.02
        ),
        ours.WarmupCosineDecay(**PEAK, warmup_steps=20, decay_steps=120, end_value=0.02),
    ),
    "piecewise_constant_schedule": (
        optax.piecewise_constant_schedule(0.3, {60: 0.5, 20: 0.2}),
        ours.PiecewiseConstant(init_value=0.3, boundaries=(60, 20), scales=(0.5, 0.2), steps=100),
    ),
    "piecewise_interpolate_schedule": (
        optax.piecewise_interpolate_schedule("cosine", 0.3, {20: 2.0, 90: 0.1}),
        ours.PiecewiseInterpolate(
            init_value=0.3, boundaries=(20, 90), scales=(2.0, 0.1), interpolate_type="cosine"
        ),
    ),
    "cosine_onecycle_schedule": (
        optax.cosine_onecycle_schedule(101, 0.3),
        ours.CosineOnecycle(transition_steps=101, peak_value=0.3),
    ),
    "linear_onecycle_schedule": (
        optax.linear_onecycle_schedule(101, 0.3),
        ours.LinearOnecycle(transition_steps=101, peak_value=0.3),
    ),
}
CYCLES = [
    {**PEAK, "warmup_steps": 5, "decay_steps": 30},
    {"init_value": 0.0, "peak_value": 0.1, "warmup_steps": 10, "decay_steps": 60},
]
CASES["sgdr_schedule"] = (
    optax.sgdr_schedule(CYCLES),
    ours.WarmupCosineDecay(**CYCLES[0]) >> ours.WarmupCosineDecay(**CYCLES[1]),
)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("x64", "tolerance"), [(True, 1e-12), (False, 1e-6)])
def test_equals_optax_at_every_step(name, x64, tolerance):
    theirs, schedule = CASES[name]
    steps = np.arange(math.ceil(1.2 * schedule.steps))
    with jax.enable_x64(x64):
        expected = np.asarray(jax.vmap(theirs)(steps))
    np.testing.assert_allclose(schedule(steps), expected, rtol=0, atol=tolerance)


def test_every_schedule_of_optax_is_covered():
    public = vars(optax.schedules).items()
    names = {
        name for name, item in public if callable(item) and name.endswith(("_schedule", "_decay"))
    }
    assert names
    assert names <= {name.split()[0] for name in CASES}


def test_a_one_cycle_too_short_for_its_phases_is_refused():
    """optax#1403: with a few steps optax answers NaN or loses the cycle."""
    with pytest.raises(ScheduleError, match="phase has no length"):
        ours.CosineOnecycle(transition_steps=2, peak_value=1.0)
