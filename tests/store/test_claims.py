"""Claims: a trial is one trainer's at a time, and nobody's for good."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.engine.default import DefaultDialect

from etastar.records import Terms
from etastar.store import claims as module
from etastar.store import open_store, schema
from etastar.testing.stores import begin

Place = Path | str

TERMS = [Terms.of(0.1 * k, 0, 10, "", {}) for k in range(1, 6)]


def test_what_one_has_taken_no_other_gets_until_it_is_given_back(place: Place) -> None:
    with open_store(place) as store, open_store(place) as other:
        one, two = begin(store).claims(), begin(other).claims()
        assert one.take(TERMS[:3]) == TERMS[:3]
        assert two.take(TERMS) == TERMS[3:]
        assert one.take(TERMS) == TERMS[:3], "its own are its own"
        one.give_back()
        assert two.take(TERMS) == TERMS
        assert one.take(TERMS) == []


def test_a_few_are_taken_in_the_order_asked_for(place: Place) -> None:
    wanted = TERMS[::-1]
    with open_store(place) as store:
        one, two = begin(store).claims(), begin(store).claims()
        assert one.take(wanted, 2) == wanted[:2]
        assert two.take(wanted, 2) == wanted[2:4]


@pytest.mark.parametrize(
    "other",
    [
        Terms.of(0.5000000000000001, 0, 10, "", {}),
        Terms.of(0.5, 1, 10, "", {}),
        Terms.of(0.5, 0, 11, "", {}),
        Terms.of(0.5, 0, 10, "a", {}),
        Terms.of(0.5, 0, 10, "", {"momentum": 0.5}),
    ],
)
def test_all_terms_count(other: Terms, tmp_path: Path) -> None:
    with open_store(tmp_path / "s.db") as store:
        one, two = begin(store).claims(), begin(store).claims()
        mine = Terms.of(0.5, 0, 10, "", {})
        assert one.take([mine]) == [mine]
        assert two.take([mine, other]) == [other]


def test_studies_have_their_own(place: Place) -> None:
    with open_store(place) as store:
        study = begin(store)
        other = store.study("another", "f" * 32, study.summary)
        assert study.claims().take(TERMS) == other.claims().take(TERMS) == TERMS


def test_they_lapse_unless_renewed(place: Place) -> None:
    with open_store(place) as store:
        one, two = begin(store).claims(), begin(store).claims()
        one.take(TERMS)
        late = update(schema.claims).values(until=1)
        store.database.run(late)
        one.renew()
        assert two.take(TERMS) == []
        store.database.run(late)
        assert two.take(TERMS) == TERMS
        assert one.take(TERMS) == []
        assert [*until(store)] == pytest.approx([until(store)[0]] * 5)


def until(store: Any) -> list[int]:
    return [row["until"] for row in store.database.run(select(schema.claims.c.until))]


def take_and_die(place: str) -> None:
    begin(open_store(place)).claims().take(TERMS)
    os._exit(1)


def test_a_dead_process_of_this_machine_has_none(place: Place) -> None:
    with open_store(place) as store:
        begin(store)
        process = multiprocessing.get_context("spawn").Process(
            target=take_and_die, args=(str(place),)
        )
        process.start()
        process.join()
        assert len(until(store)) == len(TERMS)
        assert begin(store).claims().take(TERMS) == TERMS


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells")
def test_a_dead_process_that_its_parent_has_not_asked_for_has_none(place: Place) -> None:
    with open_store(place) as store:
        begin(store)
        process = multiprocessing.get_context("spawn").Process(
            target=take_and_die, args=(str(place),)
        )
        process.start()
        stat = Path(f"/proc/{process.pid}/stat")
        while ") Z " not in stat.read_text(encoding="utf-8"):
            time.sleep(0.01)
        assert len(until(store)) == len(TERMS)
        assert begin(store).claims().take(TERMS) == TERMS
        process.join()


@pytest.mark.parametrize("owner", ["elsewhere/1/2/99999999/abc", "", "99999999", "/"])
def test_a_process_elsewhere_keeps_its_own(owner: str, tmp_path: Path) -> None:
    with open_store(tmp_path / "s.db") as store:
        claims = begin(store).claims()
        claims.take(TERMS)
        store.database.run(update(schema.claims).values(owner=owner))
        assert claims.take(TERMS) == []


def test_they_go_with_their_study(place: Place) -> None:
    with open_store(place) as store:
        begin(store).claims().take(TERMS)
        store.delete("digits")
        assert until(store) == []


@dataclass
class Trainer:
    place: Place
    start: Barrier

    def run(self) -> list[Terms]:
        """Take one after another until there are none."""
        with open_store(self.place) as store:
            claims, mine = begin(store).claims(), list[Terms]()
            self.start.wait()
            while taken := claims.take([t for t in MANY if t not in mine], 2):
                mine += taken
            return mine


MANY = [Terms.of(0.1 * k, 0, 10, "", {}) for k in range(1, 41)]


def test_many_at_once_take_each_trial_once(place: Place) -> None:
    open_store(place).close()
    start = Barrier(6)
    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(Trainer(place, start).run) for _ in range(6)]
        taken = Counter(terms for one in running for terms in one.result())
    assert taken == Counter(MANY)


def test_the_lease_is_as_long_as_it_says(place: Place) -> None:
    with open_store(place) as store:
        claims = begin(store).claims()
        claims.take(TERMS[:1])
        (first,) = until(store)
        row = {"study": 1, "trial": "x", "owner": "me", "until": first - 1000 * module.LEASE - 500}
        store.database.run(insert(schema.claims).values(row))
        claims.take(TERMS[:2])
        assert len(until(store)) == 2, "what has lapsed is gone"


def test_ctrl_c_within_a_statement_leaves_the_store_usable(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = DefaultDialect.do_execute

    def interrupted(*arguments: Any, **options: Any) -> None:
        execute(*arguments, **options)
        monkeypatch.undo()
        raise KeyboardInterrupt

    with open_store(place) as store:
        study = begin(store)
        claims = study.claims()
        claims.take(TERMS)
        assert study.count == 0
        monkeypatch.setattr(DefaultDialect, "do_execute", interrupted)
        with pytest.raises(KeyboardInterrupt):
            study.get(0.1, 0, 10, "", {})
        claims.give_back()
        assert until(store) == []
        assert study.count == 0
