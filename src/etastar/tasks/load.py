"""Tasks by name: built-in, `file.py:name`, or `module:name`."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from etastar.errors import EtastarError, TaskFailedError, UnknownTaskError
from etastar.tasks.builtin import BUILTIN
from etastar.tasks.task import Task

_T = TypeVar("_T")

_UNNAMED = "task"
"""What a task is called that was given no name."""


def load_task(spec: str) -> Task:
    """Find the task that `spec` names.

    Args:
        spec: a built-in name (`digits-mlp`), `path/to/file.py:name` or `package.module:name`.
            `name` is a Task, or a function without arguments that returns one.

    Returns:
        The task; one without a name of its own gets that of its variable, or its file's.

    Raises:
        UnknownTaskError: nothing of that name; the nearest one is suggested.
        TaskFailedError: the file raised; its exception is the cause.
    """
    if spec in BUILTIN:
        return BUILTIN[spec].task()
    place, separator, name = spec.rpartition(":")
    if not separator or not place or not name:
        raise UnknownTaskError(_unknown(spec))
    module = _load_file(Path(place)) if place.endswith(".py") else _load_module(place)
    task = _task_of(module, name, spec)
    if task.name != _UNNAMED:
        return task
    file = Path(place).stem if place.endswith(".py") else place.rpartition(".")[2]
    return dataclasses.replace(task, name=file if name == _UNNAMED else name)


def _unknown(spec: str) -> str:
    if spec.endswith(".py"):
        return f"{spec!r} names a file but no task in it: say {spec}:name."
    return (
        f"no built-in task is called {spec!r}{_nearest(spec, list(BUILTIN))} Built in are "
        f"{', '.join(BUILTIN)}; your own is file.py:name or module:name."
    )


def _task_of(module: ModuleType, name: str, spec: str) -> Task:
    if not hasattr(module, name):
        tasks = [key for key, value in vars(module).items() if isinstance(value, Task)]
        raise UnknownTaskError(
            f"{spec!r}: there is no {name!r} in it{_nearest(name, tasks or dir(module))}"
        )
    found = getattr(module, name)
    if _builds(found):
        found = _running(spec, found)
    if not isinstance(found, Task):
        raise UnknownTaskError(
            f"{spec!r} is a {type(found).__name__}: it must be an etastar.Task, or a function "
            f"without arguments that returns one."
        )
    return found


def _builds(found: Any) -> bool:
    """Whether it is a function to call for the task: no module, nothing that needs arguments.

    Returns:
        False for all else.
    """
    if isinstance(found, Task) or not callable(found) or hasattr(found, "parameters"):
        return False
    try:
        inspect.signature(found).bind()
    except (TypeError, ValueError):
        return False
    return True


def _running(what: object, act: Callable[[], _T]) -> _T:
    """Run the user's code.

    Returns:
        What it returned.

    Raises:
        EtastarError: it raised one itself, where it builds its task.
        TaskFailedError: it raised anything else, or ended the process.
    """
    try:
        return act()
    except EtastarError:
        raise
    except SystemExit as error:
        raise TaskFailedError(
            f"{what} ended with SystemExit({error.code!r}): keep what runs it as a program under "
            f"if __name__ == '__main__'."
        ) from error
    except Exception as error:  # whatever the user's code raises is theirs to see
        raise TaskFailedError(f"{what} raised {type(error).__name__}: {error}") from error


def _load_file(path: Path) -> ModuleType:
    """Run a file as if it were the program: its folder is where it imports from.

    Returns:
        Its module.

    Raises:
        UnknownTaskError: there is no such file.
    """
    if not path.is_file():
        siblings = [str(p) for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise UnknownTaskError(f"there is no file {path}{_nearest(str(path), siblings)}")
    name = _module_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UnknownTaskError(f"{path} cannot be read as a Python file.")
    module = importlib.util.module_from_spec(spec)
    # It stays: the task's functions may import their neighbours when they are called, and so
    # may the worker processes of its loaders, which look the module up by its name.
    _importable(path.parent)
    sys.modules[name] = module
    try:
        _running(path, partial(spec.loader.exec_module, module))
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _module_name(path: Path) -> str:
    """The file's own name, unless it would hide another module of that name.

    Returns:
        A name for `sys.modules`.
    """
    known = sys.modules.get(path.stem)
    if known is not None:
        same = getattr(known, "__file__", None) == str(path) and known.__name__ == path.stem
    else:
        same = path.stem.isidentifier() and importlib.util.find_spec(path.stem) is None
    return path.stem if same else f"_etastar_task_{path.stem}"


def _load_module(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        file = Path(f"{name}.py")
        hint = f"did you mean {file}:…?" if file.is_file() else "give its file.py:name."
        raise UnknownTaskError(f"{name!r} is no module's name: {hint}")
    _importable(Path())
    try:
        return _running(name, partial(importlib.import_module, name))
    except TaskFailedError as failed:
        error = failed.__cause__
        if not isinstance(error, ModuleNotFoundError) or error.name is None:
            raise
        if name == error.name or name.startswith(f"{error.name}."):
            raise UnknownTaskError(
                f"no module is called {name!r}: run where it can be imported, or give its "
                f"file.py:name."
            ) from error
        raise


def _importable(folder: Path) -> None:
    """Import from the folder first, as Python does for a program in it."""
    place = str(folder.resolve())
    if place not in sys.path:
        sys.path.insert(0, place)


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else "."
