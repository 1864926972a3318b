"""compat.keras equals the installed Keras, computed by its own backend in float32."""

import inspect
import math
import os

import numpy as np
import pytest

from etastar.schedules import compat

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")

CASES = [
    ("ExponentialDecay", {"decay_steps": 20, "decay_rate": 0.8}, 100),
    ("ExponentialDecay", {"decay_steps": 20, "decay_rate": 0.8, "staircase": True}, 100),
    ("InverseTimeDecay", {"decay_steps": 20, "decay_rate": 0.5}, 100),
    ("InverseTimeDecay", {"decay_steps": 20, "decay_rate": 0.5, "staircase": True}, 100),
    ("PiecewiseConstantDecay", {"boundaries": [10, 30, 60], "values": [0.5, 0.3, 0.2, 0.1]}, 100),
    ("PolynomialDecay", {"decay_steps": 100, "power": 1.5}, 100),
    ("PolynomialDecay", {"decay_steps": 30, "end_learning_rate": 0.05, "cycle": True}, 100),
    ("CosineDecay", {"decay_steps": 100, "alpha": 0.1}, 100),
    ("CosineDecay", {"decay_steps": 80, "warmup_target": 0.6, "warmup_steps": 20}, 100),
    ("CosineDecayRestarts", {"first_decay_steps": 20, "alpha": 0.1}, 100),
    ("CosineDecayRestarts", {"first_decay_steps": 15, "t_mul": 1.0, "m_mul": 0.7}, 100),
]


@pytest.mark.parametrize(("name", "arguments", "steps"), CASES)
def test_equals_keras_at_every_step(name, arguments, steps):
    start = {} if name == "PiecewiseConstantDecay" else {"initial_learning_rate": 0.3}
    schedule = getattr(keras.optimizers.schedules, name)(**start, **arguments)
    # Keras on JAX compiles its branches anew at each call, a quarter of a second each.
    stride = 9 if keras.backend.backend() == "jax" else 1
    at = np.arange(0, math.ceil(1.2 * steps), stride)
    theirs = [float(schedule(step)) for step in at]
    ours = getattr(compat.keras, name)(**start, **arguments, steps=steps)
    np.testing.assert_allclose(ours(at), theirs, rtol=0, atol=1e-6)


def test_every_schedule_of_keras_is_covered():
    schedules = keras.optimizers.schedules
    names = {name for name, cls in vars(schedules).items() if inspect.isclass(cls)}
    assert names - {"LearningRateSchedule"} == {name for name, _, _ in CASES}
