"""The page of a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etastar.report.numbers import rate, span
from etastar.report.page.chart import range_chart, rate_chart, schedule_chart
from etastar.report.page.code import find_again, snippets
from etastar.report.page.names import isolated, plain
from etastar.report.page.parts import full_runs, objective, schedule_alt, task_details
from etastar.report.page.trials import MOST_POINTS
from etastar.report.page.view import Fact, Other, Page, Table, curves_note, drawn, trial_data
from etastar.report.page.what_if import WhatIf, what_if
from etastar.report.page.words import Words

if TYPE_CHECKING:
    from etastar.records import AxisFinding, Finding


MANY = 10.0
"""Excess from which a loss is so many times another, and not so many per cent above it."""


def finding_page(finding: Finding, lang: str = "en") -> str:
    """Draw a finding as a page.

    Returns:
        One HTML document.

    Raises:
        InputError: no page in that language.
    """
    words = Words(lang)
    return drawn(_page(finding, words), words)


def _page(finding: Finding, words: Words) -> Page:
    data = _data(finding)
    return Page(
        title=words("finding.title", name=plain(finding.task.name)),
        about=words("finding.about"),
        name=finding.task.name,
        verdict=finding.verdict,
        verdict_word=words(f"verdict.{finding.verdict}"),
        sentence=_sentence(finding, words),
        why="" if finding.verdict == "confident" else finding.reason,
        lr=None if finding.lr is None else rate(finding.lr),
        facts=_facts(finding, words),
        advice=words(f"advice.{finding.verdict}"),
        snippets=() if finding.schedule is None else snippets(finding.schedule, words),
        chart_alt=_chart_alt(finding, words),
        warnings=finding.warnings,
        others=_others(finding, words),
        schedule=None if finding.schedule is None else finding.schedule.kind,
        schedule_alt=schedule_alt(finding.schedule, words),
        tables=tuple(_also(found, words) for found in finding.also),
        curves_note=curves_note(finding.trials, len(data["curves"]), words),
        range_alt=_range_alt(finding, words),
        details=_details(finding, words),
        environment=finding.environment,
        again=find_again(finding),
        data=data | {"measured": objective(finding.task, words)},
    )


def _sentence(finding: Finding, words: Words) -> str:
    name = isolated(finding.task.name)
    if finding.lr is None:
        return words("finding.sentence.no_answer", name=name)
    return words(
        f"finding.sentence.{finding.verdict}",
        name=name,
        lr=rate(finding.lr),
        confidence=words.percent(finding.confidence),
        steps=words.count("count.steps", finding.task.steps),
    )


def _facts(finding: Finding, words: Words) -> tuple[Fact, ...]:
    cost = Fact(
        words("facts.cost"),
        full_runs(finding.cost, words),
        note=words(
            "facts.cost.note", budget=f"{finding.budget:.3g}", time=words.duration(finding.seconds)
        ),
    )
    if finding.lr is None or finding.interval is None:
        return (cost,)
    low, high = map(rate, finding.interval)
    return (
        Fact(
            words("facts.interval"),
            words("facts.span", low=low, high=high),
            note=words("facts.interval.note"),
        ),
        Fact(
            words("facts.confidence"),
            words.percent(finding.confidence),
            share=finding.confidence,
            note=_confidence_note(finding, words),
        ),
        cost,
    )


def _confidence_note(finding: Finding, words: Words) -> str:
    if not finding.confidence_tight:  # unknown to records of earlier versions
        return words("facts.confidence.note")
    return words("facts.confidence.tight", tight=words.percent(finding.confidence_tight))


def _also(found: AxisFinding, words: Words) -> Table:
    """The rate found at each value of another setting, and what the value is worth."""
    none = "–"
    columns = ("value", "rate", "interval", "excess", "better", "cost")
    rows = tuple(
        (
            f"{one.value:g}{' ★' if one.value == found.value else ''}",
            none if one.lr is None else rate(one.lr),
            none if one.interval is None else span(*one.interval),
            none if one.excess is None else _excess(one.excess, one.error or 0.0, words),
            none if one.value == found.own else words.percent(one.better),
            f"{one.cost:.2f}",
        )
        for one in found.values
    )
    return Table(
        title=words("also.title", setting=found.setting),
        note=words("also.note", value=f"{found.value:g}", own=f"{found.own:g}"),
        columns=tuple(words(f"also.column.{column}") for column in columns),
        rows=rows,
    )


def _excess(excess: float, error: float, words: Words) -> str:
    sign = "−" if excess < 0 else "+"
    return f"{sign}{words.percent(abs(excess))} ± {words.percent(error)}"


def _chart_alt(finding: Finding, words: Words) -> str:
    parts = [words("chart.alt", n=words.count("count.trials", len(finding.trials)))]
    if finding.lr is not None and finding.interval is not None:
        low, high = map(rate, finding.interval)
        parts.append(words("chart.alt.answer", lr=rate(finding.lr), low=low, high=high))
    stretches = [
        words(
            "chart.alt.regime",
            regime=words(f"js.regime.{band.regime}"),
            low="0" if band.low is None else rate(band.low),
            high="∞" if band.high is None else rate(band.high),
        )
        for band in finding.regimes
    ]
    return " ".join([*parts, *stretches])


def _others(finding: Finding, words: Words) -> tuple[Other, ...]:
    asked = [(what_if(finding, factor), key) for factor, key in ((1 / 3, "third"), (3.0, "triple"))]
    return tuple(
        Other(
            title=words(f"what_if.{key}"),
            lr=rate(other.lr),
            text=_cost_of(other, words),
            regime=other.regime,
            regime_word="" if other.regime is None else words(f"js.regime.{other.regime}"),
        )
        for other, key in asked
        if other is not None
    )


def _cost_of(other: WhatIf, words: Words) -> str:
    if other.regime == "diverging":
        return words("what_if.diverges")
    excess = other.excess
    if excess is None:
        return words("what_if.unknown")

    def plainly(value: float) -> str:
        return words.percent(abs(value)) if excess.relative else f"{abs(value):.3g}"

    def signed(value: float) -> str:
        if excess.relative and value > MANY:
            return words("what_if.times", n=f"{1 + value:.0f}")
        return f"{'−' if value < 0 else '+'}{plainly(value)}"

    low, high = signed(excess.low), signed(excess.high)
    key = "higher" if excess.middle >= 0 else "lower"
    size = plainly(excess.middle)
    return words(f"what_if.{key}", size=size, low=low, high=high)


def _range_alt(finding: Finding, words: Words) -> str:
    test = finding.range_test
    if test is None:
        return ""
    if test.edge is None:
        return words("range.alt.no_edge")
    return words("range.alt.edge", edge=rate(test.edge))


def _details(finding: Finding, words: Words) -> tuple[Fact, ...]:
    facts = task_details(finding.task, finding.trials, words)
    facts.append(Fact(words("details.seed"), str(finding.seed)))
    if finding.prediction is not None:
        drift = f"{finding.prediction.drift_per_octave:+.2g}".replace("-", "−")
        facts.append(Fact(words("details.drift"), words("details.drift.text", octaves=drift)))
        facts.append(Fact(words("details.noise"), words.percent(finding.prediction.noise)))
    return tuple(facts)


def _data(finding: Finding) -> dict[str, Any]:
    chart = rate_chart(
        finding.trials,
        lr=finding.lr,
        interval=finding.interval,
        prediction=finding.prediction,
        regimes=finding.regimes,
        default_lr=finding.task.default_lr,
    )
    test = finding.range_test
    return trial_data(finding.trials) | {
        "chart": chart if finding.trials or finding.prediction is not None else None,
        "horizon": finding.task.steps,
        "schedule": None if finding.schedule is None else schedule_chart(finding.schedule),
        "range_test": None if test is None else range_chart(test, MOST_POINTS),
    }
