"""Tasks by name: built-in, `file.py:name`, or `module:name`."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from etastar.errors import EtastarError, TaskFailedError, UnknownTaskError
from etastar.tasks.builtin import BUILTIN
from etastar.tasks.task import Task


def load_task(spec: str) -> Task:
    """Find the task that `spec` names.

    Args:
        spec: a built-in name (`digits-mlp`), `path/to/file.py:name` or `package.module:name`.
            `name` is a Task, or a function without arguments that returns one.

    Returns:
        The task, named after `spec` if it had no name of its own.

    Raises:
        UnknownTaskError: nothing of that name; the nearest one is suggested.
        TaskFailedError: the file raised; its exception is the cause.
    """
    if spec in BUILTIN:
        return BUILTIN[spec].task()
    place, separator, name = spec.rpartition(":")
    if not separator or not place or not name:
        raise UnknownTaskError(
            f"no built-in task is called {spec!r}{_nearest(spec, list(BUILTIN))} Built in are "
            f"{', '.join(BUILTIN)}; your own is file.py:name or module:name."
        )
    module = _load_file(Path(place)) if place.endswith(".py") else _load_module(place)
    return _task_of(module, name, spec)


def _task_of(module: ModuleType, name: str, spec: str) -> Task:
    found = getattr(module, name, None)
    if found is None:
        tasks = [key for key, value in vars(module).items() if isinstance(value, Task)]
        raise UnknownTaskError(
            f"{spec!r}: there is no {name!r} in it{_nearest(name, tasks or dir(module))}"
        )
    if not isinstance(found, Task) and callable(found):
        try:
            found = found()
        except EtastarError:
            raise
        except Exception as error:  # whatever the user's code raises is theirs to see
            raise TaskFailedError(f"{spec!r} raised {type(error).__name__}: {error}") from error
    if not isinstance(found, Task):
        raise UnknownTaskError(
            f"{spec!r} is a {type(found).__name__}: it must be an etastar.Task, or a function "
            f"that returns one."
        )
    return found


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        siblings = [str(p) for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise UnknownTaskError(f"there is no file {path}{_nearest(str(path), siblings)}")
    # under its own name, beside its neighbours, as if the user had run it
    name = f"_etastar_task_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UnknownTaskError(f"{path} cannot be read as a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    except EtastarError:
        raise
    except Exception as error:
        raise TaskFailedError(f"{path} raised {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.parent.resolve()))
    return module


def _load_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UnknownTaskError(
                f"no module is called {name!r}: run where it can be imported, or give its "
                f"file.py:name."
            ) from error
        raise TaskFailedError(f"{name} raised {type(error).__name__}: {error}") from error
    except EtastarError:
        raise
    except Exception as error:
        raise TaskFailedError(f"{name} raised {type(error).__name__}: {error}") from error


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else "."
