"""Records as HTML for notebooks: the words, the picture, the table; no script, nothing fetched."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from etastar.report.answer import Answer, finding_answer, range_test_answer
from etastar.report.sweep_answer import sweep_answer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from etastar.records import Finding, RangeTest, Sweep


def finding_html(finding: Finding) -> str:
    """A finding as a piece of HTML.

    Returns:
        One `div`, with the picture inside; every name in it is escaped.
    """
    from etastar.report.finding_picture import finding_figure

    return _html(finding_answer(finding), finding_figure(finding))


def range_test_html(result: RangeTest) -> str:
    """A range test as a piece of HTML.

    Returns:
        One `div`, with the picture inside; every name in it is escaped.
    """
    from etastar.report.range_picture import range_test_figure

    return _html(range_test_answer(result), range_test_figure(result))


def sweep_html(sweep: Sweep) -> str:
    """A sweep as a piece of HTML.

    Returns:
        One `div`, with the picture inside; every name in it is escaped.
    """
    from etastar.report.sweep_picture import sweep_figure

    return _html(sweep_answer(sweep), sweep_figure(sweep))


def _html(answer: Answer, figure: Figure) -> str:
    from jinja2 import Environment, PackageLoader

    pages = Environment(loader=PackageLoader("etastar.report"), autoescape=True)
    alt = f"Loss against learning rate. {answer.headline}. {answer.sentence}"
    return pages.get_template("answer.html").render(answer=answer, picture=_png(figure), alt=alt)


def _png(figure: Figure) -> str:
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=130)
    return base64.b64encode(target.getvalue()).decode("ascii")
