"""A PostgreSQL server of the tests' own, on a free port, in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

Run = Callable[..., None]


def _binaries() -> Path | None:
    """Where initdb and pg_ctl lie: in the PATH, or where Debian puts them."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in versions), default=None, key=lambda p: int(p.parent.name))


def _as_owner() -> list[str] | None:
    """What makes a command run as somebody other than root, whom PostgreSQL refuses."""
    if os.geteuid() != 0:
        return []
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        return None
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The server's URL without a database's name."""
    binaries, owner = _binaries(), _as_owner()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    if owner is None:
        pytest.skip("PostgreSQL does not run as root, and there is no user 'postgres'")
    folder = Path(tempfile.mkdtemp(prefix="etastar-postgres-"))
    try:
        if owner:
            shutil.chown(folder, "postgres", "postgres")
        yield from _served(folder, binaries, owner)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _served(folder: Path, binaries: Path, owner: list[str]) -> Iterator[str]:
    def run(program: str, *words: str) -> None:
        done = subprocess.run(
            [*owner, str(binaries / program), *words],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the server inherits it, and would keep a pipe open
            stderr=subprocess.STDOUT,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{program} failed"

    data, log = str(folder / "data"), str(folder / "log")
    run("initdb", "-D", data, "-U", "etastar", "--auth=trust", "--encoding=UTF8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    run("pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start")
    try:
        yield f"postgresql://etastar@127.0.0.1:{port}"
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


@pytest.fixture
def postgres(postgres_server: str) -> str:
    """The URL of a new database."""
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{postgres_server}/{name}"


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a new store may lie."""
    if request.param == "sqlite":
        return tmp_path / "store.db"
    return request.getfixturevalue("postgres")
