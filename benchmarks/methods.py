"""What is scored: `find`, its ablations, and the other methods, by name."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np

if TYPE_CHECKING:
    from etastar.records import Finding
    from etastar.tasks import Task


@dataclass(frozen=True)
class Answer:
    """What a method said of a task, and what that took."""

    lr: float | None  # None where it said nothing, or sets its own rate
    cost: float  # full runs
    seconds: float
    loss: float | None = None  # of a full run, for methods that set their own rate
    verdict: str = ""
    interval: tuple[float, float] | None = None
    confidence: float | None = None  # P(regret < 5 %)
    confidence_tight: float | None = None  # P(regret < 1 %)
    note: str = ""


Method = Callable[["Task", int], Answer]


def methods(chosen: str) -> dict[str, Method]:
    """The methods by group (`find`, `ablations`, `baselines`, `all`) or by names with commas."""
    groups = {"find": _own, "ablations": _ablations, "baselines": _baselines}
    if chosen in groups:
        return groups[chosen]()
    every = _own() | _ablations()
    if not set(chosen.split(",")) <= every.keys():
        every |= _baselines()  # they need packages of their own
    if chosen == "all":
        return every
    names = [chosen] if chosen in every else chosen.split(",")
    return {name: every[name] for name in names}


def _own() -> dict[str, Method]:
    budgets = {"find": "standard", "find (quick)": "quick", "find (thorough)": "thorough"}
    return {name: partial(_find, budget=budget) for name, budget in budgets.items()}


def _find(task: Task, seed: int, budget: str = "standard") -> Answer:
    import etastar as es

    return _answer(es.find(task, budget=budget, seed=seed, progress=False))


def _answer(finding: Finding) -> Answer:
    return Answer(
        lr=finding.lr,
        cost=finding.cost,
        seconds=finding.seconds,
        verdict=finding.verdict,
        interval=finding.interval,
        confidence=finding.confidence,
        confidence_tight=finding.confidence_tight,
        note=finding.reason,
    )


def _ablations() -> dict[str, Method]:
    return {
        "find without decay": _without_decay,
        "find without drift": partial(_altered, _no_drift),
        "find symmetric": partial(_altered, _symmetric),
    }


def _without_decay(task: Task, seed: int) -> Answer:
    """The pilots keep their rate; the truth is still the task's own schedule."""
    from etastar.schedules import Constant

    return _find(dataclasses.replace(task, schedule=Constant(steps=task.horizon)), seed)


def _altered(change: Callable[[], Any], task: Task, seed: int) -> Answer:
    with change():
        return _find(task, seed)


@contextmanager
def _no_drift() -> Iterator[None]:
    from etastar.finder.prior import Prior, prior_of

    module = import_module("etastar.finder.find")

    def still(*parts: Any, **options: Any) -> Prior:
        return dataclasses.replace(prior_of(*parts, **options), drift=(0.0, 0.02), overfit=0.0)

    with patch.object(module, "prior_of", still):
        yield


@contextmanager
def _symmetric() -> Iterator[None]:
    from etastar.finder import hypotheses, surrogate

    even = np.array([1.0, 1.0001, 1.0002])
    with patch.object(hypotheses, "SKEWS", even), patch.object(surrogate, "cliff", _no_cliff):
        yield


def _no_cliff(*_: Any, **__: Any) -> None:
    return None


def _baselines() -> dict[str, Method]:
    from baselines import METHODS, TRAINERS

    suggested = {method.name: partial(_suggested, method) for method in METHODS}
    return suggested | {trainer.name: partial(_trained, trainer) for trainer in TRAINERS}


def _suggested(method: Any, task: Task, seed: int) -> Answer:
    said = method.suggest(task, seed)
    return Answer(said.lr, said.cost, said.seconds, note=said.note)


def _trained(trainer: Any, task: Task, seed: int) -> Answer:
    began = time.perf_counter()
    came = trainer.train(task, seed)
    # the run itself is the answer: what it cost beyond one full run is what it took to find
    return Answer(
        None, came.cost - 1.0, time.perf_counter() - began, loss=came.loss, note=came.note
    )
