"""One connection to a store, whichever database it is: single statements and whole changes."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any, cast
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, Executable, create_engine, event
from sqlalchemy.exc import DBAPIError

from etastar.errors import MissingDependencyError
from etastar.store.words import in_words

Row = Mapping[str, Any]
"""Values by column."""

BUSY_SECONDS = 60.0
"""How long to wait for another process's write."""

_left_to_parents: list[Any] = []
"""A fork's copies of its parent's connections: closing one would end the parent's."""


class Database:
    """A database that several processes and threads may use at once.

    Both databases give back control before the disk has the last commits (SQLite: WAL with
    `synchronous=NORMAL`; PostgreSQL: `synchronous_commit=off`). A killed process loses nothing; a
    machine that loses power may lose the last moments, never more and never half a trial.

    Args:
        url: of an existing SQLite file or a PostgreSQL database.
        unchanging: of a file that nobody can write, so that it can be read without the files
            SQLite lays beside it.
    """

    def __init__(self, url: URL, *, unchanging: bool = False) -> None:
        self.url = url
        self._unchanging = unchanging
        shown = url.set(drivername="postgresql").render_as_string(hide_password=True)
        self.where = str(url.database) if is_sqlite(url) else shown
        self._engine = _engine(url, unchanging=unchanging)
        self._lock = RLock()
        self._connection: Connection | None = None
        self._process = os.getpid()

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file."""
        return is_sqlite(self.url)

    def run(self, statement: Executable, values: Mapping[str, Any] | None = None) -> Sequence[Row]:
        """Run one statement, committed when this returns.

        A connection that broke is made anew once, so statements must bear being repeated.

        Returns:
            Its rows by column; none for a statement without.

        Raises:
            StoreError: the database refuses.
        """  # noqa: DOC501  in words
        with self._lock, in_words(self.where):
            try:
                return self._run(statement, values)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                self._drop()
                return self._run(statement, values)
            except BaseException:  # Ctrl-C within a statement leaves a connection of no use
                self._drop()
                raise

    @contextmanager
    def whole(self) -> Generator[Connection]:
        """Make a change of several statements: all of them or none, and no writer between.

        Yields:
            The connection to run them on.
        """
        with (
            self._lock,
            in_words(self.where),
            self._alive.connect().execution_options(**self._whole) as connection,
            connection.begin(),
        ):
            yield connection

    def close(self) -> None:
        """Let go of the database; what was written stays."""
        with self._lock:
            if os.getpid() == self._process:
                self._drop()
                self._engine.dispose()

    def _run(self, statement: Executable, values: Mapping[str, Any] | None) -> Sequence[Row]:
        engine = self._alive
        if self._connection is None:
            self._connection = engine.connect()
        result = self._connection.execute(statement, values)
        if not result.returns_rows:
            return ()
        return cast("Sequence[Row]", result.mappings().all())

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @property
    def _whole(self) -> dict[str, Any]:
        if self.is_sqlite:
            return {"etastar_whole": not self._unchanging}
        return {"isolation_level": "READ COMMITTED"}

    @property
    def _alive(self) -> Engine:
        """The engine, with connections of this very process."""
        if os.getpid() != self._process:
            _left_to_parents.append((self._connection, self._engine.pool))
            self._connection = None
            self._engine.dispose(close=False)
            self._process = os.getpid()
        return self._engine


def is_sqlite(url: URL) -> bool:
    """Whether the URL is that of a SQLite file."""
    return url.get_backend_name() == "sqlite"


def _engine(url: URL, *, unchanging: bool) -> Engine:
    """An engine whose connections commit every statement, unless in a whole change.

    Returns:
        The engine.

    Raises:
        MissingDependencyError: PostgreSQL without psycopg.
    """
    if not is_sqlite(url):
        try:
            engine = create_engine(url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                "a store on PostgreSQL needs psycopg: run `pip install 'etastar[postgres]'`."
            ) from error

        @event.listens_for(engine, "connect")
        def quick(connection: Any, _: object) -> None:  # pyright: ignore[reportUnusedFunction]
            connection.execute("SET synchronous_commit = off")

        return engine
    file = str(url.database)
    if unchanging:
        file = f"file:{quote(file)}?mode=ro&immutable=1"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(file, timeout=BUSY_SECONDS, uri=unchanging, check_same_thread=False)

    engine = create_engine(url, creator=connect)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None  # sqlite3 begins no transaction of its own
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        if connection.get_execution_options().get("etastar_whole"):
            # with the lock from the start: a reader that becomes a writer cannot wait for one
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
