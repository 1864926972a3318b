"""Pictures of sweeps: nothing left out, what diverged shown as such, readable in grey."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

from etastar.errors import InputError
from etastar.records import Axis, Contender, LossCurve, Sweep, TaskSummary, Trial
from etastar.report.sweep_data import parallel_data, rate_data
from etastar.report.sweep_picture import _STYLES
from etastar.schedules import Cosine


def trial(lr: float, momentum: float, loss: float, seed: int = 0, steps: int = 90) -> Trial:
    return Trial(
        lr=lr,
        seed=seed,
        steps=steps,
        status="finished" if math.isfinite(loss) else "diverged",
        final_loss=loss if math.isfinite(loss) else math.nan,
        curve=LossCurve(lrs=np.array([lr]), losses=np.array([2.0])),
        sample_gradients=10.0,
        seconds=0.1,
        settings={"momentum": momentum},
    )


def sweep(trials: list[Trial], **changes: Any) -> Sweep:
    fields: dict[str, Any] = {
        "task": TaskSummary(
            name="a <b> $task$",
            steps=90,
            schedule=Cosine(steps=90),
            optimizer="SGD",
            parameters=7,
            group_ratios=(1.0,),
            objective="validation loss",
            default_lr=0.1,
        ),
        "space": {
            "lr": Axis(scale="log", values=(0.01, 0.1, 1.0)),
            "momentum": Axis(scale="choice", values=(0.0, 0.9)),
        },
        "strategy": "grid",
        "engine": "sequential",
        "seeds": (0, 1),
        "seed": 0,
        "trials": tuple(trials),
        "best": Contender(
            lr=0.1, settings={"momentum": 0.9}, mean=0.25, standard_error=0.05, seeds=2
        ),
        "alike": (),
        "importance": {"lr": 0.7, "momentum": 0.3},
        "cost": 12.0,
        "budget": None,
        "seconds": 3.0,
        "environment": {},
        "warnings": ("<script>alert(1)</script>",),
    }
    return Sweep(**{**fields, **changes})


def made() -> Sweep:
    losses = {
        (0.01, 0.0): (2.0, 2.1),
        (0.1, 0.0): (0.5, 0.6),
        (1.0, 0.0): (0.9, math.inf),
        (0.01, 0.9): (0.7, 0.8),
        (0.1, 0.9): (0.2, 0.3),
        (1.0, 0.9): (math.inf, math.inf),
    }
    return sweep(
        [trial(lr, m, loss, s) for (lr, m), pair in losses.items() for s, loss in enumerate(pair)]
    )


def test_every_point_is_drawn_with_its_error_and_what_diverged_as_lost() -> None:
    data = rate_data(made(), None)
    assert [one.word for one in data.series] == ["momentum 0", "momentum 0.9"]
    assert data.series[0].lrs.tolist() == [0.01, 0.1]
    assert data.series[0].losses == pytest.approx([2.05, 0.55])
    assert data.series[0].errors == pytest.approx([0.05, 0.05])
    assert [one.lost for one in data.series] == [(1.0,), (1.0,)]
    assert data.best == (0.1, 0.25, "lr 0.1, momentum 0.9")


def test_the_mark_in_the_ring_is_that_of_the_best() -> None:
    """Though that of another setting, drawn later, stands on nearly the same point."""
    losses = {(0.1, 0.0): (0.1, 0.2, 0.4), (0.1, 0.9): (0.1, 0.2, 0.401)}
    trials = [
        trial(lr, m, one, s) for (lr, m), all_ in losses.items() for s, one in enumerate(all_)
    ]
    mean = float(np.mean(losses[0.1, 0.0]))
    best = Contender(lr=0.1, settings={"momentum": 0.0}, mean=mean, standard_error=0.1, seeds=3)
    axes = sweep(trials, best=best).plot().axes[0]
    marks = [x for x in axes.collections if len(x.get_facecolors()) and len(x.get_offsets()) == 1]
    top = max(reversed(marks), key=lambda mark: mark.get_zorder())  # of equals the last drawn
    assert top.get_facecolors()[0][:3].tolist() == pytest.approx(to_rgb(_STYLES[0]["color"]))
    assert top.get_offsets()[0].tolist() == pytest.approx([0.1, mean])


def test_many_values_are_told_apart_as_ranges() -> None:
    trials = [trial(0.1, m / 20, 1.0 + m) for m in range(20)]
    space = {
        "lr": Axis(scale="log", values=(0.01, 1.0)),
        "momentum": Axis(scale="linear", values=(0.0, 0.95)),
    }
    data = rate_data(sweep(trials, space=space), "momentum")
    assert len(data.series) == 4
    assert sum(len(one.lrs) for one in data.series) == 20
    assert data.series[0].word == "momentum 0 to 0.2"


def test_series_differ_in_lightness_mark_and_line() -> None:
    lightness = [float(np.dot(to_rgb(style["color"]), (0.3, 0.59, 0.11))) for style in _STYLES]
    assert lightness == sorted(lightness, reverse=True)
    assert min(-np.diff(lightness)) > 0.04
    assert len({style["marker"] for style in _STYLES}) == len(_STYLES)
    assert len({str(style["linestyle"]) for style in _STYLES}) == len(_STYLES)


def test_lines_across_all_settings_end_at_their_rank_and_the_lost_on_top() -> None:
    data = parallel_data(made())
    assert data.names == ("lr", "momentum", "final validation loss")
    assert len(data.paths) == 6
    best = data.paths[-1]
    assert best.heights == pytest.approx((0.5, 1.0, 0.0))
    assert best.strength == 1
    assert [path.heights[-1] for path in data.paths if path.lost] == [1.0, 1.0]
    assert (1.0, "diverged") in data.ticks[-1]


@pytest.mark.parametrize("kind", ["rate", "parallel", "importance"])
def test_all_pictures_are_drawn_and_names_are_no_formulas(kind: Any) -> None:
    picture = made().plot(kind)
    assert "a <b> $task$" in picture._suptitle.get_text()
    FigureCanvasAgg(picture).draw()
    empty = sweep([trial(0.1, 0.0, math.inf)], best=None, importance={})
    FigureCanvasAgg(empty.plot(kind)).draw()


def test_html_is_escaped_and_text_says_what_is_sure() -> None:
    page = made()._repr_html_()
    assert "<script>" not in page
    assert "a &lt;b&gt; $task$" in page
    words = str(made())
    assert "0.25 ± 0.05 (standard error) over 2 seeds" in words
    assert "momentum 30 %" in words
    assert "2 of 2 diverged" in words


def test_what_there_is_no_picture_of_is_refused() -> None:
    with pytest.raises(InputError, match="it has momentum"):
        made().plot(by="weight_decay")
    with pytest.raises(InputError, match="'parallel'"):
        made().plot("pie")  # type: ignore[arg-type]


def test_a_sweep_comes_back_from_json_with_what_is_not_finite() -> None:
    back = Sweep.from_json(made().to_json())
    assert back == made()
    assert math.isnan(back.trials[5].final_loss)
    assert back.table()[0] == {
        "lr": 0.01,
        "momentum": 0.0,
        "steps": 90,
        "seed": 0,
        "status": "finished",
        "final_loss": 2.0,
    }


# --- points of several horizons -----------------------------------------------------------------


def halved() -> Sweep:
    """Three points for 10 steps, one of them again for 90, as halving leaves them."""
    short = [trial(lr, 0.9, loss, steps=10) for lr, loss in ((0.01, 2.0), (0.1, 0.5), (1.0, 0.6))]
    best = Contender(lr=0.1, settings={"momentum": 0.9}, mean=0.4, standard_error=None, seeds=1)
    return sweep([*short, trial(0.1, 0.9, 0.4)], best=best)


def test_points_that_went_no_further_stand_beside_those_that_did() -> None:
    data = parallel_data(halved())
    assert len(data.paths) == 3
    assert [path.heights[-1] for path in data.paths] == sorted(
        (path.heights[-1] for path in data.paths), reverse=True
    )
    words = [word for _, word in data.ticks[-1]]
    assert words == ["0.4", "0.6 (10 steps)", "2 (10 steps)"]


def test_marks_of_several_sizes_are_explained() -> None:
    assert "the shorter its run" in rate_data(halved(), None).subtitle
    assert "the shorter its run" not in rate_data(made(), None).subtitle


@pytest.mark.parametrize("source", [made, halved])
def test_nothing_in_a_picture_is_cut_off_or_over_the_axis(source: Any) -> None:
    for kind in ("rate", "parallel", "importance"):
        figure = source().plot(kind)
        FigureCanvasAgg(figure).draw()
        (axes,) = figure.axes
        width, height = figure.canvas.get_width_height()
        for text in [*figure.texts, *axes.texts]:
            box = text.get_window_extent()
            assert box.x0 >= 0, text.get_text()
            assert box.x1 <= width, text.get_text()
            assert box.y1 <= height, text.get_text()
        if kind == "rate":
            (label,) = axes.texts
            assert label.get_window_extent().y0 > axes.get_window_extent().y0


def test_a_log_axis_is_read_in_powers_of_ten() -> None:
    wide = Axis(scale="log", values=(2e-4, 3.0))
    space = {"lr": wide, "momentum": Axis(scale="choice", values=(0.0, 0.9))}
    words = [word for _, word in parallel_data(sweep([], space=space, best=None)).ticks[0]]
    assert words == ["0.0002", "0.001", "0.01", "0.1", "1", "3"]


def test_the_legend_is_read_row_by_row() -> None:
    momenta = (0.0, 0.5, 0.8, 0.9, 0.95)
    trials = [trial(0.1, momentum, 1.0 - momentum / 2) for momentum in momenta]
    space = {
        "lr": Axis(scale="log", values=(0.01, 1.0)),
        "momentum": Axis(scale="choice", values=momenta),
    }
    best = Contender(lr=0.1, settings={"momentum": 0.95}, mean=0.5, standard_error=None, seeds=1)
    figure = sweep(trials, space=space, best=best).plot(by="momentum")
    FigureCanvasAgg(figure).draw()
    texts = figure.legends[0].get_texts()
    places = [(text.get_window_extent(), text.get_text()) for text in texts]
    words = [word for _, word in sorted(places, key=lambda one: (-round(one[0].y0), one[0].x0))]
    assert len({round(box.y0) for box, _ in places}) > 1
    assert words == [f"momentum {momentum:g}" for momentum in momenta]


def test_a_legend_of_wide_letters_stays_inside_the_figure() -> None:
    momenta = [0.525, 0.597, 0.621, 0.718, 0.739, 0.835, 0.86, 0.932]
    trials = [trial(0.1, momentum, 1.0 - momentum / 2) for momentum in momenta]
    space = {
        "lr": Axis(scale="log", values=(0.01, 1.0)),
        "momentum": Axis(scale="linear", values=(0.5, 0.95)),
    }
    figure = sweep(trials, space=space, best=None).plot(by="momentum")
    FigureCanvasAgg(figure).draw()
    names = figure.legends[0].get_window_extent()
    assert len(figure.legends) == 1
    assert len(figure.legends[0].get_texts()) == 4
    assert names.x0 >= figure.bbox.x0
    assert names.x1 <= figure.bbox.x1


# --- words --------------------------------------------------------------------------------------


def test_one_uncertainty_is_told_by_one_number() -> None:
    lines = str(made()).splitlines()
    (row,) = [line for line in lines if line.split()[:2] == ["0.1", "0.9"]]
    assert row.endswith("0.25 ± 0.05")
    assert any("± is the standard error over the seeds" in line for line in lines)


def test_a_best_without_rivals_is_told_apart_from_none() -> None:
    best = Contender(lr=0.1, settings={"momentum": 0.9}, mean=0.4, standard_error=0.1, seeds=2)
    trials = [trial(0.1, 0.9, 0.3), trial(0.1, 0.9, 0.5, seed=1)]
    words = " ".join(str(sweep(trials, best=best)).split())
    assert "no other was trained as long" in words
    assert "other 0" not in words


def test_a_sweep_without_trials_does_not_say_that_rates_were_too_high() -> None:
    words = str(sweep([], best=None))
    assert "No trial was made." in words
    assert "lower rates" not in words
