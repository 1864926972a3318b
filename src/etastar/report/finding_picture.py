"""The picture of a finding: loss against learning rate, the evidence, the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from etastar.report import canvas
from etastar.report.finding_data import (
    Dots,
    FindingData,
    answer_label,
    finding_data,
    losses_measured,
    losses_predicted,
    rates_shown,
    shades,
)
from etastar.report.numbers import count, rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from etastar.records import Finding

ABOVE = "above the picture"
_MARKS = {"diverged": "x", "stopped early": "_"}


def finding_figure(finding: Finding) -> Figure:
    """Draw a finding.

    Trials are dots sized by horizon; those without a final loss are marked on the top edge;
    the line is the belief about the full run, at the level of the longest pilots, with its 80 %
    band.

    Returns:
        A figure of its own, unknown to pyplot.
    """
    data = finding_data(finding)
    low, high = canvas.rate_limits(rates_shown(data))
    bands = shades(finding, low, high)
    middles = [canvas.share_between((band.low * band.high) ** 0.5, low, high) for band in bands]
    labels = canvas.lanes([(x, band.word) for x, band in zip(middles, bands, strict=True)])
    rows = 1 + max((label.row for label in labels), default=-1)
    figure, axes = canvas.sheet(data.title, data.subtitle, rows)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    losses = canvas.frame(losses_measured(data), also=losses_predicted(data, low, high))
    for band in bands:
        axes.axvspan(band.low, band.high, zorder=0, label="_", **canvas.REGIME_FILLS[band.regime])
    for label in labels:
        canvas.label_above(axes, label)
    _prediction(axes, data)
    _range_curve(axes, data)
    for index, dots in enumerate(data.dots):
        _dots(axes, dots, index, len(data.dots), losses)
    _lost(axes, data)
    below = 0.08 if data.lr is None and not _default_inside(data, low, high) else 0.24
    canvas.finish(axes, losses, below, 0.14 if data.lost else 0.08, data.measured)
    _default(axes, data, low, high)
    _answer(axes, data)
    canvas.legend(figure, axes)
    return figure


def _prediction(axes: Axes, data: FindingData) -> None:
    if data.prediction is None:
        return
    lrs = data.prediction.lrs
    axes.plot(
        lrs,
        data.prediction.losses,
        color=canvas.INK,
        linewidth=1.6,
        zorder=3,
        label=f"shape at {count(data.steps, 'step')}, level of the pilots",
    )
    axes.fill_between(
        lrs,
        data.prediction.low,
        data.prediction.high,
        color=canvas.INK,
        alpha=0.16,
        linewidth=0,
        zorder=2,
        label="its 80 % band",
    )


def _range_curve(axes: Axes, data: FindingData) -> None:
    if data.range_curve is not None:
        axes.plot(*data.range_curve, color=canvas.BLUE, linewidth=1, label="range test")


def _dots(axes: Axes, dots: Dots, index: int, horizons: int, losses: canvas.Frame) -> None:
    strength = (index + 1) / horizons
    style: dict[str, Any] = {
        "s": 22 + 88 * strength,
        "color": _between("#8fb3d9", canvas.BLUE, strength if horizons > 1 else 1.0),
        "edgecolors": "white",
        "linewidths": 0.8,
    }
    inside = dots.losses <= losses.high
    axes.scatter(
        dots.lrs[inside],
        dots.losses[inside],
        zorder=4 + strength,
        label=f"trials of {count(dots.steps, 'step')}",
        **style,
    )
    if not inside.all():
        axes.scatter(
            dots.lrs[~inside],
            np.full(int((~inside).sum()), canvas.EDGE),
            marker="^",
            transform=axes.get_xaxis_transform(),
            zorder=5,
            label="_" if any(x.get_label() == ABOVE for x in axes.collections) else ABOVE,
            **style,
        )


def _between(light: str, dark: str, share: float) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    mixed = (1 - share) * np.array(to_rgb(light)) + share * np.array(to_rgb(dark))
    red, green, blue = (float(part) for part in mixed)
    return red, green, blue


def _lost(axes: Axes, data: FindingData) -> None:
    for row, lost in enumerate(data.lost):
        height = canvas.EDGE - 0.06 * row
        axes.scatter(
            lost.lrs,
            [height] * len(lost.lrs),
            marker=_MARKS[lost.word],
            s=46,
            linewidths=1.8,
            color=canvas.INK,
            transform=axes.get_xaxis_transform(),
            zorder=5,
            label="_",
        )
        first = canvas.share_of_width(axes, lost.lrs[0])
        left = first > 0.2
        axes.annotate(
            lost.word,
            (first if left else canvas.share_of_width(axes, lost.lrs[-1]), height),
            xycoords="axes fraction",
            xytext=(-7 if left else 7, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            fontsize=canvas.LABEL_POINTS,
            color=canvas.INK,
        )


def _default_inside(data: FindingData, low: float, high: float) -> bool:
    return data.default_lr is not None and low <= data.default_lr <= high


def _default(axes: Axes, data: FindingData, low: float, high: float) -> None:
    if data.default_lr is None or not _default_inside(data, low, high):
        return
    along = axes.get_xaxis_transform()
    axes.plot(
        [data.default_lr] * 2, [0, 0.035], color=canvas.SOFT, linewidth=2, transform=along, zorder=6
    )
    right = canvas.share_of_width(axes, data.default_lr) < 0.8
    axes.annotate(
        f"default {rate(data.default_lr)}",
        (data.default_lr, 0.025),
        xycoords=along,
        xytext=(4 if right else -4, 0),
        textcoords="offset points",
        ha="left" if right else "right",
        va="center",
        fontsize=8,
        color=canvas.SOFT,
    )


def _answer(axes: Axes, data: FindingData) -> None:
    if data.lr is None or data.interval is None:
        return
    along = axes.get_xaxis_transform()
    axes.axvline(data.lr, color=canvas.INK, linewidth=1.4, linestyle=(0, (5, 2)), zorder=3)
    axes.plot(
        data.interval,
        [0.09, 0.09],
        color=canvas.INK,
        linewidth=3,
        marker="|",
        markersize=10,
        markeredgewidth=2,
        transform=along,
        zorder=6,
        label="chosen rate, 80 % interval",
    )
    axes.plot(data.lr, 0.09, "o", color=canvas.INK, markersize=7, transform=along, zorder=7)
    right = canvas.share_of_width(axes, data.lr) < 0.6
    axes.annotate(
        answer_label(data),
        (data.lr, 0.165),
        xycoords=along,
        xytext=(7 if right else -7, 0),
        textcoords="offset points",
        ha="left" if right else "right",
        va="center",
        fontsize=10.5,
        fontweight="bold",
        color=canvas.INK,
        bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        zorder=8,
    )
