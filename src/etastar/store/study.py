"""A store's studies, and a study's trials."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Literal, Self

from sqlalchemy import and_, bindparam, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from etastar.errors import StoreError
from etastar.records import TaskSummary, Trial
from etastar.store import schema
from etastar.store.claims import Claims
from etastar.store.connection import Database, Row
from etastar.store.rows import read_summary, read_trial, settings_key, study_row, trial_row

LONGEST_NAME = 200


class Store:
    """Studies by name, in one SQLite file or PostgreSQL database; made by `open_store`.

    Several processes and threads may work on one store, and on one study of it.

    Args:
        database: with the tables of this version.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.where = database.where

    def study(
        self,
        name: str,
        fingerprint: str,
        summary: TaskSummary,
        *,
        on_change: Literal["refuse", "new"] = "refuse",
    ) -> Study:
        """The study of that name, begun where there is none.

        Args:
            name: what to call it.
            fingerprint: of the task whose trials it holds, see `task_fingerprint`.
            summary: the task in words; that of the first opening is kept.
            on_change: what to do where the name's study holds trials of another task: refuse,
                or begin a further one, NAME-2, NAME-3, ..., which the same call finds again.

        Returns:
            The study.

        Raises:
            StoreError: another task's study has the name, or the store cannot be used.
        """
        _check_name(name)
        free, number = name, 1
        while True:
            self._begin(study_row(free, fingerprint, summary))
            study = self.open(free)
            if study.fingerprint == fingerprint:
                return study
            if on_change == "refuse":
                raise StoreError(
                    f"the study {name!r} in {self.where} holds trials of another task (fingerprint "
                    f"{study.fingerprint[:8]}, here {fingerprint[:8]}: model, data, loss or "
                    f"optimizer differ); give another name, or on_change='new' for a new study."
                )
            number += 1
            free = f"{name}-{number}"

    def open(self, name: str) -> Study:
        """The study of that name.

        Returns:
            The study.

        Raises:
            StoreError: there is none, or it is damaged.
        """
        rows = self.database.run(select(schema.studies).where(schema.studies.c.name == name))
        if not rows:
            known = ", ".join(repr(study.name) for study in self.studies())
            raise StoreError(
                f"the store {self.where} has no study {name!r}; "
                f"{f'it has {known}' if known else 'it is empty'}."
            )
        return self._read(rows[0])

    def studies(self) -> list[Study]:
        """All studies, in the order they were begun."""
        rows = self.database.run(select(schema.studies).order_by(schema.studies.c.id))
        return [self._read(row) for row in rows]

    def delete(self, name: str) -> None:
        """Delete a study and its trials; where there is none of that name, nothing happens."""
        with self.database.whole() as connection:
            found = select(schema.studies.c.id).where(schema.studies.c.name == name)
            number = connection.execute(found).scalar()
            connection.execute(delete(schema.claims).where(schema.claims.c.study == number))
            connection.execute(delete(schema.trials).where(schema.trials.c.study == number))
            connection.execute(delete(schema.studies).where(schema.studies.c.id == number))

    def close(self) -> None:
        """Let go of the file or server; what was added stays."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(self, row: Mapping[str, Any]) -> None:
        statement = self._insert(schema.studies).values(**row)
        self.database.run(statement.on_conflict_do_nothing(index_elements=["name"]))

    def _read(self, row: Row) -> Study:
        return Study(self.database, row, self._keep())

    def _insert(self, table: Any) -> Any:
        dialect = sqlite if self.database.is_sqlite else postgresql
        return dialect.insert(table)

    def _keep(self) -> Any:
        """The statement that keeps a trial once; more of it takes the place of less.

        Less is a trial that was stopped: one of the same terms that ran further tells more.

        Returns:
            An INSERT, for values by column.
        """
        columns = [column.name for column in schema.trials.c if column.name != "id"]
        statement = self._insert(schema.trials).values({name: bindparam(name) for name in columns})
        new = statement.excluded
        further = or_(new.status != "stopped", new.length > schema.trials.c.length)
        return statement.on_conflict_do_update(
            index_elements=list(schema.TERMS),
            set_={name: new[name] for name in columns if name not in schema.TERMS},
            where=and_(schema.trials.c.status == "stopped", further),
        )


class Study:
    """The trials of one task, each kept once; a `Memory` for `Recorded`.

    A trial is told from others by rate, seed, horizon, schedule shape and settings, all exactly.
    Adding one that is there changes nothing, except that a trial which ran to its end takes the
    place of one that was stopped.

    Args:
        database: where it lies.
        row: the study's own.
        keep: the statement that adds a trial.

    Raises:
        StoreError: the row is damaged.
    """

    def __init__(self, database: Database, row: Row, keep: Any) -> None:
        self.name: str = row["name"]
        self.where = f"the study {self.name!r} in {database.where}"
        self.summary = read_summary(row, self.where)
        self.fingerprint: str = row["fingerprint"]
        self._database = database
        self._number: int = row["id"]
        self._keep = keep
        self._mine = schema.trials.c.study == self._number

    @property
    def count(self) -> int:
        """How many trials there are."""
        rows = self._database.run(select(func.count().label("n")).where(self._mine))
        return rows[0]["n"]

    def get(
        self, lr: float, seed: int, steps: int, shape: str, settings: Mapping[str, float]
    ) -> Trial | None:
        """The trial of exactly these terms; see `etastar.engine.Memory.get`.

        Returns:
            The trial, or None where there is none yet.

        Raises:
            StoreError: it is damaged, or the store cannot be read.
        """
        values = {
            "study": self._number,
            "lr": float(lr),
            "seed": str(seed),
            "steps": steps,
            "shape": shape,
            "settings": settings_key(settings),
        }
        rows = self._database.run(_OF_TERMS, {f"the_{name}": v for name, v in values.items()})
        return read_trial(rows[0], self.fingerprint, self.where) if rows else None

    def add(self, trial: Trial) -> None:
        """Keep a trial; committed when this returns.

        Raises:
            StoreError: the store cannot be written, or the study was deleted.
        """
        self._database.run(self._keep, self._row(trial))

    def add_all(self, trials: Iterable[Trial]) -> None:
        """Keep many trials, all or none, several times as fast as one by one."""
        rows = [self._row(trial) for trial in trials]
        if rows:
            with self._database.whole() as connection:
                connection.execute(self._keep, rows)

    def trials(self) -> list[Trial]:
        """All trials, in the order they were first added.

        Returns:
            One for each rate, seed, horizon, shape and settings.

        Raises:
            StoreError: one is damaged, or the store cannot be read.
        """
        return [read_trial(row, self.fingerprint, self.where) for row in self.rows()]

    def claims(self) -> Claims:
        """For one trainer, to take trials that no other is training.

        Returns:
            None taken yet.
        """
        return Claims(self._database, self._number)

    def rows(self) -> Iterator[Row]:
        """The trials as they lie there, unchecked."""
        yield from self._database.run(
            select(schema.trials).where(self._mine).order_by(schema.trials.c.id)
        )

    def delete(self, row: Row) -> None:
        """Delete a trial.

        Args:
            row: one of `rows`.
        """
        columns = schema.trials.c  # numbers are given again, to a trial that may be sound
        same = (columns.id == row["id"], columns.checksum == row["checksum"])
        self._database.run(delete(schema.trials).where(*same))

    def _row(self, trial: Trial) -> dict[str, Any]:
        return {"study": self._number, **trial_row(trial, self.fingerprint)}


_OF_TERMS = select(schema.trials).where(
    *(schema.trials.c[name] == bindparam(f"the_{name}") for name in schema.TERMS)
)


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise StoreError(f"a study was named {name!r}; give it a name in printable text.")
    if len(name) > LONGEST_NAME:
        raise StoreError(
            f"a study was given a name of {len(name)} characters; give one of at most "
            f"{LONGEST_NAME}."
        )
