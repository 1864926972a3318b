"""Schedules side by side: what is said and what is drawn."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from etastar.report.lessons.lettering import picture_words
from etastar.report.lessons.view import LessonView, Movie, Section, Still
from etastar.report.numbers import loss, rate
from etastar.report.page.view import Fact, Table

if TYPE_CHECKING:
    from etastar.records.lessons.schedules import Scheduled, Schedules
    from etastar.report.page.words import Words


def view(lesson: Schedules, words: Words) -> LessonView:
    """Show the lesson.

    Returns:
        The view, its pictures not yet drawn.
    """
    others = lesson.runs[1:]
    clear = sum(lesson.clear(run) for run in others)
    reference = lesson.reference
    return LessonView(
        title=words("lesson.schedules.title"),
        sentence=words(
            "lesson.schedules.sentence",
            task=lesson.task,
            best=_name(lesson.best, words),
            loss=loss(lesson.best.mean),
            reference=loss(reference.mean),
            clear=clear,
            others=len(others),
        ),
        facts=(
            Fact(
                words("lesson.schedules.best"),
                _name(lesson.best, words),
                note=_ending(lesson.best, words),
            ),
            Fact(
                words("lesson.schedules.reference"),
                _ending(reference, words),
                note=words("lesson.schedules.reference.note"),
            ),
            Fact(
                words("lesson.schedules.rates"),
                f"{rate(min(run.lr for run in lesson.runs))} - "
                f"{rate(max(run.lr for run in lesson.runs))}",
                note=words("lesson.schedules.rates.note"),
            ),
            Fact(
                words("lesson.schedules.cost"),
                f"{lesson.searched:.0f}",
                note=words("lesson.schedules.cost.note"),
            ),
        ),
        sections=(
            _moving(lesson, words),
            _ended(lesson, words),
            _found(lesson, words),
            _needed(lesson, words),
        ),
        advice=words("lesson.schedules.advice"),
        code=f"etastar find {lesson.task}",
    )


def _moving(lesson: Schedules, words: Words) -> Section:
    from etastar.report.lessons.schedules_film import schedules_film
    from etastar.report.lessons.schedules_pictures import curves

    told = _told(lesson, words)
    return Section(
        title=words("lesson.schedules.moving"),
        text=(
            words(
                "lesson.schedules.setting",
                task=lesson.task,
                steps=f"{lesson.steps:,}",
                seeds=words.count("count.seeds", len(lesson.judging)),
            ),
            words("lesson.schedules.moving.text"),
        ),
        pictures=(
            Movie(
                name="schedules",
                title=words("lesson.schedules.film"),
                alt=words("lesson.schedules.film.alt", told=told),
                draw=partial(schedules_film, lesson, picture_words(words)),
                note=words("lesson.schedules.film.note"),
            ),
            Still(
                name="curves",
                title=words("lesson.schedules.curves"),
                alt=words("lesson.schedules.curves.alt", told=told),
                draw=partial(curves, lesson, picture_words(words)),
                note=words("lesson.schedules.curves.note"),
            ),
        ),
    )


def _ended(lesson: Schedules, words: Words) -> Section:
    from etastar.report.lessons.schedules_pictures import final_losses

    title = words("lesson.schedules.ended")
    return Section(
        title=title,
        text=(words("lesson.schedules.ended.text"),),
        pictures=(
            Still(
                name="final-losses",
                title=title,
                alt=words("lesson.schedules.ended.alt", told=_told(lesson, words)),
                draw=partial(final_losses, lesson, picture_words(words)),
                note=words("lesson.schedules.ended.note"),
            ),
        ),
        table=Table(
            title=words("lesson.schedules.table"),
            note=words("lesson.schedules.table.note"),
            columns=tuple(
                words(f"lesson.schedules.table.{column}")
                for column in ("schedule", "lr", "final", "spread", "gain", "clear")
            ),
            rows=tuple(_row(lesson, run, words) for run in lesson.runs),
        ),
    )


def _found(lesson: Schedules, words: Words) -> Section:
    from etastar.report.lessons.schedules_pictures import searches

    title = words("lesson.schedules.found")
    told = "; ".join(
        words("lesson.schedules.found.one", name=_name(run, words), lr=rate(run.lr))
        for run in lesson.runs
    )
    return Section(
        title=title,
        text=(
            words(
                "lesson.schedules.found.text",
                seeds=words.count("count.seeds", len(lesson.searching)),
                guess=words("lesson.schedules.none")
                if lesson.guess is None
                else rate(lesson.guess),
                cost=f"{lesson.searched:.0f}",
            ),
        ),
        pictures=(
            Still(
                name="searches",
                title=title,
                alt=words("lesson.schedules.found.alt", told=told),
                draw=partial(searches, lesson, picture_words(words)),
                note=words("lesson.schedules.found.note"),
            ),
        ),
    )


def _needed(lesson: Schedules, words: Words) -> Section:
    return Section(
        title=words("lesson.schedules.needed"),
        text=(
            words("lesson.schedules.needed.text"),
            *(
                words(
                    "lesson.schedules.kind",
                    name=_name(run, words),
                    law=words(f"lesson.schedules.law.{run.family}"),
                    used=words(f"lesson.schedules.used.{run.family}"),
                )
                for run in lesson.runs
            ),
        ),
        table=Table(
            title=words("lesson.schedules.kinds"),
            note=words("lesson.schedules.kinds.note"),
            columns=tuple(
                words(f"lesson.schedules.kinds.{column}")
                for column in ("schedule", "before", "source")
            ),
            rows=tuple(
                (
                    _name(run, words),
                    words(f"lesson.schedules.before.{run.family}"),
                    words(f"lesson.schedules.source.{run.family}"),
                )
                for run in lesson.runs
            ),
        ),
    )


def _name(run: Scheduled, words: Words) -> str:
    return words(f"lesson.schedules.name.{run.family}")


def _ending(run: Scheduled, words: Words) -> str:
    if run.broken:
        return words("picture.broken", n=run.broken, of=len(run.finals))
    spread = f" ± {run.spread:.2g}" if math.isfinite(run.spread) else ""
    return f"{loss(run.mean)}{spread}"


def _told(lesson: Schedules, words: Words) -> str:
    return "; ".join(f"{_name(run, words)}: {_ending(run, words)}" for run in lesson.runs)


def _row(lesson: Schedules, run: Scheduled, words: Words) -> tuple[str, ...]:
    gain, width = lesson.gain(run)
    reference = run is lesson.reference
    known = not reference and math.isfinite(gain)
    return (
        _name(run, words),
        rate(run.lr),
        words("picture.broken", n=run.broken, of=len(run.finals)) if run.broken else loss(run.mean),
        f"{run.spread:.2g}" if math.isfinite(run.spread) else "-",
        (f"{gain:+.2g}" + (f" ± {width:.1g}" if math.isfinite(width) else "")) if known else "-",
        words("lesson.schedules.yes" if lesson.clear(run) else "lesson.schedules.no")
        if known
        else "-",
    )
