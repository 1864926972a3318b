"""The picture of a finding, read back from its artists."""

from __future__ import annotations

import io
import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.text import Annotation
from tests.report import made

from etastar.records import Finding, LossCurve
from etastar.report import finding_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def axes_of(figure: Figure) -> Axes:
    (axes,) = figure.axes
    return axes


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in (*figure.texts, *axes_of(figure).texts)]


def title(figure: Figure) -> str:
    return figure.get_suptitle()


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def dots(figure: Figure) -> dict[str, PathCollection]:
    found = [c for c in axes_of(figure).collections if isinstance(c, PathCollection)]
    return {str(c.get_label()): c for c in found}


def above(axes: Axes) -> list[Annotation]:
    """The labels in the lanes over the axes."""
    return [text for text in axes.texts if isinstance(text, Annotation) and text.xy[1] == 1]


def pixels(figure: Figure) -> np.ndarray:
    target = io.BytesIO()
    figure.savefig(target, format="rgba", dpi=60)
    return np.frombuffer(target.getvalue(), np.uint8)


def test_dots_lie_at_rate_and_final_loss_and_grow_with_the_horizon() -> None:
    found = dots(finding_figure(made.finding()))
    short, middle, long = (found[f"trials of {n} steps"] for n in (75, 150, 300))
    expected = [(t.lr, t.final_loss) for t in made.trials() if t.steps == 150]
    assert np.allclose(middle.get_offsets(), expected)
    assert short.get_sizes()[0] < middle.get_sizes()[0] < long.get_sizes()[0]
    assert len(long.get_offsets()) == 6


def test_diverged_trials_stand_at_the_top_edge_and_are_named() -> None:
    figure = finding_figure(made.finding())
    axes = axes_of(figure)
    (lost,) = [c for c in dots(figure).values() if len(c.get_offsets()) == 2]
    places = np.asarray(lost.get_offsets())
    assert places[:, 0].tolist() == [0.5, 1.0]
    shown = axes.transAxes.inverted().transform(lost.get_offset_transform().transform(places))
    assert np.all(shown[:, 1] > 0.9)
    assert "diverged" in words(figure)


def test_prediction_and_its_band_are_drawn_at_the_full_horizon() -> None:
    figure = finding_figure(made.finding())
    name = "shape at 600 steps, level of the pilots"
    assert {name, "its 80 % band"} <= set(legend(figure))
    (line,) = [x for x in axes_of(figure).lines if x.get_label() == name]
    assert np.array_equal(np.asarray(line.get_ydata()), made.prediction().losses)


def test_the_answer_is_a_line_a_bar_and_a_number() -> None:
    figure = finding_figure(made.finding())
    lines = {str(line.get_label()): line for line in axes_of(figure).lines}
    bar = lines["chosen rate, 80 % interval"]
    assert list(np.asarray(bar.get_xdata())) == [0.0125, 0.031]
    assert any(np.array_equal(np.asarray(x.get_xdata()), [0.018, 0.018]) for x in lines.values())
    assert "lr 0.018  (0.0125 to 0.031)" in words(figure)


def test_regimes_are_named_in_words_from_left_to_right() -> None:
    axes = axes_of(finding_figure(made.finding()))
    named = ["too small", "good", "optimal", "good", "oscillating", "diverging"]
    assert [text.get_text() for text in above(axes)] == named


def test_the_title_is_the_verdict() -> None:
    figure = finding_figure(made.finding())
    assert title(figure).startswith("digits-mlp: learning rate 0.018 (confident).")
    assert any("cost 1.31 full runs" in text for text in words(figure))


def test_the_optimizers_own_rate_is_marked_only_inside_the_picture() -> None:
    assert "default 0.1" in words(finding_figure(made.finding()))
    outside = made.finding(task=made.summary(default_lr=1e3))
    absent = made.finding(task=made.summary(default_lr=None))
    for finding in (outside, absent):
        assert not any("default" in text for text in words(finding_figure(finding)))


def test_losses_over_more_than_a_decade_are_drawn_in_decades() -> None:
    assert axes_of(finding_figure(made.finding())).get_yscale() == "log"
    close = tuple(made.trial(lr, 75, final_loss=loss) for lr, loss in ((0.1, 1.0), (0.2, 3.0)))
    assert axes_of(finding_figure(made.finding(trials=close, prediction=None))).get_yscale() == (
        "linear"
    )


def test_one_wild_loss_does_not_flatten_the_rest() -> None:
    figure = finding_figure(WILD)
    assert axes_of(figure).get_ylim()[1] < 1e4
    assert "above the picture" in legend(figure)


