"""Trials for a page: columns of numbers, and curves thinned without losing their extremes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etastar.report.page.names import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from etastar.records import LossCurve, Trial

MOST_CURVES = 60
"""More lines over each other show nothing."""

MOST_POINTS = 160
"""Points of a drawn curve: about two for each pixel column of its picture on a phone."""

STATUSES = ("finished", "diverged", "stopped")


def columns(trials: Sequence[Trial]) -> dict[str, Any]:
    """The trials as columns, a row per trial, short enough for thousands of them.

    Returns:
        JSON-ready: rates, horizons, seeds, statuses (an index into `STATUSES`), final losses,
        seconds and a column for every setting that any trial has.
    """
    names = sorted({name for trial in trials for name in trial.settings})
    return {
        "lr": [short(trial.lr) for trial in trials],
        "steps": [trial.steps for trial in trials],
        "seed": [str(trial.seed) for trial in trials],  # may be larger than a browser's integers
        "status": [STATUSES.index(trial.status) for trial in trials],
        "loss": [short(trial.final_loss) for trial in trials],
        "seconds": [short(trial.seconds, 2) for trial in trials],
        "settings": [
            {"name": plain(name), "values": [short(trial.settings.get(name)) for trial in trials]}
            for name in names
        ],
    }


def short(value: float | None, digits: int = 4) -> float | None:
    """A number with so many digits.

    Returns:
        None for what is not finite.

    >>> short(0.123456), short(640.0), short(float("nan")), short(None)
    (0.1235, 640, None, None)
    """
    if value is None or not np.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e9 else rounded


def curves(trials: Sequence[Trial], most: int = MOST_CURVES) -> list[dict[str, Any]]:
    """The loss curves worth drawing: all, or so many evenly over the rates, the best among them.

    Returns:
        For each its trial's number, its steps and its losses; None where a loss is not finite.
    """
    shown: list[dict[str, Any]] = []
    for index in chosen(trials, most):
        steps, losses = thinned(trials[index].curve, MOST_POINTS)
        shown.append(
            {
                "trial": index,
                "x": [int(step) for step in steps],
                "y": [short(float(loss)) for loss in losses],
            }
        )
    return shown


def chosen(trials: Sequence[Trial], most: int) -> list[int]:
    """Which trials' curves are drawn.

    Returns:
        Numbers of trials, from the lowest rate to the highest.
    """
    drawable = [index for index, trial in enumerate(trials) if len(trial.curve) > 1]
    by_rate = sorted(drawable, key=lambda index: (trials[index].lr, trials[index].steps))
    if len(by_rate) <= most:
        return by_rate
    places = np.unique(np.linspace(0, len(by_rate) - 1, most - 1).round().astype(int))
    finished = [index for index in by_rate if trials[index].measured]
    longest = max((trials[index].steps for index in finished), default=0)
    best = min(
        (index for index in finished if trials[index].steps == longest),
        key=lambda index: trials[index].final_loss,
        default=by_rate[0],
    )
    kept = {by_rate[place] for place in places} | {best}
    return [index for index in by_rate if index in kept]


def thinned(curve: LossCurve, most: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """A curve with at most about `most` points: of every stretch its lowest and its highest.

    The first and the last point are kept, and the first that is not finite.

    Returns:
        Steps and losses.
    """
    losses = curve.losses
    count = len(losses)
    if count <= most:
        return np.arange(count), losses
    kept = {0, count - 1}
    if curve.finite_steps < count:
        kept |= {curve.finite_steps, max(curve.finite_steps - 1, 0)}
    for part in np.array_split(np.arange(count), max((most - len(kept)) // 2, 1)):
        values = losses[part]
        ends = np.isfinite(values)
        if ends.any():
            inside = part[ends]
            kept |= {int(inside[values[ends].argmin()]), int(inside[values[ends].argmax()])}
    steps = np.array(sorted(kept))
    return steps, losses[steps]
