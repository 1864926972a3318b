"""The page of a stored study: its trials, and no verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etastar.report.numbers import loss
from etastar.report.page.chart import rate_chart
from etastar.report.page.code import own_task
from etastar.report.page.names import isolated, plain
from etastar.report.page.parts import objective, task_details
from etastar.report.page.view import Fact, Page, curves_note, drawn, trial_data
from etastar.report.page.words import Words
from etastar.report.study_answer import lowest, terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etastar.records import TaskSummary, Trial


def study_page(name: str, task: TaskSummary, trials: Sequence[Trial], lang: str = "en") -> str:
    """Draw the trials of a study as a page.

    Args:
        name: of the study.
        task: what was trained.
        trials: all that are kept.
        lang: `en` or `ko`.

    Returns:
        One HTML document.

    Raises:
        InputError: no page in that language.
    """
    words = Words(lang)
    return drawn(_page(name, task, trials, words), words)


def _page(name: str, task: TaskSummary, trials: Sequence[Trial], words: Words) -> Page:
    data: dict[str, Any] = trial_data(trials)
    best = lowest(trials)
    counted = words.count("count.trials", len(trials))
    return Page(
        title=words("study.title", name=plain(name)),
        about=words("study.about"),
        name=name,
        verdict="measured",
        verdict_word=words("verdict.measured"),
        sentence=words("study.sentence.none", name=isolated(name), trials=counted)
        if best is None
        else words(
            "study.sentence",
            name=isolated(name),
            trials=counted,
            steps=words.count("count.steps", best.steps),
            lr=isolated(terms(best)),
        ),
        why="",
        lr=None,
        facts=()
        if best is None
        else (
            Fact(objective(task, words), loss(best.final_loss), note=words("study.lowest.note")),
        ),
        advice=words("study.advice"),
        snippets=(),
        chart_alt=words("chart.alt", n=counted),
        warnings=(),
        curves_note=curves_note(trials, len(data["curves"]), words),
        details=tuple(task_details(task, trials, words)),
        again=f"etastar.find({own_task(task.name)})",
        data=data
        | {
            "chart": rate_chart(trials, default_lr=task.default_lr) if trials else None,
            "measured": objective(task, words),
            "horizon": task.steps,
            "schedule": None,
            "range_test": None,
        },
    )
