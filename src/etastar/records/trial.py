"""The trial: one training at one learning rate, seed and horizon."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from etastar.records.base import Record
from etastar.records.curve import LossCurve

TrialStatus = Literal["finished", "diverged", "stopped"]


class Trial(Record):
    """One training of a task and what came of it.

    `final_loss` is the validation loss after the last step where the task has validation
    data, else the mean training loss of the last tenth of the steps. It is NaN for a trial
    that diverged or was stopped: a censored observation, never a number.
    """

    kind: ClassVar[str] = "trial"

    lr: float = Field(gt=0, allow_inf_nan=False)  # peak rate of the reference group
    seed: int
    steps: int = Field(gt=0)  # the trial's horizon, in updates
    status: TrialStatus
    final_loss: float
    curve: LossCurve
    sample_gradients: float = Field(ge=0)  # a forward pass alone counts a third
    seconds: float = Field(ge=0)

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
    def measured(self) -> bool:
        """Whether the trial ran to its end with a finite loss."""
        return self.status == "finished" and math.isfinite(self.final_loss)
