"""Our schedules as schedulers of timm."""

from __future__ import annotations

from typing import Any

from etastar.schedules import compat
from etastar.schedules.base import Schedule
from etastar.schedules.cosine import Cosine, KDecay
from etastar.schedules.equivalents.code import Found, call, warmup_of
from etastar.schedules.linear import Linear
from etastar.schedules.polynomial import Polynomial
from etastar.schedules.restarts import CosineRestarts
from etastar.schedules.saturating import Tanh
from etastar.schedules.stable import WarmupStableDecay
from etastar.schedules.stepwise import MultiStep, StepDecay


def equivalent(s: Schedule) -> Found:
    """The nearest equivalent and the line that makes it, or None."""
    warm: dict[str, Any] = {"t_in_epochs": False}
    if warmup_of(s):
        # timm's line to the peak from ours one step before the first: the same points.
        start = s.ceiling / warmup_of(s)
        warm |= {"warmup_t": warmup_of(s), "warmup_lr_init": start, "warmup_prefix": True}
    rest = s.steps - warmup_of(s)
    name: str
    arguments: dict[str, Any]
    match s:
        case Cosine():
            name, arguments = "CosineLRScheduler", {"t_initial": rest, "lr_min": s.floor}
        case KDecay(curve="cosine"):
            name = "CosineLRScheduler"
            arguments = {"t_initial": rest, "lr_min": s.floor, "k_decay": s.k}
        case KDecay():
            name = "PolyLRScheduler"
            arguments = {"t_initial": rest, "lr_min": s.floor, "k_decay": s.k, "power": s.power}
        case Linear() | Polynomial():
            power = s.power if isinstance(s, Polynomial) else 1.0
            name = "PolyLRScheduler"
            arguments = {"t_initial": rest, "lr_min": s.floor, "power": power}
        case Tanh():
            name = "TanhLRScheduler"
            arguments = {"t_initial": rest, "lr_min": s.floor, "lb": s.lower, "ub": s.upper}
        case CosineRestarts() if s.cycle_steps.is_integer():
            name = "CosineLRScheduler"
            arguments = {
                "t_initial": int(s.cycle_steps),
                "lr_min": s.floor,
                "cycle_mul": s.multiplier,
                "cycle_decay": s.decay,
                "cycle_limit": s.limit or s.steps,
            }
        case StepDecay(floor=0.0, warmup_steps=0):
            name, arguments = "StepLRScheduler", {"decay_t": s.every_steps, "decay_rate": s.gamma}
        case MultiStep(floor=0.0, warmup_steps=0):
            name = "MultiStepLRScheduler"
            later = [milestone + 1 for milestone in s.milestones]
            arguments = {"decay_t": later, "decay_rate": s.gamma}
        case WarmupStableDecay() if s.cooldown != "exponential":
            name = "WSDLRScheduler"
            cooldown = {"sqrt": "1-sqrt"}.get(s.cooldown, s.cooldown)
            arguments = {
                "t_initial": rest,
                "decay_t": s.decay_steps,
                "lr_min": s.floor,
                "decay_fn": cooldown,
            }
            warm.pop("warmup_prefix", None)
        case _:
            return None
    fields = {key: value for key, value in (warm | arguments).items() if key != "t_in_epochs"}
    made = getattr(compat.timm, name)(lr=s.ceiling, steps=s.steps, **fields)
    return made, call(f"timm.scheduler.{name}", "optimizer", **arguments, **warm)
