"""The laws of schedules, over random families and random compositions."""

import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etastar import schedules as es
from etastar.schedules.base import FAMILIES, Decay, Warmed
from etastar.testing.schedules import check_schedule, schedules

CALM = settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@CALM
@given(schedules(nested=False))
def test_families_obey_the_laws(schedule):
    check_schedule(schedule)


@CALM
@given(schedules())
def test_compositions_obey_the_laws(schedule):
    check_schedule(schedule)


@CALM
@given(schedules(), st.integers(0, 400))
def test_the_future_does_not_depend_on_the_past(schedule, start):
    """Resume at every k: a value is the same whether it is reached, looked up or reloaded."""
    steps = np.arange(start, start + 30)
    whole = schedule(np.arange(start + 30))[start:]
    for resumed in (es.from_json(schedule.to_json()), pickle.loads(pickle.dumps(schedule))):
        assert np.array_equal(whole, resumed(steps))
    assert [resumed(int(step)) for step in steps] == list(whole)


@CALM
@given(schedules(nested=False))
def test_warmed_families_meet_their_peak_exactly(schedule):
    if not isinstance(schedule, Warmed):
        return
    top = max(schedule.warmup_steps - 1, 0)
    values = schedule(np.arange(schedule.steps + 1))
    if not isinstance(schedule, es.StepDecay | es.MultiStep) or top == 0:
        assert values[top] == schedule.peak
    assert np.all(np.diff(values[: top + 1]) > 0) or schedule.peak == 0
    if isinstance(schedule, Decay | es.WarmupStableDecay):
        assert values[-1] == pytest.approx(schedule.floor, rel=1e-12, abs=0)
        assert np.all(np.diff(values[top:]) <= 1e-15 * schedule.peak)


@CALM
@given(schedules(), schedules())
def test_joins_shift_the_clock(before, after):
    joined = before >> after
    assert joined.steps == before.steps + after.steps
    assert np.array_equal(joined(np.arange(before.steps)), before(np.arange(before.steps)))
    later = np.arange(after.steps + 5)
    assert np.array_equal(joined(before.steps + later), after(later))


@CALM
@given(schedules(max_steps=20), schedules(max_steps=20), schedules(max_steps=20))
def test_joins_and_products_are_associative(a, b, c):
    steps = np.arange(a.steps + b.steps + c.steps + 5)
    assert (a >> b) >> c == a >> (b >> c)
    left, right = (a * b) * c, a * (b * c)
    assert np.allclose(left(steps), right(steps), rtol=1e-14, atol=0)


@CALM
@given(schedules(), schedules())
def test_a_join_declared_continuous_is(before, after):
    left, right = before(before.steps), after(0)
    if np.isclose(left, right, rtol=1e-9, atol=0):
        joined = es.join(before, after, continuous=True)
        assert joined(before.steps) == pytest.approx(left, rel=1e-8)
    else:
        with pytest.raises(ValueError, match="jump from"):
            es.join(before, after, continuous=True)


@CALM
@given(schedules(), st.floats(0, 1), st.integers(0, 50))
def test_extending_rewrites_only_the_tail(schedule, share, more):
    at = int(share * (schedule.steps - 1))
    longer = schedule.extend(schedule.steps + more, at=at)
    assert longer.steps == schedule.steps + more
    head = np.arange(at)
    assert np.allclose(longer(head), schedule(head), rtol=1e-12, atol=0)
    assert longer.ceiling <= schedule.ceiling * (1 + 1e-12)


@CALM
@given(schedules(), st.integers(1, 40))
def test_resizing_gives_the_horizon_asked_for(schedule, factor):
    """Miniatures of any length that has room for the phases; here, from as long to 40 times."""
    resized = schedule.resized(schedule.steps * factor)
    assert resized.steps == schedule.steps * factor
    assert np.isfinite(resized(np.arange(resized.steps + 5))).all()


@CALM
@given(schedules(nested=False), st.integers(1, 60))
def test_a_family_fits_into_any_horizon(schedule, steps):
    small = schedule.resized(steps)
    assert small.steps == steps
    assert small.ceiling == pytest.approx(schedule.ceiling, rel=1e-9)


def test_a_parse_of_the_short_form_gives_the_repr_back():
    schedule = es.Cosine(steps=100, peak=0.1, warmup_steps=10)
    assert es.parse(repr(schedule)) == schedule


@CALM
@given(schedules())
def test_the_repr_is_a_short_form(schedule):
    assert es.parse(repr(schedule)) == schedule


def test_every_family_is_drawn():
    """A family left out of the strategy would be held against no law."""
    drawn = set()

    @settings(deadline=None, max_examples=600, database=None, derandomize=True)
    @given(schedules(max_steps=10))
    def collect(schedule):
        todo = [schedule]
        while todo:
            node = todo.pop()
            drawn.add(node.kind)
            todo += getattr(node, "parts", ()) or [p for p in [getattr(node, "part", None)] if p]

    collect()
    ours = {kind for kind, cls in FAMILIES.items() if cls.__module__.startswith("etastar.")}
    assert drawn == {kind for kind in ours if "." not in kind}
