"""Lessons as text for terminals, and as HTML for notebooks."""

from __future__ import annotations

import base64
import textwrap
from typing import TYPE_CHECKING

from etastar.report.answer import Table
from etastar.report.text import Line, hanging, table_lines

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from etastar.records.lessons import Lesson
    from etastar.report.lessons.view import LessonView
    from etastar.report.page.words import Words

_WIDTH = 88


def view_lines(view: LessonView, *, brief: bool = False) -> Iterator[Line]:
    """Lay a lesson out, line by line: what was seen, the numbers, the tables, what to do next.

    Args:
        view: what is shown.
        brief: only what was seen and the warnings.

    Yields:
        Lines.
    """
    yield Line(_bare(view.title), "headline")
    yield from (Line(text) for text in textwrap.wrap(_bare(view.sentence), _WIDTH))
    if not brief:
        yield Line("")
        names = max((len(fact.name) for fact in view.facts), default=0)
        for fact in view.facts:
            note = f" ({fact.note})" if fact.note else ""
            yield from hanging(f"  {fact.name:<{names}}  ", f"{fact.text}{note}")
    for warning in view.warnings:
        yield from hanging("  warning: ", warning, "warning")
    if brief:
        return
    for section in view.sections:
        if section.table is not None:
            table = section.table
            yield from table_lines(Table(table.title, table.columns, table.rows))
    yield Line("")
    yield from (Line(text) for text in textwrap.wrap(view.advice, _WIDTH))
    if view.code:
        yield Line(f"  {view.code}", "code")


def _bare(text: str) -> str:
    """Without the marks that keep a name's direction to itself: terminals show them as boxes."""
    return text.replace("\u2068", "").replace("\u2069", "")


def summary(name: str, words: Words) -> str:
    """What a lesson is about, in a line."""
    return words(f"lesson.summary.{name}")


def listed(names: Collection[str], words: Words) -> list[str]:
    """The lessons, and how to run one.

    Returns:
        Lines.
    """
    width = max(map(len, names))
    lines = [f"{name:<{width}}  {summary(name, words)}" for name in names]
    return [*lines, "", words("lesson.listed")]


def lesson_text(lesson: Lesson) -> str:
    """A lesson as text.

    Returns:
        Several lines, in English.
    """
    view, _ = _seen(lesson)
    return "\n".join(line.text for line in view_lines(view))


def lesson_html(lesson: Lesson) -> str:
    """A lesson as a piece of HTML: words, moving and still pictures, tables; no script.

    Returns:
        One `div`; every name in it is escaped.
    """
    from jinja2 import Environment, PackageLoader

    from etastar.report.lessons.files import picture_bytes
    from etastar.report.lessons.view import Movie

    view, words = _seen(lesson)
    pages = Environment(loader=PackageLoader("etastar.report"), autoescape=True)
    sources = {
        shown.name: f"data:image/{'gif' if isinstance(shown, Movie) else 'png'};base64,"
        + base64.b64encode(picture_bytes(shown, words)).decode("ascii")
        for shown in view.pictures()
    }
    return pages.get_template("lesson.html").render(view=view, sources=sources)


def _seen(lesson: Lesson) -> tuple[LessonView, Words]:
    from etastar.report.lessons import lesson_view
    from etastar.report.page.words import Words

    words = Words("en")
    return lesson_view(lesson, words), words
