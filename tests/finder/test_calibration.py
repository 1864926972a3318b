"""What may be promised of the belief's probabilities."""

from __future__ import annotations

import pytest

from etastar.finder.calibration import MOST_DOUBT, MOST_TIGHT, doubt, promised


@pytest.mark.parametrize("belief", [0.1, 0.5, 0.9])
def test_the_belief_is_too_modest(belief: float) -> None:
    within, tight = promised(belief, belief, None)
    assert belief < within < 1
    assert tight > belief or tight == MOST_TIGHT


def test_certainty_stays_and_so_does_impossibility() -> None:
    assert promised(1.0, 0.0, None) == (1.0, 0.0)


def test_no_pilot_makes_a_regret_below_one_per_cent_sure() -> None:
    assert promised(1.0, 1.0, None)[1] == MOST_TIGHT


def test_passes_that_no_pilot_saw_are_doubted() -> None:
    doubts = [doubt(passes) for passes in (None, 0.5, 4, 12, 40, 1000)]
    assert doubts[:3] == [0.0, 0.0, 0.0]
    assert 0 < doubts[3] < MOST_DOUBT
    assert doubts[4:] == pytest.approx([MOST_DOUBT, MOST_DOUBT])
    assert promised(1.0, 1.0, 400) == pytest.approx((0.75, 0.75 * MOST_TIGHT))
