"""What a sweep says, in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from etastar.report.answer import Answer, Table, final_cell, schedule_code, settings_code
from etastar.report.numbers import count, duration, loss, rate, runs, span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etastar.records import Axis, Contender, Sweep, Trial

MOST_ROWS = 40
"""Rows of the table in words; the record holds all."""

MOST_ALIKE = 4


def sweep_answer(sweep: Sweep, code: tuple[str, ...] | None = None) -> Answer:
    """Put a sweep into words.

    Args:
        sweep: what was measured.
        code: lines of Python that use it, where the reader does not have it as `sweep`.

    Returns:
        The words.
    """
    best = sweep.best
    return Answer(
        headline=_headline(sweep),
        sentence=_sentence(sweep),
        facts=tuple(_facts(sweep)),
        warnings=sweep.warnings,
        advice=_advice(sweep),
        code=() if best is None else code or _use(sweep, "sweep.schedule"),
        table=_table(sweep),
    )


def sweep_use(sweep: Sweep) -> tuple[str, ...]:
    """How to train with a sweep that the reader does not hold.

    Returns:
        Lines of Python that need nothing but etastar and the optimizer.
    """
    return () if sweep.schedule is None else _use(sweep, schedule_code(sweep.schedule))


def named(values: Mapping[str, float]) -> str:
    """Settings in words.

    Returns:
        Their text.

    >>> named({"weight_decay": 0.01, "beta1": 0.9})
    'weight_decay 0.01, beta1 0.9'
    """
    return ", ".join(f"{name} {rate(value)}" for name, value in values.items())


def varying(sweep: Sweep) -> list[str]:
    """The settings beside the rate that have more than one value.

    Returns:
        Their names.
    """
    return [name for name, axis in sweep.space.items() if name != "lr" and axis.varies]


def by_point(trials: Sequence[Trial]) -> list[list[Trial]]:
    """The trials by setting and horizon: longest horizon first, there the lowest loss.

    Returns:
        Groups whose members differ by seed alone.
    """
    groups: dict[object, list[Trial]] = {}
    for trial in trials:
        key = (trial.lr, trial.steps, tuple(sorted(trial.settings.items())))
        groups.setdefault(key, []).append(trial)
    return sorted(groups.values(), key=lambda same: (-same[0].steps, mean_loss(same)))


def mean_loss(same: Sequence[Trial]) -> float:
    """The mean final loss, inf where a seed was lost.

    Returns:
        The mean.
    """
    mean = sum(trial.final_loss for trial in same) / len(same)
    return mean if math.isfinite(mean) else math.inf


def _headline(sweep: Sweep) -> str:
    if sweep.best is None:
        return f"{sweep.task.name}: no setting finished"
    settings = named({name: sweep.best.settings[name] for name in varying(sweep)})
    words = f"{sweep.task.name}: best learning rate {rate(sweep.best.lr)}"
    return f"{words}, {settings}" if settings else words


def _advice(sweep: Sweep) -> str:
    if sweep.best is not None:
        return "To use it:"
    if not sweep.trials:
        return "There is no rate here to train with: nothing was trained; the warnings say why."
    return "There is no rate here to train with: look at what was lost, and try lower rates."


def _sentence(sweep: Sweep) -> str:
    best = sweep.best
    if best is None and not sweep.trials:
        return "No trial was made."
    if best is None:
        return f"Of {count(len(sweep.trials), 'trial')} none ended with a finite loss."
    over = f"over {count(best.seeds, 'seed')}"
    measured = f"Final {sweep.task.objective} {_with_error(best)} {over}"
    longest = max(trial.steps for trial in sweep.trials if trial.measured)
    others = len(by_point([trial for trial in sweep.trials if trial.steps == longest])) - 1
    if best.standard_error is None:
        return f"{measured}."
    if others == 0:
        return f"{measured}; no other was trained as long."
    if not sweep.alike:
        return f"{measured}, told apart from {count(others, 'other')}."
    return (
        f"{measured}; {len(sweep.alike)} of {count(others, 'other')} cannot be told apart from it."
    )


def _facts(sweep: Sweep) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    if sweep.best is not None and sweep.schedule is not None:
        facts = [("rate", rate(sweep.best.lr)), ("schedule", schedule_code(sweep.schedule))]
        if sweep.best.settings:
            facts.insert(1, ("settings", named(sweep.best.settings)))
    if sweep.alike:
        facts.append(("not told apart", _alike(sweep)))
    if sweep.importance:
        ranked = sorted(sweep.importance.items(), key=lambda pair: -pair[1])
        facts.append(("matters", ", ".join(f"{name} {100 * s:.0f} %" for name, s in ranked)))
    lost = sum(not trial.measured for trial in sweep.trials)
    known = f"; {sweep.known} known before" if sweep.known else ""
    share = "all" if sweep.known == len(sweep.trials) else "part"
    now = f", {share} of it spent before; now " if sweep.known else ", "
    allowed = "" if sweep.budget is None else f" of the {sweep.budget:.3g} allowed"
    task = sweep.task
    return [
        *facts,
        ("space", "; ".join(_axis(name, axis) for name, axis in sweep.space.items())),
        ("cost", f"{runs(sweep.cost)}{allowed}{now}{duration(sweep.seconds)}"),
        (
            "evidence",
            f"{count(len(sweep.trials), 'trial')} by {sweep.strategy}, {lost} of them diverged or "
            f"stopped{known}",
        ),
        ("engine", sweep.engine),
        (
            "task",
            f"{count(task.steps, 'step')}, {task.optimizer}, "
            f"{count(task.parameters, 'parameter')}, judged by {task.objective}",
        ),
    ]


def _alike(sweep: Sweep) -> str:
    shown = [
        named({"lr": one.lr} | {name: one.settings[name] for name in varying(sweep)})
        for one in sweep.alike[:MOST_ALIKE]
    ]
    more = len(sweep.alike) - len(shown)
    return "; ".join([*shown, f"and {more} more"] if more else shown)


def _with_error(best: Contender) -> str:
    if best.standard_error is None:
        return loss(best.mean)
    return f"{loss(best.mean)} ± {best.standard_error:.2g} (standard error)"


def _axis(name: str, axis: Axis) -> str:
    if not axis.varies:
        return f"{name} {rate(axis.low)}"
    if axis.scale == "choice":
        return f"{name} one of {', '.join(rate(value) for value in axis.values)}"
    return f"{name} {span(axis.low, axis.high)} ({axis.scale})"


def _table(sweep: Sweep) -> Table:
    groups = by_point(sweep.trials)
    names = ["lr", *varying(sweep)]
    rows = [
        (
            *(rate(sweep.value(same[0], name)) for name in names),
            str(same[0].steps),
            final_cell(same, error=True),
        )
        for same in groups[:MOST_ROWS]
    ]
    more = len(groups) - len(rows)
    title = f"final {sweep.task.objective}, the best first"
    if any(len(same) > 1 for same in groups):
        title += "; ± is the standard error over the seeds"
    if more:
        title += f"; {more} more are in the record"
    return Table(title, (*names, "steps", "final loss"), tuple(rows))


def _use(sweep: Sweep, schedule: str) -> tuple[str, ...]:
    code = (
        f"scheduler = etastar.attach(optimizer, lr={schedule})",
        "scheduler.step()  # after every optimizer.step()",
    )
    if not sweep.settings:
        return code
    return (*settings_code(sweep.settings), *code)
