"""Batches: an endless stream of them, their size, their device."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch

from etastar.errors import TaskError
from etastar.tasks import Batch, Data

_ARRAYS = (torch.Tensor, np.ndarray)
_SEQUENCES = (tuple, list)


class Stream:
    """Batches without end: data that runs out is read again from its start.

    Every pass asks the data for a new iterator, as an epoch loop does, so shuffling goes on.

    Args:
        data: batches, re-iterable.
        role: what to call it in a message.
    """

    def __init__(self, data: Data, role: str) -> None:
        self._data = data
        self._role = role
        self._batches: Iterator[Batch] | None = None
        self._passes = 0

    def next(self) -> Batch:
        """The next batch, from a new pass if need be.

        Returns:
            The batch as the data yields it.

        Raises:
            TaskError: a whole pass yields nothing.
        """
        if self._batches is not None:
            try:
                return next(self._batches)
            except StopIteration:
                pass
        self.close()
        self._batches = iterate(self._data, self._role)
        self._passes += 1
        for batch in self._batches:
            return batch
        if self._passes == 1:
            raise TaskError(f"{self._role} yields no batch: pass data with at least one.")
        raise TaskError(
            f"{self._role} yields no batch when read again: a function given as data must return "
            f"a new iterator at every call, an object one at every iter()."
        )

    def close(self) -> None:
        """Let go of the current pass, and end its worker processes if it has any."""
        batches, self._batches = self._batches, None
        if batches is not None:
            _end(batches)


def iterate(data: Data, role: str) -> Iterator[Batch]:
    """Begin a new pass over `data`.

    Returns:
        An iterator over its batches.

    Raises:
        TaskError: the data is a function that returned nothing to iterate.
    """
    source: Any = data if isinstance(data, Iterable) else data()
    if not isinstance(source, Iterable):
        raise TaskError(
            f"{role} is a function that returned a {type(source).__name__}: let it return a new "
            f"iterator over batches at every call."
        )
    return iter(cast("Iterable[Batch]", source))


@contextmanager
def one_pass(data: Data, role: str) -> Generator[Iterator[Batch]]:
    """A new pass over `data`, whose worker processes end with the block.

    Yields:
        An iterator over its batches.
    """
    batches = iterate(data, role)
    try:
        yield batches
    finally:
        _end(batches)


def _end(batches: Iterator[Batch]) -> None:
    """End a loader's worker processes, unless they are to serve its next pass too."""
    if getattr(batches, "_persistent_workers", False):
        return
    shutdown: Callable[[], None] | None = getattr(batches, "_shutdown_workers", None)
    if shutdown is not None:
        shutdown()


def move(batch: Batch, device: torch.device) -> Batch:
    """The same batch with its tensors on `device`; nested tuples, lists and mappings are kept.

    Returns:
        The batch itself where nothing had to move.
    """
    return batch if _is_in_place(batch, device) else _move(batch, device)


def _is_in_place(batch: Batch, device: torch.device) -> bool:
    """Whether this is the usual batch, a tuple of tensors on the device: asked in every step."""
    if type(batch) is not tuple:
        return False
    for part in cast("tuple[Any, ...]", batch):  # twice as fast as all()
        if type(part) is not torch.Tensor or part.device != device:
            return False
    return True


def _move(batch: Batch, device: torch.device) -> Batch:
    if isinstance(batch, torch.Tensor):
        if batch.device == device:
            return batch
        # a copy to the CPU that does not block may be read before it has arrived
        return batch.to(device, non_blocking=device.type == "cuda")
    if callable(getattr(batch, "to", None)):  # transformers' BatchEncoding, graph batches
        return batch.to(device)
    if isinstance(batch, Mapping):
        return _move_mapping(cast("Mapping[Any, Any]", batch), device)
    if isinstance(batch, tuple | list):
        return _move_sequence(cast("tuple[Any, ...] | list[Any]", batch), device)
    return batch


def _move_sequence(
    batch: tuple[Any, ...] | list[Any], device: torch.device
) -> tuple[Any, ...] | list[Any]:
    parts = [move(value, device) for value in batch]
    if all(part is value for part, value in zip(parts, batch, strict=True)):
        return batch
    return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)


def _move_mapping(batch: Mapping[Any, Any], device: torch.device) -> Mapping[Any, Any]:
    moved = {key: move(value, device) for key, value in batch.items()}
    if all(moved[key] is value for key, value in batch.items()):
        return batch
    if not isinstance(batch, MutableMapping):
        return moved
    changed = copy.copy(batch)
    changed.update(moved)
    return changed


def samples(batch: Batch) -> int:
    """How many samples a batch holds: the first dimension of its first tensor or array.

    Returns:
        At least 1; 1 where nothing with a dimension is found.
    """
    return _first_size(batch) or 1


def _first_size(batch: Batch) -> int | None:
    if isinstance(batch, _ARRAYS):
        return int(batch.shape[0]) if batch.ndim > 0 else None
    parts: Iterable[Any] = ()
    if isinstance(batch, _SEQUENCES):
        parts = cast("Iterable[Any]", batch)
    elif isinstance(batch, Mapping):
        parts = cast("Mapping[Any, Any]", batch).values()
    for part in parts:
        found = _first_size(part)
        if found is not None:
            return found
    return None
