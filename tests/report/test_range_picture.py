"""The picture of a range test, read back from its artists."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.report import made
from tests.report.test_finding_picture import axes_of, dots, legend, pixels, title, words

from etastar.records import LossCurve, RangeRun, RangeTest
from etastar.report import range_test_figure
from etastar.report.range_data import range_data, running_median

if TYPE_CHECKING:
    from collections.abc import Sequence


def with_losses(losses: Sequence[float], **fields: object) -> RangeTest:
    lrs = np.geomspace(1e-4, 1, len(losses))
    curve = LossCurve(lrs=lrs, losses=np.array(losses))
    run = RangeRun(seed=0, curve=curve, stopped="non_finite")
    empty = {"edge": None, "cyclic": None, "suggestions": {"valley": None}}
    return made.range_test(runs=(run,), **{**empty, **fields})


def seeds(number: int) -> RangeTest:
    runs = tuple(
        RangeRun(seed=seed, curve=made.curve(seed, end=1 + 0.2 * seed), stopped="diverged")
        for seed in range(number)
    )
    return made.range_test(runs=runs)


def test_raw_losses_and_their_running_median_are_drawn() -> None:
    result = made.range_test()
    lines = {str(x.get_label()): x for x in axes_of(range_test_figure(result)).lines}
    assert np.array_equal(np.asarray(lines["loss"].get_ydata()), result.runs[0].curve.losses)
    assert lines["loss"].get_alpha() == 0.5
    assert "running median" in lines


def test_suggestions_edge_and_cyclic_bounds_are_named_with_their_rates() -> None:
    figure = range_test_figure(made.range_test())
    assert {
        "steepest: 0.009",
        "valley: 0.04",
        "minimum over 10: 0.05",
        "edge of stability: 1.1",
        "cyclic: 0.004 to 0.3",
    } <= set(words(figure))
    assert not any("slide" in text for text in words(figure))
    upright = [np.asarray(x.get_xdata()).tolist() for x in axes_of(figure).lines]
    assert [0.009, 0.009] in upright
    assert [1.1, 1.1] in upright
    assert "lost its footing at a rate of 1.1" in title(figure)


def test_losses_that_are_not_finite_stand_on_the_top_edge() -> None:
    figure = range_test_figure(with_losses([2.0, math.nan, 1.5, 1.2, math.inf]))
    marks = np.asarray(dots(figure)["loss not finite"].get_offsets())
    assert np.allclose(marks[:, 0], [1e-3, 1.0])
    assert np.all(marks[:, 1] > 0.9)


def test_several_seeds_have_a_line_each_and_a_band() -> None:
    figure = range_test_figure(seeds(3))
    assert {"seed 0", "seed 1", "seed 2", "lowest to highest"} <= set(legend(figure))
    data = range_data(seeds(3))
    assert data.band is not None
    assert np.all(data.band.low <= data.band.high)
    assert "each of 9 seeds" in legend(range_test_figure(seeds(9)))


def test_divergence_leaves_the_picture_and_does_not_set_its_scale() -> None:
    losses = [*np.linspace(2.3, 0.5, 50), 1e3, 1e6, 1e9]
    top = axes_of(range_test_figure(with_losses(losses))).get_ylim()[1]
    assert 2.3 < top < 10


ODD = {
    "nothing finite": with_losses([math.nan, math.inf]),
    "one point": with_losses([1.0]),
    "empty": with_losses([]),
    "flat": with_losses([1.0] * 20),
    "zero": with_losses([0.0] * 20),
    "negative": with_losses(list(np.linspace(-1, -5, 40)), edge=0.5),
    "rising only": with_losses(list(np.geomspace(1, 1e20, 40))),
    "many decades": with_losses(list(np.geomspace(1, 1e-12, 40))),
    "formula-like name": made.range_test(task=r"$\frac{$ \undefined"),
    "linear rise": made.range_test(rise="linear"),
    "linear from zero": made.range_test(
        rise="linear",
        runs=(
            RangeRun(
                seed=0,
                curve=LossCurve(lrs=np.linspace(0, 1, 30), losses=np.linspace(2, 1, 30)),
                stopped="end",
            ),
        ),
    ),
    "no common rates": made.range_test(
        runs=tuple(
            RangeRun(
                seed=seed,
                curve=LossCurve(lrs=np.array([low, 2 * low]), losses=np.array([2.0, 1.0])),
                stopped="end",
            )
            for seed, low in enumerate((1e-3, 1.0))
        )
    ),
}


@pytest.mark.parametrize("result", ODD.values(), ids=ODD.keys())
def test_it_draws_whatever_was_measured(result: RangeTest) -> None:
    assert pixels(range_test_figure(result)).size > 0


def test_a_linear_rise_has_a_linear_axis() -> None:
    assert axes_of(range_test_figure(ODD["linear rise"])).get_xscale() == "linear"
    assert axes_of(range_test_figure(made.range_test())).get_xscale() == "log"


def test_the_saved_json_draws_the_same_picture() -> None:
    result = seeds(2)
    again = RangeTest.from_json(result.to_json())
    assert np.array_equal(pixels(result.plot()), pixels(again.plot()))


def test_the_running_median_drops_a_spike_and_keeps_a_step() -> None:
    losses = np.array([2.0] * 30 + [50.0] + [2.0] * 29 + [1.0] * 60)
    smooth = running_median(losses)
    assert len(smooth) == len(losses)
    assert smooth.max() == 2.0
    assert int(np.argmax(smooth < 2.0)) == 60
