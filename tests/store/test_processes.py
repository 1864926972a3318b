"""Processes that write one study at once, and processes that are killed while they write."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
from tests.store.writer import made, write

from etastar.store import check, open_store
from etastar.testing.stores import begin

KILLS = 50
EACH = 60


_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.store.writer", "sqlalchemy.dialects.sqlite"])


class Writer:
    """A process that writes, and what it told of."""

    def __init__(self, place: Path | str, first: int, count: int) -> None:
        self._heard, tell = _processes.Pipe(duplex=False)
        self.process = _processes.Process(target=write, args=(str(place), first, count, tell))
        self.process.start()
        tell.close()
        assert self._heard.recv() == "ready"
        self._numbers: list[int] = []

    def hear(self, count: int) -> None:
        """Wait until so many trials are in."""
        self._numbers += [self._heard.recv() for _ in range(count)]

    def told(self) -> list[int]:
        """The numbers of its trials, once it has ended."""
        self.process.join(120)
        try:
            while True:
                self.hear(1)
        except (EOFError, OSError):  # all of it, or killed within a word
            self._heard.close()
        return self._numbers


def test_four_processes_on_one_study(place: Path | str) -> None:
    """Each pair shares half of its trials; the store is made by whichever is first."""
    running = [Writer(place, first, EACH) for first in (0, EACH // 2, EACH, EACH // 2)]
    for writer in running:
        assert len(writer.told()) == EACH
        assert writer.process.exitcode == 0
    with open_store(place) as store:
        assert check(store).problems == ()
        trials = sorted(begin(store).trials(), key=lambda one: one.lr)
        assert trials == [made(number) for number in range(2 * EACH)]


@pytest.mark.slow
@pytest.mark.timeout(900)  # machines are shared
def test_a_killed_writer_leaves_every_trial_it_told_of_and_no_half_one(
    place: Path | str,
) -> None:
    """SIGKILL at random moments, the making of the store among them; another goes on each time."""
    moments = random.Random(0)
    told: set[int] = set()
    kills = begun = 0
    while kills < KILLS:
        writer = Writer(place, begun, 10_000)
        if kills % 2:  # else it may be making the store
            writer.hear(moments.randint(1, 30))
        time.sleep(moments.uniform(0, 0.01))
        writer.process.kill()
        numbers = writer.told()
        assert writer.process.exitcode == -signal.SIGKILL
        kills += 1
        told |= set(numbers)
        with open_store(place) as store:
            assert check(store).problems == ()
            trials = begin(store).trials()
            kept = [round(one.lr / 1e-3) - 1 for one in trials]
            assert len(set(kept)) == len(kept), "nothing twice"
            assert told <= set(kept), "nothing lost"
            assert len(kept) <= begun + len(numbers) + 1, "at most the one in hand is untold"
            assert all(one == made(number) for one, number in zip(trials, kept, strict=True))
            begun = max(kept, default=-1) + 1
    assert begun > KILLS, "half were killed while they wrote"


def test_a_fork_uses_a_connection_of_its_own(place: Path | str) -> None:
    with open_store(place) as store:
        study = begin(store)
        study.add(made(0))
        child = os.fork()
        if child == 0:
            code = 1
            try:
                study.add(made(1))
                store.close()
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        study.add(made(2))
        assert study.trials() == [made(0), made(1), made(2)]
        assert check(store).problems == ()
