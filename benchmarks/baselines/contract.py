"""What every baseline answers, and how its cost is counted."""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import math
import time
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

from etastar.training.batches import one_pass, samples
from etastar.training.live import living
from etastar.training.randomness import seed_task

if TYPE_CHECKING:
    from collections.abc import Generator

    from etastar.tasks import Task


@dataclass(frozen=True)
class Suggestion:
    """A learning rate, and what it took; None where the method had nothing to say."""

    lr: float | None
    cost: float  # full runs of the task, in sample gradients; a forward pass counts a third
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of a full run by a method that sets its own rate; inf where it was lost."""

    loss: float
    cost: float
    seconds: float
    note: str = ""


class Method(Protocol):
    """Suggests a learning rate for a task."""

    name: str

    def suggest(self, task: Task, seed: int) -> Suggestion:
        """One suggestion; `seed` covers weights, data order and the method's own draws."""
        ...


class Trainer(Protocol):
    """Trains a task with no rate from the user."""

    name: str

    def train(self, task: Task, seed: int) -> Outcome:
        """One full run over the task's horizon."""
        ...


class NothingFoundError(Exception):
    """The method ended without a rate; the message says why."""


class Meter:
    """Counts sample gradients, in full runs of the task."""

    def __init__(self, task: Task) -> None:
        self._full_run = full_run(task)
        self._sample_gradients = 0.0
        self.note = ""

    def pay(self, sample_gradients: float) -> None:
        """Count work."""
        self._sample_gradients += sample_gradients

    @property
    def cost(self) -> float:
        """What is spent, in full runs."""
        return self._sample_gradients / self._full_run


_FULL_RUNS: WeakKeyDictionary[Task, float] = WeakKeyDictionary()


def full_run(task: Task) -> float:
    """Sample gradients of the task's full run, without evaluations: one pass's mean counts."""
    if task not in _FULL_RUNS:
        with living(task), one_pass(task.train, "train") as batches:
            seed_task(task, 0)
            # data without a length may never end
            sizes = [samples(batch) for batch, _ in zip(batches, range(1000), strict=False)]
        per_update = sum(sizes) / len(sizes) * task.accumulate
        _FULL_RUNS[task] = task.horizon * per_update
    return _FULL_RUNS[task]


def evaluation_cost(task: Task) -> float:
    """What judging the model once costs, in full runs."""
    with living(task) as live:
        live.begin(0)
        live.evaluate()
        return live.sample_gradients / full_run(task)


class AbstractMethod(ABC):
    """A method whose errors are answers, and whose packages keep quiet."""

    name: str

    def suggest(self, task: Task, seed: int) -> Suggestion:
        """Search, and say what it cost; whatever is raised becomes the note."""
        meter = Meter(task)
        began = time.perf_counter()
        lr: float | None = None
        with quiet():
            with answering(meter):
                found = float(self.search(task, seed, meter))
                if math.isfinite(found) and found > 0:
                    lr = found
                else:
                    meter.note = f"suggests {found:g}"
            gc.collect()  # closes what a peer left open when it failed
        return Suggestion(lr, meter.cost, time.perf_counter() - began, meter.note)

    @abstractmethod
    def search(self, task: Task, seed: int, meter: Meter) -> float:
        """The rate; what is trained on the way is paid into `meter`."""


class AbstractTrainer(ABC):
    """A trainer whose errors are answers, and whose package keeps quiet."""

    name: str

    def train(self, task: Task, seed: int) -> Outcome:
        """Train, and say what it cost; whatever is raised becomes the note."""
        meter = Meter(task)
        began = time.perf_counter()
        loss = math.inf
        with quiet(), answering(meter):
            final = self.run(task, seed, meter)
            if math.isfinite(final):
                loss = final
            else:
                meter.note = "diverged"
        return Outcome(loss, meter.cost, time.perf_counter() - began, meter.note)

    @abstractmethod
    def run(self, task: Task, seed: int, meter: Meter) -> float:
        """The final loss, judged as every trial of the task is; NaN where it diverged."""


@contextlib.contextmanager
def answering(meter: Meter) -> Generator[None]:
    """Turn whatever the block raises into the meter's note."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  a peer may fail in any way, and that is a result
        meter.note = described(error)


def described(error: Exception) -> str:
    """An error in one line."""
    if isinstance(error, NothingFoundError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed"
    lines = str(error).strip().splitlines() or [""]
    return f"raised {type(error).__name__}: {lines[0]}"


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Silence bars, prints, logs and warnings of the peers for the block."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    sink = io.StringIO()
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(sink),
            contextlib.redirect_stderr(sink),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
