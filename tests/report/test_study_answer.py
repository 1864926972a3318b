"""What a stored study says: trials of different settings are never taken for seeds of one."""

from __future__ import annotations

import numpy as np
from tests.report import made

from etastar.records import LossCurve, Trial
from etastar.report.page.study import study_page
from etastar.report.study_answer import study_answer


def trial(lr: float, loss: float, seed: int = 0, shape: str = "", **settings: float) -> Trial:
    return Trial(
        lr=lr,
        seed=seed,
        steps=90,
        status="finished",
        final_loss=loss,
        curve=LossCurve(lrs=np.array([lr]), losses=np.array([2.0])),
        sample_gradients=10.0,
        seconds=0.1,
        settings=settings,
        shape=shape,
    )


def test_settings_have_rows_of_their_own_and_the_lowest_names_its() -> None:
    trials = [
        trial(0.1, 1.0),
        trial(0.1, 0.4, momentum=0.9),
        trial(0.1, 0.6, seed=1, momentum=0.9),
        trial(0.1, 3.0, momentum=0.5),
    ]
    answer = study_answer("net", made.summary(), trials)
    assert answer.table.columns == ("lr", "momentum", "90 steps")
    assert set(answer.table.rows) == {
        ("0.1", "own", "1"),
        ("0.1", "0.5", "3"),
        ("0.1", "0.9", "0.5 ± 0.14"),
    }
    assert "0.4, at a rate of 0.1 with momentum 0.9." in answer.sentence
    assert "0.1 with momentum 0.9" in study_page("net", made.summary(), trials)


def test_schedules_of_one_horizon_have_rows_of_their_own() -> None:
    trials = [trial(0.1, 1.0, shape="a" * 64), trial(0.1, 3.0, shape="b" * 64)]
    table = study_answer("net", made.summary(), trials).table
    assert table.columns == ("lr", "schedule", "90 steps")
    assert table.rows == (("0.1", "aaaaaa", "1"), ("0.1", "bbbbbb", "3"))


def test_a_study_of_rates_alone_is_rates_by_horizons() -> None:
    table = study_answer("net", made.summary(), [trial(0.1, 1.0), trial(0.2, 2.0)]).table
    assert table.columns == ("lr", "90 steps")
