"""What goes wrong ends with one sentence and the exit code that `--help` promises."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run


def sentence(stderr: str) -> str:
    """The last line, which must be ours, and no traceback of ours before it."""
    assert "src/etastar" not in stderr
    last = stderr.splitlines()[-1]
    assert last.startswith("etastar: ")
    return last


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["find", "digits-mpl"], "did you mean 'digits-mlp'"),
        (["range-test", "digits-mpl"], "did you mean 'digits-mlp'"),
        (["find", "absent.py:task"], "no file absent.py"),
        (["find", "{tasks}:tsk"], "did you mean"),
        (["find", "{tasks}:not_a_task"], "must be an etastar.Task"),
        (["find", "no_such_module_anywhere:task"], "no module is called"),
        (["find", "line", "--budget", "lots"], "--budget lots"),
        (["find", "line", "--budget", "-1"], "--budget -1"),
        (["find", "line", "--budget", "nan"], "--budget nan"),
        (["find", "line", "--plot", "picture.bmp"], ".png, .svg or .pdf"),
        (["find", "line", "--plot", "{folder}.png/x.gif"], ".png, .svg or .pdf"),
        (["find", "line", "--out", "{tasks}"], "cannot be made"),
        (["range-test", "line", "--low", "1", "--high", "0.1"], "swap them"),
        (["range-test", "line", "--low", "nan"], "finite"),
        (["range-test", "line", "--steps", "3"], "at least 10"),
        (["range-test", "line", "--repeats", "0"], "at least 1"),
        (["report", "absent.json"], "cannot be read"),
        (["report", "{folder}"], "cannot be read"),
        (["report", "{tasks}"], "not JSON"),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_sentence_and_2(
    run: Run, tasks: Path, words: list[str], named: str
) -> None:
    done = run(*(word.format(tasks=tasks, folder=tasks.parent) for word in words))
    assert done.exit_code == 2
    assert done.stdout == ""
    assert named in sentence(done.stderr)


@pytest.mark.parametrize(
    "words",
    [["find"], ["find", "line", "--steps", "0"], ["find", "line", "--no-such"], ["fnd", "line"]],
    ids=" ".join,
)
def test_bad_usage_is_2(run: Run, words: list[str]) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert "Error: " in done.stderr


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("[]", "no record of etastar"),
        ('{"etastar": "loss_curve", "version": 1}', "a 'loss_curve'"),
        ('{"etastar": "finding", "version": 1, "lr": 3}', "damaged"),
        ('{"etastar": "finding", "version": 99}', "newer"),
        ("\x00\x01", "not JSON"),
    ],
)
def test_a_file_that_is_no_record_is_2(run: Run, tmp_path: Path, content: str, named: str) -> None:
    path = tmp_path / "saved.json"
    path.write_text(content, encoding="utf-8")
    done = run("report", str(path))
    assert done.exit_code == 2
    assert named in sentence(done.stderr)


def test_nothing_is_trained_before_the_places_to_write_are_checked(run: Run, tasks: Path) -> None:
    done = run("find", f"{tasks}:task", "--out", str(tasks / "below-a-file"))
    assert done.exit_code == 2
    assert "a task may print" not in done.stderr


def test_a_task_file_that_raises_shows_its_own_traceback_and_4(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text("def f():\n    return 1 / 0\n\nf()\n", encoding="utf-8")
    done = run("find", f"{path}:task")
    assert done.exit_code == 4
    assert f'File "{path}", line 2, in f' in done.stderr
    assert "ZeroDivisionError" in sentence(done.stderr)


def test_a_task_file_with_a_syntax_error_is_4(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text("def f(:\n", encoding="utf-8")
    done = run("find", f"{path}:task")
    assert done.exit_code == 4
    assert f'File "{path}", line 1' in done.stderr
    assert "SyntaxError" in sentence(done.stderr)


@pytest.mark.parametrize("command", ["find", "range-test"])
def test_a_loss_that_raises_in_training_shows_its_own_traceback_and_4(
    run: Run, tasks: Path, command: str
) -> None:
    done = run(command, f"{tasks}:broken")
    assert done.exit_code == 4
    assert "the seventh batch is bad" in done.stderr
    assert f'File "{tasks}"' in done.stderr
    assert "ZeroDivisionError" in sentence(done.stderr)


def test_a_trial_that_fails_is_named_by_its_own_rate(run: Run, tasks: Path) -> None:
    words = ["--lr", "0.1,0.2", "--set", "momentum=0.5", "--engine", "sequential"]
    done = run("sweep", f"{tasks}:broken_late", *words, "--store", "none")
    assert done.exit_code == 4
    assert "the rate was too high" in done.stderr
    assert "learning rate 0.2, momentum 0.5, seed 0: " in sentence(done.stderr)


def test_a_failure_of_no_single_trial_is_the_tasks_own(run: Run, tasks: Path) -> None:
    words = ["--lr", "0.1,0.2", "--engine", "vectorized", "--store", "none"]
    done = run("sweep", f"{tasks}:broken_once", *words)
    assert done.exit_code == 4
    assert re.search(r"raised ValueError at step \d+: enough$", sentence(done.stderr))


@pytest.mark.parametrize("code", ["0", "7", "'bye'"])
def test_a_task_that_ends_the_process_has_failed(run: Run, tasks: Path, code: str) -> None:
    tasks.write_text(
        tasks.read_text("utf-8").replace(
            "not_a_task = 3",
            f"""
def leaving():
    def loss(model, batch):
        import sys
        sys.exit({code})
    return task(loss=loss)
""",
        )
    )
    done = run("sweep", f"{tasks}:leaving", "--lr", "0.1", "--store", "none")
    assert done.exit_code == 4
    assert f"ended the process by sys.exit({code})" in sentence(done.stderr)


def heed_ctrl_c() -> None:
    """As at a terminal: what a shell starts in the background ignores Ctrl-C, and so would we."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("words", "ready", "known"),
    [
        (["find", "--budget", "3"], "lr ", "tiny: "),
        (["range-test", "--repeats", "99", "--high", "10"], "range test", ""),
    ],
    ids=["find", "range-test"],
)
def test_ctrl_c_prints_what_is_known_and_exits_130(
    tasks: Path, words: list[str], ready: str, known: str
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "etastar", words[0], f"{tasks}:slow", *words[1:], "--progress"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=heed_ctrl_c,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("etastar:") and ready in line:
            break
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout.startswith(known)
    assert sentence(stderr).startswith("etastar: interrupted")
    assert "Traceback" not in stderr
