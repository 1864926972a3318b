"""The range test: one training whose learning rate grows until it loses its footing.

References: Smith, Cyclical Learning Rates for Training Neural Networks, 2017. arXiv:1506.01186
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from etastar.engine import Observer
from etastar.errors import InputError, InterruptedRunError
from etastar.finder.footing import Footing, edge
from etastar.finder.rules import cyclic_bounds, falling, suggestions
from etastar.finder.smoothing import smooth
from etastar.records import LossCurve, RangeRun, RangeTest
from etastar.tasks import Task
from etastar.training.live import LiveTask, living

Rise = Literal["exponential", "linear"]

BELOW_DEFAULT = 1e-3
ABOVE_DEFAULT = 1e2
"""An open range spans from a thousandth of the optimizer's own rate to a hundred times it."""

STEPS_PER_DECADE = 20

FARTHEST = 1e8
"""Extension upward gives up this far above the optimizer's own rate."""

STEP_DOWN = 1e-3
MOST_RESTARTS = 3
LOST_AT_ONCE_DECADES = 2.5
"""A test whose edge lies so near its low end begins again a thousand times lower, at most so
often."""


@dataclass(frozen=True)
class RatePath:
    """The rates of a range test, step by step.

    Steps `0 … steps - 1` lead from `low` to `high`. An open path goes on at the same pace.
    """

    low: float
    high: float
    steps: int
    rise: Rise
    open_end: float  # the rate at which the test gives up; `high` for a closed path

    def __call__(self, step: int) -> float:
        """The rate at a step.

        Returns:
            Rate of the reference group.
        """
        done = step / (self.steps - 1)
        if self.rise == "linear":
            return self.low + (self.high - self.low) * done
        return self.low * (self.high / self.low) ** done

    def lowered(self) -> RatePath:
        """The same pace from a thousand times lower, up to where this path began.

        Returns:
            A path that rises exponentially.
        """
        decades = math.log10(self.high / self.low)
        steps = max(10, round((self.steps - 1) / decades * -math.log10(STEP_DOWN)) + 1)
        return RatePath(
            low=self.low * STEP_DOWN,
            high=self.low,
            steps=steps,
            rise="exponential",
            open_end=max(self.open_end, self.high),
        )

    def __iter__(self) -> Iterator[float]:
        yield from map(self, range(self.steps))
        if self.open_end > self.high:
            past = map(self, itertools.count(self.steps))
            yield from itertools.takewhile(lambda lr: lr <= self.open_end * (1 + 1e-9), past)


def range_test(
    task: Task,
    *,
    low: float | None = None,
    high: float | None = None,
    steps: int | None = None,
    rise: Rise = "exponential",
    valid: bool = False,
    repeats: int = 1,
    seed: int = 0,
    observer: Observer | None = None,
) -> RangeTest:
    """Train the task while its learning rate grows, and read the curve.

    It starts from the task's present weights, a trained model's too, and leaves everything as
    it was. A range test shows where training is stable; which rate ends best, `find` tells.

    Args:
        task: what to train.
        low: first rate of the reference group. Left open, the test begins a thousand times
            below the optimizer's own rate, and lower still if it is lost at once.
        high: last rate. Left open, the test goes on until it has lost its footing.
        steps: updates between `low` and `high`; 20 per decade by default.
        rise: how the rate grows.
        valid: measure the validation loss at every step instead of the training loss; the
            cost of that is counted.
        repeats: passes with seeds `seed, seed + 1, …`, for a band.
        seed: covers the order of the data and all randomness in training; and the initial
            weights where the task's model is a factory.
        observer: told what happens.

    Returns:
        The record of all passes, with what each rule suggests, or None where it has nothing to
        say.

    Raises:
        InputError: bounds, steps or repeats that make no range; or `valid` without data.
        TaskFailedError: the task's own code raised; everything is restored.
        InterruptedRunError: Ctrl-C; everything is restored, and the passes so far are in
            `known`.
    """
    watching = observer or Observer()
    try:
        return measure_range(
            task,
            low=low,
            high=high,
            steps=steps,
            rise=rise,
            valid=valid,
            repeats=repeats,
            seed=seed,
            observer=watching,
        )
    finally:
        watching.finished()


