"""Trainers that share a memory train different trials, wait for the rest, and take over."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from etastar.engine import Observer, Recorded, Sequential, Work, divided
from etastar.engine.auto import Auto
from etastar.engine.vectorized import Vectorized
from etastar.errors import StoreError
from etastar.finder.opening import open_task
from etastar.records import Terms, Trial
from etastar.store import Study, open_store
from etastar.tasks import Task
from etastar.testing.engine_tasks import Points, net

LRS = [0.01 * k for k in range(1, 13)]


@pytest.fixture
def task() -> Task:
    return Task(
        net,
        partial(torch.optim.SGD, lr=0.1),
        train=Points(),
        criterion=nn.functional.mse_loss,
        steps=3,
        name="shared",
    )


@pytest.fixture
def studies(tmp_path: Path, task: Task) -> Iterator[Callable[[], Study]]:
    """Opens the study anew, as another process would."""
    summary = open_task(task, 0).summary
    stores = [open_store(tmp_path / "store.db") for _ in range(4)]
    waiting = iter(stores)

    def study() -> Study:
        return next(waiting).study("shared", summary.fingerprint, summary)

    yield study
    for store in stores:
        store.close()


class Heard(Observer):
    """What trains and what is waited for."""

    def __init__(self) -> None:
        self.stepped_at: set[float] = set()
        self.ended: list[float] = []
        self.waited: list[int] = []

    def stepped(self, lr: float, step: int, loss: float) -> None:
        self.stepped_at.add(lr)

    def trial_ended(self, trial: Trial) -> None:
        self.ended.append(trial.lr)

    def waiting(self, trials: int) -> None:
        self.waited.append(trials)


class InTurn(Sequential):
    """Trains a piece only when it is let to, and notes it."""

    def __init__(self) -> None:
        self.pieces: list[list[float]] = []
        self.begun = threading.Semaphore(0)
        self.let = threading.Semaphore(0)

    def train(self, task: Any, lrs: Any, *args: Any, **options: Any) -> list[Trial]:
        self.pieces.append(list(lrs))
        self.begun.release()
        assert self.let.acquire(timeout=60)
        with _torch:
            return super().train(task, lrs, *args, **options)


_torch = threading.Lock()
"""Training is one process's, whose threads share torch's random numbers."""


def losses(trials: Sequence[Trial]) -> list[tuple[float, float]]:
    return [(trial.lr, trial.final_loss) for trial in trials]


@pytest.mark.parametrize("together", [False, True])
def test_two_train_different_trials_and_both_have_all(
    task: Task, studies: Callable[[], Study], together: bool
) -> None:
    engines, heard = [InTurn(), InTurn()], [Heard(), Heard()]

    def run(place: int) -> list[Trial]:
        recorded = Recorded(engines[place], studies_of[place])
        if together:
            works = [Work(task, [lr], [0], 3, settings={"momentum": 0.5}) for lr in LRS]
            return [t for ts in recorded.train_all(works, observer=heard[place]) for t in ts]
        return recorded.train(task, LRS, [0], 3, observer=heard[place])

    studies_of = [studies(), studies()]
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(run, place) for place in range(2)]
        for engine in engines:  # both have one in hand
            assert engine.begun.acquire(timeout=60)
        for engine in engines:
            for _ in LRS:
                engine.let.release()
        found = [one.result(timeout=60) for one in running]
    trained = Counter(lr for engine in engines for piece in engine.pieces for lr in piece)
    assert trained == Counter(LRS), "each by one of them"
    assert all(engine.pieces for engine in engines)
    tuned = task.with_settings({"momentum": 0.5}) if together else task
    expected = losses(Sequential().train(tuned, LRS, [0], 3))
    assert losses(found[0]) == losses(found[1]) == expected
    for one, engine in zip(heard, engines, strict=True):
        assert one.stepped_at == {lr for piece in engine.pieces for lr in piece}
        assert sorted(one.ended) == LRS, "all of them are heard of, once"


def test_pieces_grow_while_they_are_short(task: Task, studies: Callable[[], Study]) -> None:
    engine = InTurn()
    engine.let.release(100)
    Recorded(engine, studies()).train(task, LRS, [0], 3)
    assert [len(piece) for piece in engine.pieces] == [1, 2, 4, 5]


def test_long_trials_are_taken_one_at_a_time(
    task: Task, studies: Callable[[], Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(divided, "PIECE", 1e-6)
    engine = InTurn()
    engine.let.release(100)
    Recorded(engine, studies()).train(task, LRS[:4], [0], 3)
    assert [len(piece) for piece in engine.pieces] == [1] * 4


@pytest.mark.parametrize("make", [Vectorized, Auto])
def test_what_trains_in_one_pass_is_taken_whole(
    task: Task, studies: Callable[[], Study], make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int | None] = []
    study = studies()
    claims = study.claims()
    take = claims.take

    def noted(wanted: Any, most: int | None = None) -> list[Terms]:
        taken.append(most)
        return take(wanted, most)

    monkeypatch.setattr(claims, "take", noted)
    monkeypatch.setattr(study, "claims", lambda: claims)
    engine = make()
    if make is Auto:
        monkeypatch.setattr(engine, "_chosen", chosen("vectorized"))
    Recorded(engine, study).train(task, LRS, [0], 3)
    assert taken == [None]


def chosen(name: str) -> Any:
    from etastar.engine.auto import Choice

    return lambda works: Choice(name, "it was told so", 2.0, 12)


def test_auto_lets_others_take_some_where_it_trains_one_by_one(
    task: Task, studies: Callable[[], Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Told(Observer):
        def __init__(self) -> None:
            self.said: list[tuple[str, str]] = []

        def engine_chosen(self, engine: str, reason: str) -> None:
            self.said.append((engine, reason))

    engine, told = Auto(), Told()
    monkeypatch.setattr(engine, "_chosen", chosen("sequential"))
    pieces: list[int] = []
    monkeypatch.setattr(
        Sequential,
        "train",
        lambda self, task, lrs, *args, _train=Sequential.train, **options: (
            pieces.append(len(lrs)) or _train(self, task, lrs, *args, **options)
        ),
    )
    works = [Work(task, LRS, [0], 3), Work(task, LRS, [0], 2)]
    trained = Recorded(engine, studies()).train_all(works, observer=told)
    assert [len(trials) for trials in trained] == [12, 12]
    assert pieces[:3] == [1, 2, 4]
    assert told.said == [("sequential", "it was told so")], "once, and not for every piece"
    assert engine.choice is not None


def test_what_another_trains_is_waited_for_and_said_so(
    task: Task, studies: Callable[[], Study]
) -> None:
    engine, heard = InTurn(), Heard()
    one, two = studies(), studies()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(Recorded(engine, one).train, task, LRS[:1], [0], 3)
        assert engine.begun.acquire(timeout=60)
        never = InTurn()
        second = pool.submit(Recorded(never, two).train, task, LRS[:1], [0], 3, observer=heard)
        while not heard.waited:
            assert not second.done()
        engine.let.release()
        assert losses(first.result(60)) == losses(second.result(60))
    assert heard.waited == [1]
    assert never.pieces == []


def test_what_another_fails_at_is_taken_over(task: Task, studies: Callable[[], Study]) -> None:
    class Failing(InTurn):
        def train(self, *args: Any, **options: Any) -> list[Trial]:
            super().train(*args, **options)
            raise RuntimeError("out of memory")

    failing, heard = Failing(), Heard()
    study = studies()
    memory = Forgetful(studies())
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(Recorded(failing, memory).train, task, LRS[:1], [0], 3)
        assert failing.begun.acquire(timeout=60)
        recorded = Recorded(Sequential(), study)
        second = pool.submit(recorded.train, task, LRS[:1], [0], 3, observer=heard)
        while not heard.waited:
            assert not second.done()
        failing.let.release()
        with pytest.raises(RuntimeError, match="out of memory"):
            first.result(60)
        assert [trial.lr for trial in second.result(60)] == LRS[:1]
    assert heard.stepped_at == set(LRS[:1])


class Forgetful:
    """A memory that keeps nothing, but shares its claims."""

    def __init__(self, study: Study) -> None:
        self.get, self.claims = study.get, study.claims

    def add(self, trial: Trial) -> None:
        """Forget it."""


def test_a_stopped_trial_of_another_is_trained_again(
    task: Task, studies: Callable[[], Study]
) -> None:
    """It is no answer to who asked for all of it."""
    Recorded(Sequential(), studies()).train(
        task, LRS[:2], [0], 3, lost=lambda losses, horizon: len(losses) == 2
    )
    trials = Recorded(Sequential(), studies()).train(task, LRS[:2], [0], 3)
    assert [trial.status for trial in trials] == ["finished"] * 2


def test_claims_are_renewed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Claims:
        renewed = 0

        def renew(self) -> None:
            self.renewed += 1
            if self.renewed == 2:
                raise StoreError("the server is away for a moment")

    now = [0.0]
    monkeypatch.setattr(divided.time, "monotonic", lambda: now[0])
    claims: Any = Claims()
    renewing = divided.Renewing(claims)
    renewed: list[int] = []
    for seconds in (1, divided.RENEWED, divided.RENEWED + 1, 2.5 * divided.RENEWED, 1000):
        now[0] = seconds
        renewing.stepped(0.1, 0, 1.0)
        renewed.append(claims.renewed)
    assert renewed == [0, 1, 1, 2, 3]


def test_leases_outlast_several_renewals() -> None:
    from etastar.store.claims import LEASE

    assert LEASE >= 4 * divided.RENEWED
