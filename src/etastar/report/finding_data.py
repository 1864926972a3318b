"""What the picture of a finding shows, as numbers and words, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from etastar.report.answer import finding_answer
from etastar.report.numbers import count, rate, runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etastar.records import Finding, Prediction, Regime, Trial

Floats = NDArray[np.float64]

REGIME_WORDS: dict[Regime, str] = {
    "too_small": "too small",
    "good": "good",
    "optimal": "optimal",
    "oscillating": "oscillating",
    "diverging": "diverging",
}


@dataclass(frozen=True)
class Dots:
    """The measured trials of one horizon."""

    steps: int
    lrs: Floats  # (K,)
    losses: Floats  # (K,)


@dataclass(frozen=True)
class Lost:
    """Rates whose trial gave no final loss, and what became of them."""

    word: str  # diverged or stopped
    lrs: tuple[float, ...]


@dataclass(frozen=True)
class Shade:
    """A stretch of rates that behave alike, cut to the picture."""

    regime: Regime
    word: str
    low: float
    high: float


@dataclass(frozen=True)
class FindingData:
    """Everything the picture shows."""

    title: str
    subtitle: str
    measured: str
    dots: tuple[Dots, ...]  # shortest horizon first
    lost: tuple[Lost, ...]
    prediction: Prediction | None
    steps: int  # the full horizon
    range_curve: tuple[Floats, Floats] | None  # only where there is no trial to show
    lr: float | None
    interval: tuple[float, float] | None
    default_lr: float | None


def finding_data(finding: Finding) -> FindingData:
    """Take from a finding what its picture shows.

    Returns:
        The drawing's data; nothing in it needs the finding any more.
    """
    task, range_test = finding.task, finding.range_test
    answer = finding_answer(finding)
    curve = range_test.runs[0].curve if range_test is not None and not finding.trials else None
    default = task.default_lr if task.default_lr is not None and task.default_lr > 0 else None
    return FindingData(
        title=f"{answer.headline}. {answer.sentence}",
        subtitle=(
            f"{task.name} · {count(task.steps, 'step')} · {task.optimizer} · "
            f"cost {runs(finding.cost)}"
        ),
        measured=f"final {task.objective}" if curve is None else "loss in the range test",
        dots=_dots(finding.trials),
        lost=_lost(finding.trials),
        prediction=finding.prediction,
        steps=task.steps,
        range_curve=None if curve is None else _positive(curve.lrs, curve.losses),
        lr=finding.lr,
        interval=finding.interval,
        default_lr=default,
    )


def _dots(trials: Sequence[Trial]) -> tuple[Dots, ...]:
    measured = [trial for trial in trials if trial.measured]
    return tuple(
        Dots(
            steps=steps,
            lrs=np.array([trial.lr for trial in measured if trial.steps == steps]),
            losses=np.array([trial.final_loss for trial in measured if trial.steps == steps]),
        )
        for steps in sorted({trial.steps for trial in measured})
    )


def _lost(trials: Sequence[Trial]) -> tuple[Lost, ...]:
    words = {"diverged": "diverged", "stopped": "stopped early"}
    found = (
        Lost(word, tuple(sorted({trial.lr for trial in trials if trial.status == status})))
        for status, word in words.items()
    )
    return tuple(lost for lost in found if lost.lrs)


def _positive(lrs: Floats, losses: Floats) -> tuple[Floats, Floats]:
    return lrs[lrs > 0], losses[lrs > 0]


def rates_shown(data: FindingData) -> list[float]:
    """Every rate the picture must have room for.

    Returns:
        At least one rate.
    """
    tried = [*(lr for dots in data.dots for lr in dots.lrs), *(r for x in data.lost for r in x.lrs)]
    if data.range_curve is not None:
        tried += [*data.range_curve[0]]
    if not tried and data.prediction is not None:
        tried += [*data.prediction.lrs]
    answer = [*([data.lr] if data.lr else []), *(data.interval or ())]
    shown = [float(lr) for lr in (*tried, *answer) if lr > 0 and np.isfinite(lr)]
    return shown or [data.default_lr or 1.0]


def losses_measured(data: FindingData) -> Floats:
    """The losses the picture must have room for.

    Returns:
        Losses of trials, or where there are none of the range test.
    """
    measured = [dots.losses for dots in data.dots]
    if data.range_curve is not None:
        measured.append(data.range_curve[1])
    return np.concatenate(measured) if measured else np.array([])


def losses_predicted(data: FindingData, low: float, high: float) -> list[float]:
    """The losses predicted between two rates.

    They do not decide how high the picture reaches: far from the answer a prediction, and its
    band, may be as wild as it is unsure.

    Returns:
        Losses, none without a prediction.
    """
    if data.prediction is None:
        return []
    inside = (data.prediction.lrs >= low) & (data.prediction.lrs <= high)
    return [float(loss) for loss in data.prediction.losses[inside]]


def shades(finding: Finding, low: float, high: float) -> tuple[Shade, ...]:
    """The regimes, cut to the rates shown.

    Returns:
        One for each regime that is in the picture, from left to right.
    """
    cut = (
        Shade(
            band.regime,
            REGIME_WORDS[band.regime],
            max(low, band.low if band.low is not None else low),
            min(high, band.high if band.high is not None else high),
        )
        for band in finding.regimes
    )
    return tuple(sorted((s for s in cut if s.low < s.high), key=lambda shade: shade.low))


def answer_label(data: FindingData) -> str:
    """What is written beside the chosen rate.

    Returns:
        The rate and its interval.
    """
    if data.lr is None or data.interval is None:
        return ""
    low, high = data.interval
    return f"lr {rate(data.lr)}  ({rate(low)} to {rate(high)})"
