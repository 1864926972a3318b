"""Optimizers raced over three landscapes, run on a real task, and what they cost."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from etastar.records.arrays import FloatArray
from etastar.records.base import Record
from etastar.records.finding import Verdict
from etastar.records.lessons.base import Lesson

Optimizer = Literal[
    "SGD", "momentum", "Nesterov", "Adagrad", "Adadelta", "RMSprop", "Adam", "AdamW"
]
Place = Literal["valley", "aligned", "saddle", "bowl"]


class Terrain(Record):
    """A loss over two weights: ½·along·u² + ½·across·v² + ¼·quartic·v⁴.

    u and v are the weights' distances from the centre along two axes turned by `angle`.
    """

    kind: ClassVar[str] = "terrain"

    along: float
    across: float
    quartic: float = Field(default=0.0, ge=0)
    angle: float  # radians
    centre: tuple[float, float]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.along <= 0 or (self.across <= 0 and self.quartic <= 0):
            raise ValueError(f"a loss without bottom: curvatures {self.along} and {self.across}")
        return self

    def height(self, x: Any, y: Any) -> Any:
        """The loss at weights x and y: numbers, arrays or tensors of one shape.

        Returns:
            Of the same kind and shape.
        """
        x, y = x - self.centre[0], y - self.centre[1]
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        u, v = cos * x + sin * y, cos * y - sin * x
        return 0.5 * self.along * u**2 + 0.5 * self.across * v**2 + 0.25 * self.quartic * v**4

    def at(self, u: float, v: float) -> tuple[float, float]:
        """The weights that lie u and v from the centre."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return self.centre[0] + cos * u - sin * v, self.centre[1] + sin * u + cos * v

    @property
    def minima(self) -> tuple[tuple[float, float], ...]:
        """Where the loss is lowest: at the centre, or on both sides of a saddle."""
        if self.across >= 0:
            return (self.centre,)
        away = math.sqrt(-self.across / self.quartic)
        return self.at(0, away), self.at(0, -away)

    @property
    def lowest(self) -> float:
        """The lowest loss; at the centre of a saddle it is 0."""
        return 0.0 if self.across >= 0 else -(self.across**2) / (4 * self.quartic)


class Racer(Record):
    """One optimizer at the best of all rates tried."""

    kind: ClassVar[str] = "racer"

    optimizer: Optimizer
    lr: float = Field(gt=0, allow_inf_nan=False)
    score: float  # by which the rate was chosen, anew where there is chance; lower is better
    error: float = Field(ge=0)  # standard error of the score; 0 where there is no chance
    x: FloatArray  # (S+1,) the path of the first seed
    y: FloatArray  # (S+1,)
    losses: FloatArray  # (S+1,) without noise, mean over the seeds
    scores: FloatArray  # (R,) at every rate tried; infinite where it diverged or never escaped


class Race(Record):
    """All optimizers over one terrain from one start, each at its own best constant rate.

    The score is the loss above the lowest, mean over the last tenth of the steps and over the
    seeds; on the saddle it is the number of steps until the loss is half way down to the minima,
    never to rise above the saddle again.
    """

    kind: ClassVar[str] = "race"

    place: Place
    terrain: Terrain
    start: tuple[float, float]
    steps: int = Field(gt=0)
    noise: float = Field(ge=0)  # standard deviation of each gradient's error
    seeds: int = Field(gt=0)  # as many to choose a rate by, and as many others to score it
    lrs: FloatArray  # (R,) rising
    racers: tuple[Racer, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for racer in self.racers:
            walked = {len(racer.x), len(racer.y), len(racer.losses)}
            if walked != {self.steps + 1} or len(racer.scores) != len(self.lrs):
                raise ValueError(f"{racer.optimizer} has other lengths than its race")
        return self


class TaskRun(Record):
    """One optimizer on the task: the rate found, and full runs at it and at torch's default."""

    kind: ClassVar[str] = "task_run"

    optimizer: Optimizer
    lr: float | None = Field(gt=0, allow_inf_nan=False)  # None: none was found
    interval: tuple[float, float] | None
    verdict: Verdict
    cost: float = Field(ge=0)  # of finding it, in full runs
    default_lr: float = Field(gt=0)
    finals: FloatArray  # (K,) per seed; NaN where a run diverged
    default_finals: FloatArray  # of the first seeds
    steps: FloatArray  # (P,) where the curve was read
    losses: FloatArray  # (P,) training loss around there, mean over the seeds


class Price(Record):
    """What an optimizer costs: time over that of SGD, in pairs, and bytes of state."""

    kind: ClassVar[str] = "price"

    optimizer: Optimizer
    step_ratio: float = Field(gt=0)  # of a whole step: forward, backward, update; median
    step_low: float = Field(gt=0)  # a quarter of the pairs lie below,
    step_high: float = Field(gt=0)  # and a quarter above
    update_ratio: float = Field(gt=0)  # of the update alone; median
    state_bytes: float = Field(ge=0)  # per trained number, after a step


class Optimizers(Lesson):
    """Eight optimizers, each at its own rate: over three landscapes and on a real task."""

    kind: ClassVar[str] = "lesson_optimizers"
    name: ClassVar[str] = "optimizers"

    races: tuple[Race, ...] = Field(min_length=1)
    objective: str  # what the final losses of the task are
    task_steps: int = Field(gt=0)
    parameters: int = Field(gt=0)
    seeds: tuple[int, ...] = Field(min_length=1)  # of the runs at the rates found; K
    runs: tuple[TaskRun, ...] = Field(min_length=1)
    pairs: int = Field(gt=0)  # of timings, per optimizer
    step_seconds: float = Field(gt=0)  # of a whole step with SGD, median
    device: str
    prices: tuple[Price, ...] = Field(min_length=1)

    def race(self, place: Place) -> Race:
        """The race over a place, which must have been run."""
        return {race.place: race for race in self.races}[place]
