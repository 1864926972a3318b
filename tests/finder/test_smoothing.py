"""Smoothing has no lag, ignores what follows a NaN, and knows its own noise."""

from __future__ import annotations

import numpy as np
import pytest
from tests.finder.curves import curve, with_losses

from etastar.finder.smoothing import noise_of, smooth
from etastar.records import LossCurve


@pytest.mark.parametrize("steps", [30, 100, 400])
def test_a_straight_line_in_log_rate_is_kept_exactly(steps: int) -> None:
    lrs = np.geomspace(1e-6, 1.0, steps)
    line = -5 + 0.7 * np.log10(lrs)  # negative, so no logarithm is taken
    smoothed = smooth(LossCurve(lrs=lrs, losses=line))
    assert smoothed is not None
    np.testing.assert_allclose(smoothed.losses, line, atol=1e-9)
    np.testing.assert_allclose(smoothed.slopes, 0.7, atol=1e-8)


@pytest.mark.parametrize("steps", [60, 100, 200])
def test_the_minimum_stays_within_a_tenth_of_a_decade(steps: int) -> None:
    lrs = np.geomspace(1e-8, 1.0, steps)
    bottom = 1e-3
    losses = 1 + np.abs(np.log10(lrs / bottom))
    smoothed = smooth(LossCurve(lrs=lrs, losses=losses))
    assert smoothed is not None
    lag = np.log10(smoothed.lrs[smoothed.losses.argmin()] / bottom)
    spacing = 8 / steps
    assert abs(lag) <= 0.1 + spacing


def test_nothing_after_the_first_nan_counts() -> None:
    whole = curve(noise=0.05)
    cut = LossCurve(lrs=whole.lrs[:70], losses=whole.losses[:70])
    holed = with_losses(whole, step_70=np.nan)
    a, b = smooth(cut), smooth(holed)
    assert a is not None
    assert b is not None
    np.testing.assert_array_equal(a.losses, b.losses)


def test_noise_is_measured_whatever_the_trend() -> None:
    rng = np.random.default_rng(0)
    jitter = 0.1 * rng.normal(size=2000)
    for slope in (0.0, 1.0, -30.0):
        assert noise_of(jitter + slope * np.arange(2000)) == pytest.approx(0.1, rel=0.1)


def test_too_few_points_are_no_curve() -> None:
    assert smooth(LossCurve(lrs=np.array([1.0, 2.0]), losses=np.array([1.0, 0.5]))) is None
    flat = LossCurve(lrs=np.full(9, 0.1), losses=np.arange(9.0))
    assert smooth(flat) is None


def test_noise_is_smoothed_away() -> None:
    clean, noisy = smooth(curve()), smooth(curve(noise=0.02))
    assert clean is not None
    assert noisy is not None
    calm = slice(0, 60)
    raw_error = np.abs(noisy.raw - clean.raw)[calm].mean()
    assert np.abs(noisy.losses - clean.losses)[calm].mean() < 0.7 * raw_error
