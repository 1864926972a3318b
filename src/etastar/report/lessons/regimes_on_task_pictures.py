"""The still pictures of the regimes on a network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from etastar.report import canvas
from etastar.report.lessons.regimes_pictures import COLORS
from etastar.report.limits import share_between
from etastar.report.numbers import curvature, rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from etastar.records import Regime
    from etastar.records.lessons import RegimesOnTask, SharpnessRun
    from etastar.report.page.words import Words


def final_losses(lesson: RegimesOnTask, words: Words) -> Figure:
    """Draw the final loss of every trial against its rate, over the regimes.

    Returns:
        The figure.
    """
    known = [edge for edge in (lesson.edge_before, lesson.edge_later) if edge is not None]
    low, high = canvas.rate_limits([*(trial.lr for trial in lesson.trials), *known])
    bands: list[tuple[Regime, float, float]] = [
        (band.regime, band.low or low, band.high or high) for band in lesson.bands
    ]
    edges = [
        (edge, words(f"picture.{name}", edge=rate(edge)))
        for name, edge in (("edge_before", lesson.edge_before), ("edge_later", lesson.edge_later))
        if edge is not None
    ]
    marks = [((left * right) ** 0.5, words(f"js.regime.{name}")) for name, left, right in bands]
    labels = canvas.lanes([(share_between(x, low, high), text) for x, text in marks])
    figure, axes = canvas.sheet(
        lesson.summary.name,
        words(
            "picture.on_task.subtitle",
            optimizer=lesson.summary.optimizer,
            steps=words.count("count.steps", lesson.summary.steps),
        ),
        1 + max(label.row for label in labels),
    )
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    for regime, left, right in bands:
        axes.axvspan(left, right, zorder=0, **canvas.REGIME_FILLS[regime])
    for label in labels:
        canvas.label_above(axes, label)
    ended = [trial for trial in lesson.trials if trial.measured]
    shown = [t.final_loss for t in ended if t.final_loss < 20 * abs(lesson.start_loss)]
    losses = canvas.frame(np.array([*shown, lesson.start_loss]))
    axes.plot(
        [t.lr for t in ended if t.final_loss in shown],
        shown,
        color=canvas.BLUE,
        linewidth=1.0,
        alpha=0.6,
        zorder=2,
        label="_",
    )
    for one in dict.fromkeys(lesson.regimes):
        some = [
            trial
            for trial, named in zip(lesson.trials, lesson.regimes, strict=True)
            if named == one and trial.measured
        ]
        axes.plot(
            [t.lr for t in some],
            [t.final_loss for t in some],
            "o",
            color=COLORS[one],
            markersize=7,
            zorder=4,
            label="_",
        )
    axes.axhline(
        lesson.start_loss,
        color=canvas.SOFT,
        linewidth=1,
        linestyle=(0, (1, 2)),
        label=words("picture.untrained"),
    )
    for (edge, text), style in zip(edges, ("-", (0, (5, 2))), strict=False):
        axes.axvline(edge, color=canvas.INK, linewidth=1.6, linestyle=style, label=text)
    canvas.finish(
        axes, losses, 0.06, 0.14, words(f"objective.{lesson.summary.objective.split()[0]}")
    )
    axes.set_xlabel(words("js.chart.rate"))
    top = axes.get_ylim()[1]
    gone = [t.lr for t in lesson.trials if not (t.measured and t.final_loss <= top)]
    if gone:
        axes.plot(
            gone,
            [canvas.EDGE] * len(gone),
            "x",
            color=COLORS["diverging"],
            markersize=8,
            markeredgewidth=2,
            transform=axes.get_xaxis_transform(),
            label=words("picture.above"),
        )
    canvas.legend(figure, axes)
    return figure


def sharpness_panels(lesson: RegimesOnTask, words: Words) -> Figure:
    """Draw the sharpness along each training, with the limit of its rate.

    Returns:
        The figure.
    """
    count = len(lesson.sharpness)
    figure = canvas.Picture(figsize=(10.0, 3.6), facecolor="white")
    grid = figure.add_gridspec(1, count, left=0.09, right=0.985, top=0.84, bottom=0.15, wspace=0.12)
    low, high = sharpness_limits(lesson)
    first: Axes | None = None
    for place, run in enumerate(lesson.sharpness):
        axes = figure.add_subplot(grid[0, place], sharey=first)
        axes.set_yscale("log")
        axes.set_ylim(low, high)
        axes.set_xlim(0, max(lesson.summary.steps, 1))
        color = COLORS[run.regime]
        if run.limit is not None and low < run.limit < high:
            axes.axhspan(run.limit, high, zorder=0, label="_", **canvas.REGIME_FILLS["diverging"])
            axes.axhline(run.limit, color=canvas.INK, linewidth=1.4)
            axes.annotate(
                words("picture.limit", limit=curvature(run.limit)),
                (0.97, min(run.limit, high)),
                xycoords=axes.get_yaxis_transform(),
                xytext=(0, 4),
                textcoords="offset points",
                ha="right",
                va="bottom",
                fontsize=canvas.LABEL_POINTS,
                color=canvas.INK,
                bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"},
                zorder=4,
            )
        axes.plot(run.steps, run.sharpness, color=color, linewidth=1.8, marker="o", markersize=3.5)
        axes.set_title(
            f"{rate(run.lr)}\n{words(f'js.regime.{run.regime}')}",
            fontsize=10,
            color=color,
            fontweight="bold",
        )
        canvas.axes_named(
            axes, words("js.chart.step"), words("picture.sharpness") if place == 0 else ""
        )
        if first is None:
            first = axes
        else:
            axes.tick_params(labelleft=False)
    return figure


def sharpness_limits(lesson: RegimesOnTask) -> tuple[float, float]:
    """What of the sharpness is shown: what was measured, within reach of the limits."""
    values = np.concatenate([run.sharpness for run in lesson.sharpness])
    values = values[np.isfinite(values) & (values > 0)]
    limits = [run.limit for run in lesson.sharpness if run.limit is not None]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.1, 10.0)
    if limits:
        high = max([high, *(limit for limit in limits if limit < 1e3 * high)])
        high = min(high, 10 * max(limits))
        low = max(min(low, *limits), min(limits) / 1e4)
    return low / 3.0, high * 2.0


def share_of_limit(run: SharpnessRun) -> np.ndarray:
    """The sharpness over its limit, (M,); over its start where there is no limit."""
    unit = run.limit if run.limit is not None else float(run.sharpness[0])
    return run.sharpness / (unit if unit > 0 and math.isfinite(unit) else 1.0)
