"""Lessons as pictures, moving pictures, text and pages; drawn from the record, without torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from etastar.records.lessons import Lesson
    from etastar.report.lessons.view import LessonView
    from etastar.report.page.words import Words

_VIEWS = {
    "lesson_regimes": "regimes",
    "lesson_regimes_on_task": "regimes_on_task",
    "lesson_schedules": "schedules",
    "lesson_one_cycle": "one_cycle",
    "lesson_optimizers": "optimizers",
    "lesson_grid_search": "grid_search",
}
"""The module here that shows each kind of lesson, as `view(lesson, words) -> LessonView`."""


def lesson_view(lesson: Lesson, words: Words) -> LessonView:
    """What a lesson shows, in the language of `words`."""
    return import_module(f"etastar.report.lessons.{_VIEWS[lesson.kind]}").view(lesson, words)


def lesson_figure(lesson: Lesson, *, picture: str | None = None, lang: str = "en") -> Figure:
    """One picture of a lesson, the first by default; of a moving one its last frame.

    Returns:
        A figure of its own, unknown to pyplot.
    """
    from etastar.report.lessons.files import figure_of
    from etastar.report.page.words import Words

    words = Words(lang)
    return figure_of(lesson_view(lesson, words), picture, words)
