"""Random records: any that the classes accept."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from etastar.records import (
    CyclicBounds,
    Finding,
    LossCurve,
    Prediction,
    RangeRun,
    RangeTest,
    Record,
    RegimeBand,
    Suggestion,
    TaskSummary,
    Trial,
)
from etastar.schedules import Constant, Cosine

words = st.text(max_size=20)
seeds = st.integers(-(2**63), 2**64)
rates = st.floats(1e-300, 1e300)
amounts = st.floats(0, 1e300)
anything = st.floats()  # NaN and infinities among them
shapes = st.sampled_from([Cosine(steps=100), Constant(steps=7, peak=0.5)])
missing_or = st.none().__or__


@st.composite
def curves(draw: Any, most: int = 8) -> LossCurve:
    losses = draw(st.lists(anything, max_size=most))
    lrs = draw(st.lists(amounts, min_size=len(losses), max_size=len(losses)))
    return LossCurve(lrs=np.array(lrs), losses=np.array(losses))


@st.composite
def trials(draw: Any) -> Trial:
    status = draw(st.sampled_from(["finished", "diverged", "stopped"]))
    finite = st.floats(allow_nan=False, allow_infinity=False)
    return Trial(
        lr=draw(rates),
        seed=draw(seeds),
        steps=draw(st.integers(8, 10**12)),
        status=status,
        final_loss=draw(finite) if status == "finished" else math.nan,
        curve=draw(curves()),
        sample_gradients=draw(amounts),
        seconds=draw(amounts),
        settings=draw(st.dictionaries(words, finite, max_size=3)),
        shape=draw(st.text("0123456789abcdef", max_size=16)),
    )


suggestions = st.builds(Suggestion, lr=rates, reason=words)
bounds = st.tuples(rates, rates).filter(lambda pair: pair[0] < pair[1])
cyclic = st.builds(
    lambda pair, reason: CyclicBounds(low=pair[0], high=pair[1], reason=reason), bounds, words
)
runs = st.builds(
    RangeRun, seed=seeds, curve=curves(), stopped=st.sampled_from(["diverged", "non_finite", "end"])
)
range_tests = st.builds(
    RangeTest,
    task=words,
    rise=st.sampled_from(["exponential", "linear"]),
    measured=st.sampled_from(["train", "valid"]),
    runs=st.lists(runs, min_size=1, max_size=2).map(tuple),
    fell=st.booleans(),
    edge=missing_or(rates),
    suggestions=st.dictionaries(words, missing_or(suggestions), max_size=3),
    cyclic=missing_or(cyclic),
    warnings=st.lists(words, max_size=2).map(tuple),
    steps=st.integers(1, 10**9),
    sample_gradients=amounts,
    seconds=amounts,
)
summaries = st.builds(
    TaskSummary,
    name=words,
    steps=st.integers(1, 10**9),
    schedule=shapes,
    optimizer=words,
    parameters=st.integers(0, 10**13),
    group_ratios=st.lists(amounts, max_size=3).map(tuple),
    objective=st.sampled_from(["validation loss", "training loss"]),
    default_lr=missing_or(rates),
    fingerprint=st.text("0123456789abcdef", max_size=32),
)
bands = st.builds(
    lambda regime, pair: RegimeBand(regime=regime, low=pair[0], high=pair[1]),
    st.sampled_from(["too_small", "good", "optimal", "oscillating", "diverging"]),
    bounds | st.tuples(st.none(), rates) | st.tuples(rates, st.none()),
)


@st.composite
def predictions(draw: Any) -> Prediction:
    size = draw(st.integers(0, 4))
    columns = [draw(st.lists(anything, min_size=size, max_size=size)) for _ in range(4)]
    lrs, losses, low, high = map(np.array, columns)
    return Prediction(
        lrs=lrs,
        losses=losses,
        low=low,
        high=high,
        drift_per_octave=draw(anything),
        noise=draw(anything),
    )


@st.composite
def findings(draw: Any) -> Finding:
    verdict = draw(st.sampled_from(["confident", "uncertain", "no_answer"]))
    answered = verdict != "no_answer"
    return Finding(
        task=draw(summaries),
        verdict=verdict,
        reason=draw(words),
        lr=draw(rates) if answered else None,
        interval=draw(bounds) if answered else None,
        confidence=draw(st.floats(0, 1)),
        schedule=draw(shapes) if answered else None,
        cost=draw(amounts),
        budget=draw(rates),
        warnings=tuple(draw(st.lists(words, max_size=2))),
        regimes=tuple(draw(st.lists(bands, max_size=2))),
        prediction=draw(missing_or(predictions())),
        trials=tuple(draw(st.lists(trials(), max_size=2))),
        range_test=draw(missing_or(range_tests)),
        seed=draw(seeds),
        seconds=draw(amounts),
        environment=draw(st.dictionaries(words, words, max_size=2)),
    )


records: st.SearchStrategy[Record] = curves() | trials() | range_tests | findings()
