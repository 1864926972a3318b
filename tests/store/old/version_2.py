"""The tables of version 2, for a database that has no file to be kept."""

from __future__ import annotations

from tests.store.old.version_1 import POSTGRES as VERSION_1

POSTGRES = tuple(
    statement.replace(
        "checksum BYTEA NOT NULL)",
        "checksum BYTEA NOT NULL, shape TEXT NOT NULL DEFAULT '', "
        "settings TEXT NOT NULL DEFAULT '{}')",
    )
    if statement.startswith("CREATE TABLE etastar_trials")
    else statement.replace(
        "(study, lr, seed, steps)", "(study, lr, seed, steps, shape, settings)"
    ).replace("VALUES (1)", "VALUES (2)")
    for statement in VERSION_1
)
