"""Our schedules as Keras'."""

from __future__ import annotations

from typing import Any

from etastar.schedules import compat
from etastar.schedules.base import Schedule
from etastar.schedules.cosine import Cosine
from etastar.schedules.equivalents.code import Found, call
from etastar.schedules.geometric import Exponential, InverseTime
from etastar.schedules.linear import Linear
from etastar.schedules.polynomial import Polynomial
from etastar.schedules.restarts import CosineRestarts
from etastar.schedules.stepwise import Piecewise


def equivalent(s: Schedule) -> Found:
    """The nearest equivalent and the line that makes it, or None."""
    top: dict[str, Any] = {"initial_learning_rate": s.ceiling}
    name: str
    arguments: dict[str, Any]
    match s:
        case Cosine() if s.peak > 0:
            arguments = top | {
                "decay_steps": s.steps - s.warmup_steps,
                "alpha": s.floor / s.peak,
            }
            if s.warmup_steps:
                arguments["initial_learning_rate"] = s.peak / s.warmup_steps
                arguments |= {"warmup_target": s.peak, "warmup_steps": s.warmup_steps}
            name = "CosineDecay"
        case Linear(warmup_steps=0) | Polynomial(warmup_steps=0):
            name = "PolynomialDecay"
            power = s.power if isinstance(s, Polynomial) else 1.0
            arguments = top | {
                "decay_steps": s.steps,
                "end_learning_rate": s.floor,
                "power": power,
            }
        case Exponential(warmup_steps=0, floor=0.0) if s.every_steps.is_integer():
            name = "ExponentialDecay"
            arguments = top | {
                "decay_steps": int(s.every_steps),
                "decay_rate": s.gamma,
                "staircase": s.staircase,
            }
        case InverseTime(warmup_steps=0, floor=0.0) if s.every_steps.is_integer():
            name = "InverseTimeDecay"
            arguments = top | {
                "decay_steps": int(s.every_steps),
                "decay_rate": s.decay,
                "staircase": s.staircase,
            }
        case Piecewise():
            name = "PiecewiseConstantDecay"
            before = [milestone - 1 for milestone in s.milestones]
            arguments = {"boundaries": before, "values": list(s.values)}
        case CosineRestarts(warmup_steps=0, limit=0) if s.cycle_steps.is_integer() and s.peak > 0:
            name = "CosineDecayRestarts"
            arguments = top | {
                "first_decay_steps": int(s.cycle_steps),
                "t_mul": s.multiplier,
                "m_mul": s.decay,
                "alpha": s.floor / s.peak,
            }
        case _:
            return None
    made = getattr(compat.keras, name)(steps=s.steps, **arguments)
    return made, call(f"keras.optimizers.schedules.{name}", **arguments)
