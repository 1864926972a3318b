"""Which parts make up the state of what the user gave."""

from __future__ import annotations

import copy
from collections import deque
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.jit import ScriptModule
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, Dataset, Sampler

from etastar.errors import TaskError
from etastar.training.preserved.loaders import LoaderState
from etastar.training.preserved.memory import TensorState, as_plain_tensors
from etastar.training.preserved.random_state import GENERATORS, GeneratorState
from etastar.training.preserved.structure import (
    ArrayState,
    AttributesState,
    CellState,
    DictState,
    ListState,
    SetState,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PLAIN = (
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    type(None),
    type,
    ModuleType,
    torch.dtype,
    torch.device,
    torch.Size,
)
_FOLLOWED = (nn.Module, Optimizer, LRScheduler, GradScaler)
"""Classes whose whole state lies in their attributes."""

_REGISTERS = frozenset({"_modules", "_parameters", "_buffers"})
"""A module's own dicts, left out of the names in messages: `Linear.weight`."""

_MACHINERY_ITEMS = 64
"""Near a loader, a container with more items is data, which training only reads."""


class Part(Protocol):
    """A piece of state that can be put back any number of times."""

    def restore(self) -> None:
        """Put it back."""
        ...


class ExtraState:
    """State that an object hands out and takes back through methods of its own."""

    def __init__(self, name: str, save: Callable[[], Any], load: Callable[[Any], Any]) -> None:
        self._load = load
        try:
            self._state = copy.deepcopy(save())
        except Exception as error:
            raise TaskError(
                f"{name} does not hand out its state ({type(error).__name__}: {error}); a "
                f"snapshot needs that to bring it back. Leave it out, or mend its state_dict."
            ) from error

    def restore(self) -> None:
        """Hand the object a copy of its state; it may keep or change what it is given."""
        self._load(copy.deepcopy(self._state))


class ModeState:
    """Whether a module is in train or eval mode."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._training = module.training

    def restore(self) -> None:
        """Put this module, not its children, back in its mode."""
        self._module.training = self._training


class Inventory:
    """Every part reachable from the given objects, each once.

    Modules, optimizers, schedulers and whatever else makes up the training are followed
    through their attributes and containers. What surrounds a loader (dataset, samplers,
    collator, transforms) is followed lightly: attributes and generators, not the data.
    """

    def __init__(self, objects: tuple[object, ...]) -> None:
        self.tensors: list[TensorState] = []
        self.structures: list[tuple[str, Part]] = []
        self.extras: list[tuple[str, Part]] = []
        self.generators: list[tuple[str, Part]] = []
        self.loaders: list[tuple[str, LoaderState]] = []
        self._known: dict[int, object] = {}
        self._known_lightly: dict[int, object] = {}
        self._pending: deque[tuple[object, str]] = deque()
        self._nearby: deque[tuple[object, str]] = deque()
        try:
            for given in objects:
                self._accept(given, type(given).__name__)
            self._walk()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give loaders their own iterators back and let go of everything."""
        for _, loader in reversed(self.loaders):
            loader.close()
        for parts in (self.tensors, self.structures, self.extras, self.generators, self.loaders):
            parts.clear()
        self._known.clear()
        self._known_lightly.clear()

    def _accept(self, given: object, name: str) -> None:
        """Queue an object that the user gave, or refuse it."""
        if given is None:
            return
        if isinstance(given, (list, tuple, set, frozenset, deque, dict)):
            self._pending.append((given, name))
            for item, item_name in _items(given, name):
                self._accept(item, item_name)
        elif isinstance(
            given, (DataLoader, Tensor, np.ndarray, *_FOLLOWED, *GENERATORS)
        ) or _is_stateful(given):
            self._pending.append((given, name))
        elif hasattr(type(given), "__next__"):
            raise TaskError(
                f"{name} can be read only once, so a snapshot cannot bring its position back. "
                f"Give the module, list or loader it was made from."
            )
        elif isinstance(given, (Dataset, Sampler)) or (
            hasattr(type(given), "__iter__") and not isinstance(given, _PLAIN)
        ):
            self._nearby.append((given, name))
        else:
            raise TaskError(
                f"{name} has no state that a snapshot could save; needed are modules, "
                f"optimizers, schedulers, scalers, loaders, generators, tensors, or objects with "
                f"state_dict and load_state_dict. Give the parts it is made of."
            )

    def _walk(self) -> None:
        while self._pending or self._nearby:
            while self._pending:
                self._visit(*self._pending.popleft())
            if self._nearby:
                self._visit_lightly(*self._nearby.popleft())

    def _visit(self, value: object, name: str) -> None:
        if isinstance(value, _PLAIN) or not _is_new(value, self._known):
            return
        if isinstance(value, Tensor):
            with as_plain_tensors():
                state = TensorState(value, name)
            self.tensors.append(state)
            self._pending.append((state.grad, f"{name}.grad"))
            self._pending.extend(_items(vars(value), name))
        elif isinstance(value, (list, tuple, set, frozenset, deque, dict)):
            self._note_container(value, name)
            self._pending.extend(_items(value, name))
        elif isinstance(value, np.ndarray):
            if value.flags.writeable:
                self.structures.append((name, ArrayState(value)))
        elif isinstance(value, GENERATORS):
            self.generators.append((name, GeneratorState(value)))
        elif isinstance(value, DataLoader):
            self._refuse_one_shot(value, name)
            self.loaders.append((name, LoaderState(value)))
            self._follow(value, name, self._nearby)
        elif isinstance(value, _FOLLOWED):
            self._follow(value, name, self._pending)
            if isinstance(value, nn.Module):
                self._note_extra_state(value, name)
            if isinstance(value, ScriptModule):
                self._follow_scripted(value, name)
            if isinstance(value, LRScheduler):
                self._follow_functions(value, name)
        elif _is_stateful(value):
            self._note_stateful(value, name)
            self._follow(value, name, self._pending)

    def _visit_lightly(self, value: object, name: str) -> None:
        if isinstance(value, (DataLoader, *_FOLLOWED, *GENERATORS)):
            self._pending.append((value, name))
            return
        if isinstance(value, (*_PLAIN, Tensor, np.ndarray, FunctionType)):
            return
        if id(value) in self._known or not _is_new(value, self._known_lightly):
            return
        if isinstance(value, (list, tuple, set, frozenset, deque, dict)):
            if len(value) <= _MACHINERY_ITEMS:
                self._note_container(value, name)
                self._nearby.extend(_items(value, name))
        elif isinstance(value, partial):
            self._nearby.extend(_items([value.func, value.args, value.keywords], name))
        elif isinstance(value, MethodType):
            self._visit_owner(value.__self__, name)
        else:
            if _is_stateful(value):
                self._note_stateful(value, name)
            if _is_machinery(value):
                self._follow(value, name, self._nearby)

    def _visit_owner(self, owner: object, name: str) -> None:
        """Visit the object whose method is a collator or a worker's start."""
        if isinstance(owner, _FOLLOWED):
            self._pending.append((owner, name))
        elif not isinstance(owner, (type, LoaderState)) and _is_new(owner, self._known_lightly):
            self._follow(owner, name, self._nearby)

    def _follow(self, value: object, name: str, queue: deque[tuple[object, str]]) -> None:
        if hasattr(value, "__dict__"):
            self.structures.append((name, AttributesState(value)))
            queue.extend(_items(vars(value), name))

    def _note_container(self, value: object, name: str) -> None:
        if isinstance(value, dict):
            self.structures.append((name, DictState(value)))
        elif isinstance(value, (list, deque)):
            self.structures.append((name, ListState(value)))
        elif isinstance(value, set):
            self.structures.append((name, SetState(value)))

    def _note_stateful(self, value: Any, name: str) -> None:
        self.extras.append((name, ExtraState(name, value.state_dict, value.load_state_dict)))

    def _note_extra_state(self, module: nn.Module, name: str) -> None:
        kind = type(module)
        if (
            kind.get_extra_state is not nn.Module.get_extra_state
            and kind.set_extra_state is not nn.Module.set_extra_state
        ):
            state = ExtraState(name, module.get_extra_state, module.set_extra_state)
            self.extras.append((name, state))

    def _follow_functions(self, scheduler: LRScheduler, name: str) -> None:
        """Follow the rate functions of a LambdaLR into the variables they close over."""
        for function in vars(scheduler).get("lr_lambdas", ()):
            if isinstance(function, FunctionType):
                for cell in map(CellState, function.__closure__ or ()):
                    self.structures.append((name, cell))
                    self._pending.append((cell.content, name))
            elif _is_new(function, self._known):
                self._follow(function, name, self._pending)

    def _follow_scripted(self, module: ScriptModule, name: str) -> None:
        """Follow a module whose attributes live in the TorchScript runtime."""
        self.structures.append((name, ModeState(module)))
        for children in (
            module.named_children(),
            module.named_parameters(recurse=False),
            module.named_buffers(recurse=False),
        ):
            self._pending.extend((child, f"{name}.{key}") for key, child in children)

    def _refuse_one_shot(self, loader: DataLoader[Any], name: str) -> None:
        for role in ("dataset", "sampler", "batch_sampler"):
            source = vars(loader).get(role)
            if hasattr(type(source), "__next__") and not _is_stateful(source):
                raise TaskError(
                    f"The {role} of {name} can be read only once, so a snapshot cannot bring "
                    f"its position back. Let its __iter__ return a fresh iterator, or give it "
                    f"state_dict and load_state_dict."
                )


def _is_new(value: object, known: dict[int, object]) -> bool:
    """Whether the object is met first; it is kept alive, so that its id stays its own."""
    if id(value) in known:
        return False
    known[id(value)] = value
    return True


def _is_stateful(value: object) -> bool:
    kind = type(value)
    return callable(getattr(kind, "state_dict", None)) and callable(
        getattr(kind, "load_state_dict", None)
    )


def _is_machinery(value: object) -> bool:
    """Datasets, samplers, collators and transforms, rather than anything they may refer to.

    What they refer to may be alive (queues, threads, connections) and must not be rewound.

    Returns:
        Whether its class defines how it is iterated, indexed or called.
    """
    methods = ("__iter__", "__getitem__", "__call__")  # every class itself has `__call__`
    return any(method in vars(kind) for kind in type(value).__mro__ for method in methods)


def _items(container: Iterable[Any], name: str) -> Iterable[tuple[Any, str]]:
    """The items that may have state, each with its name in messages."""
    entries = container.items() if isinstance(container, dict) else enumerate(container)
    for index, (key, item) in enumerate(entries):
        if isinstance(item, _PLAIN):
            continue
        if not isinstance(key, str):
            yield item, f"{name}[{index}]"
        else:
            yield item, name if key in _REGISTERS else f"{name}.{key}"
