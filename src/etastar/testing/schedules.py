"""The laws of schedules, to hold your own family against, and random schedules to try them on.

A new family is a frozen dataclass on `etastar.schedules.base.Schedule`; in its tests:

    from etastar.testing.schedules import check_schedule

    check_schedule(MyFamily(steps=100, peak=0.1))

Hypothesis is needed only for `schedules()`, which gives random families and compositions.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from etastar import schedules as es
from etastar.schedules.compat import Foreign

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def check_schedule(schedule: es.Schedule, beyond: int = 50) -> None:
    """Hold a schedule against the laws every schedule of ours obeys.

    Args:
        schedule: The schedule.
        beyond: How many steps past the end to look.

    Raises:
        AssertionError: A law is broken; the message says which, and where.
    """
    steps = np.arange(schedule.steps + beyond + 1)
    values = schedule(steps)
    _hold(values.dtype == np.float64, "values are float64", schedule)
    _hold(bool(np.isfinite(values).all()), "every value is finite", schedule)
    _hold(bool((values >= 0).all()), "no value is below 0", schedule)
    above = values > schedule.ceiling * (1 + 1e-15)
    _hold(not above.any(), f"no value is above the ceiling {schedule.ceiling}", schedule)
    inside = values[: schedule.steps + 1]
    _hold(schedule.maximum == inside.max(), "maximum is the highest value", schedule)
    for step in {0, schedule.steps // 2, schedule.steps, schedule.steps + beyond}:
        same = schedule(step) == values[step] and schedule(np.array([[step]]))[0, 0] == values[step]
        _hold(same, f"scalar equals array at step {step}", schedule)
    if not isinstance(schedule, Foreign):
        held = values[schedule.steps :]
        _hold(bool((held == held[0]).all()), "what is reached at the end is held", schedule)
    for name, other in (
        ("JSON", es.from_json(schedule.to_json())),
        ("copy", copy.deepcopy(schedule)),  # through the same protocol as pickle
    ):
        same = other == schedule and hash(other) == hash(schedule)
        _hold(same, f"a {name} round trip gives an equal schedule", schedule)
        _hold(bool((other(steps) == values).all()), f"{name} keeps the future curve", schedule)
        _hold(other.fingerprint == schedule.fingerprint, f"{name} keeps the fingerprint", schedule)
    doubled = schedule.scale(2.0)
    scaled = np.isclose(doubled(steps), 2.0 * values, rtol=1e-12, atol=0)
    _hold(bool(scaled.all()), "scale(2) doubles every value", schedule)
    longer = schedule.extend(2 * schedule.steps)
    _hold(longer.steps == 2 * schedule.steps, "extend gives the horizon asked for", schedule)
    head = np.isclose(
        longer(steps[: schedule.tail_start]), values[: schedule.tail_start], rtol=1e-12, atol=0
    )
    _hold(bool(head.all()), f"extend keeps the steps before {schedule.tail_start}", schedule)
    bigger = schedule.resized(3 * schedule.steps)
    _hold(bigger.steps == 3 * schedule.steps, "resized gives the horizon asked for", schedule)
    _hold(
        math.isclose(bigger.ceiling, schedule.ceiling, rel_tol=1e-9),
        "resized keeps the peak",
        schedule,
    )


def schedules(max_steps: int = 60, *, nested: bool = True) -> SearchStrategy[es.Schedule]:
    """Random schedules of every family, and with `nested` compositions of them.

    Returns:
        A Hypothesis strategy.
    """
    from hypothesis import strategies as st

    leaves = st.composite(_leaf)(max_steps)
    return st.recursive(leaves, _composed, max_leaves=5) if nested else leaves


def _leaf(draw: Any, max_steps: int) -> es.Schedule:
    from hypothesis import strategies as st

    def number(low: float, high: float) -> float:
        return draw(st.floats(low, high, allow_subnormal=False))

    def whole(low: int, high: int) -> int:
        return draw(st.integers(low, high))

    steps = whole(1, max_steps)
    peak = draw(st.sampled_from([1.0, 0.1, 3e-4]) | st.floats(1e-6, 10.0))
    floor = peak * draw(st.sampled_from([0.0, 0.1, 1.0]) | st.floats(0.0, 1.0))
    floor = min(floor, peak)
    warmup = whole(0, steps - 1)
    common = {"steps": steps, "peak": peak, "floor": floor, "warmup_steps": warmup}
    marks = tuple(sorted(draw(st.lists(st.integers(1, steps), max_size=4))))
    every = number(0.5, 40.0)
    rise = draw(st.sampled_from([0.0, 0.3, 0.45]))
    phases = draw(st.sampled_from([2, 3]))
    anneal = draw(st.sampled_from(["cosine", "linear"]))
    makers: list[Any] = [
        lambda: es.Constant(steps=steps, peak=peak, warmup_steps=warmup),
        lambda: es.Linear(**common),
        lambda: es.Cosine(**common),
        lambda: es.KDecay(**common, k=number(0.5, 3), curve=draw(_curves())),
        lambda: es.Polynomial(**common, power=number(0.3, 4)),
        lambda: es.Rex(**common),
        lambda: es.Tanh(**common),
        lambda: es.Exponential(
            **common, gamma=number(0.5, 1), every_steps=every, staircase=draw(st.booleans())
        ),
        lambda: es.InverseTime(
            **common, decay=number(0, 3), every_steps=every, staircase=draw(st.booleans())
        ),
        lambda: es.InverseSqrt(**common, timescale_steps=draw(st.just(0.0) | st.floats(1, 50))),
        lambda: es.Noam(
            steps=steps, width=whole(1, 512), warmup_steps=whole(1, steps), factor=number(0.1, 3)
        ),
        lambda: es.StepDecay(**common, every_steps=every, gamma=number(0.05, 1)),
        lambda: es.MultiStep(**common, milestones=marks, gamma=number(0.05, 1)),
        lambda: es.Piecewise(
            steps=steps, milestones=marks, values=tuple(number(0, 2) for _ in range(len(marks) + 1))
        ),
        lambda: es.CosineRestarts(
            **common,
            cycle_steps=number(1, 40),
            multiplier=draw(st.sampled_from([1.0, 1.5, 2.0])),
            decay=number(0.3, 1),
            limit=whole(0, 3),
        ),
        lambda: es.Cyclic(
            steps=steps,
            peak=peak,
            floor=floor,
            up_steps=number(1, 30),
            down_steps=draw(st.just(0.0) | st.floats(1, 30)),
            policy=draw(st.sampled_from(["triangular", "triangular2", "exp_range"])),
            gamma=number(0.9, 1),
        ),
        lambda: es.OneCycle(steps=steps, peak=peak, rise=rise, phases=phases, anneal=anneal),
        lambda: es.CycledMomentum(steps=steps, rise=rise, phases=phases, anneal=anneal),
        lambda: es.WarmupStableDecay(
            steps=steps,
            peak=peak,
            floor=max(floor, peak * 1e-3),
            warmup_steps=min(warmup, steps - 1),
            decay_steps=whole(1, steps - warmup),
            cooldown=draw(st.sampled_from(["sqrt", "linear", "cosine", "exponential"])),
        ),
        lambda: es.Chebyshev(
            steps=steps,
            peak=peak,
            floor=max(floor, peak * 1e-3),
            block_steps=draw(st.sampled_from([1, 2, 8, 32])),
        ),
        lambda: es.LinearWarmup(steps=steps, peak=peak, start=floor),
        lambda: es.ExponentialWarmup(steps=steps, peak=peak, tau_steps=every),
        lambda: es.RAdamWarmup(steps=steps, peak=peak, beta2=number(0.7, 0.9999)),
        lambda: es.Points(
            steps=steps,
            at_steps=tuple(sorted({float(mark) for mark in marks} | {0.0})),
            values=tuple(number(0.001, 2) for _ in sorted({*marks} | {0})),
            between=draw(st.sampled_from(["linear", "log", "hold"])),
        ),
    ]
    return draw(st.sampled_from(makers))()


def _curves() -> SearchStrategy[str]:
    from hypothesis import strategies as st

    return st.sampled_from(["cosine", "polynomial"])


def _composed(inner: SearchStrategy[es.Schedule]) -> SearchStrategy[es.Schedule]:
    from hypothesis import strategies as st

    # not so small that a floor above 0 rounds to 0, which a geometric fall would never reach
    factors = st.just(0.0) | st.floats(1e-3, 2)
    stretches = st.tuples(inner, st.floats(0, 0.99), st.integers(0, 40)).map(
        lambda t: es.Stretch(part=t[0], start=int(t[1] * t[0].steps), length=t[0].steps + t[2])
    )
    return (
        st.tuples(inner, inner).map(lambda pair: pair[0] >> pair[1])
        | st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1])
        | st.tuples(inner, factors).map(lambda pair: pair[0] * pair[1])
        | st.tuples(inner, st.floats(0, 0.5), st.floats(0.5, 3)).map(
            lambda t: t[0].clip(t[1], t[2])
        )
        | st.tuples(inner, st.integers(1, 4)).map(lambda pair: pair[0].repeat(pair[1]))
        | st.tuples(inner, st.integers(-10, 30)).map(
            lambda pair: pair[0].shift(max(pair[1], 1 - pair[0].steps))
        )
        | st.tuples(inner, st.floats(0.1, 1)).map(
            lambda pair: es.Cut(part=pair[0], length=max(int(pair[1] * pair[0].steps), 1))
        )
        | stretches
    )


def _hold(condition: bool, law: str, schedule: es.Schedule) -> None:
    if not condition:
        raise AssertionError(f"the law “{law}” does not hold for {schedule!r}")
