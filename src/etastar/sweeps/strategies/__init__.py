"""Strategies: what to train next, by name."""

from __future__ import annotations

from collections.abc import Callable

from etastar.errors import InputError
from etastar.schedules.suggest import nearest
from etastar.sweeps.strategies.asha import Asha
from etastar.sweeps.strategies.contract import (
    Outcome,
    Plan,
    Point,
    Run,
    Strategy,
    cost_of,
    counted,
)
from etastar.sweeps.strategies.fixed import grid, random, sobol
from etastar.sweeps.strategies.halving import halving, hyperband
from etastar.sweeps.strategies.sampled import cmaes, tpe
from etastar.sweeps.strategies.surrogate import Search, Surrogate

__all__ = [
    "STRATEGIES",
    "Outcome",
    "Plan",
    "Point",
    "Run",
    "Search",
    "Strategy",
    "check_name",
    "cost_of",
    "counted",
    "strategy_named",
]

_MAKERS: dict[str, Callable[[Plan], Strategy]] = {
    "grid": grid,
    "random": random,
    "sobol": sobol,
    "halving": halving,
    "hyperband": hyperband,
    "asha": Asha,
    "tpe": tpe,
    "cmaes": cmaes,
}

STRATEGIES = (*_MAKERS, "find")
"""Their names."""


def check_name(name: str) -> None:
    """Refuse a name no strategy has.

    Raises:
        InputError: with those there are.
    """
    if name not in STRATEGIES:
        raise InputError(
            f"strategy={name!r} is not known{nearest(str(name), STRATEGIES)}: use one of "
            f"{', '.join(STRATEGIES)}."
        )


def strategy_named(name: str, plan: Plan, search: Search) -> Strategy:
    """The strategy of that name.

    Args:
        name: one of `STRATEGIES`.
        plan: what it has to work with.
        search: runs `find`, for the strategy that is `find`'s.

    Returns:
        The strategy, before its first question.

    Raises:
        InputError: no such strategy, or it cannot work with the plan.
    """
    check_name(name)
    return Surrogate(plan, search) if name == "find" else _MAKERS[name](plan)
