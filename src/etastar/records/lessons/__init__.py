"""The records of `etastar explain`: what happened in each lesson."""

from __future__ import annotations

import json
from pathlib import Path

from etastar.errors import RecordError
from etastar.records.lessons.base import Lesson
from etastar.records.lessons.grid_search import GridSearch
from etastar.records.lessons.one_cycle import Arm, OneCycleLesson
from etastar.records.lessons.optimizers import Optimizers
from etastar.records.lessons.regimes import Descent, Regimes
from etastar.records.lessons.regimes_on_task import RegimesOnTask, SharpnessRun, StabilityRule
from etastar.records.lessons.schedules import Scheduled, Schedules

__all__ = [
    "Arm",
    "Descent",
    "GridSearch",
    "Lesson",
    "OneCycleLesson",
    "Optimizers",
    "Regimes",
    "RegimesOnTask",
    "Scheduled",
    "Schedules",
    "SharpnessRun",
    "StabilityRule",
    "read_lesson",
]

_KINDS: dict[str, type[Lesson]] = {
    lesson.kind: lesson
    for lesson in (Regimes, RegimesOnTask, Schedules, Optimizers, OneCycleLesson, GridSearch)
}
"""Every concrete lesson by its kind."""


def read_lesson(path: Path) -> Lesson:
    """Read a saved lesson, whichever it is; needs no torch.

    Returns:
        The record.

    Raises:
        RecordError: the file holds no lesson.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(
            f"{path} cannot be read as a lesson ({error}); give a lesson.json that "
            f"`etastar explain NAME --out DIR` wrote."
        ) from error
    kind = content.get("etastar") if isinstance(content, dict) else None
    if kind not in _KINDS:
        raise RecordError(
            f"{path} is {f'a {kind!r}' if kind else 'no record of etastar'}; give a lesson.json "
            f"that `etastar explain NAME --out DIR` wrote."
        )
    return _KINDS[kind].from_json(path)
