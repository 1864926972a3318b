"""`find`'s own surrogate as a strategy: it looks for the rate, then the rate is trained in full."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from etastar.errors import InputError
from etastar.records import Finding
from etastar.sweeps.strategies.contract import Outcome, Plan, Run, counted

Search = Callable[[float], Finding]
"""Runs `find` with a budget in full runs on the sweep's engine."""

FIND_BUDGET = 0.5
"""What `find` may spend where the caller names no budget, in full runs."""


class Surrogate:
    """Asks `find` for the rate, then for a full run at it with every seed.

    Args:
        plan: of the sweep; only the rate may vary, and `find` brackets it itself.
        search: runs `find`.

    Raises:
        InputError: a setting varies, or the budget does not pay for the full run.
    """

    def __init__(self, plan: Plan, search: Search) -> None:
        varying = [name for name, axis in plan.axes.items() if axis.varies]
        if varying:
            raise InputError(
                f"strategy='find' brackets the rate by itself and varies nothing else, and the "
                f"space has values for {', '.join(varying)}: leave them out, or use "
                f"strategy='halving'."
            )
        if plan.trials is not None:
            raise InputError(
                f"trials={plan.trials} was given and strategy='find' decides how many pilots it "
                f"makes: pass budget= instead."
            )
        full = float(len(plan.seeds))
        if plan.budget is not None and plan.budget <= full:
            raise InputError(
                f"a budget of {counted(plan.budget, 'full run')} does not pay for finding the "
                f"rate and then {counted(full, 'full run')} at it: give more, such as "
                f"{full + FIND_BUDGET:g}."
            )
        self._plan = plan
        self._search = search
        self._begun = False
        self._allowed = FIND_BUDGET if plan.budget is None else plan.budget - full
        self.cost: float | None = self._allowed + full
        self.notes: tuple[str, ...] = ()

    def ask(self) -> Sequence[Run]:
        """First the search, then one run at the rate it found; none without an answer."""
        if self._begun:
            return ()
        self._begun = True
        finding = self._search(self._allowed)
        self.notes = finding.warnings
        if finding.lr is None:
            rest = counted(len(self._plan.seeds), "full run")
            self.notes = (
                *self.notes,
                f"find gave no answer: {finding.reason}; the sweep's budget pays for the search "
                f"and for {rest} after it, {self.cost:g} in all here",
            )
            return ()
        fixed = {name: axis.low for name, axis in self._plan.axes.items()}
        return [self._plan.run({**fixed, "lr": finding.lr})]

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Nothing follows from it."""
