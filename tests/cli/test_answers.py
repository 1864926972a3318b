"""What the commands print and write when all goes well: real tasks, real training."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from etastar.records import Finding, RangeTest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run


def test_find_prints_the_rate_how_sure_it_is_the_cost_and_what_to_do(run: Run, tasks: Path) -> None:
    done = run("find", f"{tasks}:task", "--budget", "1")
    assert done.exit_code in {0, 3}
    assert done.stdout.startswith("tiny: learning rate ")
    for word in ("interval", "confidence", "full runs of the 1 allowed", "attach(optimizer, lr="):
        assert word in done.stdout
    assert "a task may print" not in done.stdout
    assert "a task may print" in done.stderr


def test_find_writes_the_record_the_picture_and_the_page(
    run: Run, tasks: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out" / "tiny"
    done = run("find", f"{tasks}:task", "--out", str(out))
    finding = Finding.from_json(out / "finding.json")
    assert finding.task.name == "tiny"
    assert (out / "finding.png").read_bytes().startswith(b"\x89PNG")
    assert "<h1" in (out / "report.html").read_text(encoding="utf-8")
    assert f"Written: {out / 'finding.json'}" in done.stdout
    assert "report.html" in done.stdout
    assert "Finding.from_json" in done.stdout


def test_json_is_alone_on_stdout(run: Run, tasks: Path, tmp_path: Path) -> None:
    picture = tmp_path / "picture.svg"
    done = run("find", f"{tasks}:task", "--json", "--plot", str(picture), "--progress")
    finding = Finding.from_json(done.stdout)
    assert json.loads(done.stdout)["etastar"] == "finding"
    assert finding.task.steps == 200
    assert "tiny: learning rate" in done.stderr
    assert "pilots" in done.stderr
    assert "<svg" in picture.read_text(encoding="utf-8")


def test_the_exit_code_is_3_unless_the_verdict_is_confident(run: Run, tasks: Path) -> None:
    done = run("find", f"{tasks}:task", "--json")
    assert done.exit_code == (0 if Finding.from_json(done.stdout).verdict == "confident" else 3)


def test_steps_asks_about_another_horizon_and_seed_about_another_seed(
    run: Run, tasks: Path
) -> None:
    done = run("find", f"{tasks}:task", "--json", "--steps", "120", "--seed", "5")
    finding = Finding.from_json(done.stdout)
    assert (finding.task.steps, finding.seed) == (120, 5)
    assert finding.schedule is None or finding.schedule.steps == 120


def test_a_budget_in_full_runs_is_passed_on(run: Run, tasks: Path) -> None:
    done = run("find", f"{tasks}:task", "--json", "--budget", "0.7")
    assert Finding.from_json(done.stdout).budget == 0.7


def test_no_answer_says_so_and_exits_3(run: Run, tasks: Path) -> None:
    done = run("find", f"{tasks}:converged")
    assert done.exit_code == 3
    assert done.stdout.startswith("tiny: no answer")
    assert "attach" not in done.stdout


def test_range_test_takes_its_options(run: Run, tasks: Path, tmp_path: Path) -> None:
    picture = tmp_path / "deep" / "range.pdf"
    words = ["--low", "1e-3", "--high", "10", "--steps", "40", "--repeats", "2", "--seed", "3"]
    done = run("range-test", f"{tasks}:task", *words, "--json", "--plot", str(picture))
    assert done.exit_code == 0
    result = RangeTest.from_json(done.stdout)
    assert [one.seed for one in result.runs] == [3, 4]
    assert result.runs[0].curve.lrs[0] == pytest.approx(1e-3)
    assert picture.read_bytes().startswith(b"%PDF")


def test_range_test_rises_linearly_when_asked(run: Run, tasks: Path) -> None:
    done = run("range-test", f"{tasks}:task", "--linear", "--high", "1", "--json")
    assert RangeTest.from_json(done.stdout).rise == "linear"


def test_range_test_without_a_suggestion_exits_3(run: Run, tasks: Path) -> None:
    done = run("range-test", f"{tasks}:converged", "--high", "1")
    assert done.exit_code == 3
    assert "none" in done.stdout


def test_report_tells_and_draws_either_record_again(run: Run, tasks: Path, tmp_path: Path) -> None:
    for command in ("find", "range-test"):
        saved = tmp_path / f"{command}.json"
        saved.write_text(run(command, f"{tasks}:task", "--json").stdout, encoding="utf-8")
        picture = tmp_path / f"{command}.png"
        done = run("report", str(saved), "--plot", str(picture))
        assert done.exit_code == 0
        assert done.stdout.startswith("tiny: ")
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert run("report", str(saved), "--json").stdout == saved.read_text(encoding="utf-8")


def test_tasks_lists_every_built_in(run: Run) -> None:
    from etastar.tasks.builtin import BUILTIN

    listed = json.loads(run("tasks", "--json").stdout)
    assert [task["name"] for task in listed] == list(BUILTIN)
    assert all(name in run("tasks").stdout for name in BUILTIN)


def test_help_names_every_exit_code(run: Run) -> None:
    text = " ".join(run("--help").stdout.split())
    for code in ("0 answered", "2 bad usage", "3 no confident", "4 the task's own", "130 interr"):
        assert code in text


@pytest.mark.parametrize("command", ["find", "range-test", "report", "tasks"])
def test_help_of_each_command_is_for_people(run: Run, command: str) -> None:
    text = run(command, "--help").stdout
    assert "--json" in text
    assert "Raises:" not in text
    assert "Args:" not in text


def test_version(run: Run) -> None:
    import etastar

    assert run("--version").stdout == f"etastar {etastar.__version__}\n"


def on_a_terminal(*words: str, **environment: str) -> tuple[bytes, bytes]:
    """Run the command with stderr on a terminal and stdout in a pipe.

    Returns:
        What came out of each.
    """
    ours, theirs = pty.openpty()
    settings = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR"}}
    process = subprocess.Popen(
        [sys.executable, "-m", "etastar", *words],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**settings, "TERM": "xterm-256color", "COLUMNS": "100", **environment},
    )
    os.close(theirs)
    seen = bytearray()
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:  # Linux's end of a terminal nobody holds open any more
        pass
    os.close(ours)
    assert process.stdout is not None
    answer = process.stdout.read()
    process.stdout.close()
    process.wait(timeout=60)
    return answer, bytes(seen)


def test_progress_is_live_on_a_terminal_and_colourless_when_asked(tasks: Path) -> None:
    answer, seen = on_a_terminal("find", f"{tasks}:task", "--json", NO_COLOR="1")
    assert Finding.from_json(answer.decode())
    assert b"pilots of" in seen
    assert b"of 0.5 full runs" in seen
    assert b"\x1b[3" not in seen  # no colour; moving the cursor is not colour
    assert b"\x1b[?25h" in seen  # the cursor is back


def test_report_finds_a_study_of_the_usual_store_by_its_name(
    run: Run, tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "cannot be read" in run("report", "tiny").stderr  # no store yet
    run("sweep", f"{tasks}:task", "--lr", "0.1,0.2", "--steps", "20")
    told = run("report", "tiny", "--out", "study.html")
    assert told.exit_code == 0
    assert "tiny" in told.stdout
    assert (tmp_path / "study.html").exists()
    other = run("report", "tinny")
    assert other.exit_code == 2
    assert "has no study 'tinny'; it has 'tiny'" in other.stderr
    assert "cannot be read" in run("report", "tinny.json").stderr


def test_report_writes_a_page_in_either_language(run: Run, tasks: Path, tmp_path: Path) -> None:
    run("find", f"{tasks}:task", "--out", str(tmp_path))
    page = tmp_path / "deep" / "page.html"
    done = run("report", str(tmp_path / "finding.json"), "--out", str(page), "--lang", "ko")
    assert done.exit_code == 0
    assert f"Written: {page}" in done.stdout
    assert '<html lang="ko"' in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--lang", "xx"], "en or ko"),
        (["--out", "page.txt"], "a page is one file; give a name that ends in .html"),
        (["--store", "missing.db"], "missing.db"),
        (["--store", "missing.db", "--json"], "--plot and --json are for a saved record"),
    ],
)
def test_report_refuses_what_it_cannot_do_in_a_sentence(
    run: Run, arguments: list[str], words: str
) -> None:
    done = run("report", "finding.json", *arguments)
    assert done.exit_code == 2
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_range_test_has_no_page(run: Run, tasks: Path, tmp_path: Path) -> None:
    record = tmp_path / "test.json"
    record.write_text(run("range-test", f"{tasks}:task", "--json").stdout, encoding="utf-8")
    done = run("report", str(record), "--out", str(tmp_path / "page.html"))
    assert done.exit_code == 2
    assert "is a range test, which has no page" in " ".join(done.stderr.split())
    assert not (tmp_path / "page.html").exists()
