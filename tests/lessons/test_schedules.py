"""Schedules side by side: on the same footing, each at a rate that is best for it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import etastar
from etastar.engine import Observer, Sequential
from etastar.errors import InputError, RecordError
from etastar.lessons.schedules import compare
from etastar.lessons.schedules.followed import follow, look_steps, momentum_name
from etastar.lessons.schedules.search import search
from etastar.lessons.schedules.shapes import shapes
from etastar.records.lessons import Scheduled, Schedules
from etastar.tasks import Task, load_task

QUIET = Observer()


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("digits-mlp").with_steps(48)


@pytest.fixture(scope="module")
def lesson(task: Task) -> Schedules:
    return compare(task, searching=[0], judging=[1, 2, 3], observer=QUIET)


def test_all_seven_are_run_and_none_judges_with_a_seed_that_chose(lesson: Schedules) -> None:
    assert [run.family for run in lesson.runs] == list(shapes(48))
    assert not set(lesson.searching) & set(lesson.judging)
    assert lesson.held_out
    assert all(len(run.finals) == 3 for run in lesson.runs)


def test_every_rate_has_worse_ones_on_both_sides(lesson: Schedules) -> None:
    for run in lesson.runs:
        place = list(run.lrs).index(run.lr)
        assert 0 < place < len(run.lrs) - 1, run.family
        assert run.scores[place] == run.scores.min()
        assert run.schedule.maximum == pytest.approx(run.lr)
    assert len({run.lr for run in lesson.runs}) > 1


def test_the_search_costs_what_it_says(lesson: Schedules) -> None:
    trained = sum(len(run.lrs) for run in lesson.runs) * len(lesson.searching)
    assert trained < lesson.searched < trained + 1  # and a quick find


def test_final_losses_are_those_of_the_engine(lesson: Schedules, task: Task) -> None:
    run = lesson.runs[4]
    shape = run.schedule.scale(1 / run.lr)
    trials = Sequential().train(task, [run.lr], lesson.judging, 48, schedule=shape)
    assert [trial.final_loss for trial in trials] == pytest.approx(list(run.finals), rel=1e-6)
    assert run.losses[-1] == pytest.approx(run.mean)  # the last look is the end
    assert np.all(run.lowest <= run.losses)
    assert np.all(run.losses <= run.highest)


def test_looking_changes_nothing(task: Task) -> None:
    shape = shapes(48)["cosine"]
    (seen,) = follow(task, 0.1, [0], shape, observer=QUIET, looks=look_steps(48))
    (unseen,) = follow(task, 0.1, [0], shape, observer=QUIET)
    assert np.array_equal(seen.trial.curve.losses, unseen.trial.curve.losses)
    assert seen.final == unseen.final == seen.looks[-1]
    assert len(unseen.looks) == 0


def test_a_run_that_breaks_is_infinite_and_the_search_comes_back(task: Task) -> None:
    shape = shapes(48)["constant"]
    (broken,) = follow(task, 1e30, [0], shape, observer=QUIET, looks=[1, 2, 24, 48])
    assert broken.final == math.inf
    assert math.isfinite(broken.looks[0]) or broken.looks[0] == math.inf
    assert list(broken.looks[2:]) == [math.inf, math.inf]
    found = search(task, shape, 4.0, [0], observer=QUIET)
    assert 0.02 < found.lr < 1.0  # from a plain of dead networks, where no side is downhill
    assert found.best == min(found.scores) < 1.0


def test_without_held_out_data_a_look_is_the_training_loss_since_the_last(task: Task) -> None:
    blind = replace(task, valid=None)
    (run,) = follow(blind, 0.1, [0], shapes(48)["step"], observer=QUIET, looks=[10, 48])
    losses = run.trial.curve.losses
    assert list(run.looks) == pytest.approx([losses[:10].mean(), losses[10:].mean()])


def test_momentum_is_found_by_its_name() -> None:
    assert momentum_name(load_task("digits-mlp")) == "momentum"
    assert momentum_name(load_task("digits-cnn")) == "beta1"
    assert momentum_name(load_task("line")) is None


def scheduled(family: str, finals: list[float]) -> Scheduled:
    return Scheduled(
        family=family,  # pyright: ignore[reportArgumentType]
        schedule=shapes(10)["cosine"],
        lrs=np.array([1.0]),
        scores=np.array([0.5]),
        lr=1.0,
        finals=np.array(finals),
        lowest=np.array([1.0]),
        losses=np.array([1.0]),
        highest=np.array([1.0]),
    )


def held(*runs: Scheduled) -> Schedules:
    return Schedules(
        task="t",
        steps=10,
        held_out=True,
        at=np.array([10.0]),
        guess=None,
        searching=(0,),
        judging=tuple(range(1, 1 + len(runs[0].finals))),
        searched=1.0,
        runs=runs,
        seconds=0.0,
        environment={},
    )


def test_a_gain_is_clear_only_beyond_what_the_pairs_scatter() -> None:
    lesson = held(
        scheduled("constant", [1.0, 2.0, 3.0]),
        scheduled("cosine", [0.9, 1.91, 2.89]),  # far apart between seeds, steady in pairs
        scheduled("step", [0.4, 2.5, 2.7]),  # lower on average, by one lucky seed
        scheduled("wsd", [0.1, math.inf, 0.1]),
    )
    constant, cosine, step, wsd = lesson.runs
    gain, width = lesson.gain(cosine)
    assert gain == pytest.approx(0.1, abs=1e-3)
    assert 0.02 < width < 0.03  # t of 2 degrees of freedom: 4.30 × 0.01 / √3
    assert lesson.clear(cosine)
    assert step.mean < constant.mean
    assert not lesson.clear(step)
    assert not lesson.clear(wsd)
    assert wsd.broken == 1
    assert lesson.best is step
    assert "1 of 3 runs broke" in str(lesson)


def test_a_record_without_its_reference_is_refused() -> None:
    with pytest.raises((RecordError, ValueError), match="comes first"):
        held(scheduled("cosine", [1.0]))


def test_a_run_too_short_is_refused() -> None:
    with pytest.raises(InputError, match="trains for 10 steps"):
        etastar.explain("schedules", task=load_task("digits-mlp").with_steps(10))
