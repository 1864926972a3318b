"""Progress for people: which rates are alive, what is spent, how long it can still take."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, TextIO

from etastar.engine.progress import Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console, RenderableType
    from rich.live import Live

    from etastar.records import Trial

_ROWS = 16
"""Rates shown at once; more are counted in words."""

_SHORTEST_PAUSE = 0.125
"""Seconds between two drawings, at least."""

_PAUSE_PER_DRAWING = 100
"""A pause lasts at least so many times what the drawing took: watching costs 1 %, not more."""

_ENDED = {
    "finished": "done, {steps} steps",
    "diverged": "diverged",
    "stopped": "stopped early",
}


def default_observer(progress: bool | None) -> Observer:
    """Who watches when the caller named no observer.

    Args:
        progress: True shows it, live on a terminal or in a notebook and else a line per stage;
            None shows it only where it can be live; False never.

    Returns:
        An observer that writes to stderr, or the silent one.
    """
    if progress is False:
        return Observer()
    if _can_be_live():
        return ConsoleDisplay()
    return LineDisplay() if progress else Observer()


def _can_be_live() -> bool:
    if sys.stderr.isatty():
        return True
    if "IPython" not in sys.modules or find_spec("ipywidgets") is None:
        return False
    from rich.console import Console

    return Console(stderr=True).is_jupyter


class LineDisplay(Observer):
    """A line per stage and per trial, for logs."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._stage = ""
        self._spent = ""

    def stage(self, name: str, lrs: Sequence[float], steps: int) -> None:
        """Say what begins, and what is spent so far; pilots made singly make one stage."""
        stage = _in_words(name, len(lrs), steps)
        if stage != self._stage:
            self._say(f"{stage}{self._spent}")
        self._stage = stage

    def engine_chosen(self, engine: str, reason: str) -> None:
        """Say which, and why."""
        self._say(f"  engine {engine}: {reason}")

    def waiting(self, trials: int) -> None:
        """Say for what."""
        self._say(f"  {waiting_words(trials)}")

    def trial_ended(self, trial: Trial) -> None:
        """Say what came of it."""
        loss = f", {_loss(trial.final_loss)}" if trial.measured else ""
        state = _ENDED[trial.status].format(steps=trial.steps)
        self._say(f"  lr {trial.lr:.3g}: {state}{loss}")

    def spent(self, cost: float, budget: float) -> None:
        """Remember the cost for the next stage."""
        self._spent = f" ({cost:.2g} of {budget:.2g} full runs spent)"

    def _say(self, words: str) -> None:
        print(f"etastar: {words}", file=self._stream or sys.stderr, flush=True)


@dataclass(slots=True)
class Row:
    """One rate: how its trial stands, in words."""

    state: str = "waiting"
    loss: float | None = None


