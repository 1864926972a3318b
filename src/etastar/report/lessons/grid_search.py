"""What the sweet spot costs, in three ways: what is said and what is drawn."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from etastar.report.lessons.lettering import picture_words
from etastar.report.lessons.view import LessonView, Movie, Section, Still
from etastar.report.numbers import loss as loss_text
from etastar.report.numbers import rate
from etastar.report.page.view import Fact, Table

if TYPE_CHECKING:
    from etastar.records.lessons.grid_search import GridSearch, Named, Way
    from etastar.report.page.words import Words


def view(lesson: GridSearch, words: Words) -> LessonView:
    """Show the lesson.

    Returns:
        The view, its pictures not yet drawn.
    """
    grid, found, tested = lesson.by("grid"), lesson.by("find"), lesson.by("steepest")
    return LessonView(
        title=words("lesson.grid.title"),
        sentence=" ".join(
            (
                words(
                    "lesson.grid.sentence",
                    task=lesson.task,
                    grid_lr=_lr(grid, words),
                    grid_cost=f"{grid.cost:.3g}",
                    grid_loss=_ends(grid, words),
                    find_lr=_lr(found, words),
                    find_cost=f"{found.cost:.2g}",
                    find_loss=_ends(found, words),
                ),
                words(f"lesson.grid.apart.{compared(found, grid)}"),
            )
        ),
        facts=(
            *(
                Fact(
                    words(f"picture.way.{one.way}"),
                    _runs(one, words),
                    note=words(
                        "lesson.grid.fact.note",
                        lr=_lr(one, words),
                        loss=_ends(one, words),
                        time=words.duration(one.seconds),
                    ),
                )
                for one in (grid, found)
            ),
            Fact(
                words("lesson.grid.range_test"),
                _runs(tested, words),
                note=words("lesson.grid.range_test.note", span=_rules_span(lesson, words)),
            ),
        ),
        sections=(_filling(lesson, words), _landscape(lesson, words), _costs(lesson, words)),
        advice=words("lesson.grid.advice"),
        code=f"etastar find {lesson.task}",
    )


def compared(one: Named, other: Named) -> str:
    """Which of two ends lower, seed by seed (two-sided t, 5 %).

    Returns:
        "lower", "higher", "alike", or "unknown" where runs are missing or diverged.
    """
    apart = one.finals - other.finals if len(one.finals) == len(other.finals) else np.array([])
    if len(apart) < 2 or not np.isfinite(apart).all():
        return "unknown"
    bar = float(stats.t.ppf(0.975, len(apart) - 1)) * apart.std(ddof=1) / math.sqrt(len(apart))
    mean = float(apart.mean())
    if abs(mean) <= bar:
        return "alike"
    return "lower" if mean < 0 else "higher"


def _filling(lesson: GridSearch, words: Words) -> Section:
    from etastar.report.lessons.grid_search_film import filling

    grid, found = lesson.by("grid"), lesson.by("find")
    title = words("lesson.grid.filling")
    return Section(
        title=title,
        text=(
            words(
                "lesson.grid.how",
                task=lesson.task,
                steps=f"{lesson.steps:,}",
                coarse=lesson.coarse,
                finer=len(lesson.lrs) - lesson.coarse,
                default=rate(lesson.default_lr),
                low=rate(float(lesson.lrs.min())),
                high=rate(float(lesson.lrs.max())),
            ),
            words("lesson.grid.pilots", pilots=len(lesson.pilot_lrs)),
        ),
        pictures=(
            Movie(
                name="filling",
                title=title,
                alt=words(
                    "lesson.grid.filling.alt",
                    grid_lr=_lr(grid, words),
                    grid_cost=f"{grid.cost:.3g}",
                    find_lr=_lr(found, words),
                    find_cost=f"{found.cost:.2g}",
                ),
                draw=partial(filling, lesson, picture_words(words)),
                note=words("lesson.grid.filling.note"),
            ),
        ),
    )


def _landscape(lesson: GridSearch, words: Words) -> Section:
    from etastar.report.lessons.grid_search_pictures import landscape

    title = words("lesson.grid.landscape")
    told = "; ".join(
        f"{words(f'picture.way.{one.way}')}: {_lr(one, words)}, {_ends(one, words)}"
        for one in lesson.named
    )
    at = int(np.nanargmin(lesson.losses)) if np.isfinite(lesson.losses).any() else 0
    return Section(
        title=title,
        text=(
            words("lesson.grid.judged", judges=len(lesson.judges)),
            words(
                "lesson.grid.luck",
                seen=loss_text(float(lesson.losses[at])),
                mean=loss_text(float(lesson.means[at])),
                spread=f"{float(lesson.deviations[at]):.1g}",
            ),
        ),
        pictures=(
            Still(
                name="landscape",
                title=title,
                alt=words("lesson.grid.landscape.alt", told=told),
                draw=partial(landscape, lesson, picture_words(words)),
                note=words("lesson.grid.landscape.note", judges=len(lesson.judges)),
            ),
        ),
        table=Table(
            title=words("lesson.grid.table"),
            note=words("lesson.grid.table.note"),
            columns=tuple(
                words(f"lesson.grid.column.{column}")
                for column in ("way", "lr", "final", "than_grid", "cost", "time")
            ),
            rows=tuple(_row(one, lesson.by("grid"), words) for one in lesson.named),
        ),
    )


def _row(one: Named, grid: Named, words: Words) -> tuple[str, ...]:
    against = "-" if one is grid else words(f"lesson.grid.than.{compared(one, grid)}")
    return (
        words(f"picture.way.{one.way}"),
        _lr(one, words),
        _ends(one, words),
        against,
        f"{one.cost:.3g}",
        words.duration(one.seconds),
    )


def _costs(lesson: GridSearch, words: Words) -> Section:
    from etastar.report.lessons.grid_search_pictures import costs

    title = words("lesson.grid.costs")
    grid, found = lesson.by("grid"), lesson.by("find")
    told = "; ".join(
        words(
            "lesson.grid.cost.one",
            way=words(f"picture.way.{one.way}"),
            runs=f"{one.cost:.3g}",
            time=words.duration(one.seconds),
        )
        for one in lesson.named
    )
    good = [one.way for one in _rules(lesson) if compared(one, grid) in {"alike", "lower"}]
    names = ", ".join(words(f"picture.way.{way}") for way in good)
    return Section(
        title=title,
        text=(
            words(
                "lesson.grid.time",
                engine=lesson.engine,
                run=words.duration(lesson.run_seconds),
                grid=words.duration(grid.seconds),
                find=words.duration(found.seconds),
            ),
            words("lesson.grid.rules.good", names=names)
            if good
            else words("lesson.grid.rules.none"),
            words("lesson.grid.gains"),
        ),
        pictures=(
            Still(
                name="costs",
                title=title,
                alt=words("lesson.grid.costs.alt", told=told),
                draw=partial(costs, lesson, picture_words(words)),
                note=words("lesson.grid.costs.note"),
            ),
        ),
    )


def _rules(lesson: GridSearch) -> list[Named]:
    ways: set[Way] = {"grid", "find"}
    return [one for one in lesson.named if one.way not in ways]


def _rules_span(lesson: GridSearch, words: Words) -> str:
    rates = [one.lr for one in _rules(lesson) if one.lr is not None]
    if not rates:
        return words("lesson.grid.none")
    return words("facts.span", low=rate(min(rates)), high=rate(max(rates)))


def _lr(one: Named, words: Words) -> str:
    return words("lesson.grid.none") if one.lr is None else rate(one.lr)


def _runs(one: Named, words: Words) -> str:
    return words("facts.runs", n=f"{one.cost:.3g}")


def _ends(one: Named, words: Words) -> str:
    """Mean and standard deviation of the final losses."""
    if not len(one.finals):
        return "-"
    if not np.isfinite(one.finals).all():
        return words("picture.grid.diverged")
    spread = one.finals.std(ddof=1) if len(one.finals) > 1 else 0.0
    return words("lesson.grid.plus", mean=f"{one.finals.mean():.3g}", error=f"{spread:.1g}")
