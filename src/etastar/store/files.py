"""A store's SQLite file: how it comes to be, and whether it is whole."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from sqlalchemy import URL, text

from etastar.errors import StoreError
from etastar.store.connection import Database
from etastar.store.migrations import lay_out

_BEGIN = b"SQLite format 3\0"
_CHECKED_BYTES = 64 * 2**20
"""Files up to this size are checked whole when they are opened, in a fraction of a second."""

_LOOKS = 5
"""How often to look at a file's size before it counts as wrong: others may be writing it."""


def make_file(path: Path) -> None:
    """Make a new store, which is there all at once or not at all.

    A process killed in between leaves no half store; of two that do it at once one wins.

    Raises:
        StoreError: the folder cannot be made or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    except OSError as error:
        raise StoreError(
            f"the store {path} cannot be made ({error.strerror}); give a place where files can be "
            f"written."
        ) from error
    os.close(handle)
    made = Path(name)
    try:
        database = Database(URL.create("sqlite", database=name))
        try:
            database.run(text("PRAGMA journal_mode=WAL"))
            lay_out(database)
        finally:
            database.close()  # the last to close brings all into the one file
        _put(made, path)
    finally:
        for rest in (made, Path(f"{name}-wal"), Path(f"{name}-shm")):
            rest.unlink(missing_ok=True)


def _put(made: Path, path: Path) -> None:
    """Give the new file its name, unless another process was first.

    Raises:
        StoreError: it cannot be put there.
    """
    mask = os.umask(0)
    os.umask(mask)
    made.chmod(0o666 & ~mask)  # temporary files are for their maker alone
    try:
        with suppress(FileExistsError):
            os.link(made, path)
    except OSError:  # a file system without links; there two processes may collide
        try:
            if not path.exists():
                made.rename(path)
        except OSError as error:
            raise StoreError(
                f"the store {path} cannot be made ({error.strerror}); give a place where files "
                f"can be written."
            ) from error


def check_header(path: Path) -> None:
    """Refuse a file that is no store, or only its beginning, before SQLite opens it.

    SQLite takes an empty file for a new database and would begin anew in silence.

    Raises:
        StoreError: what the file is.
    """
    try:
        if path.is_dir():
            raise StoreError(f"the store {path} is a folder; give a file, such as {path}/store.db.")
        size = path.stat().st_size
        with path.open("rb") as file:
            begin = file.read(100)
    except OSError as error:
        raise StoreError(
            f"the store {path} cannot be read ({error.strerror}); give one that can."
        ) from error
    if not begin.startswith(_BEGIN[:size]):
        raise StoreError(f"{path} is no store of etastar, or a damaged one; give another path.")
    if size < 512:
        raise StoreError(
            f"the store {path} was cut off: it has {size} bytes; take a copy of it, or delete it "
            f"to begin anew."
        )


def check_size(path: Path) -> None:
    """Refuse a file that is shorter or longer than it says.

    Raises:
        StoreError: by how much.
    """
    size = whole = 0
    for _ in range(_LOOKS):
        size, whole = _sizes(path)
        if size == whole:
            return
        logged = Path(f"{path}-wal")
        if logged.exists() and logged.stat().st_size:
            return  # the newest pages lie there
        time.sleep(0.02)  # another process may be bringing them in right now
    raise StoreError(
        f"the store {path} was cut off or added to: it has {size} bytes of {whole}; take a copy "
        f"of it, or delete it to begin anew."
    )


def _sizes(path: Path) -> tuple[int, int]:
    """How many bytes a file has, and how many it says it has."""
    with path.open("rb") as file:
        begin = file.read(100)
        size = os.fstat(file.fileno()).st_size
    page = int.from_bytes(begin[16:18], "big")
    return size, (65536 if page == 1 else page) * int.from_bytes(begin[28:32], "big")


def check_pages(database: Database) -> None:
    """Let SQLite check that pages and indexes fit together, in files that are not too large.

    Raises:
        StoreError: they do not.
    """
    if Path(database.where).stat().st_size <= _CHECKED_BYTES:
        found = faults(database)
        if found:
            raise StoreError(
                f"the store {database.where} is damaged ({found[0]}); `etastar store check` lists "
                f"what is; take a copy of it, or delete it to begin anew."
            )


def faults(database: Database) -> list[str]:
    """What SQLite finds wrong with its file.

    Returns:
        At most a hundred sentences of SQLite's; empty for a sound file.
    """
    rows = database.run(text("PRAGMA integrity_check"))
    said = [line for row in rows for line in str(row["integrity_check"]).splitlines()]
    return [line for line in said if line != "ok" and not line.startswith("***")]


def is_there(path: Path) -> bool:
    """Whether there is a file, in a folder that may be looked into.

    Returns:
        True where there is one.

    Raises:
        StoreError: the folder is closed to this user.
    """
    try:
        return path.exists()
    except PermissionError as error:
        raise StoreError(
            f"the store {path} cannot be reached ({error.strerror}); give a place where files can "
            f"be written."
        ) from error


def is_unchanging(path: Path) -> bool:
    """Whether a store's file can be read by itself, and not be written by this user.

    Returns:
        False where a log lies beside it, without which it would be read half.
    """
    logged = Path(f"{path}-wal")
    if logged.exists() and logged.stat().st_size:
        return False
    return not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
