"""Strategies that know all their runs from the start: grid, random and quasi-random points."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from etastar.errors import InputError
from etastar.sweeps.strategies.contract import Outcome, Plan, Run, cost_of, counted

RANDOM_TRIALS = 16
"""Points where the caller names no number."""


class Fixed:
    """Runs known from the start, asked for at once."""

    notes: tuple[str, ...] = ()

    def __init__(self, runs: Sequence[Run], steps: int) -> None:
        self._runs = list(dict.fromkeys(runs))  # a choice may come up twice
        self.cost: float | None = cost_of(self._runs, steps)

    def ask(self) -> Sequence[Run]:
        """All runs, then none."""
        asked, self._runs = self._runs, []
        return asked

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Nothing follows from them."""


def grid(plan: Plan) -> Fixed:
    """Every combination of the axes' values, the rates of one setting next to each other.

    Returns:
        The strategy.

    Raises:
        InputError: a number of trials was named, which the grid decides, or a budget it exceeds.
    """
    others = [name for name in plan.axes if name != "lr"]
    count = math.prod(len(axis.values) for axis in plan.axes.values())
    if plan.trials is not None and plan.trials != count:
        raise InputError(
            f"trials={plan.trials} was given and the grid has {counted(count, 'point')}: leave "
            f"trials out, name the points of a range, or use strategy='sobol'."
        )
    if plan.budget is not None and count * len(plan.seeds) > plan.budget:
        raise InputError(
            f"the grid of {counted(count, 'point')} with {counted(len(plan.seeds), 'seed')} costs "
            f"{counted(count * len(plan.seeds), 'full run')}, above the budget of "
            f"{plan.budget:g}: name fewer points, a larger budget, or use strategy='halving'."
        )
    combined = itertools.product(*(plan.axes[name].values for name in (*others, "lr")))
    runs = [plan.run(dict(zip((*others, "lr"), values, strict=True))) for values in combined]
    return Fixed(runs, plan.steps)


def random(plan: Plan) -> Fixed:
    """Points drawn evenly on the axes' scales, independent of each other.

    References: Bergstra & Bengio, Random Search for Hyper-Parameter Optimization, JMLR 2012.

    Returns:
        The strategy.
    """
    shares = np.random.default_rng(plan.seed).random((points_of(plan), len(plan.axes)))
    return Fixed([plan.run(_values(plan, row.tolist())) for row in shares], plan.steps)


def sobol(plan: Plan) -> Fixed:
    """Quasi-random points: the scrambled Sobol sequence, which leaves no gaps.

    References: Owen, Scrambling Sobol' and Niederreiter–Xing Points, J. Complexity 1998.

    Returns:
        The strategy.
    """
    wanted = itertools.islice(spread(plan), points_of(plan))
    return Fixed([plan.run(values) for values in wanted], plan.steps)


def points_of(plan: Plan) -> int:
    """How many points to draw: as many as said and the budget allows, or 16.

    Returns:
        At least 1.

    Raises:
        InputError: the budget does not pay for one.
    """
    if plan.budget is None:
        return plan.trials or RANDOM_TRIALS
    affordable = int(plan.budget / len(plan.seeds))
    if affordable == 0:
        raise InputError(
            f"a budget of {counted(plan.budget, 'full run')} does not pay for one point with "
            f"{counted(len(plan.seeds), 'seed')}, which is trained in full: give at least "
            f"{len(plan.seeds)}."
        )
    return min(plan.trials or affordable, affordable)


def spread(plan: Plan) -> Iterator[dict[str, float]]:
    """Endless quasi-random points of the plan's axes.

    Yields:
        Values by name.
    """
    from scipy.stats.qmc import Sobol

    # `rng` since scipy 1.15, which takes both
    sequence = Sobol(len(plan.axes), scramble=True, seed=plan.seed)  # pyright: ignore[reportCallIssue]
    for doubled in itertools.count():
        # whole powers of two: the sequence is balanced there, and warns elsewhere
        for row in sequence.random_base2(max(doubled - 1, 0)):
            yield _values(plan, row.tolist())


def _values(plan: Plan, shares: Sequence[float]) -> dict[str, float]:
    return {
        name: axis.at(share) for (name, axis), share in zip(plan.axes.items(), shares, strict=True)
    }
