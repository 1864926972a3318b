"""Eight optimizers, each at its own rate: what is said and what is drawn."""

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
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from etastar.records.lessons.optimizers import Optimizers, Place, Race, Racer, TaskRun
    from etastar.report.page.words import Words

_MOVING: tuple[Place, ...] = ("valley", "saddle", "bowl")


def view(lesson: Optimizers, words: Words) -> LessonView:
    """Show the lesson.

    Returns:
        The view, its pictures not yet drawn.
    """
    found = _finals(lesson.runs)
    default = [float(np.mean(run.default_finals)) for run in lesson.runs]
    rates = [run.lr for run in lesson.runs if run.lr is not None]
    low, high = min(rates, default=math.nan), max(rates, default=math.nan)
    bytes_kept = [price.state_bytes for price in lesson.prices]
    times = [price.step_ratio for price in lesson.prices]
    return LessonView(
        title=words("lesson.optimizers.title"),
        sentence=words(
            "lesson.optimizers.sentence",
            task=lesson.task,
            factor=_two_digits(high / low),
            low=loss_text(min(found.values(), default=math.nan)),
            high=loss_text(max(found.values(), default=math.nan)),
            default_low=loss_text(min(default)),
            default_high=loss_text(max(default)),
        ),
        facts=(
            Fact(
                words("lesson.optimizers.rates"),
                words("facts.span", low=rate(low), high=rate(high)),
                note=words("lesson.optimizers.rates.note", task=lesson.task),
            ),
            Fact(
                words("lesson.optimizers.alike"),
                ", ".join(_alike(lesson.runs)) or "-",
                note=words("lesson.optimizers.alike.note", seeds=len(lesson.seeds)),
            ),
            Fact(
                words("lesson.optimizers.time"),
                words("facts.span", low=f"{min(times):.2f}", high=f"{max(times):.2f}"),
                note=words("lesson.optimizers.time.note"),
            ),
            Fact(
                words("lesson.optimizers.memory"),
                words("facts.span", low=f"{min(bytes_kept):.3g}", high=f"{max(bytes_kept):.3g}"),
                note=words("lesson.optimizers.memory.note"),
            ),
        ),
        sections=(
            _ideas(lesson, words),
            *(_race(race, words) for race in lesson.races),
            _widths(lesson, words),
            _task(lesson, words),
            _price(lesson, words),
        ),
        advice=words("lesson.optimizers.advice"),
        code=f"etastar find {lesson.task}",
    )


def _ideas(lesson: Optimizers, words: Words) -> Section:
    return Section(
        title=words("lesson.optimizers.ideas"),
        text=(
            *(words(f"lesson.optimizers.idea.{run.optimizer}") for run in lesson.runs),
            words("lesson.optimizers.settings"),
        ),
    )


def _race(race: Race, words: Words) -> Section:
    from etastar.report.lessons.optimizers_film import race_film
    from etastar.report.lessons.optimizers_pictures import outcome, paths

    title = words(f"lesson.optimizers.place.{race.place}")
    told = "; ".join(
        f"{racer.optimizer}, {rate(racer.lr)}: {outcome(race, racer, words)}"
        for racer in race.racers
    )
    lettered = picture_words(words)
    moving = Movie(
        name=race.place,
        title=words("lesson.optimizers.racing"),
        alt=words("lesson.optimizers.racing.alt", told=told),
        draw=partial(race_film, race, lettered),
        note=words("lesson.optimizers.racing.note"),
    )
    still = Still(
        name=f"{race.place}-paths",
        title=words("lesson.optimizers.paths"),
        alt=words("lesson.optimizers.paths.alt", told=told),
        draw=partial(paths, race, lettered),
        note=words("lesson.optimizers.paths.note", steps=race.steps),
    )
    blanks = {
        "steps": race.steps,
        "noise": rate(race.noise),
        "seeds": race.seeds,
        "ratio": rate(abs(race.terrain.across / race.terrain.along)),
    }
    return Section(
        title=title,
        text=(words(f"lesson.optimizers.about.{race.place}", **blanks), _seen(race, words)),
        pictures=(moving, still) if race.place in _MOVING else (still,),
    )


