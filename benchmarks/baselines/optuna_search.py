"""Optuna's TPE and Hyperband over six decades of rates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from etastar.engine.sequential import tail_steps
from etastar.training.live import living

from .contract import AbstractMethod, NothingFoundError
from .pilots import HIGHEST, LOWEST, MOST_TRIALS, pilot

if TYPE_CHECKING:
    from etastar.tasks import Task

    from .contract import Meter

RUNGS = (1, 3, 9, 27)
"""Where Hyperband looks: in 27ths of a trial, a factor of 3 apart, as is its default."""


@dataclass(frozen=True)
class OptunaTPE(AbstractMethod):
    """The default sampler, ten random trials first, on decayed pilots of equal length.

    Args:
        budget: in full runs.
        share: a pilot's share of the horizon.
    """

    budget: float
    share: float

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"Optuna TPE, {self.budget:g} runs"

    def search(self, task: Task, seed: int, meter: Meter) -> float:
        """Ask and tell until the budget is spent."""
        import optuna

        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        while meter.cost + self.share / 2 <= self.budget and len(study.trials) < MOST_TRIALS:
            trial = study.ask()
            lr = trial.suggest_float("lr", LOWEST, HIGHEST, log=True)
            study.tell(trial, pilot(task, lr, seed, self.share, meter))
        return _best(study)


@dataclass(frozen=True)
class OptunaHyperband(AbstractMethod):
    """TPE under the Hyperband pruner; a trial may take a quarter of the budget, or a full run.

    Every trial follows the whole decayed schedule over that horizon and is judged on the way,
    where it may be pruned.
    """

    budget: float

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"Optuna Hyperband, {self.budget:g} runs"

    def search(self, task: Task, seed: int, meter: Meter) -> float:
        """Ask, train, prune and tell until the budget is spent."""
        import optuna

        study = optuna.create_study(
            study_name="hyperband",  # it assigns trials to brackets by a hash of the name
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=RUNGS[-1]),
        )
        share = min(1.0, self.budget / 4)
        steps = max(RUNGS[-1], round(task.horizon * share))
        while meter.cost + share / 2 <= self.budget and len(study.trials) < MOST_TRIALS:
            trial = study.ask()
            lr = trial.suggest_float("lr", LOWEST, HIGHEST, log=True)
            loss = _judged_on_the_way(task, lr, seed, steps=steps, trial=trial, meter=meter)
            if loss is None:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            else:
                study.tell(trial, loss)
        return _best(study)


def _judged_on_the_way(
    task: Task, lr: float, seed: int, *, steps: int, trial: Any, meter: Meter
) -> float | None:
    """The final loss, inf where the trial diverged, or None where it was pruned."""
    rates = (lr * task.shape.resized(steps)(np.arange(steps))).tolist()
    looks = {round(steps * rung / RUNGS[-1]): rung for rung in RUNGS}
    losses: list[float] = []
    with living(task) as live:
        live.begin(seed)
        try:
            for step, rate in enumerate(rates, start=1):
                losses.append(live.step(rate))
                if not math.isfinite(losses[-1]):
                    return math.inf
                if step not in looks:
                    continue
                judged = live.evaluate()
                loss = float(np.mean(losses[-tail_steps(step) :])) if judged is None else judged
                if not (math.isfinite(loss) and live.sound):
                    return math.inf
                if step == steps:
                    return loss
                trial.report(loss, looks[step])
                if trial.should_prune():
                    return None
        finally:
            meter.pay(live.sample_gradients)
    raise AssertionError("the last step is a look")


def _best(study: Any) -> float:
    """The rate of the best trial that ran to its end."""
    complete = [trial.value for trial in study.trials if trial.state.name == "COMPLETE"]
    if not any(map(math.isfinite, complete)):
        raise NothingFoundError("no trial ran to its end with a finite loss")
    return study.best_trial.params["lr"]