def measure_range(
    task: Task,
    *,
    low: float | None = None,
    high: float | None = None,
    steps: int | None = None,
    rise: Rise = "exponential",
    valid: bool = False,
    repeats: int = 1,
    seed: int,
    observer: Observer,
) -> RangeTest:
    """`range_test` as a part of longer work: the observer is not told that all is finished.

    Returns:
        The record of all passes.

    Raises:
        InterruptedRunError: Ctrl-C; the passes so far are in `known`.
    """
    _check(task, low, high, steps, repeats, rise=rise, valid=valid)
    began = time.perf_counter()
    runs: list[RangeRun] = []
    warnings: list[str] = []
    spent, steps_made = 0.0, 0

    def record() -> RangeTest:
        seconds = time.perf_counter() - began
        made = _Cost(spent, steps_made, seconds)
        return _record(task, runs, warnings, made, rise=rise, valid=valid)

    try:
        with living(task) as live:
            for repeat in range(repeats):
                live.begin(seed + repeat)
                path = plan(live.rates.reference, low, high, steps, rise)
                observer.stage("range test", [path.low], path.steps)
                run = _descend(live, path, seed + repeat, valid, observer, fixed=low is not None)
                spent += run.sample_gradients
                steps_made += run.steps
                runs.append(run.record)
                warnings += [text for text in run.warnings if text not in warnings]
    except KeyboardInterrupt as error:
        known = record() if runs else None
        raise InterruptedRunError(
            f"interrupted after {len(runs)} of {repeats} passes of the range test; training is "
            f"as it was.",
            known=known,
        ) from error
    return record()


def plan(
    reference: float, low: float | None, high: float | None, steps: int | None, rise: Rise
) -> RatePath:
    """Lay out the rates of a range test.

    Args:
        reference: the optimizer's own rate.
        low: first rate, or None to choose.
        high: last rate, or None to go on until the footing is lost.
        steps: updates from the first to the last rate, or None for 20 per decade.
        rise: how the rate grows.

    Returns:
        The path.
    """
    first = low if low is not None else reference * BELOW_DEFAULT
    if high is not None and first >= high:  # only possible where low was left open
        first = high * BELOW_DEFAULT
    last = high if high is not None else max(first * 1e2, reference * ABOVE_DEFAULT)
    decades = math.log10(last / first)
    count = steps if steps is not None else max(10, round(STEPS_PER_DECADE * decades) + 1)
    open_end = last if high is not None else max(last, reference * FARTHEST)
    return RatePath(low=first, high=last, steps=count, rise=rise, open_end=open_end)


@dataclass(frozen=True)
class _Cost:
    sample_gradients: float
    steps: int
    seconds: float


@dataclass(frozen=True)
class _Run:
    record: RangeRun
    warnings: tuple[str, ...]
    sample_gradients: float
    steps: int


def _descend(
    live: LiveTask, path: RatePath, seed: int, valid: bool, observer: Observer, *, fixed: bool
) -> _Run:
    """Run the path, and again lower while it is lost at once.

    Returns:
        The last pass.
    """
    run = _climb(live, path, seed, valid, observer)
    spent, steps, restarts = live.sample_gradients, len(run.curve), 0
    while not fixed and restarts < MOST_RESTARTS and _lost_at_once(run):
        restarts += 1
        path = path.lowered()
        live.begin(seed)
        run = _climb(live, path, seed, valid, observer)
        spent += live.sample_gradients
        steps += len(run.curve)
    warnings: list[str] = []
    if run.stopped == "end" and path.open_end > path.high:
        warnings.append(
            f"training never lost its footing up to a rate of {run.curve.lrs[-1]:.3g}, so the edge "
            f"of stability was not seen"
        )
    return _Run(run, tuple(warnings), spent, steps)


