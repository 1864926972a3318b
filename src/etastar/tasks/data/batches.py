"""Tensors in memory served as batches, at a twentieth of a DataLoader's cost.

Shapes: N examples, B examples per batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from etastar.errors import TaskError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Split(NamedTuple):
    """Inputs and targets of the training part and of the held-out part."""

    train: tuple[Tensor, Tensor]
    valid: tuple[Tensor, Tensor]


def held_out(count: int, share: float) -> tuple[Tensor, Tensor]:
    """The same random split of `count` examples in every run, whatever the global seed.

    Returns:
        Indices of the training part and of the held-out part, which has `share` of the whole.

    >>> train, valid = held_out(10, share=0.4)
    >>> len(train), len(valid), sorted([*train.tolist(), *valid.tolist()]) == list(range(10))
    (6, 4, True)
    """
    order = torch.from_numpy(np.random.default_rng(0).permutation(count))
    cut = count - round(count * share)
    return order[:cut], order[cut:]


class ShuffledBatches:
    """Pairs of tensors in batches of equal size, in a new random order on every pass.

    The order is drawn from torch's global generator when a pass begins, so the run's seed
    decides it. What does not fill a batch sits out that pass.

    Raises:
        TaskError: The batch is empty or larger than the data.

    >>> batches = ShuffledBatches(torch.zeros(10, 2), torch.zeros(10), size=4)
    >>> [tuple(inputs.shape) for inputs, targets in batches]
    [(4, 2), (4, 2)]
    """

    def __init__(self, inputs: Tensor, targets: Tensor, *, size: int) -> None:
        if not 1 <= size <= len(inputs):
            raise TaskError(
                f"A batch of {size} cannot be drawn from {len(inputs)} examples; "
                f"choose a size from 1 to {len(inputs)}."
            )
        self._inputs = inputs  # (N, …)
        self._targets = targets  # (N, …)
        self._size = size

    @property
    def batch_size(self) -> int:
        """Examples per batch."""
        return self._size

    def with_batch_size(self, size: int) -> ShuffledBatches:
        """The same examples in batches of another size."""
        return ShuffledBatches(self._inputs, self._targets, size=size)

    def __len__(self) -> int:
        return len(self._inputs) // self._size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self._inputs))[: len(self) * self._size]
        # index_select, not [rows]: on small batches it starts no threads.
        return (
            (self._inputs.index_select(0, rows), self._targets.index_select(0, rows))
            for rows in order.split(self._size)
        )
