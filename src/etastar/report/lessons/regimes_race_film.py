"""The moving picture of all descents side by side: paths above, loss curves below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etastar.report import canvas
from etastar.report.lessons.film import Film
from etastar.report.lessons.regimes_film import FRAMES, epochs_shown
from etastar.report.lessons.regimes_pictures import COLORS, curve, loss_axes, path, valley
from etastar.report.numbers import rate

if TYPE_CHECKING:
    from matplotlib.artist import Artist

    from etastar.records.lessons import Regimes
    from etastar.report.page.words import Words


def race_film(lesson: Regimes, words: Words) -> Film:
    """Make the film of all descents, epoch by epoch together.

    Returns:
        The film, to be drawn.
    """
    figure = canvas.Picture(figsize=(9.0, 4.6), facecolor="white")
    grid = figure.add_gridspec(
        *(2, len(lesson.runs)),
        height_ratios=(1, 1.15),
        left=0.085,
        right=0.985,
        top=0.85,
        bottom=0.11,
        wspace=0.08,
        hspace=0.2,
    )
    losses = figure.add_subplot(grid[1, :])
    loss_axes(losses, lesson, words)
    clock = figure.text(0.985, 0.985, "", va="top", ha="right", fontsize=10, color=canvas.INK)
    moving: list[Artist] = [clock]
    parts = []
    for place, run in enumerate(lesson.runs):
        color = COLORS[run.regime]
        over = figure.add_subplot(grid[0, place])
        valley(over, lesson)
        over.set_title(
            f"{rate(run.lr)}\n{words(f'js.regime.{run.regime}')}",
            fontsize=10,
            color=color,
            fontweight="bold",
        )
        (way,) = over.plot([], [], color=color, linewidth=1.1, marker="o", markersize=2.6, zorder=3)
        (here,) = over.plot([], [], "o", color=canvas.INK, markersize=5, zorder=5)
        (falling,) = losses.plot([], [], color=color, linewidth=2.0, zorder=3)
        (now,) = losses.plot([], [], "o", color=color, markersize=6, zorder=5)
        parts.append((path(run), curve(lesson, run), way, here, falling, now))
        moving += [way, here, falling, now]
    epochs = epochs_shown(lesson.epochs)

    def advance(frame: int) -> None:
        epoch = epochs[frame]
        clock.set_text(words("picture.epoch_is", epoch=epoch))
        for (slopes, intercepts), (x, excess), way, here, falling, now in parts:
            way.set_data(slopes[: epoch + 1], intercepts[: epoch + 1])
            here.set_data(slopes[epoch : epoch + 1], intercepts[epoch : epoch + 1])
            falling.set_data(x[: 2 * epoch + 1 : 2], excess[: 2 * epoch + 1 : 2])
            now.set_data(x[2 * epoch : 2 * epoch + 1], excess[2 * epoch : 2 * epoch + 1])

    return Film(figure, moving, advance, FRAMES)
