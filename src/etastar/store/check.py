"""Every record of a store, read and held against its checksum."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from etastar.errors import StoreError
from etastar.store import schema
from etastar.store.files import check_size, faults
from etastar.store.rows import read_trial
from etastar.store.study import Store, Study


@dataclass(frozen=True)
class Check:
    """What a store holds, and what of it is damaged."""

    store: str
    studies: dict[str, int]  # readable trials by study
    problems: tuple[str, ...]
    deleted: tuple[str, ...] = ()  # what was damaged, and is no more


def check(store: Store, *, delete_damaged: bool = False) -> Check:
    """Read everything in a store.

    Args:
        store: may be damaged.
        delete_damaged: delete trials that cannot be read, in a file that is whole; whoever asks
            for them trains them again.

    Returns:
        What it holds, and a sentence for everything that cannot be read.
    """
    problems = [*_cut(store), *(f"SQLite: {fault}" for fault in _faults(store))]
    deleting, deleted = delete_damaged and not problems, list[str]()
    counts: dict[str, int] = {}
    for study in _studies(store, problems):
        counts[study.name] = 0
        try:
            for row in study.rows():
                try:
                    read_trial(row, study.fingerprint, study.where)
                    counts[study.name] += 1
                except StoreError as error:
                    if deleting:
                        study.delete(row)
                    (deleted if deleting else problems).append(str(error))
        except StoreError as error:
            problems.append(str(error))
    return Check(store.where, counts, tuple(problems), tuple(deleted))


def _cut(store: Store) -> list[str]:
    if store.database.is_sqlite:
        try:
            check_size(Path(store.where))
        except StoreError as error:
            return [str(error)]
    return []


def _faults(store: Store) -> list[str]:
    if not store.database.is_sqlite:
        return []
    try:
        return faults(store.database)
    except StoreError as error:
        return [str(error)]


def _studies(store: Store, problems: list[str]) -> list[Study]:
    found: list[Study] = []
    try:
        names = store.database.run(select(schema.studies.c.name).order_by(schema.studies.c.id))
    except StoreError as error:
        problems.append(str(error))
        return found
    for row in names:
        try:
            found.append(store.open(row["name"]))
        except StoreError as error:
            problems.append(str(error))
    return found
