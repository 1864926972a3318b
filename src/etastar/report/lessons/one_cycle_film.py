"""The moving picture of 1cycle: rate, momentum and loss, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etastar.report import canvas
from etastar.report.lessons.film import Film
from etastar.report.lessons.one_cycle_pictures import COLORS, cycle_axes, cycle_curves

if TYPE_CHECKING:
    from etastar.records.lessons.one_cycle import OneCycleLesson
    from etastar.report.page.words import Words


def cycle_film(lesson: OneCycleLesson, words: Words) -> Film:
    """Make the film, a frame for every look.

    Returns:
        The film, to be drawn.
    """
    figure, rows = cycle_axes(lesson, words, (8.4, 5.2))
    curves = cycle_curves(lesson)
    color = COLORS["one_cycle"]
    for axes, (x, y) in zip(rows[:-1], curves[:-1], strict=True):
        axes.plot(x, y, color=color, linewidth=0.8, alpha=0.4)
    lines = [axes.plot([], [], color=color, linewidth=2.2)[0] for axes in rows]
    dots = [
        axes.plot([], [], "o", color=canvas.INK, markersize=6, zorder=5, clip_on=False)[0]
        for axes in rows
    ]
    clock = figure.text(0.012, 0.985, "", va="top", fontsize=11, fontweight="bold")
    looks = lesson.short.at

    def advance(frame: int) -> None:
        now = looks[frame]
        for line, dot, (x, y) in zip(lines, dots, curves, strict=True):
            past = int(np.searchsorted(x, now, side="right"))
            line.set_data(x[:past], y[:past])
            dot.set_data(x[max(past - 1, 0) : past], y[max(past - 1, 0) : past])
        clock.set_text(
            words("picture.step_of", step=f"{int(now):,}", steps=f"{lesson.short.steps:,}")
        )

    return Film(figure, (*lines, *dots, clock), advance, len(looks))
