"""Stores of earlier versions open, and keep what they held; newer ones are refused in words."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import MetaData, create_engine, inspect
from tests.store.old import version_1, version_2

from etastar.errors import StoreError
from etastar.records import Trial
from etastar.store import check, open_store
from etastar.store.migrations import STEPS
from etastar.store.schema import VERSION
from etastar.testing.stores import trial

OLD = Path(__file__).parent / "old"
BYTES = {"checksum", "lrs", "losses"}
POSTGRES = {1: version_1.POSTGRES, 2: version_2.POSTGRES}


def told(name: str) -> dict[str, Any]:
    return json.loads((OLD / f"{name}.json").read_text(encoding="utf-8"))


def held(place: Path | str) -> list[Trial]:
    """What an old store gives, opened twice."""
    with open_store(place) as store:
        assert check(store).problems == ()
        assert [(study.name, study.count) for study in store.studies()] == [
            ("digits", 6),
            ("empty", 0),
        ]
    with open_store(place) as store:
        study = store.open("digits")
        trials = study.trials()
        for one in trials:
            assert study.get(one.lr, one.seed, one.steps, one.shape, one.settings) == one
        study.add(trials[0])
        assert study.count == 6
        study.add(trial(shape="abc"))
        study.add(trial(settings={"momentum": 0.5}))
        assert study.count == 8
        assert [*trials, trial(shape="abc"), trial(settings={"momentum": 0.5})] == study.trials()
        return trials


@pytest.fixture(params=POSTGRES)
def version(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture
def old_file(version: int, tmp_path: Path) -> Path:
    return Path(shutil.copy(OLD / f"version-{version}.db", tmp_path / "store.db"))


@pytest.fixture
def old_server(version: int, postgres: str) -> str:
    content = told(f"version-{version}")
    with psycopg.connect(postgres) as connection:
        for statement in POSTGRES[version]:
            connection.execute(statement)
        for table, rows in (("studies", content["studies"]), ("trials", content["rows"])):
            for row in rows:
                values = [bytes.fromhex(v) if k in BYTES else v for k, v in row.items()]
                marks = ", ".join(["%s"] * len(row))
                connection.execute(
                    f"INSERT INTO etastar_{table} ({', '.join(row)}) VALUES ({marks})", values
                )
    return postgres


def test_every_step_up_to_now_is_there() -> None:
    assert sorted(STEPS) == list(range(1, VERSION)) == sorted(POSTGRES)
    assert (OLD / f"version-{VERSION - 1}.db").exists()


def trials_of(version: int) -> list[Trial]:
    return [Trial.from_json(json.dumps(one)) for one in told(f"version-{version}")["trials"]]


def test_an_old_file_keeps_its_trials(version: int, old_file: Path) -> None:
    assert held(old_file) == trials_of(version)


def test_an_old_server_keeps_its_trials(version: int, old_server: str) -> None:
    assert held(old_server) == trials_of(version)


def tables(url: str) -> dict[str, Any]:
    """Columns, keys and indexes, as the database tells them."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = MetaData()
        found.reflect(connection)
        inspector = inspect(connection)
        described = {
            name: (
                {
                    c.name: (str(c.type), c.nullable, c.primary_key, *_references(c))
                    for c in table.columns
                },
                sorted(
                    (str(index["name"]), index["unique"], tuple(index["column_names"]))
                    for index in inspector.get_indexes(name)
                ),
            )
            for name, table in found.tables.items()
        }
    engine.dispose()
    return described


def _references(column: Any) -> list[str]:
    return [key.target_fullname for key in column.foreign_keys]


def test_an_old_file_s_tables_become_those_of_a_new_one(old_file: Path, tmp_path: Path) -> None:
    before = tables(f"sqlite:///{old_file}")
    for place in (old_file, tmp_path / "new.db"):
        open_store(place).close()
    now = tables(f"sqlite:///{old_file}")
    assert now == tables(f"sqlite:///{tmp_path / 'new.db'}")
    assert now != before


def test_an_old_server_s_tables_become_those_of_a_new_one(
    version: int, old_server: str, postgres_server: str
) -> None:
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE brand_new_{version}")
    places = (old_server, f"{postgres_server}/brand_new_{version}")
    for place in places:
        open_store(place).close()
    urls = [place.replace("postgresql:", "postgresql+psycopg:") for place in places]
    assert tables(urls[0]) == tables(urls[1])


def test_a_migration_that_fails_leaves_the_old_store(
    version: int, old_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = VERSION - 1
    monkeypatch.setitem(STEPS, last, (*STEPS[last], "THIS IS NO SQL"))
    with pytest.raises(StoreError, match="syntax error"):
        open_store(old_file)
    connection = sqlite3.connect(old_file)
    assert connection.execute("SELECT version FROM etastar_store").fetchall() == [(version,)]
    connection.close()
    monkeypatch.undo()
    assert held(old_file) == trials_of(version)


@pytest.mark.parametrize("place", ["file", "server"])
def test_a_newer_store_is_refused_in_words(
    place: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    where = tmp_path / "store.db" if place == "file" else request.getfixturevalue("postgres")
    open_store(where).close()
    newer = f"UPDATE etastar_store SET version = {VERSION + 1}"
    if place == "file":
        connection = sqlite3.connect(where)
        connection.execute(newer)
        connection.commit()
        connection.close()
    else:
        with psycopg.connect(where) as server:
            server.execute(newer)
    with pytest.raises(StoreError, match=rf"version {VERSION + 1}, written by a newer .* upgrade"):
        open_store(where)
