"""What the pages of all records have in common, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etastar.report.numbers import rate
from etastar.report.page.view import Fact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etastar.records import TaskSummary, Trial
    from etastar.report.page.words import Words
    from etastar.schedules import Schedule


def objective(task: TaskSummary, words: Words) -> str:
    """What the trials are judged by."""
    return words(f"objective.{task.objective.split(maxsplit=1)[0]}")


def full_runs(cost: float, words: Words) -> str:
    """A cost in full runs."""
    if cost == 1:
        return words.count("count.runs", 1)
    return words("facts.runs", n=f"{cost:.2g}" if cost < 99.5 else f"{cost:,.0f}")


def task_details(task: TaskSummary, trials: Sequence[Trial], words: Words) -> list[Fact]:
    """What the trials were trainings of, and how many there are.

    Returns:
        Names and texts.
    """
    evidence = words(
        "details.evidence.text",
        trials=words.count("count.trials", len(trials)),
        lost=sum(not trial.measured for trial in trials),
    )
    facts = [
        Fact(words("details.steps"), f"{task.steps:,}"),
        Fact(words("details.optimizer"), task.optimizer),
        Fact(words("details.parameters"), f"{task.parameters:,}"),
        Fact(words("details.objective"), objective(task, words)),
        Fact(words("details.evidence"), evidence),
    ]
    if task.default_lr is not None:
        facts.append(Fact(words("details.default"), rate(task.default_lr)))
    if len(task.group_ratios) > 1:
        ratios = ", ".join(f"{ratio:.3g}" for ratio in task.group_ratios)
        facts.append(Fact(words("details.groups"), ratios))
    return facts


def schedule_alt(schedule: Schedule | None, words: Words) -> str:
    """A schedule in a sentence, for those who do not see it drawn.

    Returns:
        Nothing without one.
    """
    if schedule is None:
        return ""
    return words(
        "schedule.alt",
        kind=schedule.kind,
        first=rate(schedule(0)),
        peak=rate(schedule.maximum),
        last=rate(schedule(schedule.steps - 1)),
        steps=words.count("count.steps", schedule.steps),
    )
