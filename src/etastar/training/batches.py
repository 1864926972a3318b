"""Batches: an endless stream of them, their size, their device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch

from etastar.errors import TaskError
from etastar.tasks import Batch, Data


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
            for batch in self._batches:
                return batch
        self.close()
        self._batches = iterate(self._data)
        self._passes += 1
        for batch in self._batches:
            return batch
        if self._passes == 1:
            raise TaskError(f"{self._role} yields no batch: pass data with at least one.")
        raise TaskError(
            f"{self._role} yields no batch when read again: a function given as data must return "
            f"a new iterator at every call."
        )

    def close(self) -> None:
        """Let go of the current pass, and end its worker processes if it has any."""
        batches, self._batches = self._batches, None
        if batches is not None and not getattr(self._data, "persistent_workers", False):
            shutdown: Callable[[], None] | None = getattr(batches, "_shutdown_workers", None)
            if shutdown is not None:
                shutdown()


def iterate(data: Data) -> Iterator[Batch]:
    """Begin a new pass over `data`.

    Returns:
        An iterator over its batches.
    """
    return iter(data) if isinstance(data, Iterable) else data()


def move(batch: Batch, device: torch.device) -> Batch:
    """The same batch with its tensors on `device`; nested tuples, lists and mappings are kept.

    Returns:
        The batch itself where nothing had to move.
    """
    if isinstance(batch, torch.Tensor):
        return batch if batch.device == device else batch.to(device, non_blocking=True)
    if hasattr(batch, "to"):  # transformers' BatchEncoding, graph batches
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {key: move(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(move(value, device) for value in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(move(value, device) for value in batch)
    return batch


def samples(batch: Batch) -> int:
    """How many samples a batch holds: the first dimension of its first tensor.

    Returns:
        At least 1; 1 where no tensor with a dimension is found.
    """
    found = _first_tensor(batch)
    return max(1, int(found.shape[0])) if found is not None else 1


def _first_tensor(batch: Batch) -> torch.Tensor | None:
    if isinstance(batch, torch.Tensor):
        return batch if batch.dim() > 0 else None
    parts: Iterable[Any] = ()
    if isinstance(batch, Mapping):
        parts = batch.values()
    elif isinstance(batch, tuple | list):
        parts = batch
    for part in parts:
        found = _first_tensor(part)
        if found is not None:
            return found
    return None
