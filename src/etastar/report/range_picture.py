"""The picture of a range test: the loss while the learning rate grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from etastar.report import canvas
from etastar.report.numbers import rate
from etastar.report.range_data import (
    Pass,
    RangeData,
    losses_shown,
    range_data,
    rates_shown,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from etastar.records import RangeTest

_DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))


def range_test_figure(result: RangeTest) -> Figure:
    """Draw a range test.

    Raw losses are faint, their running median strong, a line per seed; losses that are not
    finite are marked on the top edge; suggestions stand as labelled marks.

    Returns:
        A figure of its own, unknown to pyplot.
    """
    data = range_data(result)
    low, high = canvas.rate_limits(rates_shown(data), result.rise)
    labels = canvas.lanes(_words(data, result.rise, low, high))
    rows = 1 + max((label.row for label in labels), default=-1)
    figure, axes = canvas.sheet(data.title, data.subtitle, rows)
    axes.set_xscale("log" if result.rise == "exponential" else "linear")
    axes.set_xlim(low, high)
    for label in labels:
        canvas.label_above(axes, label)
    _edge(axes, data, high)
    _band(axes, data)
    for index, one in enumerate(data.passes):
        _pass(axes, one, index, len(data.passes))
    _marks(axes, data)
    lost = any(one.not_finite.size for one in data.passes)
    losses = canvas.frame(losses_shown(data))
    canvas.finish(
        axes, losses, 0.16 if data.cyclic else 0.06, 0.12 if lost else 0.06, data.measured
    )
    _not_finite(axes, data)
    _cyclic(axes, data)
    canvas.legend(figure, axes)
    return figure


def _words(
    data: RangeData, rise: Literal["exponential", "linear"], low: float, high: float
) -> list[tuple[float, str]]:
    words = [(mark.lr, mark.label) for mark in data.marks]
    if data.edge is not None:
        words.append((data.edge, f"edge of stability: {rate(data.edge)}"))
    return [(canvas.share_between(lr, low, high, rise), text) for lr, text in words]


def _edge(axes: Axes, data: RangeData, high: float) -> None:
    if data.edge is None:
        return
    axes.axvspan(
        data.edge, high, facecolor="#e3d0cd", edgecolor="#c3a39e", hatch="//", linewidth=0, zorder=0
    )
    axes.axvline(data.edge, color=canvas.INK, linewidth=1.6, zorder=3)


def _band(axes: Axes, data: RangeData) -> None:
    if data.band is not None:
        axes.fill_between(
            data.band.lrs,
            data.band.low,
            data.band.high,
            color=canvas.BLUE,
            alpha=0.18,
            linewidth=0,
            label="lowest to highest",
        )


def _pass(axes: Axes, one: Pass, index: int, seeds: int) -> None:
    raw = "loss" if seeds == 1 else "_"
    strength = 0.5 if seeds == 1 else 0.2
    axes.plot(one.lrs, one.losses, color=canvas.BLUE, alpha=strength, linewidth=0.8, label=raw)
    axes.plot(
        one.lrs,
        one.smooth,
        color=canvas.BLUE,
        linestyle=_DASHES[index % len(_DASHES)] if seeds <= len(_DASHES) else "-",
        linewidth=1.8 if seeds == 1 else 1.2,
        marker="o" if len(one.lrs) == 1 else "",
        label=_name(one, index, seeds),
    )


def _name(one: Pass, index: int, seeds: int) -> str:
    if seeds == 1:
        return "running median"
    if seeds <= len(_DASHES):
        return f"seed {one.seed}"
    return f"each of {seeds} seeds" if index == 0 else "_"


def _marks(axes: Axes, data: RangeData) -> None:
    for mark in data.marks:
        axes.axvline(mark.lr, color=canvas.SOFT, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
        if mark.loss is not None:
            axes.plot(mark.lr, mark.loss, "o", color=canvas.INK, markersize=6, zorder=6, label="_")


def _not_finite(axes: Axes, data: RangeData) -> None:
    rates = [lr for one in data.passes for lr in one.not_finite]
    if not rates:
        return
    axes.scatter(
        rates,
        [canvas.EDGE] * len(rates),
        marker="x",
        s=40,
        linewidths=1.6,
        color=canvas.INK,
        transform=axes.get_xaxis_transform(),
        zorder=6,
        label="loss not finite",
    )


def _cyclic(axes: Axes, data: RangeData) -> None:
    if data.cyclic is None:
        return
    along = axes.get_xaxis_transform()
    low, high = data.cyclic
    axes.plot(
        data.cyclic,
        [0.05, 0.05],
        color=canvas.INK,
        linewidth=2.5,
        marker="|",
        markersize=9,
        markeredgewidth=2,
        transform=along,
        label="bounds for cyclic schedules",
    )
    right = canvas.share_of_width(axes, low) < 0.5
    axes.annotate(
        f"cyclic: {rate(low)} to {rate(high)}",
        (low if right else high, 0.1),
        xycoords=along,
        ha="left" if right else "right",
        va="center",
        fontsize=canvas.LABEL_POINTS,
        color=canvas.INK,
        bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
    )
