"""The sheet both pictures are drawn on: a frame for the losses, lanes for labels, plain axes.

Only matplotlib's object interface is used: no pyplot, no global state, no display needed.
"""

from __future__ import annotations

import io
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from etastar.report.limits import Frame, frame, rate_limits, share_between

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from etastar.records import Regime

__all__ = [
    "BLUE",
    "EDGE",
    "INK",
    "LABEL_POINTS",
    "REGIME_FILLS",
    "SOFT",
    "Frame",
    "Label",
    "Picture",
    "axes_named",
    "finish",
    "frame",
    "label_above",
    "lanes",
    "legend",
    "rate_limits",
    "share_between",
    "share_of_width",
    "sheet",
]

INK = "#1a1a1a"
SOFT = "#6b6b6b"
BLUE = "#1f4e79"

# told apart by lightness and hatch as well, for grey print and colour-blind eyes
REGIME_FILLS: dict[Regime, dict[str, Any]] = {
    "too_small": {"facecolor": "#e9eef5"},
    "good": {"facecolor": "#dcebd9"},
    "optimal": {"facecolor": "#b5d6ae"},
    "oscillating": {"facecolor": "#fbe6c8", "edgecolor": "#e0bd85", "hatch": "..", "linewidth": 0},
    "diverging": {"facecolor": "#e3d0cd", "edgecolor": "#c3a39e", "hatch": "//", "linewidth": 0},
}

LABEL_POINTS = 8.5
EDGE = 0.96
"""Height of the marks for what has no finite loss, as a share of the axes."""

_WIDTH, _HEIGHT = 8.0, 5.2
_LEFT, _RIGHT, _BOTTOM = 0.11, 0.97, 0.2
_LANE_POINTS = 13.5
_TITLE_CHARS = 88


class Picture(Figure):
    """A figure that notebooks show without pyplot."""

    def _repr_png_(self) -> bytes:
        target = io.BytesIO()
        self.savefig(target, format="png", dpi=130)
        return target.getvalue()


@dataclass(frozen=True)
class Label:
    """A word above the axes, over the rate it belongs to."""

    x: float  # share of the axes' width
    row: int
    text: str


def lanes(words: Sequence[tuple[float, str]]) -> list[Label]:
    """Place words beside each other where there is room, else one row higher.

    Args:
        words: share of the axes' width where each belongs, and the word.

    Returns:
        The labels, none over another, all within the axes.
    """
    width = 0.58 * LABEL_POINTS / (72 * _WIDTH * (_RIGHT - _LEFT))
    ends: list[float] = []
    placed: list[Label] = []
    for x, text in sorted(words):
        half = width * len(text) / 2
        centre = min(max(x, half), 1 - half)
        row = next((i for i, end in enumerate(ends) if end < centre - half), len(ends))
        ends[row : row + 1] = [centre + half + 2 * width]
        placed.append(Label(centre, row, text))
    return placed


def sheet(title: str, subtitle: str, rows: int) -> tuple[Picture, Axes]:
    """A figure with its title and one pair of axes below `rows` lanes of labels.

    Returns:
        The figure and its axes.
    """
    figure = Picture(figsize=(_WIDTH, _HEIGHT), facecolor="white")
    wrapped = textwrap.wrap(title, _TITLE_CHARS, max_lines=3, placeholder=" …")
    heading = "\n".join(wrapped)
    top = 0.925 - 0.042 * max(1, len(wrapped)) - rows * _LANE_POINTS / (72 * _HEIGHT)
    axes = figure.add_axes((_LEFT, _BOTTOM, _RIGHT - _LEFT, top - _BOTTOM))
    # names are the user's: a dollar sign in one is no formula
    figure.suptitle(
        heading, x=0.02, y=0.985, ha="left", va="top", fontsize=11.5, color=INK, parse_math=False
    )
    below = 0.98 - 0.042 * max(1, len(wrapped))
    figure.text(0.02, below, subtitle, va="top", fontsize=9, color=SOFT, parse_math=False)
    return figure, axes


def label_above(axes: Axes, label: Label) -> None:
    """Write a label in its lane above the axes."""
    axes.annotate(
        label.text,
        (label.x, 1.0),
        xycoords="axes fraction",
        xytext=(0, 4 + _LANE_POINTS * label.row),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=LABEL_POINTS,
        color=INK,
        parse_math=False,
    )


def finish(axes: Axes, losses: Frame, below: float, above: float, name: str) -> None:
    """Set limits, scales, ticks and names.

    Args:
        axes: where everything is drawn by now.
        losses: what is shown.
        below: share of the height kept free under the losses.
        above: share kept free over them.
        name: what the losses are.
    """
    axes.set_ylim(*_padded(losses, below, above))
    if losses.log:
        axes.set_yscale("log")
        axes.set_ylim(*_padded(losses, below, above))
    if losses.empty:
        axes.set_yticks([])
    axes_named(axes, "learning rate", name)


def axes_named(axes: Axes, x: str, y: str) -> None:
    """Name the axes, write plain numbers on the logarithmic ones, and leave two sides open.

    Args:
        axes: whose limits and scales are set by now.
        x: what lies to the right.
        y: what lies upwards.
    """
    for kind, which in ((axes.get_xscale(), axes.xaxis), (axes.get_yscale(), axes.yaxis)):
        if kind == "log":
            _plain_decades(which)
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.tick_params(colors=INK, labelsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _padded(losses: Frame, below: float, above: float) -> tuple[float, float]:
    low, high = (np.log10([losses.low, losses.high])) if losses.log else (losses.low, losses.high)
    height = (high - low) / (1 - below - above)
    low, high = low - below * height, high + above * height
    if losses.log:
        low, high = max(low, -150.0), min(high, 150.0)
    return (float(10**low), float(10**high)) if losses.log else (float(low), float(high))


def _plain_decades(axis: Any) -> None:
    low, high = sorted(axis.get_view_interval())
    few = np.log10(high) - np.log10(low) < 2.2
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def share_of_width(axes: Axes, lr: float) -> float:
    """Where a rate lies between the left and right end of the axes.

    Returns:
        0 at the left end, 1 at the right.
    """
    x: float = axes.transAxes.inverted().transform(axes.transData.transform((lr, 1.0)))[0]
    return min(max(float(x), 0.0), 1.0)


def legend(figure: Figure, axes: Axes) -> None:
    """Name what is drawn, below the axes, where it covers nothing."""
    handles, names = axes.get_legend_handles_labels()
    if not handles:
        return
    columns = min(len(names), 4)
    while _written(figure, handles, names, columns) > figure.bbox.width and columns > 1:
        figure.legends[-1].remove()
        columns -= 1
    more_rows = max(0, -(-len(handles) // columns) - 2)
    left, bottom, width, height = axes.get_position().bounds
    raised = 0.04 * more_rows
    axes.set_position((left, bottom + raised, width, height - raised))


def _written(
    figure: Figure, handles: Sequence[Artist], names: Sequence[str], columns: int
) -> float:
    """Add the legend in so many columns.

    Returns:
        Its width, in pixels.
    """
    # matplotlib fills columns; people read rows
    order = [i for column in range(columns) for i in range(column, len(names), columns)]
    made = figure.legend(
        [handles[i] for i in order],
        [names[i] for i in order],
        loc="lower center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=columns,
        columnspacing=1.4,
        frameon=False,
        fontsize=LABEL_POINTS,
    )
    return made.get_window_extent().width