WILD = made.finding(trials=(*made.trials(), made.trial(0.3, 75, final_loss=1e30)))

ODD: dict[str, Finding] = {
    "no trials": made.no_answer(),
    "range test only": made.no_answer(range_test=made.range_test()),
    "no default either": made.no_answer(task=made.summary(default_lr=None)),
    "one trial": made.finding(trials=made.trials()[:1], prediction=None, regimes=()),
    "one trial, answered": made.finding(trials=made.trials()[:1]),
    "all diverged": made.no_answer(trials=(made.trial(1.0, 75, "diverged"),)),
    "stopped": made.no_answer(
        trials=(made.trial(1.0, 75, "stopped"), made.trial(2.0, 75, "diverged"))
    ),
    "negative losses": made.finding(
        trials=tuple(made.trial(lr, 75, final_loss=-lr) for lr in (0.01, 0.1, 1.0)),
        prediction=None,
    ),
    "zero losses": made.finding(
        trials=tuple(made.trial(lr, 75, final_loss=0.0) for lr in (0.01, 0.1)), prediction=None
    ),
    "huge and tiny": made.finding(
        trials=(made.trial(1e-30, 75, final_loss=1e-300), made.trial(1e5, 75, final_loss=1e300)),
        prediction=None,
    ),
    "not finite in the prediction": made.finding(
        prediction=made.prediction().model_copy(
            update={"losses": np.full(61, math.nan), "high": np.full(61, math.inf)}
        )
    ),
    "nan in the range test": made.no_answer(
        range_test=made.range_test(
            runs=(
                {
                    "seed": 0,
                    "curve": LossCurve(
                        lrs=np.array([0.0, 0.1, 0.2]), losses=np.array([1.0, math.nan, math.inf])
                    ),
                    "stopped": "non_finite",
                },
            )
        )
    ),
    "formula-like name": made.finding(task=made.summary(name=r"$\frac{$ a_b \undefined $")),
    "long reason": made.finding(reason="because of " + "very " * 200 + "many words"),
    "no prediction": made.finding(prediction=None),
    "seven horizons": made.finding(trials=tuple(made.trial(0.01, n) for n in range(10, 80, 10))),
    "many regimes at one place": made.finding(
        regimes=tuple(
            made.band("oscillating", 0.01 * 1.01**i, 0.01 * 1.01 ** (i + 1)) for i in range(5)
        )
    ),
}


@pytest.mark.parametrize("finding", ODD.values(), ids=ODD.keys())
def test_it_draws_whatever_was_found(finding: Finding) -> None:
    assert pixels(finding_figure(finding)).size > 0


def test_labels_stay_inside_the_figure_and_apart() -> None:
    for finding in (made.finding(), ODD["many regimes at one place"], ODD["seven horizons"], WILD):
        figure = finding_figure(finding)
        renderer = FigureCanvasAgg(figure).get_renderer()
        boxes = [text.get_window_extent(renderer) for text in axes_of(figure).texts]
        frame = figure.bbox
        assert all(b.x0 >= frame.x0 and b.x1 <= frame.x1 and b.y1 <= frame.y1 for b in boxes)
        lanes = [text.get_window_extent(renderer) for text in above(axes_of(figure))]
        assert not any(a.overlaps(b) for i, a in enumerate(lanes) for b in lanes[i + 1 :])
        names = figure.legends[0].get_window_extent(renderer)
        assert names.x0 >= frame.x0
        assert names.x1 <= frame.x1
        assert not names.overlaps(axes_of(figure).xaxis.label.get_window_extent(renderer))


def test_the_saved_json_draws_the_same_picture() -> None:
    finding = made.finding()
    again = Finding.from_json(finding.to_json())
    assert np.array_equal(pixels(finding.plot()), pixels(again.plot()))


def test_neighbouring_regimes_differ_in_grey_or_in_hatch() -> None:
    axes = axes_of(finding_figure(made.finding()))
    grounds = [p for p in axes.patches if p.get_width() > 0]
    looks = [
        (round(float(np.dot(to_rgb(p.get_facecolor()[:3]), (0.3, 0.59, 0.11))), 2), p.get_hatch())
        for p in grounds
    ]
    for one, other in pairwise(looks):
        assert one[1] != other[1] or abs(one[0] - other[0]) >= 0.015


def test_it_leaves_no_global_state() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    pixels(finding_figure(made.finding()))
    assert dict(mpl.rcParams) == before


def test_notebooks_show_the_figure_itself() -> None:
    figure: Any = finding_figure(made.finding())
    assert figure._repr_png_().startswith(b"\x89PNG")
