"""Which rate to try next: first until the best is bracketed, then where the belief points."""

from __future__ import annotations

import math
from collections.abc import Sequence

from etastar.finder.cliff import lowest_lost
from etastar.finder.prior import Prior
from etastar.finder.scale import trained
from etastar.finder.surrogate import believe
from etastar.records import Trial

FIRST_BELOW_EDGE = (-1.0, -2.5, -4.0)
"""The first rates, in octaves from the edge of stability."""

STRIDE = 1.5
"""Octaves from the outermost rate to the next one beyond it."""

CLOSEST = 0.4
"""Octaves between two rates at one horizon, at least: closer ones tell noise apart, not rates."""


LATTICE = 8
"""Rates are powers of two in steps of an octave over so many. The bowl is far wider than that,
and a search repeated elsewhere asks for the same rates though its sums differ in the last bit."""


def next_rate(
    trials: Sequence[Trial], steps: int, *, horizon: int, start: float, edge: float, prior: Prior
) -> float | None:
    """The rate of the next pilot at a horizon.

    On the first horizon it brackets: from a few rates below the edge outward, until the best
    has a worse neighbour on either side. Then, and on later horizons, it goes where the best
    rate is believed to be, a step to its left and right first.

    Args:
        trials: all so far.
        steps: the pilot's horizon.
        horizon: the full run's.
        start: the loss before any training.
        edge: where the range test lost its footing.
        prior: what is believed before any pilot.

    Returns:
        The rate, or None where one more at this horizon would only repeat one.
    """
    here = [math.log2(trial.lr) for trial in trials if trial.steps == steps]
    if all(trial.steps == steps for trial in trials):
        bracketing = _bracket(trials, start, math.log2(edge))
        if bracketing is not None:
            return _on_lattice(bracketing)
    belief = believe(trials, horizon, start, edge, prior)
    if belief is None:
        return None
    low, middle, high = (float(v) for v in belief.optimum([0.16, 0.5, 0.84], steps))
    step = min(max((high - low) / 2, 0.75), 1.5)
    lost = math.log2(lowest_lost(trials, start))
    for x in (middle - step, middle + step, middle, middle - 2 * step, middle + 2 * step):
        if x < lost - CLOSEST and all(abs(x - other) >= CLOSEST for other in here):
            return _on_lattice(x)
    return None


def _on_lattice(x: float) -> float:
    return 2.0 ** (round(LATTICE * x) / LATTICE)


def _bracket(trials: Sequence[Trial], start: float, edge: float) -> float | None:
    """The next rate of the first horizon while its best is not yet bracketed.

    Returns:
        log2 of the rate, or None once there is a worse rate on either side of the best.
    """
    tried = sorted(((math.log2(t.lr), t) for t in trials), key=lambda pair: pair[0])
    for offset in FIRST_BELOW_EDGE:
        if all(abs(edge + offset - x) > CLOSEST for x, _ in tried):
            return edge + offset
    learned = [(trial.final_loss, x) for x, trial in tried if trained(trial, start)]
    lowest, highest = tried[0][0], tried[-1][0]
    if not learned:
        # all too high, or all too low: the ones that diverged tell
        too_high = any(trial.status == "diverged" for _, trial in tried)
        return lowest - 2 * STRIDE if too_high else highest + STRIDE
    best = min(learned)[1]
    if best == lowest:
        return lowest - STRIDE
    if best == highest:
        return highest + STRIDE
    return None
