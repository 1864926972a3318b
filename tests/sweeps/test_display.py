"""The live table of a sweep, on a terminal of the test's own."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console
from tests.tasks.parts import pairs, task

import etastar as es
from etastar.engine import Sequential
from etastar.engine.choose import engine_named
from etastar.sweeps.display import TrialsDisplay, cells


class Watched(TrialsDisplay):
    """Keeps every table it drew."""

    def __init__(self) -> None:
        self.screen = io.StringIO()
        console = Console(file=self.screen, force_terminal=True, width=110, height=40)
        super().__init__(console)
        self.tables: list[list[tuple[str, ...]]] = []
        self.headlines: list[str] = []

    def _draw(self) -> None:
        self.tables.append(self.table())
        self.headlines.append(self.best())
        super()._draw()
        self._next_drawing = 0.0  # without a pause, at every step


def swept(display: Watched, **options: Any) -> Any:
    judged = task(valid=pairs(2, seed=1), steps=6)
    options = {"engine": Sequential(), **options}
    return es.sweep(
        judged, {"lr": [1e6, 0.1], "weight_decay": [0.0, 0.1]}, observer=display, **options
    )


def test_every_trial_gets_its_row_as_it_ends_and_the_one_in_training_comes_last() -> None:
    display = Watched()
    found = swept(display)
    longest = max(display.tables, key=len)
    assert longest[:3] == [cells(trial) for trial in found.trials[:3]]
    assert longest[0][-1] == "diverged"
    assert longest[3][1] == "weight_decay 0.1"
    assert longest[3][-1].endswith(" of 6")


def test_the_best_so_far_is_shown_with_its_settings() -> None:
    display = Watched()
    found = swept(display)
    assert display.headlines[0] == ""
    first = found.trials[1]
    assert f"best so far: lr 0.1, weight_decay 0: loss {first.final_loss:.4g}" in (
        " ".join(display.headlines)
    )


def test_the_screen_names_the_engine_and_is_empty_in_the_end() -> None:
    display = Watched()
    swept(display, engine="auto")
    assert "trials, engine " in display.screen.getvalue()
    assert (display.ended, display.engine) == ([], "")


def test_trials_that_train_at_once_share_a_row() -> None:
    display = Watched()
    found = swept(display, engine="vectorized")
    shares = [table[-1][:4] for table in display.tables if table and " of 6" in table[-1][-1]]
    assert shares[0] == ("4 at once", "", "6", "")
    assert shares[-1] == ("2 at once", "", "6", "")  # when both trials at 1e6 had diverged
    assert sorted(trial.status for trial in found.trials)[:2] == ["diverged", "diverged"]


def test_the_row_of_what_trains_is_that_of_a_trial_that_still_does() -> None:
    display = Watched()
    judged = task(valid=pairs(2, seed=1), steps=6)
    engine = engine_named("vectorized")
    engine.train(judged, [0.1, 1e30], [0], 6, observer=display)
    found = [table[-1] for table in display.tables if table[-1][-1] == "step 6 of 6"]
    assert found
    assert {row[0] for row in found} == {"0.1"}
    display.trial_started(0.1, 0, 6)
    display.engine_chosen("sequential", "it begins anew")
    assert display.table()[-1][-1] == "done"
