"""The still pictures of the schedules: rates and losses, final losses, how the rates were found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etastar.report import canvas
from etastar.report.numbers import loss, rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from etastar.records.lessons.schedules import Family, Scheduled, Schedules
    from etastar.report.page.words import Words

COLORS: dict[Family, str] = {
    "constant": canvas.INK,
    "time_based": "#8e5ea2",
    "step": "#b3261e",
    "exponential": "#b26a00",
    "cosine": "#1f4e79",
    "one_cycle": "#2e7d32",
    "wsd": "#c2578f",
}

LOWEST_SHARE = 1e-3
"""Rates are drawn down to this share of the highest."""


def curves(lesson: Schedules, words: Words) -> Figure:
    """Draw the rates above and the losses below, over the same steps.

    Returns:
        The figure.
    """
    figure = canvas.Picture(figsize=(10.0, 7.2), facecolor="white")
    grid = figure.add_gridspec(
        2, 1, height_ratios=(1, 1.5), left=0.085, right=0.8, top=0.975, bottom=0.075, hspace=0.12
    )
    above, below = (figure.add_subplot(grid[row, 0]) for row in range(2))
    rate_axes(above, lesson, words)
    loss_axes(below, lesson, words)
    above.set_xlabel("")
    above.set_xticklabels([])
    for run in lesson.runs:
        style = line_style(run)
        above.plot(*rates(lesson, run), **style)
        shown = np.isfinite(run.losses)
        below.plot(lesson.at[shown], run.losses[shown], **style)
        if np.all(np.isfinite(run.highest)):
            below.fill_between(
                lesson.at, run.lowest, run.highest, color=style["color"], alpha=0.1, linewidth=0
            )
    name_ends(above, [(rates(lesson, run)[1][-1], *_named(run, words)) for run in lesson.runs])
    ended = [run for run in lesson.runs if not run.broken]
    name_ends(
        below,
        [
            (run.losses[-1], f"{_named(run, words)[0]}  {loss(run.mean)}", COLORS[run.family])
            for run in ended
        ],
    )
    return figure


def final_losses(lesson: Schedules, words: Words) -> Figure:
    """Draw the final loss of every run, a row per schedule, the lowest mean on top.

    Returns:
        The figure.
    """
    ordered = sorted(lesson.runs, key=lambda run: run.mean, reverse=True)
    figure = canvas.Picture(figsize=(9.0, 1.2 + 0.5 * len(ordered)), facecolor="white")
    axes = figure.add_axes((0.2, 0.15, 0.56, 0.81))
    values = np.concatenate([run.finals[np.isfinite(run.finals)] for run in ordered])
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    log = low > 0 and high / low > 5
    margin = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    if log:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.1, high * 1.1)
    else:
        axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(-0.6, len(ordered) - 0.4)
    reference = lesson.reference
    if not reference.broken:
        axes.axvline(reference.mean, color=canvas.SOFT, linewidth=1.2, linestyle=(0, (4, 3)))
    for row, run in enumerate(ordered):
        color = COLORS[run.family]
        seen = run.finals[np.isfinite(run.finals)]
        axes.plot(seen, np.full(len(seen), row), "o", color=color, alpha=0.55, markersize=6.5)
        if not run.broken:
            axes.plot([run.mean] * 2, [row - 0.27, row + 0.27], color=color, linewidth=3)
        axes.annotate(
            _ending(lesson, run, words),
            (1.0, row),
            xycoords=axes.get_yaxis_transform(),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=canvas.LABEL_POINTS + 0.5,
            color=color,
        )
    canvas.axes_named(axes, _loss_name(lesson, words), "")
    axes.set_yticks(range(len(ordered)), [_named(run, words)[0] for run in ordered])
    axes.tick_params(axis="y", length=0, labelsize=10)
    for place, run in enumerate(ordered):
        axes.get_yticklabels()[place].set_color(COLORS[run.family])
    axes.grid(axis="x", color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    return figure


def searches(lesson: Schedules, words: Words) -> Figure:
    """Draw the final loss against the rate, as every search saw it, and the rates taken.

    Returns:
        The figure.
    """
    figure = canvas.Picture(figsize=(9.0, 5.0), facecolor="white")
    axes = figure.add_axes((0.09, 0.12, 0.68, 0.84))
    axes.set_xscale("log")
    axes.set_yscale("log")
    lrs = np.concatenate([run.lrs for run in lesson.runs])
    axes.set_xlim(lrs.min() / 1.2, lrs.max() * 1.2)
    scores = np.concatenate([run.scores for run in lesson.runs])
    scores = scores[np.isfinite(scores) & (scores > 0)]
    if len(scores):
        axes.set_ylim(scores.min() / 1.15, min(scores.max() * 1.2, scores.min() * 100))
    top = axes.get_ylim()[1]
    for run in lesson.runs:
        style = line_style(run, 1.6)
        shown = np.where(np.isfinite(run.scores), run.scores, 10 * top)
        axes.plot(run.lrs, shown, marker="o", markersize=3.5, **style)
        taken = run.scores[list(run.lrs).index(run.lr)]
        axes.plot(
            run.lr,
            taken,
            "o",
            color=COLORS[run.family],
            markersize=10,
            markeredgecolor="white",
            markeredgewidth=1.5,
            zorder=5,
        )
    ordered = sorted(lesson.runs, key=lambda run: -run.lr)
    heights = np.linspace(0.93, 0.93 - 0.075 * (len(ordered) - 1), len(ordered))
    for run, height in zip(ordered, heights, strict=True):
        axes.annotate(
            f"● {_named(run, words)[0]}  {rate(run.lr)}",
            (1.0, height),
            xycoords="axes fraction",
            xytext=(10, 0),
            textcoords="offset points",
            va="center",
            fontsize=canvas.LABEL_POINTS + 0.5,
            color=COLORS[run.family],
        )
    canvas.axes_named(axes, words("js.chart.rate"), _loss_name(lesson, words))
    return figure


def rate_axes(axes: Axes, lesson: Schedules, words: Words) -> None:
    """Axes for the rates of all schedules over the steps."""
    highest = max(run.schedule.maximum for run in lesson.runs)
    axes.set_yscale("log")
    axes.set_ylim(highest * LOWEST_SHARE, highest * 1.4)
    axes.set_xlim(0, lesson.steps)
    canvas.axes_named(axes, words("js.chart.step"), words("js.chart.rate"))


def loss_axes(axes: Axes, lesson: Schedules, words: Words) -> None:
    """Axes for the losses of all schedules over the steps."""
    seen = np.concatenate([run.losses for run in lesson.runs])
    seen = seen[np.isfinite(seen)]
    axes.set_xlim(0, lesson.steps)
    if len(seen):
        low, high = float(seen.min()), float(seen.max())
        if low > 0 and high / low > 4:
            axes.set_yscale("log")
            axes.set_ylim(low / 1.15, high * 1.15)
        else:
            margin = 0.05 * (high - low) or 1.0
            axes.set_ylim(low - margin, high + margin)
    canvas.axes_named(axes, words("js.chart.step"), _loss_name(lesson, words))


def rates(lesson: Schedules, run: Scheduled) -> tuple[np.ndarray, np.ndarray]:
    """Steps and the rate at them, held above the bottom of the picture.

    Returns:
        Two arrays.
    """
    steps = np.unique(np.linspace(0, lesson.steps - 1, min(lesson.steps, 400)).astype(int))
    lowest = max(other.schedule.maximum for other in lesson.runs) * LOWEST_SHARE
    return steps, np.maximum(run.schedule(steps), 0.7 * lowest)


def line_style(run: Scheduled, width: float = 1.9) -> dict[str, Any]:
    """How a schedule's line is drawn: the reference dashed.

    Returns:
        Keyword arguments of `plot`.
    """
    dashes: dict[str, Any] = {"linestyle": (0, (5, 2))} if run.family == "constant" else {}
    return {"color": COLORS[run.family], "linewidth": width, **dashes}


def name_ends(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Write names right of the axes, each near the height where its line ends, none over another.

    Args:
        axes: whose limits and scale are set.
        ends: the value, the name and the colour of each line.
    """
    box = axes.get_window_extent()
    gap = 15.0 * axes.figure.dpi / 72
    wanted = axes.transData.transform([(1.0, value) for value, _, _ in ends])[:, 1]
    wanted = np.clip(wanted, box.y0, box.y1)
    order = np.argsort(wanted)
    heights = np.maximum(wanted[order], box.y0)
    for place in range(1, len(heights)):
        heights[place] = max(heights[place], heights[place - 1] + gap)
    top = box.y1
    for place in range(len(heights) - 1, -1, -1):
        heights[place] = min(heights[place], top)
        top = heights[place] - gap
    for index, height in zip(order, heights, strict=True):
        _, name, color = ends[index]
        axes.annotate(
            name,
            (1.0, (height - box.y0) / box.height),
            xycoords="axes fraction",
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=canvas.LABEL_POINTS + 0.5,
            color=color,
            fontweight="bold",
            annotation_clip=False,
        )


def _named(run: Scheduled, words: Words) -> tuple[str, str]:
    return words(f"picture.schedule.{run.family}"), COLORS[run.family]


def _ending(lesson: Schedules, run: Scheduled, words: Words) -> str:
    if run.broken:
        return words("picture.broken", n=run.broken, of=len(run.finals))
    spread = f" ± {run.spread:.2g}" if np.isfinite(run.spread) else ""
    mark = " *" if run.family != "constant" and lesson.clear(run) else ""
    return f"{loss(run.mean)}{spread}{mark}"


def _loss_name(lesson: Schedules, words: Words) -> str:
    return words("picture.held_out") if lesson.held_out else words("js.chart.training_loss")