class Board(Observer):
    """What was heard so far, as the numbers and words a display draws.

    Rates stay on the board from stage to stage, so that it shows which of them are alive.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._clear()

    def _clear(self) -> None:
        self.name = ""
        self.stage_rates = 1
        self.stage_steps = 0
        self.rates: dict[float, Row] = {}
        self.training: dict[float, tuple[int, int]] = {}  # seed and steps by rate, side by side
        self.at: dict[float, tuple[int, float]] = {}  # step and loss of those, by rate
        self.moving = False  # a range test: steps without a trial
        self.seeds: set[int] = set()
        self.latest = (math.nan, 0, math.nan)  # rate, step, loss
        self.updates = 0  # in all stages
        self.updates_before = 0  # when this stage began
        self.reported = (0.0, 0.0, 0)  # cost, budget, updates at that time
        self.awaited = 0  # trials that other processes are training, where nothing else is left
        self.began = self._clock()

    def stage(self, name: str, lrs: Sequence[float], steps: int) -> None:
        """Show what runs now; several rates are shown waiting, a single one when it starts."""
        self.name, self.stage_rates, self.stage_steps = name, len(lrs), steps
        self.moving = True
        self.training.clear()
        self.at.clear()
        self.updates_before = self.updates
        if len(lrs) > 1:
            self.rates |= {lr: Row() for lr in lrs if lr not in self.rates}

    def trial_started(self, lr: float, seed: int, steps: int) -> None:
        """The rate is in training; one that diverged before stays lost."""
        self.moving = False
        self.awaited = 0
        self.training[lr] = seed, steps
        self.at.pop(lr, None)
        self.seeds.add(seed)
        row = self.rates.setdefault(lr, Row())
        if row.state != _ENDED["diverged"]:
            row.state = "training"

    def stepped(self, lr: float, step: int, loss: float) -> None:
        """Keep the loss: all that is done in every step."""
        self.latest = (lr, step, loss)
        if lr in self.training:
            self.at[lr] = step, loss
        self.updates += 1

    def trial_ended(self, trial: Trial) -> None:
        """Say how it ended, and the loss that counts."""
        row = self.rates.setdefault(trial.lr, Row())
        if trial.measured:
            row.loss = trial.final_loss
        if row.state != _ENDED["diverged"]:
            row.state = _ENDED[trial.status].format(steps=trial.steps)
        self.training.pop(trial.lr, None)

    def waiting(self, trials: int) -> None:
        """Keep the number."""
        self.awaited = trials

    def spent(self, cost: float, budget: float) -> None:
        """Keep the cost, to estimate the time left by."""
        self.reported = (cost, budget, self.updates)

    def headline(self) -> str:
        """The stage in a line.

        Returns:
            For example `pilots: 5 rates, 150 steps each`.
        """
        return _in_words(self.name, self.stage_rates, self.stage_steps)

    def rows(self) -> list[tuple[str, str, str]]:
        """Each rate with its loss and state, in words, from the lowest to the highest.

        Returns:
            At most 16 rows `(rate, loss, state)`, the one in training among them; where the
            rate moves, as in a range test, its present value.
        """
        lr, step, loss = self.latest
        moving: list[tuple[str, str, str]] = []
        if self.moving and self.updates > self.updates_before:
            moving = [(f"lr {lr:.3g}", _loss(loss), f"step {step + 1} of {self.stage_steps}")]
        known = [
            (f"lr {rate:.3g}", *self._words(rate, row)) for rate, row in sorted(self.rates.items())
        ]
        hidden = max(0, len(known) - _ROWS)
        if hidden:
            centre = sum(rate < lr for rate in self.rates)
            first = min(max(0, centre - _ROWS // 2), hidden)
            known = [*known[first : first + _ROWS], (f"and {hidden} more", "", "")]
        return [*known, *moving]

    def _words(self, rate: float, row: Row) -> tuple[str, str]:
        if row.state != "training" or rate not in self.training or rate not in self.at:
            return ("" if row.loss is None else _loss(row.loss)), row.state
        (seed, steps), (step, loss) = self.training[rate], self.at[rate]
        which = f", seed {seed}" if len(self.seeds) > 1 else ""
        return _loss(loss), f"step {step + 1} of {steps}{which}"

    def share(self) -> float | None:
        """How much of the work is done, between 0 and 1; None if not known.

        Returns:
            The share of the budget, or without a budget that of the stage. A stage may end
            early, so what is left is an upper bound.
        """
        cost, budget, at = self.reported
        if budget > 0 and at > 0:
            return min(1.0, cost / at * self.updates / budget)
        if budget > 0:
            return min(1.0, cost / budget) if cost > 0 else None
        planned = self.stage_steps * self.stage_rates
        return min(1.0, (self.updates - self.updates_before) / planned) if planned else None

    def footline(self) -> str:
        """What is spent and how long it can still take.

        Returns:
            For example `42 % of 1.5 full runs · 0:12 so far, at most 0:17 more`.
        """
        if self.awaited:
            return waiting_words(self.awaited)
        seconds = self._clock() - self.began
        share = self.share()
        if not share:
            return f"{_clock_words(seconds)} so far"
        budget = self.reported[1]
        of = f"of {budget:.3g} full runs" if budget > 0 else "done"
        left = _clock_words(seconds * (1 - share) / share)
        return f"{100 * share:.0f} % {of} · {_clock_words(seconds)} so far, at most {left} more"


def waiting_words(trials: int) -> str:
    """What there is to say while other processes train what is left.

    Args:
        trials: how many.

    Returns:
        A sentence.
    """
    if trials == 1:
        return "waiting for a trial that another process is training"
    return f"waiting for {trials} trials that other processes are training"


def _in_words(name: str, rates: int, steps: int) -> str:
    if rates > 1:
        return f"{name}: {rates} rates, {steps} steps each"
    return name if f"{steps} steps" in name else f"{name}: {steps} steps"


def _loss(loss: float) -> str:
    return f"loss {loss:.4g}" if math.isfinite(loss) else "loss not finite"


def _clock_words(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class ConsoleDisplay(Board):
    """The board, live on a terminal or in a notebook; it vanishes when the work is over.

    It draws between steps and from no thread of its own, so that loaders that fork keep
    working, and never for more than 1 % of the time.
    """

    def __init__(
        self,
        console: Console | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(clock)
        self._console = console
        self._live: Live | None = None
        self._next_drawing = 0.0

    def stage(self, name: str, lrs: Sequence[float], steps: int) -> None:
        """Show the new stage at once."""
        if self._live is None:
            self._live = self._started()
        super().stage(name, lrs, steps)
        self._draw()

    def stepped(self, lr: float, step: int, loss: float) -> None:
        """Keep the loss, and draw if the last drawing is long enough ago."""
        super().stepped(lr, step, loss)
        if self._clock() >= self._next_drawing:
            self._draw()

    def waiting(self, trials: int) -> None:
        """Say so at once: no step will."""
        super().waiting(trials)
        self._draw()

    def finished(self) -> None:
        """Clear the display, and the board for whatever comes next."""
        if self._live is not None:
            self._live.stop()
            self._live = None
            self._clear()

    def _started(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        live = Live(
            console=self._console or Console(stderr=True),
            auto_refresh=False,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # what goes to a file stays in the file
        )
        live.start()
        return live

    def _draw(self) -> None:
        if self._live is None:
            return
        before = self._clock()
        self._live.update(self._picture(), refresh=True)
        after = self._clock()
        self._next_drawing = after + max(_SHORTEST_PAUSE, _PAUSE_PER_DRAWING * (after - before))

    def _picture(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        rates = Table.grid(padding=(0, 2))
        for rate, loss, state in self.rows():
            lost = state == _ENDED["diverged"]
            rates.add_row(f"  {rate}", loss, state, style="dim" if lost else "")
        done = self.share() or 0.0
        bar = ProgressBar(1.0, done, width=30, complete_style="cyan", finished_style="cyan")
        foot = Table.grid(padding=(0, 1))
        foot.add_row(bar, Text(self.footline()))
        return Group(Text(f"η★ {self.headline()}", style="bold"), rates, foot)
