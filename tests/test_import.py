"""What loads with what: the root is lazy, views need no torch, and torch's absence has a name."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.report import made

import etastar

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = (
    "torch",
    "numpy",
    "scipy",
    "matplotlib",
    "pydantic",
    "rich",
    "sklearn",
    "sqlalchemy",
    "etastar.cli.schedule",
    "etastar.cli.store",
)


@pytest.fixture
def saved_finding(tmp_path: Path) -> Path:
    path = tmp_path / "finding.json"
    made.finding(range_test=made.range_test()).to_json(path)
    return path


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def loaded_after(code: str, *arguments: str) -> set[str]:
    """The heavy packages in `sys.modules` once `code` has run."""
    ask = f"\nimport sys\nprint([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    done = run(code + ask, *arguments)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1].replace("'", '"')))


COMMAND = """
import sys
from etastar.cli.main import main
sys.argv = ["etastar", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


def test_import_loads_nothing_heavy() -> None:
    assert loaded_after("import etastar; dir(etastar); etastar.__version__") == set()


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_and_version_load_nothing_heavy(word: str) -> None:
    assert loaded_after(COMMAND, word) == set()


@pytest.mark.parametrize("command", ["explain", "find", "range-test", "report", "tasks"])
def test_help_of_a_command_loads_what_reads_its_options(command: str) -> None:
    assert loaded_after(COMMAND, command, "--help") <= {"pydantic"}


def test_looking_after_a_store_needs_no_torch(tmp_path: Path) -> None:
    from etastar.store import open_store

    open_store(tmp_path / "store.db").close()
    loaded = loaded_after(COMMAND, "store", "check", "--store", str(tmp_path / "store.db"))
    assert "sqlalchemy" in loaded
    assert not loaded & {"torch", "matplotlib"}
    assert loaded_after(COMMAND, "store", "--help") <= {"etastar.cli.store", "pydantic"}


def test_listing_tasks_needs_no_torch() -> None:
    assert "torch" not in loaded_after(COMMAND, "tasks")


def test_a_saved_finding_is_drawn_without_torch(saved_finding: Path, tmp_path: Path) -> None:
    picture = tmp_path / "finding.png"
    loaded = loaded_after(COMMAND, "report", str(saved_finding), "--plot", str(picture))
    assert "torch" not in loaded
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_text_and_html_need_no_torch(saved_finding: Path) -> None:
    code = """
import sys
from pathlib import Path
from etastar.records import Finding
finding = Finding.from_json(Path(sys.argv[1]))
str(finding)
"""
    assert not loaded_after(code, str(saved_finding)) & {"torch", "matplotlib"}
    assert "torch" not in loaded_after(code + "finding._repr_html_()", str(saved_finding))


def test_every_public_name_is_there() -> None:
    for name in etastar.__all__:
        assert getattr(etastar, name) is not None
    assert set(etastar.__all__) <= set(dir(etastar))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'sweeep'"):
        _ = etastar.sweeep


WITHOUT_TORCH = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""


@pytest.mark.parametrize("name", ["find", "range_test", "attach", "preserved"])
def test_without_torch_a_name_that_needs_it_says_the_command(name: str) -> None:
    done = run(f"{WITHOUT_TORCH}import etastar\netastar.{name}")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("etastar.errors.MissingDependencyError")
    assert "pip install torch" in last


def test_without_torch_the_command_line_says_it_in_a_sentence() -> None:
    done = run(
        WITHOUT_TORCH + COMMAND.replace("assert not end.code, end.code", "raise"), "find", "x"
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("etastar: ")
    assert "pip install torch" in done.stderr
    assert "Traceback" not in done.stderr
