"""1cycle on a task: the range test, the cycle, and its race against a run several times as long."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from etastar.records.arrays import FloatArray
from etastar.records.base import Record
from etastar.records.curve import LossCurve
from etastar.records.lessons.base import Lesson
from etastar.schedules import Schedule

ArmName = Literal["one_cycle", "steady_momentum", "step_short", "step_long"]
Verdict = Literal["lower", "alike", "higher"]


class Arm(Record):
    """One way to train: its rate, and what its runs came to.

    R rates tried, J seeds judged, L looks at each run. A loss is infinite where a run broke.
    """

    kind: ClassVar[str] = "one_cycle_arm"

    arm: ArmName
    schedule: Schedule  # at the rate found; its steps are the run's
    momentum: Schedule | None  # None: as the optimizer has it
    lrs: FloatArray  # (R,) rising, each trained at full length
    scores: FloatArray  # (R,) mean final loss over the seeds of the search
    lr: float = Field(gt=0, allow_inf_nan=False)
    finals: FloatArray  # (J,) final loss, one per seed
    at: FloatArray  # (L,) updates done at each look
    lowest: FloatArray  # (L,) over the seeds
    losses: FloatArray  # (L,) their mean
    highest: FloatArray  # (L,)
    reached: FloatArray  # (J,) updates until the rival's mean final loss was met; NaN: never

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not len(self.at) == len(self.lowest) == len(self.losses) == len(self.highest):
            raise ValueError("looks of different lengths")
        if len(self.finals) != len(self.reached):
            raise ValueError(f"{len(self.reached)} times for {len(self.finals)} runs")
        return self

    @property
    def steps(self) -> int:
        """The length of the run."""
        return self.schedule.steps

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
    def met(self) -> int:
        """How many runs met their rival's mean final loss."""
        return int(np.sum(np.isfinite(self.reached)))

    @property
    def typical(self) -> float:
        """The median of the updates until then, over the runs that met it; NaN if none did."""
        met = self.reached[np.isfinite(self.reached)]
        return float(np.median(met)) if len(met) else float("nan")


class OneCycleLesson(Lesson):
    """1cycle against piecewise-constant rates: of the same length, and several times as long."""

    kind: ClassVar[str] = "lesson_one_cycle"
    name: ClassVar[str] = "one-cycle"

    held_out: bool  # whether losses are of data that no training saw
    curve: LossCurve  # of the range test
    edge: float | None  # where it lost its footing
    bounds: tuple[float, float] | None  # the cycle that the range test suggests
    guess: float | None  # the peak that `find` named under the shape of the cycle
    momentum: str | None  # the optimizer's name for it; None where it has none
    peak_step: int = Field(gt=0)  # up until then, down until twice then, then the annihilation
    before: float  # mean loss at the begin of the annihilation
    searching: tuple[int, ...]  # the seeds that chose the rates
    judging: tuple[int, ...]  # the seeds that the losses are from
    arms: tuple[Arm, ...] = Field(min_length=3)

    @model_validator(mode="after")
    def _check(self) -> Self:
        named = [arm.arm for arm in self.arms]
        wanted: list[ArmName] = ["one_cycle", "step_short", "step_long"]
        if [name for name in named if name != "steady_momentum"] != wanted:
            raise ValueError(f"arms {named}")
        return self

    def arm(self, name: ArmName) -> Arm | None:
        """One of the arms; None where it was not run."""
        return next((arm for arm in self.arms if arm.arm == name), None)

    @property
    def short(self) -> Arm:
        """1cycle itself."""
        return self.arms[0]

    @property
    def same(self) -> Arm:
        """Piecewise-constant rates over as many steps."""
        return self.arms[-2]

    @property
    def long(self) -> Arm:
        """Piecewise-constant rates over several times as many steps."""
        return self.arms[-1]

    @property
    def times(self) -> float:
        """How many times as long."""
        return self.long.steps / self.short.steps

    def gain(self, rival: Arm) -> tuple[float, float]:
        """How far 1cycle ends below a rival, seed by seed from the same initial weights.

        Returns:
            The mean difference and the half width of its 95 % interval (Student's t); NaN where
            a run broke or there is a single seed.
        """
        from scipy import stats

        with np.errstate(invalid="ignore"):
            pairs = rival.finals - self.short.finals
        if not np.all(np.isfinite(pairs)) or len(pairs) < 2:
            return float("nan"), float("nan")
        error = float(np.std(pairs, ddof=1)) / len(pairs) ** 0.5
        return float(pairs.mean()), float(stats.t.ppf(0.975, len(pairs) - 1)) * error

    def against(self, rival: Arm) -> Verdict:
        """Whether 1cycle ends lower, higher, or cannot be told from a rival."""
        gain, width = self.gain(rival)
        if not np.isfinite(gain):  # a broken run loses to one that held
            if np.isfinite(self.short.mean) == np.isfinite(rival.mean):
                return "alike"
            return "lower" if np.isfinite(self.short.mean) else "higher"
        if abs(gain) <= width:
            return "alike"
        return "lower" if gain > 0 else "higher"
