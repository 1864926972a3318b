"""The recorded engine: the contract of engines, and that nothing known is trained again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from tests.tasks.parts import task as line_task

from etastar.engine import Observer, Recorded, Sequential, Work, train_all
from etastar.engine.contract import train_in_turn
from etastar.errors import TaskFailedError
from etastar.records import Trial
from etastar.schedules import Constant
from etastar.testing.engine_tasks import Points, net
from etastar.testing.engines import STEPS, EngineContract

Key = tuple[str, int, int, str, tuple[tuple[str, float], ...]]


class Remembered:
    """A memory in a dictionary."""

    def __init__(self) -> None:
        self.trials: dict[Key, Trial] = {}

    def get(
        self, lr: float, seed: int, steps: int, shape: str, settings: Mapping[str, float]
    ) -> Trial | None:
        return self.trials.get((repr(lr), seed, steps, shape, tuple(sorted(settings.items()))))

    def add(self, trial: Trial) -> None:
        settings = tuple(sorted(trial.settings.items()))
        key = (repr(trial.lr), trial.seed, trial.steps, trial.shape, settings)
        self.trials[key] = trial


class Counting(Sequential):
    """Notes what it is asked to train."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[float], list[int]]] = []

    def train(self, task: Any, lrs: Any, seeds: Any, *args: Any, **options: Any) -> list[Trial]:
        self.asked.append((list(lrs), list(seeds)))
        return super().train(task, lrs, seeds, *args, **options)


