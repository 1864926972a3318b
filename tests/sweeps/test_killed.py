"""A sweep killed at any moment, again and again, ends with the table of an undisturbed one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from tests.sweeps.tiny import TINY

from etastar.records import Sweep, Trial
from etastar.store import open_store

KILLS = 50

DRIVER = (
    TINY
    + """
class Slowly(Observer):  # so that a kill finds trials half done, and some only just written
    def __init__(self):
        self.begun = False

    def trial_started(self, lr, seed, steps):
        if not self.begun:
            print("begun", flush=True)
        self.begun = True

    def stepped(self, lr, step, loss):
        time.sleep(0.0005)

def sweep(store, out):
    found = es.sweep(
        task, {"lr": "1e-3:4:log", "momentum": [0.0, 0.9], "weight_decay": [0.0, 0.01]},
        os.environ["STRATEGY"], Sequential(), store, observer=Slowly(),
    )
    found.to_json(out + ".part")
    os.replace(out + ".part", out)

with tempfile.TemporaryDirectory() as folder:  # what loads late is loaded before the forks
    open_store(folder + "/s.db").close()
    space = {"lr": [0.1, 0.2], "momentum": [0.0, 0.9]}
    es.sweep(task, space, engine=Sequential(), steps=2, seeds=2)
print("ready", flush=True)
for line in sys.stdin:  # a driver that has loaded torch already: forked, so that kills are many
    store, out = line.split()
    child = os.fork()
    if child == 0:
        sweep(store, out)
        os._exit(0)
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print(status, flush=True)
"""
)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("strategy", ["grid", "asha"])
def test_killed_at_fifty_moments_the_table_is_that_of_an_undisturbed_sweep(
    tmp_path: Path, strategy: str
) -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"STRATEGY": strategy, "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
    )
    said, told = driver.stdin, driver.stdout
    assert said is not None
    assert told is not None

    def start(store: str, out: str) -> int:
        said.write(f"{store} {out}\n")
        said.flush()
        child = int(told.readline())
        assert told.readline() == "begun\n"
        return child

    def ended() -> int:
        return int(told.readline())

    try:
        assert told.readline() == "ready\n"
        start("whole.db", "whole.json")
        began = time.perf_counter()
        assert ended() == 0
        whole_seconds = time.perf_counter() - began
        moments = random.Random(3)
        kills = 0
        counts = [0]
        while kills < KILLS:
            child = start("killed.db", "killed.json")
            time.sleep(moments.uniform(0, 4) * whole_seconds / KILLS)
            with suppress(ProcessLookupError):  # it came to its end
                os.kill(child, signal.SIGKILL)
            kills += ended() == signal.SIGKILL
            if (tmp_path / "killed.db").exists():
                with open_store(tmp_path / "killed.db") as store:
                    counts.append(sum(study.count for study in store.studies()))
        start("killed.db", "killed.json")
        assert ended() == 0
    finally:
        driver.kill()
        driver.communicate()
    assert counts == sorted(counts)  # nothing that had ended was lost
    assert len(set(counts)) > 4  # kills came in the middle
    whole = Sweep.from_json(tmp_path / "whole.json")
    resumed = Sweep.from_json(tmp_path / "killed.json")
    assert table(resumed) == table(whole)
    with open_store(tmp_path / "killed.db") as store:
        (study,) = store.studies()
        kept = Counter(terms(trial) for trial in study.trials())
    assert max(kept.values()) == 1
    assert set(kept) == {terms(trial) for trial in whole.trials}


def table(sweep: Sweep) -> list[str]:
    return [trial.model_copy(update={"seconds": 0.0}).to_json() for trial in sweep.trials]


def terms(trial: Trial) -> tuple[object, ...]:
    settings = tuple(sorted(trial.settings.items()))
    return trial.lr, trial.seed, trial.steps, trial.shape, settings
