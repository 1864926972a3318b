"""What a pass of all slices leaves in attributes of modules, beside weights and buffers.

After the pass it means nothing, so it is taken out again. That is no harm where a model only shows
what it computed, and would be one where it computes with what it kept.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch._C import DisableTorchFunctionSubclass
from torch._C._functorch import is_batchedtensor
from torch.utils._pytree import tree_leaves

Name = tuple[int, str]
"""Which table, and the name in it."""


class Leftovers:
    """Takes out of modules what passes leave there, and knows what that was.

    Args:
        parts: the modules.

    Attributes:
        names: by which the last pass left something.
    """

    def __init__(self, parts: Iterable[nn.Module]) -> None:
        self._tables = [table for part in parts for table in (vars(part), vars(part)["_buffers"])]
        self.names: set[Name] = set()
        self._usual: set[Name] | None = None  # left by the first pass in training
        self._kept: set[Name] = set()  # read by that pass, and left anew

    @contextmanager
    def taken_out(self) -> Generator[None]:
        """A pass, after which what was left is taken out.

        Yields:
            Nothing.
        """
        before = [dict(table) for table in self._tables]
        probes = self._probed() if self._usual is None else {}
        try:
            yield
        finally:
            pairs = enumerate(zip(self._tables, before, strict=True))
            self.names = {(i, name) for i, tables in pairs for name in _forgotten(*tables)}
            self._kept = {place for place in self.names if place in probes and probes[place].read}
            for (i, name), probe in probes.items():
                if self._tables[i].get(name) is probe:
                    self._tables[i][name] = before[i][name]

    def kept(self) -> str | None:
        """Where the model keeps what it will compute with, as far as the last pass shows.

        Asked after every pass in training: at first what is left is no memory unless it was read
        before it was left anew, and what is left later than that is one.

        Returns:
            Names; None where there are none.
        """
        if self._usual is None:
            self._usual = self.names
            found = self._kept
        else:
            found = self.names - self._usual
        return ", ".join(sorted(name for _, name in found)) or None

    def _probed(self) -> dict[Name, _Probe]:
        """Put a probe in the place of every plain tensor that a module has as an attribute."""
        probes: dict[Name, _Probe] = {}
        for i, table in enumerate(self._tables[::2]):  # those of attributes
            for name, held in table.items():
                if type(held) is Tensor and not is_batchedtensor(held):
                    probes[2 * i, name] = held.as_subclass(_Probe)
        for (i, name), probe in probes.items():
            self._tables[i][name] = probe
        return probes


class _Probe(Tensor):
    """A tensor that notes whether its numbers were used; what becomes of them is plain."""

    read = False

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        with DisableTorchFunctionSubclass():
            found = func(*args, **given)
        looked_at = getattr(func, "__name__", "") == "__get__" and not isinstance(found, Tensor)
        if not looked_at:  # as its shape may be
            for leaf in tree_leaves((args, given)):
                if isinstance(leaf, cls):
                    vars(leaf)["read"] = True
        return found


def _forgotten(table: dict[str, Any], before: dict[str, Any]) -> list[str]:
    """Take out of a table what the pass left there of all slices.

    Returns:
        The names it was left by.
    """
    left = [n for n, held in table.items() if isinstance(held, Tensor) and is_batchedtensor(held)]
    for name in left:
        if name in before:
            table[name] = before[name]
        else:
            del table[name]
    return left
