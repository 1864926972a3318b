"""Answers as self-contained HTML pages: one file, nothing fetched, drawn without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from etastar.records import Finding


def finding_report(finding: Finding, *, path: str | Path, lang: str = "en") -> Path:
    """Write a finding as a page.

    Args:
        finding: what was found.
        path: the file; its folder is made if needed.
        lang: `en` or `ko`.

    Returns:
        The path.

    Raises:
        InputError: no page in that language, or a place that cannot be written.
    """
    from etastar.report.page.document import saved
    from etastar.report.page.finding import finding_page

    return saved(finding_page(finding, lang), path)
