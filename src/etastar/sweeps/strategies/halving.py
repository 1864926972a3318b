"""Successive halving and Hyperband: many short runs, the best of them again for longer.

Every run is a miniature of the full one under its whole schedule, so a longer run begins anew
and a shorter one is judged after its decay, not in the middle of it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from etastar.errors import InputError
from etastar.sweeps.strategies.contract import Outcome, Plan, Run, cost_of, counted
from etastar.sweeps.strategies.fixed import RANDOM_TRIALS, spread

ETA = 3
"""One run in three goes on, for three times as many steps."""

FEWEST_STEPS = 10
"""The shortest run."""

MOST_HALVINGS = 3
"""Runs of less than a 27th of the horizon say little about the whole."""


def horizons(steps: int, halvings: int) -> list[int]:
    """The horizons of a bracket, shortest first.

    Returns:
        `halvings + 1` numbers of steps, fewer where the shortest would be under ten.
    """
    shares = [steps // ETA**k for k in range(halvings, 0, -1)]
    return [*(share for share in shares if share >= FEWEST_STEPS), steps]


def sizes(points: int, rungs: int) -> list[int]:
    """How many points a bracket keeps at each of its horizons.

    Returns:
        A third of the number before, at least 1.
    """
    return [max(1, points // ETA**k) for k in range(rungs)]


class Brackets:
    """Brackets of successive halving, one after another.

    Args:
        plan: of the sweep.
        brackets: for each how many points it begins with, and its horizons.

    References: Jamieson & Talwalkar, arXiv:1502.07943; Li et al., Hyperband, arXiv:1603.06560.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, plan: Plan, brackets: Sequence[tuple[int, list[int]]]) -> None:
        self._plan = plan
        self._points = spread(plan)
        self._brackets = list(brackets)
        self._left: list[int] = []  # horizons after the present one
        self._sizes: list[int] = []
        self._runs: list[Run] = []
        self.cost: float | None = sum(_bracket_cost(plan, *bracket) for bracket in brackets)

    def ask(self) -> Sequence[Run]:
        """The present rung of the present bracket; the next bracket where it came to its end."""
        if not self._runs and self._brackets:
            points, steps = self._brackets.pop(0)
            self._left, self._sizes = steps[1:], sizes(points, len(steps))[1:]
            fresh = itertools.islice(self._points, points)
            self._runs = [self._plan.run(values, steps[0]) for values in fresh]
        return list(dict.fromkeys(self._runs))

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Keep the best; the lost go no further."""
        self._runs = []
        if self._left:
            steps, kept = self._left.pop(0), self._sizes.pop(0)
            best = sorted((o for o in outcomes if o.loss < math.inf), key=lambda o: o.loss)
            self._runs = [
                self._plan.run({"lr": o.run.point.lr, **dict(o.run.point.settings)}, steps)
                for o in best[:kept]
            ]


def halving(plan: Plan) -> Brackets:
    """One bracket, from as many points as said, or as the budget pays for, or 16.

    Returns:
        The strategy.

    Raises:
        InputError: the budget does not pay for one full run.
    """

    def bracket(points: int) -> tuple[int, list[int]]:
        # the last horizon keeps one point; more halvings than that keep it waiting
        halvings = min(MOST_HALVINGS, int(math.log(points + 0.5, ETA)))
        return points, horizons(plan.steps, halvings)

    points = plan.trials or RANDOM_TRIALS
    if plan.budget is not None:
        if plan.trials is None:
            points = 10_000
        while points > 0 and _bracket_cost(plan, *bracket(points)) > plan.budget:
            points -= 1
        if points == 0 or (plan.trials is not None and points < plan.trials):
            least = _bracket_cost(plan, *bracket(plan.trials or 1))
            raise InputError(_unaffordable(plan, "halving", least))
    return Brackets(plan, [bracket(points)])


def hyperband(plan: Plan) -> Brackets:
    """Brackets from many short runs to few full ones, for when short runs may mislead.

    Returns:
        The strategy.

    Raises:
        InputError: a number of points was named, which the brackets decide; or the budget does
            not pay for the smallest set of them.
    """
    if plan.trials is not None:
        raise InputError(
            f"trials={plan.trials} was given and Hyperband's brackets decide how many points they "
            f"begin with: leave trials out, pass budget=, or use strategy='halving'."
        )
    most = len(horizons(plan.steps, MOST_HALVINGS)) - 1
    least = 0.0
    for largest in range(most, -1, -1):
        brackets = [
            (math.ceil((largest + 1) / (k + 1) * ETA**k), horizons(plan.steps, k))
            for k in range(largest, -1, -1)
        ]
        least = sum(_bracket_cost(plan, *bracket) for bracket in brackets)
        if plan.budget is None or least <= plan.budget:
            return Brackets(plan, brackets)
    raise InputError(_unaffordable(plan, "hyperband", least))


def _bracket_cost(plan: Plan, points: int, steps: list[int]) -> float:
    rungs = zip(steps, sizes(points, len(steps)), strict=True)
    one = {"lr": 1.0}
    return sum(kept * cost_of([plan.run(one, length)], plan.steps) for length, kept in rungs)


def _unaffordable(plan: Plan, name: str, least: float) -> str:
    trials, fewer = "", ""
    if plan.trials is not None:
        trials, fewer = f" with trials={plan.trials}", ", or begin with fewer points"
    return (
        f"a budget of {counted(plan.budget or 0.0, 'full run')} does not pay for "
        f"strategy={name!r}{trials}, which costs {least:.3g} at least with "
        f"{counted(len(plan.seeds), 'seed')}: give more{fewer}."
    )
