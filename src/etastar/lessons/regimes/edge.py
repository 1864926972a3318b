"""The edge of stability: sharpness along trainings for which the limit is exact.

Each training takes a few batches of the task, the same ones at every step and all of them at
once: gradient descent without noise. Its sharpness rises until it meets the limit of its rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from etastar.lessons.regimes.limits import (
    Stability,
    coupled_decay,
    preconditioner,
    stability,
    trained,
)
from etastar.lessons.regimes.sharpness import NoCurvatureError, sharpness
from etastar.records.lessons import SharpnessRun
from etastar.training.batches import samples
from etastar.training.live import living

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from etastar.engine.progress import Observer
    from etastar.records import Regime
    from etastar.tasks import Batch, Task
    from etastar.training.live import LiveTask

_GONE = 1e4
"""A loss so many times its start is beyond return."""


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    batches: int
    steps: int
    measurements: int  # along each training, more at its begin


@dataclass(frozen=True)
class Edge:
    """What was measured."""

    stability: Stability
    samples: int
    runs: tuple[SharpnessRun, ...] = ()
    obstacle: str | None = None


def measure_edge(
    task: Task, lrs: Sequence[tuple[float, Regime]], plan: Plan, seed: int, observer: Observer
) -> Edge:
    """Train on a fixed set of batches at each rate, and measure the sharpness on the way.

    Args:
        task: left as it was.
        lrs: constant rates, and the regime of each in the trials.
        plan: how much to measure.
        seed: of weights and batches.
        observer: hears what is running.

    Returns:
        The runs; without any, what stood in the way.
    """
    with living(task) as live:
        live.begin(seed)
        if live.parts.judge is None:
            return Edge(
                Stability("unknown", None),
                0,
                obstacle="the task has a step of its own, so its loss is not known as a function "
                "of the weights",
            )
        kind = stability(live.optimizers[0])
        batches = live.parts.draw(plan.batches * task.accumulate)
    fixed = replace(task, train=batches, accumulate=len(batches))
    counted = sum(samples(batch) for batch in batches)
    runs: list[SharpnessRun] = []
    with living(fixed) as live:
        try:
            _look(live, batches, seed)
        except NoCurvatureError as error:
            why = f"its loss cannot be differentiated twice here ({error})"
            return Edge(kind, counted, obstacle=why)
        for rate in lrs:
            observer.stage(f"sharpness at {rate[0]:.3g}", [rate[0]], plan.steps)
            observer.trial_started(rate[0], seed, plan.steps)
            run = _along(live, batches, rate, kind=kind, plan=plan, seed=seed, observer=observer)
            if len(run.sharpness):
                runs.append(run)
    return Edge(kind, counted, tuple(runs))


def _look(live: LiveTask, batches: Sequence[Batch], seed: int) -> None:
    """Measure the untrained network once, with the check: what fails here fails everywhere."""
    live.begin(seed)
    judge = live.parts.judge
    assert judge is not None
    parameters = _trained(live)
    ones = [1.0] * len(parameters)
    none = [0.0] * len(parameters)
    sharpness(judge, batches, parameters, scale=ones, decay=none, check=True)


def _trained(live: LiveTask) -> list[torch.nn.Parameter]:
    return [p for group in live.optimizers[0].param_groups for p in trained(group)]


def _along(
    live: LiveTask,
    batches: Sequence[Batch],
    rate: tuple[float, Regime],
    *,
    kind: Stability,
    plan: Plan,
    seed: int,
    observer: Observer,
) -> SharpnessRun:
    lr, regime = rate
    live.begin(seed)
    optimizer = live.optimizers[0]
    live.rates.set(lr)
    parameters = _trained(live)
    wanted = _when(plan, adaptive=kind.rule in {"adam", "rmsprop", "adagrad"})
    losses: list[float] = []
    measured: list[tuple[int, float]] = []
    vector: np.ndarray | None = None
    for step in range(plan.steps):
        if step in wanted:
            judge = live.parts.judge
            assert judge is not None
            try:
                value, vector = sharpness(
                    judge,
                    batches,
                    parameters,
                    scale=preconditioner(optimizer, kind.rule),
                    decay=coupled_decay(optimizer),
                    start=vector,
                )
                measured.append((step, value))
            except NoCurvatureError:
                vector = None  # far out, where nothing is finite; the training may come back
        losses.append(live.step(lr))
        observer.stepped(lr, step, losses[-1])
        if not math.isfinite(losses[-1]) or losses[-1] > _GONE * abs(losses[0]):
            break
    return SharpnessRun(
        lr=lr,
        regime=regime,
        losses=np.array(losses),
        steps=np.array([step for step, _ in measured], dtype=np.float64),
        sharpness=np.array([value for _, value in measured]),
        limit=None if kind.factor is None else kind.factor / lr,
    )


def _when(plan: Plan, *, adaptive: bool) -> set[int]:
    """The steps before which it is measured: closer at the begin, where most happens.

    Returns:
        The steps; without the first one for an adaptive optimizer, which has no preconditioner
        before its first update.
    """
    first = 1 if adaptive else 0
    shares = np.linspace(0.0, 1.0, plan.measurements) ** 1.7
    return set((first + np.round(shares * (plan.steps - 1 - first))).astype(int).tolist())
