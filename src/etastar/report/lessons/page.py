"""The page of a lesson: one file, its pictures inside."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from etastar.report.lessons.files import poster
from etastar.report.lessons.view import Movie
from etastar.report.page.document import document
from etastar.report.page.names import plain
from etastar.report.page.view import Fact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etastar.records.lessons import Lesson
    from etastar.report.lessons.view import LessonView
    from etastar.report.page.words import Words


def lesson_page(lesson: Lesson, view: LessonView, words: Words, drawn: Mapping[str, bytes]) -> str:
    """Lay a lesson out as a page.

    Args:
        lesson: what happened.
        view: what is shown of it.
        words: the language.
        drawn: the pictures by name, PNGs and GIFs.

    Returns:
        One HTML document.
    """
    return document(
        "lesson.html",
        words,
        {},
        scripts=("page/assets/page.js", "page/assets/lesson.js", "page/assets/toy.js"),
        styles=("page/assets/lesson.css",),
        title=words("lesson.title", title=view.title),
        view=view,
        sources={
            name: f"data:image/{'gif' if content[:3] == b'GIF' else 'png'};base64,{_text(content)}"
            for name, content in drawn.items()
        },
        posters={
            shown.name: f"data:image/png;base64,{_text(poster(shown, words))}"
            for shown in view.pictures()
            if isinstance(shown, Movie)
        },
        details=[
            Fact(words("lesson.seconds"), words.duration(lesson.seconds)),
            Fact(words("details.seed"), str(lesson.seed)),
        ],
        environment=lesson.environment,
        again=again(lesson),
    )


def again(lesson: Lesson) -> str:
    """The command that runs the lesson again."""
    import shlex

    task = f" --task {shlex.quote(plain(lesson.task))}" if lesson.task is not None else ""
    seed = f" --seed {lesson.seed}" if lesson.seed else ""
    return f"etastar explain {lesson.name}{task}{seed} --out {lesson.name}"


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
