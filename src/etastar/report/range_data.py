"""What the picture of a range test shows, as numbers and words, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from etastar.report.answer import range_test_answer
from etastar.report.numbers import rate

if TYPE_CHECKING:
    from etastar.records import LossCurve, RangeRun, RangeTest

Floats = NDArray[np.float64]

_WINDOWS = 15
"""The running median spans this part of a curve, at least three points."""


@dataclass(frozen=True)
class Pass:
    """One seed's curve: the finite points, their running median, the rest by rate."""

    seed: int
    lrs: Floats  # (F,)
    losses: Floats  # (F,)
    smooth: Floats  # (F,)
    not_finite: Floats  # (N,) rates


@dataclass(frozen=True)
class Band:
    """Lowest and highest smoothed loss over all seeds, at rates that all of them reached."""

    lrs: Floats  # (B,)
    low: Floats  # (B,)
    high: Floats  # (B,)


@dataclass(frozen=True)
class Mark:
    """A rate with a name."""

    name: str
    lr: float
    loss: float | None  # the first pass's smoothed loss there

    @property
    def label(self) -> str:
        """Name and rate."""
        return f"{self.name.replace('_', ' ')}: {rate(self.lr)}"


@dataclass(frozen=True)
class RangeData:
    """Everything the picture shows."""

    title: str
    subtitle: str
    measured: str
    passes: tuple[Pass, ...]
    band: Band | None
    marks: tuple[Mark, ...]
    edge: float | None
    cyclic: tuple[float, float] | None


def range_data(result: RangeTest) -> RangeData:
    """Take from a range test what its picture shows.

    Returns:
        The drawing's data.
    """
    answer = range_test_answer(result)
    passes = tuple(_pass(run, result.rise == "exponential") for run in result.runs)
    measured = "validation loss" if result.measured == "valid" else "training loss"
    return RangeData(
        title=f"{answer.headline}. {answer.sentence}",
        subtitle="It shows where training is stable, not which rate ends best.",
        measured=measured,
        passes=passes,
        band=_band(passes),
        marks=tuple(
            Mark(name, suggestion.lr, _loss_at(passes[0], suggestion.lr))
            for name, suggestion in result.suggestions.items()
            if suggestion is not None
        ),
        edge=result.edge,
        cyclic=None if result.cyclic is None else (result.cyclic.low, result.cyclic.high),
    )


def _pass(run: RangeRun, exponential: bool) -> Pass:
    curve: LossCurve = run.curve
    shown = curve.lrs > 0 if exponential else np.ones(len(curve), dtype=bool)
    lrs, losses = curve.lrs[shown], curve.losses[shown]
    finite = np.isfinite(losses)
    return Pass(
        run.seed,
        lrs[finite],
        losses[finite],
        running_median(losses[finite]),
        lrs[~finite],
    )


def running_median(losses: Floats) -> Floats:
    """The median of the points around each point: a light smoothing without lag.

    Returns:
        As many values as were given.

    >>> running_median(np.array([1.0, 9.0, 1.0, 1.0])).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    if len(losses) < 3:
        return losses
    half = max(1, len(losses) // (2 * _WINDOWS))
    padded = np.pad(losses, half, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)  # (F, W)
    return np.asarray(np.median(windows, axis=-1), dtype=np.float64)


def _band(passes: tuple[Pass, ...]) -> Band | None:
    drawn = [one for one in passes if len(one.lrs) > 1]
    if len(drawn) < 2:
        return None
    start, end = max(one.lrs[0] for one in drawn), min(one.lrs[-1] for one in drawn)
    lrs = drawn[0].lrs[(drawn[0].lrs >= start) & (drawn[0].lrs <= end)]
    at = np.stack([np.interp(lrs, one.lrs, one.smooth) for one in drawn])  # (R, B)
    return Band(lrs, at.min(axis=0), at.max(axis=0)) if lrs.size else None


def _loss_at(one: Pass, lr: float) -> float | None:
    return float(np.interp(lr, one.lrs, one.smooth)) if one.lrs.size else None


def rates_shown(data: RangeData) -> list[float]:
    """Every rate the picture must have room for.

    Returns:
        At least one rate.
    """
    rates = [*(lr for one in data.passes for lr in (*one.lrs, *one.not_finite))]
    rates += [mark.lr for mark in data.marks]
    rates += [*(data.cyclic or ()), *([data.edge] if data.edge else [])]
    return [float(lr) for lr in rates] or [1.0]


def losses_shown(data: RangeData) -> Floats:
    """The losses worth showing: up to a little above where the curves began.

    Beyond the edge a loss grows without bound; the line may leave the picture there.

    Returns:
        Losses, finite.
    """
    parts = [one for one in data.passes if one.lrs.size]
    if not parts:
        return np.array([])
    smooth = np.concatenate([one.smooth for one in parts])
    lowest = float(smooth.min())
    start = max(float(np.median(one.losses[: max(1, len(one.losses) // 10)])) for one in parts)
    fall = start - lowest
    ceiling = start + 0.5 * fall if fall > 0 else float(np.quantile(smooth, 0.9))
    return np.append(smooth[smooth <= ceiling], min(ceiling, float(smooth.max())))
