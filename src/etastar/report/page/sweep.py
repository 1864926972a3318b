"""The page of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etastar.report.numbers import loss, rate
from etastar.report.page.chart import rate_chart, schedule_chart
from etastar.report.page.code import snippets, sweep_again
from etastar.report.page.names import isolated, plain
from etastar.report.page.parts import full_runs, objective, schedule_alt, task_details
from etastar.report.page.view import Fact, Page, Table, curves_note, drawn, trial_data
from etastar.report.page.words import Words
from etastar.report.sweep_answer import named, varying

if TYPE_CHECKING:
    from etastar.records import Contender, Sweep

MOST_ALIKE = 25
"""Rows of the table of settings that are as good; the table of trials holds all."""


def sweep_page(sweep: Sweep, lang: str = "en") -> str:
    """Draw a sweep as a page.

    Returns:
        One HTML document.

    Raises:
        InputError: no page in that language.
    """
    words = Words(lang)
    return drawn(_page(sweep, words), words)


def _page(sweep: Sweep, words: Words) -> Page:
    data = _data(sweep, words)
    best = sweep.best
    return Page(
        title=words("sweep.title", name=plain(sweep.task.name)),
        about=words("sweep.about"),
        name=sweep.task.name,
        verdict="no_answer" if best is None else "measured",
        verdict_word=words("verdict.no_answer" if best is None else "verdict.measured"),
        sentence=_sentence(sweep, words),
        why="",
        lr=None if best is None else rate(best.lr),
        facts=_facts(sweep, words),
        advice=words("sweep.advice.none" if best is None else "sweep.advice"),
        snippets=() if sweep.schedule is None else snippets(sweep.schedule, words, sweep.settings),
        chart_alt=words("chart.alt", n=words.count("count.trials", len(sweep.trials))),
        warnings=sweep.warnings,
        schedule=None if sweep.schedule is None else sweep.schedule.kind,
        schedule_alt=schedule_alt(sweep.schedule, words),
        tables=(*_importance(sweep, words), *_alike(sweep, words)),
        curves_note=curves_note(sweep.trials, len(data["curves"]), words),
        details=(
            *task_details(sweep.task, sweep.trials, words),
            Fact(words("details.strategy"), sweep.strategy),
            Fact(words("details.engine"), sweep.engine),
            Fact(words("details.seeds"), ", ".join(map(str, sweep.seeds))),
        ),
        environment=sweep.environment,
        again=sweep_again(sweep),
        data=data,
    )


def _sentence(sweep: Sweep, words: Words) -> str:
    name, trials = isolated(sweep.task.name), words.count("count.trials", len(sweep.trials))
    if sweep.best is None:
        return words("sweep.sentence.none", name=name, trials=trials)
    settings = named({name: sweep.best.settings[name] for name in varying(sweep)})
    return words(
        "sweep.sentence.settings" if settings else "sweep.sentence",
        name=name,
        trials=trials,
        lr=rate(sweep.best.lr),
        settings=isolated(settings),
    )


def _mean(one: Contender) -> str:
    error = "" if one.standard_error is None else f" ± {one.standard_error:.2g}"
    return f"{loss(one.mean)}{error}"


def _facts(sweep: Sweep, words: Words) -> tuple[Fact, ...]:
    time = words.duration(sweep.seconds)
    trials = words.count("count.trials", sweep.known)
    note = words("facts.cost.known", time=time, trials=trials) if sweep.known else time
    cost = Fact(words("facts.cost"), full_runs(sweep.cost, words), note=note)
    best = sweep.best
    if best is None:
        return (cost,)
    over = words.count("count.seeds", best.seeds)
    alike = words("sweep.alike.unknown") if best.standard_error is None else str(len(sweep.alike))
    return (
        Fact(objective(sweep.task, words), _mean(best), note=words("sweep.mean.note", seeds=over)),
        Fact(words("sweep.alike"), alike, note=words("sweep.alike.note")),
        cost,
    )


def _importance(sweep: Sweep, words: Words) -> tuple[Table, ...]:
    if len(sweep.importance) < 2:
        return ()
    ranked = sorted(sweep.importance.items(), key=lambda pair: -pair[1])
    return (
        Table(
            title=words("sweep.importance"),
            note=words("sweep.importance.note"),
            columns=(words("sweep.setting"), words("sweep.share")),
            rows=tuple((name, words.percent(share)) for name, share in ranked),
            shares=tuple(min(max(share, 0.0), 1.0) for _, share in ranked),
        ),
    )


def _alike(sweep: Sweep, words: Words) -> tuple[Table, ...]:
    if sweep.best is None or not sweep.alike:
        return ()
    shown = (sweep.best, *sweep.alike)[:MOST_ALIKE]
    names = varying(sweep)
    return (
        Table(
            title=words("sweep.contenders"),
            note=words("sweep.contenders.note"),
            columns=(words("js.chart.rate"), *names, objective(sweep.task, words)),
            rows=tuple(
                (rate(one.lr), *(rate(one.settings[name]) for name in names), _mean(one))
                for one in shown
            ),
        ),
    )


def _data(sweep: Sweep, words: Words) -> dict[str, Any]:
    best = sweep.best
    chart = rate_chart(
        sweep.trials, lr=None if best is None else best.lr, default_lr=sweep.task.default_lr
    )
    if best is not None and varying(sweep):
        chart["faded"] = [
            index
            for index, trial in enumerate(sweep.trials)
            if any(trial.settings.get(name) != best.settings[name] for name in varying(sweep))
        ]
    return trial_data(sweep.trials) | {
        "chart": chart if sweep.trials else None,
        "measured": objective(sweep.task, words),
        "horizon": sweep.task.steps,
        "schedule": None if sweep.schedule is None else schedule_chart(sweep.schedule),
        "range_test": None,
    }
