"""How a task travels: one graph of objects, packed once, put together anew for every trial.

Pickling is cloudpickle's, so lambdas and closures travel, and torch's, so tensors that share
memory still do afterwards. What torch's own pickling leaves behind is added: gradients and hooks
of tensors, hooks and own attributes of optimizers. It never touches a disk.
"""

from __future__ import annotations

import copyreg
import io
import os
import site
import sys
import sysconfig
import threading
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from etastar.errors import TaskError
from etastar.tasks import Task
from etastar.training.attach_clock import Clock

_lock = threading.Lock()  # which modules travel by value is a setting of the process


def pack(value: object) -> bytes:
    """Pack an object with all it refers to.

    Functions and classes of the user's own files travel along, with the objects they refer to;
    those of installed packages travel by name.

    Returns:
        Bytes for `unpack`.

    Raises:
        Exception: whatever the object raises when it is pickled.
    """
    with _lock:
        return _packed(value, _own_modules())


def unpack(packed: bytes, *, one_gpu: bool = False) -> Any:
    """Put together what was packed.

    Args:
        packed: by `pack`, in a process of the same user.
        one_gpu: put what was on any GPU on the only one there is.

    Returns:
        The object.

    Raises:
        Exception: whatever its parts raise when they are put together.
    """
    places = {f"cuda:{number}": "cuda:0" for number in range(64)} if one_gpu else None
    return torch.load(io.BytesIO(packed), weights_only=False, map_location=places)


def pack_task(task: Task) -> bytes:
    """Pack a task.

    Returns:
        Bytes for `unpack`.

    Raises:
        TaskError: a part of it cannot travel; which one, and what to do.
    """
    try:
        return pack(task)
    except Exception as error:
        raise TaskError(
            f"{_culprit(task)} cannot be sent to Ray's workers ({type(error).__name__}: {error}): "
            f"let a function of the task build it, or name the task, "
            f"RayEngine(task='file.py:name'), to have it loaded there."
        ) from error


def _culprit(task: Task) -> str:
    for field in fields(task):
        part = getattr(task, field.name)
        try:
            pack(part)
        except Exception:  # noqa: BLE001  whatever it is, this is the part
            return f"{field.name} ({type(part).__name__})"
    return "the task"


def uses_gpu(packed_from: Task) -> str | None:
    """The GPU a task is on, as far as its instances and its `device` show.

    Returns:
        For instance `cuda:0`; None for a task on the CPU.
    """
    device = packed_from.device
    if device is not None and torch.device(device).type == "cuda":
        return str(device)
    optimizers = packed_from.optimizer
    listed = optimizers if isinstance(optimizers, list | tuple) else [optimizers]
    held = [p for o in listed for g in getattr(o, "param_groups", ()) for p in g["params"]]
    if isinstance(packed_from.model, torch.nn.Module):
        held += list(packed_from.model.parameters())
    return next((str(p.device) for p in held if p.device.type == "cuda"), None)


def _packed(value: object, by_value: Iterable[ModuleType]) -> bytes:
    from ray import cloudpickle

    registered: list[ModuleType] = []
    buffer = io.BytesIO()
    try:
        for module in by_value:
            cloudpickle.register_pickle_by_value(module)
            registered.append(module)
        with warnings.catch_warnings():
            # hooks travel by themselves, see _Extras
            warnings.filterwarnings("ignore", message=".*hook.* will not be serialized")
            module: Any = SimpleNamespace(__name__="etastar", Pickler=_pickler())
            torch.save(value, buffer, pickle_module=module, pickle_protocol=5)
    finally:
        for module in registered:
            cloudpickle.unregister_pickle_by_value(module)
    return buffer.getvalue()


