"""What a record says, in words: the data that text, HTML and the terminal lay out."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from etastar.report.numbers import count, duration, loss, rate, runs, span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etastar.records import AxisFinding, Finding, RangeTest, Trial, Verdict
    from etastar.schedules import Schedule


_ADVICE: dict[Verdict, str] = {
    "confident": "To use it:",
    "uncertain": "This is a best guess; a larger budget makes it firmer. To use it:",
    "no_answer": "There is no rate here to train with. Where few trials were made, give a larger "
    "budget; otherwise check that the loss can fall at all: the initial weights, the scale of "
    "the data, the sign of the loss.",
}


@dataclass(frozen=True)
class Table:
    """Rows of cells under a title and column names."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Answer:
    """A record in words, the most important first."""

    headline: str
    sentence: str
    facts: tuple[tuple[str, str], ...]  # name, value
    warnings: tuple[str, ...]
    advice: str  # what to do next
    code: tuple[str, ...]  # lines to copy
    table: Table


def finding_answer(finding: Finding, code: tuple[str, ...] | None = None) -> Answer:
    """Put a finding into words.

    Args:
        finding: what was found.
        code: lines of Python that use it, where the reader does not have it as `finding`.

    Returns:
        The words.
    """
    return Answer(
        headline=_headline(finding),
        sentence=_as_sentence(finding.reason),
        facts=tuple(_facts(finding)),
        warnings=finding.warnings,
        advice=_ADVICE[finding.verdict],
        code=() if finding.lr is None else code or _use("finding.schedule"),
        table=trial_table(finding.trials, finding.task.objective),
    )


def _headline(finding: Finding) -> str:
    name = finding.task.name
    if finding.lr is None:
        return f"{name}: no answer"
    return f"{name}: learning rate {rate(finding.lr)} ({finding.verdict})"


def _as_sentence(clause: str) -> str:
    return f"{clause[:1].upper()}{clause[1:]}{'' if clause.endswith('.') else '.'}"


def _facts(finding: Finding) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    if finding.lr is not None and finding.interval is not None:
        facts += [
            ("rate", rate(finding.lr)),
            ("interval", f"{span(*finding.interval)} holds the best rate with probability 80 %"),
            (
                "confidence",
                f"{100 * finding.confidence:.0f} % that it ends within 5 % of the best loss",
            ),
            ("schedule", schedule_code(finding.schedule) if finding.schedule else ""),
        ]
    facts += [(one.setting.replace("_", " "), _axis_fact(one)) for one in finding.also]
    task = finding.task
    took = f"{runs(finding.cost)} of the {finding.budget:.3g} allowed, {duration(finding.seconds)}"
    if finding.cost_in_all is not None and finding.cost_in_all > finding.cost + 1e-9:
        took += f"; {runs(finding.cost_in_all)} with what was known before"
    return [
        *facts,
        ("cost", took),
        *(("known before", words) for words in finding.carried),
        ("evidence", _evidence(finding.trials)),
        (
            "task",
            f"{count(task.steps, 'step')}, {task.optimizer}, "
            f"{count(task.parameters, 'parameter')}, judged by {task.objective}",
        ),
    ]


def _axis_fact(found: AxisFinding) -> str:
    """The value to take, why, and the rate found at each."""
    rates = ", ".join(
        f"{one.value:g} with a rate of {rate(one.lr)}" for one in found.values if one.lr is not None
    )
    return f"{found.value:g}: {found.reason}. Found: {rates}"


def _evidence(trials: Sequence[Trial]) -> str:
    if not trials:
        return "no trials beyond the range test"
    words = [count(len(trials), "trial")]
    for status, word in (("diverged", "diverged"), ("stopped", "stopped early")):
        number = sum(trial.status == status for trial in trials)
        if number:
            words.append(f"{number} {word}")
    return ", ".join(words)


def schedule_use(finding: Finding) -> tuple[str, ...]:
    """How to train with a finding that the reader does not hold.

    Returns:
        Lines of Python that need nothing but etastar and the optimizer.
    """
    return () if finding.schedule is None else _use(schedule_code(finding.schedule))


def _use(schedule: str) -> tuple[str, ...]:
    return (
        f"scheduler = etastar.attach(optimizer, lr={schedule})",
        "scheduler.step()  # after every optimizer.step()",
    )


def settings_code(settings: Mapping[str, float]) -> tuple[str, str]:
    """Lines of Python that write settings into an optimizer as the trials had them.

    Groups keep their ratios: no weight decay on the biases stays none.

    Args:
        settings: numbers by name.

    Returns:
        An import, and a call.
    """
    return (
        "from etastar.training.settings import apply_settings",
        f"apply_settings([optimizer], {dict(settings)!r})",
    )


