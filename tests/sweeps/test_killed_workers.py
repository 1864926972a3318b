"""Every worker of a sweep on Ray is killed at some moment: the table is an undisturbed one's."""

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
from tests.sweeps.test_killed import table, terms

from etastar.records import Sweep
from etastar.store import open_store

pytest.importorskip("ray")

DRIVER = """
import os, sys, time
from pathlib import Path
import torch
import etastar as es
from etastar.engine import Sequential
from etastar.engine.ray_engine import RayEngine

marks = Path(sys.argv[1])
os.environ["DRIVER"] = str(os.getpid())  # a number of its own would make another task of each
x = torch.linspace(-1, 1, 16).unsqueeze(1)

def loss(model, batch):
    if os.environ["DRIVER"] != str(os.getpid()):
        (marks / str(os.getpid())).touch()
        time.sleep(0.02)
    return torch.nn.functional.mse_loss(model(batch), 3 * batch)

task = es.Task(
    lambda: torch.nn.Linear(1, 1),
    lambda params: torch.optim.SGD(params, lr=0.1),
    loss, [x], steps=30, name="tiny",
)
space = {"lr": [0.01, 0.03, 0.1, 0.3, 1.0, 4.0], "momentum": [0.0, 0.9]}
if len(sys.argv) > 2:
    with RayEngine(retries=int(sys.argv[3])) as engine:
        es.sweep(task, space, "grid", engine, sys.argv[2], seeds=2).to_json("killed.json")
else:
    es.sweep(task, space, "grid", Sequential(), seeds=2).to_json("whole.json")
"""


def drive(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(folder / "marks"), *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("retries", "kills"),
    [(6, 6), (0, 1)],
    ids=["its trials begin again", "the same command continues"],
)
def test_a_sweep_outlives_each_of_its_workers(tmp_path: Path, retries: int, kills: int) -> None:
    (tmp_path / "marks").mkdir()
    assert drive(tmp_path).wait(300) == 0
    moments = random.Random(5)
    killed: set[int] = set()
    starts = 0
    while not (tmp_path / "killed.json").exists():
        assert starts <= kills  # it goes on where it was
        starts += 1
        driver = drive(tmp_path, "killed.db", str(retries))
        try:
            while driver.poll() is None:
                working = {int(mark.name) for mark in (tmp_path / "marks").iterdir()} - killed
                for worker in sorted(working)[: kills - len(killed)]:
                    time.sleep(moments.uniform(0, 0.8))  # more than a trial takes
                    with suppress(ProcessLookupError):
                        os.kill(worker, signal.SIGKILL)
                    killed.add(worker)
                time.sleep(0.01)
        finally:
            driver.kill()
            driver.wait()
    assert len(killed) == kills
    whole = Sweep.from_json(tmp_path / "whole.json")
    resumed = Sweep.from_json(tmp_path / "killed.json")
    assert len(whole.trials) == 24
    assert table(resumed) == table(whole)
    with open_store(tmp_path / "killed.db") as store:
        (study,) = store.studies()
        kept = Counter(terms(trial) for trial in study.trials())
    assert max(kept.values()) == 1
    assert set(kept) == {terms(trial) for trial in whole.trials}
