"""A store that is cut, changed or no store is refused in a sentence, never half-read."""

from __future__ import annotations

import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from tests.store.writer import made

from etastar.errors import MissingDependencyError, StoreError
from etastar.store import check, open_store
from etastar.store.connection import Database
from etastar.testing.stores import begin, trial

TRIALS = 80
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of many pages, closed, all in one file."""
    path = tmp_path_factory.mktemp("whole") / "store.db"
    with open_store(path) as store:
        begin(store).add_all(made(number) for number in range(TRIALS))
    assert not Path(f"{path}-wal").exists()
    assert path.stat().st_size > 64 * 1024
    return path


def as_whole(path: Path) -> bool:
    """Whether the store gives all its trials; an error, but a sentence, where it does not."""
    try:
        with open_store(path) as store:
            trials = store.open("digits").trials()
    except StoreError as refused:
        said = str(refused)
    else:
        said = ""
    if said:
        assert said.endswith(".")
        assert len(said) < 400
        assert str(path) in said
        return False
    assert trials == [made(number) for number in range(TRIALS)], "half-read"
    return True


def test_cut_off_at_any_length(whole: Path, tmp_path: Path) -> None:
    content = whole.read_bytes()
    lengths = random.Random(1)
    cuts = [0, 1, 15, 16, 99, 100, 511, 512, 1024, 4095, 4096, 8192, len(content) - 1]
    cuts += [lengths.randrange(len(content)) for _ in range(120)]
    cuts += [4096 * lengths.randrange(len(content) // 4096) for _ in range(20)]
    for cut in cuts:
        path = tmp_path / f"{cut}.db"
        path.write_bytes(content[:cut])
        assert not as_whole(path), f"cut at {cut}"
        path.unlink()
    assert as_whole(whole)


def test_changed_bytes(whole: Path, tmp_path: Path) -> None:
    """Anywhere: either nothing that counts has changed, or it is refused."""
    content = whole.read_bytes()
    places = random.Random(2)
    refused = 0
    for number in range(200):
        changed = bytearray(content)
        for _ in range(places.choice((1, 1, 4, 64))):
            changed[places.randrange(len(content))] ^= places.randrange(1, 256)
        path = tmp_path / f"{number}.db"
        path.write_bytes(changed)
        refused += not as_whole(path)
        for rest in tmp_path.glob(f"{number}.db*"):
            rest.unlink()
    assert refused > 100


def test_bytes_added(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(whole.read_bytes() + b"x" * 100)
    assert not as_whole(path)


@pytest.fixture
def killed(tmp_path: Path) -> tuple[Path, Path]:
    """A store whose last writer was killed: some of it lies in the log beside it."""
    program = (
        "import os, sys\n"
        "from tests.store.writer import made\n"
        "from etastar.store import open_store\n"
        "from etastar.testing.stores import begin\n"
        "study = begin(open_store(sys.argv[1]))\n"
        f"for number in range({TRIALS}): study.add(made(number))\n"
        "os._exit(9)\n"
    )
    path = tmp_path / "killed" / "store.db"
    done = subprocess.run([sys.executable, "-c", program, str(path)], cwd=ROOT, check=False)
    assert done.returncode == 9
    log = Path(f"{path}-wal")
    assert log.stat().st_size > 10_000
    return path, log


def test_a_log_cut_off_or_changed_gives_the_trials_before_it(
    killed: tuple[Path, Path], tmp_path: Path
) -> None:
    """As if the process had been killed earlier: what is left out is trained again."""
    path, log = killed
    places = random.Random(3)
    content = log.read_bytes()
    counts: set[int] = set()
    for number in range(60):
        folder = tmp_path / str(number)
        folder.mkdir()
        copy = Path(shutil.copy(path, folder / "store.db"))
        torn = bytearray(content)
        if number % 2:
            torn = torn[: places.randrange(len(content))]
        else:
            torn[places.randrange(len(content))] ^= 0xFF
        Path(f"{copy}-wal").write_bytes(torn)
        with open_store(copy) as store:
            assert check(store).problems == ()
            trials = begin(store).trials()
            assert trials == [made(one) for one in range(len(trials))]
            counts.add(len(trials))
            begin(store).add_all(made(one) for one in range(TRIALS))
            assert begin(store).count == TRIALS
        shutil.rmtree(folder)
    assert len(counts) > 10


def test_a_changed_trial_is_named_and_the_others_are_not_lost(whole: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(whole, tmp_path / "store.db"))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE etastar_trials SET final_loss = 0.5 WHERE id = 7")
    connection.execute("UPDATE etastar_trials SET losses = x'00' WHERE id = 9")
    connection.execute("UPDATE etastar_trials SET seed = 'one' WHERE id = 11")
    connection.commit()
    connection.close()
    with open_store(path) as store:
        found = check(store)
        assert found.studies == {"digits": TRIALS - 3}
        assert len(found.problems) == 3
        assert all("damaged trial" in problem for problem in found.problems)
        study = store.open("digits")
        with pytest.raises(StoreError, match="holds a damaged trial"):
            study.trials()
        seventh = made(6)
        with pytest.raises(StoreError, match="checksum does not fit"):
            study.get(seventh.lr, seventh.seed, seventh.steps, seventh.shape, seventh.settings)


def test_a_changed_study_is_refused(whole: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(whole, tmp_path / "store.db"))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE etastar_studies SET fingerprint = 'a'")
    connection.commit()
    connection.close()
    with open_store(path) as store:
        with pytest.raises(StoreError, match=r"'digits' in .* is damaged"):
            store.open("digits")
        assert len(check(store).problems) == 1


def other_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (x)")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b""), "was cut off: it has 0 bytes"),
        (lambda path: path.write_text("lr,loss\n" * 1000), "is no store of etastar"),
        (lambda path: path.write_text("hello\n"), "is no store of etastar"),
        (lambda path: path.write_bytes(b"SQLite for"), "was cut off: it has 10 bytes"),
        (lambda path: path.mkdir(), "is a folder; give a file"),
        (other_database, "is a database, but no store of etastar"),
    ],
)
def test_what_is_no_store_is_refused_and_left_alone(
    make: Callable[[Path], object], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "store.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError, match=words):
        open_store(path)
    assert before == (path.read_bytes() if path.is_file() else None)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("", "give a path, or a PostgreSQL URL"),
        ("mysql://host/x", r"given as mysql://…; give a path for SQLite"),
        ("postgresql://host:port/x", "URL cannot be understood"),
        ("sqlite://", "in memory would be lost"),
        ("/proc/store.db", "cannot be made .*; give a place where files can be written"),
        ("postgresql://etastar:secret@127.0.0.1:9/x", "cannot be reached .*; start the server"),
    ],
)
def test_places_that_cannot_be(place: str, words: str) -> None:
    with pytest.raises(StoreError, match=words) as refused:
        open_store(place)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_store_that_is_not_to_be_made(tmp_path: Path, postgres: str) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        open_store(tmp_path / "none.db", create=False)
    assert not list(tmp_path.iterdir())
    with pytest.raises(StoreError, match="no store of etastar; give another URL"):
        open_store(postgres, create=False)


def test_postgres_in_words(postgres: str) -> None:
    with pytest.raises(StoreError, match=r"does not exist there .*createdb"):
        open_store(f"{postgres}_x")
    open_store(postgres).close()
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute("CREATE ROLE reader LOGIN")
        server.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    with (
        open_store(postgres.replace("etastar@", "reader@")) as store,
        pytest.raises(StoreError, match="may not be written by this user"),
    ):
        begin(store)
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute("DROP OWNED BY reader")
        server.execute("DROP ROLE reader")


def test_a_broken_connection_is_made_anew(postgres: str) -> None:
    with open_store(postgres) as store:
        study = begin(store)
        study.add(made(0))
        with psycopg.connect(postgres, autocommit=True) as server:
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        study.add(made(1))
        assert study.count == 2


def test_without_psycopg_the_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'etastar\[postgres\]'"):
        open_store("postgresql://nobody@127.0.0.1:9/x")


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    """A limit on the size of files, as SQLite meets a disk without room."""
    path = tmp_path / "store.db"
    with open_store(path) as store:
        study = begin(store)
        study.add(made(0))
        kept = 1

        def fill() -> None:
            nonlocal kept
            for number in range(1, 10_000):
                study.add(made(number))
                kept += 1

        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
        try:
            with pytest.raises(StoreError, match=r"disk .*run the same command again"):
                fill()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert kept > 10
        study.add(made(kept))
        assert study.trials() == [made(number) for number in range(kept + 1)]
        assert check(store).problems == ()


READ_ONLY = """
import os, sys, sqlite3, sqlalchemy.dialects.sqlite
from etastar.store import open_store
from etastar.errors import StoreError
open_store(sys.argv[2]).close()  # all is imported before this becomes another user
os.setgid(65534); os.setuid(65534)
try:
    open_store(sys.argv[1])
except StoreError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
@pytest.mark.parametrize("there", [True, False])
def test_a_folder_that_cannot_be_written_is_told(there: bool, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    if there:
        with open_store(path) as store:
            begin(store).add(trial())
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:  # pytest's own folders are closed to others
        if parent.stat().st_mode & 0o005 != 0o005 and parent.stat().st_uid == os.getuid():
            parent.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(path), str(tmp_path.parent / f"other{there}.db")],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    assert "cannot be" in done.stdout
    assert "give a place" in done.stdout
    assert done.stdout.count("\n") == 1


def test_another_process_s_lock_is_waited_for_and_then_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etastar.store.connection.BUSY_SECONDS", 0.1)
    path = tmp_path / "store.db"
    with open_store(path) as store:
        study = begin(store)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="is held by another process"):
            study.add(trial())
        other.execute("ROLLBACK")
        other.close()
        study.add(trial())
        assert study.count == 1


def test_no_process_leaves_files_behind(tmp_path: Path) -> None:
    with open_store(tmp_path / "store.db") as store:
        begin(store).add(trial())
        assert isinstance(store.database, Database)
    assert [path.name for path in tmp_path.iterdir()] == ["store.db"]
