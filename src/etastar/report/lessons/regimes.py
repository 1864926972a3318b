"""The five regimes on a line fit: what is said and what is drawn."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from etastar.report.lessons.lettering import picture_words
from etastar.report.lessons.view import LessonView, Movie, Section, Still
from etastar.report.numbers import rate
from etastar.report.page.view import Fact, Table

if TYPE_CHECKING:
    from etastar.records.lessons import Descent, Regimes
    from etastar.report.page.words import Words


def view(lesson: Regimes, words: Words) -> LessonView:
    """Show the lesson.

    Returns:
        The view, its pictures not yet drawn.
    """
    return LessonView(
        title=words("lesson.regimes.title"),
        sentence=words("lesson.regimes.sentence", edge=rate(lesson.edge), best=rate(lesson.best)),
        facts=(
            Fact(
                words("lesson.regimes.edge"),
                rate(lesson.edge),
                note=words("lesson.regimes.edge.note", curvature=rate(max(lesson.curvatures))),
            ),
            Fact(
                words("lesson.regimes.best"),
                rate(lesson.best),
                note=words("lesson.regimes.best.note", sum=rate(sum(lesson.curvatures))),
            ),
            Fact(
                words("lesson.regimes.mark"),
                words.percent(lesson.mark),
                note=words("lesson.regimes.mark.note"),
            ),
        ),
        sections=(
            _together(lesson, words),
            _apart(lesson, words),
            _predicted(lesson, words),
        ),
        advice=words("lesson.regimes.advice"),
        code="etastar explain regimes --task digits-mlp",
        toy=True,
    )


def _together(lesson: Regimes, words: Words) -> Section:
    from etastar.report.lessons.regimes_pictures import overview
    from etastar.report.lessons.regimes_race_film import race_film

    title = words("lesson.regimes.together")
    told = "; ".join(_outcome(lesson, run, words) for run in lesson.runs)
    return Section(
        title=title,
        text=(words("lesson.regimes.problem", points=len(lesson.x)),),
        pictures=(
            Movie(
                name="race",
                title=words("lesson.regimes.race"),
                alt=words("lesson.regimes.together.alt", told=told),
                draw=partial(race_film, lesson, picture_words(words)),
                note=words("lesson.regimes.race.note"),
            ),
            Still(
                name="regimes",
                title=title,
                alt=words("lesson.regimes.together.alt", told=told),
                draw=partial(overview, lesson, picture_words(words)),
                note=words("lesson.regimes.together.note"),
            ),
        ),
    )


def _apart(lesson: Regimes, words: Words) -> Section:
    from etastar.report.lessons.regimes_film import descent_film

    return Section(
        title=words("lesson.regimes.apart"),
        text=(words("lesson.regimes.apart.text"),),
        pictures=tuple(
            Movie(
                name=f"rate-{run.lr:g}",
                title=words(
                    "lesson.regimes.named",
                    lr=rate(run.lr),
                    regime=words(f"js.regime.{run.regime}"),
                ),
                alt=words(
                    "lesson.regimes.apart.alt",
                    told=_outcome(lesson, run, words),
                ),
                draw=partial(descent_film, lesson, run, picture_words(words)),
                note=words(f"lesson.regimes.why.{run.regime}"),
            )
            for run in lesson.runs
        ),
    )


def _predicted(lesson: Regimes, words: Words) -> Section:
    from etastar.report.lessons.regimes_pictures import needed_epochs

    title = words("lesson.regimes.predicted")
    bands = " ".join(
        words(
            "chart.alt.regime",
            regime=words(f"js.regime.{band.regime}"),
            low=rate(band.low or float(lesson.rates[0])),
            high=rate(band.high or float(lesson.rates[-1])),
        )
        for band in lesson.bands
    )
    return Section(
        title=title,
        text=(words("lesson.regimes.predicted.text"),),
        pictures=(
            Still(
                name="epochs",
                title=title,
                alt=words("lesson.regimes.predicted.alt", bands=bands),
                draw=partial(needed_epochs, lesson, picture_words(words)),
                note=words("lesson.regimes.predicted.note", epochs=lesson.epochs),
            ),
        ),
        table=Table(
            title=words("lesson.regimes.table"),
            note=words("lesson.regimes.table.note", epochs=lesson.epochs),
            columns=tuple(
                words(f"lesson.regimes.table.{column}")
                for column in ("lr", "regime", "predicted", "observed", "left")
            ),
            rows=tuple(
                (
                    rate(run.lr),
                    words(f"js.regime.{run.regime}"),
                    _epochs(run.predicted_epochs, words),
                    _epochs(run.observed_epochs, words),
                    words.percent(_left(lesson, run)),
                )
                for run in lesson.runs
            ),
        ),
    )


def _left(lesson: Regimes, run: Descent) -> float:
    """The share of the excess loss that is left at the end."""
    return max(0.0, (run.losses[-1] - lesson.lowest) / (run.losses[0] - lesson.lowest))


def _epochs(number: int | None, words: Words) -> str:
    return words("lesson.regimes.never") if number is None else f"{number:,}"


def _outcome(lesson: Regimes, run: Descent, words: Words) -> str:
    named = {
        "lr": rate(run.lr),
        "regime": words(f"js.regime.{run.regime}"),
        "epochs": lesson.epochs,
        "observed": run.observed_epochs,
    }
    return words(f"lesson.regimes.outcome.{run.regime}", **named)
