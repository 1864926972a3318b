"""What runs out there: one trial, told block by block."""

from __future__ import annotations

import dataclasses
import pickle
import time
import traceback
import uuid
from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

import etastar
from etastar.engine.ray_engine.settings import Surroundings
from etastar.engine.ray_engine.transport import pack, pack_task, unpack
from etastar.engine.sequential import Path, walk
from etastar.errors import EtastarError, TaskError
from etastar.tasks import Task, instances, load_task
from etastar.training.live import living

PAUSE = 0.1
"""Seconds between two blocks of losses, at least."""

_PLAIN = (
    "steps",
    "epochs",
    "schedule",
    "accumulate",
    "clip_norm",
    "clip_value",
    "autocast",
    "device",
    "name",
    "settings",
    "other_schedules",
)
"""The parts of a task that travel beside its name: a command may have changed them."""


class Block(NamedTuple):
    """Losses of the steps since the last block, and the sample gradients spent after each."""

    losses: list[float]
    spent: list[float]


class Ended(NamedTuple):
    """The trial, pickled: finished or diverged."""

    trial: bytes


class Failed(NamedTuple):
    """What ended the trial instead, and its cause, packed; where it happened, as text."""

    error: bytes
    cause: bytes
    trace: str


def _versions() -> tuple[str, str]:
    return etastar.__version__, torch.__version__


class Way(NamedTuple):
    """What trials of a parcel may differ in, beside rate and seed."""

    path: Path  # of the rates
    settings: Mapping[str, float]  # of the task's optimizer


@dataclass(frozen=True)
class Parcel:
    """What trials of a call share; sent once.

    Args:
        task: packed; or None for one that is loaded by its name.
        spec: that name.
        changes: what the caller has changed of the named task, packed: plain parts, and the
            states of its instances.
        around: settings of the driver's process.
        one_gpu: whether a trial sees one GPU, however many the driver sees.
    """

    task: bytes | None
    spec: str
    changes: bytes
    around: Surroundings
    one_gpu: bool
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    versions: tuple[str, str] = field(default_factory=_versions)

    @classmethod
    def of(cls, task: Task, spec: str | None, *, one_gpu: bool) -> Parcel:
        """Pack a task, or take it by its name where it cannot be packed.

        Returns:
            The parcel.

        Raises:
            TaskError: it cannot travel, and has no name.
        """
        packed, changes = None, b""
        try:
            packed = pack_task(task)
        except TaskError:
            if spec is None:
                raise
            changes = pack(_changes(task))
        return cls(packed, spec or "", changes, Surroundings.here(), one_gpu)

    def open(self) -> Task:
        """Put the task together.

        Returns:
            One of its own where it was packed; a named one is the same in every trial here.
        """
        if self.task is not None:
            return unpack(self.task, one_gpu=self.one_gpu)
        if _named.get("key") != self.key:
            plain, states = unpack(self.changes, one_gpu=self.one_gpu)
            task = dataclasses.replace(load_task(self.spec), **plain)
            for part, state in zip(_stateful(task), states, strict=True):
                part.load_state_dict(state)
            _named.update(key=self.key, task=task)
        return _named["task"]


_named: dict[str, Any] = {}  # the task last loaded by its name


def run_trial(
    parcel: Parcel, way: Way, lr: float, seed: int
) -> Generator[Block | Ended | Failed | None, None, None]:
    """One trial as a Ray task.

    Yields:
        None at once; blocks of losses; then how it ended.
    """
    yield None
    try:
        _check_versions(parcel)
        with parcel.around.applied():
            task = dataclasses.replace(_opened(parcel), settings=way.settings)
            yield from _trained(task, lr, seed, way.path)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | GeneratorExit):  # called off
            raise
        yield _failed(error)  # whatever it is, the driver raises it


def _check_versions(parcel: Parcel) -> None:
    here = _versions()
    if parcel.versions != here:
        raise TaskError(
            f"Ray's worker has etastar {here[0]} and torch {here[1]}, the driver "
            f"{parcel.versions[0]} and {parcel.versions[1]}: install the same on all machines."
        )


def _trained(task: Task, lr: float, seed: int, path: Path) -> Generator[Block | Ended, None, None]:
    with living(task) as live:
        steps = walk(live, lr, seed, path)
        block, due = Block([], []), time.monotonic() + PAUSE
        while True:
            try:
                loss = next(steps)
            except StopIteration as end:
                trial = end.value
                break
            block.losses.append(loss)
            block.spent.append(live.sample_gradients)
            if time.monotonic() >= due:
                yield block
                block, due = Block([], []), time.monotonic() + PAUSE
    yield block
    yield Ended(pickle.dumps(trial))


def _opened(parcel: Parcel) -> Task:
    try:
        return parcel.open()
    except EtastarError:
        raise
    except Exception as error:
        raise TaskError(
            f"the task cannot be put together on Ray's worker ({type(error).__name__}: {error}): "
            f"install there what it imports, or name it, RayEngine(task='file.py:name')."
        ) from error


def _failed(error: BaseException) -> Failed:
    trace = "".join(traceback.format_exception(error))
    return Failed(_packed_error(error), _packed_error(error.__cause__), trace)


def _packed_error(error: BaseException | None) -> bytes:
    """An error as it is, or what it says where it cannot travel."""
    if error is not None:
        with suppress(Exception):  # its own pickling may raise anything
            packed = pack(error)
            if isinstance(unpack(packed), type(error)):
                return packed
        error = RuntimeError(f"{type(error).__name__}: {error}")
    return pack(error)


def _changes(task: Task) -> tuple[dict[str, Any], list[Any]]:
    plain = {name: getattr(task, name) for name in _PLAIN}
    return plain, [part.state_dict() for part in _stateful(task)]


def _stateful(task: Task) -> list[Any]:
    """The instances whose weights and moments need not be the file's own."""
    kinds = (torch.nn.Module, torch.optim.Optimizer)
    return [part for part in instances(task) if isinstance(part, kinds)]
