"""The Ray engine: the contract, and what distance adds to it: dead workers, parts that cannot
travel, errors from far away."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.engine.test_sequential import loader, table
from tests.tasks.parts import linear, pairs, sgd, task
from torch import nn

import etastar as es
from etastar.engine import Observer, Sequential, Work
from etastar.engine.ray_engine import RayEngine
from etastar.engine.ray_engine import engine as ray_engine
from etastar.engine.ray_engine.cluster import start_here
from etastar.engine.ray_engine.worker import PAUSE, Parcel
from etastar.errors import (
    InputError,
    MissingDependencyError,
    TaskError,
    TaskFailedError,
    WorkerLostError,
)
from etastar.records import Trial
from etastar.schedules import OneCycle
from etastar.tasks import Task, load_task
from etastar.testing.engines import EngineContract

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module", autouse=True)
def _ray() -> Iterator[None]:
    """One Ray of the caller's own for all tests of a process: engines use it and leave it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of a Ray that did not start in time
        start_here(ray, num_cpus=2, log_to_driver=False, logging_level=logging.ERROR)
        gc.collect()
    yield
    assert ray.is_initialized()
    ray.shutdown()


class TestRay(EngineContract):
    def engine(self) -> RayEngine:
        return RayEngine()


class Heard(Observer):
    """All that is told, in order."""

    def __init__(self) -> None:
        self.started: list[tuple[float, int]] = []
        self.steps: list[tuple[float, int, float]] = []
        self.ended: list[Trial] = []
        self.stages: list[str] = []

    def stage(self, name: str, lrs: Sequence[float], steps: int) -> None:
        self.stages.append(name)

    def trial_started(self, lr: float, seed: int, steps: int) -> None:
        self.started.append((lr, seed))

    def stepped(self, lr: float, step: int, loss: float) -> None:
        self.steps.append((lr, step, loss))

    def trial_ended(self, trial: Trial) -> None:
        self.ended.append(trial)


def at_step(wanted: int, act: Callable[[], object]) -> Callable[..., torch.Tensor]:
    """A loss that does something in the middle of every trial."""
    calls = [0]

    def loss(model: nn.Module, batch: Any) -> torch.Tensor:
        calls[0] += 1
        if calls[0] == wanted + 1:
            act()
        return nn.functional.mse_loss(model(batch[0]), batch[1])

    return loss


# --- workers that die -------------------------------------------------------------------------


def dying(marks: Path, times: int) -> Callable[[], None]:
    """Kills the process that calls it, after it has had time to tell of the steps before."""
    main = os.getpid()

    def die() -> None:
        mark = marks / f"death-{len(list(marks.glob('death-*')))}"
        if os.getpid() != main and len(list(marks.glob("death-*"))) < times:
            time.sleep(2 * PAUSE)
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    return die


