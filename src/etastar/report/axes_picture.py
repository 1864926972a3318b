"""The picture of further settings: predicted loss against value, and the rate found at each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etastar.report import canvas
from etastar.report.numbers import rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from etastar.records import AxisFinding, Finding

_HEIGHT = 3.4
"""Inches of each row."""


@dataclass(frozen=True)
class AxisData:
    """What is drawn of one setting; the losses in per cent of the own value's."""

    name: str
    values: tuple[float, ...]
    excess: tuple[float, ...]
    error: tuple[float, ...]
    lrs: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]
    taken: int  # which of the values is to be taken
    unknown: tuple[float, ...]  # values no pilot of which trained


def axis_data(found: AxisFinding) -> AxisData:
    """Take from a setting what its picture shows.

    Returns:
        Columns over the values that trained.
    """
    known = [
        (one.value, 100 * one.excess, 100 * one.error, one.lr, one.interval)
        for one in found.values
        if one.excess is not None
        and one.error is not None
        and one.lr is not None
        and one.interval is not None
    ]
    values, excess, error, lrs, intervals = zip(*known, strict=True)
    return AxisData(
        name=found.setting.replace("_", " "),
        values=values,
        excess=excess,
        error=error,
        lrs=lrs,
        intervals=intervals,
        taken=values.index(found.value),
        unknown=tuple(one.value for one in found.values if one.excess is None),
    )


def axes_figure(finding: Finding) -> Figure | None:
    """Draw what was found along further settings: a row for each.

    Returns:
        A figure of its own, unknown to pyplot; None where no other setting was looked at.
    """
    if not finding.also:
        return None
    rows = len(finding.also)
    figure = canvas.Picture(figsize=(8.0, _HEIGHT * rows), layout="constrained", facecolor="white")
    grid = figure.subplots(rows, 2, squeeze=False)
    for (left, right), found in zip(grid, finding.also, strict=True):
        data = axis_data(found)
        _losses(left, data)
        _rates(right, data)
    figure.suptitle(
        f"{finding.task.name}: settings beside the rate", fontsize=11.5, parse_math=False
    )
    return figure


def _losses(axes: Axes, data: AxisData) -> None:
    places = range(len(data.values))
    axes.axhline(0.0, color=canvas.SOFT, linewidth=0.8)
    axes.errorbar(places, data.excess, data.error, fmt="o", color=canvas.BLUE, capsize=4)
    axes.plot(data.taken, data.excess[data.taken], "o", color=canvas.INK, markersize=10, zorder=4)
    axes.set_ylabel("predicted loss over the own value's, %")
    _values(axes, data)


def _rates(axes: Axes, data: AxisData) -> None:
    for place, (low, high) in enumerate(data.intervals):
        axes.plot([place, place], [low, high], color=canvas.BLUE, linewidth=1.5)
    axes.plot(range(len(data.values)), data.lrs, "o", color=canvas.BLUE)
    for place, lr in enumerate(data.lrs):
        axes.annotate(rate(lr), (place, lr), xytext=(7, 0), textcoords="offset points", fontsize=8)
    axes.plot(data.taken, data.lrs[data.taken], "o", color=canvas.INK, markersize=10, zorder=4)
    axes.set_yscale("log")
    axes.set_ylabel("learning rate found, 80 % interval")
    _values(axes, data)


def _values(axes: Axes, data: AxisData) -> None:
    axes.set_xticks(range(len(data.values)), [f"{value:g}" for value in data.values])
    axes.set_xlim(-0.5, len(data.values) - 0.3)
    missing = f" (none trained at {', '.join(f'{v:g}' for v in data.unknown)})"
    axes.set_xlabel(f"{data.name}{missing if data.unknown else ''}")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
