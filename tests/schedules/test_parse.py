"""The short form, and plans in units resolved against a horizon."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etastar import schedules as es
from etastar.errors import ScheduleError
from etastar.schedules.horizon import parse_duration


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        (
            "cosine(peak=1e-3, steps=10000, warmup=500)",
            es.Cosine(steps=10_000, peak=1e-3, warmup_steps=500),
        ),
        ("Cosine(steps=10)", es.Cosine(steps=10)),
        ("time_based(steps=10, decay=1/10)", es.InverseTime(steps=10, decay=0.1)),
        ("multistep(steps=90, milestones=[30, 60])", es.MultiStep(steps=90, milestones=(30, 60))),
        ("constant(steps=5) >> linear(steps=5)", es.Constant(steps=5) >> es.Linear(steps=5)),
        ("0.5 * rex(steps=5)", es.Rex(steps=5, peak=0.5)),
        ("linear(steps=5) * cosine(steps=5)", es.Linear(steps=5) * es.Cosine(steps=5)),
        ("linear(steps=5).repeat(3).clip(low=0.1)", es.Linear(steps=5).repeat(3).clip(0.1)),
        ("linear(steps=9).shift(-2)", es.Linear(steps=9).shift(-2)),
        (
            "torch.StepLR(lr=0.1, step_size=3, steps=9)",
            es.compat.torch.StepLR(lr=0.1, step_size=3, steps=9),
        ),
        (es.Linear(steps=3).to_json(), es.Linear(steps=3)),
    ],
)
def test_the_short_form(text, schedule):
    assert es.parse(text) == schedule


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no schedule"),
        ("cosine", "without fields"),
        ("3", "no schedule"),
        ("cosin(steps=3)", "did you mean 'cosine'"),
        ("cosine(3)", "as field=value"),
        ("cosine(steps=3, warm=1)", "no field 'warm'"),
        ("cosine(steps=3, peak=-1)", "0 ≤ floor ≤ peak"),
        ("cosine(steps=3", "is no schedule"),
        ("__import__('os').system('true')", "nothing a schedule is made of|names no schedule"),
        ("cosine(steps=3).__class__", "nothing a schedule is made of"),
        ("cosine(**{'steps': 3})", "nothing a schedule is made of"),
        ("[cosine(steps=3) for _ in 'a']", "nothing a schedule is made of"),
        ("linear(steps=5).to_json()", "names no schedule"),
        ("linear(steps=5).clip(1, 2, 3, 4)", "nothing a schedule is made of"),
        ("9**9**9", "nothing a schedule is made of"),
        ("(" * 500 + "1" + ")" * 500, "is no schedule"),
        ("-" * 300 + "1", "is no schedule"),
        ("cosine(steps=3) " + "#" * 30_000, "give JSON"),
        ('cosine(steps="3 lightyears")', "as a duration"),
    ],
)
def test_everything_else_is_refused_in_words(text, words):
    with pytest.raises(ScheduleError, match=words):
        es.parse(text)


@settings(deadline=None, max_examples=300)
@given(
    st.text(alphabet="cosine(steps=3,.>*[]{}'\"-1e9 )wd\n\\#@", max_size=40) | st.text(max_size=20)
)
def test_any_text_is_read_or_refused(text):
    try:
        parsed = es.parse(text)
    except ScheduleError as error:
        parsed = str(error)
    assert isinstance(parsed, es.Schedule | es.Plan | str)


def test_a_schedule_is_written_before_the_length_is_known():
    plan = es.parse('cosine(peak=1e-3, warmup="5%")')
    assert isinstance(plan, es.Plan)
    assert plan.on(es.Horizon(steps=1000)) == es.Cosine(steps=1000, peak=1e-3, warmup_steps=50)
    assert plan.on(es.Horizon(epochs=2, steps_per_epoch=40)).steps == 80
    assert plan == es.plan(es.Cosine, peak=1e-3, warmup=es.fraction(0.05))
    assert pickle.loads(pickle.dumps(plan)) == plan


@pytest.mark.parametrize("total", [3, 10, 99, 1001, 12_345])
def test_shares_of_a_join_fill_every_run_exactly(total):
    plan = (
        es.plan("linear_warmup", steps="10%")
        >> es.plan("constant", steps="70%")
        >> es.plan("linear", steps="20%")
    )
    if total >= 10:
        assert plan.on(es.Horizon(steps=total)).steps == total
    thirds = es.plan("constant", steps=es.fraction(1 / 3))
    assert (thirds >> thirds >> thirds).on(es.Horizon(steps=total)).steps == total


def test_units_are_of_the_whole_job():
    horizon = es.Horizon(
        samples=64_000, samples_per_step=64, steps_per_epoch=50, tokens_per_step=2**11
    )
    assert horizon.total == 1000
    plan = es.plan(
        "wsd", steps="20 epochs", warmup=es.samples(3200), decay=es.tokens(200 * 2**11), peak=0.1
    )
    assert plan.on(horizon) == es.WarmupStableDecay(
        steps=1000, warmup_steps=50, decay_steps=200, peak=0.1
    )
    marks = es.plan("multistep", milestones=["5 epochs", "50%"]).on(horizon)
    assert marks == es.MultiStep(steps=1000, milestones=(250, 500))
    every = es.plan("exponential", gamma=0.5, every="2.5 epochs").on(horizon)
    assert every == es.Exponential(steps=1000, gamma=0.5, every_steps=125.0)


def test_plans_compose_like_schedules():
    horizon = es.Horizon(steps=100)
    plan = es.plan("linear", steps="50%")
    half = es.Linear(steps=50)
    assert (es.Constant(steps=5) >> plan).on(horizon) == es.Constant(steps=5) >> half
    assert (plan >> es.Constant(steps=5)).on(horizon) == half >> es.Constant(steps=5)
    assert (plan * es.Constant(steps=5)).on(horizon) == half * es.Constant(steps=5)
    assert plan.clip(0.1).on(horizon) == half.clip(0.1)
    assert plan.repeat(2).on(horizon) == half.repeat(2)
    assert plan.shift("10%").on(horizon) == half.shift(10)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: es.Horizon(), "give the length once"),
        (lambda: es.Horizon(steps=3, epochs=1), "give the length once"),
        (lambda: es.Horizon(steps=0), "1 or more"),
        (lambda: es.Horizon(epochs=3), "add steps_per_epoch"),
        (lambda: es.Horizon(steps=3, samples_per_step=0), "above 0"),
        (
            lambda: es.plan("cosine", warmup="3 epochs").on(es.Horizon(steps=9)),
            "add steps_per_epoch",
        ),
        (lambda: es.plan("cosin"), "known kinds"),
        (lambda: es.epochs(-1), "0 or more"),
        (lambda: parse_duration("5"), "an amount and its unit"),
        (lambda: parse_duration("5 lightyears"), "an amount and its unit"),
    ],
)
def test_units_that_do_not_fit_are_refused(make, words):
    with pytest.raises(ScheduleError, match=words):
        make()
