"""The still pictures of 1cycle: the range test, the cycle, the race."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etastar.report import canvas
from etastar.report.lessons.schedules_pictures import name_ends
from etastar.report.numbers import loss, rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from etastar.records.lessons.one_cycle import Arm, ArmName, OneCycleLesson
    from etastar.report.page.words import Words

COLORS: dict[ArmName, str] = {
    "one_cycle": "#2e7d32",
    "steady_momentum": "#c2578f",
    "step_short": "#b26a00",
    "step_long": "#1f4e79",
}

DASHES: dict[ArmName, Any] = {"steady_momentum": (0, (5, 2)), "step_short": (0, (2, 1.5))}

FILLS = ("#eef3fb", "#f3f7ee", "#fbeee6")
"""Of the three phases."""


def range_picture(lesson: OneCycleLesson, words: Words) -> Figure:
    """Draw the loss of the range test, the cycle it suggests, and the peak that was found.

    Returns:
        The figure.
    """
    figure = canvas.Picture(figsize=(9.0, 4.4), facecolor="white")
    axes = figure.add_axes((0.085, 0.135, 0.89, 0.72))
    lrs, losses = lesson.curve.lrs, lesson.curve.losses
    shown = np.isfinite(losses)
    axes.set_xscale("log")
    peak = lesson.short.lr
    low = peak if lesson.bounds is None else min(peak, lesson.bounds[0])
    axes.set_xlim(max(lrs[0], low / 100), max(lrs[-1], peak * 1.3))
    bottom, top = float(losses[shown].min()), float(losses[shown][0])
    axes.set_ylim(bottom - 0.06 * abs(top - bottom), top + 0.5 * abs(top - bottom))
    axes.plot(lrs[shown], losses[shown], color=canvas.BLUE, linewidth=1.7)
    marks = [(peak, words("picture.cycle.peak", lr=rate(peak)), COLORS["one_cycle"])]
    if lesson.bounds is not None:
        axes.axvspan(*lesson.bounds, color=FILLS[1], zorder=0)
        names = ("picture.cycle.low", "picture.cycle.high")
        marks += [
            (lr, words(name, lr=rate(lr)), canvas.SOFT)
            for lr, name in zip(lesson.bounds, names, strict=True)
        ]
    if lesson.edge is not None:
        marks.append((lesson.edge, words("picture.edge", edge=rate(lesson.edge)), canvas.INK))
    labels = canvas.lanes(
        [(canvas.share_between(lr, *axes.get_xlim()), text) for lr, text, _ in marks]
    )
    for label in labels:
        canvas.label_above(axes, label)
    for lr, _, color in marks:
        dashed = color == canvas.SOFT
        axes.axvline(lr, color=color, linewidth=1.6, linestyle=(0, (4, 3)) if dashed else "solid")
    canvas.axes_named(axes, words("js.chart.rate"), words("js.chart.training_loss"))
    return figure


def cycle_picture(lesson: OneCycleLesson, words: Words) -> Figure:
    """Draw the rate, the momentum against it, and the loss, over the cycle's steps.

    Returns:
        The figure.
    """
    figure, rows = cycle_axes(lesson, words, (9.0, 6.0), top=0.95)
    for axes, (x, y) in zip(rows, cycle_curves(lesson), strict=True):
        axes.plot(x, y, color=COLORS["one_cycle"], linewidth=2.0)
    short = lesson.short
    if np.all(np.isfinite(short.highest)):
        rows[-1].fill_between(
            short.at,
            short.lowest,
            short.highest,
            color=COLORS["one_cycle"],
            alpha=0.13,
            linewidth=0,
        )
    return figure


def cycle_axes(
    lesson: OneCycleLesson, words: Words, size: tuple[float, float], top: float = 0.9
) -> tuple[canvas.Picture, list[Axes]]:
    """Empty axes for rate, momentum (where there is one) and loss, the phases shaded and named.

    Returns:
        The figure, and its axes from above.
    """
    short = lesson.short
    figure = canvas.Picture(figsize=size, facecolor="white")
    rows = 2 if short.momentum is None else 3
    grid = figure.add_gridspec(
        rows,
        1,
        height_ratios=(1.0, 0.8, 1.5)[-rows:],
        left=0.1,
        right=0.975,
        top=top,
        bottom=0.095,
        hspace=0.14,
    )
    made = [figure.add_subplot(grid[row, 0]) for row in range(rows)]
    ends = (0, lesson.peak_step, 2 * lesson.peak_step, short.steps)
    phases = ("up", "down", "annihilation")
    for axes in made:
        axes.set_xlim(0, short.steps)
        for left, right, fill in zip(ends, ends[1:], FILLS, strict=False):
            axes.axvspan(left, right, color=fill, zorder=0)
    for left, right, phase in zip(ends, ends[1:], phases, strict=False):
        made[0].annotate(
            words(f"picture.cycle.phase.{phase}"),
            ((left + right) / 2, 1.0),
            xycoords=made[0].get_xaxis_transform(),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=9.5,
            color=canvas.INK,
        )
    made[0].set_ylim(0, short.lr * 1.08)
    names = [words("js.chart.rate"), words("picture.momentum"), _loss_name(lesson, words)]
    if short.momentum is None:
        del names[1]
    else:
        values = short.momentum(np.arange(short.steps + 1))
        made[1].set_ylim(values.min() - 0.015, values.max() + 0.015)
    _loss_limits(made[-1], [short])
    for axes, name in zip(made, names, strict=True):
        canvas.axes_named(axes, "", name)
        if axes is not made[-1]:
            axes.set_xticklabels([])
    made[-1].set_xlabel(words("js.chart.step"), color=canvas.INK)
    figure.align_ylabels(made)
    return figure, made


def cycle_curves(lesson: OneCycleLesson) -> list[tuple[np.ndarray, np.ndarray]]:
    """What is drawn over the cycle's steps: rate, momentum (where there is one), mean loss.

    Returns:
        Steps and values of each.
    """
    short = lesson.short
    steps = np.arange(short.steps + 1)
    curves = [(steps, short.schedule(steps))]
    if short.momentum is not None:
        curves.append((steps, short.momentum(steps)))
    shown = np.isfinite(short.losses)
    return [*curves, (short.at[shown], short.losses[shown])]


def race_picture(lesson: OneCycleLesson, words: Words) -> Figure:
    """Draw the loss of all arms against the steps, and where each ends.

    Returns:
        The figure.
    """
    figure = canvas.Picture(figsize=(10.0, 5.2), facecolor="white")
    axes = figure.add_axes((0.08, 0.115, 0.655, 0.855))
    axes.set_xlim(0, lesson.long.steps)
    _loss_limits(axes, lesson.arms)
    for arm in reversed(lesson.arms):
        color = COLORS[arm.arm]
        shown = np.isfinite(arm.losses)
        axes.plot(
            arm.at[shown],
            arm.losses[shown],
            color=color,
            linewidth=2.0,
            linestyle=DASHES.get(arm.arm, "solid"),
        )
        if arm.arm in {"one_cycle", "step_long"} and np.all(np.isfinite(arm.highest)):
            axes.fill_between(arm.at, arm.lowest, arm.highest, color=color, alpha=0.12, linewidth=0)
        if np.isfinite(arm.mean):
            axes.plot(arm.steps, arm.mean, "o", color=color, markersize=8, zorder=5, clip_on=False)
    axes.axhline(
        lesson.short.mean,
        color=COLORS["one_cycle"],
        linewidth=1.0,
        linestyle=(0, (4, 3)),
        alpha=0.8,
    )
    canvas.axes_named(axes, words("js.chart.step"), _loss_name(lesson, words))
    name_ends(
        axes,
        [
            (arm.mean, f"{named(arm, words)}  {loss(arm.mean)}", COLORS[arm.arm])
            for arm in lesson.arms
            if np.isfinite(arm.mean)
        ],
    )
    return figure


def named(arm: Arm, words: Words) -> str:
    """An arm's name inside pictures."""
    return words(f"picture.cycle.arm.{arm.arm}", steps=f"{arm.steps:,}")


def _loss_limits(axes: Axes, arms: Any) -> None:
    seen = np.concatenate([arm.losses for arm in arms])
    seen = seen[np.isfinite(seen)]
    if not len(seen):
        return
    low, high = float(seen.min()), float(seen.max())
    if low > 0 and high / low > 4:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.2, high * 1.15)
    else:
        margin = 0.06 * (high - low) or 1.0
        axes.set_ylim(low - margin, high + margin)


def _loss_name(lesson: OneCycleLesson, words: Words) -> str:
    return words("picture.held_out") if lesson.held_out else words("js.chart.training_loss")
