"""The range test: the loss while the learning rate grows."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from etastar.records.base import Record
from etastar.records.curve import LossCurve
from etastar.records.views import viewed

StopReason = Literal["diverged", "non_finite", "end"]


class Suggestion(Record):
    """A learning rate that a named rule reads off a range test, and why."""

    kind: ClassVar[str] = "suggestion"

    lr: float = Field(gt=0, allow_inf_nan=False)
    reason: str


class CyclicBounds(Record):
    """Lowest and highest rate for triangular and 1cycle schedules, and why."""

    kind: ClassVar[str] = "cyclic_bounds"

    low: float = Field(gt=0, allow_inf_nan=False)
    high: float = Field(gt=0, allow_inf_nan=False)
    reason: str

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"bounds from {self.low} to {self.high}")
        return self


class RangeRun(Record):
    """One pass of a range test with one seed."""

    kind: ClassVar[str] = "range_run"

    seed: int
    curve: LossCurve
    stopped: StopReason


class RangeTest(Record):
    """Passes with a growing learning rate, one per seed, and what the rules read off them.

    A range test measures stability, not final quality: it brackets the answer of a `Finding`.
    Every suggestion may be None, and is where the curves do not support one.
    """

    kind: ClassVar[str] = "range_test"

    task: str
    rise: Literal["exponential", "linear"]
    measured: Literal["train", "valid"]
    runs: tuple[RangeRun, ...] = Field(min_length=1)
    fell: bool  # the loss fell clearly below its start
    # the rate at which training lost its footing; None if never seen
    edge: float | None = Field(gt=0, allow_inf_nan=False)
    suggestions: dict[str, Suggestion | None]
    cyclic: CyclicBounds | None
    warnings: tuple[str, ...]
    steps: int = Field(gt=0)  # updates made in all
    sample_gradients: float = Field(ge=0)
    seconds: float = Field(ge=0)

    def plot(self) -> Any:
        """Draw the loss against the learning rate.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        return viewed("range_test_figure", self)

    def _repr_html_(self) -> str:
        return viewed("range_test_html", self)

    def __str__(self) -> str:
        return viewed("range_test_text", self)
