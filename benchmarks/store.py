"""Trials per second written by one and by four processes, beside Optuna's storages.

    python benchmarks/store.py [--trials 400] [--postgres postgresql://user@host/database]

A trial has one rate and a curve of 100 losses. We write it whole; Optuna is written the same
trial twice over: with its final value alone, the least it can do, and with its curve, a value per
step reported, on fewer trials as it takes long. Every trial is committed before the next. All
parties run in one call, in turn, and the median of the rounds is told. PostgreSQL is left out
where no URL is given.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import statistics
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

STEPS = 100
CURVES = 10
"""One trial with a curve in so many without: Optuna takes that much longer for it."""

Write = Callable[[str, int, int], float]


def our_trials(first: int, count: int) -> list[Any]:
    from etastar.records import LossCurve, Trial
    from etastar.schedules import Cosine

    shape = Cosine(steps=STEPS)
    made: list[Any] = []
    for number in range(first, first + count):
        rng = np.random.default_rng(number)
        lr = float(10 ** rng.uniform(-4, 0))
        losses = rng.normal(size=STEPS).astype(np.float32).astype(np.float64)
        made.append(
            Trial(
                lr=lr,
                seed=number,
                steps=STEPS,
                status="finished",
                final_loss=float(losses[-1]),
                curve=LossCurve(lrs=lr * shape(np.arange(STEPS)), losses=losses),
                sample_gradients=3200.0,
                seconds=1.0,
                shape=shape.fingerprint,
            )
        )
    return made


def write_ours(place: str, first: int, count: int) -> float:
    """Write trials one by one.

    Returns:
        Seconds, without opening the store and without making the trials up.
    """
    from etastar.store import open_store
    from etastar.testing.stores import begin

    trials = our_trials(first, count)
    with open_store(place) as store:
        study = begin(store)
        began = time.perf_counter()
        for trial in trials:
            study.add(trial)
        return time.perf_counter() - began


def write_optuna(place: str, first: int, count: int, *, curve: bool) -> float:
    """Write trials one by one to an Optuna storage.

    Returns:
        Seconds, without opening the storage.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.load_study(study_name="digits", storage=optuna_storage(place))
        rng = np.random.default_rng(first)
        losses = rng.normal(size=(count, STEPS)).tolist()
        began = time.perf_counter()
        for row in losses:
            trial = study.ask()
            trial.suggest_float("lr", 1e-4, 1, log=True)
            for step, loss in enumerate(row if curve else ()):
                trial.report(loss, step)
            study.tell(trial, row[-1])
        return time.perf_counter() - began


def optuna_storage(place: str) -> Any:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    if place.endswith(".log"):
        return optuna.storages.JournalStorage(JournalFileBackend(place))
    return optuna.storages.RDBStorage(
        place, engine_kwargs={"connect_args": {"timeout": 300}} if "sqlite" in place else None
    )


def begin_optuna(place: str) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optuna.create_study(
            study_name="digits",
            storage=optuna_storage(place),
            sampler=optuna.samplers.RandomSampler(seed=0),
        )


def begin_ours(place: str) -> None:
    from etastar.store import open_store
    from etastar.testing.stores import begin

    with open_store(place) as store:
        begin(store)


def rate(write: Write, place: str, processes: int, trials: int) -> float:
    """Trials per second of all processes together, each writing its share at the same time."""
    share = trials // processes
    context = multiprocessing.get_context("fork")  # all is imported already
    gate = context.Barrier(processes)
    with context.Pool(processes, initializer=_wait_at, initargs=(gate,)) as pool:
        jobs = [(write, place, number * share, share) for number in range(processes)]
        spans = pool.map(_timed, jobs, chunksize=1)
    return processes * share / (max(end for _, end in spans) - min(begin for begin, _ in spans))


_gate: Any = None


def _wait_at(gate: Any) -> None:
    global _gate  # noqa: PLW0603  how a pool hands something to its processes
    _gate = gate


def _timed(job: tuple[Write, str, int, int]) -> tuple[float, float]:
    """When the writing of one process began and ended, on the machine's clock."""
    write, place, first, count = job
    write(place, first + 10**6, 0)  # everything is imported
    _gate.wait()
    seconds = write(place, first, count)
    end = time.monotonic()
    return end - seconds, end


def places(folder: Path, postgres: str | None) -> dict[str, tuple[str, Callable[[str], None]]]:
    """A new place for each party, made ready."""
    found: dict[str, tuple[str, Callable[[str], None]]] = {
        "etastar, SQLite": (str(folder / "ours.db"), begin_ours),
        "Optuna RDBStorage, SQLite": (f"sqlite:///{folder}/optuna.db", begin_optuna),
        "Optuna JournalFileBackend": (str(folder / "optuna.log"), begin_optuna),
    }
    if postgres is not None:
        server = postgres.rsplit("/", 1)[0]
        ours, theirs = (_new_database(postgres, server) for _ in range(2))
        found["etastar, PostgreSQL"] = (ours, begin_ours)
        url = theirs.replace("postgresql://", "postgresql+psycopg://")
        found["Optuna RDBStorage, PostgreSQL"] = (url, begin_optuna)
    return found


def _new_database(postgres: str, server: str) -> str:
    import psycopg

    name = f"bench{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


def measured(trials: int, processes: int, postgres: str | None) -> dict[str, float]:
    folder = Path(tempfile.mkdtemp(prefix="etastar-bench-"))
    try:
        found: dict[str, float] = {}
        for name, (place, begin) in places(folder, postgres).items():
            begin(place)
            if name.startswith("etastar"):
                # ours are quick: more of them, for a time that can be measured
                found[name] = _told(name, rate(write_ours, place, processes, 10 * trials))
                continue
            for words, curve, count in (
                ("no curve", False, trials),
                ("with curve", True, max(processes, trials // CURVES)),
            ):
                write = partial(write_optuna, curve=curve)
                full = f"{name}, {words}"
                found[full] = _told(full, rate(write, place, processes, count))
        return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _told(name: str, per_second: float) -> float:
    print(f"{name}: {per_second:.1f}", file=sys.stderr, flush=True)
    return per_second


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    asked.add_argument("--trials", type=int, default=200, help="of Optuna's, per party")
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--postgres", help="URL of a database whose user may make others")
    asked.add_argument("--json", action="store_true")
    options = asked.parse_args()
    medians: dict[str, dict[int, float]] = {}
    for processes in (1, 4):
        rounds = [
            measured(options.trials, processes, options.postgres) for _ in range(options.rounds)
        ]
        for name in rounds[0]:
            medians.setdefault(name, {})[processes] = statistics.median(r[name] for r in rounds)
    if options.json:
        print(json.dumps(medians))
        return
    print("| trials per second | 1 process | 4 processes |\n|---|---|---|")
    for name, by_processes in medians.items():
        print(f"| {name} | {by_processes[1]:.0f} | {by_processes[4]:.0f} |")


if __name__ == "__main__":
    main()
