"""The five regimes on a task's own network, and the edge of stability where they end."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np

from etastar.engine.auto import Auto
from etastar.finder.opening import open_task
from etastar.lessons.cost import seconds_per_step
from etastar.lessons.regimes.edge import Plan, measure_edge
from etastar.lessons.regimes.rule import bands, regimes_of
from etastar.records.lessons import RegimesOnTask
from etastar.schedules import Constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etastar.engine.progress import Observer
    from etastar.records import Regime, Trial
    from etastar.tasks import Task

PER_DECADE = 4
DECADES = 2
"""To either side of the optimizer's own rate; more where the regimes are not all seen."""

MOST_DECADES = 3
"""That are added."""

TRIAL_SECONDS = 50.0
EDGE_SECONDS = 50.0
"""For all trials, and for all sharpnesses, on one slow core: under two minutes together."""

_STEPS = (20, 200)
_BATCHES = 8
_MEASURED = (6, 24)
_PASSES_PER_MEASUREMENT = 30
"""A measurement in units of a step: a dozen or two products, about two gradients each."""


def explain_on_task(task: Task, *, seed: int, observer: Observer) -> RegimesOnTask:
    """Train across rates, name the regimes, and measure the sharpness in each of them.

    Args:
        task: left as it was.
        seed: of all randomness.
        observer: hears what is running.

    Returns:
        What happened.
    """
    begun = time.perf_counter()
    cost = seconds_per_step(task, seed)
    rates = 2 * DECADES * PER_DECADE + 1
    steps = _within(TRIAL_SECONDS / (rates * cost), *_STEPS)
    short = task.with_steps(min(steps, task.horizon))
    opening = open_task(short, seed)
    engine = Auto()
    own = opening.summary.default_lr or 0.01
    trials = _trials(short, own, engine, seed=seed, start=opening.start_loss, observer=observer)
    start = _start(opening.start_loss, trials)
    names = regimes_of([trial.final_loss for trial in trials], start)
    edge = measure_edge(short, _one_of_each(trials, names), _plan(cost, short), seed, observer)
    return RegimesOnTask(
        task=task.name,
        seed=seed,
        summary=opening.summary,
        full_steps=task.horizon,
        start_loss=start,
        engine="sequential" if engine.choice is None else engine.choice.engine,
        trials=tuple(trials),
        regimes=tuple(names),
        bands=bands([trial.lr for trial in trials], names),
        rule=edge.stability.rule,
        factor=edge.stability.factor,
        batches=_plan(cost, short).batches * task.accumulate,
        samples=edge.samples,
        sharpness=edge.runs,
        obstacle=edge.obstacle,
        warnings=tuple(_warnings(task, names, edge.obstacle)),
        seconds=time.perf_counter() - begun,
        environment=opening.environment,
    )


def _trials(
    task: Task,
    own: float,
    engine: Auto,
    *,
    seed: int,
    start: float | None,
    observer: Observer,
) -> list[Trial]:
    """Train at rates around the optimizer's own, and further out until the regimes are seen."""

    def train(powers: Sequence[float]) -> list[Trial]:
        lrs = [float(f"{own * 10**power:.6g}") for power in powers]
        observer.stage("regimes", lrs, task.horizon)
        constant = Constant(steps=task.horizon)
        return engine.train(task, lrs, [seed], task.horizon, schedule=constant, observer=observer)

    span = PER_DECADE * DECADES
    low, high = -span, span
    trials = train([place / PER_DECADE for place in range(low, high + 1)])
    for _ in range(MOST_DECADES):
        names = regimes_of([t.final_loss for t in trials], _start(start, trials))
        if names[-1] != "diverging":
            further = [place / PER_DECADE for place in range(high + 1, high + PER_DECADE + 1)]
            high += PER_DECADE
            trials = [*trials, *train(further)]
        elif names[0] != "too_small":
            further = [place / PER_DECADE for place in range(low - PER_DECADE, low)]
            low -= PER_DECADE
            trials = [*train(further), *trials]
        else:
            break
    return trials


def _start(known: float | None, trials: Sequence[Trial]) -> float:
    """The loss untrained; without validation data, that of the first batch."""
    return known if known is not None else float(trials[0].curve.losses[0])


def _one_of_each(trials: Sequence[Trial], names: Sequence[Regime]) -> list[tuple[float, Regime]]:
    """A rate for every regime: the best one, the first to diverge, of others the middle."""
    chosen: list[tuple[float, Regime]] = []
    for regime in dict.fromkeys(names):
        places = [place for place, name in enumerate(names) if name == regime]
        if regime == "optimal":
            place = min(places, key=lambda i: _or_inf(trials[i].final_loss))
        elif regime == "diverging":
            place = places[0]
        else:
            place = places[len(places) // 2]
        chosen.append((trials[place].lr, regime))
    return sorted(chosen)


def _or_inf(loss: float) -> float:
    return loss if math.isfinite(loss) else math.inf


def _plan(cost: float, task: Task) -> Plan:
    """What can be measured in `EDGE_SECONDS` at one rate of each regime."""
    affordable = EDGE_SECONDS / (5 * cost * task.accumulate)  # steps of one batch, for one rate
    wanted = task.horizon + _MEASURED[1] * _PASSES_PER_MEASUREMENT
    batches = _within(affordable / wanted, 1, _BATCHES)
    share = min(1.0, affordable / (batches * wanted))
    return Plan(
        batches=batches,
        steps=max(_STEPS[0], int(share * task.horizon)),
        measurements=_within(share * _MEASURED[1], *_MEASURED),
    )


def _within(value: float, low: int, high: int) -> int:
    return int(np.clip(value, low, high))


def _warnings(task: Task, names: Sequence[Regime], obstacle: str | None) -> list[str]:
    found: list[str] = []
    if "optimal" not in names:
        found.append("No rate that was tried made the loss fall.")
    elif names[-1] != "diverging":
        found.append("No rate that was tried made the training diverge.")
    if "optimal" in {names[0], names[-1]}:
        found.append("The best rate may lie beyond those that were tried.")
    if obstacle is not None:
        found.append(f"The sharpness could not be measured: {obstacle}.")
    if task.clip_norm is not None or task.clip_value is not None:
        found.append("Gradients are clipped: the limit holds only for steps that are not.")
    return found
