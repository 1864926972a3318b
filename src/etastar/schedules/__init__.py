"""Learning-rate schedules as values: pure functions of the step, without torch.

>>> from etastar import schedules
>>> lr = schedules.Cosine(steps=1000, peak=1e-3, warmup_steps=100)
>>> lr(99), lr(1000)
(0.001, 0.0)
>>> schedules.from_json(lr.to_json()) == lr
True
"""

from __future__ import annotations

from etastar.schedules import compat
from etastar.schedules.algebra import Join, Product, join, product
from etastar.schedules.base import Schedule
from etastar.schedules.chebyshev import Chebyshev
from etastar.schedules.constant import Constant
from etastar.schedules.convert import Conversion, convert
from etastar.schedules.cosine import Cosine, KDecay
from etastar.schedules.cyclic import Cyclic
from etastar.schedules.diff import Difference, diff
from etastar.schedules.geometric import Exponential, InverseSqrt, InverseTime, Noam
from etastar.schedules.horizon import Duration, Horizon, epochs, fraction, samples, tokens
from etastar.schedules.linear import Linear
from etastar.schedules.lint import Problem, lint
from etastar.schedules.one_cycle import CycledMomentum, OneCycle
from etastar.schedules.parse import parse
from etastar.schedules.plan import Plan, plan
from etastar.schedules.points import Points
from etastar.schedules.polynomial import Polynomial
from etastar.schedules.restarts import CosineRestarts
from etastar.schedules.saturating import Rex, Tanh
from etastar.schedules.spec import from_json, from_spec
from etastar.schedules.stable import WarmupStableDecay
from etastar.schedules.stepwise import MultiStep, Piecewise, StepDecay
from etastar.schedules.warmup import ExponentialWarmup, LinearWarmup, RAdamWarmup
from etastar.schedules.wrappers import Clip, Cut, Repeat, Shift, Stretch

__all__ = [
    "Chebyshev",
    "Clip",
    "Constant",
    "Conversion",
    "Cosine",
    "CosineRestarts",
    "Cut",
    "CycledMomentum",
    "Cyclic",
    "Difference",
    "Duration",
    "Exponential",
    "ExponentialWarmup",
    "Horizon",
    "InverseSqrt",
    "InverseTime",
    "Join",
    "KDecay",
    "Linear",
    "LinearWarmup",
    "MultiStep",
    "Noam",
    "OneCycle",
    "Piecewise",
    "Plan",
    "Points",
    "Polynomial",
    "Problem",
    "Product",
    "RAdamWarmup",
    "Repeat",
    "Rex",
    "Schedule",
    "Shift",
    "StepDecay",
    "Stretch",
    "Tanh",
    "WarmupStableDecay",
    "compat",
    "convert",
    "diff",
    "epochs",
    "fraction",
    "from_json",
    "from_spec",
    "join",
    "lint",
    "parse",
    "plan",
    "product",
    "samples",
    "tokens",
]
