"""Several processes that run the same sweep on one study share its trials between them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.sweeps.tiny import TINY

from etastar.records import Sweep, Trial
from etastar.store import check, open_store

PROCESSES = 4

DRIVER = (
    TINY
    + """
class Slowly(Observer):
    def stage(self, name, lrs, steps):
        print("begun", flush=True)

    def stepped(self, lr, step, loss):
        time.sleep(0.004)

space = {"lr": "1e-3:2:log:12", "momentum": [0.0, 0.9]}

with tempfile.TemporaryDirectory() as folder:  # what loads late is loaded before the forks
    es.sweep(task, {"lr": [0.1, 0.2]}, engine=Sequential(), steps=2, store=folder + "/s.db")
for line in sys.stdin:
    store, strategy, out = json.loads(line)
    if store is not None:
        open_store(store).close()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        found = es.sweep(task, space, strategy, Sequential(), store, observer=Slowly())
        found.to_json(out)
        print("done", flush=True)
        os._exit(0)
    os.wait()
"""
)


class Driver:
    """A process that forks one that sweeps."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"OMP_NUM_THREADS": "1", "PATH": "", "PYTHONWARNINGS": "ignore"},
        )

    def begin(self, store: str | None, strategy: str, out: Path) -> None:
        assert self.process.stdin is not None
        print(json.dumps([store, strategy, str(out)]), file=self.process.stdin, flush=True)
        while not (word := self.hear()).isdecimal():  # what an earlier one said
            assert self.process.poll() is None
        self.child = int(word)

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def done(self) -> bool:
        while word := self.hear():
            if word == "done":
                return True
        return False


@pytest.fixture(scope="module")
def drivers() -> Iterator[list[Driver]]:
    running = [Driver() for _ in range(PROCESSES)]
    yield running
    for driver in running:
        driver.process.kill()
        driver.process.communicate()


def table(trials: Any) -> list[Any]:
    """Every trial by its terms, less the time it took."""
    kept = {trial.terms: {**dict(trial), "seconds": 0.0} for trial in trials}
    assert len(kept) == len(trials), "nothing twice"
    return [Trial(**kept[terms]) for terms in sorted(kept)]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("strategy", ["grid", "halving"])
def test_four_processes_share_the_trials_of_a_sweep(
    place: Path | str, strategy: str, drivers: list[Driver], tmp_path: Path
) -> None:
    outs = [tmp_path / f"{number}.json" for number in range(PROCESSES + 1)]
    drivers[0].begin(None, strategy, outs[-1])  # on its own
    assert drivers[0].done()
    for driver, out in zip(drivers, outs, strict=False):
        driver.begin(str(place), strategy, out)
    assert all(driver.done() for driver in drivers)
    *found, alone = [Sweep.from_json(out) for out in outs]
    expected = table(alone.trials)
    for sweep in found:
        assert table(sweep.trials) == expected
        assert sweep.best == alone.best
    trained = Counter({k: len(sweep.trials) - sweep.known for k, sweep in enumerate(found)})
    assert trained.total() == len(expected), "each by one of them"
    assert sum(count > 0 for count in trained.values()) > 1
    with open_store(place) as store:
        assert check(store).problems == ()
        assert table(store.open("tiny").trials()) == expected


@pytest.mark.timeout(300)
def test_the_others_take_over_what_a_killed_one_had(
    place: Path | str, drivers: list[Driver], tmp_path: Path
) -> None:
    outs = [tmp_path / f"{number}.json" for number in range(4)]
    drivers[0].begin(None, "grid", outs[-1])
    assert drivers[0].done()
    for driver, out in zip(drivers, outs[:-1], strict=False):
        driver.begin(str(place), "grid", out)
    while drivers[0].hear() != "begun":
        assert drivers[0].process.poll() is None
    os.kill(drivers[0].child, signal.SIGKILL)
    assert all(driver.done() for driver in drivers[1:3])
    alone = Sweep.from_json(outs[-1])
    for out in outs[1:3]:
        assert table(Sweep.from_json(out).trials) == table(alone.trials)
    assert not outs[0].exists()
    with open_store(place) as store:
        assert table(store.open("tiny").trials()) == table(alone.trials)
