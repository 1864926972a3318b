"""What the picture of loss against rate shows, as numbers for the browser to draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etastar.report.limits import frame, rate_limits
from etastar.report.page.trials import short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etastar.records import LossCurve, Prediction, RangeTest, RegimeBand, Trial
    from etastar.schedules import Schedule

_SCHEDULE_POINTS = 400


def rate_chart(
    trials: Sequence[Trial],
    *,
    lr: float | None = None,
    interval: tuple[float, float] | None = None,
    prediction: Prediction | None = None,
    regimes: Sequence[RegimeBand] = (),
    default_lr: float | None = None,
) -> dict[str, Any]:
    """Loss against rate: what was measured, what is believed, what was chosen.

    Returns:
        JSON-ready: limits of both axes, the belief, the regimes cut to what is shown. The dots
        are the page's trials.
    """
    answer = [*([lr] if lr else []), *(interval or ())]
    rates = [*(trial.lr for trial in trials), *answer]
    if not rates and prediction is not None:
        rates = [float(rate) for rate in prediction.lrs]
    low, high = rate_limits([rate for rate in rates if 0 < rate < np.inf] or [1.0])
    losses = np.array([trial.final_loss for trial in trials if trial.measured])
    believed = _inside(prediction, low, high)
    shown = frame(losses, also=[] if prediction is None else [*prediction.losses[believed]])
    return {
        "x": [low, high],
        "y": [shown.low, shown.high],
        "log": shown.log,
        "empty": shown.empty,
        "lr": lr,
        "interval": interval,
        "default": default_lr if default_lr and low <= default_lr <= high else None,
        "prediction": None
        if prediction is None
        else {
            name: [short(float(value), 5) for value in getattr(prediction, name)[believed]]
            for name in ("lrs", "losses", "low", "high")
        },
        "regimes": [
            {"regime": band.regime, "low": band.low, "high": band.high}
            for band in sorted(regimes, key=lambda band: band.low or 0.0)
            if (band.low or low) < high and (band.high or high) > low
        ],
    }


def _inside(prediction: Prediction | None, low: float, high: float) -> Any:
    if prediction is None:
        return slice(0)
    inside = (prediction.lrs >= low) & (prediction.lrs <= high) & (prediction.lrs > 0)
    for part in (prediction.losses, prediction.low, prediction.high):
        inside &= np.isfinite(part)
    return inside


def schedule_chart(schedule: Schedule) -> dict[str, Any]:
    """A schedule's values over the run.

    Returns:
        Steps and values, all of them or evenly chosen.
    """
    steps = np.unique(np.linspace(0, schedule.steps - 1, _SCHEDULE_POINTS).round())
    return {
        "x": [int(step) for step in steps],
        "y": [short(float(value), 5) for value in schedule(steps)],
    }


def range_chart(result: RangeTest, most: int) -> dict[str, Any]:
    """The curves of a range test.

    Returns:
        Limits, a curve per pass, and where training lost its footing.
    """
    from etastar.report.page.trials import thinned

    def points(curve: LossCurve) -> dict[str, Any]:
        steps, losses = thinned(curve, most)
        return {
            "x": [short(float(rate)) for rate in curve.lrs[steps]],
            "y": [short(float(loss)) for loss in losses],
        }

    rates = np.concatenate([run.curve.lrs for run in result.runs])
    rates = rates[rates > 0]
    low, high = rate_limits([float(rates.min()), float(rates.max())] if rates.size else [1.0])
    shown = frame(np.concatenate([run.curve.losses for run in result.runs]))
    return {
        "x": [low, high],
        "y": [shown.low, shown.high],
        "log": shown.log,
        "edge": result.edge,
        "curves": [points(run.curve) for run in result.runs],
    }


def curves_frame(curves: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How much the picture of the loss curves shows.

    Returns:
        The last step, and the losses' limits and scale.
    """
    losses = np.array([y for curve in curves for y in curve["y"] if y is not None], dtype=float)
    shown = frame(losses)
    last = max((curve["x"][-1] for curve in curves), default=1)
    return {"x": [0, last], "y": [shown.low, shown.high], "log": shown.log}
