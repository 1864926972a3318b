"""Records as text for terminals and logs."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from etastar.report.answer import Answer, Table, finding_answer, range_test_answer
from etastar.report.sweep_answer import sweep_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etastar.records import Finding, RangeTest, Sweep

_WIDTH = 88


@dataclass(frozen=True)
class Line:
    """A line of text and the part it plays."""

    text: str
    role: Literal["headline", "warning", "code", "title", "plain"] = "plain"


def finding_text(finding: Finding) -> str:
    """A finding as text.

    Returns:
        Several lines: verdict, rate, cost, warnings, what to do next, trials.
    """
    return _joined(finding_answer(finding))


def range_test_text(result: RangeTest) -> str:
    """A range test as text.

    Returns:
        Several lines: what was seen, warnings, the suggestions.
    """
    return _joined(range_test_answer(result))


def sweep_text(sweep: Sweep) -> str:
    """A sweep as text.

    Returns:
        Several lines: the best, its uncertainty, cost, warnings, what to do next, trials.
    """
    return _joined(sweep_answer(sweep))


def _joined(answer: Answer) -> str:
    return "\n".join(line.text for line in lines(answer))


def lines(answer: Answer) -> Iterator[Line]:
    """Lay an answer out, line by line.

    Yields:
        Lines; only those of role `code` may be longer than 88 characters.
    """
    yield Line(answer.headline, "headline")
    yield from (Line(text) for text in textwrap.wrap(answer.sentence, _WIDTH))
    yield Line("")
    names = max((len(name) for name, _ in answer.facts), default=0)
    for name, value in answer.facts:
        yield from hanging(f"  {name:<{names}}  ", value)
    for warning in answer.warnings:
        yield from hanging("  warning: ", warning, "warning")
    yield from table_lines(answer.table)
    yield Line("")
    yield from (Line(text) for text in textwrap.wrap(answer.advice, _WIDTH))
    yield from (Line(f"  {code}", "code") for code in answer.code)


def brief_lines(answer: Answer) -> Iterator[Line]:
    """Only what must not be missed: the verdict and the warnings.

    Yields:
        Lines.
    """
    yield Line(answer.headline, "headline")
    yield from (Line(text) for text in textwrap.wrap(answer.sentence, _WIDTH))
    for warning in answer.warnings:
        yield from hanging("  warning: ", warning, "warning")


def hanging(first: str, text: str, role: Literal["warning", "plain"] = "plain") -> Iterator[Line]:
    """Wrap a text under its first word.

    Args:
        first: what stands before it on the first line.
        text: the text.
        role: of all lines.

    Yields:
        Lines.
    """
    wrapped = textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )
    yield from (Line(line, role) for line in wrapped or [first.rstrip()])


def table_lines(table: Table) -> Iterator[Line]:
    """Lay a table out in columns, after an empty line.

    Yields:
        Lines; none for a table without rows.
    """
    if not table.rows:
        return
    cells = (table.columns, *table.rows)
    widths = [max(len(row[i]) for row in cells) for i in range(len(table.columns))]
    yield Line("")
    yield Line(f"  {table.title}", "title")
    for row in cells:
        padded = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield Line(f"    {'  '.join(padded)}".rstrip())
