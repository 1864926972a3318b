"""The moving picture of one descent: the line over the points, the path, the loss curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etastar.report import canvas
from etastar.report.lessons.film import Film
from etastar.report.lessons.regimes_pictures import COLORS, curve, loss_axes, path, valley
from etastar.report.numbers import rate

if TYPE_CHECKING:
    from etastar.records.lessons import Descent, Regimes
    from etastar.report.page.words import Words

FRAMES = 60
_SLOW = 0.3
"""This share of the epochs is shown one by one; the rest of the frames hurry to the end."""


def descent_film(lesson: Regimes, run: Descent, words: Words) -> Film:
    """Make the film of a descent.

    Returns:
        The film, to be drawn.
    """
    figure = canvas.Picture(figsize=(9.0, 3.3), facecolor="white")
    grid = figure.add_gridspec(
        1, 3, left=0.06, right=0.985, top=0.84, bottom=0.15, wspace=0.42, width_ratios=(1, 1, 1.15)
    )
    color = COLORS[run.regime]
    fit, over, losses = (figure.add_subplot(grid[0, place]) for place in range(3))

    fit.scatter(lesson.x, lesson.y, s=14, color=canvas.SOFT, alpha=0.75, linewidths=0)
    fit.set_xlim(-1.08, 1.08)
    spread = float(np.ptp(lesson.y))
    fit.set_ylim(lesson.y.min() - 0.5 * spread, lesson.y.max() + 0.5 * spread)
    canvas.axes_named(fit, "x", "y")
    (fitted,) = fit.plot([], [], color=color, linewidth=2.4)

    valley(over, lesson)
    over.set_xlabel(words("picture.slope"), color=canvas.INK)
    over.set_ylabel(words("picture.intercept"), color=canvas.INK)
    (way,) = over.plot([], [], color=color, linewidth=1.2, marker="o", markersize=3, zorder=3)
    (here,) = over.plot([], [], "o", color=canvas.INK, markersize=6, zorder=5)

    loss_axes(losses, lesson, words)
    (between,) = losses.plot([], [], color=color, linewidth=0.6, alpha=0.4, zorder=2)
    (falling,) = losses.plot([], [], color=color, linewidth=1.8, zorder=3)
    (now,) = losses.plot([], [], "o", color=canvas.INK, markersize=5, zorder=5)

    named = words("picture.rate_is", lr=rate(run.lr), regime=words(f"js.regime.{run.regime}"))
    figure.text(0.012, 0.965, named, va="top", fontsize=12, fontweight="bold", color=color)
    clock = figure.text(0.985, 0.965, "", va="top", ha="right", fontsize=11, color=canvas.INK)

    slopes, intercepts = path(run)
    x, excess = curve(lesson, run)
    ends = np.array([-1.1, 1.1])
    epochs = epochs_shown(run.epochs)

    def advance(frame: int) -> None:
        epoch = epochs[frame]
        fitted.set_data(ends, intercepts[epoch] + slopes[epoch] * ends)
        way.set_data(slopes[: epoch + 1], intercepts[: epoch + 1])
        here.set_data(slopes[epoch : epoch + 1], intercepts[epoch : epoch + 1])
        between.set_data(x[: 2 * epoch + 1], excess[: 2 * epoch + 1])
        falling.set_data(x[: 2 * epoch + 1 : 2], excess[: 2 * epoch + 1 : 2])
        now.set_data(x[2 * epoch : 2 * epoch + 1], excess[2 * epoch : 2 * epoch + 1])
        clock.set_text(words("picture.epoch_is", epoch=epoch))

    return Film(figure, (fitted, way, here, between, falling, now, clock), advance, FRAMES)


def epochs_shown(epochs: int) -> list[int]:
    """The epoch of every frame: the first ones singly, where most happens."""
    slow = min(int(_SLOW * epochs), FRAMES - 2)
    rest = np.linspace(slow, epochs, FRAMES - slow)
    return [*range(slow), *np.round(rest).astype(int).tolist()]
