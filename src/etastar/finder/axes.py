"""Other settings beside the rate: momentum, weight decay, warmup, batch size.

The rate is found first, at the task's own values. Then each other value gets a few pilots at
the horizon of the longest rung: at the best rate as the scaling rule moves it, then beside that.
They begin from the same weights and seeds as the own value's, with which they are compared.
Settings are looked at one after another, each at the values found before it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from etastar.engine import Engine
from etastar.finder.answer import Evidence
from etastar.finder.axes_rules import Rule, rule
from etastar.finder.axes_tasks import at_value, warmup_of
from etastar.finder.axes_values import Axis
from etastar.finder.axes_weigh import Change, Landscape, change, moved, thinned
from etastar.finder.decide import SURE, Decision, decide, predict, regimes
from etastar.finder.ledger import Ledger
from etastar.finder.pilots import CLOSEST
from etastar.finder.resembling import resembling
from etastar.finder.scale import Scale, trained
from etastar.finder.surrogate import believe
from etastar.records import Finding, Trial
from etastar.records.axis import AxisFinding, AxisValue
from etastar.tasks import Task

PER_VALUE = 0.5
"""What each further value may spend, as a share of what finding the rate may."""

BETTER = 0.9
"""The probability of ending lower from which a value takes the place of the task's own."""

LEAST_GAIN = 0.005
"""And it must be expected to end lower by this share."""

IN_RUNNING = 0.1
"""A value below this probability of being better gets no third pilot."""

BESIDE = (0.75, 1.5)
"""Octaves from a value's first pilot to its second, at least and at most."""

BACK_FROM_LOST = 1.5
"""Octaves down from a pilot that did not train."""

ORDER = ("momentum", "weight_decay", "warmup", "batch_size")
"""The batch size comes last, as it changes what a step is."""


def shares(total: float, axes: Sequence[Axis], *, named: bool) -> tuple[float, float]:
    """What finding the rate may spend, and what everything may, in full runs.

    Args:
        total: the budget.
        axes: the settings looked at.
        named: whether the budget is one of the names, which are those of the rate alone and
            grow with every value; a number is what everything together may spend.

    Returns:
        Both; equal without axes.
    """
    values = sum(len(axis.others) + _is_trained_anew(axis) for axis in axes)
    grown = 1 + PER_VALUE * values
    return (total, total * grown) if named else (total / grown, total)


def _is_trained_anew(axis: Axis) -> bool:
    """Whether the own value needs pilots of its own: they must decay as the others' do."""
    return axis.name == "weight_decay" and axis.decoupled and axis.own > 0


@dataclass
class _Value:
    """One value of a setting under way."""

    value: float
    task: Task
    steps: int  # of its pilots
    rule: Rule
    capped: bool = False  # whether stability ends where it does at the task's own value
    trials: list[Trial] = field(default_factory=list[Trial])


