"""Keeping Ctrl-C out of the few lines that must not stop halfway."""

from __future__ import annotations

import inspect
import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class InterruptGuard:
    """Lets interrupts into a block, but not into the code that enters and leaves it.

    `try ... finally` is not enough: an interrupt may arrive after the block's last instruction
    and before the first of its `finally`, and then nothing would be restored. So the guard's
    handler looks where the interrupt arrived. In the given code it waits until `deliver` or
    `remove`; anywhere else the handler that was there before gets it at once.

    Only signals handled by a Python function are guarded: one that is ignored stays ignored,
    one whose default is to end the process still does. Python runs handlers on the main thread
    alone, so on others there is nothing to guard.
    """

    def __init__(self, *codes: CodeType) -> None:
        self._codes = codes
        self._held: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._arrived: list[int] = []

    def install(self) -> None:
        """Start guarding."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                self._held[number] = handler
                signal.signal(number, self._handle)

    def deliver(self) -> None:
        """Hand over what has waited."""
        while self._arrived:
            number = self._arrived.pop()
            self._held[number](number, inspect.currentframe())

    def remove(self) -> None:
        """Stop guarding and hand over what has waited."""
        for number, handler in reversed(self._held.items()):
            if signal.getsignal(number) == self._handle:  # else the block set one of its own
                signal.signal(number, handler)
        self.deliver()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        at = frame
        while at is not None:
            if at.f_code in self._codes:
                self._arrived.append(number)
                return
            at = at.f_back
        self._held[number](number, frame)
