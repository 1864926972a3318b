"""Python containers and attributes: which object sits where.

A part remembers the objects themselves and puts the very same ones back. What is inside a
tensor or a generator is the concern of `memory` and `random_state`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from types import CellType

    from numpy.typing import NDArray


class ListState:
    """The items of a list or deque."""

    def __init__(self, target: list[Any] | deque[Any]) -> None:
        self._target = target
        self._items = list(target)

    def restore(self) -> None:
        """Put the items back in place."""
        if _same(list(self._target), self._items):
            return
        if isinstance(self._target, list):
            list.__setitem__(self._target, slice(None), self._items)
        else:
            deque.clear(self._target)
            deque.extend(self._target, self._items)


class SetState:
    """The members of a set."""

    def __init__(self, target: set[Any]) -> None:
        self._target = target
        self._members = set(target)

    def restore(self) -> None:
        """Put the members back in place."""
        if set(map(id, self._target)) != set(map(id, self._members)):
            set.clear(self._target)
            set.update(self._target, self._members)


class DictState:
    """The entries of a dict and their order."""

    def __init__(self, target: dict[Any, Any]) -> None:
        self._target = target
        self._keys = list(target.keys())
        self._values = list(target.values())

    def restore(self) -> None:
        """Put the entries back in place."""
        target = self._target
        if _same(list(target.keys()), self._keys):
            if not _same(list(target.values()), self._values):
                for key, value in zip(self._keys, self._values, strict=True):
                    if target[key] is not value:
                        _dict_base(target).__setitem__(target, key, value)
            return
        base = _dict_base(target)
        base.clear(target)
        for key, value in zip(self._keys, self._values, strict=True):
            base.__setitem__(target, key, value)


class AttributesState:
    """The class and the attributes of an object.

    Attributes are written into the object's `__dict__`, past any `__setattr__`: putting back
    what was there is no occasion for the class to validate, register or refuse.
    """

    def __init__(self, target: object) -> None:
        self._target = target
        self._class = type(target)
        self._attributes = DictState(vars(target))

    def restore(self) -> None:
        """Put the class and attributes back in place."""
        if type(self._target) is not self._class:  # lazy modules change theirs
            self._target.__class__ = self._class
        self._attributes.restore()


class ArrayState:
    """The numbers in a NumPy array."""

    def __init__(self, target: NDArray[Any]) -> None:
        self._target = target
        self._values = target.copy()

    def restore(self) -> None:
        """Write the numbers back in place."""
        np.copyto(self._target, self._values)


class CellState:
    """A variable that a function closes over."""

    def __init__(self, target: CellType) -> None:
        self._target = target
        try:
            self.content: object = target.cell_contents
            self._is_bound = True
        except ValueError:  # not assigned yet
            self.content, self._is_bound = None, False

    def restore(self) -> None:
        """Bind the variable to what it held."""
        if self._is_bound:
            self._target.cell_contents = self.content
        else:
            del self._target.cell_contents


def _dict_base(target: dict[Any, Any]) -> type[dict[Any, Any]]:
    """The built-in class under a dict, whose methods no subclass has overridden."""
    return OrderedDict if isinstance(target, OrderedDict) else dict


def _same(now: list[Any], before: list[Any]) -> bool:
    """The same objects in the same order; `==` would compare tensors element by element."""
    return len(now) == len(before) and all(a is b for a, b in zip(now, before, strict=True))