def slowly(loss: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def slow(model: nn.Module, batch: Any) -> torch.Tensor:
        time.sleep(PAUSE / 2)
        return loss(model, batch)

    return slow


def test_a_killed_worker_costs_one_retry_and_changes_nothing(tmp_path: Path) -> None:
    made = task(criterion=None, loss=slowly(at_step(4, dying(tmp_path, times=1))))
    undisturbed = Sequential().train(made, [0.1], [3], 6)
    made = task(criterion=None, loss=slowly(at_step(4, dying(tmp_path, times=1))))
    heard, asked = Heard(), list[int]()

    def lost(losses: Sequence[float], steps: int) -> bool:
        asked.append(len(losses))
        return False

    trials = RayEngine(retries=1).train(made, [0.1], [3], 6, observer=heard, lost=lost)
    assert len(list(tmp_path.glob("death-*"))) == 1
    assert table(trials) == table(undisturbed)
    assert heard.started == [(0.1, 3)]
    losses = undisturbed[0].curve.losses.tolist()
    assert heard.steps == [(0.1, step, loss) for step, loss in enumerate(losses)]
    assert heard.ended == trials
    assert asked == [1, 2, 3, 4, 5, 6]


def test_a_trial_that_loses_every_worker_is_given_up_in_words(tmp_path: Path) -> None:
    made = task(criterion=None, loss=at_step(2, dying(tmp_path, times=9)))
    with pytest.raises(WorkerLostError, match=r"rate 0.1, seed 0, lost its worker 2 times"):
        RayEngine(retries=1).train(made, [0.1], [0], 6)
    assert len(list(tmp_path.glob("death-*"))) == 2


# --- trials side by side ----------------------------------------------------------------------


def test_trials_run_side_by_side(tmp_path: Path) -> None:
    """Each waits for the other, so neither could end alone."""

    def meet() -> None:
        (tmp_path / str(os.getpid())).touch()
        until = time.monotonic() + 200
        while len(list(tmp_path.iterdir())) < 2:
            assert time.monotonic() < until
            time.sleep(0.01)

    made = task(criterion=None, loss=at_step(1, meet))
    trials = RayEngine().train(made, [0.05, 0.1], [0], 3)
    assert [trial.status for trial in trials] == ["finished", "finished"]
    assert len(list(tmp_path.iterdir())) == 2


def test_works_of_several_settings_run_side_by_side(tmp_path: Path) -> None:
    """One rate each, as random search draws them; and the numbers are those of one by one."""
    main = os.getpid()

    def meet() -> None:
        """Wait for the other trial: alone, it would wait for good."""
        if os.getpid() == main:
            return
        (tmp_path / f"{os.getpid()}").touch()
        due = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) < 2:
            assert time.monotonic() < due, "nobody came"
            time.sleep(0.01)

    made = task(criterion=None, loss=at_step(2, meet))
    works = [
        Work(made, [lr], [0], steps, settings={"momentum": momentum})
        for momentum, lr, steps in ((0.5, 0.1, 5), (0.9, 0.05, 6))
    ]
    heard = Heard()
    trained = RayEngine(cpus=1).train_all(works, observer=heard)
    alone = [Sequential().train(w.tuned, w.lrs, w.seeds, w.steps) for w in works]
    assert [table(trials) for trials in trained] == [table(trials) for trials in alone]
    assert [trials[0].settings for trials in trained] == [{"momentum": 0.5}, {"momentum": 0.9}]
    assert heard.stages == ["trials"]
    assert sorted(heard.started) == [(0.05, 0), (0.1, 0)]
    assert RayEngine().train_all([]) == []


def test_a_task_is_sent_once_whatever_settings_its_works_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    packed: list[Task] = []

    def noted(task: Task, *rest: Any, **more: Any) -> Parcel:
        packed.append(task)
        return Parcel.of(task, *rest, **more)

    monkeypatch.setattr(ray_engine, "Parcel", SimpleNamespace(of=noted))
    one, other = task(), task()
    works = [Work(one, [0.1], [0], 3, settings={"momentum": 0.1 * k}) for k in range(3)]
    trained = RayEngine().train_all([*works, Work(other, [0.1], [0], 3)])
    assert packed == [one, other]
    momenta = [trial.settings.get("momentum") for (trial,) in trained]
    assert momenta == [0.0, 0.1, 0.2, None]


def test_lost_trials_are_those_that_the_sequential_engine_stops() -> None:
    def lost(losses: Sequence[float], steps: int) -> bool:
        return len(losses) >= 3 and losses[-1] > 0.5 * losses[0]

    made = task(valid=pairs(1))
    lrs, seeds = [1e-4, 0.02, 0.1, 1e20], [0, 1]
    expected = Sequential().train(made, lrs, seeds, 40, lost=lost)
    assert {trial.status for trial in expected} == {"finished", "stopped", "diverged"}
    assert table(RayEngine().train(made, lrs, seeds, 40, lost=lost)) == table(expected)


