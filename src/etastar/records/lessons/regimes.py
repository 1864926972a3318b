"""Gradient descent on a line fit, at rates from too small to too large."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from etastar.records.arrays import FloatArray
from etastar.records.base import Record
from etastar.records.finding import Regime, RegimeBand
from etastar.records.lessons.base import Lesson


class Descent(Record):
    """One descent: where it went and what the loss was, in E epochs."""

    kind: ClassVar[str] = "descent"

    lr: float = Field(gt=0, allow_inf_nan=False)
    regime: Regime
    intercepts: FloatArray  # (E+1,)
    slopes: FloatArray  # (E+1,)
    losses: FloatArray  # (2E+1,) at every half epoch: before, half way along and after each step
    predicted_epochs: int | None = Field(ge=0)  # to converge, from the curvatures; None: never
    observed_epochs: int | None = Field(ge=0)  # run on beyond E where it needs more; None: never

    @model_validator(mode="after")
    def _check(self) -> Self:
        epochs = len(self.slopes) - 1
        if epochs < 1 or len(self.intercepts) != epochs + 1 or len(self.losses) != 2 * epochs + 1:
            raise ValueError(
                f"{len(self.intercepts)} intercepts and {len(self.slopes)} slopes for "
                f"{len(self.losses)} losses at half epochs"
            )
        return self

    @property
    def epochs(self) -> int:
        """How many epochs the descent is shown for."""
        return len(self.slopes) - 1


class Regimes(Lesson):
    """A line fitted by full-batch gradient descent at several rates.

    The loss is mean((intercept + slope·x − y)²) with mean(x) = 0, so its curvatures are 2 along
    the intercept and 2·mean(x²) along the slope: above the rate 2/2 every descent diverges.
    """

    kind: ClassVar[str] = "lesson_regimes"
    name: ClassVar[str] = "regimes"

    x: FloatArray  # (N,)
    y: FloatArray  # (N,)
    curvatures: tuple[float, float]  # along the intercept and the slope
    minimum: tuple[float, float]  # intercept and slope of the least-squares line
    lowest: float  # the loss there
    edge: float = Field(gt=0)  # 2 over the largest curvature
    best: float = Field(gt=0)  # the fastest constant rate: 2 over the sum of the curvatures
    mark: float = Field(gt=0, lt=1)  # converged: this share of the excess loss is left, or less
    epochs: int = Field(gt=0)
    runs: tuple[Descent, ...] = Field(min_length=1)
    rates: FloatArray  # (R,) rising
    needed: FloatArray  # (R,) epochs to converge at each, predicted; NaN where never
    bands: tuple[RegimeBand, ...]  # the regimes over the rates, by rule, in so many epochs

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.rates) != len(self.needed):
            raise ValueError(f"{len(self.needed)} predictions for {len(self.rates)} rates")
        return self
