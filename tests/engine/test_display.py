"""The progress display: what it says, how little it costs, and that it never steers."""

from __future__ import annotations

import io
import math
import re
import sys
import types
from typing import TYPE_CHECKING

from rich.console import Console
from tests.report import made

from etastar.engine import Sequential
from etastar.engine.display import Board, ConsoleDisplay, LineDisplay, default_observer
from etastar.engine.progress import Observer
from etastar.tasks import load_task

if TYPE_CHECKING:
    import pytest


class Clock:
    """Time that passes only when told, and a little at every look."""

    def __init__(self, tick: float = 0.0) -> None:
        self.now = 0.0
        self.tick = tick

    def __call__(self) -> float:
        self.now += self.tick
        return self.now


def screen(width: int = 100) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=40)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())


def train(board: Observer, lr: float, steps: int, upto: int, seed: int = 0) -> None:
    board.trial_started(lr, seed, steps)
    for step in range(upto):
        board.stepped(lr, step, 2.0 / (step + 1))


def test_rates_are_shown_with_loss_and_fate_in_words() -> None:
    board = Board()
    board.stage("pilots", [0.001, 0.01, 0.1, 1.0], 75)
    train(board, 1.0, 75, 3)
    board.trial_ended(made.trial(1.0, 75, "diverged"))
    train(board, 0.1, 75, 75)
    board.trial_ended(made.trial(0.1, 75, final_loss=0.25))
    train(board, 0.01, 75, 10)
    assert board.headline() == "pilots: 4 rates, 75 steps each"
    assert board.rows() == [
        ("lr 0.001", "", "waiting"),
        ("lr 0.01", "loss 0.2", "step 10 of 75"),
        ("lr 0.1", "loss 0.25", "done, 75 steps"),
        ("lr 1", "", "diverged"),
    ]


def test_trials_side_by_side_each_show_their_step_until_they_end() -> None:
    board = Board()
    board.stage("pilots", [0.01, 0.1, 1.0], 75)
    for lr in (0.01, 0.1, 1.0):
        board.trial_started(lr, 0, 75)
    for step in range(2):
        for lr in (0.01, 0.1, 1.0):
            board.stepped(lr, step, 2.0 * lr)
    board.trial_ended(made.trial(1.0, 75, "diverged"))
    assert board.rows() == [
        ("lr 0.01", "loss 0.02", "step 2 of 75"),
        ("lr 0.1", "loss 0.2", "step 2 of 75"),
        ("lr 1", "", "diverged"),
    ]


def test_rates_stay_on_the_board_through_stages_of_one_rate_each() -> None:
    board = Board()
    for lr, steps in ((0.1, 16), (0.2, 16), (0.1, 32)):
        board.stage(f"pilots of {steps} steps", [lr], steps)
        train(board, lr, steps, steps)
        board.trial_ended(made.trial(lr, steps, final_loss=lr))
    assert board.headline() == "pilots of 32 steps"
    assert [row[2] for row in board.rows()] == ["done, 32 steps", "done, 16 steps"]


def test_a_rate_that_diverged_with_one_seed_stays_lost() -> None:
    board = Board()
    board.stage("pilots", [0.5], 75)
    train(board, 0.5, 75, 3, seed=0)
    board.trial_ended(made.trial(0.5, 75, "diverged"))
    train(board, 0.5, 75, 75, seed=1)
    board.trial_ended(made.trial(0.5, 75, final_loss=1.0, seed=1))
    assert board.rows() == [("lr 0.5", "loss 1", "diverged")]


def test_a_range_test_shows_the_moving_rate() -> None:
    board = Board()
    board.stage("range test", [1e-4], 100)
    assert board.rows() == []
    for step in range(5):
        board.stepped(1e-4 * 10**step, step, math.nan if step == 4 else 1.0)
    assert board.rows() == [("lr 1", "loss not finite", "step 5 of 100")]


def test_many_rates_are_counted_around_the_one_in_training() -> None:
    board = Board()
    lrs = [float(n) for n in range(1, 41)]
    board.stage("grid", lrs, 10)
    train(board, 30.0, 10, 2)
    rows = board.rows()
    assert len(rows) == 17
    assert rows[-1] == ("and 24 more", "", "")
    assert ("lr 30", "loss 1", "step 2 of 10") in rows


def test_time_left_follows_the_share_of_the_budget() -> None:
    clock = Clock()
    board = Board(clock)
    board.stage("pilots", [0.1, 0.2], 100)
    assert "left" not in board.footline()
    train(board, 0.1, 100, 100)
    board.trial_ended(made.trial(0.1, 100))
    clock.now = 60.0
    board.spent(0.5, 2.0)
    assert board.share() == 0.25
    assert board.footline() == "25 % of 2 full runs · 1:00 so far, at most 3:00 more"
    train(board, 0.2, 100, 100)  # between two reports the steps tell
    assert board.share() == 0.5


