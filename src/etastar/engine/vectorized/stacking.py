"""Batches of several trials as one, for `vmap` to take apart again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from etastar.tasks import Batch

_PLAIN = (bool, int, float, str, bytes, type(None))


@dataclass(frozen=True)
class Stacked:
    """A batch for every slice.

    Attributes:
        batch: as a single trial's, with tensors (K, …) in the place of its own.
        dims: of the same structure, for `vmap`: 0 for tensors, None for what all share.
        versions: how often each tensor was written to when it was made.
    """

    batch: Batch
    dims: Any
    versions: tuple[int, ...]

    @classmethod
    def of(
        cls, batches: Sequence[Batch], rows: Sequence[int], device: torch.device | None
    ) -> Stacked:
        """Some batches side by side.

        Args:
            batches: alike; see there.
            rows: which of them every slice is given, (K,).
            device: where the tensors go; None leaves them where they are.

        Returns:
            All of them stacked.
        """

        def join(parts: Sequence[Tensor]) -> Tensor:
            whole = torch.stack([*parts])
            if device is not None:
                whole = whole.to(device, non_blocking=device.type == "cuda")
            if len(rows) == len(parts):
                return whole
            return whole.index_select(0, torch.tensor(rows, device=whole.device))

        batch = _joined(batches, join)
        return cls(
            batch,
            _joined([batch], lambda _: 0, lambda _: None),
            tuple(tensor._version for tensor in leaves(batch)),
        )

    @property
    def is_written_to(self) -> bool:
        """Whether a tensor was changed in place: by what is then not seen by the data."""
        return self.versions != tuple(tensor._version for tensor in leaves(self.batch))


def alike(one: Batch, other: Batch) -> bool:
    """Whether two batches can be stacked: tensors of one shape in plain containers, else equal."""
    if type(one) is not type(other):
        return False
    if type(one) is Tensor:
        return _kind(one) == _kind(other) and not (one.requires_grad or other.requires_grad)
    if _is_sequence(one):
        return len(one) == len(other) and all(map(alike, one, other))
    if type(one) is dict:
        return [*one] == [*other] and all(map(alike, one.values(), other.values()))
    return isinstance(one, _PLAIN) and one == other


def copied(batch: Batch) -> Batch:
    """A batch of the same numbers, in case its tensors are used again for the next one."""
    return _joined([batch], lambda parts: parts[0].clone())


def leaves(batch: Batch) -> list[Tensor]:
    """The tensors of a batch that is like itself."""
    if isinstance(batch, Tensor):
        return [batch]
    parts: Any = batch.values() if isinstance(batch, dict) else batch
    return list(chain(*map(leaves, parts))) if isinstance(batch, dict | tuple | list) else []


def _joined(
    batches: Sequence[Any],
    join: Callable[[Sequence[Tensor]], Any],
    keep: Callable[[Any], Any] = lambda plain: plain,
) -> Any:
    first = batches[0]
    if isinstance(first, Tensor):
        return join(batches)
    if _is_sequence(first):
        parts = [_joined(column, join, keep) for column in zip(*batches, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    if type(first) is dict:
        return {name: _joined([b[name] for b in batches], join, keep) for name in first}
    return keep(first)


def _is_sequence(batch: Any) -> bool:
    return type(batch) in (tuple, list) or (isinstance(batch, tuple) and hasattr(batch, "_fields"))


def _kind(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.shape, tensor.dtype, tensor.device, tensor.layout, tensor.is_quantized
