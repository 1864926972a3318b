"""Another setting beside the rate: the values tried, the rate found at each, the value to take."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from etastar.records.base import Record
from etastar.records.trial import Trial

AxisName = Literal["momentum", "weight_decay", "warmup", "batch_size"]


class AxisValue(Record):
    """One value of a setting, the rate believed best there, and the loss predicted.

    `excess` is the final loss predicted for the value at its rate, over that of the task's own
    value at its rate: relative, below 0 where the value is better. It is None, and `lr` with it,
    where no pilot of the value trained.
    """

    kind: ClassVar[str] = "axis_value"

    value: float = Field(ge=0, allow_inf_nan=False)
    lr: float | None = Field(gt=0, allow_inf_nan=False)  # best at the full horizon, as believed
    interval: tuple[float, float] | None  # holds it with probability 0.8
    excess: float | None = Field(allow_inf_nan=False)
    error: float | None = Field(ge=0, allow_inf_nan=False)  # standard deviation of `excess`
    better: float = Field(ge=0, le=1)  # P(lower final loss than the task's own value)
    expected_lr: float | None = Field(gt=0, allow_inf_nan=False)  # by the scaling rule alone
    cost: float = Field(ge=0)  # full runs spent on this value alone
    trials: tuple[Trial, ...]  # its pilots, all of the longest rung

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = {name: getattr(self, name) is None for name in ("lr", "interval", "excess")}
        if len({*given.values(), self.error is None}) > 1:
            raise ValueError(f"a value of which only a part is known: {given}")
        return self


class AxisFinding(Record):
    """What was found along one setting, the rate found anew at each value."""

    kind: ClassVar[str] = "axis_finding"

    name: AxisName
    setting: str  # what it is called where it is applied: beta1, warmup_steps, ...
    own: float  # the task's own value
    value: float  # the one to take: its own where nothing tried is surely better
    values: tuple[AxisValue, ...]  # from low to high, the own one among them
    rule: str  # how the rate was expected to move, in words
    reason: str  # why this value, in a sentence
    cost: float = Field(ge=0)  # full runs

    @model_validator(mode="after")
    def _check(self) -> Self:
        tried = [one.value for one in self.values]
        if tried != sorted(set(tried)):
            raise ValueError(f"values {tried}, which are not in order")
        if self.own not in tried or self.value not in tried:
            raise ValueError(f"own={self.own}, value={self.value}, not both of {tried}")
        return self

    @property
    def moved(self) -> bool:
        """Whether another value than the task's own is to be taken."""
        return self.value != self.own

    @property
    def chosen(self) -> AxisValue:
        """What is known of the value to take."""
        return next(one for one in self.values if one.value == self.value)
