"""Records whose pages are looked at, and names that try to be more than names."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.report import made

from etastar.records import Axis, Contender, Finding, LossCurve, Sweep, Trial

HOSTILE = (
    "</script><script>document.title='HACKED'</script>",
    "<img src=x onerror=\"document.title='HACKED'\">",
    "\"'><svg onload=document.title='HACKED'>",
    "a\u2028document.title='HACKED'\u2029b",
    "\u202egnp.exe\u202c\u2066x\u200f",
    "{{ 7 * 7 }} {% raw %} ${document.title='HACKED'} {lr} {0}",
    "--><!--<script>",
    "]]>\ud800\x00\x1b[31m",
)


def finding(**fields: Any) -> Finding:
    return made.finding(
        **{
            "range_test": made.range_test(),
            "warnings": ("the final losses are noisy",),
            "trials": (*made.trials(), made.trial(0.6, 75, "stopped")),
            **fields,
        }
    )


def hostile_finding(text: str) -> Finding:
    """The text wherever a record holds somebody else's words."""
    setting = made.trial(0.02, 75, settings={text: 0.5})
    return finding(
        task=made.summary(name=text, optimizer=text),
        verdict="uncertain",
        reason=f"the task raised RuntimeError: {text}",
        warnings=(text,),
        trials=(*made.trials(), setting),
        environment={text: text},
    )


def sweep(name: str = "digits-mlp", setting: str = "momentum", **fields: Any) -> Sweep:
    trials = tuple(
        made.trial(lr, 75, seed=seed, settings={setting: value})
        for lr in (0.01, 0.1, 1.0)
        for value in (0.0, 0.9)
        for seed in (0, 1)
    )
    best = Contender(lr=0.1, settings={setting: 0.9}, mean=0.2, standard_error=0.01, seeds=2)
    return Sweep.model_validate(
        {
            "task": made.summary(name=name),
            "space": {
                "lr": Axis(scale="log", values=(0.01, 0.1, 1.0)),
                setting: Axis(scale="choice", values=(0.0, 0.9)),
            },
            "strategy": "grid",
            "engine": "sequential",
            "seeds": (0, 1),
            "seed": 0,
            "trials": trials,
            "best": best,
            "alike": (best.model_copy(update={"lr": 0.01}),),
            "importance": {"lr": 0.7, setting: 0.3},
            "cost": 2.0,
            "budget": None,
            "seconds": 3.0,
            "environment": {"etastar": "0.1.0"},
            "warnings": (),
            **fields,
        }
    )


def many_trials(count: int, steps: int) -> tuple[Trial, ...]:
    """Trials over six decades of rates, each with a curve of its own."""
    draws = np.random.default_rng(0)
    steady = np.linspace(2.3, 0.1, steps)
    return tuple(
        made.trial(
            float(lr),
            steps,
            "diverged" if place % 9 == 0 else "finished",
            seed=place,
            settings={"weight_decay": float(10.0 ** draws.uniform(-5, -1)), "momentum": 0.9},
            curve=LossCurve(lrs=np.full(steps, lr), losses=steady + draws.normal(0, 0.1, steps)),
        )
        for place, lr in enumerate(10.0 ** draws.uniform(-5, 1, count))
    )
