"""`sweep`: many rates and settings side by side, the best of them, and how sure that is."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from etastar.engine import Engine, Observer
from etastar.engine.choose import engine_of
from etastar.engine.memory import Listed, memory_of, study_name
from etastar.errors import InputError, InterruptedRunError
from etastar.finder import find
from etastar.finder.opening import Opening, open_task
from etastar.records import Axis, Finding, Sweep, TaskSummary, Trial
from etastar.store import Store, Study
from etastar.sweeps.conclude import contenders, indistinct, shares_of, warnings_of
from etastar.sweeps.display import default_observer
from etastar.sweeps.given import budget_of, check_parts, seed_of, seeds_of
from etastar.sweeps.ledger import Ledger
from etastar.sweeps.space import Given, axes_of, points_named
from etastar.sweeps.strategies import (
    Plan,
    Run,
    Search,
    Strategy,
    check_name,
    cost_of,
    counted,
    strategy_named,
)
from etastar.tasks import Task, checks
from etastar.tasks.other_schedules import refuse_scheduled, to_attach
from etastar.tasks.settings import changes, checked, settings_of
from etastar.training.live import living


def sweep(
    task: Task,
    space: Mapping[str, Given] | Given | None = None,
    strategy: str = "grid",
    engine: Engine | str = "auto",
    store: Store | str | Path | None = None,
    *,
    seeds: Sequence[int] | int = (0,),
    steps: int | None = None,
    trials: int | None = None,
    budget: float | None = None,
    seed: int = 0,
    observer: Observer | None = None,
    progress: bool | None = None,
) -> Sweep:
    """Train a task at many rates and settings of its optimizer, and say which is best.

    Every trial begins from the same weights and batches (common random numbers), so that
    settings are compared and not chance. The table of trials is the same whichever engine ran
    it and however often it was interrupted. Your model, optimizer, data order and random state
    are left bit for bit as they were.

    Args:
        task: what to train.
        space: values by name: `lr`, and any number of the optimizer's parameter groups
            (`weight_decay`, `momentum`, ...), with `beta1` and `beta2` for `betas`. Values are
            `Log(low, high)`, `Linear(low, high)`, a list, one number, or `"decade"`: a decade on
            each side of the optimizer's own. Values alone are those of the rate. Without a space
            it is the rate's decade; a space without `lr` keeps the optimizer's own rate.
        strategy: `grid`, `random`, `sobol` (quasi-random), `halving`, `hyperband`, `asha`,
            `tpe`, `cmaes` (both by Optuna), or `find`, which looks for the rate as
            `etastar.find` does and then trains it in full.
        engine: `auto`, the name of an engine, or an engine.
        store: where trials are kept and found again, so that the same call continues: a store,
            a database URL or a file. By default nothing is kept.
        seeds: of the trials; a number means so many, from 0. Short trials that only choose
            what goes on use the first.
        steps: the horizon of a full run; the task's own by default.
        trials: points to try, for strategies that draw them.
        budget: what may be spent, in full runs; a run that would exceed it is not begun.
        seed: of the strategy's own randomness.
        observer: told what happens.
        progress: show it on standard error; by default where that is a terminal.

    Returns:
        The sweep: its trials, the best of them, and what cannot be told apart from it.

    Raises:
        InputError: what was given makes no sweep.
        TaskFailedError: the task's own code raised; everything is restored.
        InterruptedRunError: Ctrl-C; everything is restored, and the sweep so far is in `known`.

    Examples:
        >>> from etastar.tasks import load_task
        >>> rates = [0.01, 0.1, 0.5, 2.0]
        >>> found = sweep(load_task("line"), rates, engine="sequential", steps=50, progress=False)
        >>> found.lr, found.trials[-1].status
        (0.5, 'diverged')
    """
    check_name(strategy)
    check_parts(task, engine, store)
    full = task if steps is None else task.with_steps(steps)
    chosen = seeds_of(seeds)
    opening = open_task(full, chosen[0])
    axes = _axes(full, space, strategy, chosen[0])
    count = None if trials is None else checks.whole(trials, "trials")
    plan = Plan(axes, full.horizon, chosen, seed_of(seed), count, budget_of(budget))
    watching = observer or default_observer(progress)
    with engine_of(engine) as trainer, memory_of(store, opening.summary) as memory:
        ledger = Ledger(full, trainer, memory, watching)
        search = _searching(full, axes, ledger, chosen[0])
        asking = strategy_named(strategy, plan, search)
        notes = [*_kept_apart(memory, opening.summary), *_drawn(space, strategy), *to_attach(full)]
        made = _Sweeping(opening, plan, strategy, asking, ledger=ledger, notes=notes)
        try:
            return made.run()
        except KeyboardInterrupt as error:
            lost = ledger.in_hand
            begin = f"; {lost} more in training will begin anew" if lost else ""
            raise InterruptedRunError(
                f"interrupted after {counted(len(ledger.trials), 'trial')}{begin}; training is as "
                f"it was.",
                known=made.conclude("interrupted before it was done") if ledger.trials else None,
            ) from error
        finally:
            watching.finished()


class _Sweeping:
    """One sweep under way."""

    def __init__(
        self,
        opening: Opening,
        plan: Plan,
        name: str,
        strategy: Strategy,
        *,
        ledger: Ledger,
        notes: Sequence[str],
    ) -> None:
        self._opening = opening
        self._plan = plan
        self._name = name
        self._strategy = strategy
        self._ledger = ledger
        self._notes = notes
        self._began = time.perf_counter()
        ledger.expected = plan.budget if strategy.cost is None else strategy.cost

    def run(self) -> Sweep:
        """Ask, train, tell, until the strategy is done or the budget is.

        Returns:
            The sweep.
        """
        while runs := self._strategy.ask():
            affordable = self._affordable(runs)
            outcomes = self._ledger.outcomes(affordable)
            if len(affordable) < len(runs):
                return self.conclude("the budget ended before the strategy was done")
            self._strategy.tell(outcomes)
        return self.conclude()

    def _affordable(self, runs: Sequence[Run]) -> Sequence[Run]:
        """Those of the runs that the budget still pays for."""
        if self._plan.budget is None or self._name == "find":  # find keeps to its own
            return runs
        left = self._plan.budget - self._ledger.asked + 1e-9
        count = sum(cost_of(runs[: i + 1], self._plan.steps) <= left for i in range(len(runs)))
        return runs[:count]

    def conclude(self, cut: str | None = None) -> Sweep:
        """What the trials so far say.

        Returns:
            The sweep.
        """
        trials, plan, summary = self._ledger.trials, self._plan, self._opening.summary
        axes = _seen(plan.axes, trials) if self._name == "find" else plan.axes
        ranked = contenders(trials)
        best = ranked[0] if ranked else None
        warnings = [cut] if cut else []
        start, whole = self._opening.start_loss, cut is None
        warnings += warnings_of(
            plan.axes, trials, best, summary, plan.seeds, start=start, whole=whole
        )
        warnings += [*self._strategy.notes, *self._notes]
        return Sweep(
            task=summary,
            space=dict(axes),
            strategy=self._name,
            engine=self._ledger.engine,
            seeds=plan.seeds,
            seed=plan.seed,
            trials=tuple(trials),
            best=best,
            alike=() if best is None else indistinct(trials, best),
            importance=shares_of(axes, trials),
            cost=_cost(trials, summary.steps),
            budget=plan.budget,
            seconds=time.perf_counter() - self._began,
            environment=self._opening.environment,
            warnings=tuple(dict.fromkeys(warnings)),
            known=self._ledger.known,
        )


def _searching(task: Task, axes: Mapping[str, Axis], ledger: Ledger, seed: int) -> Search:
    fixed = {name: axis.low for name, axis in axes.items() if name != "lr"}

    def search(budget: float) -> Finding:
        return find(
            task.with_settings(fixed), budget=budget, seed=seed, engine=ledger, observer=ledger
        )

    return search


def _kept_apart(memory: Listed, task: TaskSummary) -> list[str]:
    """What to say where the task's own name was taken, in its store, by another version of it."""
    if not isinstance(memory, Study) or memory.name == study_name(task):
        return []
    return [
        f"the store holds the study {study_name(task)!r} of another version of this task: its "
        f"model, weights, data, loss or optimizer differ (weights drawn without torch.manual_seed "
        f"differ in every process), so none of its trials is used, and these are "
        f"kept as {memory.name!r}"
    ]