def _seen(race: Race, words: Words) -> str:
    """What happened here, from the numbers."""
    from etastar.report.lessons.optimizers_pictures import outcome

    ranked = sorted(race.racers, key=lambda racer: racer.score)
    first, last = ranked[0], ranked[-1]
    seen = words(
        "lesson.optimizers.seen",
        first=first.optimizer,
        first_lr=rate(first.lr),
        first_score=outcome(race, first, words),
        last=last.optimizer,
        last_lr=rate(last.lr),
        last_score=outcome(race, last, words),
    )
    if race.place == "bowl":
        near = [r.optimizer for r in ranked[1:] if _within(r, first)]
        told = ", ".join(near) or words("lesson.optimizers.none")
        return f"{seen} {words('lesson.optimizers.noise', names=told)}"
    return seen


def _within(racer: Racer, first: Racer) -> bool:
    """Whether the noise leaves open which is better."""
    return racer.score - first.score <= 2 * math.hypot(racer.error, first.error)


def _widths(lesson: Optimizers, words: Words) -> Section:
    from etastar.report.lessons.optimizers_pictures import sweet_spots

    title = words("lesson.optimizers.widths")
    tried = lesson.races[0].lrs
    return Section(
        title=title,
        text=(
            words(
                "lesson.optimizers.widths.text",
                count=len(tried),
                low=rate(float(tried[0])),
                high=rate(float(tried[-1])),
            ),
        ),
        pictures=(
            Still(
                name="rates",
                title=title,
                alt=words("lesson.optimizers.widths.alt"),
                draw=partial(sweet_spots, lesson, picture_words(words)),
                note=words("lesson.optimizers.widths.note"),
            ),
        ),
        table=Table(
            title=words("lesson.optimizers.table"),
            note=words("lesson.optimizers.table.note"),
            columns=(
                words("lesson.optimizers.column"),
                *(words(f"picture.place.{race.place}") for race in lesson.races),
            ),
            rows=tuple(
                (
                    run.optimizer,
                    *(_cell(race, race.racers[place], words) for race in lesson.races),
                )
                for place, run in enumerate(lesson.runs)
            ),
        ),
    )


def _cell(race: Race, racer: Racer, words: Words) -> str:
    if race.place == "saddle":
        score = words("lesson.optimizers.never")
        if math.isfinite(racer.score):
            score = words.count("count.steps", round(racer.score))
    else:
        score = f"{racer.score:.2g}"
    return words("lesson.optimizers.cell", score=score, lr=rate(racer.lr))


def _task(lesson: Optimizers, words: Words) -> Section:
    from etastar.report.lessons.optimizers_pictures import on_task

    title = words("lesson.optimizers.task", task=lesson.task)
    best = min(_finals(lesson.runs).items(), key=lambda item: item[1], default=("", 0.0))[0]
    rows = tuple(_task_row(run, _run_named(lesson.runs, best), words) for run in lesson.runs)
    told = "; ".join(f"{row[0]}: {row[1]}, {row[3]}" for row in rows)
    return Section(
        title=title,
        text=(
            words(
                "lesson.optimizers.task.text",
                task=lesson.task,
                steps=f"{lesson.task_steps:,}",
                numbers=f"{lesson.parameters:,}",
                seeds=len(lesson.seeds),
                runs=rate(float(sum(run.cost for run in lesson.runs) / len(lesson.runs))),
            ),
            words("lesson.optimizers.task.noise", best=best, names=", ".join(_alike(lesson.runs))),
        ),
        pictures=(
            Still(
                name="task",
                title=title,
                alt=words("lesson.optimizers.task.alt", told=told),
                draw=partial(on_task, lesson, picture_words(words)),
                note=words("lesson.optimizers.task.note"),
            ),
        ),
        table=Table(
            title=words("lesson.optimizers.task.table"),
            note=words("lesson.optimizers.task.table.note"),
            columns=tuple(
                words(f"lesson.optimizers.task.column.{column}")
                for column in ("name", "found", "default", "final", "behind", "at_default")
            ),
            rows=rows,
        ),
    )


