"""The still pictures of the regimes on a line fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Ellipse

from etastar.report import canvas
from etastar.report.limits import share_between
from etastar.report.numbers import rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from etastar.records import Regime
    from etastar.records.lessons import Descent, Regimes
    from etastar.report.page.words import Words

COLORS: dict[Regime, str] = {
    "too_small": "#4a74a8",
    "good": "#5c9a54",
    "optimal": "#146c34",
    "oscillating": "#b86e00",
    "diverging": "#a8322d",
}
"""Of paths and curves: the fills of the regimes, strong enough for a line."""

LOWEST, HIGHEST = 1e-6, 1e3
"""The excess loss over its start is drawn between these."""


def overview(lesson: Regimes, words: Words) -> Figure:
    """Draw all descents: their paths over the loss, and below their loss curves.

    Returns:
        The figure.
    """
    figure = canvas.Picture(figsize=(10.0, 6.2), facecolor="white")
    count = len(lesson.runs)
    grid = figure.add_gridspec(
        2,
        count,
        height_ratios=(1, 1.25),
        left=0.075,
        right=0.985,
        top=0.89,
        bottom=0.085,
        wspace=0.08,
        hspace=0.26,
    )
    for place, run in enumerate(lesson.runs):
        axes = figure.add_subplot(grid[0, place])
        valley(axes, lesson)
        axes.plot(
            *path(run),
            color=COLORS[run.regime],
            linewidth=1.1,
            marker="o",
            markersize=2.6,
            zorder=3,
        )
        axes.set_title(
            f"{rate(run.lr)}\n{words(f'js.regime.{run.regime}')}",
            fontsize=10,
            color=COLORS[run.regime],
            fontweight="bold",
        )
        if place == 0:
            axes.set_ylabel(words("picture.intercept"), color=canvas.INK, fontsize=9)
        axes.set_xlabel(words("picture.slope"), color=canvas.INK, fontsize=9)
    axes = figure.add_subplot(grid[1, :])
    loss_axes(axes, lesson, words)
    axes.margins(x=0)
    axes.set_xlim(0, lesson.epochs * 1.15)
    for run in lesson.runs:
        x, y = curve(lesson, run)
        gone = np.flatnonzero(y <= LOWEST)[:1]  # below the picture
        end = int(gone[0]) if len(gone) and run.regime in {"good", "optimal"} else len(x) - 1
        color = COLORS[run.regime]
        axes.plot(x[: end + 1], y[: end + 1], color=color, linewidth=0.6, alpha=0.35)
        axes.plot(x[: end + 1 : 2], y[: end + 1 : 2], color=color, linewidth=2.0, zorder=3)
        low = y[end] <= LOWEST
        axes.annotate(
            f"{rate(run.lr)} {words(f'js.regime.{run.regime}')}",
            (x[end], y[end]),
            xytext=(-3, 5) if low and x[end] > lesson.epochs / 2 else (5, 4 if low else -3),
            ha="right" if low and x[end] > lesson.epochs / 2 else "left",
            textcoords="offset points",
            fontsize=canvas.LABEL_POINTS,
            color=color,
            fontweight="bold",
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none"},
            zorder=4,
        )
    return figure


def needed_epochs(lesson: Regimes, words: Words) -> Figure:
    """Draw the epochs that each rate needs: predicted as a line, observed as dots.

    Returns:
        The figure.
    """
    low, high = float(lesson.rates[0]), float(lesson.rates[-1])
    bands = [(band, band.low or low, band.high or high) for band in lesson.bands]
    labels = canvas.lanes(
        [
            (share_between((left * right) ** 0.5, low, high), words(f"js.regime.{band.regime}"))
            for band, left, right in bands
        ]
    )
    rows = 1 + max(label.row for label in labels)
    figure, axes = canvas.sheet(
        words("lesson.regimes.predicted"), words("picture.epochs.subtitle"), rows
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(3, 4000)
    for band, left, right in bands:
        axes.axvspan(left, right, zorder=0, **canvas.REGIME_FILLS[band.regime])
    for label in labels:
        canvas.label_above(axes, label)
    axes.plot(
        lesson.rates,
        lesson.needed,
        color=canvas.BLUE,
        linewidth=1.8,
        label=words("picture.foretold"),
    )
    seen = [(run.lr, n) for run in lesson.runs if (n := run.observed_epochs) is not None]
    axes.plot(
        [lr for lr, _ in seen],
        [epochs for _, epochs in seen],
        "o",
        color=canvas.INK,
        markersize=7,
        label=words("picture.observed"),
        zorder=5,
    )
    never = [run.lr for run in lesson.runs if run.observed_epochs is None]
    if never:
        axes.plot(
            never,
            [canvas.EDGE] * len(never),
            "x",
            color=canvas.INK,
            markersize=8,
            markeredgewidth=2,
            transform=axes.get_xaxis_transform(),
            label=words("picture.never"),
        )
    axes.axhline(lesson.epochs, color=canvas.SOFT, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        words("picture.horizon", epochs=lesson.epochs),
        (low, lesson.epochs),
        xytext=(6, 4),
        textcoords="offset points",
        fontsize=canvas.LABEL_POINTS,
        color=canvas.INK,
    )
    axes.axvline(
        lesson.edge,
        color=canvas.INK,
        linewidth=1.6,
        label=words("picture.edge", edge=rate(lesson.edge)),
    )
    canvas.axes_named(axes, words("js.chart.rate"), words("picture.epochs"))
    canvas.legend(figure, axes)
    return figure


def valley(axes: Axes, lesson: Regimes) -> None:
    """The loss over slope and intercept: contours, and the minimum.

    The window is the same for all descents; a path may leave it.
    """
    intercept, slope = lesson.minimum
    start = 0.5 * (lesson.curvatures[0] * intercept**2 + lesson.curvatures[1] * slope**2)
    for share in (0.04, 0.15, 0.4, 1.0, 1.9, 3.2):
        heights = [2 * (2 * share * start / curvature) ** 0.5 for curvature in lesson.curvatures]
        axes.add_patch(
            Ellipse(
                (slope, intercept),
                width=heights[1],
                height=heights[0],
                fill=False,
                edgecolor="#b9c0cb",
                linewidth=0.8,
                zorder=1,
            )
        )
    axes.plot(slope, intercept, "+", color=canvas.INK, markersize=9, markeredgewidth=1.6, zorder=4)
    axes.set_xlim(slope - 2.5, slope + 2.5)
    axes.set_ylim(intercept - 2.3, intercept + 2.3)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#b9c0cb")


def loss_axes(axes: Axes, lesson: Regimes, words: Words) -> None:
    """Axes for loss curves: decades of the excess loss over its start, and the mark."""
    axes.set_yscale("log")
    axes.set_ylim(LOWEST, HIGHEST)
    axes.set_xlim(0, lesson.epochs)
    axes.axhline(lesson.mark, color=canvas.SOFT, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(
        words("js.toy.converged"),
        (1.0, lesson.mark),
        xycoords=axes.get_yaxis_transform(),
        xytext=(-3, 3),
        textcoords="offset points",
        ha="right",
        fontsize=canvas.LABEL_POINTS,
        color=canvas.SOFT,
    )
    canvas.axes_named(axes, words("picture.epoch"), words("picture.excess"))


def path(run: Descent) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Slopes and intercepts of a descent, cut where they are far out of any picture."""
    return np.clip(run.slopes, -1e3, 1e3), np.clip(run.intercepts, -1e3, 1e3)


def curve(lesson: Regimes, run: Descent) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Epochs, by halves, and the excess loss over its start, cut to the picture.

    Returns:
        Two arrays, (2E+1,).
    """
    excess = (run.losses - lesson.lowest) / (run.losses[0] - lesson.lowest)
    shown = np.clip(np.nan_to_num(excess, nan=HIGHEST, posinf=HIGHEST), LOWEST, HIGHEST)
    return np.arange(len(shown)) / 2, shown
