"""Engines by name."""

from __future__ import annotations

import difflib
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

from etastar.engine.contract import Engine
from etastar.errors import InputError

EngineName = Literal["sequential", "vectorized", "auto", "ray"]

NAMES: tuple[EngineName, ...] = ("sequential", "vectorized", "auto", "ray")


def engine_named(name: str, **options: Any) -> Engine:
    """The engine of a name; only its own module is loaded.

    Args:
        name: `sequential`, `vectorized`, `auto` or `ray`.
        options: passed on to the engine.

    Returns:
        A new engine.

    Raises:
        InputError: there is no such engine, or it has no such option.

    Examples:
        >>> engine_named("sequential").name
        'sequential'
        >>> engine_named("vectorised")
        Traceback (most recent call last):
        etastar.errors.InputError: engine='vectorised': pass 'sequential', 'vectorized', 'auto' or
        'ray'; did you mean 'vectorized'?
    """
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else "."
        raise InputError(
            f"engine={name!r}: pass 'sequential', 'vectorized', 'auto' or 'ray'{meant}"
        )
    kind = _kind(name)
    try:
        return kind(**options)
    except TypeError as error:
        raise InputError(f"engine {name!r} cannot be made with {options!r}: {error}") from error


@contextmanager
def engine_of(engine: Engine | str) -> Generator[Engine]:
    """An engine, or the one of that name; one made here is closed here.

    Args:
        engine: an engine, which stays open, or the name of one.

    Yields:
        The engine.

    Raises:
        InputError: there is no engine of that name.
    """
    if not isinstance(engine, str):
        yield engine
        return
    made: Any = engine_named(engine)
    with made if hasattr(made, "__exit__") else nullcontext():
        yield made


def _kind(name: EngineName) -> Any:
    if name == "sequential":
        from etastar.engine.sequential import Sequential

        return Sequential
    if name == "vectorized":
        from etastar.engine.vectorized import Vectorized

        return Vectorized
    if name == "auto":
        from etastar.engine.auto import Auto

        return Auto
    from etastar.engine.ray_engine import RayEngine

    return RayEngine
