"""A schedule on a terminal: its curve in dots, its landmarks in words. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etastar.errors import ScheduleError

if TYPE_CHECKING:
    from etastar.schedules import Schedule

# Braille cells are 2 dots wide and 4 high; the bits of their dots, by column and row.
_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_MARGIN = 10


def landmarks(schedule: Schedule) -> dict[str, float | int]:
    """The numbers one looks for first.

    Returns:
        Steps, the first value, the peak and its first step, the last trained value, the held.

    >>> from etastar.schedules import Cosine
    >>> landmarks(Cosine(steps=100, peak=0.1, warmup_steps=10))["peak_step"]
    9
    """
    steps = np.unique(np.linspace(0, schedule.steps, 100_001).round())
    values = schedule(steps)
    return {
        "steps": schedule.steps,
        "first": schedule(0),
        "peak": schedule.maximum,
        "peak_step": int(steps[values.argmax()]),
        "last": schedule(schedule.steps - 1),
        "held": schedule(schedule.steps),
    }


def sentence(schedule: Schedule) -> str:
    """The landmarks in a sentence."""
    marks = landmarks(schedule)
    return (
        f"{marks['steps']} steps: {marks['first']:.4g} at step 0, peak {marks['peak']:.4g} at step "
        f"{marks['peak_step']}, {marks['last']:.4g} at the last step, then {marks['held']:.4g}."
    )


def curve(schedule: Schedule, columns: int = 72, rows: int = 12, *, dots: bool = True) -> list[str]:
    """The curve over the run and a tenth past its end, as lines of text.

    Args:
        schedule: The schedule.
        columns: Width in characters, the axis included.
        rows: Height in characters, without the labels below.
        dots: Draw in braille dots; False for plain stars.

    Returns:
        The lines.
    """
    width = max(columns - _MARGIN - 1, 16)
    across, down = (2, 4) if dots else (1, 1)
    end = schedule.steps * 1.1
    steps = np.linspace(0, end, width * across).round()
    values = _known(schedule, steps)
    top = max(float(np.nanmax(values)), 1e-300)
    heights = np.round((1 - values / top) * (rows * down - 1))
    cells = np.zeros((rows, width), dtype=int)
    previous = heights[0]
    for x, y in enumerate(heights):
        if np.isnan(y):
            continue
        for height in _between(previous, y):
            bit = _BITS[x % 2][height % 4] if dots else 1
            cells[height // down, x // across] |= bit
        previous = y
    mark = (lambda cell: chr(0x2800 + cell)) if dots else (lambda cell: "*" if cell else " ")
    lines = ["".join(mark(int(cell)) for cell in row).rstrip("\u2800 ") for row in cells]
    labels = [f"{top:.3g}", *[""] * (rows - 2), "0"]
    drawn = [f"{label:>{_MARGIN - 2}} |{line}" for label, line in zip(labels, lines, strict=True)]
    mark_end = round(width * schedule.steps / end)
    ruler = f"{'0':<{max(mark_end - len(str(schedule.steps)), 1)}}{schedule.steps}"
    return [*drawn, f"{'':>{_MARGIN}}{ruler}  step"]


def _known(schedule: Schedule, steps: np.ndarray) -> np.ndarray:
    """The values; NaN where the schedule gives none, as some libraries past their end."""
    try:
        return schedule(steps)
    except ScheduleError:
        inside = steps < schedule.steps
        return np.where(inside, schedule(np.where(inside, steps, 0)), np.nan)


def _between(start: float, stop: float) -> range:
    """The dots of a vertical stroke, so that a jump is drawn as one."""
    low, high = sorted((int(start), int(stop)))
    return range(low, high + 1) if high - low > 1 else range(int(stop), int(stop) + 1)
