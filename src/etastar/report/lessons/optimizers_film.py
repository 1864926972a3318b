"""The moving picture of a race: all optimizers over one terrain, and their losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etastar.report import canvas
from etastar.report.lessons.film import Film
from etastar.report.lessons.optimizers_pictures import (
    FLOOR,
    LOOKS,
    names,
    path,
    start_excess,
    terrain,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from etastar.records.lessons.optimizers import Race
    from etastar.report.page.words import Words

FRAMES = 60
_SINGLY = 25
"""So many steps are shown one by one: most happens in them."""

_TAIL = 6
"""So many last steps are drawn strongly, so that one sees who is where."""


def race_film(race: Race, words: Words) -> Film:
    """Make the film of a race.

    Returns:
        The film, to be drawn.
    """
    figure = canvas.Picture(figsize=(9.4, 4.1), facecolor="white")
    grid = figure.add_gridspec(
        1, 2, left=0.01, right=0.985, top=0.9, bottom=0.22, wspace=0.17, width_ratios=(1.35, 1)
    )
    over, losses = (figure.add_subplot(grid[0, place]) for place in range(2))
    terrain(over, race)
    losses.set_yscale("log")
    losses.set_xlim(0, 1.02 * race.steps)
    excess = [np.clip(racer.losses - race.terrain.lowest, FLOOR, 1e6) for racer in race.racers]
    top = max(3 * start_excess(race), 1.0)
    low = 1e-3 if race.place == "saddle" else min(float(curve.min()) for curve in excess) / 2
    losses.set_ylim(max(FLOOR, low), top)
    canvas.axes_named(losses, words("js.chart.step"), words("picture.above_lowest"))
    if race.place == "saddle":
        _mark(losses, -race.terrain.lowest, words("picture.saddle_height"), above=True)
        _mark(losses, -race.terrain.lowest / 2, words("picture.out"), above=False)

    moving: list[Artist] = []
    ways, tails, heads, falls, tips = [], [], [], [], []
    for racer in race.racers:
        color, mark = LOOKS[racer.optimizer]
        (way,) = over.plot([], [], color=color, linewidth=0.9, alpha=0.45, zorder=3)
        (tail,) = over.plot([], [], color=color, linewidth=2.2, zorder=4)
        (head,) = over.plot(
            [], [], mark, color=color, markersize=8, markeredgecolor="white", zorder=7
        )
        (fall,) = losses.plot([], [], color=color, linewidth=1.6, zorder=3)
        (tip,) = losses.plot(
            [], [], mark, color=color, markersize=6.5, markeredgecolor="white", zorder=5
        )
        ways.append(way)
        tails.append(tail)
        heads.append(head)
        falls.append(fall)
        tips.append(tip)
    clock = figure.text(0.985, 0.975, "", va="top", ha="right", fontsize=11, color=canvas.INK)
    figure.text(
        0.012,
        0.975,
        words(f"picture.place.{race.place}"),
        va="top",
        fontsize=12,
        fontweight="bold",
        color=canvas.INK,
    )
    names(figure, [racer.optimizer for racer in race.racers])
    moving.extend([*ways, *tails, *heads, *falls, *tips, clock])
    tracks = [path(racer) for racer in race.racers]
    steps = _steps_shown(race.steps)

    def advance(frame: int) -> None:
        step = steps[frame]
        since = max(0, step - _TAIL)
        for place, (x, y) in enumerate(tracks):
            ways[place].set_data(x[: step + 1], y[: step + 1])
            tails[place].set_data(x[since : step + 1], y[since : step + 1])
            heads[place].set_data(x[step : step + 1], y[step : step + 1])
            falls[place].set_data(np.arange(step + 1), excess[place][: step + 1])
            tips[place].set_data([step], excess[place][step : step + 1])
        clock.set_text(words("picture.step_is", step=step))

    kept = ["white", canvas.INK, *(LOOKS[racer.optimizer][0] for racer in race.racers)]
    return Film(figure, tuple(moving), advance, FRAMES, frame_ms=110, colors=kept)


def _mark(axes: Axes, height: float, text: str, *, above: bool) -> None:
    axes.axhline(height, color=canvas.SOFT, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(
        text,
        (1.0, height),
        xycoords=axes.get_yaxis_transform(),
        xytext=(-3, 3 if above else -10),
        textcoords="offset points",
        ha="right",
        fontsize=canvas.LABEL_POINTS,
        color=canvas.SOFT,
    )


def _steps_shown(steps: int) -> list[int]:
    """The step of every frame."""
    slow = min(_SINGLY, steps, FRAMES - 2)
    rest = np.linspace(slow, steps, FRAMES - slow)
    return [*range(slow), *np.round(rest).astype(int).tolist()]
