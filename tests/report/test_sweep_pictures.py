"""Pictures of sweeps: nothing left out, what diverged shown as such, readable in grey."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
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
    picture.canvas.draw()
    empty = sweep([trial(0.1, 0.0, math.inf)], best=None, importance={})
    empty.plot(kind).canvas.draw()


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
