"""Data loaders: the live iterator set aside, the ones made meanwhile shut down."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.utils.data import DataLoader


class LoaderState:
    """Keeps a loader's own workers out of reach while others iterate it.

    With persistent workers a loader has a single live iterator, and asking for another resets
    it: someone halfway through an epoch would lose their place. So it is set aside until
    `close`, and iterating meanwhile starts workers of its own. Those are stopped by `restore`,
    even where a traceback still holds their iterator.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        # torch keeps both names private; a loader without them has nothing to set aside.
        self._attributes = vars(loader)
        self._set_aside = self._attributes.get("_iterator")
        self._made: weakref.WeakSet[Any] = weakref.WeakSet()
        self._had_own = "_get_iterator" in self._attributes
        self._get_iterator = getattr(loader, "_get_iterator", None)
        if "_iterator" in self._attributes:
            self._attributes["_iterator"] = None
        if self._get_iterator is not None:
            self._attributes["_get_iterator"] = self._make_noted

    def restore(self) -> None:
        """Stop the workers started meanwhile."""
        for iterator in list(self._made):
            shut_down = getattr(iterator, "_shutdown_workers", None)
            if shut_down is not None:
                shut_down()
            for worker in getattr(iterator, "_workers", ()):
                worker.join()  # torch ends the slow ones without waiting for them
        self._made.clear()
        if "_iterator" in self._attributes:
            self._attributes["_iterator"] = None

    def close(self) -> None:
        """Stop the workers started meanwhile and give the loader its own iterator back."""
        self.restore()
        if self._get_iterator is not None:
            if self._had_own:
                self._attributes["_get_iterator"] = self._get_iterator
            else:
                self._attributes.pop("_get_iterator", None)
        if "_iterator" in self._attributes:
            self._attributes["_iterator"] = self._set_aside

    def _make_noted(self) -> Any:
        iterator = self._get_iterator() if self._get_iterator is not None else None
        self._made.add(iterator)
        return iterator
