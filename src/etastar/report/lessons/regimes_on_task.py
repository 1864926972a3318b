"""The regimes on a task's own network: what is said and what is drawn."""

from __future__ import annotations

import shlex
from functools import partial
from typing import TYPE_CHECKING

from etastar.report.lessons.lettering import picture_words
from etastar.report.lessons.view import LessonView, Movie, Section, Still
from etastar.report.numbers import curvature, loss, rate
from etastar.report.page.names import isolated, plain
from etastar.report.page.parts import objective
from etastar.report.page.view import Fact, Table

if TYPE_CHECKING:
    from etastar.records import Regime
    from etastar.records.lessons import RegimesOnTask, SharpnessRun
    from etastar.report.page.words import Words


def view(lesson: RegimesOnTask, words: Words) -> LessonView:
    """Show the lesson.

    Returns:
        The view, its pictures not yet drawn.
    """
    name = isolated(lesson.summary.name)
    return LessonView(
        title=words("lesson.on_task.title", name=name),
        sentence=_sentence(lesson, name, words),
        facts=tuple(_facts(lesson, words)),
        sections=(_rates(lesson, words), *_edge(lesson, words)),
        advice=words("lesson.on_task.advice"),
        code=f"etastar find {shlex.quote(plain(lesson.summary.name))}",
        warnings=lesson.warnings,
        toy=True,
    )


def _sentence(lesson: RegimesOnTask, name: str, words: Words) -> str:
    best = min(
        (t for t, regime in zip(lesson.trials, lesson.regimes, strict=True) if regime == "optimal"),
        key=lambda trial: trial.final_loss,
        default=None,
    )
    steps = words.count("count.steps", lesson.summary.steps)
    if best is None:
        return words("lesson.on_task.sentence.none", name=name, steps=steps)
    lost = [
        trial.lr
        for trial, regime in zip(lesson.trials, lesson.regimes, strict=True)
        if regime == "diverging"
    ]
    told = "lesson.on_task.sentence" if lost else "lesson.on_task.sentence.stable"
    return words(
        told, name=name, steps=steps, best=rate(best.lr), lost=rate(min(lost)) if lost else ""
    )


def _facts(lesson: RegimesOnTask, words: Words) -> list[Fact]:
    facts = [
        Fact(words("details.optimizer"), lesson.summary.optimizer),
        Fact(
            words("lesson.on_task.steps"),
            words.count("count.steps", lesson.summary.steps),
            note=words("lesson.on_task.steps.note", full=f"{lesson.full_steps:,}"),
        ),
    ]
    if lesson.sharpness:
        facts.append(
            Fact(
                words("lesson.on_task.limit"),
                words(f"lesson.on_task.rule.{lesson.rule}", factor=rate(lesson.factor or 0.0)),
            )
        )
    if lesson.edge_before is not None:
        facts.append(Fact(words("lesson.on_task.edge_before"), rate(lesson.edge_before)))
    if lesson.edge_later is not None:
        facts.append(Fact(words("lesson.on_task.edge_later"), rate(lesson.edge_later)))
    return facts


def _rates(lesson: RegimesOnTask, words: Words) -> Section:
    from etastar.report.lessons.regimes_on_task_pictures import final_losses

    title = words("lesson.on_task.rates")
    bands = " ".join(
        words(
            "chart.alt.regime",
            regime=words(f"js.regime.{band.regime}"),
            low=rate(band.low or lesson.trials[0].lr),
            high=rate(band.high or lesson.trials[-1].lr),
        )
        for band in lesson.bands
    )
    trials = words.count("count.trials", len(lesson.trials))
    return Section(
        title=title,
        text=(
            words(
                "lesson.on_task.rates.text",
                trials=trials,
                steps=words.count("count.steps", lesson.summary.steps),
            ),
        ),
        pictures=(
            Still(
                name="rates",
                title=title,
                alt=words("chart.alt", n=trials) + " " + bands,
                draw=partial(final_losses, lesson, picture_words(words)),
                note=words("lesson.on_task.rates.note"),
            ),
        ),
        table=Table(
            title=words("trials.title"),
            note="",
            columns=(
                words("lesson.regimes.table.lr"),
                words("lesson.regimes.table.regime"),
                objective(lesson.summary, words),
            ),
            rows=tuple(
                (
                    rate(trial.lr),
                    words(f"js.regime.{regime}"),
                    loss(trial.final_loss) if trial.measured else words("js.status.1"),
                )
                for trial, regime in zip(lesson.trials, lesson.regimes, strict=True)
            ),
        ),
    )


def _edge(lesson: RegimesOnTask, words: Words) -> list[Section]:
    if not lesson.sharpness:
        return []  # a warning says why
    from etastar.report.lessons.regimes_on_task_film import edge_film
    from etastar.report.lessons.regimes_on_task_pictures import sharpness_panels

    told = "; ".join(_along(run, words) for run in lesson.sharpness)
    shown = picture_words(words)
    return [
        Section(
            title=words("lesson.on_task.edge"),
            text=(
                words("lesson.on_task.edge.text"),
                words(
                    "lesson.on_task.edge.how",
                    batches=f"{lesson.batches:,}",
                    samples=f"{lesson.samples:,}",
                ),
            ),
            pictures=(
                Movie(
                    name="edge",
                    title=words("lesson.on_task.film"),
                    alt=words("lesson.on_task.film.alt", told=told),
                    draw=partial(edge_film, lesson, shown),
                    note=words("lesson.on_task.film.note"),
                ),
                Still(
                    name="sharpness",
                    title=words("lesson.on_task.sharpness"),
                    alt=words("lesson.on_task.sharpness.alt", told=told),
                    draw=partial(sharpness_panels, lesson, shown),
                    note=words("lesson.on_task.sharpness.note"),
                ),
            ),
            table=Table(
                title=words("lesson.on_task.table"),
                note="",
                columns=tuple(
                    words(f"lesson.on_task.table.{column}")
                    for column in ("lr", "regime", "first", "highest", "last", "limit")
                ),
                rows=tuple(_row(run, words) for run in lesson.sharpness),
            ),
        )
    ]


def _row(run: SharpnessRun, words: Words) -> tuple[str, ...]:
    return (
        rate(run.lr),
        _named(run.regime, words),
        curvature(run.sharpness[0]),
        curvature(max(run.sharpness)),
        curvature(run.sharpness[-1]),
        curvature(run.limit) if run.limit is not None else words("lesson.on_task.unknown"),
    )


def _along(run: SharpnessRun, words: Words) -> str:
    return words(
        "lesson.on_task.along" if run.limit is not None else "lesson.on_task.along.unlimited",
        lr=rate(run.lr),
        regime=_named(run.regime, words),
        first=curvature(run.sharpness[0]),
        highest=curvature(max(run.sharpness)),
        limit=curvature(run.limit or 0.0),
    )


def _named(regime: Regime, words: Words) -> str:
    return words(f"js.regime.{regime}")
