"""`etastar sweep`: what it prints, writes and refuses, and how it goes on after Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etastar.records import Sweep
from etastar.store import open_store

if TYPE_CHECKING:
    from tests.cli.conftest import Run

ONE_BY_ONE = ("--engine", "sequential", "--store", "none")


def test_it_prints_the_best_how_sure_it_is_and_what_to_do(run: Run) -> None:
    done = run(
        "sweep", "line", *ONE_BY_ONE, "--lr", "1e-3:3:log:4", "--steps", "40", "--seeds", "2"
    )
    assert done.exit_code == 0
    assert done.stdout.startswith("line: best learning rate ")
    for word in ("± ", "over 2 seeds", "lr 0.001 to 3 (log)", "8 trials by grid", "diverged"):
        assert word in done.stdout
    assert "etastar.attach(optimizer, lr=etastar.schedules.Constant(steps=40" in done.stdout


def test_json_is_alone_on_stdout_and_pictures_are_written(run: Run, tmp_path: Path) -> None:
    settings = ("--set", "momentum=0,0.9", "--set", "weight_decay=0:0.1:linear:3")
    out = tmp_path / "out"
    done = run(
        *("sweep", "line", *ONE_BY_ONE, *settings, "--lr", "0.01,0.1", "--steps", "20"),
        *("--json", "--out", str(out), "--plot", str(tmp_path / "a.svg"), "--progress"),
    )
    found = Sweep.from_json(done.stdout)
    assert len(found.trials) == 12
    assert found == Sweep.from_json(out / "sweep.json")
    assert "lr 0.1, momentum 0.9, weight_decay 0.05, 20 steps, seed 0, done" in done.stderr
    assert "<svg" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    for name in ("sweep", "sweep-parallel", "sweep-importance"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "<!doctype html>" in (out / "report.html").read_text(encoding="utf-8").lower()
    told = run("report", str(out / "sweep.json"))
    assert told.exit_code == 0
    assert told.stdout.startswith("line: best learning rate ")


def test_settings_without_rates_are_tried_at_the_decade_of_rates(run: Run) -> None:
    words = ("sweep", "line", *ONE_BY_ONE, "--steps", "20", "--set", "weight_decay=0,0.1", "--json")
    found = Sweep.from_json(run(*words).stdout)
    assert len(found.space["lr"].values) == 5
    assert len(found.trials) == 10


def test_nothing_that_finished_is_3(run: Run) -> None:
    done = run("sweep", "line", *ONE_BY_ONE, "--lr", "1e5,1e6", "--steps", "60")
    assert done.exit_code == 3
    assert "no setting finished" in done.stdout


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--lr", "fast"], "'fast' is no number"),
        (["--lr", "1:2"], "low:high:log"),
        (["--set", "momentum"], "NAME=VALUES"),
        (["--set", "momentum=0", "--set", "momentum=1"], "given twice"),
        (["--set", "lr=0.1"], "--lr"),
        (["--set", "mmentum=0.9"], "did you mean 'momentum'"),
        (["--strategy", "gird"], "did you mean 'grid'"),
        (["--engine", "sequentail"], "did you mean 'sequential'"),
        (["--budget", "-1"], "positive number"),
        (["--strategy", "find", "--lr", "0.1"], "leave the rate out"),
        (["--plot", "a.bmp"], ".png, .svg or .pdf"),
        (["--store", "mysql://a/b"], "postgresql://"),
        (["--lr", ""], "lr: '': '' is no number"),
        (["--seed", "-1", "--strategy", "sobol"], "seed is -1"),
        (["--strategy", "cmaes"], "as ranges: lr; give another as low:high:log"),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_sentence_and_2(run: Run, words: list[str], named: str) -> None:
    done = run("sweep", "line", *ONE_BY_ONE, *words)
    assert done.exit_code == 2
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("etastar: ")
    assert named in last


@pytest.mark.timeout(900)
def test_ctrl_c_ends_with_130_and_the_command_that_goes_on(tasks: Path) -> None:
    words = ["sweep", "tasks.py:task", "--lr", "0.01:0.2:log:40", "--engine", "sequential"]
    command = [sys.executable, "-m", "etastar", *words, "--store", "s.db", "--no-progress"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = subprocess.Popen(
        command,
        cwd=tasks.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    store = tasks.parent / "s.db"
    deadline = time.monotonic() + 280
    while kept(store) < 3 and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    stdout, stderr = running.communicate(timeout=200)
    assert running.returncode == 130
    assert "Traceback" not in stderr
    assert stdout.startswith("tiny: best learning rate ")
    last = stderr.splitlines()[-1]
    told = "To go on where it stopped: etastar sweep tasks.py:task --lr 0.01:0.2:log:40 "
    assert told in last
    done_before = kept(store)
    assert 3 <= done_before < 40
    again = subprocess.run(
        [sys.executable, "-m", "etastar", *last.partition("stopped: etastar ")[2].split()],
        cwd=tasks.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert again.returncode == 0, again.stderr
    assert kept(store) == 40


def kept(path: Path) -> int:
    if not path.exists():
        return 0
    try:
        with open_store(path, create=False) as store:
            return sum(study.count for study in store.studies())
    except Exception:  # noqa: BLE001 - it is being made at this moment
        return 0


def test_ray_reserves_what_was_asked_for_each_trial(run: Run) -> None:
    pytest.importorskip("ray")
    words = ("sweep", "line", "--engine", "ray", "--store", "none", "--steps", "5", "--json")
    done = run(*words, "--cpus", "0.5", "--lr", "0.1,0.2")
    assert done.exit_code == 0
    assert Sweep.from_json(done.stdout).engine == "ray"
    refused = run(*words, "--cpus", "4096", "--lr", "0.1,0.2")
    assert refused.exit_code == 2
    assert "4096" in refused.stderr


@pytest.mark.parametrize("command", ["sweep", "find"])
def test_reservations_are_refused_where_nothing_reserves(run: Run, command: str) -> None:
    done = run(command, "line", "--engine", "vectorized", "--gpus", "0.25", "--cpus", "2")
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "--cpus 2.0, --gpus 0.25 with the engine vectorized" in done.stderr
    assert "add --engine ray" in done.stderr
