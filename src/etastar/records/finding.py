"""The finding: the answer, how sure it is, what it rests on and what it cost."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from etastar.records.arrays import FloatArray
from etastar.records.axis import AxisFinding
from etastar.records.base import Record
from etastar.records.range_test import RangeTest
from etastar.records.trial import Trial
from etastar.records.views import viewed
from etastar.schedules import Schedule

Verdict = Literal["confident", "uncertain", "no_answer"]
Regime = Literal["too_small", "good", "optimal", "oscillating", "diverging"]


class RegimeBand(Record):
    """A stretch of learning rates that behave alike; None is an open end."""

    kind: ClassVar[str] = "regime_band"

    regime: Regime
    low: float | None = Field(gt=0, allow_inf_nan=False)
    high: float | None = Field(gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"a regime from {self.low} to {self.high}")
        return self


class Prediction(Record):
    """How the final loss of the full run depends on the rate, as the surrogate believes it.

    The bottom is drawn at the level of the longest pilots, as no pilot tells how low the full
    run gets. `low` and `high` hold 80 % of the belief about the loss at each rate.
    """

    kind: ClassVar[str] = "prediction"

    lrs: FloatArray  # (G,)
    losses: FloatArray  # (G,)
    low: FloatArray  # (G,)
    high: FloatArray  # (G,)
    drift_per_octave: float  # log2 of the optimum's move when the horizon doubles
    noise: float  # standard deviation of a final loss, relative

    @model_validator(mode="after")
    def _check(self) -> Self:
        sizes = {len(part) for part in (self.lrs, self.losses, self.low, self.high)}
        if len(sizes) > 1:
            raise ValueError(f"a grid whose columns have {sorted(sizes)} rows")
        return self


class TaskSummary(Record):
    """What the answer is about, in words and numbers that fit a page."""

    kind: ClassVar[str] = "task_summary"
    version: ClassVar[int] = 2  # 2: fingerprint

    name: str
    steps: int = Field(gt=0)
    schedule: Schedule  # the shape, peak 1
    optimizer: str
    parameters: int = Field(ge=0)  # trainable numbers
    group_ratios: tuple[float, ...]  # each group's rate over the reference group's
    objective: Literal["validation loss", "training loss"]
    default_lr: float | None  # what the optimizer came with
    fingerprint: str = ""  # of all that makes a trial, its rate and horizon aside


class Finding(Record):
    """The learning rate for a task, with interval, verdict, evidence and cost.

    `verdict` is `confident` (the rate is within 5 % of the best final loss with probability
    `confidence`, at least 0.8), `uncertain` (a best guess, with what is unclear in
    `warnings`) or `no_answer` (`lr` is None: the loss never fell, or nothing was stable).
    `cost` is in full runs of the task: sample gradients spent, over those of one run. What was
    known before costs nothing again; `cost_in_all` counts that too.
    """

    kind: ClassVar[str] = "finding"
    version: ClassVar[int] = 2  # 2: those of its trials and its task

    task: TaskSummary
    verdict: Verdict
    reason: str  # the verdict in a sentence
    lr: float | None = Field(gt=0, allow_inf_nan=False)
    interval: tuple[float, float] | None  # holds the best rate with probability 0.8
    confidence: float = Field(ge=0, le=1)  # P(regret < 5 %)
    confidence_tight: float = Field(default=0.0, ge=0, le=1)  # P(regret < 1 %)
    schedule: Schedule | None  # the task's shape scaled to the rate, ready to attach
    cost: float = Field(ge=0)
    cost_in_all: float | None = Field(default=None, ge=0)  # with what all the evidence had cost
    budget: float = Field(gt=0)
    warnings: tuple[str, ...]
    carried: tuple[str, ...] = ()  # what was known before and is used here, and what is not
    regimes: tuple[RegimeBand, ...]
    prediction: Prediction | None
    trials: tuple[Trial, ...]
    range_test: RangeTest | None
    seed: int
    seconds: float = Field(ge=0)
    environment: dict[str, str]
    # other settings looked at with the rate; lr, interval and schedule are those at `settings`
    also: tuple[AxisFinding, ...] = ()
    settings: dict[str, float] = Field(default_factory=dict[str, float])  # to be applied

    @model_validator(mode="after")
    def _check(self) -> Self:
        answered = self.verdict != "no_answer"
        for name in ("lr", "interval", "schedule"):
            if (getattr(self, name) is not None) != answered:
                raise ValueError(f"verdict {self.verdict!r} with {name}={getattr(self, name)!r}")
        if self.interval is not None:
            low, high = self.interval
            if not 0 < low <= high < math.inf:
                raise ValueError(f"an interval from {low} to {high}")
        return self

    @property
    def cyclic_bounds(self) -> tuple[float, float] | None:
        """Bounds for a cycle, from the pilots: the rates whose full runs end near the best.

        For triangular cycles, and for 1cycle on a task whose own schedule is another: from the
        lowest to the highest rate that is good, and below the cliff (Smith, arXiv:1506.01186, takes
        them from a range test alone). Where the task's own schedule is 1cycle, `lr` is its peak.

        Returns:
            (low, high), or None without an answer.
        """
        good = [band for band in self.regimes if band.regime in {"good", "optimal"}]
        lows = [band.low for band in good if band.low is not None]
        highs = [band.high for band in good if band.high is not None]
        return (min(lows), max(highs)) if lows and highs else None

    def plot(self) -> Any:
        """Draw the answer: loss against rate, the trials, the regimes, the rate found.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        return viewed("finding_figure", self)

    def report(self, path: str | Path, *, lang: Literal["en", "ko"] = "en") -> Path:
        """Write the answer as a page: one HTML file that needs nothing beside itself.

        Args:
            path: the file; its folder is made if needed.
            lang: its language.

        Returns:
            The path.

        Raises:
            InputError: no page in that language, or a place that cannot be written.
        """
        return viewed("finding_report", self, path=path, lang=lang)

    def _repr_html_(self) -> str:
        return viewed("finding_html", self)

    def __str__(self) -> str:
        return viewed("finding_text", self)
