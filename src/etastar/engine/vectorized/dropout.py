"""Dropout's masks as a single trial draws them, whatever lies in memory how.

Under `vmap` torch fills a mask in the order of its indices, but alone in the order in which its
input lies in memory; and with another kernel on a GPU. So the mask is drawn here by what a single
trial would have called, on ones that lie as its input does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch._functorch.pyfunctorch import temporarily_pop_interpreter_stack
from torch.overrides import TorchFunctionMode


def masks_of(modules: Sequence[nn.Module]) -> AbstractContextManager[Any]:
    """What to enter for the forward pass of all slices.

    Returns:
        A context to enter as often as wanted; one that does nothing where nothing is dropped.
    """
    parts = (part for module in modules for part in module.modules())
    drops = any(isinstance(part, nn.Dropout) and part.p > 0 for part in parts)
    return _SingleMasks() if drops else nullcontext()


class _SingleMasks(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        chosen = _dropout if func is nn.functional.dropout else func
        return chosen(*args, **(kwargs or {}))


def _dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:  # noqa: A002  as in torch
    """`torch.nn.functional.dropout` of all slices by one mask."""
    if not training or not 0 < p <= 1:  # what torch does or refuses by itself
        return nn.functional.dropout(input, p, training, inplace)
    lying = torch.empty_strided(input.shape, input.stride(), dtype=input.dtype, device="meta")
    with temporarily_pop_interpreter_stack():
        mask = nn.functional.dropout(torch.ones_like(lying, device=input.device), p)
    return input.mul_(mask) if inplace else input * mask
