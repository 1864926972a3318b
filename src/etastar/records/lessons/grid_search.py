"""One sweet spot, looked for by a grid of full runs, by a range test and by `find`."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from etastar.records.arrays import FloatArray
from etastar.records.base import Record
from etastar.records.finding import Verdict
from etastar.records.lessons.base import Lesson

Way = Literal["grid", "steepest", "valley", "minimum_over_10", "slide", "find"]


class Named(Record):
    """The rate that one way names, where full runs at it end, and what naming it cost."""

    kind: ClassVar[str] = "named_rate"

    way: Way
    lr: float | None = Field(gt=0, allow_inf_nan=False)  # None: it names none
    finals: FloatArray  # (J,) per judging seed; NaN where a run diverged; empty without a rate
    cost: float = Field(ge=0)  # in full runs
    seconds: float = Field(ge=0)
    interval: tuple[float, float] | None = None  # of `find`: holds the best rate, 80 %
    verdict: Verdict | None = None  # of `find`


class GridSearch(Lesson):
    """A grid of full runs on one task, and beside it what range test and `find` say.

    The grid is trained with one seed, octave by octave and in half octaves near its best; then
    every rate that was named, and every rate of the grid, is trained with other seeds.
    """

    kind: ClassVar[str] = "lesson_grid_search"
    name: ClassVar[str] = "grid-search"

    objective: str  # what the final losses are
    steps: int = Field(gt=0)  # of a full run
    default_lr: float = Field(gt=0)  # the task's own; the grid is laid around it
    judges: tuple[int, ...] = Field(min_length=1)  # the other seeds; J
    coarse: int = Field(gt=0)  # so many points of the grid are octaves, the others between them
    lrs: FloatArray  # (R,) of the grid, as they were trained
    losses: FloatArray  # (R,) final; NaN where the run diverged
    spent: FloatArray  # (R,) full runs, up to and with each
    means: FloatArray  # (R,) over the judging seeds; NaN where one diverged
    deviations: FloatArray  # (R,) standard deviations
    pilot_lrs: FloatArray  # (P,) of `find`
    pilot_steps: FloatArray  # (P,)
    pilot_losses: FloatArray  # (P,) NaN where it diverged or was stopped
    pilot_spent: FloatArray  # (P,) full runs, range test included
    engine: str  # that trained the grid
    why_engine: str
    run_seconds: float = Field(gt=0)  # of one full run by itself
    named: tuple[Named, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        grid = {len(self.lrs), len(self.losses), len(self.spent)}
        grid |= {len(self.means), len(self.deviations)}
        pilots = {len(self.pilot_lrs), len(self.pilot_steps), len(self.pilot_losses)}
        if len(grid) > 1 or len(pilots | {len(self.pilot_spent)}) > 1:
            raise ValueError("columns of other lengths than their rates")
        if any(one.lr is not None and len(one.finals) != len(self.judges) for one in self.named):
            raise ValueError(f"final losses of other seeds than the {len(self.judges)} judges")
        return self

    def by(self, way: Way) -> Named:
        """What one way names; each way is there once."""
        return {one.way: one for one in self.named}[way]
