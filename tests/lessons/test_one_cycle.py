"""1cycle: driven as `etastar.attach` drives it, and raced on the same footing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import etastar
from etastar.engine import Observer, Sequential
from etastar.errors import InputError
from etastar.lessons.one_cycle import RISE, TIMES, cycle, falling, race
from etastar.lessons.schedules.followed import follow
from etastar.records.lessons import Arm, OneCycleLesson
from etastar.tasks import Task, load_task
from etastar.training.live import living

QUIET = Observer()


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("digits-mlp").with_steps(96)


@pytest.fixture(scope="module")
def lesson(task: Task) -> OneCycleLesson:
    return race(task, searching=[0], judging=[1, 2, 3], observer=QUIET)


@pytest.mark.parametrize("name", ["digits-mlp", "digits-cnn"])  # momentum, and beta1
def test_the_cycle_is_the_one_that_attach_drives(name: str) -> None:
    task, shape = load_task(name), cycle(20)
    momentum = shape.momentum()
    key = "momentum" if name == "digits-mlp" else "beta1"
    cycled = replace(task, other_schedules={key: momentum})
    (run,) = follow(cycled, 0.05, [3], shape, observer=QUIET)
    losses: list[float] = []
    held: list[float] = []
    with living(task) as live:
        live.begin(3)
        (optimizer,) = live.optimizers
        driver = etastar.attach(optimizer, lr=shape.scale(0.05), momentum=momentum)
        for _ in range(shape.steps):
            group = optimizer.param_groups[0]
            held.append(group["momentum"] if key == "momentum" else group["betas"][0])
            images, digits = live.parts.draw(1)[0]
            loss = task.criterion(live.model(images), digits)  # pyright: ignore[reportOptionalCall]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            driver.step()
            losses.append(loss.item())
        final = live.evaluate()
    assert held == pytest.approx(list(momentum(np.arange(20))))
    assert run.trial.curve.losses == pytest.approx(np.array(losses), rel=1e-5)
    assert run.final == pytest.approx(final, rel=1e-5)


def test_momentum_changes_the_run_and_is_put_back(task: Task) -> None:
    shape = cycle(24)
    made = replace(task, other_schedules={"momentum": shape.momentum()})
    (cycled,) = follow(made, 0.1, [0], shape, observer=QUIET)
    (steady,) = follow(task, 0.1, [0], shape, observer=QUIET)
    assert cycled.final != steady.final
    (trial,) = Sequential().train(task, [0.1], [0], 24, schedule=shape)
    assert steady.final == trial.final_loss


def test_the_cycle_goes_up_down_and_far_below_its_start() -> None:
    shape = cycle(100)
    assert shape.peak_step == RISE * 100
    assert shape(shape.peak_step) == 1.0
    assert shape(0) == pytest.approx(shape(2 * shape.peak_step))
    assert shape(100) == pytest.approx(shape(0) / 10_000)
    assert shape.momentum()(shape.peak_step) == 0.85


def test_the_long_run_is_the_tasks_own_and_the_cycle_a_share_of_it(
    lesson: OneCycleLesson,
) -> None:
    assert lesson.long.steps == 96
    assert lesson.short.steps == lesson.same.steps == 96 // TIMES
    assert lesson.times == TIMES
    assert [arm.arm for arm in lesson.arms] == [
        "one_cycle",
        "steady_momentum",
        "step_short",
        "step_long",
    ]
    assert not set(lesson.searching) & set(lesson.judging)


def test_every_rate_was_best_in_its_search(lesson: OneCycleLesson) -> None:
    for arm in lesson.arms:
        place = list(arm.lrs).index(arm.lr)
        assert arm.scores[place] == np.min(arm.scores)
        assert arm.schedule.maximum == pytest.approx(arm.lr)


def test_steps_to_the_rival_are_read_off_the_runs(lesson: OneCycleLesson, task: Task) -> None:
    arm, target = lesson.long, lesson.short.mean
    assert arm.schedule == falling(96).scale(arm.lr)
    looks = [int(step) for step in arm.at]
    runs = follow(task, arm.lr, lesson.judging, falling(96), observer=QUIET, looks=looks)
    for run, reached in zip(runs, arm.reached, strict=True):
        below = [step for step, seen in zip(looks, run.looks, strict=True) if seen <= target]
        assert (np.isnan(reached) and not below) or reached == below[0]
    assert [run.final for run in runs] == pytest.approx(list(arm.finals))


def test_the_loss_before_the_annihilation_is_the_curves(lesson: OneCycleLesson) -> None:
    place = list(lesson.short.at).index(2 * lesson.peak_step)
    assert lesson.before == pytest.approx(lesson.short.losses[place])
    assert lesson.short.losses[-1] == pytest.approx(lesson.short.mean)


def with_finals(lesson: OneCycleLesson, **finals: list[float]) -> OneCycleLesson:
    def changed(arm: Arm) -> Arm:
        values = np.array(finals[arm.arm]) if arm.arm in finals else arm.finals
        return arm.model_copy(update={"finals": values})

    return lesson.model_copy(update={"arms": tuple(changed(arm) for arm in lesson.arms)})


@pytest.mark.parametrize(
    ("long", "verdict", "said"),
    [
        ([1.2, 2.2, 3.21], "lower", "below the"),
        ([0.8, 2.5, 2.9], "alike", "cannot tell the two apart"),
        ([0.8, 1.8, 2.81], "higher", "above the"),
        ([0.1, np.inf, 0.1], "lower", "1 of 3 runs broke"),
    ],
)
def test_the_verdict_follows_the_pairs(
    lesson: OneCycleLesson, long: list[float], verdict: str, said: str
) -> None:
    made = with_finals(lesson, one_cycle=[1.0, 2.0, 3.0], step_long=long)
    assert made.against(made.long) == verdict
    assert said in str(made).replace("\n", " ")


def test_without_momentum_only_the_rate_is_cycled(task: Task) -> None:
    import torch

    plain = replace(task, optimizer=lambda params: torch.optim.SGD(params, lr=0.1))
    made = race(plain, searching=[0], judging=[1], observer=QUIET)
    assert made.momentum is None
    assert made.short.momentum is None
    assert made.arm("steady_momentum") is None
    assert made.plot("cycle") is not None
    assert len(made.plot("cycle").axes) == 2


def test_a_run_too_short_is_refused() -> None:
    with pytest.raises(InputError, match="a cycle of 10 has no phases"):
        etastar.explain("one-cycle", task=load_task("digits-mlp").with_steps(40))
