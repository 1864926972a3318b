"""The sweep: a table of trials over rates and settings, and the best of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from etastar.records.base import Record
from etastar.records.finding import TaskSummary
from etastar.records.trial import Trial
from etastar.records.views import viewed
from etastar.schedules import Schedule


class Axis(Record):
    """The values of one setting: a range on a scale, or a choice of numbers."""

    kind: ClassVar[str] = "axis"

    scale: Literal["log", "linear", "choice"]
    values: tuple[float, ...] = Field(min_length=1)  # the grid; a range goes from end to end

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not all(math.isfinite(value) for value in self.values):
            raise ValueError("a value that is not finite")
        if self.scale != "choice" and list(self.values) != sorted(set(self.values)):
            raise ValueError("a range whose values do not rise")
        if self.scale == "log" and self.values[0] <= 0:
            raise ValueError("a logarithmic range that reaches 0")
        return self

    @property
    def low(self) -> float:
        """The lowest value."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The highest value."""
        return max(self.values)

    @property
    def varies(self) -> bool:
        """Whether there is more than one value."""
        return self.low < self.high

    def at(self, share: float) -> float:
        """The value at a share of the way from the first to the last.

        Args:
            share: from 0 to 1; a choice has equal room for each of its values.

        Returns:
            The value.
        """
        if self.scale == "choice":
            return self.values[min(int(share * len(self.values)), len(self.values) - 1)]
        if self.scale == "linear":
            value = self.low + share * (self.high - self.low)
        else:
            value = self.low * (self.high / self.low) ** share
        return min(max(value, self.low), self.high)

    def share(self, value: float) -> float:
        """How far a value is from the first to the last: what `at` undoes.

        Returns:
            From 0 to 1 inside the axis; a choice's values are equally far apart.
        """
        if not self.varies:
            return 0.5
        if self.scale == "choice":
            ordered = sorted(set(self.values))
            return ordered.index(value) / (len(ordered) - 1)
        if self.scale == "linear":
            return (value - self.low) / (self.high - self.low)
        return math.log(value / self.low) / math.log(self.high / self.low)


class Contender(Record):
    """A rate with its settings, and how it ended over the seeds."""

    kind: ClassVar[str] = "contender"

    lr: float = Field(gt=0, allow_inf_nan=False)
    settings: dict[str, float]
    mean: float  # final loss over the seeds
    standard_error: float | None = Field(ge=0)  # of the mean; None with one seed
    seeds: int = Field(gt=0)


class Sweep(Record):
    """Trials over rates and settings of the optimizer, the best of them, and its uncertainty.

    `trials` are in the order they were asked for, whatever engine ran them and however often
    the sweep was interrupted. `best` is the lowest mean final loss at the longest horizon, None
    where no setting finished with every seed. `alike` are those that these seeds cannot tell
    apart from it. `importance` shares what makes a trial one of the best among the settings
    that vary. `cost` is in full runs, trials that were `known` before included: so many of them
    the store answered.
    """

    kind: ClassVar[str] = "sweep"

    task: TaskSummary
    space: dict[str, Axis]
    strategy: str
    engine: str
    seeds: tuple[int, ...] = Field(min_length=1)
    seed: int  # of the strategy
    trials: tuple[Trial, ...]
    best: Contender | None
    alike: tuple[Contender, ...]
    importance: dict[str, float]
    cost: float = Field(ge=0)
    budget: float | None = Field(gt=0)
    seconds: float = Field(ge=0)
    environment: dict[str, str]
    warnings: tuple[str, ...]
    known: int = Field(default=0, ge=0)  # trials

    @property
    def lr(self) -> float | None:
        """The best rate, None where nothing finished."""
        return None if self.best is None else self.best.lr

    @property
    def settings(self) -> dict[str, float]:
        """The best settings beside the rate."""
        return {} if self.best is None else dict(self.best.settings)

    @property
    def schedule(self) -> Schedule | None:
        """The task's shape scaled to the best rate, ready to attach."""
        return None if self.best is None else self.task.schedule.scale(self.best.lr)

    def value(self, trial: Trial | Contender, name: str) -> float:
        """What a trial had for an axis of the space.

        Returns:
            Its rate for `lr`, else the setting.
        """
        return trial.lr if name == "lr" else trial.settings[name]

    def table(self) -> list[dict[str, Any]]:
        """The trials as rows, for a data frame.

        Returns:
            A row per trial: a column per axis, then steps, seed, status and final loss.
        """
        return [
            {name: self.value(trial, name) for name in self.space}
            | {
                "steps": trial.steps,
                "seed": trial.seed,
                "status": trial.status,
                "final_loss": trial.final_loss,
            }
            for trial in self.trials
        ]

    def plot(
        self, kind: Literal["rate", "parallel", "importance"] = "rate", by: str | None = None
    ) -> Any:
        """Draw the trials.

        Args:
            kind: loss against rate, parallel coordinates, or the importance of each setting.
            by: the setting that tells the trials apart beside the rate; by default the one that
                matters most.

        Returns:
            A `matplotlib.figure.Figure`.
        """
        return viewed("sweep_figure", self, kind=kind, by=by)

    def report(self, path: str | Path, *, lang: Literal["en", "ko"] = "en") -> Path:
        """Write the sweep as a page: one HTML file that needs nothing beside itself.

        Args:
            path: the file; its folder is made if needed.
            lang: its language.

        Returns:
            The path.

        Raises:
            InputError: no page in that language, or a place that cannot be written.
        """
        return viewed("sweep_report", self, path=path, lang=lang)

    def _repr_html_(self) -> str:
        return viewed("sweep_html", self)

    def __str__(self) -> str:
        return viewed("sweep_text", self)
