"""Random generators: the process' global ones, and those that objects own."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

GENERATORS = (
    torch.Generator,
    random.Random,  # noqa: S311  recognised, not drawn from
    np.random.Generator,
    np.random.BitGenerator,
    np.random.RandomState,
)
"""The random generators that an object may own."""


class RandomState:
    """The process' random generators as they were when this was made.

    Covers Python's `random`, NumPy's legacy global generator, torch's CPU generator and one
    per device of every accelerator already in use. It never starts an accelerator: one first
    used later is restored to the state torch would have started it in.

    >>> before = RandomState()
    >>> first = torch.rand(3)
    >>> before.restore()
    >>> torch.equal(first, torch.rand(3))
    True
    """

    def __init__(self) -> None:
        self._python = random.getstate()
        self._numpy: Any = np.random.get_state()  # noqa: NPY002  the global one is what we guard
        self._torch = torch.get_rng_state()
        self._torch_seed = torch.initial_seed()
        self._cuda: list[torch.Tensor] | None = None
        if torch.cuda.is_initialized():
            self._cuda = torch.cuda.get_rng_state_all()
        self._xpu: list[torch.Tensor] | None = None
        if hasattr(torch, "xpu") and torch.xpu.is_initialized():
            self._xpu = torch.xpu.get_rng_state_all()
        self._mps: torch.Tensor | None = None
        if torch.backends.mps.is_available():
            self._mps = torch.mps.get_rng_state()

    def restore(self) -> None:
        """Bring every generator back; as often as wanted."""
        random.setstate(self._python)
        np.random.set_state(self._numpy)  # noqa: NPY002  the global one is what we guard
        torch.set_rng_state(self._torch)
        if self._cuda is not None:
            torch.cuda.set_rng_state_all(self._cuda)
        elif torch.cuda.is_initialized():
            # Started since: torch seeds it then with the CPU generator's seed, or with the
            # default that an unseeded CPU generator reports as well.
            for generator in torch.cuda.default_generators:
                generator.manual_seed(self._torch_seed)
        if self._xpu is not None:
            torch.xpu.set_rng_state_all(self._xpu)
        if self._mps is not None:
            torch.mps.set_rng_state(self._mps)


class GeneratorState:
    """The state of one generator object."""

    def __init__(self, generator: object) -> None:
        self._restore = _way_back(generator)

    def restore(self) -> None:
        """Put the generator back where it was."""
        self._restore()


def _way_back(generator: object) -> Callable[[], object]:
    if isinstance(generator, torch.Generator):
        tensor = generator.get_state()
        return lambda: generator.set_state(tensor)
    if isinstance(generator, random.Random):  # noqa: S311  recognised, not drawn from
        python = generator.getstate()
        return lambda: generator.setstate(python)
    if isinstance(generator, np.random.RandomState):
        legacy: Any = generator.get_state(legacy=False)
        return lambda: generator.set_state(legacy)
    bits: Any = getattr(generator, "bit_generator", generator)
    state = bits.state
    return lambda: setattr(bits, "state", state)