class Along:
    """Looks at further settings of a task whose rate is found.

    Args:
        finding: the rate at the task's own values.
        evidence: what it rests on.
        task: the task.
        engine: trains the pilots.
        ledger: pays for them; holds what is spent already.
    """

    def __init__(
        self, finding: Finding, evidence: Evidence, task: Task, engine: Engine, ledger: Ledger
    ) -> None:
        self._finding = finding
        self._evidence = evidence
        self._task = task
        self._engine = engine
        self._ledger = ledger
        self._start = evidence.start.loss
        self._scale = Scale.of(evidence.trials, self._start)
        # of the same seed: what begins alike is compared
        useful = [t for t in evidence.trials if trained(t, self._start) and t.seed == evidence.seed]
        self._steps = max((t.steps for t in useful), default=0)
        self._rates = [t.lr for t in useful]
        self._highest = max((math.log2(lr) for lr in self._rates), default=math.inf)
        self._pilot_cost = max(
            (t.sample_gradients for t in useful if t.steps == self._steps), default=0.0
        )
        self._began = time.perf_counter()

    def run(self, axes: Sequence[Axis]) -> Finding:
        """Look at the settings one after another.

        Returns:
            The finding at the best values found, with what was found along each.
        """
        here = self._landscape()
        if here is None:
            unseen = "no rate was found, so the other settings were not looked at"
            return self._finding.model_copy(
                update={
                    "budget": self._ledger.budget,
                    "warnings": (*self._finding.warnings, unseen),
                }
            )
        found: list[AxisFinding] = []
        for axis in sorted(axes, key=lambda one: ORDER.index(one.name)):
            one, here = self._look(axis, here)
            found.append(one)
        return self._concluded(found, here)

    def _landscape(self) -> Landscape | None:
        evidence = self._evidence
        if self._finding.lr is None or not self._steps:
            return None
        parts = (self._start, evidence.edge, evidence.prior)
        pilots = believe(evidence.trials, self._steps, *parts)
        full = believe(evidence.trials, evidence.summary.steps, *parts)
        if pilots is None or full is None:
            return None
        longest = tuple(
            t for t in evidence.trials if t.steps == self._steps and t.seed == evidence.seed
        )
        return Landscape(thinned(pilots), full, longest)

    def _look(self, axis: Axis, here: Landscape) -> tuple[AxisFinding, Landscape]:
        """Try the values of one setting.

        Returns:
            What was found, and the landscape at the value to take.
        """
        before = self._ledger.cost
        if _is_trained_anew(axis):
            here = self._anew(axis, here)
        values = [self._value(axis, value) for value in axis.others]
        for attempt in range(3):
            for one in values:
                x = self._next(one, here, attempt)
                if x is not None:
                    self._pilot(axis, one, x)
        changes = {one.value: self._change(one, here) for one in values}
        taken = _taken(axis, changes)
        records = [self._record(one, here, changes[one.value]) for one in values]
        own = self._own(axis, here)
        found = AxisFinding(
            name=axis.name,
            setting=axis.setting,
            own=axis.own,
            value=taken,
            values=tuple(sorted((own, *records), key=lambda one: one.value)),
            rule=values[-1].rule.words,
            reason=_reason(axis, taken, records),
            cost=self._ledger.cost - before,
        )
        chosen = next((one for one in values if one.value == taken), None)
        step = changes.get(taken)
        if chosen is not None and step is not None:
            here = moved(here, step, chosen.trials)
            self._task, self._steps = chosen.task, chosen.steps
            self._rates = [t.lr for t in chosen.trials if trained(t, self._start)]
        return found, here

    def _value(self, axis: Axis, value: float) -> _Value:
        task = at_value(self._task, axis.name, axis.setting, value)
        steps = max(1, round(self._steps * task.horizon / self._task.horizon))
        optimizer = self._evidence.summary.optimizer
        expected = rule(axis.name, optimizer, axis.own, value, decoupled=axis.decoupled)
        return _Value(value, task, steps, expected, capped=axis.name != "momentum")

    def _anew(self, axis: Axis, here: Landscape) -> Landscape:
        """The own value's landscape from pilots that decay as the full run does."""
        own = _Value(axis.own, self._task, self._steps, Rule(0.0, 0.3, ""))
        for x in (here.best, here.best - BESIDE[0]):
            self._pilot(axis, own, x)
        return Landscape(here.pilots, here.full, tuple(own.trials) or here.trials)

    def _next(self, one: _Value, here: Landscape, attempt: int) -> float | None:
        """The rate of a value's next pilot, in octaves.

        Returns:
            None where one more would tell nothing, or the budget pays for none.
        """
        paid = self._pilot_cost <= self._ledger.left * self._ledger.full_run
        if not paid or len(one.trials) < attempt:  # or the budget was over before
            return None
        first = here.best + one.rule.octaves
        if one.capped:  # no decay makes a rate stable that is not
            first = min(first, max(self._highest, here.best))
        if attempt == 0:
            return first
        last = one.trials[-1]
        if not trained(last, self._start):
            return math.log2(last.lr) - BACK_FROM_LOST
        return first + _beside(one.rule) if attempt == 1 else self._third(one, here)

    def _third(self, one: _Value, here: Landscape) -> float | None:
        """Where a value's best rate is believed to be after two pilots, or beside that."""
        known = self._change(one, here)
        if known is None or known.better < IN_RUNNING:
            return None
        tried = [math.log2(trial.lr) for trial in one.trials]
        places = (known.best, known.best - BESIDE[0], known.best + BESIDE[0])
        free = (x for x in places if all(abs(x - other) >= CLOSEST for other in tried))
        return next(free, None)

    def _pilot(self, axis: Axis, one: _Value, x: float) -> None:
        task, engine = one.task, self._engine
        if axis.name == "weight_decay" and axis.decoupled:
            task = resembling(task, one.value, one.steps)
        if axis.name == "batch_size":
            engine = getattr(engine, "trainer", engine)  # a study holds one batch size alone
        name = f"{axis.name} {one.value:g}, {one.steps} steps"
        self._ledger.stage(name, [2.0**x], one.steps)
        one.trials += engine.train(
            task, [2.0**x], [self._evidence.seed], one.steps, observer=self._ledger
        )

    def _change(self, one: _Value, here: Landscape) -> Change | None:
        return change(here, one.trials, one.rule, self._scale, self._start)

    def _decided(self, landscape: Landscape, rates: Sequence[float]) -> Decision:
        return decide(landscape.full, rates, self._evidence.passes)

    def _own(self, axis: Axis, here: Landscape) -> AxisValue:
        decision = self._decided(here, self._rates)
        anew = here.trials if _is_trained_anew(axis) else ()
        return AxisValue(
            value=axis.own,
            lr=2.0**decision.x,
            interval=(2.0**decision.low, 2.0**decision.high),
            excess=0.0,
            error=0.0,
            better=0.0,
            expected_lr=2.0**decision.x,
            cost=self._cost(anew),
            trials=anew,
        )

    def _record(self, one: _Value, here: Landscape, step: Change | None) -> AxisValue:
        base = self._decided(here, self._rates)
        decision = None
        if step is not None:
            rates = [t.lr for t in one.trials if trained(t, self._start)]
            decision = self._decided(moved(here, step, one.trials), rates)
        return AxisValue(
            value=one.value,
            lr=None if decision is None else 2.0**decision.x,
            interval=None if decision is None else (2.0**decision.low, 2.0**decision.high),
            excess=None if step is None else self._relative(step.depth),
            error=None if step is None else step.depth_spread,
            better=0.0 if step is None else step.better,
            expected_lr=2.0 ** (base.x + one.rule.octaves),
            cost=self._cost(one.trials),
            trials=tuple(one.trials),
        )

    def _relative(self, depth: float) -> float:
        return math.expm1(depth) if self._scale.logarithmic else depth

    def _cost(self, trials: Sequence[Trial]) -> float:
        return math.fsum(trial.sample_gradients for trial in trials) / self._ledger.full_run

    def _concluded(self, found: Sequence[AxisFinding], here: Landscape) -> Finding:
        """The finding at the values to take."""
        base = self._finding
        settings = {one.setting: one.value for one in found}
        if "warmup_steps" in settings:  # in the steps of the batch size to take
            settings["warmup_steps"] = float(warmup_of(self._task.shape))
        update: dict[str, Any] = {
            "also": tuple(found),
            "settings": settings,
            "cost": self._ledger.cost,
            "budget": self._ledger.budget,
            "seconds": base.seconds + time.perf_counter() - self._began,
        }
        if any(one.moved for one in found):
            update |= self._moved(found, here)
        return base.model_copy(update=update)

    def _moved(self, found: Sequence[AxisFinding], here: Landscape) -> dict[str, Any]:
        base = self._finding
        decision = self._decided(here, self._rates)
        lr = 2.0**decision.x
        sure = base.verdict == "confident" and decision.confidence >= SURE
        taken = ", ".join(f"{one.setting}={one.value:g}" for one in found if one.moved)
        scale, rates = self._scale, self._rates
        warnings = list(base.warnings)
        if self._task.horizon != base.task.steps:
            warnings.append(
                f"with batches of another size the same samples make {self._task.horizon} steps "
                f"instead of {base.task.steps}, and the schedule has as many"
            )
        return {
            "lr": lr,
            "interval": (2.0**decision.low, 2.0**decision.high),
            "confidence": decision.confidence,
            "confidence_tight": decision.confidence_tight,
            "verdict": "confident" if sure else "uncertain",
            "reason": (
                f"at {taken}: within 5 % of the best with probability {decision.confidence:.2f}"
            ),
            "schedule": self._task.shape.scale(lr),
            "regimes": regimes(here.full, decision),
            "prediction": predict(here.full, scale, decision, rates),
            "warnings": tuple(warnings),
        }


