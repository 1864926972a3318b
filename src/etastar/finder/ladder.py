"""The ladder: at which horizons the pilots run, and how many at each."""

from __future__ import annotations

from dataclasses import dataclass

SHORTEST = 16
"""Steps below which a pilot says nothing."""

LONGEST_SHARE = 1 / 4
"""No pilot is longer than this share of the run: beyond it, more pilots tell more..."""

AMPLE = 1.5
"""...until the budget, in full runs, pays for many short ones and for some as long as the run."""

PLANS = (
    # pilots on each rung, and its horizon over the first rung's; the first is for ample budgets
    ((5, 1.0), (3, 2.5), (2, 5.0), (2, 12.0)),
    ((5, 1.0), (3, 2.5), (2, 5.0)),
    ((5, 1.0), (3, 3.0)),
    ((5, 1.0),),
)
FIRST_RUNG = {4: 50, 3: 50, 2: 30, 1: SHORTEST}
"""Steps the first rung must have for a ladder of so many to be climbed."""


@dataclass(frozen=True)
class Rung:
    """Pilots of one horizon."""

    pilots: int
    steps: int


def ladder(horizon: int, budget: float, evaluation: float) -> tuple[Rung, ...]:
    """Lay out the pilots that a budget pays for.

    Args:
        horizon: steps of the full run.
        budget: what the pilots may cost, in full runs.
        evaluation: what judging one pilot costs, in steps.

    Returns:
        Rungs of growing horizon; none where the budget pays for no pilot worth its name. The
        tallest ladder whose first rung is long enough is taken.
    """
    affordable = budget * horizon
    ample = budget >= AMPLE
    for plan in PLANS if ample else PLANS[1:]:
        pilots = sum(count for count, _ in plan)
        units = sum(count * ratio for count, ratio in plan)
        first = (affordable - pilots * evaluation) / units
        if first >= FIRST_RUNG[len(plan)]:
            longest = max(SHORTEST, horizon if ample else int(horizon * LONGEST_SHARE))
            return tuple(Rung(count, min(int(first * ratio), longest)) for count, ratio in plan)
    few = int(affordable // (SHORTEST + evaluation))
    return (Rung(few, min(SHORTEST, horizon)),) if few >= 2 else ()
