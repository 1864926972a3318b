"""1cycle: what is said and what is drawn."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from etastar.report.lessons.lettering import picture_words
from etastar.report.lessons.view import LessonView, Movie, Section, Still
from etastar.report.numbers import loss, rate
from etastar.report.page.view import Fact, Table

if TYPE_CHECKING:
    from etastar.records.lessons.one_cycle import Arm, OneCycleLesson
    from etastar.report.page.words import Words


def view(lesson: OneCycleLesson, words: Words) -> LessonView:
    """Show the lesson.

    Returns:
        The view, its pictures not yet drawn.
    """
    short, long = lesson.short, lesson.long
    return LessonView(
        title=words("lesson.one-cycle.title"),
        sentence=words(
            f"lesson.one-cycle.sentence.{lesson.against(long)}",
            task=lesson.task,
            short=f"{short.steps:,}",
            long=f"{long.steps:,}",
            cycle=_ending(short, words),
            step=_ending(long, words),
        ),
        facts=(
            Fact(
                words("lesson.one-cycle.peak"),
                rate(short.lr),
                note=words("lesson.one-cycle.peak.note", long=rate(long.lr)),
            ),
            Fact(
                words("lesson.one-cycle.cycle"),
                _ending(short, words),
                note=words("lesson.one-cycle.in", steps=f"{short.steps:,}"),
            ),
            Fact(
                words("lesson.one-cycle.long"),
                _ending(long, words),
                note=words("lesson.one-cycle.in", steps=f"{long.steps:,}"),
            ),
            Fact(
                words("lesson.one-cycle.same"),
                _ending(lesson.same, words),
                note=words("lesson.one-cycle.in", steps=f"{lesson.same.steps:,}"),
            ),
        ),
        sections=(_tested(lesson, words), _cycled(lesson, words), _raced(lesson, words)),
        advice=words("lesson.one-cycle.advice"),
        code=f"etastar find {lesson.task}",
    )


def _tested(lesson: OneCycleLesson, words: Words) -> Section:
    from etastar.report.lessons.one_cycle_pictures import range_picture

    title = words("lesson.one-cycle.tested")
    peak = rate(lesson.short.lr)
    low, high = (
        (words("lesson.schedules.none"),) * 2 if lesson.bounds is None else map(rate, lesson.bounds)
    )
    return Section(
        title=title,
        text=(
            words("lesson.one-cycle.tested.text"),
            words("lesson.one-cycle.tested.seen", low=low, high=high, peak=peak),
        ),
        pictures=(
            Still(
                name="range-test",
                title=title,
                alt=words("lesson.one-cycle.tested.alt", low=low, high=high, peak=peak),
                draw=partial(range_picture, lesson, picture_words(words)),
                note=words("lesson.one-cycle.tested.note"),
            ),
        ),
    )


def _cycled(lesson: OneCycleLesson, words: Words) -> Section:
    from etastar.report.lessons.one_cycle_film import cycle_film
    from etastar.report.lessons.one_cycle_pictures import cycle_picture

    short, steady = lesson.short, lesson.arm("steady_momentum")
    about = [words("lesson.one-cycle.cycled.text")]
    if steady is None:
        about.append(words("lesson.one-cycle.momentum.none"))
    else:
        about.append(words("lesson.one-cycle.momentum.text", name=lesson.momentum))
        about.append(
            words(
                f"lesson.one-cycle.momentum.{lesson.against(steady)}",
                cycle=_ending(short, words),
                steady=_ending(steady, words),
            )
        )
    ends = {"before": loss(lesson.before), "after": loss(short.mean)}
    about.append(words("lesson.one-cycle.annihilation", **ends))
    return Section(
        title=words("lesson.one-cycle.cycled"),
        text=tuple(about),
        pictures=(
            Movie(
                name="one-cycle",
                title=words("lesson.one-cycle.film"),
                alt=words("lesson.one-cycle.film.alt", peak=rate(short.lr), **ends),
                draw=partial(cycle_film, lesson, picture_words(words)),
                note=words("lesson.one-cycle.film.note"),
            ),
            Still(
                name="cycle",
                title=words("lesson.one-cycle.phases"),
                alt=words("lesson.one-cycle.film.alt", peak=rate(short.lr), **ends),
                draw=partial(cycle_picture, lesson, picture_words(words)),
                note=words("lesson.one-cycle.phases.note"),
            ),
        ),
    )


def _raced(lesson: OneCycleLesson, words: Words) -> Section:
    from etastar.report.lessons.one_cycle_pictures import race_picture

    short, long, same = lesson.short, lesson.long, lesson.same
    title = words("lesson.one-cycle.raced")
    lengths = {
        "short": f"{short.steps:,}",
        "long": f"{long.steps:,}",
        "times": f"{lesson.times:.3g}",
        "runs": len(short.finals),
    }
    told = "; ".join(f"{_name(arm, words)}: {_ending(arm, words)}" for arm in lesson.arms)
    return Section(
        title=title,
        text=(
            words("lesson.one-cycle.raced.text", **lengths),
            words(f"lesson.one-cycle.raced.{lesson.against(long)}", **lengths),
            words(f"lesson.one-cycle.control.{lesson.against(same)}"),
            words(
                "lesson.one-cycle.met",
                cycle=_met(short, words),
                step=_met(long, words),
            ),
        ),
        pictures=(
            Still(
                name="race",
                title=title,
                alt=words("lesson.one-cycle.raced.alt", told=told),
                draw=partial(race_picture, lesson, picture_words(words)),
                note=words("lesson.one-cycle.raced.note"),
            ),
        ),
        table=Table(
            title=words("lesson.one-cycle.table"),
            note=words(
                "lesson.one-cycle.table.note",
                seeds=words.count("count.seeds", len(lesson.judging)),
                searching=words.count("count.seeds", len(lesson.searching)),
            ),
            columns=tuple(
                words(f"lesson.one-cycle.table.{column}")
                for column in ("arm", "steps", "lr", "final", "gain")
            ),
            rows=tuple(_row(lesson, arm, words) for arm in lesson.arms),
        ),
    )


def _name(arm: Arm, words: Words) -> str:
    return words(f"lesson.one-cycle.arm.{arm.arm}")


def _ending(arm: Arm, words: Words) -> str:
    broken = sum(not math.isfinite(final) for final in arm.finals)
    if broken:
        return words("picture.broken", n=broken, of=len(arm.finals))
    spread = f" ± {arm.spread:.2g}" if math.isfinite(arm.spread) else ""
    return f"{loss(arm.mean)}{spread}"


def _met(arm: Arm, words: Words) -> str:
    if not arm.met:
        return words("lesson.one-cycle.met.never", of=len(arm.reached))
    return words(
        "lesson.one-cycle.met.after",
        steps=f"{arm.typical:,.0f}",
        n=arm.met,
        of=len(arm.reached),
    )


def _row(lesson: OneCycleLesson, arm: Arm, words: Words) -> tuple[str, ...]:
    gain, width = lesson.gain(arm)
    known = arm is not lesson.short and math.isfinite(gain)
    return (
        _name(arm, words),
        f"{arm.steps:,}",
        rate(arm.lr),
        _ending(arm, words),
        f"{gain:+.2g} ± {width:.2g}" if known else "-",
    )
