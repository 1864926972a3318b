"""Rules are pure functions of the curve, and None is an answer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.finder.curves import curve, shifted, with_losses

from etastar.finder.rules import RULES, cyclic_bounds, falling, longest_decrease, steepest
from etastar.finder.smoothing import smooth
from etastar.records import LossCurve

every_rule = pytest.mark.parametrize("name", RULES)


@every_rule
def test_suggests_between_the_fall_and_the_edge(name: str) -> None:
    suggestion = RULES[name](curve(noise=0.01))
    assert suggestion is not None
    assert 1e-5 <= suggestion.lr < 1.0


def test_steepest_is_where_the_logarithm_falls_fastest() -> None:
    made = curve(falls_at=1e-2, depth=1.0, start=10.0)
    suggestion = steepest(made)
    assert suggestion is not None
    assert suggestion.lr == pytest.approx(1e-2, rel=0.2)


@every_rule
@pytest.mark.parametrize("by", [-2.0, -10.0, 100.0])
def test_negative_and_large_losses_are_judged_by_their_differences(name: str, by: float) -> None:
    suggestion = RULES[name](shifted(curve(noise=0.01), by))
    assert suggestion is not None
    assert suggestion.lr < 1.0


@every_rule
def test_a_flat_noisy_curve_gets_no_suggestion(name: str) -> None:
    for seed in range(20):
        flat = curve(depth=0.0, edge=1e9, noise=0.1, seed=seed)
        assert RULES[name](flat) is None


@every_rule
def test_a_rising_curve_gets_no_suggestion(name: str) -> None:
    assert RULES[name](curve(depth=0.0, edge=1e-3)) is None


@every_rule
@given(step=st.integers(0, 119), value=st.sampled_from([np.nan, np.inf, -np.inf]))
def test_never_at_or_after_a_loss_that_is_not_finite(name: str, step: int, value: float) -> None:
    made = curve(noise=0.01)
    suggestion = RULES[name](with_losses(made, **{f"step_{step}": value}))
    assert suggestion is None or suggestion.lr < made.lrs[step]


@every_rule
@given(
    losses=st.lists(
        st.one_of(st.floats(-1e6, 1e6), st.sampled_from([np.nan, np.inf])), min_size=1, max_size=60
    )
)
def test_any_curve_is_answered_within_what_was_tried(name: str, losses: list[float]) -> None:
    lrs = np.geomspace(1e-6, 1.0, len(losses)) if len(losses) > 1 else np.array([0.1])
    suggestion = RULES[name](LossCurve(lrs=lrs, losses=losses))
    if suggestion is not None:
        assert lrs[0] * (1 - 1e-9) <= suggestion.lr <= lrs[-1] * (1 + 1e-9)


def test_cyclic_bounds_hold_the_fall_and_end_before_the_edge() -> None:
    found = falling(smooth(curve(noise=0.01)))
    assert found is not None
    bounds = cyclic_bounds(found)
    assert bounds is not None
    assert bounds.low < 1e-2 < bounds.high < 1.0


@given(st.lists(st.integers(-5, 5), max_size=9))
def test_longest_decrease_is_the_longest(values: list[int]) -> None:
    path = longest_decrease(np.array(values, dtype=float))
    assert path == sorted(path)
    assert all(values[a] > values[b] for a, b in itertools.pairwise(path))
    best = [1] * len(values)
    for j in range(len(values)):
        best[j] += max((best[i] for i in range(j) if values[i] > values[j]), default=0)
    assert len(path) == max(best, default=0)
