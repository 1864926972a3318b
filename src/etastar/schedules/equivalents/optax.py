"""Our schedules as optax'."""

from __future__ import annotations

from typing import Any

from etastar.schedules import compat
from etastar.schedules.base import Schedule
from etastar.schedules.compat import Foreign
from etastar.schedules.constant import Constant
from etastar.schedules.cosine import Cosine
from etastar.schedules.equivalents.code import Found, call, warmup_of
from etastar.schedules.geometric import Exponential
from etastar.schedules.linear import Linear
from etastar.schedules.one_cycle import OneCycle
from etastar.schedules.polynomial import Polynomial
from etastar.schedules.stepwise import MultiStep


def equivalent(s: Schedule) -> Found:
    """The nearest equivalent and the line that makes it, or None."""
    module = compat.optax
    made: Foreign
    warmup = warmup_of(s)
    first = s.ceiling / warmup if warmup else 0.0
    name: str
    arguments: dict[str, Any]
    match s:
        case Constant(warmup_steps=0):
            name, arguments = "constant_schedule", {"value": s.peak}
            made = module.Constant(steps=s.steps, **arguments)
        case Constant():
            name = "warmup_constant_schedule"
            arguments = {"init_value": first, "peak_value": s.peak, "warmup_steps": warmup}
            made = module.WarmupConstant(steps=s.steps, **arguments)
        case Cosine(warmup_steps=0) if s.peak > 0:
            name = "cosine_decay_schedule"
            alpha = s.floor / s.peak
            arguments = {"init_value": s.peak, "decay_steps": s.steps, "alpha": alpha}
            made = module.CosineDecay(**arguments)
        case Cosine():
            name = "warmup_cosine_decay_schedule"
            arguments = {
                "init_value": first,
                "peak_value": s.peak,
                "warmup_steps": warmup,
                "decay_steps": s.steps,
                "end_value": s.floor,
            }
            made = module.WarmupCosineDecay(**arguments)
        case Linear(warmup_steps=0) | Polynomial(warmup_steps=0):
            name = "polynomial_schedule"
            power = s.power if isinstance(s, Polynomial) else 1.0
            arguments = {
                "init_value": s.peak,
                "end_value": s.floor,
                "power": power,
                "transition_steps": s.steps,
            }
            made = module.Polynomial(**arguments)
        case Exponential() if s.every_steps.is_integer():
            arguments = {
                "transition_steps": int(s.every_steps),
                "decay_rate": s.gamma,
                "staircase": s.staircase,
            }
            arguments |= {"end_value": s.floor} if s.floor else {}
            if warmup:
                name = "warmup_exponential_decay_schedule"
                arguments |= {
                    "init_value": first,
                    "peak_value": s.peak,
                    "warmup_steps": warmup,
                }
                made = module.WarmupExponentialDecay(steps=s.steps, **arguments)
            else:
                name = "exponential_decay"
                arguments |= {"init_value": s.peak}
                made = module.ExponentialDecay(steps=s.steps, **arguments)
        case MultiStep(warmup_steps=0, floor=0.0) if len(set(s.milestones)) == len(s.milestones):
            name = "piecewise_constant_schedule"
            arguments = {
                "init_value": s.peak,
                "boundaries_and_scales": dict.fromkeys(s.milestones, s.gamma),
            }
            made = module.PiecewiseConstant(
                init_value=s.peak,
                boundaries=s.milestones,
                scales=(s.gamma,) * len(s.milestones),
                steps=s.steps,
            )
        case OneCycle(phases=2, anneal="cosine") if int(s.rise * s.steps) > 0:
            name = "cosine_onecycle_schedule"
            arguments = {
                "transition_steps": s.steps,
                "peak_value": s.peak,
                "pct_start": s.rise,
                "div_factor": s.div,
                "final_div_factor": s.final_div,
            }
            made = module.CosineOnecycle(**arguments)
        case _:
            return None
    return made, call(f"optax.{name}", **arguments)
