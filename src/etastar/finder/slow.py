"""Stops pilots that are clearly too slow, so that the budget goes where the answer is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from etastar.engine import Lost
from etastar.records import Trial

FROM = 0.5
"""The share of its steps a pilot is given before it may be stopped."""

SLOW = 0.25
"""It is stopped if it then made less than this share of the best pilot's progress."""

FEWEST = 2
"""Pilots of the horizon that must have ended first: the belief needs as many."""

WINDOW = 0.1
"""Losses are compared as means over this share of the steps, on the same batches."""


def too_slow(trials: Sequence[Trial], lr: float, seed: int, steps: int) -> Lost | None:
    """Whether a pilot is beyond hope, seen beside the best one of its horizon and seed.

    Only rates below the best one's are stopped: they move as they will, only slower. A higher
    rate may look worse for long and win when the schedule brings it down.

    Args:
        trials: all so far.
        lr: the pilot's rate.
        seed: its seed.
        steps: its horizon.

    Returns:
        What an engine takes as `lost`; None where there is nothing to compare with.
    """
    beside = [t for t in trials if t.steps == steps and t.seed == seed and t.measured]
    if len(beside) < FEWEST:
        return None
    best = min(beside, key=lambda trial: trial.final_loss)
    if best.lr <= lr:
        return None
    window = max(1, round(WINDOW * steps))
    earliest = max(int(FROM * steps), 2 * window)
    reference = best.curve.losses

    def lost(losses: Sequence[float], _: int) -> bool:
        done = len(losses)
        if done < earliest or done % window:
            return False
        begin = float(np.mean(reference[:window]))
        now = float(np.mean(losses[done - window : done]))
        then = float(np.mean(reference[done - window : done]))
        return begin - now < SLOW * (begin - then)

    return lost
