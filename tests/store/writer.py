"""A process that writes trials to a store until it is killed, and says when each is in.

python writer.py PLACE FIRST COUNT
"""

from __future__ import annotations

from multiprocessing.connection import Connection

import numpy as np

from etastar.records import Trial
from etastar.store import open_store
from etastar.testing.stores import begin, trial

STEPS = 60


def made(number: int) -> Trial:
    """The trial of that number, the same in every process."""
    losses = np.random.default_rng(number).normal(size=STEPS)
    short = trial(lr=1e-3 * (number + 1), seed=number % 3, steps=STEPS, losses=())
    return Trial(**{**dict(short), "curve": {"lrs": np.full(STEPS, short.lr), "losses": losses}})


def write(place: str, first: int, count: int, tell: Connection) -> None:
    """Add trials one after another, and tell the number of each that is in."""
    tell.send("ready")
    with open_store(place) as store:
        study = begin(store)
        for number in range(first, first + count):
            study.add(made(number))
            tell.send(number)
