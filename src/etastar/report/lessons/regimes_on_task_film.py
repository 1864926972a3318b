"""The moving picture of the edge of stability: losses fall while sharpness rises to its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etastar.report import canvas
from etastar.report.lessons.film import Film
from etastar.report.lessons.regimes_on_task_pictures import share_of_limit
from etastar.report.lessons.regimes_pictures import COLORS
from etastar.report.numbers import rate

if TYPE_CHECKING:
    from etastar.records.lessons import RegimesOnTask
    from etastar.report.page.words import Words

FRAMES = 60


def edge_film(lesson: RegimesOnTask, words: Words) -> Film:
    """Make the film of all trainings, side by side in time.

    Returns:
        The film, to be drawn.
    """
    figure = canvas.Picture(figsize=(9.0, 3.9), facecolor="white")
    grid = figure.add_gridspec(1, 2, left=0.085, right=0.985, top=0.84, bottom=0.13, wspace=0.24)
    left, right = (figure.add_subplot(grid[0, place]) for place in range(2))
    runs = lesson.sharpness
    steps = max(len(run.losses) for run in runs)
    start = abs(float(runs[0].losses[0])) or 1.0

    curves = [np.nan_to_num(run.losses / start, nan=1e9, posinf=1e9) for run in runs]
    lowest = min(float(curve[curve > 0].min(initial=1.0)) for curve in curves)
    left.set_yscale("log")
    left.set_ylim(max(lowest, 1e-5) / 1.5, 30.0)
    canvas.axes_named(left, words("js.chart.step"), words("picture.loss_over_start"))

    shares = [share_of_limit(run) for run in runs]
    known = lesson.factor is not None
    low = min(float(share[share > 0].min(initial=1.0)) for share in shares)
    right.set_yscale("log")
    right.set_ylim(max(low, 1e-4) / 1.5, 30.0)
    canvas.axes_named(
        right,
        words("js.chart.step"),
        words("picture.sharpness_over_limit" if known else "picture.sharpness_over_start"),
    )
    if known:
        right.axhspan(1.0, 30.0, zorder=0, **canvas.REGIME_FILLS["diverging"])
        right.axhline(1.0, color=canvas.INK, linewidth=1.4)
    for axes in (left, right):
        axes.set_xlim(0, steps)

    falling, rising, heads = [], [], []
    for place, run in enumerate(runs):
        color = COLORS[run.regime]
        (line,) = left.plot([], [], color=color, linewidth=1.6)
        falling.append(line)
        (line,) = right.plot([], [], color=color, linewidth=1.6, marker="o", markersize=3)
        rising.append(line)
        (head,) = left.plot([], [], "o", color=color, markersize=6)
        heads.append(head)
        figure.text(
            0.02 + 0.178 * place,
            0.955,
            f"● {rate(run.lr)} {words(f'js.regime.{run.regime}')}",
            color=color,
            fontsize=9,
            fontweight="bold",
            va="top",
        )
    clock = figure.text(0.985, 0.958, "", va="top", ha="right", fontsize=9.5, color=canvas.INK)

    def advance(frame: int) -> None:
        step = round((frame / (FRAMES - 1)) ** 1.5 * (steps - 1))
        for run, curve, line, head in zip(runs, curves, falling, heads, strict=True):
            end = min(step + 1, len(run.losses))
            line.set_data(np.arange(end), curve[:end])
            head.set_data([end - 1], [curve[end - 1]])
        for run, share, line in zip(runs, shares, rising, strict=True):
            seen = run.steps <= step
            line.set_data(run.steps[seen], share[seen])
        clock.set_text(words("picture.step_is", step=step))

    return Film(figure, (*falling, *rising, *heads, clock), advance, FRAMES)
