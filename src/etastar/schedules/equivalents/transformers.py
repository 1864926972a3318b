"""Our schedules as names of `transformers.get_scheduler`."""

from __future__ import annotations

from typing import Any

from etastar.schedules import compat
from etastar.schedules.base import Schedule
from etastar.schedules.compat import Foreign
from etastar.schedules.constant import Constant
from etastar.schedules.cosine import Cosine
from etastar.schedules.equivalents.code import Found, call, warmup_of
from etastar.schedules.geometric import InverseSqrt
from etastar.schedules.linear import Linear
from etastar.schedules.polynomial import Polynomial
from etastar.schedules.restarts import CosineRestarts
from etastar.schedules.stable import WarmupStableDecay


def equivalent(s: Schedule) -> Found:
    """The nearest equivalent and the line that makes it, or None."""
    counts: dict[str, int] = {"num_warmup_steps": warmup_of(s), "num_training_steps": s.steps}
    specific: dict[str, Any]
    match s:
        case Constant(warmup_steps=0):
            name, counts, specific = "constant", {}, {}
        case Constant():
            name, counts, specific = "constant_with_warmup", {"num_warmup_steps": warmup_of(s)}, {}
        case Linear(floor=0.0):
            name, specific = "linear", {}
        case Linear():
            name, specific = "polynomial", {"lr_end": s.floor, "power": 1.0}
        case Polynomial():
            name, specific = "polynomial", {"lr_end": s.floor, "power": s.power}
        case Cosine(floor=0.0):
            name, specific = "cosine", {}
        case Cosine() if s.peak > 0:
            name, specific = "cosine_with_min_lr", {"min_lr_rate": s.floor / s.peak}
        case InverseSqrt(floor=0.0) if s.timescale_steps.is_integer():
            name, counts = "inverse_sqrt", {"num_warmup_steps": warmup_of(s)}
            timescale = int(s.timescale_steps) or max(s.warmup_steps, 1)
            specific = {"timescale": timescale}
        case CosineRestarts(multiplier=1.0, decay=1.0, limit=0, floor=0.0) if (
            (s.steps - s.warmup_steps) / s.cycle_steps
        ).is_integer():
            cycles = round((s.steps - s.warmup_steps) / s.cycle_steps)
            name, specific = "cosine_with_restarts", {"num_cycles": cycles}
        case WarmupStableDecay() if s.cooldown != "exponential" and s.peak > 0:
            name = "warmup_stable_decay"
            counts: dict[str, int] = {"num_warmup_steps": s.warmup_steps}
            specific = {
                "num_stable_steps": s.steps - s.warmup_steps - s.decay_steps,
                "num_decay_steps": s.decay_steps,
                "decay_type": {"sqrt": "1-sqrt"}.get(s.cooldown, s.cooldown),
                "min_lr_ratio": s.floor / s.peak,
            }
        case _:
            return None
    fields: dict[str, Any] = {"lr": s.ceiling, "steps": s.steps} | counts | specific
    made = compat.transformers.get_scheduler(name, **fields)
    extra = {"scheduler_specific_kwargs": specific} if specific else {}
    code = call("transformers.get_scheduler", repr(name), "optimizer", **counts, **extra)
    return (made, code) if isinstance(made, Foreign) else None
