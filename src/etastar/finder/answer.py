"""From the evidence to the finding: verdict, reason and warnings in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from etastar.engine.sequential import tail_steps
from etastar.finder.belief import Belief
from etastar.finder.calibration import doubt
from etastar.finder.decide import SURE, Decision, decide, predict, regimes
from etastar.finder.prior import Prior
from etastar.finder.scale import Scale, trained
from etastar.finder.surrogate import believe
from etastar.records import Finding, RangeTest, TaskSummary, Trial, Verdict

LEAST_GAIN = 0.02
"""Training must lower the loss by this share, or there is nothing to choose between rates."""

LEAST_GAIN_UNSEEN = 0.05
"""And by this, where the range test did not see it fall."""

LEAST_DOUBT = 0.1
"""The chance of late overfitting from which it is worth a warning."""

FEWEST = 4
"""Trained pilots below which no answer is called confident."""


GAIN_SIGMAS = 3.0
"""A gain in training loss must exceed so many standard deviations of the batches' own."""


INTERRUPTED = "interrupted"
"""The first word of the reason of a finding whose search was not let to its end."""


@dataclass(frozen=True)
class Start:
    """The loss before any training, and how well it is known."""

    loss: float
    noise: float  # relative, of one batch; 0 where it was measured on fixed validation data
    batches: int  # it is the median of


@dataclass(frozen=True)
class Evidence:
    """All that was measured."""

    summary: TaskSummary
    environment: dict[str, str]
    range_test: RangeTest | None
    edge: float | None  # of stability, as far as it was seen
    trials: tuple[Trial, ...]
    start: Start
    prior: Prior
    passes: float | None  # over the training data in the full run, see `calibration.promised`
    cost: float
    cost_in_all: float
    budget: float
    seed: int
    seconds: float
    interrupted: bool
    carried: tuple[str, ...]
    to_attach: tuple[str, ...] = ()  # see `tasks.other_schedules`


def conclude(evidence: Evidence) -> Finding:
    """Weigh the evidence and answer.

    Returns:
        The finding; with verdict `no_answer` where the evidence holds none.
    """
    silence = _why_silent(evidence)
    if silence is not None:
        return _no_answer(evidence, silence)
    belief = believe(
        evidence.trials,
        evidence.summary.steps,
        evidence.start.loss,
        evidence.edge,
        evidence.prior,
    )
    if belief is None:
        return _no_answer(evidence, "fewer than two pilots trained at all")
    useful = [t.lr for t in evidence.trials if trained(t, evidence.start.loss)]
    decision = decide(belief, useful, evidence.passes)
    warnings = _warnings(evidence, decision, belief)
    verdict, reason = _verdict(evidence, decision, len(useful))
    lr = 2.0**decision.x
    return Finding(
        task=evidence.summary,
        verdict=verdict,
        reason=reason,
        lr=lr,
        interval=(2.0**decision.low, 2.0**decision.high),
        confidence=decision.confidence,
        confidence_tight=decision.confidence_tight,
        schedule=evidence.summary.schedule.scale(lr),
        cost=evidence.cost,
        cost_in_all=evidence.cost_in_all,
        budget=evidence.budget,
        carried=evidence.carried,
        warnings=warnings,
        regimes=regimes(belief, decision),
        prediction=predict(
            belief, Scale.of(evidence.trials, evidence.start.loss), decision, useful
        ),
        trials=evidence.trials,
        range_test=evidence.range_test,
        seed=evidence.seed,
        seconds=evidence.seconds,
        environment=evidence.environment,
    )


def _why_silent(evidence: Evidence) -> str | None:
    """Why there is no answer, in words.

    Returns:
        None where there may be one.
    """
    trials = evidence.trials
    if not trials:
        if evidence.interrupted:
            return f"{INTERRUPTED} before the first pilot ended"
        return (
            f"the budget of {evidence.budget:g} full runs pays for no pilot after the range test; "
            f"give it more"
        )
    if not math.isfinite(evidence.start.loss):
        return "the loss is not finite before any training"
    learned = [trial.final_loss for trial in trials if trained(trial, evidence.start.loss)]
    if not learned:
        lowest = min(trial.lr for trial in trials)
        return (
            f"no pilot ended below the loss it began with, down to a rate of {lowest:.2g}: the "
            f"model may be trained already, or cannot learn from this data"
        )
    scale = Scale.of(trials, evidence.start.loss)
    gain = float(scale.forward(evidence.start.loss) - scale.forward(min(learned)))
    if gain < _least_gain(evidence):
        return (
            f"the best pilot lowered the {evidence.summary.objective} by only {gain:.1%}, too "
            f"little to tell rates apart: the model may be trained already"
        )
    return None


