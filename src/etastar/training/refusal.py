"""User code that raises: because training diverged, or because it is broken?"""

from __future__ import annotations

import dis
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import torch
from torch.nn.parameter import is_lazy

_OURS = ("etastar.training", "etastar.engine")
_DEEPEST = 2


def refuses_divergence(
    error: BaseException, parameters: Iterable[torch.Tensor], data: Iterable[Any]
) -> bool:
    """Whether user code raised because it met what divergence leaves behind.

    A loss that refuses NaN says the same as one that returns it. So it counts as divergence if
    the weights are no longer finite, or if what the code was computing when it raised was not:
    weights of 1e20 are finite, what they predict is not.

    Args:
        error: what was raised.
        parameters: the weights.
        data: the batches it was given; NaN in them is no sign of divergence.

    Returns:
        True for divergence.
    """
    if not all(finite(parameter) for parameter in parameters):
        return True
    given = {id(tensor) for batch in data for tensor in _numbers(batch, _DEEPEST + 1)}
    for values in _frames(error):
        for number in _numbers(values, _DEEPEST):
            if id(number) not in given and _is_wild(number):
                return True
    return False


def raised_by_itself(error: BaseException) -> bool:
    """Whether a `raise` or `assert` in the user's own code began it, and no library they called."""
    if error.__context__ is not None or error.__traceback__ is None:
        return False
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    name = str(trace.tb_frame.f_globals.get("__name__", ""))
    made_by = dis.opname[trace.tb_frame.f_code.co_code[trace.tb_lasti]]
    return made_by == "RAISE_VARARGS" and not name.startswith(("torch.", "etastar."))


def named_trial(lr: float, seed: int, settings: Mapping[str, float]) -> str:
    """What a trial is called where it fails.

    Returns:
        Its rate, settings and seed.

    >>> named_trial(0.1, 3, {"momentum": 0.9})
    'learning rate 0.1, momentum 0.9, seed 3'
    """
    numbers = {"learning rate": lr, **settings}
    return ", ".join([*(f"{name} {value:.3g}" for name, value in numbers.items()), f"seed {seed}"])


def finite(parameter: torch.Tensor) -> bool:
    """Whether all of a parameter is finite; one without a shape yet counts as finite."""
    return is_lazy(parameter) or bool(torch.isfinite(parameter).all())


def _frames(error: BaseException) -> Iterator[list[Any]]:
    """The local variables of the user's frames, and of what they called."""
    trace = error.__traceback__
    while trace is not None:
        if not str(trace.tb_frame.f_globals.get("__name__", "")).startswith(_OURS):
            yield list(trace.tb_frame.f_locals.values())
        trace = trace.tb_next


def _numbers(value: Any, depth: int) -> Iterator[torch.Tensor | float]:
    if isinstance(value, torch.Tensor | float):
        yield value
    elif depth > 0 and isinstance(value, dict):
        for part in cast("dict[Any, Any]", value).values():
            yield from _numbers(part, depth - 1)
    elif depth > 0 and isinstance(value, list | tuple):
        for part in cast("Iterable[Any]", value):
            yield from _numbers(part, depth - 1)


def _is_wild(number: torch.Tensor | float) -> bool:
    """NaN anywhere; inf only where weights had a part in it: attention masks hold it too."""
    if not isinstance(number, torch.Tensor):
        return math.isnan(number)
    if not number.is_floating_point() or number.is_meta or number.layout != torch.strided:
        return False
    try:
        wild = torch.isnan(number) | (torch.isposinf(number) if number.requires_grad else False)
        return bool(wild.any())
    except RuntimeError:  # what `torch.func` was computing cannot be read any more
        return False