def _beside(rule: Rule) -> float:
    """From a value's first pilot to its second: back towards the own value's rate."""
    least, most = BESIDE
    size = float(np.clip(abs(rule.octaves) / 2, least, most))
    return size if rule.octaves < 0 else -size


def _taken(axis: Axis, changes: dict[float, Change | None]) -> float:
    """The value to take: the task's own unless another is surely and clearly better."""
    known = [(step.depth, value) for value, step in changes.items() if step is not None]
    better = [
        (depth, value)
        for depth, value in known
        if depth < -LEAST_GAIN and _better(changes[value]) >= BETTER
    ]
    return min(better)[1] if better else axis.own


def _better(step: Change | None) -> float:
    return 0.0 if step is None else step.better


def _reason(axis: Axis, taken: float, values: Sequence[AxisValue]) -> str:
    """Why this value, in a sentence."""
    known = [one for one in values if one.excess is not None]
    own = f"the task's own {axis.own:g}"
    if not known:
        tried = any(one.trials for one in values)
        why = "no pilot of another value trained" if tried else "the budget paid for no other value"
        return f"{why}; {own} stays"
    chosen = next((one for one in known if one.value == taken), None)
    if chosen is not None:
        return f"{_compared(chosen)} {own}, with probability {chosen.better:.2f}"
    best = max(known, key=lambda one: one.better)
    if best.better < 1 - BETTER:
        return f"{own} is the best of them: {_compared(best)} it"
    return f"the values cannot be told apart, so {own} stays: {_compared(best)} it"


def _compared(one: AxisValue) -> str:
    excess, error = one.excess or 0.0, one.error or 0.0
    side = "below" if excess < 0 else "above"
    return f"{one.value:g} is expected to end {abs(excess):.1%} ± {error:.1%} {side}"
