"""The still pictures of the grid search: the landscape with what each way names, and the costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etastar.report import canvas
from etastar.report.numbers import rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from etastar.records.lessons.grid_search import GridSearch, Way
    from etastar.report.page.words import Words

LOOKS: dict[Way, tuple[str, str]] = {
    "grid": ("#1a1a1a", "s"),
    "steepest": ("#e69f00", "^"),
    "valley": ("#d55e00", "v"),
    "minimum_over_10": ("#c0578f", "P"),
    "slide": ("#8a6a1f", "X"),
    "find": ("#0072b2", "o"),
}
"""Colour and mark of each way."""

GRID_COLOR = "#5b6573"


def landscape(lesson: GridSearch, words: Words) -> Figure:
    """Draw final loss against rate, and on it where runs end at the rate each way names.

    Returns:
        The figure.
    """
    figure = canvas.Picture(figsize=(10.0, 4.9), facecolor="white")
    axes = figure.add_axes((0.08, 0.12, 0.66, 0.82))
    frame(axes, lesson, pilots=False)
    order = np.argsort(lesson.lrs)
    axes.plot(lesson.lrs[order], lesson.means[order], color="#b9c0cb", linewidth=1.5, zorder=1)
    axes.errorbar(
        lesson.lrs[order],
        lesson.means[order],
        yerr=_within(lesson.means[order], lesson.deviations[order]),
        fmt="o",
        color=GRID_COLOR,
        markersize=4.5,
        elinewidth=1,
        capsize=2,
        label=words("picture.grid.judged"),
        zorder=2,
    )
    found = lesson.by("find")
    if found.interval is not None:
        axes.axvspan(*found.interval, color=LOOKS["find"][0], alpha=0.1, linewidth=0, zorder=0)
    for one in lesson.named:
        color, mark = LOOKS[one.way]
        label = words(f"picture.way.{one.way}")
        if one.lr is None:
            axes.plot([], [], mark, color=color, label=words("picture.grid.nothing", way=label))
            continue
        axes.axvline(one.lr, color=color, linewidth=1.1, linestyle=(0, (4, 3)), zorder=1)
        ends = one.finals[np.isfinite(one.finals)]
        height = float(ends.mean()) if len(ends) else np.inf
        axes.plot(
            one.lr,
            min(height, axes.get_ylim()[1]),
            mark,
            color=color,
            markersize=11,
            markeredgecolor="white",
            clip_on=False,
            label=f"{label}: {rate(one.lr)}",
            zorder=6,
        )
    canvas.axes_named(axes, words("js.chart.rate"), words(f"objective.{objective(lesson)}"))
    figure.legend(
        loc="upper left",
        bbox_to_anchor=(0.75, 0.94),
        frameon=False,
        fontsize=canvas.LABEL_POINTS + 0.5,
        labelspacing=0.9,
    )
    return figure


def costs(lesson: GridSearch, words: Words) -> Figure:
    """Draw what each way cost in full runs and in seconds, and where it ended.

    Returns:
        The figure.
    """
    figure = canvas.Picture(figsize=(10.0, 3.5), facecolor="white")
    grid = figure.add_gridspec(1, 3, left=0.14, right=0.965, top=0.87, bottom=0.16, wspace=0.14)
    rows = np.arange(len(lesson.named))[::-1]
    colors = [LOOKS[one.way][0] for one in lesson.named]
    told = (
        ("runs", [one.cost for one in lesson.named], "{:.3g}"),
        ("seconds", [one.seconds for one in lesson.named], "{:.2g}"),
        (
            "final",
            [float(np.mean(one.finals)) for one in lesson.named if len(one.finals)],
            "{:.3g}",
        ),
    )
    for place, (name, values, form) in enumerate(told):
        axes = figure.add_subplot(grid[0, place])
        shown = rows
        if name == "final":
            shown = np.array(
                [r for r, one in zip(rows, lesson.named, strict=True) if len(one.finals)]
            )
        finite = [value for value in values if np.isfinite(value)] or [1.0]
        axes.set_xscale("log")
        axes.set_xlim(min(finite) / 3, max(finite) * 5)
        used = [
            c
            for c, one in zip(colors, lesson.named, strict=True)
            if name != "final" or len(one.finals)
        ]
        for row, value, color in zip(shown, values, used, strict=True):
            if np.isfinite(value):
                axes.barh(
                    row, value - min(finite) / 3, left=min(finite) / 3, color=color, height=0.6
                )
            axes.annotate(
                form.format(value) if np.isfinite(value) else words("picture.grid.diverged"),
                (value if np.isfinite(value) else min(finite) / 3, row),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=canvas.LABEL_POINTS + 0.5,
                color=canvas.INK,
            )
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_title(words(f"picture.grid.cost.{name}"), fontsize=10.5, color=canvas.INK)
        canvas.axes_named(axes, "", "")
        labels = [words(f"picture.way.{one.way}") for one in lesson.named]
        axes.set_yticks(rows, labels if place == 0 else [])
        axes.tick_params(axis="y", length=0)
    return figure


def frame(axes: Axes, lesson: GridSearch, *, pilots: bool) -> None:
    """Scales and limits that hold all losses."""
    parts = [lesson.losses, lesson.means, *([lesson.pilot_losses] if pilots else [])]
    every = np.concatenate(parts)
    every = every[np.isfinite(every) & (every > 0) & (every <= ceiling(lesson))]
    low, high = (every.min(), every.max()) if len(every) else (0.1, 1.0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(lesson.lrs.min() / 1.6, lesson.lrs.max() * 1.6)
    axes.set_ylim(low / 1.35, high * 1.6)


def ceiling(lesson: GridSearch) -> float:
    """The highest loss that is drawn: three times that of the lowest rate, where all begin."""
    start = float(lesson.losses[int(lesson.lrs.argmin())])
    return 3 * start if np.isfinite(start) and start > 0 else np.inf


def objective(lesson: GridSearch) -> str:
    """The last part of the key of what the losses are."""
    return "validation" if lesson.objective == "validation loss" else "training"


def _within(means: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Error bars, (2, R), whose lower ends stay above 0 on a logarithmic scale."""
    return np.array([np.minimum(deviations, 0.9 * means), deviations])
