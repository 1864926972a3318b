"""What the pictures of a sweep show, as numbers and words, before anything is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from etastar.report.numbers import count, rate, runs, span
from etastar.report.sweep_answer import by_point, mean_loss, named, sweep_answer, varying

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etastar.records import Axis, Sweep, Trial

Floats = NDArray[np.float64]

MOST_SERIES = 6
"""Colours that can be told apart; more values are shown as ranges."""


@dataclass(frozen=True)
class Series:
    """The points that share a value, or a range of values, of the setting they are told by."""

    word: str  # empty where there is nothing to tell apart
    lrs: Floats  # (K,)
    losses: Floats  # (K,) mean over the seeds
    errors: Floats  # (K,) standard error, 0 with one seed
    shares: Floats  # (K,) of the longest horizon
    lost: tuple[float, ...]  # rates that a seed or more lost
    joined: bool  # one loss per rate: a line makes sense


@dataclass(frozen=True)
class RateData:
    """Everything the picture of loss against rate shows."""

    title: str
    subtitle: str
    measured: str
    series: tuple[Series, ...]
    best: tuple[float, float, str] | None  # rate, loss, words


@dataclass(frozen=True)
class Path:
    """One point as a line across the axes: where it crosses each of them, from 0 to 1."""

    heights: tuple[float, ...]
    strength: float  # 1 for the best, 0 for the worst
    lost: bool


@dataclass(frozen=True)
class ParallelData:
    """Everything the picture of parallel coordinates shows."""

    title: str
    subtitle: str
    names: tuple[str, ...]
    ticks: tuple[tuple[tuple[float, str], ...], ...]  # for each axis, heights and words
    paths: tuple[Path, ...]  # the worst first, so that the best is drawn over them


def heading(sweep: Sweep) -> tuple[str, str]:
    """The title and what stands under it.

    Returns:
        Both.
    """
    answer, task = sweep_answer(sweep), sweep.task
    under = (
        f"{task.name} · {count(task.steps, 'step')} · {task.optimizer} · "
        f"{count(len(sweep.trials), 'trial')} by {sweep.strategy} · cost {runs(sweep.cost)}"
    )
    return f"{answer.headline}. {answer.sentence}", under


def telling(sweep: Sweep, by: str | None) -> str | None:
    """The setting that tells points apart beside the rate.

    Returns:
        The one asked for, else that which matters most, else the first that varies; None where
        none does.

    Raises:
        InputError: the sweep has no such setting.
    """
    names = varying(sweep)
    if by is None:
        return max(names, key=lambda name: sweep.importance.get(name, 0.0), default=None)
    if by not in names:
        from etastar.errors import InputError

        known = ", ".join(names) or "none"
        raise InputError(f"by={by!r} is no setting that varies in this sweep: it has {known}.")
    return by


def rate_data(sweep: Sweep, by: str | None) -> RateData:
    """Take from a sweep what its picture of loss against rate shows.

    Returns:
        The drawing's data.
    """
    told = telling(sweep, by)
    groups = by_point(sweep.trials)
    title, subtitle = heading(sweep)
    best = sweep.best
    words = {} if best is None else {name: best.settings[name] for name in varying(sweep)}
    if len({same[0].steps for same in groups}) > 1:
        subtitle += " · the smaller a mark, the shorter its run"
    return RateData(
        title=title,
        subtitle=subtitle,
        measured=f"final {sweep.task.objective}",
        series=tuple(
            _series(sweep, word, same, joined=len(varying(sweep)) <= 1)
            for word, same in _told_apart(sweep, told, groups)
        ),
        best=None if best is None else (best.lr, best.mean, named({"lr": best.lr} | words)),
    )


def parallel_data(sweep: Sweep) -> ParallelData:
    """Take from a sweep what its parallel coordinates show.

    Returns:
        The drawing's data.
    """
    title, subtitle = heading(sweep)
    names = ["lr", *varying(sweep)]
    groups = _furthest(sweep)
    heights, ticks = _loss_axis(groups)
    axes = [sweep.space[name] for name in names]
    paths = [
        Path(
            heights=(
                *(axis.share(sweep.value(same[0], n)) for n, axis in zip(names, axes, strict=True)),
                height,
            ),
            strength=1 - index / max(len(groups) - 1, 1),
            lost=not math.isfinite(mean_loss(same)),
        )
        for index, (same, height) in enumerate(zip(groups, heights, strict=True))
    ]
    return ParallelData(
        title=title,
        subtitle=subtitle,
        names=(*names, f"final {sweep.task.objective}"),
        ticks=(*(_axis_ticks(axis) for axis in axes), ticks),
        paths=tuple(reversed(paths)),
    )


def _told_apart(
    sweep: Sweep, told: str | None, groups: Sequence[Sequence[Trial]]
) -> list[tuple[str, list[Sequence[Trial]]]]:
    """The groups by the value of one setting, each with its word."""
    if told is None:
        return [("", list(groups))]
    values = sorted({sweep.value(same[0], told) for same in groups})
    if len(values) <= MOST_SERIES:
        bins = [(f"{told} {rate(value)}", value, value) for value in values]
    else:
        parts = np.array_split(np.array(values), 4)
        bins = [(f"{told} {span(p[0], p[-1])}", float(p[0]), float(p[-1])) for p in parts]
    return [
        (word, [same for same in groups if low <= sweep.value(same[0], told) <= high])
        for word, low, high in bins
    ]


def _series(sweep: Sweep, word: str, groups: Sequence[Sequence[Trial]], *, joined: bool) -> Series:
    measured = sorted(
        (same for same in groups if math.isfinite(mean_loss(same))), key=lambda same: same[0].lr
    )
    losses = [[trial.final_loss for trial in same] for same in measured]
    lrs = [same[0].lr for same in measured]
    errors = [
        np.std(part, ddof=1) / math.sqrt(len(part)) if len(part) > 1 else 0 for part in losses
    ]
    lost = {same[0].lr for same in groups if not math.isfinite(mean_loss(same))}
    return Series(
        word=word,
        lrs=np.array(lrs),
        losses=np.array([mean_loss(same) for same in measured], dtype=np.float64),
        errors=np.array(errors, dtype=np.float64),
        shares=np.array([same[0].steps / sweep.task.steps for same in measured]),
        lost=tuple(sorted(lost)),
        joined=joined and len(set(lrs)) == len(lrs),
    )


def _furthest(sweep: Sweep) -> list[Sequence[Trial]]:
    """Every point at the longest horizon it reached, the best of the longest first."""
    found: dict[object, Sequence[Trial]] = {}
    for same in by_point(sweep.trials):  # the longest first
        found.setdefault((same[0].lr, tuple(sorted(same[0].settings.items()))), same)
    return list(found.values())


def _loss_axis(
    groups: Sequence[Sequence[Trial]],
) -> tuple[list[float], tuple[tuple[float, str], ...]]:
    """Heights by rank, which no outlier can crush and shorter runs fit into, and words for some."""
    ended = [same for same in groups if math.isfinite(mean_loss(same))]
    last = len(ended) - 1
    place = {id(same): 0.88 * i / max(last, 1) for i, same in enumerate(ended)}  # lost ones above
    heights = [place.get(id(same), 1.0) for same in groups]
    marks = sorted({0, last // 4, last // 2, 3 * last // 4, last}) if ended else []
    longest = groups[0][0].steps if groups else 0
    ticks: list[tuple[float, str]] = []
    for same in (ended[i] for i in marks):
        steps = same[0].steps
        after = "" if steps == longest else f" ({count(steps, 'step')})"
        ticks.append((place[id(same)], f"{mean_loss(same):.4g}{after}"))
    if len(ended) < len(groups):
        ticks.append((1.0, "diverged"))
    return heights, tuple(ticks)


def _axis_ticks(axis: Axis) -> tuple[tuple[float, str], ...]:
    values = axis.values if axis.scale == "choice" else [axis.at(share / 4) for share in range(5)]
    if axis.scale == "log":
        values = _decades(axis) or values
    return tuple((axis.share(value), rate(value)) for value in sorted(set(values)))


def _decades(axis: Axis) -> list[float]:
    """The ends of a logarithmic axis and powers of ten between, or none where those are few."""
    low, high = math.ceil(math.log10(axis.low)), math.floor(math.log10(axis.high))
    every = max(1, (high - low) // 5)
    inside = [10.0**power for power in range(low, high + 1, every)]
    inside = [value for value in inside if 0.06 < axis.share(value) < 0.94]
    return [axis.low, *inside, axis.high] if len(inside) > 1 else []
