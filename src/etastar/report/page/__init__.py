"""Answers as self-contained HTML pages: one file, nothing fetched, drawn without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from etastar.records import Finding, Sweep, TaskSummary, Trial


def study_report(
    name: str, task: TaskSummary, trials: Sequence[Trial], *, path: str | Path, lang: str = "en"
) -> Path:
    """Write the trials of a study as a page.

    Args:
        name: of the study.
        task: what was trained.
        trials: all that are kept.
        path: the file; its folder is made if needed.
        lang: `en` or `ko`.

    Returns:
        The path.

    Raises:
        InputError: no page in that language, or a place that cannot be written.
    """
    from etastar.report.page.document import saved
    from etastar.report.page.study import study_page

    return saved(study_page(name, task, trials, lang), path)


def sweep_report(sweep: Sweep, *, path: str | Path, lang: str = "en") -> Path:
    """Write a sweep as a page.

    Args:
        sweep: what was measured.
        path: the file; its folder is made if needed.
        lang: `en` or `ko`.

    Returns:
        The path.

    Raises:
        InputError: no page in that language, or a place that cannot be written.
    """
    from etastar.report.page.document import saved
    from etastar.report.page.sweep import sweep_page

    return saved(sweep_page(sweep, lang), path)


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
