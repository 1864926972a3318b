"""The loss curve: what a training showed, step by step."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from pydantic import model_validator

from etastar.records.arrays import FloatArray
from etastar.records.base import Record


class LossCurve(Record):
    """Learning rate and loss at every step of one training.

    `losses[t]` was measured at the weights *before* update t, which used `lrs[t]`. Non-finite
    losses are kept as they came.
    """

    kind: ClassVar[str] = "loss_curve"

    lrs: FloatArray  # (S,) rate of the reference group
    losses: FloatArray  # (S,)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.lrs) != len(self.losses):
            raise ValueError(f"{len(self.lrs)} rates for {len(self.losses)} losses")
        if not np.all(np.isfinite(self.lrs)) or np.any(self.lrs < 0):
            raise ValueError("a learning rate that is negative or not finite")
        return self

    def __len__(self) -> int:
        return len(self.losses)

    @property
    def finite_steps(self) -> int:
        """How many losses from the start on are finite: only these can be reasoned about."""
        return int(np.logical_and.accumulate(np.isfinite(self.losses)).sum())
