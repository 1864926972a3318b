"""What was learned of a task before: which of it is evidence now, and what was asked already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from etastar.engine.memory import Listed
from etastar.engine.recorded import recall
from etastar.errors import InputError, ScheduleError
from etastar.finder.answer import INTERRUPTED
from etastar.finder.course import Course
from etastar.records import Finding, Terms, Trial
from etastar.tasks import Task

MOST = 40
"""So many trials are weighed at most: the longest of them, and of those the best."""

LONGEST_SEARCH = 80
"""No search asks for more pilots than this."""


class Begin(Protocol):
    """Begins a course on some evidence."""

    def __call__(self, evidence: Sequence[Trial], trials: list[Trial]) -> Course:
        """The course; `trials` are those it will have asked for."""
        ...


@dataclass(frozen=True)
class Known:
    """An earlier finding of the task, and how far its question was this one."""

    finding: Finding
    same_seed: bool
    same_settings: bool

    @classmethod
    def of(cls, given: Finding | str | Path, task: Task, fingerprint: str, seed: int) -> Known:
        """An earlier finding, held against the task it is to help with.

        Returns:
            It.

        Raises:
            InputError: it is of another task.
            RecordError: the file holds no finding.
        """
        finding = given if isinstance(given, Finding) else Finding.from_json(Path(given))
        theirs = finding.task.fingerprint
        if theirs != fingerprint:
            raise InputError(
                f"known= is a finding of another task (fingerprint {theirs[:8] or 'none'}, here "
                f"{fingerprint[:8]}: model, data, loss or optimizer differ); leave it out."
            )
        settings = dict(task.settings)
        same = all(trial.settings == settings for trial in finding.trials)
        return cls(finding, finding.seed == seed, same)

    def answers(self, task: Task, budget: float) -> bool:
        """Whether the very same question was asked, and answered to its end."""
        finding = self.finding
        return (
            self.same_seed
            and self.same_settings
            and len(finding.trials) > 0
            and finding.task.steps == task.horizon
            and finding.task.schedule.fingerprint == task.shape.fingerprint
            and finding.budget == budget
            and not finding.reason.startswith(INTERRUPTED)
        )

    def again(self) -> Finding:
        """The same answer once more; nothing was spent on it."""
        before = self.finding
        in_all = before.cost if before.cost_in_all is None else before.cost_in_all
        word = "the answer of before: the same task, horizon, schedule, seed and budget"
        return before.model_copy(
            update={"cost": 0.0, "cost_in_all": in_all, "seconds": 0.0, "carried": (word,)}
        )


@dataclass(frozen=True)
class Past:
    """The trials from before that this search goes on from, and words on them."""

    evidence: tuple[Trial, ...]
    words: tuple[str, ...]

    @classmethod
    def of(cls, memory: Listed, task: Task, begin: Begin) -> Past:
        """Tell evidence from what this very search asked for before it was cut short.

        A search that continues must come to the answer of one that was never cut short, so
        its own trials are no evidence from before: they are answered when it asks again. They
        are what it asks for when it begins from the rest, and the rest came before them.

        Args:
            memory: of the task's trials.
            task: with its horizon, shape and settings.
            begin: begins the search's course.

        Returns:
            The past.
        """
        every = memory.trials()
        fit = [trial for trial in every if _fits(trial, task)]
        evidence = telling(fit[: _earlier(fit, memory, task, begin)])
        return cls(tuple(evidence), tuple(_words(evidence, len(every) - len(fit))))


def telling(trials: Sequence[Trial]) -> list[Trial]:
    """Those that tell most, where there are too many to weigh.

    Returns:
        At most `MOST`, in their order.
    """

    def worth(place: int) -> tuple[float, bool, float]:
        trial = trials[place]
        return -trial.steps, not trial.measured, trial.final_loss if trial.measured else 0.0

    chosen = sorted(range(len(trials)), key=worth)[:MOST]
    return [trials[place] for place in sorted(chosen)]


def _earlier(fit: Sequence[Trial], memory: Listed, task: Task, begin: Begin) -> int:
    """How many of the trials came before this search.

    Returns:
        The fewest from which on all were asked for by it.
    """
    recalled = _recalling(memory, task)
    counts = range(len(fit))
    for count in dict.fromkeys([*counts[:1], *counts[-LONGEST_SEARCH:]]):
        asked: list[Trial] = []
        done = True
        for pilot in begin(telling(fit[:count]), asked).pilots():
            held = recalled(pilot)
            if held is None:
                done = False
                break
            asked.append(held)
        own = {trial.terms for trial in asked}
        if (done and asked) or (own and all(trial.terms in own for trial in fit[count:])):
            return count
    return len(fit)


def _recalling(memory: Listed, task: Task) -> Callable[[Any], Trial | None]:
    def recalled(pilot: Any) -> Trial | None:
        shape = task.shape.resized(pilot.steps).fingerprint
        terms = Terms.of(float(pilot.lr), pilot.seed, pilot.steps, shape, task.settings)
        return recall(memory, [terms], pilot.lost).get(terms)

    return recalled


def _fits(trial: Trial, task: Task) -> bool:
    """Whether a trial is a miniature of this task's run: same settings, same shape resized."""
    if trial.settings != dict(task.settings):
        return False
    try:
        return trial.shape == task.shape.resized(trial.steps).fingerprint
    except ScheduleError:  # a shape with parts too short for so few steps
        return False


def _words(evidence: Sequence[Trial], left_out: int) -> list[str]:
    said: list[str] = []
    if evidence:
        steps = sorted({trial.steps for trial in evidence})
        seeds = sorted({trial.seed for trial in evidence})
        span = f"{steps[0]}" if len(steps) == 1 else f"{steps[0]} to {steps[-1]}"
        said.append(
            f"{len(evidence)} earlier trials are evidence, at horizons of {span} steps and seed "
            f"{', '.join(map(str, seeds))}"
        )
    if left_out:
        said.append(
            f"{left_out} earlier trials are not used: trained under another schedule or other "
            f"settings"
        )
    return said
