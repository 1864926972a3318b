"""Copies of memory kept in a folder of their own, for models that fit memory only once."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from etastar.errors import TaskError
from etastar.training.preserved.memory import CopiesInMemory, copy_into

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SHARD_BYTES = 256 * 2**20
"""A file is written once it would hold this much: what taking a snapshot costs in memory."""


class CopiesOnDisk:
    """Copies in safetensors files in a new folder under the system's temporary folder.

    Every tensor is stored as its bytes, so any dtype comes back bit for bit. Those that are
    more than their bytes (quantized, or wrapping other tensors) stay in memory.
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
        # also when the snapshot is forgotten, or the process ends
        self._remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self._in_memory = CopiesInMemory()
        self._count = 0
        self._waiting: dict[str, Tensor] = {}
        self._waiting_bytes = 0

    def keep(self, memory: Tensor, name: str) -> None:
        """Copy a strided tensor that refers to each of its elements once."""
        if type(memory) is not Tensor or memory.is_quantized:
            self._in_memory.keep(memory, name)
            return
        key = str(self._count)
        self._count += 1
        flat = torch.empty(memory.numel(), dtype=memory.dtype, device="cpu")
        flat.view(memory.shape).copy_(memory)
        self._shards[-1].append((name, memory, key))
        self._waiting[key] = flat.view(torch.uint8)
        self._waiting_bytes += flat.nbytes
        if self._waiting_bytes >= _SHARD_BYTES:
            self._flush()
            self._shards.append([])

    def seal(self) -> None:
        """Nothing more will be kept: write what is waiting."""
        self._flush()

    def write_backs(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """For each copy its name and the act of writing it back to where it came from."""
        yield from self._in_memory.write_backs()
        for number, entries in enumerate(self._shards):
            file = _Shard(self._path(number))
            for name, memory, key in entries:
                yield name, partial(file.write_back, memory, key)

    def close(self) -> None:
        """Remove the folder."""
        self._shards = []
        self._waiting = {}
        self._in_memory.close()
        self._remove()

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


class _Shard:
    """A file of copies, opened when first needed so that a failure has a tensor's name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None

    def write_back(self, memory: Tensor, key: str) -> None:
        """Write one copy back into the memory it came from."""
        if self._file is None:
            self._file = safe_open(self._path, framework="pt")
        flat = torch.empty(memory.numel(), dtype=memory.dtype, device="cpu")
        flat.view(torch.uint8).copy_(self._file.get_tensor(key))
        copy_into(memory, flat.view(memory.shape))
