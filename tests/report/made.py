"""Hand-made records with plausible numbers, through the real classes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from etastar.records import (
    CyclicBounds,
    Finding,
    LossCurve,
    Prediction,
    RangeRun,
    RangeTest,
    RegimeBand,
    Suggestion,
    TaskSummary,
    Trial,
)
from etastar.schedules import Cosine

STEPS = 600
BEST = 0.021


def final_loss(lr: float, steps: int) -> float:
    """A valley in log10(lr), deeper and a little further left for longer horizons."""
    best = BEST * (STEPS / steps) ** 0.1
    away = np.log10(lr / best)
    return float(0.04 + 0.25 * (75 / steps) + (0.18 if away < 0 else 0.5) * away**2)


def trial(lr: float, steps: int, status: str = "finished", seed: int = 0, **fields: Any) -> Trial:
    loss = final_loss(lr, steps) if status == "finished" else math.nan
    return Trial.model_validate(
        {
            "lr": lr,
            "seed": seed,
            "steps": steps,
            "status": status,
            "final_loss": loss,
            "curve": LossCurve(lrs=np.full(3, lr), losses=np.array([2.3, 1.9, 1.5])),
            "sample_gradients": 64.0 * steps,
            "seconds": 0.2,
            **fields,
        }
    )


def trials() -> tuple[Trial, ...]:
    short = [trial(lr, 75) for lr in np.geomspace(3e-4, 0.3, 7)]
    middle = [trial(lr, 150) for lr in np.geomspace(3e-3, 0.1, 5)]
    long = [trial(lr, 300, seed=seed) for lr in (0.0125, 0.025, 0.05) for seed in (0, 1)]
    return (*short, *middle, *long, trial(1.0, 75, "diverged"), trial(0.5, 75, "diverged"))


def prediction() -> Prediction:
    lrs = np.geomspace(1e-4, 1, 61)
    losses = np.array([final_loss(lr, STEPS) for lr in lrs])
    width = 0.01 + 0.05 * np.abs(np.log10(lrs / BEST))
    return Prediction(
        lrs=lrs,
        losses=losses,
        low=losses - width,
        high=losses + 1.5 * width,
        drift_per_octave=-0.1,
        noise=0.02,
    )


def summary(**fields: Any) -> TaskSummary:
    return TaskSummary.model_validate(
        {
            "name": "digits-mlp",
            "steps": STEPS,
            "schedule": Cosine(steps=STEPS),
            "optimizer": "SGD, momentum 0.9",
            "parameters": 55_050,
            "group_ratios": (1.0,),
            "objective": "validation loss",
            "default_lr": 0.1,
            **fields,
        }
    )


def band(regime: str, low: float | None, high: float | None) -> RegimeBand:
    return RegimeBand.model_validate({"regime": regime, "low": low, "high": high})


def finding(**fields: Any) -> Finding:
    return Finding.model_validate(
        {
            "task": summary(),
            "verdict": "confident",
            "reason": "Train digits-mlp at 0.018: with probability 93 % it ends within 5 % of "
            "the best loss that any rate reaches in 600 steps.",
            "lr": 0.018,
            "interval": (0.0125, 0.031),
            "confidence": 0.93,
            "schedule": Cosine(steps=STEPS, peak=0.018),
            "cost": 1.31,
            "budget": 1.5,
            "warnings": (),
            "regimes": (
                band("too_small", None, 0.002),
                band("good", 0.002, 0.012),
                band("optimal", 0.012, 0.033),
                band("good", 0.033, 0.08),
                band("oscillating", 0.08, 0.4),
                band("diverging", 0.4, None),
            ),
            "prediction": prediction(),
            "trials": trials(),
            "range_test": None,
            "seed": 0,
            "seconds": 12.4,
            "environment": {"etastar": "0.1.0"},
            **fields,
        }
    )


def no_answer(**fields: Any) -> Finding:
    return finding(
        **{
            "verdict": "no_answer",
            "reason": "No learning rate between 1e-08 and 10 made the loss fall: the model may "
            "already have converged.",
            "lr": None,
            "interval": None,
            "confidence": 0.0,
            "schedule": None,
            "prediction": None,
            "regimes": (),
            "trials": (),
            "cost": 0.1,
            **fields,
        }
    )


def curve(seed: int = 0, end: float = 1.0, scale: float = 1.0, shift: float = 0.0) -> LossCurve:
    noise = np.random.default_rng(seed).normal(0, 0.06, 120)
    lrs = np.geomspace(1e-5, 10, 120)
    falls = 2.3 - 1.9 / (1 + (lrs / 0.01) ** -1.2)
    losses = scale * (falls + noise + 0.3 * (lrs / end) ** 2) + shift
    kept = slice(0, int(np.searchsorted(lrs, 4 * end)))
    return LossCurve(lrs=lrs[kept], losses=losses[kept])


def range_test(**fields: Any) -> RangeTest:
    return RangeTest.model_validate(
        {
            "task": "digits-mlp",
            "rise": "exponential",
            "measured": "train",
            "runs": (RangeRun(seed=0, curve=curve(), stopped="diverged"),),
            "fell": True,
            "edge": 1.1,
            "suggestions": {
                "steepest": Suggestion(lr=0.009, reason="falls 1.2 per decade"),
                "valley": Suggestion(lr=0.04, reason="two thirds down the longest valley"),
                "minimum_over_10": Suggestion(lr=0.05, reason="a tenth of where it is lowest"),
                "slide": None,
            },
            "cyclic": CyclicBounds(low=0.004, high=0.3, reason="the loss falls between them"),
            "warnings": (),
            "steps": 112,
            "sample_gradients": 6400.0,
            "seconds": 0.4,
            **fields,
        }
    )
