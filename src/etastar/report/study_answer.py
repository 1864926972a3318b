"""What a stored study says, in words: its trials, and no verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etastar.report.answer import Answer, trial_table
from etastar.report.numbers import count, loss, rate

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
        f"{loss(best.final_loss)}, at a rate of {rate(best.lr)}."
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
        table=trial_table(trials, task.objective),
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
