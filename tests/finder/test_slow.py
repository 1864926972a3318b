"""Pilots beyond hope are stopped, and no others."""

from __future__ import annotations

import math

import numpy as np

from etastar.finder.slow import too_slow
from etastar.records import LossCurve, Trial

STEPS = 100


def falling(by: float) -> list[float]:
    """Losses that fall from 2 by so much over the run."""
    return np.linspace(2.0, 2.0 - by, STEPS).tolist()


def pilot(lr: float, by: float, steps: int = STEPS, seed: int = 0, lost: bool = False) -> Trial:
    losses = falling(by)[:steps]
    return Trial(
        lr=lr,
        seed=seed,
        steps=steps,
        status="diverged" if lost else "finished",
        final_loss=math.nan if lost else losses[-1],
        curve=LossCurve(lrs=[lr] * steps, losses=losses),
        sample_gradients=steps,
        seconds=0.0,
    )


ENDED = [pilot(0.1, by=1.6), pilot(0.4, by=1.2)]


def stopped_at(by: float, lr: float = 0.01) -> int | None:
    """The step at which a pilot that falls by so much is stopped."""
    lost = too_slow(ENDED, lr, 0, STEPS)
    assert lost is not None
    losses = falling(by)
    return next((n for n in range(1, STEPS + 1) if lost(losses[:n], n - 1)), None)


def test_a_pilot_with_a_fraction_of_the_best_ones_progress_is_stopped_half_way() -> None:
    assert stopped_at(by=0.2) == STEPS // 2
    assert stopped_at(by=-0.5) == STEPS // 2


def test_one_with_half_of_it_goes_on() -> None:
    assert stopped_at(by=0.8) is None


def test_a_pilot_that_catches_up_is_kept_from_then_on() -> None:
    lost = too_slow(ENDED, 0.01, 0, STEPS)
    assert lost is not None
    late = [2.0] * 40 + np.linspace(2.0, 1.2, 60).tolist()
    assert lost(late[:50], 49)
    assert not lost(late, STEPS - 1)


def test_a_higher_rate_is_never_stopped() -> None:
    assert too_slow(ENDED, 0.2, 0, STEPS) is None
    assert too_slow(ENDED, 0.1, 0, STEPS) is None


def test_only_pilots_of_the_same_length_and_seed_are_compared() -> None:
    assert too_slow(ENDED, 0.01, 1, STEPS) is None
    assert too_slow(ENDED, 0.01, 0, 2 * STEPS) is None
    assert too_slow(ENDED[:1], 0.01, 0, STEPS) is None
    assert too_slow([ENDED[0], pilot(0.4, 1.9, lost=True)], 0.01, 0, STEPS) is None
