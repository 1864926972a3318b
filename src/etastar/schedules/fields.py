"""A schedule's fields, checked and brought to plain Python types by their annotations.

The annotation is the schema: `int` counts steps, `float` is finite, a `Literal` is one of its
words, `Schedule` is a schedule. Constructors, JSON specs and the short form all pass here, so
a wrong field is refused with the same sentence wherever it came from.
"""

from __future__ import annotations

import math
import operator
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from etastar.errors import ScheduleError

# Beyond 2^53 a float64 no longer tells neighbouring steps apart.
MOST_STEPS = 2**53


@cache
def hints(cls: type) -> dict[str, Any]:
    """The resolved annotations of a schedule class, by field name."""
    return get_type_hints(cls)


def coerce(owner: str, name: str, hint: Any, value: Any) -> Any:
    """The field `name=value` as the plain Python type its annotation asks for.

    Returns:
        The value, as an int, float, bool, str, tuple or schedule; None where that is allowed.

    Raises:
        ScheduleError: The value is not of that type.
    """
    if get_origin(hint) in {Union, UnionType}:
        if value is None and NoneType in get_args(hint):
            return None
        (hint,) = (part for part in get_args(hint) if part is not NoneType)
    if get_origin(hint) is Literal:
        return _word(owner, name, get_args(hint), value)
    if get_origin(hint) is tuple:
        return _sequence(owner, name, get_args(hint)[0], value)
    plain = {bool: _flag, int: _count, float: _number}.get(hint)
    return plain(owner, name, value) if plain else _instance(owner, name, hint, value)


def _count(owner: str, name: str, value: Any) -> int:
    problem = f"{owner} was given {name}={value!r}, and it counts steps: give a whole number."
    if isinstance(value, bool):
        raise ScheduleError(problem)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        count = operator.index(cast("int", value))
    except TypeError:
        raise ScheduleError(problem) from None
    if abs(count) > MOST_STEPS:
        raise ScheduleError(
            f"{owner} was given {name}={value!r}; steps are counted up to 2^53 = {MOST_STEPS}."
        )
    return count


def _number(owner: str, name: str, value: Any) -> float:
    try:
        number = float("nan") if isinstance(value, bool | str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not math.isfinite(number):
        raise ScheduleError(f"{owner} was given {name}={value!r}: give a finite number.")
    return number


def _flag(owner: str, name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ScheduleError(f"{owner} was given {name}={value!r}: give True or False.")
    return value


def _word(owner: str, name: str, words: tuple[Any, ...], value: Any) -> Any:
    if value not in words:
        choices = ", ".join(repr(word) for word in words)
        raise ScheduleError(f"{owner} was given {name}={value!r}: choose one of {choices}.")
    return value


def _sequence(owner: str, name: str, hint: Any, value: Any) -> tuple[Any, ...]:
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        raise ScheduleError(f"{owner} was given {name}={value!r}: give a list of values.")
    return tuple(coerce(owner, f"{name}[{i}]", hint, item) for i, item in enumerate(value))


def _instance(owner: str, name: str, hint: type, value: Any) -> Any:
    if not isinstance(value, hint):
        wanted = hint.__name__.lower()
        raise ScheduleError(f"{owner} was given {name}={value!r}: give a {wanted}.")
    return value
