"""One trial after another, in the user's own loop and precision."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Sequence
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
        path = Path.of(shape)
        watching = observer or Observer()
        trials: list[Trial] = []
        with living(task) as live:
            for lr in map(float, lrs):
                for seed in map(int, seeds):
                    watching.trial_started(lr, seed, steps)
                    trials.append(_run(live, lr, seed, path, lost=lost, observer=watching))
                    watching.trial_ended(trials[-1])
        return trials


class Path(NamedTuple):
    """The way of the rates, the same for all trials of a call."""

    shape: str  # its schedule's fingerprint
    multipliers: np.ndarray  # (S,)

    @classmethod
    def of(cls, shape: Schedule) -> Path:
        """The path of a schedule over its whole horizon."""
        return cls(shape.fingerprint, shape(np.arange(shape.steps)))

    def rates(self, lr: float) -> list[float]:
        """The rate of every step of a trial at peak rate `lr`."""
        return (lr * self.multipliers).tolist()


def walk(live: LiveTask, lr: float, seed: int, path: Path) -> Generator[float, None, Trial]:
    """One trial, a step at a time; whoever walks it may leave after any step.

    Yields:
        The loss of every step; the last one of a trial that diverges is not finite.

    Returns:
        The trial at its end, finished or diverged.
    """
    began = time.perf_counter()
    live.begin(seed, len(path.multipliers), lr)
    losses: list[float] = []
    status: TrialStatus = "finished"
    for rate in path.rates(lr):
        losses.append(live.step(rate))
        yield losses[-1]
        if not math.isfinite(losses[-1]):
            status = "diverged"
            break
    final = math.nan
    if status == "finished":
        judged = live.evaluate()
        final = _tail_mean(losses) if judged is None else judged
        if not (math.isfinite(final) and live.sound):
            status, final = "diverged", math.nan
    return recorded(
        live.task,
        lr,
        seed,
        path,
        losses,
        status=status,
        final_loss=final,
        sample_gradients=live.sample_gradients,
        seconds=time.perf_counter() - began,
    )


def recorded(
    task: Task,
    lr: float,
    seed: int,
    path: Path,
    losses: Sequence[float],
    *,
    status: TrialStatus,
    sample_gradients: float,
    seconds: float,
    final_loss: float = math.nan,
) -> Trial:
    """The record of a trial from what was measured of it.

    Returns:
        The trial.
    """
    rates = path.rates(lr)
    return Trial(
        lr=lr,
        seed=seed,
        steps=len(rates),
        status=status,
        final_loss=final_loss,
        curve=LossCurve(lrs=np.array(rates[: len(losses)]), losses=np.array(losses)),
        sample_gradients=sample_gradients,
        seconds=seconds,
        settings=dict(task.settings),
        shape=path.shape,
    )


def _run(
    live: LiveTask,
    lr: float,
    seed: int,
    path: Path,
    *,
    lost: Lost | None,
    observer: Observer,
) -> Trial:
    began = time.perf_counter()
    losses: list[float] = []
    steps = walk(live, lr, seed, path)
    while True:
        try:
            losses.append(next(steps))
        except StopIteration as end:
            return end.value
        observer.stepped(lr, len(losses) - 1, losses[-1])
        hopeless = (
            lost is not None and math.isfinite(losses[-1]) and lost(losses, len(path.multipliers))
        )
        if hopeless:
            steps.close()
            return recorded(
                live.task,
                lr,
                seed,
                path,
                losses,
                status="stopped",
                sample_gradients=live.sample_gradients,
                seconds=time.perf_counter() - began,
            )


def tail_steps(steps: int) -> int:
    """How many of a trial's last steps judge it where there is no validation data.

    Returns:
        A tenth of them, at least one.
    """
    return max(1, round(TAIL * steps))


def _tail_mean(losses: Sequence[float]) -> float:
    return float(np.mean(losses[-tail_steps(len(losses)) :]))
