"""What a pass of all slices leaves in lists and variables of the user's own.

Such a tensor stands for all slices while the pass runs. After it, it is of no use to anybody: not
even its value can be read. What computes with it later is wrong or raises.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

import torch
from torch import Tensor
from torch._C._functorch import get_unwrapped, is_batchedtensor, maybe_get_bdim

PASSING = threading.RLock()
"""Held while a pass runs: what is alive then is no leak."""


@contextmanager
def leaks_mended() -> Generator[Callable[[], int]]:
    """Passes are tried; in the end what they have leaked is made plain.

    Every such tensor becomes that of the first slice: what a single trial would have left.

    Yields:
        A function that makes plain what was leaked so far, and says how many that were.
    """
    apart = gc.get_freeze_count() == 0
    if apart:
        gc.freeze()  # so that only what is new has to be looked through
    try:
        yield _mend
    finally:
        _mend()
        if apart:
            gc.unfreeze()


def _mend() -> int:
    with PASSING:
        if not _batched():
            return 0
        gc.collect()  # what nobody holds is none
        found = _batched()
        for tensor in found:
            first = get_unwrapped(tensor).detach().select(maybe_get_bdim(tensor), 0).clone()
            with suppress(RuntimeError):  # torch swaps none that something refers to weakly
                torch.utils.swap_tensors(tensor, first)
        return len(found)


def _batched() -> list[Tensor]:
    """All tensors that stand for slices of a pass that is over."""
    return [
        held for held in gc.get_objects() if isinstance(held, Tensor) and is_batchedtensor(held)
    ]
