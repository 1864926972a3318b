"""Asynchronous successive halving, made to give the same table whatever the engine."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from etastar.sweeps.strategies.contract import Outcome, Plan, Run
from etastar.sweeps.strategies.fixed import RANDOM_TRIALS, spread
from etastar.sweeps.strategies.halving import ETA, MOST_HALVINGS, horizons

BATCH = 4
"""Runs asked for at once: the workers the rule imagines, whatever the machine has."""


class Asha:
    """Promotes a run as soon as it is among the best third of its rung so far.

    The published rule hands a free worker its next job, so its table depends on who finished
    first. Here four jobs are handed out at a time and heard of together: the same rule for four
    workers in step, and the same table with one of them or forty.

    References: Li et al., A System for Massively Parallel Hyperparameter Tuning,
    arXiv:1810.05934.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._rungs = horizons(plan.steps, MOST_HALVINGS)
        self._fresh = itertools.islice(spread(plan), plan.trials or RANDOM_TRIALS)
        self._ended: list[list[Outcome]] = [[] for _ in self._rungs]
        self._promoted: list[set[Run]] = [set() for _ in self._rungs]
        self.cost: float | None = None  # the outcomes decide

    def ask(self) -> Sequence[Run]:
        """Up to four runs: promotions from the highest rung down, then new points."""
        runs: list[Run] = []
        for _ in range(BATCH):
            run = self._promotion() or self._new()
            if run is None:
                break
            runs.append(run)
        return list(dict.fromkeys(runs))

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Enter what ended into its rung."""
        for outcome in outcomes:
            self._ended[self._rungs.index(outcome.run.steps)].append(outcome)

    def _promotion(self) -> Run | None:
        for rung in range(len(self._rungs) - 2, -1, -1):
            ended = self._ended[rung]
            best = sorted((o for o in ended if o.loss < math.inf), key=lambda o: o.loss)
            for outcome in best[: len(ended) // ETA]:
                if outcome.run not in self._promoted[rung]:
                    self._promoted[rung].add(outcome.run)
                    point = outcome.run.point
                    values = {"lr": point.lr, **dict(point.settings)}
                    return self._plan.run(values, self._rungs[rung + 1])
        return None

    def _new(self) -> Run | None:
        values = next(self._fresh, None)
        return None if values is None else self._plan.run(values, self._rungs[0])
