"""What every strategy promises: it says what to train next, and hears what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from etastar.records import Axis


@dataclass(frozen=True)
class Point:
    """A place in the space: a rate, and settings beside it in the order of their names."""

    lr: float
    settings: tuple[tuple[str, float], ...] = ()

    @classmethod
    def at(cls, values: Mapping[str, float]) -> Point:
        """The point with these values, `lr` among them."""
        rest = sorted((name, value) for name, value in values.items() if name != "lr")
        return cls(values["lr"], tuple(rest))


@dataclass(frozen=True)
class Run:
    """A point to train at a horizon, once with each seed."""

    point: Point
    steps: int
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    run: Run
    loss: float  # mean final loss over the seeds; inf where one of them was lost


@dataclass(frozen=True)
class Plan:
    """What a strategy has to work with."""

    axes: Mapping[str, Axis]
    steps: int  # the full horizon
    seeds: tuple[int, ...]
    seed: int  # of the strategy's own randomness
    trials: int | None = None  # points, where the caller names a number
    budget: float | None = None  # full runs, where the caller names a number

    def run(self, values: Mapping[str, float], steps: int | None = None) -> Run:
        """A run at the full horizon with every seed, or at a shorter one with the first.

        Short horizons only choose what goes on; seeds are spent where the decision is close.

        Returns:
            The run.
        """
        if steps is None or steps >= self.steps:
            return Run(Point.at(values), self.steps, self.seeds)
        return Run(Point.at(values), steps, self.seeds[:1])


class Strategy(Protocol):
    """Chooses what to train.

    The same plan and the same outcomes give the same runs: nothing depends on the engine, on
    time, or on whether a trial was trained now or found in a store. So batches have a size of
    the strategy's own, and a resumed sweep asks for what the first one did.
    """

    @property
    def cost(self) -> float | None:
        """What it will ask for in all, in full runs, where that is known from the start."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of the sweep should be warned of."""
        ...

    def ask(self) -> Sequence[Run]:
        """The next runs, to be trained side by side; none when it is done."""
        ...

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Hear what came of the runs just asked for, in their order."""
        ...


def cost_of(runs: Sequence[Run], steps: int) -> float:
    """What runs cost when all of them go to their end.

    Args:
        runs: to be trained.
        steps: the full horizon.

    Returns:
        Full runs.
    """
    return sum(run.steps * len(run.seeds) for run in runs) / steps


def counted(number: float, noun: str) -> str:
    """A number of something, in words.

    Returns:
        Its text.

    >>> counted(1, "seed"), counted(0.5, "full run")
    ('1 seed', '0.5 full runs')
    """
    return f"{number:g} {noun}{'' if number == 1 else 's'}"
