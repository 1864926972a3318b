"""Pictures, text and HTML drawn from records, on any machine, without torch.

matplotlib loads with the first figure and jinja2 with the first HTML, not before.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etastar.report.axes_picture import axes_figure
    from etastar.report.finding_picture import finding_figure
    from etastar.report.html import finding_html, range_test_html, sweep_html
    from etastar.report.lessons import lesson_figure
    from etastar.report.lessons.files import lesson_files, lesson_report
    from etastar.report.lessons.text import lesson_html, lesson_text
    from etastar.report.page import finding_report, sweep_report
    from etastar.report.range_picture import range_test_figure
    from etastar.report.sweep_picture import sweep_figure
    from etastar.report.text import finding_text, range_test_text, sweep_text

__all__ = [
    "axes_figure",
    "finding_figure",
    "finding_html",
    "finding_report",
    "finding_text",
    "lesson_figure",
    "lesson_files",
    "lesson_html",
    "lesson_report",
    "lesson_text",
    "range_test_figure",
    "range_test_html",
    "range_test_text",
    "sweep_figure",
    "sweep_html",
    "sweep_report",
    "sweep_text",
]

_HOMES = {
    "axes_figure": "axes_picture",
    "finding_figure": "finding_picture",
    "finding_html": "html",
    "finding_report": "page",
    "finding_text": "text",
    "lesson_figure": "lessons",
    "lesson_files": "lessons.files",
    "lesson_html": "lessons.text",
    "lesson_report": "lessons.files",
    "lesson_text": "lessons.text",
    "range_test_figure": "range_picture",
    "range_test_html": "html",
    "range_test_text": "text",
    "sweep_figure": "sweep_picture",
    "sweep_html": "html",
    "sweep_report": "page",
    "sweep_text": "text",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'etastar.report' has no attribute {name!r}")
    return getattr(import_module(f"etastar.report.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
