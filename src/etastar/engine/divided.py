"""Trials divided among those who share a memory: each trains what no other is training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol, runtime_checkable

from etastar.engine.contract import Engine, Work
from etastar.engine.memory import Claims
from etastar.engine.progress import Observer
from etastar.engine.sequential import Sequential
from etastar.errors import StoreError
from etastar.records import Terms, Trial

PIECE = 2.0
"""Seconds of training that are taken at once where trials are trained one after another: few, so
that others find something to do; more than an engine needs to begin."""

PAUSES = (0.1, 2.0)
"""Seconds between two looks at what others are training: the first, and the longest."""

RENEWED = 60.0
"""Seconds after which claims are renewed."""


@runtime_checkable
class OneByOne(Protocol):
    """An engine that may train trials one after another, so that others can take some of them."""

    def one_by_one(self, works: Sequence[Work], observer: Observer) -> Engine | None:
        """Which engine would do so with these works.

        Args:
            works: to be trained.
            observer: told what is chosen.

        Returns:
            The engine; None where they are better trained together.
        """
        ...


def divide(
    wanted: Iterable[Terms],
    size: int | None,
    claims: Claims,
    *,
    known: Callable[[Iterable[Terms]], Mapping[Terms, Trial]],
    train: Callable[[Sequence[Terms]], Mapping[Terms, Trial]],
    observer: Observer,
) -> dict[Terms, Trial]:
    """Train what no other trainer has taken, and wait for what others have.

    What a trainer took and did not end, because it failed, was stopped or is no more, is taken
    over. Nobody waits while having something in hand, so no two wait for each other.

    Args:
        wanted: trials, in the order they are to be trained.
        size: how many of them to take at first; more later, as long as they are short. None
            takes all at once.
        claims: of this trainer.
        known: what is kept of some trials by now.
        train: trains some.
        observer: told of waiting.

    Returns:
        All of them.
    """
    left = dict.fromkeys(wanted)
    found: dict[Terms, Trial] = {}
    pause, told = PAUSES[0], 0
    try:
        while left:
            taken = claims.take(left, size)
            ended = known(taken or left)  # by others, meanwhile
            mine = [terms for terms in taken if terms not in ended]
            if mine:
                began = time.perf_counter()
                found |= train(mine)
                size = size and _next(size, time.perf_counter() - began)
            claims.give_back()
            found |= ended
            left = {terms: None for terms in left if terms not in found}
            if taken or ended:
                pause, told = PAUSES[0], 0
            else:
                if told != len(left):
                    observer.waiting(len(left))
                told = len(left)
                time.sleep(pause)
                pause = min(2 * pause, PAUSES[1])
    finally:
        with suppress(StoreError):  # they lapse by themselves
            claims.give_back()
    return found


def one_by_one(engine: Engine, works: Sequence[Work], observer: Observer) -> Engine | None:
    """See `OneByOne`.

    Returns:
        The engine that trains these one after another, or None.
    """
    if isinstance(engine, Sequential):
        return engine
    return engine.one_by_one(works, observer) if isinstance(engine, OneByOne) else None


class Renewing(Observer):
    """Renews claims from time to time, from no thread of its own: loaders fork.

    Args:
        claims: to be renewed.
    """

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._next = time.monotonic() + RENEWED

    def stepped(self, lr: float, step: int, loss: float) -> None:
        """Renew them if it is time."""
        del lr, step, loss
        if time.monotonic() >= self._next:
            with suppress(StoreError):  # the trial's own end will tell
                self._claims.renew()
            self._next = time.monotonic() + RENEWED


def _next(size: int, seconds: float) -> int:
    """How many trials to take after so many took so long."""
    return max(1, min(2 * size, int(size * PIECE / max(seconds, 1e-9))))
