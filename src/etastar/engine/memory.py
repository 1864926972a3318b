"""Memories of trials: a study of a store, or one that ends with the process."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from etastar.records import TaskSummary, Terms, Trial

if TYPE_CHECKING:
    from etastar.store.study import Store, Study


class Memory(Protocol):
    """Where trials of one task are kept; a `Study` is one."""

    def get(
        self, lr: float, seed: int, steps: int, shape: str, settings: Mapping[str, float]
    ) -> Trial | None:
        """The trial of exactly these terms.

        Args:
            lr: peak rate; equal to the last bit.
            seed: its seed.
            steps: its horizon.
            shape: the fingerprint of the schedule it was trained under.
            settings: the optimizer's settings changed for it.

        Returns:
            The trial, or None where there is none yet.
        """
        ...

    def add(self, trial: Trial) -> None:
        """Keep a trial; one that is there already changes nothing."""
        ...


class Claims(Protocol):
    """Takes trials for one trainer, so that others who share the memory train different ones."""

    def take(self, wanted: Iterable[Terms], most: int | None = None) -> list[Terms]:
        """Claim trials that nobody else has; see `etastar.store.claims.Claims`."""
        ...

    def renew(self) -> None:
        """Keep what was taken; it lapses by itself."""
        ...

    def give_back(self) -> None:
        """Let others have what was taken."""
        ...


@runtime_checkable
class Shared(Protocol):
    """A memory that several trainers may share."""

    def claims(self) -> Claims | None:
        """For one of them; None where the memory is nobody else's after all."""
        ...


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
        return self._trials.get(Terms.of(lr, seed, steps, shape, settings))

    def add(self, trial: Trial) -> None:
        """Keep a trial; one that ran further takes the place of one that was stopped."""
        held = self._trials.get(trial.terms)
        further = trial.status != "stopped" or (held and len(trial.curve) > len(held.curve))
        if held is None or (held.status == "stopped" and further):
            self._trials[trial.terms] = trial

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

    def claims(self) -> Claims | None:
        """Those of the memory, if it is shared."""
        return self._memory.claims() if isinstance(self._memory, Shared) else None


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
