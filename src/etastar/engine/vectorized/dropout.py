"""Dropout's masks as a single trial draws them, whatever lies in memory how.

Under `vmap` torch fills a mask in the order of its indices, but alone in the order in which its
input lies in memory; and with another kernel on a GPU. So the mask is drawn here by what a single
trial would have called, on ones that lie as its input does.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch._functorch.pyfunctorch import temporarily_pop_interpreter_stack


class SingleMasks:
    """A context in which dropout layers drop the same of all slices as of a single one.

    Args:
        parts: modules, those that drop nothing among them.
    """

    def __init__(self, parts: Iterable[nn.Module]) -> None:
        self._layers = [
            part
            for part in parts
            if isinstance(part, nn.Dropout)
            and type(part).forward is nn.Dropout.forward
            and "forward" not in vars(part)
        ]

    def __enter__(self) -> None:
        for layer in self._layers:
            vars(layer)["forward"] = partial(_dropped, layer)

    def __exit__(self, *error: object) -> None:
        for layer in self._layers:
            del vars(layer)["forward"]


def _dropped(layer: nn.Dropout, given: Tensor) -> Tensor:
    """What `nn.Dropout` leaves of all slices, by one mask."""
    if not layer.training or layer.p == 0:
        return given
    with temporarily_pop_interpreter_stack():
        lying = torch.empty_strided(
            given.shape, given.stride(), dtype=given.dtype, device=given.device
        )
        mask = nn.functional.dropout(lying.fill_(1), layer.p)
    return given.mul_(mask) if layer.inplace else given * mask
