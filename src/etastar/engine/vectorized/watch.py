"""Whether a forward pass draws random numbers."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import nn

from etastar.tasks import Task
from etastar.training.preserved.random_state import GENERATORS
from etastar.training.randomness import sources


class Watch:
    """Notes where random generators stand: the process' own, the task's and its modules'.

    Args:
        task: whose functions may draw from generators.
        modules: which may hold some.
    """

    def __init__(self, task: Task, modules: Iterable[nn.Module]) -> None:
        held = [v for module in modules for part in module.modules() for v in vars(part).values()]
        found = {id(v): v for v in (*sources(task), *held) if isinstance(v, GENERATORS)}
        self._own = list(found.values())
        self._before = self._now()

    def has_moved(self) -> bool:
        """Whether one of them was drawn from since this was asked last, or since the start."""
        before, self._before = self._before, self._now()
        return before != self._before

    def _now(self) -> list[Any]:
        name, keys, *rest = np.random.get_state()  # noqa: NPY002  the global one may be drawn from
        devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        states = [state.numpy().tobytes() for state in (torch.get_rng_state(), *devices)]
        return [random.getstate(), name, keys.tobytes(), rest, *states, *map(_state, self._own)]  # type: ignore[union-attr]


def _state(generator: Any) -> bytes:
    if isinstance(generator, torch.Generator):
        return generator.get_state().numpy().tobytes()
    if isinstance(generator, random.Random):  # noqa: S311  recognised, not drawn from
        return pickle.dumps(generator.getstate())
    if isinstance(generator, np.random.RandomState):
        return pickle.dumps(generator.get_state(legacy=False))
    return pickle.dumps(getattr(generator, "bit_generator", generator).state)
