"""Optuna's samplers, asked and told in memory: TPE and CMA-ES."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from etastar.errors import InputError, MissingDependencyError
from etastar.records import Axis
from etastar.sweeps.strategies.contract import Outcome, Plan, Run
from etastar.sweeps.strategies.fixed import points_of

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import Trial as OptunaTrial

TPE_BATCH = 4
"""Points asked for at once, whatever the engine, so that the table does not depend on it."""

STARTUP = 8
"""Random points before TPE believes anything."""


class Sampled:
    """A sampler of Optuna's, by batches of full runs.

    A lost point is told as infinitely bad, which both samplers rank last.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, plan: Plan, sampler: BaseSampler, batch: int) -> None:
        self._plan = plan
        self._batch = batch
        self._left = points_of(plan)
        self._varying = {n: _distribution(axis) for n, axis in plan.axes.items() if axis.varies}
        self._fixed = {n: axis.low for n, axis in plan.axes.items() if not axis.varies}
        self._study = _quiet_study(sampler)
        self._asked: list[OptunaTrial] = []
        self.cost: float | None = float(self._left * len(plan.seeds))

    def ask(self) -> Sequence[Run]:
        """The next batch; a point may come again, and is then answered from what is known."""
        count = min(self._batch, self._left)
        self._left -= count
        self._asked = [self._study.ask(self._varying) for _ in range(count)]
        return [self._plan.run({**self._fixed, **trial.params}) for trial in self._asked]

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Hand the losses to the sampler."""
        for trial, outcome in zip(self._asked, outcomes, strict=True):
            self._study.tell(trial, outcome.loss)


def tpe(plan: Plan) -> Sampled:
    """The tree-structured Parzen estimator: where good points are dense and bad ones are not.

    References: Bergstra et al., Algorithms for Hyper-Parameter Optimization, NeurIPS 2011;
    Watanabe, arXiv:2304.11127.

    Returns:
        The strategy.
    """
    optuna = _optuna()
    return Sampled(
        plan, optuna.samplers.TPESampler(seed=plan.seed, n_startup_trials=STARTUP), TPE_BATCH
    )


def cmaes(plan: Plan) -> Sampled:
    """The covariance matrix adaptation evolution strategy, a population at a time.

    References: Hansen, The CMA Evolution Strategy: A Tutorial, arXiv:1604.00772.

    Returns:
        The strategy.

    Raises:
        InputError: the space has fewer than two ranges, or a choice.
    """
    varying = {name: axis for name, axis in plan.axes.items() if axis.varies}
    chosen = [name for name, axis in varying.items() if axis.scale == "choice"]
    if len(varying) < 2 or chosen:
        ranges = ", ".join(varying) or "none"
        given = f"a list of values for {chosen[0]}" if chosen else f"as ranges: {ranges}"
        raise InputError(
            f"strategy='cmaes' needs two ranges or more and no lists, and the space has {given}; "
            f"give another as low:high:log or low:high:linear, or use strategy='tpe'."
        )
    optuna = _optuna()
    population = 4 + int(3 * math.log(len(varying)))
    sampler = optuna.samplers.CmaEsSampler(seed=plan.seed, popsize=population)
    return Sampled(plan, sampler, population)


def _distribution(axis: Axis) -> BaseDistribution:
    distributions = _optuna().distributions
    if axis.scale == "choice":
        return distributions.CategoricalDistribution(axis.values)
    return distributions.FloatDistribution(axis.low, axis.high, log=axis.scale == "log")


def _quiet_study(sampler: BaseSampler) -> Any:
    """A study in memory, made without the line Optuna would print about it."""
    optuna = _optuna()
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(sampler=sampler)
    finally:
        optuna.logging.set_verbosity(before)


def _optuna() -> Any:
    try:
        import cmaes  # noqa: F401  # pyright: ignore[reportUnusedImport] - the sampler's own need
        import optuna
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "the strategies 'tpe' and 'cmaes' are Optuna's, which is not installed; run "
            "`pip install \"etastar[optuna]\"`, or use strategy='halving'."
        ) from error
    return optuna