def _task_row(run: TaskRun, best: TaskRun | None, words: Words) -> tuple[str, ...]:
    finals = run.finals
    behind = "-"
    if best is not None and best is not run and len(finals):
        mean, error = _apart(run, best)
        behind = words("lesson.optimizers.plus", mean=f"{mean:+.3g}", error=f"{error:.1g}")
    return (
        run.optimizer,
        "-" if run.lr is None else rate(run.lr),
        rate(run.default_lr),
        "-"
        if not len(finals)
        else words(
            "lesson.optimizers.plus",
            mean=loss_text(float(finals.mean())),
            error=f"{finals.std(ddof=1) if len(finals) > 1 else 0.0:.1g}",
        ),
        behind,
        loss_text(float(np.mean(run.default_finals))),
    )


def _price(lesson: Optimizers, words: Words) -> Section:
    from etastar.report.lessons.optimizers_pictures import prices

    title = words("lesson.optimizers.price")
    told = "; ".join(
        words(
            "lesson.optimizers.price.one",
            name=price.optimizer,
            step=f"{price.step_ratio:.2f}",
            update=f"{price.update_ratio:.1f}",
            bytes=f"{price.state_bytes:.3g}",
        )
        for price in lesson.prices
    )
    return Section(
        title=title,
        text=(
            words(
                "lesson.optimizers.price.text",
                task=lesson.task,
                device=lesson.device,
                pairs=lesson.pairs,
                time=words.duration(lesson.step_seconds),
            ),
            words("lesson.optimizers.price.state"),
        ),
        pictures=(
            Still(
                name="price",
                title=title,
                alt=words("lesson.optimizers.price.alt", told=told),
                draw=partial(prices, lesson, picture_words(words)),
                note=words("lesson.optimizers.price.note"),
            ),
        ),
        table=Table(
            title=title,
            note="",
            columns=tuple(
                words(f"lesson.optimizers.price.column.{column}")
                for column in ("name", "step", "spread", "update", "bytes")
            ),
            rows=tuple(
                (
                    price.optimizer,
                    f"{price.step_ratio:.2f}",
                    words("facts.span", low=f"{price.step_low:.2f}", high=f"{price.step_high:.2f}"),
                    f"{price.update_ratio:.1f}",
                    f"{price.state_bytes:.3g}",
                )
                for price in lesson.prices
            ),
        ),
    )


def _finals(runs: Sequence[TaskRun]) -> dict[str, float]:
    """Mean final losses of those whose runs all finished."""
    return {
        run.optimizer: float(run.finals.mean())
        for run in runs
        if len(run.finals) and np.isfinite(run.finals).all()
    }


def _two_digits(factor: float) -> str:
    """A factor in plain digits, two of which count."""
    return f"{float(f'{factor:.2g}'):,.10g}"


def _run_named(runs: Sequence[TaskRun], name: str) -> TaskRun | None:
    return next((run for run in runs if run.optimizer == name), None)


def _apart(run: TaskRun, best: TaskRun) -> tuple[float, float]:
    """How much higher a run ends than the best, seed by seed, and the standard error of that."""
    apart: NDArray[np.float64] = run.finals - best.finals
    error = apart.std(ddof=1) / math.sqrt(len(apart)) if len(apart) > 1 else math.inf
    return float(apart.mean()), float(error)


def _alike(runs: Sequence[TaskRun]) -> list[str]:
    """The best on the task, and those the seeds cannot tell from it (two-sided t, 5 %)."""
    finals = _finals(runs)
    best = _run_named(runs, min(finals, key=lambda name: finals[name])) if finals else None
    if best is None:
        return []
    alike = [best.optimizer]
    bar = float(stats.t.ppf(0.975, max(len(best.finals) - 1, 1)))
    for run in runs:
        if run is not best and run.optimizer in finals:
            mean, error = _apart(run, best)
            if mean <= bar * error:
                alike.append(run.optimizer)
    return alike
