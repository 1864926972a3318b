"""What a caller gave beside the space: read, or refused before any work in one sentence."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real
from pathlib import Path
from typing import Any

from etastar.errors import InputError
from etastar.tasks import Task, checks

_SEEDS = (1 - 2**63, 2**63 - 1)
"""What every engine takes for a seed."""

_OWN_SEEDS = (0, 2**32 - 1)
"""What every sampler takes for one."""


def check_parts(task: Any, engine: Any, store: Any) -> None:
    """Refuse what is no task, no engine or no store.

    Raises:
        InputError: what to pass.
    """
    if not isinstance(task, Task):
        name = repr(task) if isinstance(task, str) else "'digits-mlp'"
        raise InputError(
            f"the task is of type {type(task).__name__}: pass an etastar.Task, or "
            f"etastar.load_task({name})."
        )
    if not (isinstance(engine, str) or hasattr(engine, "train")):
        raise InputError(
            f"engine={engine!r}: pass 'sequential', 'vectorized', 'auto', 'ray', or an engine."
        )
    if not (store is None or isinstance(store, str | Path) or hasattr(store, "study")):
        raise InputError(
            f"store={store!r}: pass a file, a PostgreSQL URL, a store that is open, or None."
        )


def seeds_of(given: Any) -> tuple[int, ...]:
    """The seeds of the trials.

    Args:
        given: whole numbers, or how many.

    Returns:
        Each once; a number means so many, from 0.

    Raises:
        InputError: they are no whole numbers, or one comes twice.
    """
    if isinstance(given, str):
        raise InputError(f"seeds={given!r}: pass whole numbers such as (0, 1, 2), or how many.")
    if not isinstance(given, Iterable):
        return tuple(range(checks.whole(given, "seeds")))
    seeds = tuple(_whole(one, "seeds holds", _SEEDS) for one in given)
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError(f"seeds={seeds!r}: pass at least one whole number, each once.")
    return seeds


def seed_of(given: Any) -> int:
    """The seed of the strategy's own randomness.

    Returns:
        The seed.

    Raises:
        InputError: it is no whole number, or not one of 32 bits.
    """
    return _whole(given, "seed is", _OWN_SEEDS)


def budget_of(given: Any) -> float | None:
    """The budget in full runs.

    Returns:
        The budget; None where there is none.

    Raises:
        InputError: it is no positive number.
    """
    if given is None:
        return None
    if not (_is_number(given) and given > 0):
        raise InputError(f"budget={given!r}: pass a positive number of full runs, or None.")
    return float(given)


def _whole(given: Any, what: str, span: tuple[int, int]) -> int:
    if not (_is_number(given) and int(given) == given):
        raise InputError(f"{what} {given!r}: pass whole numbers.")
    low, high = span
    if not low <= given <= high:
        raise InputError(f"{what} {given!r}: pass whole numbers from {low} to {high}.")
    return int(given)


def _is_number(given: Any) -> bool:
    return not isinstance(given, bool) and isinstance(given, Real) and math.isfinite(given)
