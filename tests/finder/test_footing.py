"""The early stop fires on divergence and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.finder.curves import curve

from etastar.finder.footing import Footing, edge
from etastar.finder.smoothing import smooth


def lost_after(losses: np.ndarray) -> int | None:
    footing = Footing()
    for step, loss in enumerate(losses):
        if footing.lost(float(loss)):
            return step
    return None


@given(seed=st.integers(0, 10_000), offset=st.sampled_from([-50.0, 0.0, 0.7, 300.0]))
def test_noise_alone_never_stops_it(seed: int, offset: float) -> None:
    rng = np.random.default_rng(seed)
    assert lost_after(offset + 0.05 * rng.normal(size=300)) is None


@given(seed=st.integers(0, 10_000))
def test_heavy_tails_and_single_spikes_never_stop_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    losses = 2.3 + 0.05 * rng.standard_t(df=3, size=200).clip(-12, 12)
    losses[rng.integers(20, 200, size=3)] += 2.0
    spikes_apart = losses  # three spikes, rarely next to each other
    step = lost_after(spikes_apart)
    assert step is None or np.sum(losses[step - 2 : step + 1] > 3.5) >= 2


def test_a_loss_below_zero_late_is_no_divergence() -> None:
    """Until then losses were judged by their logarithms, and so was the limit."""
    losses = 2.3 + 0.05 * np.random.default_rng(0).normal(size=200)
    losses[150] = -0.6
    assert lost_after(losses) is None
    losses[170:] = 5.0
    assert lost_after(losses) == 172


def test_a_slow_start_with_a_rise_does_not_stop_it() -> None:
    rng = np.random.default_rng(0)
    rise = np.concatenate([np.linspace(2.3, 2.45, 60), np.linspace(2.45, 0.4, 100)])
    assert lost_after(rise + 0.02 * rng.normal(size=160)) is None


@pytest.mark.parametrize("shift", [0.0, -5.0, -2000.0])
def test_divergence_stops_it_within_a_quarter_decade_of_the_climb(shift: float) -> None:
    made = curve(noise=0.01)
    step = lost_after(made.losses + shift)
    assert step is not None
    assert made.lrs[step] > 1.0
    if shift >= -5.0:
        assert made.lrs[step] < 4.0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_stops_it_at_once(value: float) -> None:
    assert lost_after(np.array([1.0, 0.9, value, 0.8])) == 2


def test_a_collapse_to_the_start_is_divergence_too() -> None:
    # dead units: the loss returns to where it began and stays there
    losses = np.concatenate([np.full(20, 2.303), np.linspace(2.3, 0.5, 40), np.full(40, 2.303)])
    step = lost_after(losses)
    assert step is not None
    assert step < 75


def test_the_edge_lies_where_the_climb_begins() -> None:
    smoothed = smooth(curve(edge=0.3, noise=0.01))
    assert smoothed is not None
    found = edge(smoothed, ended_lost=True)
    assert found is not None
    assert 0.2 < found < 0.6
    assert edge(smoothed, ended_lost=False) is None
