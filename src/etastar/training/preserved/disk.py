"""Copies of memory kept in a folder of their own, for models that fit memory only once."""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from etastar.errors import TaskError
from etastar.training.preserved.memory import copy_into

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

_SHARD_BYTES = 256 * 2**20
"""A file is written once it would hold this much: what taking a snapshot costs in memory."""


class CopiesOnDisk:
    """Copies in safetensors files in a new folder under the system's temporary folder.

    Every tensor is stored as its bytes, so any dtype comes back bit for bit.
    """

    def __init__(self) -> None:
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="etastar-"))
        except OSError as error:
            raise TaskError(
                "on_disk=True found no temporary folder it may write to. Set TMPDIR to one, or "
                "use on_disk=False."
            ) from error
        self._shards: list[list[tuple[str, Tensor, str]]] = [[]]
        self._count = 0
        self._waiting: dict[str, Tensor] = {}
        self._waiting_bytes = 0

    def keep(self, memory: Tensor, name: str) -> None:
        """Copy a strided tensor that refers to each of its elements once."""
        key = str(self._count)
        self._count += 1
        flat = memory.to("cpu", copy=True).contiguous().reshape(-1).view(torch.uint8)
        self._shards[-1].append((name, memory, key))
        self._waiting[key] = flat
        self._waiting_bytes += flat.numel()
        if self._waiting_bytes >= _SHARD_BYTES:
            self._flush()
            self._shards.append([])

    def seal(self) -> None:
        """Nothing more will be kept: write what is waiting."""
        self._flush()

    def write_backs(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """For each copy its name and the act of writing it back to where it came from."""
        for number, entries in enumerate(self._shards):
            if not entries:
                continue
            with safe_open(self._path(number), framework="pt") as file:
                for name, memory, key in entries:
                    yield name, partial(_write_back, memory, file, key)

    def close(self) -> None:
        """Remove the folder."""
        self._shards = []
        self._waiting = {}
        shutil.rmtree(self.folder, ignore_errors=True)

    def _flush(self) -> None:
        if not self._waiting:
            return
        free = shutil.disk_usage(self.folder).free
        if free < self._waiting_bytes:
            raise TaskError(
                f"on_disk=True needs {self._waiting_bytes / 2**20:.0f} MiB more in "
                f"{self.folder.parent}, where {free / 2**20:.0f} MiB are free. Set TMPDIR to a "
                f"folder with room, or use on_disk=False."
            )
        save_file(self._waiting, self._path(len(self._shards) - 1))
        self._waiting = {}
        self._waiting_bytes = 0

    def _path(self, number: int) -> Path:
        return self.folder / f"tensors-{number}.safetensors"


def _write_back(memory: Tensor, file: Any, key: str) -> None:
    values = torch.empty(memory.shape, dtype=memory.dtype, device="cpu")
    values.reshape(-1).view(torch.uint8).copy_(file.get_tensor(key))
    copy_into(memory, values)
