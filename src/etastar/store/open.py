"""Opening a store: which file or server is meant, and whether it can be used as it is."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from etastar.errors import StoreError
from etastar.store import schema
from etastar.store.connection import Database, is_sqlite
from etastar.store.files import (
    check_header,
    check_pages,
    check_size,
    is_there,
    is_unchanging,
    make_file,
)
from etastar.store.migrations import lay_out, migrate, version_of
from etastar.store.study import Store

DEFAULT = Path(".etastar/store.db")
"""Where studies lie unless one says otherwise, from the working directory."""


def open_store(
    url_or_path: str | Path | None = None, *, create: bool = True, repair: bool = False
) -> Store:
    """Open a store of studies; make it where there is none.

    A SQLite file may be used by several processes of one machine, not over a network file
    system; use PostgreSQL there. A store that an earlier etastar wrote is brought to this
    version, and its studies stay.

    Args:
        url_or_path: a file, or a URL such as `postgresql://user:password@host/database`;
            `.etastar/store.db` by default.
        create: make a store where there is none; refuse otherwise. One that is there may then be
            a file that this user can only read.
        repair: open a damaged file too, to see what is left of it.

    Returns:
        The store; close it, or use it in a `with` block.

    Raises:
        StoreError: it cannot be opened, is damaged, or is from a newer version of etastar.
        MissingDependencyError: PostgreSQL without psycopg.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, open_store(f"{folder}/s.db") as store:
        ...     store.studies()
        []
    """
    url = _url(DEFAULT if url_or_path is None else url_or_path)
    unchanging = False
    if is_sqlite(url):
        path = Path(str(url.database))
        if not is_there(path):
            if not create:
                raise StoreError(f"there is no store {path}; give the one that was written.")
            make_file(path)
        check_header(path)
        if not repair:
            check_size(path)
        unchanging = not create and is_unchanging(path)
    database = Database(url, unchanging=unchanging)
    try:
        _make_usable(database, create=create, repair=repair)
    except BaseException:
        database.close()
        raise
    return Store(database)


def _make_usable(database: Database, *, create: bool, repair: bool) -> None:
    version = version_of(database)
    if version is None:
        if database.is_sqlite or not create:
            raise StoreError(
                f"{database.where} is a database, but no store of etastar; give another "
                f"{'path' if database.is_sqlite else 'URL'}."
            )
        lay_out(database)
    elif version != schema.VERSION:
        migrate(database)
    if database.is_sqlite and not repair:
        check_pages(database)


def _url(given: str | Path) -> URL:
    """What is meant by a path or URL.

    Returns:
        The URL of a SQLite file or of PostgreSQL with psycopg.

    Raises:
        StoreError: it is the URL of something else.
    """
    text = str(given)
    if isinstance(given, Path) or "://" not in text:
        if not text.strip():
            raise StoreError("the store was given as ''; give a path, or a PostgreSQL URL.")
        return URL.create("sqlite", database=text)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise StoreError(
            "the store's URL cannot be understood; give postgresql://user:password@host/database."
        ) from error
    backend = url.get_backend_name()
    if backend == "sqlite":
        if not url.database or url.database == ":memory:":
            raise StoreError("a store in memory would be lost; give the path of a file.")
        return URL.create("sqlite", database=url.database)
    if backend in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    raise StoreError(
        f"a store was given as {backend}://…; give a path for SQLite, or postgresql://…."
    )
