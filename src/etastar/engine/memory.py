"""Memories of trials: a study of a store, or one that ends with the process."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from etastar.engine.recorded import Memory
from etastar.records import TaskSummary, Trial

if TYPE_CHECKING:
    from etastar.store.study import Store, Study

Terms = tuple[float, int, int, str, tuple[tuple[str, float], ...]]
"""Rate, seed, horizon, shape and settings: what tells the trials of a task apart."""


def terms(trial: Trial) -> Terms:
    """What tells a trial of a task from its others."""
    settings = tuple(sorted(trial.settings.items()))
    return trial.lr, trial.seed, trial.steps, trial.shape, settings


class Listed(Memory, Protocol):
    """A memory that can say all it holds."""

    def trials(self) -> list[Trial]:
        """All trials, in the order they were first added."""
        ...


class Remembered:
    """A memory that lives as long as its owner, where no store is wanted."""

    def __init__(self) -> None:
        self._trials: dict[Terms, Trial] = {}

    def get(
        self, lr: float, seed: int, steps: int, shape: str, settings: Mapping[str, float]
    ) -> Trial | None:
        """The trial of exactly these terms, or None."""
        return self._trials.get((lr, seed, steps, shape, tuple(sorted(settings.items()))))

    def add(self, trial: Trial) -> None:
        """Keep a trial; one that ran further takes the place of one that was stopped."""
        held = self._trials.get(terms(trial))
        further = trial.status != "stopped" or (held and len(trial.curve) > len(held.curve))
        if held is None or (held.status == "stopped" and further):
            self._trials[terms(trial)] = trial

    def trials(self) -> list[Trial]:
        """All trials, in the order they were first added."""
        return list(self._trials.values())


class Counted:
    """Counts what is added to a memory: trials that were trained and not answered.

    Args:
        memory: that answers and keeps.
    """

    def __init__(self, memory: Memory) -> None:
        self.count = 0
        self._memory = memory

    def get(
        self, lr: float, seed: int, steps: int, shape: str, settings: Mapping[str, float]
    ) -> Trial | None:
        """The trial of exactly these terms, or None."""
        return self._memory.get(lr, seed, steps, shape, settings)

    def add(self, trial: Trial) -> None:
        """Keep a trial."""
        self.count += 1
        self._memory.add(trial)


@contextmanager
def memory_of(store: Store | str | Path | None, task: TaskSummary) -> Generator[Listed]:
    """Where the trials of a task are kept.

    A task that changed since begins a further study, and mixes nothing.

    Args:
        store: a store, a database URL or a file; None keeps nothing beyond the call.
        task: whose trials they are.

    Yields:
        A study of the store, or a memory that ends with the call.
    """
    if store is None:
        yield Remembered()
    elif isinstance(store, str | Path):
        from etastar.store import open_store

        with open_store(store) as opened:
            yield _study(opened, task)
    else:
        yield _study(store, task)


def study_name(task: TaskSummary) -> str:
    """What the first study of a task is called; those of its later versions end in a number.

    Returns:
        The name.
    """
    from etastar.store.study import LONGEST_NAME

    return task.name[:LONGEST_NAME] or "task"


def _study(store: Store, task: TaskSummary) -> Study:
    return store.study(study_name(task), task.fingerprint, task, on_change="new")
