"""The cliff: the rate beyond which a run of full length does not survive."""

from __future__ import annotations

import math
from collections.abc import Sequence

from etastar.finder.belief import Cliff
from etastar.finder.scale import trained
from etastar.records import Trial

EDGE_SPREAD = 0.6
"""Octaves by which the cliff of a full run may differ from a range test's edge."""

BEYOND_EDGE = 0.5
"""Octaves a range test stops short of the cliff."""

CLIFF_DRIFT = -0.25
"""Octaves the cliff moves per doubling of the horizon."""


def cliff(
    trials: Sequence[Trial], horizon: int, start: float, edge: float | None, *, abrupt: bool
) -> Cliff | None:
    """Where training of the full length stops to survive.

    Two witnesses, weighed by their precision: the edge a range test saw, and the gap between
    the highest rate that a pilot survived and the lowest at which one failed, lowered with the
    horizon, as a longer run has more chances to fall. A pilot that trained beyond the edge refutes
    it; where stability ends abruptly, the edge is then believed not far beyond that pilot.

    Args:
        trials: so far.
        horizon: the full run, in steps.
        start: the loss before any training.
        edge: where a range test lost its footing, if it did.
        abrupt: gradient descent without clipping does not survive the edge of stability.

    Returns:
        The belief; None where nothing ever failed.
    """
    witnesses: list[tuple[float, float]] = []
    survivors = [trial for trial in trials if trained(trial, start)]
    highest = max((trial.lr for trial in survivors), default=0.0)
    if edge is not None and edge > highest:
        witnesses.append((math.log2(edge) + BEYOND_EDGE, EDGE_SPREAD))
    elif edge is not None and abrupt:  # refuted by a pilot that trained beyond it
        longest = max(trial.steps for trial in survivors if trial.lr == highest)
        lowered = CLIFF_DRIFT * math.log2(horizon / longest)
        witnesses.append((math.log2(highest) + BEYOND_EDGE + lowered, EDGE_SPREAD))
    failed = lowest_lost(trials, start)
    if math.isfinite(failed):
        survivors = [t for t in trials if trained(t, start) and t.lr < failed]
        survived = math.log2(max(t.lr for t in survivors)) if survivors else math.log2(failed) - 2
        longest = max(t.steps for t in survivors or trials)
        lowered = CLIFF_DRIFT * math.log2(horizon / longest)
        gap = math.log2(failed) - survived
        witnesses.append(((math.log2(failed) + survived) / 2 + lowered, gap / 4 + EDGE_SPREAD))
    if not witnesses:
        return None
    precision = sum(spread**-2 for _, spread in witnesses)
    centre = sum(place * spread**-2 for place, spread in witnesses) / precision
    return Cliff(centre=centre, spread=precision**-0.5)


def lowest_lost(trials: Sequence[Trial], start: float) -> float:
    """The lowest rate above the best one at which training failed, at any horizon.

    Returns:
        The rate, infinite where none failed.
    """
    learned = [trial for trial in trials if trained(trial, start)]
    best = min(learned, key=lambda trial: trial.final_loss).lr if learned else 0.0
    return min((t.lr for t in trials if not trained(t, start) and t.lr > best), default=math.inf)
