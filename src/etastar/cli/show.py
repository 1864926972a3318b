"""Answers on a terminal: the same words as everywhere, the important ones in bold."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etastar.records import Finding, RangeTest, Sweep
    from etastar.records.lessons import Lesson
    from etastar.report.answer import Answer
    from etastar.report.text import Line

_STYLES = {
    "headline": "bold",
    "title": "bold",
    "warning": "yellow",
    "code": "cyan",
    "plain": "",
}


def show(answer: Answer, *, brief: bool = False, stderr: bool = False) -> None:
    """Print an answer.

    Args:
        answer: the words.
        brief: only the headline, the sentence and the warnings.
        stderr: print there, where stdout belongs to JSON.
    """
    from etastar.report.text import brief_lines, lines

    show_lines(brief_lines(answer) if brief else lines(answer), stderr=stderr)


def show_lines(laid_out: Iterable[Line], *, stderr: bool = False) -> None:
    """Print lines of text, each as the part it plays.

    Args:
        laid_out: the lines.
        stderr: print there, where stdout belongs to JSON.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=stderr, highlight=False, soft_wrap=True)
    for line in laid_out:
        console.print(Text(line.text, style="" if console.no_color else _STYLES[line.role]))


def show_lesson(lesson: Lesson, lang: str, *, as_json: bool) -> None:
    """Print a lesson in words, or as JSON with the most important words on stderr."""
    from etastar.report.lessons import lesson_view
    from etastar.report.lessons.text import view_lines
    from etastar.report.page.words import Words

    if as_json:
        print(lesson.to_json())
    view = lesson_view(lesson, Words(lang))
    show_lines(view_lines(view, brief=as_json), stderr=as_json)


def show_record(record: Finding | RangeTest | Sweep, code: tuple[str, ...] | None = None) -> None:
    """Print a record in words on stdout.

    Args:
        record: what was measured.
        code: how to use a finding, where the reader does not hold it in Python.
    """
    show(_answer(record, code))


def show_record_briefly(record: Finding | RangeTest | Sweep) -> None:
    """Print the verdict and the warnings on stderr."""
    show(_answer(record, None), brief=True, stderr=True)


def _answer(record: Finding | RangeTest | Sweep, code: tuple[str, ...] | None) -> Answer:
    from etastar.records import Finding, Sweep
    from etastar.report.answer import finding_answer, range_test_answer, schedule_use
    from etastar.report.sweep_answer import sweep_answer, sweep_use

    if isinstance(record, Finding):
        return finding_answer(record, code or schedule_use(record))
    if isinstance(record, Sweep):
        return sweep_answer(record, code or sweep_use(record))
    return range_test_answer(record)