def _own_modules() -> list[ModuleType]:
    """Modules loaded from elsewhere than where packages are installed: the user's own files."""
    named = sysconfig.get_paths()
    folders = [named[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders += [*site.getsitepackages(), site.getusersitepackages()]
    folders.append(str(Path(torch.__file__).parents[1]))
    installed = tuple({os.path.realpath(folder) + os.sep for folder in folders})
    as_named = (*installed, *(folder + os.sep for folder in folders))
    found: list[ModuleType] = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name == "__main__" or not isinstance(file, str):
            continue
        ours = name == "etastar" or name.startswith("etastar.")
        if ours or file.startswith(as_named):  # most of them, and asking the disk is slow
            continue
        if not os.path.realpath(file).startswith(installed):
            found.append(module)
    return [module for module in found if sys.modules.get(module.__name__) is module]


def _pickler() -> type[Any]:
    """Cloudpickle's pickler, which knows more of torch; made here, where Ray is present."""
    from ray import cloudpickle

    class TaskPickler(cloudpickle.Pickler):
        def reducer_override(self, obj: Any) -> Any:
            for kind, reduce in _REDUCERS.items():
                if issubclass(type(obj), kind):
                    reduced = reduce(obj)
                    if reduced is not NotImplemented:
                        return reduced
            return super().reducer_override(obj)

    return TaskPickler


def _optimizer(optimizer: Optimizer) -> Any:
    """With its hooks and its own attributes, such as those LBFGS needs.

    Clocks of attached schedules stay behind: they stand still in trials, and a schedule that
    travels sets its own.

    Returns:
        How to make it again.
    """
    kind = type(optimizer)
    if kind.__getstate__ is not Optimizer.__getstate__ or "__reduce__" in vars(kind):
        return NotImplemented
    state = dict(vars(optimizer))
    for name, hooks in state.items():
        if name.startswith("_optimizer_") and name.endswith("_hooks"):
            state[name] = OrderedDict((n, hook) for n, hook in hooks.items() if not _is_clock(hook))
    return copyreg.__newobj__, (kind,), state  # type: ignore[attr-defined]


def _is_clock(hook: object) -> bool:
    return isinstance(getattr(hook, "__self__", None), Clock)


def _loader(loader: DataLoader[Any]) -> Any:
    """Without the workers that serve its present pass: a trial starts its own."""
    state = vars(loader)
    if state.get("_iterator") is None:
        return NotImplemented
    return copyreg.__newobj__, (type(loader),), {**state, "_iterator": None}  # type: ignore[attr-defined]


def _tensor(tensor: torch.Tensor) -> Any:
    """With its gradient and its hooks."""
    if not tensor.is_leaf:
        return NotImplemented
    extras: dict[str, Any] = {}
    if tensor.grad is not None:
        extras["grad"] = tensor.grad
    for name in _HOOKS:
        hooks: dict[int, Any] | None = getattr(tensor, name, None)
        if hooks:
            extras[name] = list(hooks.values())
    if not extras:
        return NotImplemented
    make, arguments = tensor.__reduce_ex__(5)[:2]
    return make, arguments, extras, None, None, _add_extras


_HOOKS = {
    "_backward_hooks": "register_hook",
    "_post_accumulate_grad_hooks": "register_post_accumulate_grad_hook",
}


def _add_extras(tensor: torch.Tensor, extras: dict[str, Any]) -> None:
    tensor.grad = extras.get("grad")
    for name, register in _HOOKS.items():
        for hook in extras.get(name, ()):
            getattr(tensor, register)(hook)


def _reference(reference: weakref.ref[Any]) -> Any:
    if type(reference) is not weakref.ref:
        return NotImplemented
    target = reference()
    return (_dead, ()) if target is None else (weakref.ref, (target,))


class _Gone:
    """What a dead reference refers to."""


def _dead() -> weakref.ref[Any]:
    return weakref.ref(_Gone())


_REDUCERS: dict[type[Any], Callable[[Any], Any]] = {
    Optimizer: _optimizer,
    DataLoader: _loader,
    torch.Tensor: _tensor,
    weakref.ref: _reference,
}
