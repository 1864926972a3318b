"""The regimes of a task's own network, and how its sharpness meets the edge of stability."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from pydantic import Field, model_validator

from etastar.records.arrays import FloatArray
from etastar.records.base import Record
from etastar.records.finding import Regime, RegimeBand, TaskSummary
from etastar.records.lessons.base import Lesson
from etastar.records.trial import Trial

StabilityRule = Literal[
    "gradient_descent", "heavy_ball", "nesterov", "adam", "rmsprop", "adagrad", "unknown"
]
"""Which limit holds for an optimizer."""


class SharpnessRun(Record):
    """One training on a fixed set of batches, all of them at every step, with its sharpness."""

    kind: ClassVar[str] = "sharpness_run"

    lr: float = Field(gt=0, allow_inf_nan=False)
    regime: Regime  # of this rate in the trials
    losses: FloatArray  # (S,) before every step
    steps: FloatArray  # (M,) where the sharpness was measured: before this step
    sharpness: FloatArray  # (M,)
    limit: float | None  # the sharpness at which a quadratic no longer converges at this rate

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.steps) != len(self.sharpness):
            raise ValueError(f"{len(self.sharpness)} sharpnesses at {len(self.steps)} steps")
        return self


class RegimesOnTask(Lesson):
    """Short trainings of a task at constant rates, named by how they end.

    The trials are the task's own minibatch training. The sharpness is that of a second set of
    trainings, on a fixed set of batches, for which the limit is exact.
    """

    kind: ClassVar[str] = "lesson_regimes_on_task"
    name: ClassVar[str] = "regimes"

    summary: TaskSummary  # its steps are those of the trials
    full_steps: int = Field(gt=0)  # of the run that the task is for
    start_loss: float  # of the untrained network, judged as the trials
    engine: str
    trials: tuple[Trial, ...] = Field(min_length=1)  # rising rates
    regimes: tuple[Regime, ...]  # of each trial
    bands: tuple[RegimeBand, ...]
    rule: StabilityRule
    factor: float | None  # the limit times the rate
    batches: int = Field(ge=0)  # in the fixed set
    samples: int = Field(ge=0)  # in all of them
    sharpness: tuple[SharpnessRun, ...]
    obstacle: str | None = None  # why the sharpness could not be measured
    warnings: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.regimes) != len(self.trials):
            raise ValueError(f"{len(self.regimes)} regimes for {len(self.trials)} trials")
        return self

    @property
    def edge_before(self) -> float | None:
        """The rate that the untrained network just bears: 2/λ and its kin.

        None without a sharpness or a known limit, and for adaptive optimizers, which have no
        preconditioner yet.
        """
        if self.rule in {"adam", "rmsprop", "adagrad"} or not self.sharpness:
            return None
        return self._edge(self.sharpness[0].sharpness[:1])

    @property
    def edge_later(self) -> float | None:
        """The rate that the network just bears where training at the best rate made it sharpest.

        The first tenth of the steps does not count, while an adaptive optimizer's preconditioner
        is settling; nor do spikes of a single measurement, where a weight that had no gradient
        for long has one again: the middle of three neighbours does.
        """
        for run in self.sharpness:
            if run.regime == "optimal":
                later = run.sharpness[run.steps >= 0.1 * self.summary.steps]
                if not len(later):
                    return None
                return self._edge(np.median(sliding_window_view(later, min(3, len(later))), axis=1))
        return None

    def _edge(self, sharpness: FloatArray) -> float | None:
        highest = float(max(sharpness, default=0.0))
        return None if self.factor is None or highest <= 0 else self.factor / highest
