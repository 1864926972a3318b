"""The moving picture of the search: the grid fills point by point, the pilots come beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from etastar.report import canvas
from etastar.report.lessons.film import Film
from etastar.report.lessons.grid_search_pictures import GRID_COLOR, LOOKS, ceiling, frame, objective
from etastar.report.numbers import rate

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from etastar.records.lessons.grid_search import GridSearch
    from etastar.report.page.words import Words

    Floats = NDArray[np.float64]

FRAMES = 60
_SLOW = 24
"""Frames for the time in which `find` is at work: the rest hurry on to the end of the grid."""


def filling(lesson: GridSearch, words: Words) -> Film:
    """Make the film: both sides by one clock, the full runs spent.

    Returns:
        The film, to be drawn.
    """
    figure = canvas.Picture(figsize=(9.4, 4.0), facecolor="white")
    grid = figure.add_gridspec(1, 2, left=0.075, right=0.985, top=0.78, bottom=0.14, wspace=0.08)
    sides = [figure.add_subplot(grid[0, place]) for place in range(2)]
    for side in sides:
        frame(side, lesson, pilots=True)
    name = words(f"objective.{objective(lesson)}")
    canvas.axes_named(sides[0], words("js.chart.rate"), name)
    canvas.axes_named(sides[1], words("js.chart.rate"), "")
    sides[1].tick_params(axis="y", labelleft=False)
    blue = LOOKS["find"][0]
    most = ceiling(lesson)
    losses, pilots = (
        np.where(part <= most, part, np.nan) for part in (lesson.losses, lesson.pilot_losses)
    )
    left = _Side(sides[0], lesson.lrs, losses, lesson.spent, GRID_COLOR)
    right = _Side(sides[1], lesson.pilot_lrs, pilots, lesson.pilot_spent, blue, hollow=True)
    for side, color, text in (
        (sides[0], canvas.INK, words("picture.way.grid")),
        (sides[1], blue, words("picture.way.find")),
    ):
        side.set_title(text, loc="left", fontsize=11, fontweight="bold", color=color)
    told = [
        side.text(
            1.0, 1.03, "", ha="right", va="bottom", transform=side.transAxes, color=canvas.INK
        )
        for side in sides
    ]
    answers = [
        side.axvline(1.0, color=color, linewidth=2.0, visible=False)
        for side, color in zip(sides, (canvas.INK, blue), strict=True)
    ]
    clock = figure.text(
        0.012, 0.965, "", va="top", fontsize=12, fontweight="bold", color=canvas.INK
    )
    ways = (lesson.by("grid"), lesson.by("find"))
    times = _times(ways[1].cost, ways[0].cost)

    def advance(number: int) -> None:
        now = times[number]
        clock.set_text(words("picture.grid.clock", runs=f"{now:.2f}"))
        for side, way, text, answer in zip((left, right), ways, told, answers, strict=True):
            side.show(now)
            done = now >= way.cost - 1e-9
            answer.set_visible(done and way.lr is not None)
            if way.lr is not None:
                answer.set_xdata([way.lr, way.lr])
            if not done:
                text.set_text(words("picture.grid.working"))
            elif way.lr is None:
                text.set_text(words("picture.grid.none", runs=f"{way.cost:.3g}"))
            else:
                text.set_text(words("picture.grid.done", lr=rate(way.lr), runs=f"{way.cost:.3g}"))

    moving: list[Artist] = [*left.artists, *right.artists, *told, *answers, clock]
    colors = ["white", canvas.INK, GRID_COLOR, blue]
    return Film(figure, tuple(moving), advance, FRAMES, frame_ms=130, colors=colors)


class _Side:
    """Points that come when their cost is spent; without a loss to draw, crosses at the top."""

    def __init__(
        self,
        axes: Axes,
        lrs: Floats,
        losses: Floats,
        spent: Floats,
        color: str,
        *,
        hollow: bool = False,
    ) -> None:
        self._lrs, self._losses, self._spent = lrs, losses, spent
        inside = "white" if hollow else color
        (self._points,) = axes.plot(
            [], [], "o", color=color, markerfacecolor=inside, markersize=7, markeredgewidth=1.8
        )
        (self._lost,) = axes.plot(
            [],
            [],
            "x",
            color=color,
            markersize=8,
            markeredgewidth=2,
            transform=axes.get_xaxis_transform(),
        )
        self.artists: tuple[Artist, ...] = (self._points, self._lost)

    def show(self, now: float) -> None:
        """Put all there is by now."""
        there = self._spent <= now + 1e-9
        measured = there & np.isfinite(self._losses)
        lost = there & ~measured
        self._points.set_data(self._lrs[measured], self._losses[measured])
        self._lost.set_data(self._lrs[lost], np.full(int(lost.sum()), canvas.EDGE))


def _times(first: float, last: float) -> list[float]:
    """The full runs spent at every frame: slowly while the cheaper way works."""
    early, late = sorted((first, max(last, first)))
    slow = np.linspace(0.0, early, _SLOW)
    return [*slow.tolist(), *np.linspace(early, late, FRAMES - _SLOW + 1)[1:].tolist()]
