"""Which trials of a study are in training, so that its processes do not train the same ones."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

from sqlalchemy import Connection, delete, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from etastar.records import Terms
from etastar.store.connection import Database
from etastar.store.rows import settings_key
from etastar.store.schema import claims

LEASE = 300.0
"""Seconds after which a claim lapses that was not renewed."""


class Claims:
    """The trials that one trainer has taken of a study.

    A claim is no lock: whoever trains a trial nevertheless harms nothing, since it is kept once.
    A killed process's claims are free at once on its own machine, elsewhere when they lapse.

    Args:
        database: where the study lies.
        study: its number.
    """

    def __init__(self, database: Database, study: int) -> None:
        self._database = database
        self._study = study
        self._owner = f"{_HERE}{os.getpid()}/{uuid.uuid4().hex}"
        self._theirs = (claims.c.study == study, claims.c.owner != self._owner)
        self._mine = (claims.c.study == study, claims.c.owner == self._owner)

    def take(self, wanted: Iterable[Terms], most: int | None = None) -> list[Terms]:
        """Claim trials that nobody else has.

        Args:
            wanted: trials, in the order they are to be trained.
            most: how many of them; as many as there are by default.

        Returns:
            Those that are now this trainer's.

        Raises:
            StoreError: the store cannot be written.
        """
        keys = {_key(terms): terms for terms in wanted}
        with self._database.whole() as connection:
            now = self._now(connection)
            lapsed = delete(claims).where(claims.c.study == self._study, claims.c.until <= now)
            connection.execute(lapsed)
            self._free_the_dead(connection)
            held = set(connection.scalars(select(claims.c.trial).where(*self._theirs)))
            free = [key for key in keys if key not in held][:most]
            if not free:
                return []
            row = {"study": self._study, "owner": self._owner, "until": now + _milliseconds(LEASE)}
            dialect = sqlite if self._database.is_sqlite else postgresql
            # in one order, since two that wait for each other's rows would wait forever
            connection.execute(
                dialect.insert(claims).on_conflict_do_nothing(index_elements=["study", "trial"]),
                [{**row, "trial": key} for key in sorted(free)],
            )
            mine = set(connection.scalars(select(claims.c.trial).where(*self._mine)))
        return [keys[key] for key in free if key in mine]

    def renew(self) -> None:
        """Keep what was taken for another lease.

        Raises:
            StoreError: the store cannot be written.
        """
        with self._database.whole() as connection:
            until = self._now(connection) + _milliseconds(LEASE)
            connection.execute(update(claims).where(*self._mine).values(until=until))

    def give_back(self) -> None:
        """Let others have what was taken.

        Raises:
            StoreError: the store cannot be written.
        """
        self._database.run(delete(claims).where(*self._mine))

    def _free_the_dead(self, connection: Connection) -> None:
        owners = select(claims.c.owner).where(*self._theirs).distinct()
        for owner in list(connection.scalars(owners)):
            if _is_dead(owner):
                connection.execute(delete(claims).where(claims.c.owner == owner))

    def _now(self, connection: Connection) -> int:
        """Milliseconds by one clock for all processes: the server's, or this machine's."""
        if self._database.is_sqlite:
            return _milliseconds(time.time())
        now = text("SELECT CAST(1000 * extract(epoch FROM clock_timestamp()) AS BIGINT)")
        return int(connection.execute(now).scalar_one())


def _boot() -> str:
    """What tells this run of this machine, or of a container, from others; "" if nothing does."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


_HERE = f"{socket.gethostname()}/{_boot()}/"


def _is_dead(owner: str) -> bool:
    """Whether an owner was a process of this machine that is no more; where unsure, it was not."""
    here, own = owner.startswith(_HERE), owner.removeprefix(_HERE).partition("/")[0]
    if not here or os.name != "posix" or not own.isdecimal():
        return False
    try:
        os.kill(int(own), 0)
        stat = Path(f"/proc/{own}/stat").read_text(encoding="utf-8", errors="replace")
    except ProcessLookupError:
        return True
    except OSError:  # it is another user's, or this is no Linux
        return False
    return stat.rpartition(")")[2].split()[0] == "Z"  # ended, and its parent has not asked how


def _key(terms: Terms) -> str:
    settings = settings_key(dict(terms.settings))
    words = "|".join((terms.lr.hex(), str(terms.seed), str(terms.steps), terms.shape, settings))
    return blake2b(words.encode(), digest_size=16).hexdigest()


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)