def test_a_trial_that_is_stopped_is_interrupted(tmp_path: Path) -> None:
    """And its worker trains the next."""

    def loss(model: nn.Module, batch: Any) -> torch.Tensor:
        with (tmp_path / "steps").open("a") as file:
            file.write(".")
        time.sleep(PAUSE)
        return nn.functional.mse_loss(model(batch[0]), batch[1])

    made = task(criterion=None, loss=loss, steps=2000)
    trials = RayEngine(cpus=2).train(
        made, [0.1, 0.05], [0], 2000, lost=lambda losses, steps: len(losses) == 3
    )
    assert [(trial.status, len(trial.curve)) for trial in trials] == [("stopped", 3)] * 2
    assert (tmp_path / "steps").stat().st_size < 2000


# --- what travels, and what does not ----------------------------------------------------------


def test_settings_of_torch_travel() -> None:
    x = torch.randn(4, 100_000, dtype=torch.float64)

    def loss(model: nn.Module, batch: Any) -> torch.Tensor:
        settings = torch.get_num_threads() + torch.are_deterministic_algorithms_enabled()
        return model(batch).square().mean() + settings

    made = task(
        criterion=None,
        loss=loss,
        model=lambda: nn.Linear(100_000, 1),
        optimizer=lambda params: torch.optim.SGD(params, lr=1e-6),
        train=[x],
    )
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    try:
        expected = table(Sequential().train(made, [1e-6], [0], 3))
        assert table(RayEngine().train(made, [1e-6], [0], 3)) == expected
        assert expected[0].curve.losses[0] > 3
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # fork, Python 3.12
@pytest.mark.parametrize("workers", [0, 1])
def test_loaders_shuffle_there_as_here(workers: int) -> None:
    made = task(train=loader(workers, own_generator=bool(workers)), valid=loader(0, False))
    expected = table(Sequential().train(made, [0.05], [0, 1], 7))
    assert table(RayEngine().train(made, [0.05], [0, 1], 7)) == expected


