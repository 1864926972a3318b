"""What a learning rate does, shown: lessons that train and record; `report` draws them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from etastar.errors import InputError

if TYPE_CHECKING:
    from etastar.engine.progress import Observer
    from etastar.records.lessons import Lesson
    from etastar.tasks import Task

__all__ = ["LESSONS", "TaskUse", "explain"]


@dataclass(frozen=True)
class TaskUse:
    """What a lesson does with a task: its default, and whether another may be given.

    `default=None` means that the lesson brings its own problem where no task is named.
    """

    default: str | None = None
    allowed: bool = True


LESSONS: dict[str, TaskUse] = {
    "regimes": TaskUse(),
    "schedules": TaskUse(default="digits-mlp"),
    "one-cycle": TaskUse(default="digits-cnn"),
    "optimizers": TaskUse(default="digits-mlp"),
    "grid-search": TaskUse(default="digits-mlp"),
}
"""The lessons, in the order they are told. Each lives in `etastar.lessons.<name>`, with `_` for
`-`, as a function `explain(task, *, seed, observer) -> Lesson`; loaded on first use."""


def explain(
    name: str,
    *,
    task: Task | str | None = None,
    seed: int = 0,
    observer: Observer | None = None,
) -> Lesson:
    """Run a lesson and record what happened.

    Args:
        name: one of `LESSONS`, such as "regimes".
        task: on which task, itself or its name; by default the lesson's own.
        seed: of all randomness.
        observer: hears what is running; silent by default.

    Returns:
        A record: it shows itself in a notebook, `.plot()` draws a picture, `.save(folder)` writes
        pictures, moving pictures and a page.

    Raises:
        InputError: no such lesson, or one that takes no task.
        TaskError: no such task.

    Examples:
        >>> import etastar
        >>> [(run.lr, run.regime) for run in etastar.explain("regimes").runs]
        [(0.01, 'too_small'), (0.1, 'good'), (0.7, 'optimal'), (0.99, 'oscillating'),
         (1.01, 'diverging')]
    """
    if name not in LESSONS:
        near = difflib.get_close_matches(name, LESSONS, n=1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        raise InputError(f"no lesson is called {name!r}{meant}; there are {', '.join(LESSONS)}.")
    use = LESSONS[name]
    if task is not None and not use.allowed:
        raise InputError(f"the lesson {name!r} brings its own problems; run it without a task.")
    from etastar.engine.progress import Observer

    room = import_module(f"etastar.lessons.{name.replace('-', '_')}")
    chosen = use.default if task is None else task
    if isinstance(chosen, str):
        from etastar.tasks import load_task

        chosen = load_task(chosen)
    watching = observer or Observer()
    try:
        return room.explain(chosen, seed=seed, observer=watching)
    finally:
        watching.finished()
