"""A store that its reader may not write is read, as it is and in full."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etastar.errors import StoreError
from etastar.store import check, export_study, open_store
from etastar.testing.stores import begin, trial

NOBODY = 65534


@pytest.fixture
def path() -> Iterator[Path]:
    """A store for everybody to read, in a folder for everybody to look into."""
    folder = Path(tempfile.mkdtemp(prefix="etastar read-only? "))
    made = folder / "store 100%.db"
    with open_store(made) as store:
        begin(store).add(trial())
    made.chmod(0o444)
    folder.chmod(0o555)
    yield made
    folder.chmod(0o755)
    shutil.rmtree(folder)


def as_somebody_else(act: Callable[[], None]) -> None:
    """Run something as one whom permissions hold for, root or not."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            act()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


def test_it_is_read_and_nothing_laid_beside_it(path: Path) -> None:
    before = path.read_bytes()

    def read() -> None:
        with open_store(path, create=False) as store:
            assert check(store).studies == {"digits": 1}
            assert check(store).problems == ()
            assert store.open("digits").trials() == [trial()]
            assert len(list(export_study(store.open("digits")))) == 3

    as_somebody_else(read)
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == before


def test_who_would_write_is_told_that_it_cannot_be(path: Path) -> None:
    def write() -> None:
        for create in (False, True):
            with pytest.raises(StoreError, match=r"cannot be written"):
                begin(open_store(path, create=create)).add(trial(seed=1))

    as_somebody_else(write)


def test_with_a_log_beside_it_it_is_not_read_half(path: Path) -> None:
    path.parent.chmod(0o755)
    Path(f"{path}-wal").write_bytes(b"newer trials")
    path.parent.chmod(0o555)

    def read() -> None:
        with pytest.raises(StoreError, match=r"cannot be"):
            open_store(path, create=False)

    as_somebody_else(read)
