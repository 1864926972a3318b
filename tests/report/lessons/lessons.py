"""Every lesson's record, made once, and the checks that hold for all of them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import etastar

if TYPE_CHECKING:
    from collections.abc import Callable

    from etastar.records.lessons import Lesson


def _regimes() -> Lesson:
    return etastar.explain("regimes")


def _regimes_on_the_line() -> Lesson:
    return etastar.explain("regimes", task="line")


def _schedules() -> Lesson:
    from etastar.engine import Observer
    from etastar.lessons.schedules import compare
    from etastar.tasks import load_task

    task = load_task("digits-mlp").with_steps(60)
    return compare(task, searching=[0], judging=[1, 2, 3], observer=Observer())


def _optimizers() -> Lesson:
    from etastar.engine import Observer
    from etastar.lessons.optimizers import explain
    from etastar.tasks import load_task

    return explain(load_task("digits-mlp").with_steps(60), seed=0, observer=Observer())


def _one_cycle() -> Lesson:
    from etastar.engine import Observer
    from etastar.lessons.one_cycle import race
    from etastar.tasks import load_task

    task = load_task("digits-mlp").with_steps(200)
    return race(task, searching=[0], judging=[1, 2, 3], observer=Observer())


def _grid_search() -> Lesson:
    from etastar.engine import Observer
    from etastar.lessons.grid_search import compare
    from etastar.tasks import load_task

    task = load_task("digits-mlp").with_steps(200)
    return compare(task, seed=0, observer=Observer(), octaves=6, judges=2)


MADE: dict[str, Callable[[], Lesson]] = {
    "regimes": _regimes,
    "regimes-on-task": _regimes_on_the_line,
    "schedules": _schedules,
    "one-cycle": _one_cycle,
    "optimizers": _optimizers,
    "grid-search": _grid_search,
}
"""How to make a record of each kind, quickly: another lesson adds its line here."""


@cache
def lesson(name: str) -> Lesson:
    """A record of a lesson, made once for all tests: they change nothing in it."""
    return MADE[name]()
