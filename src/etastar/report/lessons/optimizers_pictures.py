"""The still pictures of the optimizers: paths, rates, a real task, what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from etastar.report import canvas
from etastar.report.numbers import rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from etastar.records.lessons.optimizers import Optimizer, Optimizers, Place, Race, Racer
    from etastar.report.page.words import Words

LOOKS: dict[Optimizer, tuple[str, str]] = {
    "SGD": ("#1a1a1a", "o"),
    "momentum": ("#0072b2", "s"),
    "Nesterov": ("#49a5dc", "D"),
    "Adagrad": ("#e69f00", "^"),
    "Adadelta": ("#8a6a1f", "v"),
    "RMSprop": ("#d55e00", "P"),
    "Adam": ("#009e73", "X"),
    "AdamW": ("#c0578f", "*"),
}
"""Colour and mark of each, the same in all pictures; marks tell them apart without colour."""

FLOOR = 1e-9
"""Lower losses are drawn here: a rate that happens to fit ends at exactly 0."""

_HEIGHTS = ("#d3e1f1", "#dfe9f5", "#e9f0f8", "#f1f5fa", "#f7f9fc", "#ffffff")
_WINDOW: dict[Place, tuple[float, float]] = {
    "valley": (-0.9, 2.25),
    "aligned": (-0.9, 2.25),
    "saddle": (0.0, 2.7),
    "bowl": (-1.0, 2.4),
}
"""Where the middle of the picture lies along the terrain, and half of what is shown sideways."""


def paths(race: Race, words: Words) -> Figure:
    """Draw the way of every optimizer over one terrain, side by side.

    Returns:
        The figure.
    """
    figure = canvas.Picture(figsize=(10.0, 4.5), facecolor="white")
    grid = figure.add_gridspec(
        2, 4, left=0.01, right=0.99, top=0.9, bottom=0.015, wspace=0.05, hspace=0.3
    )
    for place, racer in enumerate(race.racers):
        axes = figure.add_subplot(grid[place // 4, place % 4])
        terrain(axes, race)
        color, _ = LOOKS[racer.optimizer]
        x, y = path(racer)
        axes.plot(x, y, color=color, linewidth=1.1, marker="o", markersize=2.2, zorder=3)
        axes.set_title(
            f"{racer.optimizer} {rate(racer.lr)}\n{outcome(race, racer, words)}",
            fontsize=9.5,
            color=color,
            fontweight="bold",
        )
    return figure


def sweet_spots(lesson: Optimizers, words: Words) -> Figure:
    """Draw what every rate tried came to, over valley, bowl and saddle.

    Returns:
        The figure.
    """
    figure = canvas.Picture(figsize=(10.0, 4.4), facecolor="white")
    grid = figure.add_gridspec(1, 3, left=0.085, right=0.99, top=0.91, bottom=0.24, wspace=0.32)
    for place, race in enumerate(lesson.race(name) for name in ("valley", "bowl", "saddle")):
        axes = figure.add_subplot(grid[0, place])
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(race.lrs[0], race.lrs[-1])
        escape = race.place == "saddle"
        top = float(race.steps) * 1.1 if escape else start_excess(race) * 3
        low = 1.5 if escape else FLOOR if race.noise == 0 and race.place == "aligned" else None
        axes.set_ylim(low or _below(race), top)
        for racer in race.racers:
            color, mark = LOOKS[racer.optimizer]
            seen = np.isfinite(racer.scores)
            scores = np.where(seen, np.maximum(racer.scores, FLOOR), np.nan)
            axes.plot(race.lrs, scores, color=color, linewidth=1.5)
            best = float(scores[np.flatnonzero(race.lrs == racer.lr)[0]])
            axes.plot(racer.lr, best, mark, color=color, markersize=7, zorder=5, clip_on=False)
        axes.set_title(words(f"picture.place.{race.place}"), fontsize=10.5, color=canvas.INK)
        unit = words("picture.escape" if escape else "picture.above_lowest")
        canvas.axes_named(axes, words("js.chart.rate"), unit)
    names(figure, [racer.optimizer for racer in lesson.races[0].racers])
    return figure


def on_task(lesson: Optimizers, words: Words) -> Figure:
    """Draw the training curves, and every final loss at the rate found and at torch's default.

    Returns:
        The figure.
    """
    figure = canvas.Picture(figsize=(10.0, 4.6), facecolor="white")
    grid = figure.add_gridspec(
        1, 2, left=0.07, right=0.985, top=0.9, bottom=0.21, wspace=0.36, width_ratios=(1, 1.1)
    )
    curves, ends = (figure.add_subplot(grid[0, place]) for place in range(2))
    for run in lesson.runs:
        color, _ = LOOKS[run.optimizer]
        curves.plot(run.steps, np.maximum(run.losses, FLOOR), color=color, linewidth=1.5)
    curves.set_yscale("log")
    curves.set_xlim(0, lesson.task_steps)
    curves.set_title(words("picture.at_found"), fontsize=10.5, color=canvas.INK)
    canvas.axes_named(curves, words("js.chart.step"), words("js.chart.training_loss"))

    rows = range(len(lesson.runs))[::-1]
    for row, run in zip(rows, lesson.runs, strict=True):
        color, mark = LOOKS[run.optimizer]
        found, default = (part[np.isfinite(part)] for part in (run.finals, run.default_finals))
        ends.axhline(row, color="#e3e6ea", linewidth=0.8, zorder=0)
        ends.plot(found, [row] * len(found), mark, color=color, markersize=7, zorder=3)
        ends.plot(
            default,
            [row] * len(default),
            mark,
            color=color,
            markerfacecolor="white",
            markersize=7,
            zorder=2,
        )
    ends.set_xscale("log")
    ends.set_ylim(-0.6, len(lesson.runs) - 0.4)
    ends.set_title(words("picture.found_or_default"), fontsize=10.5, color=canvas.INK)
    kind = "validation" if lesson.objective == "validation loss" else "training"
    canvas.axes_named(ends, words(f"objective.{kind}"), "")
    labels = [f"{run.optimizer}  {'-' if run.lr is None else rate(run.lr)}" for run in lesson.runs]
    ends.set_yticks(rows, labels)
    ends.spines["left"].set_visible(False)
    ends.tick_params(axis="y", length=0)
    names(figure, [run.optimizer for run in lesson.runs])
    return figure


def prices(lesson: Optimizers, words: Words) -> Figure:
    """Draw the time of a step over SGD's, whole and of the update alone, and the bytes kept.

    Returns:
        The figure.
    """
    figure = canvas.Picture(figsize=(10.0, 3.9), facecolor="white")
    grid = figure.add_gridspec(1, 3, left=0.1, right=0.97, top=0.88, bottom=0.15, wspace=0.12)
    rows = np.arange(len(lesson.prices))[::-1]
    colors = [LOOKS[price.optimizer][0] for price in lesson.prices]
    told = (
        ("whole_step", [price.step_ratio for price in lesson.prices], "{:.2f}×"),
        ("update", [price.update_ratio for price in lesson.prices], "{:.1f}×"),
        ("state", [price.state_bytes for price in lesson.prices], "{:.3g}"),
    )
    for place, (name, values, form) in enumerate(told):
        axes = figure.add_subplot(grid[0, place])
        axes.barh(rows, values, color=colors, height=0.62)
        ends = list(values)
        if name == "whole_step":
            low = [price.step_ratio - price.step_low for price in lesson.prices]
            high = [price.step_high - price.step_ratio for price in lesson.prices]
            ends = [price.step_high for price in lesson.prices]
            bars: dict[str, Any] = {"ecolor": canvas.SOFT, "elinewidth": 1.4, "capsize": 2.5}
            axes.errorbar(values, rows, xerr=(low, high), fmt="none", **bars)
        for row, value, end in zip(rows, values, ends, strict=True):
            axes.annotate(
                form.format(value),
                (end, row),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=canvas.LABEL_POINTS,
                color=canvas.INK,
            )
        axes.set_xlim(0, 1.2 * max(ends) or 1.0)
        axes.set_title(words(f"picture.price.{name}"), fontsize=10.5, color=canvas.INK)
        canvas.axes_named(axes, words(f"picture.price_unit.{name}"), "")
        axes.set_yticks(rows, [price.optimizer for price in lesson.prices] if place == 0 else [])
        axes.tick_params(axis="y", length=0)
    return figure


def terrain(axes: Axes, race: Race) -> None:
    """The loss from above, its minima and the start, in a window of fixed size."""
    land = race.terrain
    along, right = _WINDOW[race.place]
    middle, up = land.at(along, 0.0), right / 1.5
    x = np.linspace(middle[0] - right, middle[0] + right, 220)
    y = np.linspace(middle[1] - up, middle[1] + up, 160)
    excess = land.height(*np.meshgrid(x, y)) - land.lowest
    shares = np.array([0.02, 0.12, 0.4, 1.0, 2.2])
    levels = np.array([0.0, *(start_excess(race) * shares), 10 * float(excess.max())])
    if land.across < 0:
        levels = -land.lowest * np.array([0.0, 0.4, 1.0, 3.0, 9.0, 22.0, 200.0])
    axes.contourf(x, y, excess, levels=levels, colors=_HEIGHTS, zorder=0)
    axes.contour(x, y, excess, levels=levels[1:-1], colors="#b9c0cb", linewidths=0.7, zorder=1)
    for minimum in land.minima:
        axes.plot(*minimum, "+", color=canvas.INK, markersize=10, markeredgewidth=1.7, zorder=6)
    axes.plot(*race.start, "o", markerfacecolor="white", color=canvas.INK, markersize=6, zorder=6)
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#b9c0cb")


def path(racer: Racer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The weights of a race, cut where they are far out of any picture."""
    return np.clip(racer.x, -1e3, 1e3), np.clip(racer.y, -1e3, 1e3)


def start_excess(race: Race) -> float:
    """The loss at the start above the lowest."""
    return float(race.terrain.height(*race.start) - race.terrain.lowest)


def outcome(race: Race, racer: Racer, words: Words) -> str:
    """What a racer's score is, in a few words."""
    if race.place == "saddle":
        if not np.isfinite(racer.score):
            return words("picture.never_escaped")
        return words("picture.escaped", steps=f"{racer.score:.0f}")
    return words("picture.left", loss=f"{racer.score:.2g}")


def names(figure: Figure, shown: list[Optimizer]) -> None:
    """Name colours and marks, below everything."""
    handles = [
        Line2D([], [], color=LOOKS[name][0], marker=LOOKS[name][1], linewidth=1.6, markersize=6.5)
        for name in shown
    ]
    figure.legend(
        handles,
        list(shown),
        loc="lower center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=len(shown),
        columnspacing=1.3,
        handlelength=1.6,
        frameon=False,
        fontsize=canvas.LABEL_POINTS + 0.5,
    )


def _below(race: Race) -> float:
    """A bit under the lowest score."""
    lowest = min(float(racer.scores.min()) for racer in race.racers)
    return max(lowest, FLOOR) / 2
