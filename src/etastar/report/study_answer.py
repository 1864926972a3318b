"""What a stored study says, in words: its trials, and no verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etastar.report.answer import Answer, Table, final_cell, trial_table
from etastar.report.numbers import count, loss, rate
from etastar.report.sweep_answer import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etastar.records import TaskSummary, Trial


def study_answer(name: str, task: TaskSummary, trials: Sequence[Trial]) -> Answer:
    """Put the trials of a study into words.

    Args:
        name: of the study.
        task: what was trained.
        trials: all that are kept.

    Returns:
        The words.
    """
    best = lowest(trials)
    sentence = (
        "None ended with a finite loss."
        if best is None
        else f"The lowest {task.objective} after {count(best.steps, 'step')}, the longest, is "
        f"{loss(best.final_loss)}, at a rate of {terms(best)}."
    )
    about = (
        f"{count(task.steps, 'step')}, {task.optimizer}, {count(task.parameters, 'parameter')}, "
        f"judged by {task.objective}"
    )
    return Answer(
        headline=f"{name}: {count(len(trials), 'trial')}",
        sentence=sentence,
        facts=(("task", f"{task.name}: {about}"),),
        warnings=(),
        advice="A study keeps trials and gives no verdict. For a rate to train with, run "
        "`etastar find`.",
        code=(),
        table=_table(trials, task.objective),
    )


def terms(trial: Trial) -> str:
    """A trial's rate and settings in words.

    Returns:
        Their text, such as `0.1 with momentum 0.9`.
    """
    return f"{rate(trial.lr)} with {named(trial.settings)}" if trial.settings else rate(trial.lr)


def _table(trials: Sequence[Trial], objective: str) -> Table:
    """The trials by rate and horizon, and by setting and schedule where those differ.

    Returns:
        Cells whose trials differ by seed alone.
    """
    names = sorted({name for trial in trials for name in trial.settings})
    schedules = sorted({(trial.steps, trial.shape) for trial in trials})
    horizons = sorted({steps for steps, _ in schedules})
    several = len(schedules) > len(horizons)
    if not names and not several:
        return trial_table(trials, objective)
    rows: dict[tuple[str, ...], list[Trial]] = {}
    for trial in sorted(trials, key=lambda one: (one.lr, *sorted(one.settings.items()))):
        of = [trial.settings.get(name) for name in names]
        row = [f"{trial.lr:.6g}", *("own" if value is None else f"{value:.6g}" for value in of)]
        if several:
            row.append(trial.shape[:6])
        rows.setdefault(tuple(row), []).append(trial)
    return Table(
        f"final {objective} of the trials",
        (
            *("lr", *names, *(["schedule"] if several else [])),
            *(count(horizon, "step") for horizon in horizons),
        ),
        tuple(
            (*row, *(final_cell([one for one in same if one.steps == n]) for n in horizons))
            for row, same in rows.items()
        ),
    )


def lowest(trials: Sequence[Trial]) -> Trial | None:
    """The trial with the lowest final loss at the longest horizon that any finished.

    Returns:
        None where nothing finished.
    """
    finished = [trial for trial in trials if trial.measured]
    longest = max((trial.steps for trial in finished), default=0)
    return min(
        (trial for trial in finished if trial.steps == longest),
        key=lambda trial: trial.final_loss,
        default=None,
    )
