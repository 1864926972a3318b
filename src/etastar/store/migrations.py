"""Stores of earlier versions brought to this one, each step in one change or not at all."""

from __future__ import annotations

from sqlalchemy import Connection, insert, inspect, select, text, update

from etastar.errors import StoreError
from etastar.store import schema
from etastar.store.connection import Database

STEPS: dict[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE etastar_trials ADD COLUMN shape TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE etastar_trials ADD COLUMN settings TEXT NOT NULL DEFAULT '{}'",
        "DROP INDEX etastar_trials_terms",
        "CREATE UNIQUE INDEX etastar_trials_terms ON etastar_trials "
        "(study, lr, seed, steps, shape, settings)",
    ),
    2: (
        "CREATE TABLE etastar_claims (study INTEGER NOT NULL REFERENCES etastar_studies (id), "
        "trial TEXT NOT NULL, owner TEXT NOT NULL, until BIGINT NOT NULL)",
        "CREATE UNIQUE INDEX etastar_claims_trial ON etastar_claims (study, trial)",
    ),
}
"""What leads from a version to the next, in the SQL that both databases understand."""

_LOCK = 0x65746173746172  # "etastar": one process at a time makes or changes a store's tables


def lay_out(database: Database) -> None:
    """Make the tables of a new store.

    Two processes may do so at once; the second finds all done.
    """
    with database.whole() as connection:
        _alone(connection)
        if not inspect(connection).has_table(schema.about.name):
            schema.metadata.create_all(connection)
            connection.execute(insert(schema.about).values(version=schema.VERSION))


def version_of(database: Database) -> int | None:
    """The version of a store's tables.

    Returns:
        None for a database that is no store.

    Raises:
        StoreError: the number is damaged.
    """
    with database.whole() as connection:
        if not inspect(connection).has_table(schema.about.name):
            return None
        return _version(connection, database.where)


def migrate(database: Database) -> None:
    """Bring a store to this version, if it is not; all of the way or none of it.

    Raises:
        StoreError: it was written by a newer etastar.
    """
    where = database.where
    with database.whole() as connection:
        _alone(connection)
        version = _version(connection, where)
        if version > schema.VERSION:
            raise StoreError(
                f"the store {where} has version {version}, written by a newer etastar, and this "
                f"one reads up to {schema.VERSION}; upgrade with `pip install --upgrade etastar`."
            )
        for step in range(version, schema.VERSION):
            for statement in STEPS[step]:
                connection.execute(text(statement))
        if version < schema.VERSION:
            connection.execute(update(schema.about).values(version=schema.VERSION))


def _version(connection: Connection, where: str) -> int:
    versions = connection.execute(select(schema.about.c.version)).scalars().all()
    if len(versions) != 1 or versions[0] < 1:
        raise StoreError(
            f"the store {where} is damaged: it gives its version as {list(versions)}; take a copy "
            f"of it, or delete it to begin anew."
        )
    return versions[0]


def _alone(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":  # SQLite's whole changes are alone already
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
