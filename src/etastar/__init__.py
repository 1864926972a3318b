"""etastar (η★): the learning rate your run wants, how sure it is, and what the answer cost.

    import etastar

    finding = etastar.find(task)
    scheduler = etastar.attach(optimizer, lr=finding.schedule)

Names load on first use: importing the package, reading a saved record and drawing it need no
torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etastar import errors, records, schedules
    from etastar.finder import find, range_test
    from etastar.lessons import explain
    from etastar.sweeps import sweep
    from etastar.tasks import Task, load_task
    from etastar.training.attach import attach
    from etastar.training.preserved import preserved

    __version__: str

__all__ = [
    "Task",
    "__version__",
    "attach",
    "errors",
    "explain",
    "find",
    "load_task",
    "preserved",
    "range_test",
    "records",
    "schedules",
    "sweep",
]

_SUBMODULES = frozenset({"errors", "records", "schedules"})

_HOMES = {
    "Task": "etastar.tasks",
    "load_task": "etastar.tasks",
    "explain": "etastar.lessons",
    "find": "etastar.finder",
    "range_test": "etastar.finder",
    "sweep": "etastar.sweeps",
    "attach": "etastar.training.attach",
    "preserved": "etastar.training.preserved",
}
"""Where each public name lives. Their modules import torch; see `_load`."""


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return import_module(f"etastar.{name}")
    if name == "__version__":
        value: Any = _installed_version()
    elif name in _HOMES:
        value = getattr(_load(_HOMES[name], name), name)
    else:
        raise AttributeError(f"module 'etastar' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _load(home: str, name: str) -> Any:
    try:
        return import_module(home)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        from etastar.errors import MissingDependencyError

        raise MissingDependencyError(
            f"etastar.{name} trains with PyTorch, which is not installed; run "
            f'`pip install torch`, or `pip install "etastar[torch]"`.'
        ) from error


def _installed_version() -> str:
    from importlib.metadata import version

    return version("etastar")
