"""The table of a sweep's trials, live on a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from etastar.engine import display
from etastar.engine.display import ConsoleDisplay, LineDisplay
from etastar.engine.progress import Observer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from etastar.records import Trial

_ROWS = 14
"""Trials shown at once: the latest; how many came before is said in words."""

_WORDS = {"finished": "done", "diverged": "diverged", "stopped": "stopped early"}


def default_observer(progress: bool | None) -> Observer:
    """Who watches a sweep when the caller named no observer.

    Args:
        progress: as for `etastar.engine.display.default_observer`.

    Returns:
        A table of trials where it can be live; else what other work is shown by.
    """
    usual = display.default_observer(progress)
    if isinstance(usual, ConsoleDisplay):
        return TrialsDisplay()
    return SweepLines() if isinstance(usual, LineDisplay) else usual


class SweepLines(LineDisplay):
    """A line per trial, its settings in it."""

    def stage(self, name: str, lrs: Sequence[float], steps: int) -> None:
        """Say which settings; how many of their rates are taken at a time is no matter."""
        super().stage(name, lrs[:1], steps)

    def trial_ended(self, trial: Trial) -> None:
        """Say what came of it."""
        lr, settings, steps, seed, loss, state = cells(trial)
        words = [f"lr {lr}", settings, f"{steps} steps, seed {seed}", state, loss]
        self._say(f"  {', '.join(word for word in words if word)}")


class TrialsDisplay(ConsoleDisplay):
    """Trials row by row as they end, the one in training last, the best so far above."""

    def _clear(self) -> None:
        super()._clear()
        self.ended: list[Trial] = []
        self.settings = ""
        self.engine = ""
        self.running: list[tuple[float, int, int]] = []  # rate, seed and steps of what trains

    def stage(self, name: str, lrs: Sequence[float], steps: int) -> None:
        """Remember the settings, which the stage is named by."""
        self.settings = "" if name == "trials" else name
        self.running = []
        super().stage(name, lrs, steps)

    def engine_chosen(self, engine: str, reason: str) -> None:
        """Show which one trains; why is in the answer. What was under way begins anew."""
        del reason
        self.engine = engine
        self.running = []

    def trial_started(self, lr: float, seed: int, steps: int) -> None:
        """It is the one in training, or one of those."""
        self.running.append((lr, seed, steps))
        super().trial_started(lr, seed, steps)

    def trial_ended(self, trial: Trial) -> None:
        """It gets its row."""
        super().trial_ended(trial)
        self.ended.append(trial)
        if (ran := (trial.lr, trial.seed, trial.steps)) in self.running:
            self.running.remove(ran)

    def best(self) -> str:
        """The lowest loss at the longest horizon so far, in words.

        Returns:
            Nothing before a trial finished.
        """
        measured = [trial for trial in self.ended if trial.measured]
        if not measured:
            return ""
        first = min(measured, key=lambda trial: (-trial.steps, trial.final_loss))
        lr, settings, steps, _, loss, _ = cells(first)
        words = f"lr {lr}{', ' if settings else ''}{settings}"
        return f"best so far: {words}: {loss} after {steps} steps"

    def table(self) -> list[tuple[str, ...]]:
        """The latest trials and the one in training; several at once share a row.

        Returns:
            Rows of rate, settings, steps, seed, loss and state, in words.
        """
        rows = [cells(trial) for trial in self.ended[-_ROWS:]]
        if self.running:
            (lr, seed, steps), (_, step, loss) = self.running[-1], self.latest
            shown = f"loss {loss:.4g}" if math.isfinite(loss) else ""
            state = f"step {min(step + 1, steps)} of {steps}"
            several = len(self.running) > 1
            what = f"{len(self.running)} at once" if several else f"{lr:.3g}"
            whose = "" if several else f"{seed}"
            rows.append((what, self.settings, f"{steps}", whose, shown, state))
        return rows

    def _picture(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        trials = Table(box=None, padding=(0, 2), header_style="bold")
        for column in ("lr", "settings", "steps", "seed", "final loss", ""):
            trials.add_column(column)
        for row in self.table():
            trials.add_row(*row, style="dim" if row[-1] == _WORDS["diverged"] else "")
        before = max(0, len(self.ended) - _ROWS)
        more = f", {before} more above" if before else ""
        engine = f", engine {self.engine}" if self.engine else ""
        plural = "" if len(self.ended) == 1 else "s"
        headline = f"η★ sweep: {len(self.ended)} trial{plural}{more}{engine}"
        bar = ProgressBar(1.0, self.share() or 0.0, width=30, complete_style="cyan")
        foot = Table.grid(padding=(0, 1))
        foot.add_row(bar, Text(self.footline()))
        return Group(Text(headline, style="bold"), trials, Text(self.best(), style="bold"), foot)


def cells(trial: Trial) -> tuple[str, str, str, str, str, str]:
    """A trial in words.

    Returns:
        Rate, settings, steps, seed, loss, and how it ended.
    """
    settings = ", ".join(f"{name} {value:g}" for name, value in trial.settings.items())
    loss = f"loss {trial.final_loss:.4g}" if trial.measured else ""
    state = _WORDS[trial.status]
    return f"{trial.lr:.3g}", settings, f"{trial.steps}", f"{trial.seed}", loss, state