class Together(Counting):
    """Notes what it is asked to train side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def train_all(
        self, works: Sequence[Work], *, observer: Observer | None = None
    ) -> list[list[Trial]]:
        self.calls += 1
        return train_in_turn(self, works, observer=observer)


class Heard(Observer):
    def __init__(self) -> None:
        self.said: list[Any] = []

    def stage(self, name: str, lrs: Sequence[float], steps: int) -> None:
        self.said.append(("stage", name))

    def trial_started(self, lr: float, seed: int, steps: int) -> None:
        self.said.append(("started", lr, seed))

    def trial_ended(self, trial: Trial) -> None:
        self.said.append(("ended", trial.lr, trial.seed))


class TestRecorded(EngineContract):
    """Fresh: all is trained."""

    def engine(self) -> Recorded:
        return Recorded(Sequential(), Remembered())


@pytest.fixture
def task() -> Any:
    return EngineContract().task()


@pytest.fixture
def memory() -> Remembered:
    return Remembered()


@pytest.fixture
def counting() -> Counting:
    return Counting()


def test_only_what_is_missing_is_trained(task: Any, memory: Remembered, counting: Counting) -> None:
    engine = Recorded(counting, memory)
    first = engine.train(task, [0.1, 0.3], [0], STEPS)
    grown = engine.train(task, [0.02, 0.1, 0.3], [0, 1], STEPS)
    assert counting.asked == [([0.1, 0.3], [0]), ([0.02], [0, 1]), ([0.1, 0.3], [1])]
    assert [grown[2], grown[4]] == first
    alone = Sequential().train(task, [0.02, 0.1, 0.3], [0, 1], STEPS)
    assert [t.curve for t in grown] == [t.curve for t in alone]
    assert [(t.lr, t.seed) for t in grown] == [(t.lr, t.seed) for t in alone]
    assert len(memory.trials) == 6


def test_a_rate_given_twice_is_trained_once(
    task: Any, memory: Remembered, counting: Counting
) -> None:
    one, two = Recorded(counting, memory).train(task, [0.1, 0.1], [0], STEPS)
    assert one is two
    assert counting.asked == [([0.1], [0])]


def works(task: Any) -> list[Work]:
    half = {"momentum": 0.5}
    return [
        Work(task, [0.1, 0.3], [0], STEPS, name="none"),
        Work(task, [0.1], [0, 1], STEPS, name="half", settings=half),
        Work(task, [0.02, 0.1], [1], STEPS, name="half, one seed", settings=half),
    ]


@pytest.mark.parametrize("kind", [Counting, Together])
def test_several_works_are_each_trained_as_if_alone(
    task: Any, memory: Remembered, kind: type[Counting]
) -> None:
    """What one work has is not trained for another again, whichever way the engine takes."""
    engine = kind()
    trained = train_all(Recorded(engine, memory), works(task))
    alone = [Sequential().train(w.tuned, w.lrs, w.seeds, w.steps) for w in works(task)]
    assert [[(t.lr, t.seed, t.curve) for t in trials] for trials in trained] == [
        [(t.lr, t.seed, t.curve) for t in trials] for trials in alone
    ]
    assert engine.asked == [([0.1, 0.3], [0]), ([0.1], [0, 1]), ([0.02], [1])]
    assert len(memory.trials) == 5
    assert getattr(engine, "calls", 1) == 1
    again = kind()
    assert train_all(Recorded(again, memory), works(task)) == trained
    assert again.asked == []


def test_works_trained_in_turn_are_stages_of_their_own(task: Any, memory: Remembered) -> None:
    heard = Heard()
    train_all(Recorded(Sequential(), memory), works(task)[:2], observer=heard)
    assert heard.said == [
        ("stage", "none"),
        *[(what, lr, 0) for lr in (0.1, 0.3) for what in ("started", "ended")],
        ("stage", "half"),
        *[(what, 0.1, seed) for seed in (0, 1) for what in ("started", "ended")],
    ]


@pytest.mark.parametrize("changes", ["rate", "seed", "steps", "schedule", "settings"])
def test_a_trial_of_other_terms_is_no_answer(
    task: Any, memory: Remembered, counting: Counting, changes: str
) -> None:
    engine = Recorded(counting, memory)
    engine.train(task, [0.1], [0], STEPS)
    lr = math.nextafter(0.1, 1) if changes == "rate" else 0.1
    steps = STEPS - 1 if changes == "steps" else STEPS
    other = task.with_settings({"momentum": 0.5}) if changes == "settings" else task
    shape = Constant(steps=STEPS) if changes == "schedule" else None
    engine.train(other, [lr], [int(changes == "seed")], steps, schedule=shape)
    assert len(counting.asked) == 2
    assert len(memory.trials) == 2


def test_observers_hear_of_what_is_answered(task: Any, memory: Remembered) -> None:
    engine = Recorded(Sequential(), memory)
    engine.train(task, [0.1], [0], STEPS)
    heard = Heard()
    engine.train(task, [0.3, 0.1], [0], STEPS, observer=heard)
    assert heard.said == [
        ("started", 0.1, 0),
        ("ended", 0.1, 0),
        ("started", 0.3, 0),
        ("ended", 0.3, 0),
    ]


def test_a_diverged_trial_is_answered(memory: Remembered, counting: Counting) -> None:
    engine = Recorded(counting, memory)
    one, two = (engine.train(line_task(), [1e6], [0], 50)[0] for _ in range(2))
    assert one is two
    assert one.status == "diverged"
    assert len(counting.asked) == 1


def after(count: int) -> Any:
    def lost(losses: Sequence[float], horizon: int) -> bool:
        assert horizon == STEPS
        return len(losses) == count

    return lost


@pytest.mark.parametrize(("second", "trained"), [(3, 1), (2, 2), (5, 2), (None, 2)])
def test_a_stopped_trial_is_answered_where_it_would_be_stopped_again(
    task: Any, memory: Remembered, counting: Counting, second: int | None, trained: int
) -> None:
    engine = Recorded(counting, memory)
    (stopped,) = engine.train(task, [0.1], [0], STEPS, lost=after(3))
    assert (stopped.status, len(stopped.curve)) == ("stopped", 3)
    lost = None if second is None else after(second)
    (again,) = engine.train(task, [0.1], [0], STEPS, lost=lost)
    assert len(counting.asked) == trained
    assert len(again.curve) == (second or STEPS)


def test_a_finished_trial_is_answered_where_it_would_have_been_stopped(
    task: Any, memory: Remembered, counting: Counting
) -> None:
    engine = Recorded(counting, memory)
    (finished,) = engine.train(task, [0.1], [0], STEPS)
    assert engine.train(task, [0.1], [0], STEPS, lost=after(2)) == [finished]
    assert len(counting.asked) == 1


def test_what_ended_before_a_failure_is_kept(memory: Remembered, counting: Counting) -> None:
    calls: list[int] = []

    def fails_in_the_second(model: Any, batch: Any) -> Any:
        calls.append(1)
        if len(calls) == STEPS + 3:
            raise LookupError("the disk is gone")
        return ((model(batch[0]) - batch[1]) ** 2).mean()

    task = EngineContract().task(
        loss=fails_in_the_second, criterion=None, model=net, train=Points(), valid=None
    )
    engine = Recorded(counting, memory)
    with pytest.raises(TaskFailedError, match="the disk is gone"):
        engine.train(task, [0.1, 0.3], [0], STEPS)
    assert [trial.lr for trial in memory.trials.values()] == [0.1]
    engine.train(task, [0.1, 0.3], [0], STEPS)
    assert counting.asked[1] == ([0.3], [0])
