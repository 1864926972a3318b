"""The one door from a record up to its views, opened only when somebody looks."""

from __future__ import annotations

from typing import Any


def viewed(view: str, record: object, **options: Any) -> Any:
    """Show `record` by the view of that name in `etastar.report`.

    Args:
        view: its name.
        record: what is shown.
        **options: what the view takes beside the record.

    Returns:
        Whatever the view makes: a figure, text or HTML.
    """
    from etastar import report

    return getattr(report, view)(record, **options)
