"""Where training of the full length stops to survive."""

from __future__ import annotations

import math

import pytest
from tests.finder.test_surrogate import START, trial

from etastar.finder.cliff import BEYOND_EDGE, CLIFF_DRIFT, EDGE_SPREAD, cliff
from etastar.records import Trial

HORIZON, PILOT = 4000, 500
SURVIVED = [trial(0.1, PILOT, 0.5), trial(0.4, PILOT, 0.7)]


def believed(
    trials: list[Trial], edge: float | None = None, *, abrupt: bool = False
) -> tuple[float, float] | None:
    """Centre, as a rate, and spread in octaves."""
    found = cliff(trials, HORIZON, START, edge, abrupt=abrupt)
    return None if found is None else (2**found.centre, found.spread)


def test_nothing_failed_so_no_cliff_is_known() -> None:
    assert believed(SURVIVED) is None


def test_a_range_test_stops_short_of_the_cliff() -> None:
    assert believed(SURVIVED, edge=1.0) == pytest.approx((2**BEYOND_EDGE, EDGE_SPREAD))


def test_a_pilot_beyond_the_edge_refutes_it() -> None:
    assert believed(SURVIVED, edge=0.3) is None


def test_where_stability_ends_abruptly_the_cliff_is_near_the_pilot_that_refuted_the_edge() -> None:
    lowered = CLIFF_DRIFT * math.log2(HORIZON / PILOT)
    expected = 0.4 * 2 ** (BEYOND_EDGE + lowered)
    assert believed(SURVIVED, edge=0.3, abrupt=True) == pytest.approx((expected, EDGE_SPREAD))


def test_a_longer_pilot_there_leaves_less_to_lower() -> None:
    lower, longer = trial(0.1, HORIZON, 0.6), trial(0.4, HORIZON, 0.6)
    found = believed([*SURVIVED, longer], edge=0.3, abrupt=True)
    assert found is not None
    assert found[0] == pytest.approx(0.4 * 2**BEYOND_EDGE)
    same = believed([*SURVIVED, lower], edge=0.3, abrupt=True)  # a lower rate says nothing of it
    assert same == believed(SURVIVED, edge=0.3, abrupt=True)


def test_a_failure_puts_the_cliff_between_it_and_the_last_survivor_and_lower_for_the_full_run() -> (
    None
):
    failed = [*SURVIVED, trial(1.6, PILOT, math.nan, status="diverged")]
    found = believed(failed)
    assert found is not None
    assert found[0] == pytest.approx(0.8 * 2 ** (CLIFF_DRIFT * 3))
    assert found[1] > EDGE_SPREAD  # two octaves apart say less than an edge


def test_two_witnesses_say_more_than_one() -> None:
    failed = [*SURVIVED, trial(1.6, PILOT, math.nan, status="diverged")]
    both = believed(failed, edge=0.9)
    assert both is not None
    assert both[1] < EDGE_SPREAD
    only_failure, only_edge = believed(failed), believed(SURVIVED, edge=0.9)
    assert only_failure is not None
    assert only_edge is not None
    assert min(only_failure[0], only_edge[0]) < both[0] < max(only_failure[0], only_edge[0])
