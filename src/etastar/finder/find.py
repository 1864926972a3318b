"""`find`: bracket, pilots, surrogate, decision, finding.

References: the range test is Smith's (arXiv:1506.01186); that short pilots must follow the
shape of the full schedule, see Wu et al., Understanding Short-Horizon Bias (arXiv:1803.02021).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from etastar.engine import Engine, Observer, Sequential
from etastar.engine.display import default_observer
from etastar.errors import InputError, InterruptedRunError
from etastar.finder.answer import Evidence, Start, conclude
from etastar.finder.edge import critical_rate
from etastar.finder.axes import Along, shares
from etastar.finder.axes_values import Also, Axis, axes_of
from etastar.finder.ladder import Rung, ladder
from etastar.finder.ledger import Ledger
from etastar.finder.opening import Opening, open_task
from etastar.finder.pilots import next_rate
from etastar.finder.prior import Prior, prior_of
from etastar.finder.range_test import measure_range
from etastar.finder.slow import too_slow
from etastar.finder.smoothing import smooth, start_length
from etastar.records import Finding, RangeTest
from etastar.tasks import Task

Budget = Literal["quick", "standard", "thorough"]

BUDGETS: dict[str, float] = {"quick": 0.2, "standard": 0.5, "thorough": 1.0}
"""What each name may spend, in full runs."""

BRACKET_SHARE = 0.04
BRACKET_STEPS = (30, 100)
"""The range test's length: a share of the run, within these bounds."""