def _least_gain(evidence: Evidence) -> float:
    """The relative gain below which the best pilot may have gained nothing.

    Returns:
        Larger where the start and the pilots were judged by different, noisy batches.
    """
    seen = evidence.range_test is not None and evidence.range_test.fell
    least = LEAST_GAIN if seen else LEAST_GAIN_UNSEEN
    judged = max(tail_steps(trial.steps) for trial in evidence.trials)
    spread = evidence.start.noise * math.sqrt(1 / evidence.start.batches + 1 / judged)
    return max(least, GAIN_SIGMAS * spread)


def _verdict(evidence: Evidence, decision: Decision, useful: int) -> tuple[Verdict, str]:
    sure = f"within 5 % of the best with probability {decision.confidence:.2f}"
    if evidence.interrupted:
        return "uncertain", f"{INTERRUPTED}; so far {sure}"
    if useful < FEWEST:
        return "uncertain", f"only {useful} pilots trained; {sure}"
    if decision.confidence < SURE:
        return "uncertain", f"{sure}, below the {SURE} that would make it sure"
    return "confident", sure


def _warnings(evidence: Evidence, decision: Decision, belief: Belief) -> tuple[str, ...]:
    warnings: list[str] = []
    useful = [t for t in evidence.trials if trained(t, evidence.start.loss)]
    tried = [math.log2(trial.lr) for trial in useful]
    if decision.x < min(tried) - 0.05:
        warnings.append(
            f"the rate is extrapolated: the lowest one tried is {2.0 ** min(tried):.2g}, and the "
            f"optimum is believed to move down with the horizon"
        )
    longest = max(trial.steps for trial in useful)
    at_longest = sorted((t.final_loss, math.log2(t.lr)) for t in useful if t.steps == longest)
    best = at_longest[0][1]
    if len(at_longest) > 1 and best == max(x for _, x in at_longest):
        warnings.append(
            "the highest rate tried on the longest pilots was the best of them; a larger budget "
            "would look higher"
        )
    doubted = doubt(evidence.passes)
    if doubted > LEAST_DOUBT and evidence.passes is not None:
        longest_passes = evidence.passes * longest / evidence.summary.steps
        warnings.append(
            f"the full run goes {evidence.passes:.0f} times over the training data, the longest "
            f"pilot {longest_passes:.1f} times: overfitting that sets in later is unseen, and "
            f"would favour a lower rate"
        )
    if evidence.summary.objective == "training loss":
        warnings.append(
            "judged by the training loss, which cannot see overfitting; give valid= to judge by "
            "held-out data"
        )
    if evidence.range_test is not None and evidence.range_test.edge is None:
        warnings.append("the range test never lost its footing, so the edge of stability is unseen")
    if float(belief.mean(belief.noise)) > 0.05:
        warnings.append("final losses are noisy; a second seed would make the answer surer")
    return (*warnings, *evidence.to_attach)


def _no_answer(evidence: Evidence, reason: str) -> Finding:
    return Finding(
        task=evidence.summary,
        verdict="no_answer",
        reason=reason,
        lr=None,
        interval=None,
        confidence=0.0,
        schedule=None,
        cost=evidence.cost,
        cost_in_all=evidence.cost_in_all,
        budget=evidence.budget,
        carried=evidence.carried,
        warnings=() if evidence.range_test is None else evidence.range_test.warnings,
        regimes=(),
        prediction=None,
        trials=evidence.trials,
        range_test=evidence.range_test,
        seed=evidence.seed,
        seconds=evidence.seconds,
        environment=evidence.environment,
    )