def schedule_code(schedule: Schedule) -> str:
    """The schedule as a line of Python to copy.

    Returns:
        A constructor call for the plain families, `from_json` for those made of others.

    >>> from etastar.schedules import Cosine
    >>> schedule_code(Cosine(steps=600, peak=0.01))
    'etastar.schedules.Cosine(steps=600, peak=0.01)'
    """
    from etastar import schedules

    kind = type(schedule)
    values = {field.name: getattr(schedule, field.name) for field in fields(schedule)}
    plain = all(isinstance(value, int | float | str) for value in values.values())
    if not plain or getattr(schedules, kind.__name__, None) is not kind:
        return f"etastar.schedules.from_json({schedule.to_json()!r})"
    defaults = {field.name: field.default for field in fields(schedule)}
    given = [f"{name}={value!r}" for name, value in values.items() if value != defaults[name]]
    return f"etastar.schedules.{kind.__name__}({', '.join(given)})"


def trial_table(trials: Sequence[Trial], objective: str) -> Table:
    """The trials as rates by horizons.

    Args:
        trials: in any order.
        objective: what the final loss was measured on.

    Returns:
        A row per rate and a column per horizon; a cell is the mean over seeds.
    """
    horizons = sorted({trial.steps for trial in trials})
    by_rate: dict[str, list[Trial]] = {}
    for trial in sorted(trials, key=lambda trial: trial.lr):
        by_rate.setdefault(rate(trial.lr), []).append(trial)
    rows = [
        (name, *(final_cell([trial for trial in same if trial.steps == n]) for n in horizons))
        for name, same in by_rate.items()
    ]
    columns = ("lr", *(count(horizon, "step") for horizon in horizons))
    return Table(f"final {objective} of the trials", columns, tuple(rows))


def final_cell(trials: Sequence[Trial], *, error: bool = False) -> str:
    """The final losses of one setting and horizon over its seeds, and how many were lost.

    Args:
        trials: which differ by seed alone.
        error: give the standard error of the mean; by default the standard deviation.

    Returns:
        The mean with what it varies by.
    """
    losses = [trial.final_loss for trial in trials if trial.measured]
    lost = [trial.status for trial in trials if not trial.measured]
    words = []
    if losses:
        share = math.sqrt(len(losses)) if error else 1.0
        spread = f" ± {np.std(losses, ddof=1) / share:.2g}" if len(losses) > 1 else ""
        words.append(f"{loss(float(np.mean(losses)))}{spread}")
    if lost:
        word = "diverged" if "diverged" in lost else "stopped"
        words.append(word if len(trials) == 1 else f"{len(lost)} of {len(trials)} {word}")
    return ", ".join(words)


def range_test_answer(result: RangeTest) -> Answer:
    """Put a range test into words.

    Returns:
        The words.
    """
    rows = tuple(
        (name, "none", "the curve does not support one")
        if suggestion is None
        else (name, rate(suggestion.lr), suggestion.reason)
        for name, suggestion in result.suggestions.items()
    )
    return Answer(
        headline=f"{result.task}: range test",
        sentence=_range_sentence(result),
        facts=tuple(_range_facts(result)),
        warnings=result.warnings,
        advice=(
            "A range test measures stability, not final quality: it says where to look. "
            "For a rate to train with, run `etastar find`."
        ),
        code=(),
        table=Table("suggestions", ("rule", "lr", "why"), rows),
    )


def _range_sentence(result: RangeTest) -> str:
    fell = "The loss fell" if result.fell else "The loss never fell clearly below its start"
    if result.edge is None:
        return f"{fell}, and no edge of stability was seen."
    return f"{fell}, and training lost its footing at a rate of {rate(result.edge)}."


def _range_facts(result: RangeTest) -> list[tuple[str, str]]:
    lrs = np.concatenate([run.curve.lrs for run in result.runs])
    facts = [("tried", f"{span(lrs.min(), lrs.max())}, {result.rise} rise")] if lrs.size else []
    facts += [
        ("edge", "not seen" if result.edge is None else rate(result.edge)),
        (
            "cyclic",
            "no bounds"
            if result.cyclic is None
            else f"{span(result.cyclic.low, result.cyclic.high)} ({result.cyclic.reason})",
        ),
        ("measured", "validation loss" if result.measured == "valid" else "training loss"),
        (
            "cost",
            f"{count(len(result.runs), 'seed')}, {count(result.steps, 'step')} in all, "
            f"{duration(result.seconds)}",
        ),
    ]
    return facts


def has_suggestion(result: RangeTest) -> bool:
    """Whether any rule found a rate.

    Returns:
        False where every suggestion and the cyclic bounds are None.
    """
    return result.cyclic is not None or any(s is not None for s in result.suggestions.values())
