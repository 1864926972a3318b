"""The same task under several schedules, each at its own rate."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from etastar.records.arrays import FloatArray
from etastar.records.base import Record
from etastar.records.lessons.base import Lesson
from etastar.schedules import Schedule

Family = Literal["constant", "time_based", "step", "exponential", "cosine", "one_cycle", "wsd"]


class Scheduled(Record):
    """One schedule: how its rate was found, and what its runs came to.

    R rates tried, J seeds judged, L looks at each run. A loss is infinite where a run broke.
    """

    kind: ClassVar[str] = "scheduled"

    family: Family
    schedule: Schedule  # at the rate found
    lrs: FloatArray  # (R,) rising, each trained at full length
    scores: FloatArray  # (R,) mean final loss over the seeds of the search
    lr: float = Field(gt=0, allow_inf_nan=False)
    finals: FloatArray  # (J,) final loss, one per seed
    lowest: FloatArray  # (L,) at every look the lowest, ...
    losses: FloatArray  # (L,) ... the mean ...
    highest: FloatArray  # (L,) ... and the highest loss over the seeds

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.lrs) != len(self.scores) or self.lr not in self.lrs:
            raise ValueError(f"{len(self.scores)} scores for {len(self.lrs)} rates and {self.lr}")
        if not len(self.lowest) == len(self.losses) == len(self.highest):
            raise ValueError("looks of different lengths")
        return self

    @property
    def mean(self) -> float:
        """The mean final loss over the seeds; infinite where a run broke."""
        return float(np.mean(self.finals))

    @property
    def spread(self) -> float:
        """The standard deviation of the final loss over the seeds; NaN where a run broke."""
        if len(self.finals) < 2 or not np.all(np.isfinite(self.finals)):
            return float("nan")
        return float(np.std(self.finals, ddof=1))

    @property
    def broken(self) -> int:
        """How many runs broke."""
        return int(np.sum(~np.isfinite(self.finals)))


class Schedules(Lesson):
    """One task under several schedules, each at the rate that was best for it."""

    kind: ClassVar[str] = "lesson_schedules"
    name: ClassVar[str] = "schedules"

    steps: int = Field(gt=0)
    held_out: bool  # whether losses are of data that no training saw
    at: FloatArray  # (L,) updates done at each look
    guess: float | None  # the rate a quick `find` named for the constant rate; None: no answer
    searching: tuple[int, ...]  # the seeds that chose the rates
    judging: tuple[int, ...]  # the seeds that the losses are from
    searched: float = Field(ge=0)  # what all the searches cost, in full runs
    runs: tuple[Scheduled, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for run in self.runs:
            if len(run.finals) != len(self.judging) or len(run.losses) != len(self.at):
                raise ValueError(
                    f"{run.family} with {len(run.finals)} runs at {len(self.at)} looks"
                )
        if self.runs[0].family != "constant":
            raise ValueError("the constant rate, which all others are held against, comes first")
        return self

    @property
    def reference(self) -> Scheduled:
        """The constant rate."""
        return self.runs[0]

    @property
    def best(self) -> Scheduled:
        """The schedule of the lowest mean final loss."""
        return min(self.runs, key=lambda run: run.mean)

    def gain(self, run: Scheduled) -> tuple[float, float]:
        """How far a schedule ends below the constant rate, seed by seed.

        Both trained from the same weights on the same batches, so the differences of pairs
        are weighed.

        Returns:
            The mean difference and the half width of its 95 % interval (Student's t); NaN where
            a run broke, and the width for a single seed.
        """
        from scipy import stats

        with np.errstate(invalid="ignore"):
            pairs = self.reference.finals - run.finals
        if not np.all(np.isfinite(pairs)):
            return float("nan"), float("nan")
        if len(pairs) < 2:
            return float(pairs.mean()), float("nan")
        error = float(np.std(pairs, ddof=1)) / len(pairs) ** 0.5
        return float(pairs.mean()), float(stats.t.ppf(0.975, len(pairs) - 1)) * error

    def clear(self, run: Scheduled) -> bool:
        """Whether a schedule ends below the constant rate by more than the seeds explain."""
        gain, width = self.gain(run)
        return gain > width
