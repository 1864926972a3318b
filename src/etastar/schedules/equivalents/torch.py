"""Our schedules as schedulers of `torch.optim`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from etastar.schedules import compat
from etastar.schedules.base import Schedule
from etastar.schedules.constant import Constant
from etastar.schedules.cosine import Cosine
from etastar.schedules.cyclic import Cyclic
from etastar.schedules.equivalents.code import Found, call, warmup_of
from etastar.schedules.geometric import Exponential
from etastar.schedules.linear import Linear
from etastar.schedules.one_cycle import OneCycle
from etastar.schedules.polynomial import Polynomial
from etastar.schedules.restarts import CosineRestarts
from etastar.schedules.stepwise import MultiStep, StepDecay


def equivalent(s: Schedule) -> Found:
    """The nearest equivalent and the line that makes it, or None."""
    # Milestones count from the start of the run, which a second part of a sequence does not.
    if warmup_of(s) and not isinstance(s, StepDecay | MultiStep):
        return _after_warmup(s, warmup_of(s))
    return None if warmup_of(s) else _plain(s)


def _after_warmup(s: Schedule, warmup: int) -> Found:
    changes: dict[str, Any] = {"warmup_steps": 0, "steps": s.steps - warmup}
    rest = _plain(replace(s, **changes))
    if rest is None or warmup < 2:  # a warmup of one step is none
        return rest if warmup < 2 else None
    schedule, code = rest
    rising: dict[str, Any] = {"start_factor": 1 / warmup, "total_iters": warmup - 1}
    made = compat.torch.SequentialLR(
        parts=(compat.torch.LinearLR(lr=s.ceiling, **rising), schedule),
        milestones=(warmup,),
        steps=s.steps,
    )
    first = call("torch.optim.lr_scheduler.LinearLR", "optimizer", **rising)
    parts = call(
        "torch.optim.lr_scheduler.SequentialLR", "optimizer", f"[{first}, {code}]", f"[{warmup}]"
    )
    return made, parts


def _plain(s: Schedule) -> Found:
    name: str
    arguments: dict[str, Any]
    match s:
        case Constant():
            name, arguments = "ConstantLR", {"factor": 1.0, "total_iters": s.steps}
        case Cosine():
            name, arguments = "CosineAnnealingLR", {"T_max": s.steps, "eta_min": s.floor}
        case Linear() if s.peak > 0:
            end = s.floor / s.peak
            name = "LinearLR"
            arguments = {"start_factor": 1.0, "end_factor": end, "total_iters": s.steps}
        case Polynomial(floor=0.0):
            name, arguments = "PolynomialLR", {"total_iters": s.steps, "power": s.power}
        case StepDecay(floor=0.0) if s.every_steps.is_integer():
            name, arguments = "StepLR", {"step_size": int(s.every_steps), "gamma": s.gamma}
        case MultiStep(floor=0.0):
            name = "MultiStepLR"
            arguments = {"milestones": list(s.milestones), "gamma": s.gamma}
        case Exponential(floor=0.0, staircase=False):
            name, arguments = "ExponentialLR", {"gamma": s.gamma ** (1 / s.every_steps)}
        case CosineRestarts(decay=1.0, limit=0) if (
            s.cycle_steps.is_integer() and s.multiplier.is_integer()
        ):
            name = "CosineAnnealingWarmRestarts"
            arguments = {
                "T_0": int(s.cycle_steps),
                "T_mult": int(s.multiplier),
                "eta_min": s.floor,
            }
        case Cyclic() if s.up_steps.is_integer() and s.down_steps.is_integer():
            down = {"step_size_down": int(s.down_steps)} if s.down_steps else {}
            arguments = {
                "base_lr": s.floor,
                "max_lr": s.peak,
                "step_size_up": int(s.up_steps),
                **down,
                "mode": s.policy,
                "gamma": s.gamma,
            }
            code = call("torch.optim.lr_scheduler.CyclicLR", "optimizer", **arguments)
            return compat.torch.CyclicLR(steps=s.steps, **arguments), code
        case OneCycle() if s.steps * s.rise > 1.5:
            arguments = {
                "max_lr": s.peak,
                "total_steps": s.steps,
                "pct_start": s.rise,
                "anneal_strategy": "cos" if s.anneal == "cosine" else "linear",
                "div_factor": s.div,
                "final_div_factor": s.final_div,
                "three_phase": s.phases == 3,
            }
            code = call("torch.optim.lr_scheduler.OneCycleLR", "optimizer", **arguments)
            return compat.torch.OneCycleLR(**arguments), code
        case _:
            return None
    made = getattr(compat.torch, name)(lr=s.ceiling, steps=s.steps, **arguments)
    return made, call(f"torch.optim.lr_scheduler.{name}", "optimizer", **arguments)
