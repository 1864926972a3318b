"""`find`: bracket, pilots, surrogate, decision, finding.

References: the range test is Smith's (arXiv:1506.01186); that short pilots must follow the
shape of the full schedule, see Wu et al., Understanding Short-Horizon Bias (arXiv:1803.02021).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from etastar.engine import Engine, Observer, Recorded
from etastar.engine.choose import engine_of
from etastar.engine.display import default_observer
from etastar.engine.memory import Counted, Listed, memory_of
from etastar.errors import InputError, InterruptedRunError
from etastar.finder.answer import Evidence, Start, conclude
from etastar.finder.axes import Along, shares
from etastar.finder.axes_values import Also, Axis, axes_of
from etastar.finder.course import Course, Setting
from etastar.finder.edge import critical_rate
from etastar.finder.ledger import Ledger
from etastar.finder.opening import Opening, open_task
from etastar.finder.past import Known, Past
from etastar.finder.prior import Prior, prior_of
from etastar.finder.range_test import measure_range
from etastar.finder.smoothing import smooth, start_length
from etastar.records import Finding, RangeTest, Trial
from etastar.tasks import Task
from etastar.tasks.other_schedules import to_attach
from etastar.training.fingerprint import task_fingerprint

if TYPE_CHECKING:
    from etastar.store import Store

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
    engine: Engine | str = "sequential",
    store: Store | str | Path | None = None,
    known: Finding | str | Path | None = None,
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
        engine: trains the pilots: an engine or the name of one. They come one by one, each
            where the ones before it point, so the plain one is the default.
        store: where pilots are kept and found again: a store, a database URL or a file. What
            is there of the same task is not trained again. By default nothing is kept.
        known: an earlier finding of the same task, or the file of one. Its pilots are evidence
            as far as they fit this horizon, schedule and seed, and are not paid for again; the
            very same question is answered at once.
        observer: told what happens.
        progress: show it on standard error; by default where that is a terminal.
        options: the keyword arguments of `Task`.

    Returns:
        The finding. Without an answer its `lr` is None and its `reason` says why.

    Raises:
        TaskError: the parts do not make a task.
        InputError: a budget or an engine that is not one; a finding of another task.
        StoreError: the store cannot be used.
        RecordError: the file of `known` holds no finding.
        TaskFailedError: the task's own code raised; everything is restored.
        InterruptedRunError: Ctrl-C; everything is restored, and the answer so far is in
            its `known`. With a store, the same call goes on where it stopped.

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
    axes = () if also is None else axes_of(chosen, also, seed)
    allowed, total = shares(_budget(budget), axes, named=isinstance(budget, str))
    before: Known | None = None
    if known is not None:
        before = Known.of(known, chosen, task_fingerprint(chosen), seed)
        if not axes and before.answers(chosen, allowed):
            return before.again()
    watching = observer or default_observer(progress)
    ledger = Ledger(watching, allowed)
    with engine_of(engine) as trainer:
        search = _Search(chosen, seed=seed, engine=trainer, ledger=ledger, known=before)
        try:
            found = search.run(store)
            return search.along(found, axes, total, watching) if axes else found
        except KeyboardInterrupt as error:
            raise InterruptedRunError(
                f"interrupted after {len(ledger.trials)} pilots; training is as it was.",
                known=search.known(),
            ) from error
        finally:
            ledger.finished()


class _Search:
    """One run of `find`: what is measured so far, and what to measure next."""

    def __init__(
        self, task: Task, *, seed: int, engine: Engine, ledger: Ledger, known: Known | None
    ) -> None:
        self.task = task
        self.seed = seed
        self.engine = engine
        self.ledger = ledger
        self.before = known
        self.opening: Opening | None = None
        self.bracket: RangeTest | None = None
        self.edge: float | None = None
        self.past = Past((), ())
        self.start = Start(loss=math.nan, noise=0.0, batches=1)
        self.began = time.perf_counter()

    def run(self, store: Store | str | Path | None) -> Finding:
        self.opening = opening = open_task(self.task, self.seed)
        with memory_of(store, opening.summary) as memory:
            if self.before is not None:
                for trial in self.before.finding.trials:
                    memory.add(trial)
            return self._search(opening, memory)

    def _search(self, opening: Opening, memory: Listed) -> Finding:
        first = self._edge(self._bracket(opening))
        left, ledger = self.ledger.left, self.ledger
        setting = Setting(
            horizon=self.task.horizon,
            seed=self.seed,
            start=self.start.loss,
            edge=first,
            prior=self.prior,
            passes=self.passes,
            evaluation=opening.evaluation / ledger.full_run * self.task.horizon,
            full_run=ledger.full_run,
        )

        def begin(evidence: Sequence[Trial], trials: list[Trial]) -> Course:
            return Course(setting, left, evidence, trials)

        self.past = Past.of(memory, self.task, begin)
        counted = Counted(memory)
        engine = Recorded(self.engine, counted)
        # the course reads the ledger's trials, which grow as they end
        for pilot in begin(self.past.evidence, ledger.trials).pilots():
            ledger.stage(f"pilots of {pilot.steps} steps", [pilot.lr], pilot.steps)
            made = counted.count
            (trial,) = engine.train(
                self.task,
                [pilot.lr],
                [pilot.seed],
                pilot.steps,
                lost=pilot.lost,
                observer=ledger,
            )
            if counted.count == made:
                ledger.recalled(trial)
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
        ledger.pay(found.cost * ledger.full_run)
        evidence = self.evidence(opening, interrupted=False)
        return Along(found, evidence, self.task, self.engine, ledger).run(axes)

    def conclude(self, opening: Opening, *, interrupted: bool = False) -> Finding:
        return conclude(self.evidence(opening, interrupted=interrupted))

    def evidence(self, opening: Opening, *, interrupted: bool) -> Evidence:
        """All that was measured."""
        ledger, evidence = self.ledger, self.past.evidence
        gradients = math.fsum(trial.sample_gradients for trial in evidence)
        return Evidence(
            summary=opening.summary,
            environment=opening.environment,
            range_test=self.bracket,
            edge=self.edge,
            trials=(*evidence, *ledger.trials),
            start=self.start,
            prior=self.prior,
            passes=self.passes,
            cost=ledger.anew,
            cost_in_all=ledger.cost + gradients / ledger.full_run,
            budget=ledger.budget,
            seed=self.seed,
            seconds=time.perf_counter() - self.began,
            interrupted=interrupted,
            carried=self._carried(),
            to_attach=to_attach(self.task),
        )

    def _carried(self) -> tuple[str, ...]:
        """What was known before and is used, and what is not, in words."""
        words = list(self.past.words)
        if self.ledger.again:
            words.append(f"{self.ledger.again} pilots were asked for again and not trained again")
        if self.before is not None:
            words.append(
                "the range test is that of before"
                if self._old_bracket is not None
                else "the range test is new: that of before had another seed or other settings"
            )
        return tuple(words)

    @property
    def _old_bracket(self) -> RangeTest | None:
        """The range test of the earlier finding, where it is this one's too."""
        before = self.before
        if before is None or not (before.same_seed and before.same_settings):
            return None
        return before.finding.range_test

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
        old = self._old_bracket
        self.bracket = old or measure_range(
            self.task, steps=steps, seed=self.seed, observer=self.ledger
        )
        per_step = self.bracket.sample_gradients / self.bracket.steps
        self.ledger.full_run = self.task.horizon * per_step
        self.ledger.pay(opening.evaluation)
        self.ledger.pay(self.bracket.sample_gradients, anew=old is None)
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