def _lost_at_once(run: RangeRun) -> bool:
    """Whether the edge came so early that the test cannot have seen where the fall begins.

    Returns:
        True for a test that has to begin lower.
    """
    if run.stopped == "end":
        return False
    smoothed = smooth(run.curve)
    reached = None if smoothed is None else edge(smoothed, ended_lost=True)
    return math.log10((reached or run.curve.lrs[-1]) / run.curve.lrs[0]) < LOST_AT_ONCE_DECADES


def _climb(live: LiveTask, path: RatePath, seed: int, valid: bool, observer: Observer) -> RangeRun:
    footing = Footing()
    lrs: list[float] = []
    losses: list[float] = []
    stopped: Literal["diverged", "non_finite", "end"] = "end"
    for step, lr in enumerate(path):
        loss = live.step(lr)
        if valid and math.isfinite(loss):
            judged = live.evaluate()
            loss = math.nan if judged is None else judged
        lrs.append(lr)
        losses.append(loss)
        observer.stepped(lr, step, loss)
        if footing.lost(loss):
            stopped = "diverged" if math.isfinite(loss) else "non_finite"
            break
    curve = LossCurve(lrs=np.array(lrs), losses=np.array(losses))
    return RangeRun(seed=seed, curve=curve, stopped=stopped)


def _record(
    task: Task,
    runs: list[RangeRun],
    warnings: list[str],
    made: _Cost,
    *,
    rise: Rise,
    valid: bool,
) -> RangeTest:
    merged = merge([run.curve for run in runs])
    smoothed = smooth(merged)
    lost = all(run.stopped != "end" for run in runs)
    found = falling(smoothed)
    if found is None:
        warnings = [
            *warnings,
            "the loss never fell clearly below its start, so no rate is suggested: the model may "
            "be trained already, or cannot learn from this data",
        ]
    return RangeTest(
        task=task.name,
        rise=rise,
        measured="valid" if valid else "train",
        runs=tuple(runs),
        fell=found is not None,
        edge=None if smoothed is None else edge(smoothed, lost),
        suggestions=suggestions(found),
        cyclic=None if found is None else cyclic_bounds(found),
        warnings=tuple(warnings),
        steps=made.steps,
        sample_gradients=made.sample_gradients,
        seconds=made.seconds,
    )


def merge(curves: list[LossCurve]) -> LossCurve:
    """One curve for several passes: the median loss at every rate that all of them tried.

    Returns:
        The curve; a single one is returned as it is.
    """
    if len(curves) == 1:
        return curves[0]
    start = max(curve.lrs[0] for curve in curves)
    end = min(curve.lrs[-1] for curve in curves)
    grid = next(c.lrs for c in curves if c.lrs[0] == start)
    grid = grid[grid <= end]
    stacked = np.stack([_at(curve, grid) for curve in curves])  # (R, S)
    return LossCurve(lrs=grid, losses=np.median(stacked, axis=0))


def _at(curve: LossCurve, grid: np.ndarray) -> np.ndarray:
    return np.interp(np.log(grid), np.log(curve.lrs), curve.losses)


def _check(
    task: Task,
    low: float | None,
    high: float | None,
    steps: int | None,
    repeats: int,
    *,
    rise: str,
    valid: bool,
) -> None:
    for name, bound in (("low", low), ("high", high)):
        if bound is not None and not (math.isfinite(bound) and bound > 0):
            raise InputError(f"{name}={bound!r}: pass a positive, finite learning rate.")
    if low is not None and high is not None and low >= high:
        raise InputError(f"low={low:g} is not below high={high:g}: swap them or widen the range.")
    if steps is not None and steps < 10:
        raise InputError(f"steps={steps!r}: a range test needs at least 10 updates; pass more.")
    if repeats < 1:
        raise InputError(f"repeats={repeats!r}: pass at least 1.")
    if rise not in ("exponential", "linear"):
        raise InputError(f"rise={rise!r}: pass 'exponential' or 'linear'.")
    if valid and not task.has_validation:
        raise InputError(
            "valid=True but the task has no validation data: give the task valid= batches, or "
            "leave valid out."
        )
