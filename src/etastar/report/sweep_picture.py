"""The pictures of a sweep: loss against rate, parallel coordinates, importance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from etastar.report import canvas
from etastar.report.sweep_data import (
    RateData,
    Series,
    heading,
    parallel_data,
    rate_data,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from etastar.records import Sweep

# from light to dark, so that grey print keeps the order; each has a mark and a line of its own
_STYLES: tuple[dict[str, Any], ...] = (
    {"color": "#e8b04a", "marker": "o", "linestyle": "-"},
    {"color": "#7fae6b", "marker": "s", "linestyle": (0, (5, 2))},
    {"color": "#3f8f96", "marker": "^", "linestyle": (0, (1, 1.5))},
    {"color": "#4a6fb3", "marker": "D", "linestyle": (0, (6, 2, 1, 2))},
    {"color": "#5b3f8c", "marker": "v", "linestyle": (0, (3, 1, 1, 1, 1, 1))},
    {"color": "#2a1633", "marker": "P", "linestyle": (0, (8, 2))},
)
_LABEL: dict[str, Any] = {
    "boxstyle": "round,pad=0.15",
    "facecolor": "white",
    "edgecolor": "none",
    "alpha": 0.8,
}
_ABOVE = "above the picture"


def sweep_figure(
    sweep: Sweep, kind: Literal["rate", "parallel", "importance"] = "rate", by: str | None = None
) -> Figure:
    """Draw a sweep.

    Args:
        sweep: what was measured.
        kind: `rate`, loss against learning rate; `parallel`, a line per point across all
            settings; `importance`, a bar per setting.
        by: for `rate`, the setting that colours and marks the points; that which matters most by
            default.

    Returns:
        A figure of its own, unknown to pyplot.

    Raises:
        InputError: there is no such picture, or no such setting.
    """
    if kind == "rate":
        return _rate(rate_data(sweep, by))
    if kind == "parallel":
        return _parallel(sweep)
    if kind == "importance":
        return _importance(sweep)
    from etastar.errors import InputError

    raise InputError(f"kind={kind!r}: pass 'rate', 'parallel' or 'importance'.")


def _rate(data: RateData) -> Figure:
    rates = [float(lr) for one in data.series for lr in (*one.lrs, *one.lost)] or [1.0]
    losses = np.concatenate([one.losses for one in data.series])
    figure, axes = canvas.sheet(data.title, data.subtitle, 0)
    axes.set_xscale("log")
    axes.set_xlim(*canvas.rate_limits(rates))
    shown = canvas.frame(losses)
    for index, one in enumerate(data.series):
        _points(axes, one, _style(index, len(data.series)), shown)
    lost = any(one.lost for one in data.series)
    canvas.finish(axes, shown, 0.15, 0.16 if lost else 0.08, data.measured)  # room for a label
    for index, one in enumerate(data.series):
        _lost(axes, one, index, len(data.series))
    if data.best is not None:
        _ringed(axes, data.series, data.best)
        _best(axes, data.best)
    canvas.legend(figure, axes)
    return figure


def _style(index: int, count: int) -> dict[str, Any]:
    """Spread over the six styles, so that few series are far apart in lightness."""
    if count == 1:
        return {"color": canvas.BLUE, "marker": "o", "linestyle": "-"}
    return _STYLES[round(index * (len(_STYLES) - 1) / (count - 1))]


def _points(axes: Axes, one: Series, style: dict[str, Any], shown: canvas.Frame) -> None:
    inside = one.losses <= shown.high
    if one.joined and inside.sum() > 1:
        axes.plot(
            one.lrs[inside],
            one.losses[inside],
            color=style["color"],
            linestyle=style["linestyle"],
            linewidth=1.2,
            zorder=3,
            label="_",
        )
    if one.errors.any():
        axes.errorbar(
            one.lrs[inside],
            one.losses[inside],
            yerr=one.errors[inside],
            fmt="none",
            ecolor=style["color"],
            elinewidth=1,
            capsize=2.5,
            zorder=3,
            label="_",
        )
    dots: dict[str, Any] = {
        "color": style["color"],
        "marker": style["marker"],
        "edgecolors": "white",
        "linewidths": 0.7,
    }
    axes.scatter(
        one.lrs[inside],
        one.losses[inside],
        s=18 + 42 * one.shares[inside],
        zorder=4,
        label=one.word or "trials",
        **dots,
    )
    if not inside.all():
        above: dict[str, Any] = {**dots, "marker": "^"}
        axes.scatter(
            one.lrs[~inside],
            np.full(int((~inside).sum()), canvas.EDGE),
            s=40,
            transform=axes.get_xaxis_transform(),
            zorder=5,
            label="_" if any(x.get_label() == _ABOVE for x in axes.collections) else _ABOVE,
            **above,
        )


def _lost(axes: Axes, one: Series, index: int, count: int) -> None:
    """A cross on the upper edge for what diverged, a row for each series."""
    if not one.lost:
        return
    row = canvas.EDGE - 0.022 * index
    first = not any(x.get_label() == "diverged" for x in axes.collections)
    axes.scatter(
        one.lost,
        [row] * len(one.lost),
        marker="x",
        s=34,
        linewidths=1.5,
        color=_style(index, count)["color"] if count > 1 else canvas.INK,
        transform=axes.get_xaxis_transform(),
        zorder=5,
        label="diverged" if first else "_",
    )


def _ringed(axes: Axes, series: Sequence[Series], best: tuple[float, float, str]) -> None:
    """The mark of the best once more, over those that stand in its way."""
    lr, loss, _ = best
    for index, one in enumerate(series):
        at = np.flatnonzero((one.lrs == lr) & np.isclose(one.losses, loss, rtol=1e-9))[:1]
        style = _style(index, len(series))
        axes.scatter(
            one.lrs[at],
            one.losses[at],
            s=18 + 42 * one.shares[at],
            zorder=5,
            label="_",
            color=style["color"],
            marker=style["marker"],
            edgecolors="white",
            linewidths=0.7,
        )


def _best(axes: Axes, best: tuple[float, float, str]) -> None:
    lr, loss, words = best
    axes.scatter(
        [lr], [loss], s=190, facecolors="none", edgecolors=canvas.INK, linewidths=1.8, zorder=6
    )
    right = canvas.share_of_width(axes, lr) < 0.55
    axes.annotate(
        words,
        (lr, loss),
        xytext=(10 if right else -10, -11),
        textcoords="offset points",
        ha="left" if right else "right",
        va="top",
        fontsize=10,
        fontweight="bold",
        color=canvas.INK,
        parse_math=False,
        bbox=_LABEL,
        zorder=8,
    )


def _parallel(sweep: Sweep) -> Figure:
    data = parallel_data(sweep)
    figure, axes = canvas.sheet(data.title, data.subtitle, 1)
    places = np.arange(len(data.names))
    widest = max(len(word) for _, word in data.ticks[-1]) if data.ticks[-1] else 0
    axes.set_xlim(-0.15, (len(data.names) - 1) * (1 + 0.014 * max(widest, 10)))
    axes.set_ylim(-0.03, 1.04)
    axes.set_axis_off()
    left, bottom, width, height = axes.get_position().bounds
    axes.set_position((left, 0.1, width, height + bottom - 0.1))  # no ticks or legend below
    for path in data.paths:
        axes.plot(
            places,
            path.heights,
            color=canvas.SOFT if path.lost else canvas.INK if path.strength == 1 else canvas.BLUE,
            linestyle=(0, (2, 2)) if path.lost else "-",
            alpha=0.35 if path.lost else 0.15 + 0.85 * path.strength**2,
            linewidth=0.8 if path.lost else 0.8 + 1.8 * path.strength**3,
            zorder=2 + path.strength,
        )
    for place, (name, ticks) in enumerate(zip(data.names, data.ticks, strict=True)):
        axes.plot([place, place], [0, 1], color=canvas.INK, linewidth=1.2, zorder=4)
        words: dict[str, Any] = {"color": canvas.INK, "parse_math": False, "zorder": 5}
        axes.text(place, 1.07, name, ha="center", va="bottom", fontsize=9.5, **words)
        words["bbox"] = {**_LABEL, "boxstyle": "round,pad=0.1"}
        for height, word in ticks:
            axes.plot([place, place + 0.02], [height] * 2, color=canvas.INK, linewidth=1, zorder=4)
            axes.text(place + 0.04, height, word, va="center", fontsize=8, **words)
    figure.text(
        0.02,
        0.03,
        "A line is a setting; the darker and wider, the better. Dashed: lost. Losses stand by "
        "their rank, longer runs first.",
        fontsize=8.5,
        color=canvas.SOFT,
    )
    return figure


def _importance(sweep: Sweep) -> Figure:
    figure, axes = canvas.sheet(*heading(sweep), 0)
    ranked = sorted(sweep.importance.items(), key=lambda pair: pair[1])
    if not ranked:
        axes.set_axis_off()
        words = "Too few trials or settings to say what matters."
        axes.text(0.5, 0.5, words, ha="center", transform=axes.transAxes, color=canvas.SOFT)
        return figure
    shares = [100 * share for _, share in ranked]
    axes.barh(range(len(ranked)), shares, color=canvas.BLUE, height=0.55)
    for row, share in enumerate(shares):
        axes.text(share + 1, row, f"{share:.0f} %", va="center", fontsize=9.5, color=canvas.INK)
    axes.set_yticks(range(len(ranked)), [name for name, _ in ranked])
    axes.set_xlim(0, 108)
    axes.set_xlabel("share in making a setting one of the best third, %", color=canvas.INK)
    left, bottom, width, height = axes.get_position().bounds
    axes.set_position((left + 0.08, bottom, width - 0.08, height))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure
