"""Copies on disk: one folder per snapshot, gone afterwards whatever happened."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
import threading
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.training.bitwise import bits
from torch import nn

from etastar.errors import TaskError, TaskFailedError
from etastar.training.preserved import Snapshot, disk, preserved

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary folder, for this test alone."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def wreck(model: nn.Module) -> None:
    for parameter in model.parameters():
        parameter.data.normal_()


def test_a_folder_of_its_own_that_only_the_user_can_read(temporary: Path) -> None:
    one, other = (Snapshot(nn.Linear(2, 2), on_disk=True) for _ in range(2))
    with one, other:
        folders = list(temporary.iterdir())
        assert len(folders) == 2
        assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in folders)
        assert {path.suffix for folder in folders for path in folder.iterdir()} == {".safetensors"}
    assert not list(temporary.iterdir())


def test_the_folder_goes_after_an_exception_and_when_forgotten(temporary: Path) -> None:
    with pytest.raises(ValueError, match="mine"), preserved(nn.Linear(2, 2), on_disk=True):
        raise ValueError("mine")
    assert not list(temporary.iterdir())
    with pytest.raises(TaskError):
        Snapshot(nn.Linear(2, 2), object(), on_disk=True)
    assert not list(temporary.iterdir())
    snapshot = Snapshot(nn.Linear(2, 2), on_disk=True)
    assert list(temporary.iterdir())
    del snapshot
    assert not list(temporary.iterdir())


def test_many_files_for_a_large_model(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    monkeypatch.setattr(disk, "_SHARD_BYTES", 100)
    model = nn.Sequential(*(nn.Linear(5, 5) for _ in range(6)))
    model.register_buffer("none", torch.empty(0, 3))
    before = bits(model.state_dict())
    with preserved(model, on_disk=True) as snapshot:
        assert len(list(next(temporary.iterdir()).iterdir())) == 7
        for _ in range(2):
            wreck(model)
            snapshot.restore()
            assert bits(model.state_dict()) == before
        wreck(model)
    assert bits(model.state_dict()) == before


def test_copies_are_not_kept_in_memory() -> None:
    with Snapshot(nn.Linear(50, 50), on_disk=True) as snapshot:
        assert not snapshot._copies._waiting
        assert not snapshot._copies._in_memory._kept


def test_a_temporary_folder_that_cannot_be_written_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(TaskError, match="TMPDIR"):
        Snapshot(nn.Linear(2, 2), on_disk=True)


def test_a_disk_without_room(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(TaskError, match=r"0 MiB are free.*TMPDIR"):
        Snapshot(nn.Linear(2, 2), on_disk=True)
    assert not list(temporary.iterdir())


def test_copies_that_someone_removed(temporary: Path) -> None:
    model = nn.Linear(2, 2)
    with Snapshot(model, on_disk=True) as snapshot:
        for path in next(temporary.iterdir()).iterdir():
            path.unlink()
        torch.manual_seed(1)
        with pytest.raises(TaskFailedError, match=r"Linear\.(weight|bias) could not be brought"):
            snapshot.restore()


def test_four_at_once_in_threads(temporary: Path) -> None:
    failures: list[str] = []

    def work(seed: int) -> None:
        model = nn.Linear(20, 20)
        nn.init.constant_(model.weight, seed)
        for _ in range(10):
            with preserved(model, on_disk=True):
                wreck(model)
            if not bool((model.weight == seed).all()):
                failures.append(f"thread {seed}")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert not list(temporary.iterdir())


def test_four_at_once_in_processes_in_a_folder_that_cannot_be_written(
    tmp_path: Path, temporary: Path
) -> None:
    working = tmp_path / "read-only"
    working.mkdir()
    script = textwrap.dedent("""
        import os, torch
        from torch import nn
        import etastar as es

        model = nn.Linear(30, 30)
        before = model.weight.detach().clone()
        for _ in range(5):
            with es.preserved(model, on_disk=True):
                nn.init.zeros_(model.weight)
            assert torch.equal(before, model.weight)
        assert os.listdir(".") == []
    """)
    working.chmod(0o500)
    try:
        processes = [
            subprocess.Popen([sys.executable, "-B", "-c", script], cwd=working, env=os.environ)
            for _ in range(4)
        ]
        assert [process.wait(timeout=120) for process in processes] == [0, 0, 0, 0]
    finally:
        working.chmod(0o700)
    assert not list(temporary.iterdir())