def _drawn(space: Mapping[str, Given] | Given | None, strategy: str) -> list[str]:
    """What to say where a range names points, and the strategy draws its own."""
    if space is None or strategy in {"grid", "find"}:
        return []
    return [
        f"{name} names {count} points, which are a grid's: {strategy} draws from the range itself"
        for name, count in points_named(space).items()
    ]


def _axes(
    task: Task, space: Mapping[str, Given] | Given | None, strategy: str, seed: int
) -> dict[str, Axis]:
    """The axes of the space, held against the optimizer before anything is trained."""
    with living(task) as live:
        live.begin(seed)
        own = {"lr": live.rates.reference, **settings_of(live.optimizers)}
        if strategy == "find":
            given = dict(space) if isinstance(space, Mapping) else {} if space is None else None
            if given is None or "lr" in given:
                raise InputError(
                    "strategy='find' brackets the rate by itself: leave the rate out of the space."
                )
            space = {"lr": own["lr"], **given}
        axes = axes_of("decade" if space is None else space, own)
        refuse_scheduled(task.other_schedules, axes)
        for name, axis in axes.items():
            for value in set(axis.values) if name != "lr" else ():
                changes(live.optimizers, checked({name: value}))
    return axes


def _seen(axes: Mapping[str, Axis], trials: Sequence[Trial]) -> dict[str, Axis]:
    """The axes, the rate's as wide as it was looked at."""
    rates = sorted({trial.lr for trial in trials})
    return {**axes, "lr": Axis(scale="log", values=tuple(rates))} if rates else dict(axes)


def _cost(trials: Sequence[Trial], steps: int) -> float:
    """What the trials took, in full runs: sample gradients over those of one."""
    whole = [t.sample_gradients for t in trials if t.steps == steps and t.status == "finished"]
    spent = math.fsum(trial.sample_gradients for trial in trials)
    made = sum(len(trial.curve) for trial in trials)
    full = math.fsum(whole) / len(whole) if whole else spent / max(made, 1) * steps
    return spent / full if full else 0.0
