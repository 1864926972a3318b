"""How much memory a slice takes, and how much there is."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

SHARE = 0.5
"""How much of the free memory is used."""

_LIMIT = Path("/sys/fs/cgroup/memory.max")
_USED = Path("/sys/fs/cgroup/memory.current")


def free_bytes(device: torch.device) -> float:
    """The memory that is free on a device.

    Returns:
        Bytes; infinite where the system does not tell.
    """
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    return min(_free_pages(), _container())


def size(tensors: Iterable[Any]) -> int:
    """The memory that tensors take; what is none counts nothing."""
    return sum(t.numel() * t.element_size() for t in tensors if isinstance(t, Tensor))


class SavedForBackward:
    """Counts what a forward pass keeps for the backward pass: most of what it needs.

    Attributes:
        bytes: kept, every piece of memory counted once.
    """

    def __init__(self, weights: Iterable[Tensor]) -> None:
        self.bytes = 0
        self._known = {tensor.untyped_storage().data_ptr() for tensor in weights}
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._count, lambda kept: kept)

    def __enter__(self) -> SavedForBackward:
        self._hooks.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._hooks.__exit__(*error)

    def _count(self, tensor: Tensor) -> Tensor:
        memory = tensor.untyped_storage()
        if memory.data_ptr() not in self._known:
            self._known.add(memory.data_ptr())
            self.bytes += memory.nbytes()
        return tensor


def _free_pages() -> float:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * int(line.split()[1])
    except (OSError, ValueError):
        pass
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError, AttributeError):  # not every system has these names
        return float("inf")


def _container() -> float:
    """What a container still allows."""
    try:
        return float(_LIMIT.read_text(encoding="ascii")) - float(_USED.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return float("inf")
