"""The moving picture of the schedules: the rates and the losses, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etastar.report import canvas
from etastar.report.lessons.film import Film
from etastar.report.lessons.schedules_pictures import (
    COLORS,
    line_style,
    loss_axes,
    name_ends,
    rate_axes,
    rates,
)

if TYPE_CHECKING:
    from etastar.records.lessons.schedules import Schedules
    from etastar.report.page.words import Words


def schedules_film(lesson: Schedules, words: Words) -> Film:
    """Make the film, a frame for every look.

    Returns:
        The film, to be drawn.
    """
    figure = canvas.Picture(figsize=(9.6, 4.2), facecolor="white")
    grid = figure.add_gridspec(
        1, 2, left=0.085, right=0.88, top=0.9, bottom=0.125, wspace=0.22, width_ratios=(1, 1.2)
    )
    left, right = (figure.add_subplot(grid[0, place]) for place in range(2))
    rate_axes(left, lesson, words)
    loss_axes(right, lesson, words)
    paths = [rates(lesson, run) for run in lesson.runs]
    styles = [line_style(run) for run in lesson.runs]
    for run, (steps, values) in zip(lesson.runs, paths, strict=True):
        left.plot(steps, values, alpha=0.35, **line_style(run, 0.7))
    lines = [(left.plot([], [], **style)[0], right.plot([], [], **style)[0]) for style in styles]
    dots = [
        [
            axes.plot([], [], "o", color=COLORS[run.family], markersize=5.5, clip_on=False)[0]
            for axes in (left, right)
        ]
        for run in lesson.runs
    ]
    name_ends(
        right,
        [
            (run.losses[-1], words(f"picture.schedule.{run.family}"), COLORS[run.family])
            for run in lesson.runs
            if np.isfinite(run.losses[-1])
        ],
    )
    clock = figure.text(0.015, 0.975, "", va="top", fontsize=11, fontweight="bold")
    bottom = left.get_ylim()[0]

    def advance(frame: int) -> None:
        now = int(lesson.at[frame])
        for run, (steps, values), (path, losses), (at_rate, at_loss) in zip(
            lesson.runs, paths, lines, dots, strict=True
        ):
            past = steps < now
            path.set_data(steps[past], values[past])
            at_rate.set_data(steps[past][-1:], np.maximum(values[past][-1:], bottom))
            seen = np.where(np.isfinite(run.losses), run.losses, np.nan)[: frame + 1]
            losses.set_data(lesson.at[: frame + 1], seen)
            at_loss.set_data(lesson.at[frame : frame + 1], seen[-1:])
        clock.set_text(words("picture.step_of", step=f"{now:,}", steps=f"{lesson.steps:,}"))

    moving = [clock, *(line for pair in (*lines, *dots) for line in pair)]
    return Film(figure, moving, advance, len(lesson.at))
