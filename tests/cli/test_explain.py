"""`etastar explain`: listed, told, written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from etastar.lessons import LESSONS
from etastar.records.lessons import Regimes, read_lesson

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run


def test_without_a_name_the_lessons_are_listed(run: Run) -> None:
    listed = run("explain")
    assert listed.exit_code == 0
    lines = listed.stdout.splitlines()
    assert [line.split()[0] for line in lines[: len(LESSONS)]] == list(LESSONS)
    as_json = json.loads(run("explain", "--json").stdout)
    assert [entry["name"] for entry in as_json] == list(LESSONS)
    assert all(entry["summary"] for entry in as_json)


def test_a_lesson_is_told_and_written(run: Run, tmp_path: Path) -> None:
    done = run("explain", "regimes", "--out", str(tmp_path / "new"))
    assert done.exit_code == 0, done.stderr
    for word in ("too small", "good", "optimal", "oscillating", "diverging"):
        assert word in done.stdout
    files = {path.name for path in (tmp_path / "new").iterdir()}
    assert {"lesson.json", "page.html", "regimes.png", "rate-0.99.gif"} <= files
    assert isinstance(read_lesson(tmp_path / "new" / "lesson.json"), Regimes)


def test_korean_and_json(run: Run) -> None:
    assert "진동" in run("explain", "regimes", "--lang", "ko").stdout
    done = run("explain", "regimes", "--json")
    assert Regimes.from_json(done.stdout).edge == 1.0
    assert "The five regimes" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["regime"], "did you mean 'regimes'"),
        (["regimes", "--lang", "fr"], "lang='fr'"),
        (["--out", "somewhere"], "name it"),
        (["regimes", "--out", "{file}/x"], "cannot be made"),
    ],
)
def test_bad_input_is_one_sentence(run: Run, tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "file").write_text("")
    done = run("explain", *(word.format(file=tmp_path / "file") for word in words))
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_a_saved_lesson_is_reported_again(run: Run, tmp_path: Path) -> None:
    run("explain", "regimes", "--out", str(tmp_path))
    saved, page, picture = (tmp_path / name for name in ("lesson.json", "a/b.html", "c.png"))
    done = run("report", str(saved), "--out", str(page), "--plot", str(picture), "--lang", "ko")
    assert done.exit_code == 0, done.stderr
    assert "진동" in done.stdout
    assert '<html lang="ko"' in page.read_text(encoding="utf-8")
    assert picture.read_bytes().startswith(b"\x89PNG")
    told = run("report", str(saved), "--json")
    assert Regimes.from_json(told.stdout) == read_lesson(saved)
