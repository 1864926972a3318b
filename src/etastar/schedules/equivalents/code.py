"""What the converters of all libraries share: the answer's form, and code as text."""

from __future__ import annotations

from typing import Any

from etastar.schedules.base import Schedule, Warmed
from etastar.schedules.compat import Foreign

# The equivalent on its library's clock, and the line that makes it there; None: there is none.
Found = tuple[Foreign, str] | None


def call(function: str, *first: str, **arguments: Any) -> str:
    """A call as code.

    Returns:
        The text, arguments by name after those given as text.

    >>> call("f", "optimizer", lr=0.1)
    'f(optimizer, lr=0.1)'
    """
    given = [*first, *(f"{name}={value!r}" for name, value in arguments.items())]
    return f"{function}({', '.join(given)})"


def warmup_of(schedule: Schedule) -> int:
    """The length of the linear warmup before a schedule; 0 if it has none."""
    return schedule.warmup_steps if isinstance(schedule, Warmed) else 0
