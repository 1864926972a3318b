"""`etastar store check|export|import`: what it prints, and how it exits."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from etastar.store import open_store
from etastar.testing.stores import begin, trial


@pytest.fixture
def store(tmp_path: Path) -> str:
    path = tmp_path / "store.db"
    with open_store(path) as opened:
        begin(opened).add_all([trial(), trial(seed=1)])
    return str(path)


def test_check_of_a_sound_store(run: Run, store: str) -> None:
    done = run("store", "check", "--store", store)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"digits: 2 trials\n{store} is sound.\n"
    told = json.loads(run("store", "check", "--store", store, "--json").stdout)
    assert told == {"store": store, "studies": {"digits": 2}, "problems": [], "deleted": []}


def test_check_of_a_damaged_store(run: Run, store: str) -> None:
    connection = sqlite3.connect(store)
    connection.execute("UPDATE etastar_trials SET status = 'diverged' WHERE id = 2")
    connection.commit()
    connection.close()
    done = run("store", "check", "--store", store)
    assert done.exit_code == 3
    assert "digits: 1 trial\n" in done.stdout
    assert "damaged: the study 'digits'" in done.stdout
    assert "sound" not in done.stdout
    told = run("store", "check", "--store", store, "--json")
    assert told.exit_code == 3
    assert len(json.loads(told.stdout)["problems"]) == 1
    refused = run("store", "export", "digits", "--store", store)
    assert (refused.exit_code, refused.stdout) == (2, "")


def test_damaged_trials_are_deleted_where_that_is_asked_for(run: Run, store: str) -> None:
    connection = sqlite3.connect(store)
    connection.execute("UPDATE etastar_trials SET status = 'diverged' WHERE id = 2")
    connection.commit()
    connection.close()
    refused = run("store", "export", "digits", "--store", store)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "--delete-damaged" in refused.stderr
    done = run("store", "check", "--delete-damaged", "--store", store)
    assert done.exit_code == 0
    assert "deleted: the study 'digits' in" in done.stdout
    assert "seed '1'" in done.stdout
    assert done.stdout.endswith(f"{store} is sound.\n")
    with open_store(store) as opened:
        assert opened.open("digits").trials() == [trial()]


def test_nothing_is_deleted_from_a_file_that_was_cut(run: Run, store: str) -> None:
    connection = sqlite3.connect(store)
    connection.execute("UPDATE etastar_trials SET status = 'diverged' WHERE id = 2")
    connection.commit()
    connection.close()
    content = Path(store).read_bytes()
    Path(store).write_bytes(content[:-10])
    done = run("store", "check", "--delete-damaged", "--store", store)
    assert done.exit_code == 3
    assert "cut off" in done.stdout
    assert "deleted:" not in done.stdout
    Path(store).write_bytes(content)
    assert "damaged: the study 'digits'" in run("store", "check", "--store", store).stdout


def test_check_of_a_cut_store(run: Run, store: str) -> None:
    content = Path(store).read_bytes()
    for length in (0, 50, 3000, len(content) // 2, len(content) - 10):
        Path(store).write_bytes(content[:length])
        done = run("store", "check", "--store", store)
        assert done.exit_code in {2, 3}
        assert "Traceback" not in done.stderr
        assert "damaged: " in done.stdout or done.stderr.startswith("etastar: ")
        if length < 512:
            assert Path(store).read_bytes() == content[:length], "what is no store is left alone"


def test_a_study_goes_through_a_file(run: Run, store: str, tmp_path: Path) -> None:
    file, other = tmp_path / "out" / "digits.jsonl", str(tmp_path / "other.db")
    done = run("store", "export", "digits", str(file), "--store", store)
    assert (done.exit_code, done.stdout) == (0, f"digits: 2 trials written to {file}\n")
    for _ in range(2):
        done = run("store", "import", str(file), "--store", other)
        assert (done.exit_code, done.stdout) == (0, f"digits: 2 trials in {other}\n")
    told = run("store", "import", str(file), "--store", other, "--name", "mine", "--json")
    assert json.loads(told.stdout) == {"study": "mine", "trials": 2, "place": other}
    with open_store(other) as opened:
        assert opened.open("mine").trials() == [trial(), trial(seed=1)]
    assert run("store", "export", "digits", "--store", other).stdout == file.read_text("utf-8")


def test_an_export_takes_the_place_of_an_export_only(run: Run, store: str, tmp_path: Path) -> None:
    script, empty, older = tmp_path / "keep.py", tmp_path / "empty", tmp_path / "older.jsonl"
    script.write_text('{"etastar": 3}\n', encoding="utf-8")
    empty.touch()
    for path in (script, empty, tmp_path, Path(store)):
        before = path.read_bytes() if path.is_file() else None
        done = run("store", "export", "digits", str(path), "--store", store)
        assert done.exit_code == 2
        assert f"{path} is there, and is no exported study" in done.stderr
        assert before == (path.read_bytes() if path.is_file() else None)
    for _ in range(2):
        assert run("store", "export", "digits", str(older), "--store", store).exit_code == 0
    assert run("store", "check", "--store", store).exit_code == 0


def test_what_cannot_be_done_is_said(run: Run, store: str, tmp_path: Path) -> None:
    none, torn = str(tmp_path / "none.db"), tmp_path / "torn.jsonl"
    torn.write_text(run("store", "export", "digits", "--store", store).stdout[:-200], "utf-8")
    for words, said in (
        (("check", "--store", none), "there is no store"),
        (("export", "digits", "--store", none), "there is no store"),
        (("export", "digit", "--store", store), "no study 'digit'; it has 'digits'"),
        (("export", "digits", f"{store}/x", "--store", store), "cannot be written"),
        (("import", none, "--store", store), "cannot be read"),
        (("import", store, "--store", store), "cannot be read"),
        (("import", str(torn), "--store", store), "is not JSON lines"),
    ):
        done = run("store", *words)
        assert done.exit_code == 2, words
        assert done.stdout == ""
        assert said in done.stderr
        assert done.stderr.startswith("etastar: ")
        assert done.stderr.count("\n") == 1
    assert not Path(none).exists()


def test_what_cannot_be_read_is_said_without_numbers_of_errors(run: Run, tmp_path: Path) -> None:
    done = run("store", "import", str(tmp_path / "nothing.jsonl"))
    assert done.exit_code == 2
    assert "(No such file or directory)" in done.stderr
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\xfa")
    assert "(it is no text)" in run("store", "import", str(binary)).stderr