def test_a_users_model_and_warm_optimizer_train_there_as_here() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.3), nn.Linear(4, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    for x, y in pairs(3):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    made = task(model=model, optimizer=optimizer, valid=pairs(1)).with_settings({"beta1": 0.8})
    expected = table(Sequential().train(made, [0.01, 0.1], [0, 1], 7))
    assert expected[0].settings == {"beta1": 0.8}
    assert table(RayEngine().train(made, [0.01, 0.1], [0, 1], 7)) == expected


NAMED = """
import threading, torch, etastar as es
model = torch.nn.Linear(3, 1)  # other weights at every load
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
def locked(lock):
    def loss(model, batch):
        with lock:
            return model(batch).square().mean()
    return loss
generator = torch.Generator().manual_seed(0)
train = [torch.randn(8, 3, generator=generator) for _ in range(3)]
task = es.Task(model, optimizer, locked(threading.Lock()), train, steps=5)
"""


def test_what_cannot_travel_is_loaded_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine.py").write_text(NAMED)
    monkeypatch.chdir(tmp_path)
    made = load_task("mine.py:task").with_settings({"dampening": 0.5}).with_steps(4)
    made = replace(made, other_schedules={"momentum": OneCycle(steps=9).momentum()})
    expected = table(Sequential().train(made, [0.1, 0.01], [0, 1], 4))
    with pytest.raises(TaskError, match=r"loss .* cannot be sent to Ray's workers"):
        RayEngine().train(made, [0.1], [0], 4)
    engine = RayEngine(task="mine.py:task")
    monkeypatch.chdir("/")
    assert table(engine.train(made, [0.1, 0.01], [0, 1], 4)) == expected


# --- errors from far away ---------------------------------------------------------------------


class TheirsError(Exception):
    """Takes other arguments than it hands on, and holds what cannot travel."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def raising(error: Callable[[], BaseException]) -> Callable[..., torch.Tensor]:
    def act() -> None:
        raise error()

    return at_step(2, act)


class FineError(Exception):
    """Travels as it is."""


def test_the_tasks_own_class_of_error_arrives() -> None:
    made = task(criterion=None, loss=raising(lambda: FineError("of mine")))
    with pytest.raises(TaskFailedError, match=r"FineError at step 2, .*: of mine") as told:
        RayEngine().train(made, [0.1], [0], 5)
    assert type(told.value.__cause__) is FineError
    assert "in loss" in "".join(told.value.__cause__.__notes__)


def test_an_error_that_cannot_travel_arrives_in_words() -> None:
    made = task(criterion=None, loss=raising(lambda: TheirsError(1, 2)))
    with pytest.raises(TaskFailedError, match="TheirsError at step 2") as told:
        RayEngine().train(made, [0.1], [0], 5)
    assert str(told.value.__cause__) == "TheirsError: 1 and 2"


def test_the_first_in_order_that_fails_is_told_and_those_before_it_end() -> None:
    def loss(model: nn.Module, batch: Any) -> torch.Tensor:
        if torch.initial_seed() in (2, 3):
            raise FineError(str(torch.initial_seed()))
        time.sleep(0.05)
        return model(batch[0]).square().mean()

    heard = Heard()
    made = task(criterion=None, loss=loss)
    with pytest.raises(TaskFailedError) as told:
        RayEngine().train(made, [0.1], [0, 1, 2, 3, 4], 5, observer=heard)
    assert str(told.value.__cause__) == "2"
    assert {0, 1} <= {trial.seed for trial in heard.ended} <= {0, 1, 4}


def test_an_observer_that_raises_ends_the_trials() -> None:
    class Tired(Observer):
        def stepped(self, lr: float, step: int, loss: float) -> None:
            raise LookupError("enough")

    made = task(criterion=None, loss=slowly(at_step(4, lambda: time.sleep(600))))
    with pytest.raises(LookupError, match="enough"):
        RayEngine().train(made, [0.1, 0.05], [0], 6, observer=Tired())
    # the timeout of a test is below 600 seconds, and both CPUs are needed for this one
    assert RayEngine(cpus=2).train(task(), [0.1], [0], 2)[0].status == "finished"


# --- refused before anything runs -------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cpus": 64}, "needs cpus=64 and gpus=0, but the largest machine that Ray has offers 2"),
        ({"gpus": 0.5}, "gpus=0.5, but the largest machine that Ray has offers 2 and 0"),
        ({"address": "10.1.2.3:6379"}, "is connected to Ray at"),
    ],
    ids=str,
)
def test_resources_nobody_has_are_refused(options: dict[str, Any], words: str) -> None:
    calls = list[None]()
    made = task(model=lambda: calls.append(None) or linear())
    with pytest.raises(InputError, match=words):
        RayEngine(**options).train(made, [0.1], [0], 5)
    assert not calls


@pytest.mark.parametrize(
    "options",
    [
        {"cpus": -1},
        {"cpus": 1.5},
        {"cpus": 0},
        {"gpus": float("nan")},
        {"gpus": 2.5},
        {"gpus": 1e-9},
        {"cpus": "2"},
        {"gpus": None},
        {"retries": None},
        {"retries": float("inf")},
        {"retries": -1},
        {"retries": 0.5},
    ],
    ids=str,
)
def test_numbers_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(
        InputError, match=r"pass a|whole ones only|reserve something|0.0001 at least"
    ):
        RayEngine(**options)


def test_a_task_on_a_gpu_needs_one() -> None:
    made = es.Task(linear, sgd, train=pairs(), criterion=nn.MSELoss(), steps=5, device="cuda:1")
    with pytest.raises(InputError, match=r"on cuda:1 but its trials get no GPU: pass RayEngine"):
        RayEngine().train(made, [0.1], [0], 5)


def test_without_ray_one_sentence_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "etastar\[ray\]"'):
        RayEngine()
