"""One trial after another, in the user's own loop and precision."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from etastar.engine.contract import Lost, shape_of
from etastar.engine.progress import Observer
from etastar.records import LossCurve, Trial, TrialStatus
from etastar.schedules import Schedule
from etastar.tasks import Task
from etastar.training.live import LiveTask, living

TAIL = 0.1
"""The last share of a trial's steps whose mean training loss judges it without validation."""


class Sequential:
    """Trains the trials one by one. See `Engine` for the contract.

    Examples:
        >>> from etastar.tasks import load_task
        >>> trials = Sequential().train(load_task("line"), lrs=[0.1, 2.0], seeds=[0], steps=50)
        >>> [trial.status for trial in trials]
        ['finished', 'diverged']
        >>> round(trials[0].final_loss, 4)
        0.006
    """

    name = "sequential"

    def train(
        self,
        task: Task,
        lrs: Sequence[float],
        seeds: Sequence[int],
        steps: int,
        *,
        schedule: Schedule | None = None,
        lost: Lost | None = None,
        observer: Observer | None = None,
    ) -> list[Trial]:
        """Train the task at every rate with every seed; see `Engine.train`.

        Returns:
            One trial per rate and seed: rates in the order given, seeds within each.
        """
        shape = shape_of(task, lrs, seeds, steps, schedule)
        path = _Path(shape.fingerprint, shape(np.arange(shape.steps)))
        watching = observer or Observer()
        trials: list[Trial] = []
        with living(task) as live:
            for lr in map(float, lrs):
                for seed in map(int, seeds):
                    watching.trial_started(lr, seed, steps)
                    trials.append(_run(live, lr, seed, path, lost=lost, observer=watching))
                    watching.trial_ended(trials[-1])
        return trials


class _Path(NamedTuple):
    """The way of the rates, the same for all trials of a call."""

    shape: str  # its schedule's fingerprint
    multipliers: np.ndarray  # (S,)


def _run(
    live: LiveTask,
    lr: float,
    seed: int,
    path: _Path,
    *,
    lost: Lost | None,
    observer: Observer,
) -> Trial:
    began = time.perf_counter()
    live.begin(seed)
    rates = (lr * path.multipliers).tolist()
    losses: list[float] = []
    status: TrialStatus = "finished"
    for step, rate in enumerate(rates):
        loss = live.step(rate)
        losses.append(loss)
        observer.stepped(lr, step, loss)
        if not math.isfinite(loss):
            status = "diverged"
            break
        if lost is not None and lost(losses, len(rates)):
            status = "stopped"
            break
    final = math.nan
    if status == "finished":
        judged = live.evaluate()
        final = _tail_mean(losses) if judged is None else judged
        if not (math.isfinite(final) and live.sound):
            status, final = "diverged", math.nan
    return Trial(
        lr=lr,
        seed=seed,
        steps=len(rates),
        status=status,
        final_loss=final,
        curve=LossCurve(lrs=np.array(rates[: len(losses)]), losses=np.array(losses)),
        sample_gradients=live.sample_gradients,
        seconds=time.perf_counter() - began,
        settings=dict(live.task.settings),
        shape=path.shape,
    )


def tail_steps(steps: int) -> int:
    """How many of a trial's last steps judge it where there is no validation data.

    Returns:
        A tenth of them, at least one.
    """
    return max(1, round(TAIL * steps))


def _tail_mean(losses: Sequence[float]) -> float:
    return float(np.mean(losses[-tail_steps(len(losses)) :]))