def test_without_a_budget_the_stage_is_the_measure() -> None:
    board = Board()
    board.stage("range test", [1e-4], 100)
    assert board.share() == 0.0
    for step in range(50):
        board.stepped(1e-4, step, 1.0)
    assert board.share() == 0.5
    for step in range(50, 500):  # an extended range
        board.stepped(1e-4, step, 1.0)
    assert board.share() == 1.0


def test_drawing_takes_at_most_a_hundredth_of_the_time() -> None:
    clock = Clock(tick=1e-4)
    display = ConsoleDisplay(screen(), clock)
    display.stage("pilots", [0.1], 100_000)
    spent = 0.0
    draw = display._draw

    def timed() -> None:
        nonlocal spent
        before = clock.now
        draw()
        clock.now += 0.05  # a slow terminal
        spent += clock.now - before

    display._draw = timed  # type: ignore[method-assign]
    display._live = types.SimpleNamespace(  # type: ignore[assignment]
        update=lambda *_, **__: setattr(clock, "now", clock.now + 0.05), stop=lambda: None
    )
    for step in range(100_000):
        display.stepped(0.1, step, 1.0)
    display.finished()
    assert spent > 0
    assert spent / clock.now < 0.025  # twice the drawing itself: `timed` is half of it


def test_the_display_appears_updates_and_vanishes() -> None:
    console = screen()
    display = ConsoleDisplay(console, Clock(tick=0.01))
    display.stage("pilots", [0.1, 0.2], 50)
    train(display, 0.1, 50, 50)
    display.trial_ended(made.trial(0.1, 50, "diverged"))
    display.spent(0.1, 1.0)
    train(display, 0.2, 50, 500)
    display.finished()
    display.finished()
    text = shown(console)
    assert "η★ pilots: 2 rates, 50 steps each" in text
    assert "waiting" in text
    assert "diverged" in text
    assert "of 1 full runs" in text
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().rstrip().endswith("\x1b[2K")  # the last line is cleared


def test_a_display_can_watch_twice() -> None:
    display = ConsoleDisplay(screen(), Clock())
    for _ in range(2):
        display.stage("pilots", [0.3, 0.4], 5)
        assert [row[2] for row in display.rows()] == ["waiting", "waiting"]
        train(display, 0.3, 5, 5)
        display.finished()


def test_what_is_spent_between_two_stages_is_not_forgotten() -> None:
    display = ConsoleDisplay(screen(), Clock())
    display.stage("range test", [1e-4], 5)
    display.stepped(1e-4, 0, 1.0)
    display.finished()
    display.spent(0.2, 0.8)
    display.stage("pilots of 5 steps", [0.3], 5)
    assert display.share() == 0.25
    display.finished()


def test_lines_for_logs() -> None:
    stream = io.StringIO()
    display = LineDisplay(stream)
    display.stage("range test", [1e-4], 30)
    display.spent(0.1, 0.5)
    for lr in (0.1, 0.2):
        display.stage("pilots of 16 steps", [lr], 16)
        train(display, lr, 16, 16)
        display.trial_ended(made.trial(lr, 16, "finished" if lr == 0.1 else "diverged"))
    assert stream.getvalue().splitlines() == [
        "etastar: range test: 30 steps",
        "etastar: pilots of 16 steps (0.1 of 0.5 full runs spent)",
        f"etastar:   lr 0.1: done, 16 steps, loss {made.final_loss(0.1, 16):.4g}",
        "etastar:   lr 0.2: diverged",
    ]


def test_who_watches_depends_on_the_wish_and_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert type(default_observer(None)) is Observer
    assert type(default_observer(False)) is Observer
    assert type(default_observer(True)) is LineDisplay
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    assert type(default_observer(None)) is ConsoleDisplay
    assert type(default_observer(True)) is ConsoleDisplay
    assert type(default_observer(False)) is Observer


def test_watching_changes_no_number() -> None:
    runs = []
    for observer in (None, ConsoleDisplay(screen()), LineDisplay(io.StringIO())):
        trials = Sequential().train(load_task("line"), [0.1, 1.5], [0, 1], 20, observer=observer)
        if observer is not None:
            observer.finished()
        runs.append([(t.lr, t.seed, t.status, t.curve.losses.tolist()) for t in trials])
    assert runs[0] == runs[1] == runs[2]
