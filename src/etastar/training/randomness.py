"""Where a task draws random numbers from, and how a trial's seed reaches all of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from etastar.tasks import Task
from etastar.training.preserved.random_state import GENERATORS

_HOLDERS = ("sampler", "batch_sampler", "dataset")
"""The parts of a loader that may hold a generator; samplers and datasets nest."""


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  the user's data code may draw from it
    torch.manual_seed(seed)


def seed_generator(generator: Any, seed: int) -> None:
    """Seed a generator of whichever library."""
    if isinstance(generator, torch.Generator):
        generator.manual_seed(seed)
    elif isinstance(generator, np.random.RandomState):
        generator.seed(seed % 2**32)
    elif isinstance(generator, np.random.Generator | np.random.BitGenerator):
        bits: Any = getattr(generator, "bit_generator", generator)
        bits.state = type(bits)(seed % 2**64).state
    else:
        generator.seed(seed)


def generators(data: object) -> list[Any]:
    """The generators that data holds: a loader's, its samplers', its data set's.

    Returns:
        Each once.
    """
    found: dict[int, Any] = {}
    known: set[int] = set()
    pending = [data]
    while pending:
        holder = pending.pop()
        if id(holder) in known:
            continue
        known.add(id(holder))
        attributes: dict[str, Any] = getattr(holder, "__dict__", {})
        found |= {id(value): value for value in attributes.values() if _draws(value)}
        pending += [attributes[name] for name in _HOLDERS if name in attributes]
    return list(found.values())


def drawn_from(*functions: object) -> list[Any]:
    """The loaders, samplers and generators that functions refer to by their variables.

    Their positions are part of the task: without them a second trial would go on where the
    first one ended.

    Returns:
        Those found; objects that only a called function refers to are not.
    """
    found = {id(value): value for f in functions for value in _variables(f) if _is_source(value)}
    return list(found.values())


def sources(task: Task) -> list[Any]:
    """What a task's functions draw from; what its data hold is found from the data.

    Returns:
        Loaders, samplers and generators.
    """
    functions = (task.train, task.valid, task.loss, task.criterion, task.step, task.evaluate)
    return drawn_from(*functions, task.model, task.optimizer)


def seed_task(task: Task, seed: int) -> None:
    """Draw all randomness of a task from `seed`, so that it decides the order of samples too."""
    seed_everything(seed)
    behind = sources(task)
    drawing = [value for value in behind if _draws(value)]
    for data in (task.train, task.valid, *behind):
        drawing += generators(data)
    for generator in drawing:
        seed_generator(generator, seed)


def _variables(function: object) -> Iterator[Any]:
    if isinstance(function, partial):
        yield from (*function.args, *function.keywords.values())
        yield from _variables(function.func)
    elif isinstance(function, MethodType):
        yield from getattr(function.__self__, "__dict__", {}).values()
        yield from _variables(function.__func__)
    elif isinstance(function, FunctionType):
        for cell in function.__closure__ or ():
            with suppress(ValueError):  # a variable that is not bound yet
                yield cell.cell_contents
        for name in _names(function.__code__):
            yield function.__globals__.get(name)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):  # a function or comprehension within
            yield from _names(constant)


def _is_source(value: object) -> bool:
    return _draws(value) or isinstance(value, DataLoader | Sampler)


def _draws(value: object) -> bool:
    return isinstance(value, GENERATORS)
