"""Searches by short decayed pilots: coarse grid, successive halving, random search.

All rates see the same weights and batches, those of the seed (common random numbers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import etastar as es

from .contract import AbstractMethod, evaluation_cost
from .pilots import HIGHEST, LOWEST, MOST_TRIALS, best, pilot

if TYPE_CHECKING:
    from etastar.tasks import Task

    from .contract import Meter

SHARE = 1 / 8
"""Of the horizon, for the pilots of the grid and of random search."""

BRACKET_SHARE, SHORTEST, LONGEST = 0.06, 30, 100
"""The range test's length: a share of the run, within these bounds, as in `etastar.find`."""


@dataclass(frozen=True)
class CoarseGrid(AbstractMethod):
    """Decayed pilots over an eighth of the horizon, from the range test's edge downward.

    The bracket is etastar's own range test, whose cost is counted on top.

    Args:
        pilots: how many.
        spacing: octaves between them.
        first: octaves from the edge to the highest.
    """

    pilots: int
    spacing: float
    first: float

    @property
    def name(self) -> str:
        """What tables call it."""
        octaves = "an octave" if self.spacing == 1 else f"{self.spacing:g} octaves"
        return f"grid, {self.pilots} pilots of T/8, {octaves} apart"

    def search(self, task: Task, seed: int, meter: Meter) -> float:
        """Bracket, train the grid, take the best."""
        steps = int(min(max(BRACKET_SHARE * task.horizon, SHORTEST), LONGEST))
        test = es.range_test(task, steps=steps, seed=seed)
        meter.pay(test.sample_gradients)
        edge = test.edge
        if edge is None:
            edge = float(test.runs[-1].curve.lrs[-1])
            meter.note = "no edge in the range test: the grid hangs from its end"
        octaves = [self.first - self.spacing * index for index in range(self.pilots)]
        rates = [edge * 2**octave for octave in octaves]
        return best({lr: pilot(task, lr, seed, SHARE, meter) for lr in rates})


@dataclass(frozen=True)
class SuccessiveHalving(AbstractMethod):
    """Sixteen rates over six decades; the better half goes on to twice the horizon, four times.

    Every rung costs a quarter of the budget, judging included, and trains anew: what has decayed
    cannot go on.

    References: Jamieson & Talwalkar, 2016. arXiv:1502.07943
    """

    budget: float

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"successive halving, {self.budget:g} runs"

    def search(self, task: Task, seed: int, meter: Meter) -> float:
        """Halve until one of the last two wins."""
        rates = [float(lr) for lr in np.geomspace(LOWEST, HIGHEST, 16)]
        judging = evaluation_cost(task)
        while len(rates) > 1:
            share = min(1.0, max(self.budget / 4 / len(rates) - judging, 1 / task.horizon))
            losses = {lr: pilot(task, lr, seed, share, meter) for lr in rates}
            winner = best(losses)
            rates = sorted(rates, key=lambda lr: losses[lr])[: len(rates) // 2]
        return winner


@dataclass(frozen=True)
class RandomSearch(AbstractMethod):
    """Pilots over an eighth of the horizon at log-uniform rates of six decades."""

    budget: float

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"random search, {self.budget:g} runs"

    def search(self, task: Task, seed: int, meter: Meter) -> float:
        """Draw and train until the budget is spent; what diverges early makes room for more."""
        random = np.random.default_rng(seed)
        losses: dict[float, float] = {}
        while meter.cost + SHARE / 2 <= self.budget and len(losses) < MOST_TRIALS:
            lr = float(np.exp(random.uniform(np.log(LOWEST), np.log(HIGHEST))))
            losses[lr] = pilot(task, lr, seed, SHARE, meter)
        return best(losses)