def find(
    task: Task | Any,
    *parts: Any,
    budget: Budget | float = "standard",
    also: Also | None = None,
    seed: int = 0,
    engine: Engine | None = None,
    observer: Observer | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Finding:
    """Find the learning rate for a task, and say how sure that is.

    A range test brackets it; miniature full schedules at growing horizons, all from the same
    weights and batches, show where the final loss is lowest; a surrogate carries the optimum
    to the full horizon; the rate of least expected regret is the answer. Your model, optimizer,
    data order and random state are left bit for bit as they were.

    Args:
        task: a `Task`; or the model, followed by what `Task` takes.
        parts: `optimizer, loss, train`, where `task` is the model.
        budget: what may be spent, in full runs of the task: `quick` 0.2, `standard` 0.5,
            `thorough` 1.0, or any number; kept to within one pilot. With `also` a name is what
            the rate alone may spend, and each further value adds half of it; a number stays
            what everything together may spend.
        also: other settings to look at with the rate: any of `momentum`, `weight_decay`,
            `warmup` (in steps, or below 1 as a share of the run) and `batch_size`, as names or
            as values by name, `{"momentum": [0.8, 0.9, 0.95]}`. Where another value than the
            task's own is surely better, the finding's rate is the one for it, and `settings`
            holds it; `also` holds the evidence.
        seed: covers all randomness: the same seed gives the same answer.
        engine: trains the pilots; one after another by default.
        observer: told what happens.
        progress: show it on standard error; by default where that is a terminal.
        options: the keyword arguments of `Task`.

    Returns:
        The finding. Without an answer its `lr` is None and its `reason` says why.

    Raises:
        TaskError: the parts do not make a task.
        InputError: a budget that is not one.
        TaskFailedError: the task's own code raised; everything is restored.
        InterruptedRunError: Ctrl-C; everything is restored, and the answer so far is in
            `known`.

    Examples:
        >>> from etastar.tasks import load_task
        >>> finding = find(load_task("digits-mlp"), budget=0.5, progress=False)
        >>> finding.verdict in ("confident", "uncertain"), finding.cost < 0.6
        (True, True)
    """
    chosen = task if isinstance(task, Task) and not parts and not options else None
    if chosen is None:
        if isinstance(task, Task):
            raise InputError(
                "find was given a Task and further parts of one: pass them to Task(...) instead."
            )
        chosen = Task(task, *parts, **options)
    watching = observer or default_observer(progress)
    axes = () if also is None else axes_of(chosen, also, seed)
    for_rate, total = shares(_budget(budget), axes, named=isinstance(budget, str))
    search = _Search(
        chosen,
        budget=for_rate,
        seed=seed,
        engine=engine or Sequential(),
        observer=watching,
    )
    try:
        found = search.run()
        return search.along(found, axes, total, watching) if axes else found
    except KeyboardInterrupt as error:
        raise InterruptedRunError(
            f"interrupted after {len(search.ledger.trials)} pilots; training is as it was.",
            known=search.known(),
        ) from error
    finally:
        search.ledger.finished()


class _Search:
    """One run of `find`: what is measured so far, and what to measure next."""

    def __init__(
        self, task: Task, *, budget: float, seed: int, engine: Engine, observer: Observer
    ) -> None:
        self.task = task
        self.seed = seed
        self.engine = engine
        self.ledger = Ledger(observer, budget)
        self.opening: Opening | None = None
        self.bracket: RangeTest | None = None
        self.edge: float | None = None
        self.start = Start(loss=math.nan, noise=0.0, batches=1)
        self.began = time.perf_counter()

    def run(self) -> Finding:
        self.opening = opening = open_task(self.task, self.seed)
        bracket = self._bracket(opening)
        edge = self._edge(bracket)
        evaluation = opening.evaluation / self.ledger.full_run * self.task.horizon  # in steps
        rungs = ladder(self.task.horizon, self.ledger.left, evaluation)
        # at last as many more of the longest as stopped pilots left budget for
        for rung in (*rungs, *rungs[-1:]):
            self._climb(rung, edge, evaluation)
        return self.conclude(opening)

    def known(self) -> Finding | None:
        """The answer so far, for one who interrupts.

        Returns:
            None before anything was measured.
        """
        return None if self.opening is None else self.conclude(self.opening, interrupted=True)

    def along(
        self, found: Finding, axes: Sequence[Axis], budget: float, observer: Observer
    ) -> Finding:
        """Look at further settings, paid by a ledger that begins with what the rate cost.

        Returns:
            The finding at the best values.
        """
        opening = self.opening
        if opening is None:
            return found
        ledger = Ledger(observer, budget)
        ledger.full_run = self.ledger.full_run
        ledger.pay(self.ledger.cost * self.ledger.full_run)
        evidence = self.evidence(opening, interrupted=False)
        return Along(found, evidence, self.task, self.engine, ledger).run(axes)

    def conclude(self, opening: Opening, *, interrupted: bool = False) -> Finding:
        return conclude(self.evidence(opening, interrupted=interrupted))

    def evidence(self, opening: Opening, *, interrupted: bool) -> Evidence:
        """All that was measured."""
        return Evidence(
            summary=opening.summary,
            environment=opening.environment,
            range_test=self.bracket,
            edge=self.edge,
            trials=tuple(self.ledger.trials),
            start=self.start,
            prior=self.prior,
            passes=self.passes,
            cost=self.ledger.cost,
            budget=self.ledger.budget,
            seed=self.seed,
            seconds=time.perf_counter() - self.began,
            interrupted=interrupted,
        )

    def _climb(self, rung: Rung, edge: float, evaluation: float) -> None:
        """Run the pilots of one rung, as far as the budget goes."""
        horizon = self.task.horizon
        for _ in range(rung.pilots):
            if (rung.steps + evaluation) / horizon > self.ledger.left:
                return
            lr = next_rate(
                self.ledger.trials,
                rung.steps,
                horizon=horizon,
                start=self.start.loss,
                edge=edge,
                prior=self.prior,
            )
            if lr is None:
                return
            self.ledger.stage(f"pilots of {rung.steps} steps", [lr], rung.steps)
            slow = too_slow(self.ledger.trials, lr, self.seed, rung.steps)
            self.engine.train(
                self.task, [lr], [self.seed], rung.steps, lost=slow, observer=self.ledger
            )

    @property
    def prior(self) -> Prior:
        """What the task's parts say before any pilot."""
        opening = self.opening
        if opening is None:
            return Prior()
        clipped = self.task.clip_norm is not None or self.task.clip_value is not None
        summary = opening.summary
        return prior_of(summary.optimizer, summary.schedule, self.passes, clipped=clipped)

    @property
    def passes(self) -> float | None:
        """Over the training data in the full run, where held-out data could show overfitting."""
        known = self.opening is not None and self.task.has_validation
        return self.opening.passes if known and self.opening is not None else None

    def _edge(self, bracket: RangeTest) -> float:
        """Check the range test's edge along the update direction.

        The full run's cliff is believed at the lower of the two: a ramp is quick to pass an edge
        that a run then falls over.

        Returns:
            Where the first pilots begin.
        """
        top = float(bracket.runs[0].curve.lrs.max())
        critical, cost = critical_rate(self.task, bracket.edge or top, self.seed)
        self.ledger.pay(cost)
        seen = [edge for edge in (bracket.edge, critical) if edge is not None]
        self.edge = min(seen, default=None)
        return bracket.edge or critical or top

    def _bracket(self, opening: Opening) -> RangeTest:
        """Find the edge of stability, the cost of a step, and the loss where all trials start.

        Returns:
            The range test.
        """
        shortest, longest = BRACKET_STEPS
        steps = int(min(max(BRACKET_SHARE * self.task.horizon, shortest), longest))
        self.bracket = measure_range(self.task, steps=steps, seed=self.seed, observer=self.ledger)
        per_step = self.bracket.sample_gradients / self.bracket.steps
        self.ledger.full_run = self.task.horizon * per_step
        self.ledger.pay(self.bracket.sample_gradients + opening.evaluation)
        curve = self.bracket.runs[0].curve
        finite = curve.losses[: curve.finite_steps]
        if opening.start_loss is not None:
            self.start = Start(loss=opening.start_loss, noise=0.0, batches=1)
        elif len(finite):
            first = finite[: start_length(len(finite))]
            smoothed = smooth(curve)
            noise = math.inf if smoothed is None else smoothed.noise
            self.start = Start(loss=float(np.median(first)), noise=noise, batches=len(first))
        return self.bracket


def _budget(budget: Budget | float) -> float:
    if isinstance(budget, str):
        if budget in BUDGETS:
            return BUDGETS[budget]
    elif not isinstance(budget, bool) and math.isfinite(budget) and budget > 0:
        return float(budget)
    raise InputError(
        f"budget={budget!r}: pass 'quick', 'standard', 'thorough', or a positive number of full "
        f"runs."
    )
