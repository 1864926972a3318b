"""The trial: one training at one learning rate, seed and horizon."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from etastar.records.base import Record
from etastar.records.curve import LossCurve

TrialStatus = Literal["finished", "diverged", "stopped"]


class Terms(NamedTuple):
    """What tells a trial of a task from its others."""

    lr: float
    seed: int
    steps: int
    shape: str
    settings: tuple[tuple[str, float], ...]  # in order of name

    @classmethod
    def of(
        cls, lr: float, seed: int, steps: int, shape: str, settings: Mapping[str, float]
    ) -> Terms:
        """The terms of a trial with these values."""
        return cls(lr, seed, steps, shape, tuple(sorted(settings.items())))


class Trial(Record):
    """One training of a task and what came of it.

    `final_loss` is the validation loss after the last step where the task has validation
    data, else the mean training loss of the last tenth of the steps. It is NaN for a trial
    that diverged or was stopped: a censored observation, never a number.

    A trial of a task is told from its others by its `terms`.
    """

    kind: ClassVar[str] = "trial"
    version: ClassVar[int] = 2  # 2: settings, shape

    lr: float = Field(gt=0, allow_inf_nan=False)  # peak rate of the reference group
    seed: int
    steps: int = Field(gt=0)  # the trial's horizon, in updates
    status: TrialStatus
    final_loss: float
    curve: LossCurve
    sample_gradients: float = Field(ge=0)  # a forward pass alone counts a third
    seconds: float = Field(ge=0)
    # optimizer settings changed for this trial, by name: {"weight_decay": 0.01}
    settings: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(
        default_factory=dict[str, float]
    )
    # fingerprint of the schedule trained under, a multiplier of lr; "" where not recorded
    shape: str = Field(default="", pattern="^[0-9a-f]*$", max_length=64)

    @field_validator("settings")
    @classmethod
    def _in_order(cls, settings: dict[str, float]) -> dict[str, float]:
        return dict(sorted(settings.items()))

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.curve) > self.steps:
            raise ValueError(f"a curve of {len(self.curve)} losses for {self.steps} steps")
        if self.status == "finished" and not math.isfinite(self.final_loss):
            raise ValueError(f"a trial that finished with final_loss={self.final_loss}")
        if self.status != "finished" and not math.isnan(self.final_loss):
            raise ValueError(f"a trial that {self.status} with final_loss={self.final_loss}")
        return self

    @property
    def terms(self) -> Terms:
        """Rate, seed, horizon, shape and settings."""
        return Terms.of(self.lr, self.seed, self.steps, self.shape, self.settings)

    @property
    def measured(self) -> bool:
        """Whether the trial ran to its end with a finite loss."""
        return self.status == "finished" and math.isfinite(self.final_loss)
