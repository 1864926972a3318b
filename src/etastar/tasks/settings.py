"""Settings of an optimizer by name: which there are, and what a new value makes of each group."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

from etastar.errors import TaskError
from etastar.schedules.suggest import nearest

Group = dict[str, Any]
"""A parameter group of an optimizer."""

BETAS = {"beta1": 0, "beta2": 1}
"""The two numbers of `betas`, each a setting of its own."""

NOT_SETTINGS = frozenset({"params", "lr", "initial_lr", "initial_accumulator_value"})
"""The rate is what is searched; the last acts only while the optimizer is built."""

NEVER_NEGATIVE = frozenset(
    {"weight_decay", "momentum", "dampening", "eps", "alpha", "rho", "momentum_decay", "lr_decay"}
)

OTHER_NAMES = {
    "momentum": "beta1",
    "beta1": "momentum",
    "beta2": "alpha",
    "betas": "beta1",
    "wd": "weight_decay",
    "l2": "weight_decay",
    "decay": "weight_decay",
    "epsilon": "eps",
}
"""What the same thing is called on other optimizers, and in other libraries."""


class Part(NamedTuple):
    """A parameter group that has a number, where it stands, and its ratio to the reference."""

    group: Group
    now: float
    ratio: float


@dataclass(frozen=True)
class Change:
    """One number of one parameter group, and what it becomes."""

    group: Group
    name: str
    value: float

    def __str__(self) -> str:
        return f"{self.name}={self.value:g}"


def settings_of(optimizers: Sequence[Any]) -> dict[str, float]:
    """What can be set on the optimizers, and where it stands.

    Returns:
        Each name with the value of the reference group: the first that is not at 0.
    """
    found: dict[str, list[float]] = {}
    for group in _groups(optimizers):
        for name, value in _numbers(group):
            found.setdefault(name, []).append(value)
    return {name: next((v for v in values if v), 0.0) for name, values in found.items()}


def checked(settings: Any) -> dict[str, float]:
    """Settings as plain numbers, before any optimizer is there.

    Returns:
        A copy of its own.

    Raises:
        TaskError: they are no mapping from names to finite numbers, or name the rate.
    """
    instead = ", which is what is searched: leave it out, and pass rates as rates."
    check_names(settings, "settings", "{'weight_decay': 0.01}", instead)
    for name, value in settings.items():
        _check_value(name, value)
    return {name: float(value) for name, value in settings.items()}


def check_names(given: Any, where: str, example: str, instead: str) -> None:
    """Refuse what is no mapping from names of an optimizer's numbers, the rate apart.

    Args:
        given: by the caller.
        where: the argument, for the message.
        example: of what to pass.
        instead: what to say where the rate is among them.

    Raises:
        TaskError: what to change.
    """
    if not isinstance(given, Mapping):
        raise TaskError(f"{where} is a {type(given).__name__}: pass a mapping such as {example}.")
    for name in given:
        if not isinstance(name, str):
            raise TaskError(f"{where} holds the name {name!r}: pass names as text.")
        if name in {"lr", "initial_lr"}:
            raise TaskError(f"{where} holds {name!r}{instead}")


def _check_value(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise TaskError(f"settings holds {name}={value!r}: pass a finite number.")
    number = float(value)
    if name in NEVER_NEGATIVE and number < 0:
        raise TaskError(f"settings holds {name}={value!r}: pass a number of at least 0.")
    if name in BETAS and not 0 <= number < 1:
        raise TaskError(f"settings holds {name}={value!r}: pass a number from 0 to below 1.")


def changes(optimizers: Sequence[Any], settings: Mapping[str, float]) -> list[Change]:
    """What the settings make of the optimizers' groups; nothing is written.

    The groups keep their ratios, as with rates: one at 0 stays there (no decay on the biases),
    the others keep their ratio to the first that is not 0. Where all are at 0, all get the
    value.

    Returns:
        One change for each group that has the setting.

    Raises:
        TaskError: an optimizer has no such setting, or cannot take the value.
    """
    made: list[Change] = []
    for name, value in settings.items():
        for part in parts_with(optimizers, name):
            change = Change(part.group, name, value * part.ratio)
            _check_fits(change, part.now)
            made.append(change)
    return made


def parts_with(optimizers: Sequence[Any], name: str, given_in: str = "settings") -> list[Part]:
    """The parameter groups that have a number, and the ratios they keep.

    Args:
        optimizers: whose groups.
        name: of the number.
        given_in: the argument that names it, for what is said where there is none.

    Returns:
        At least one. A group at 0 has ratio 0; where all are at 0, all have ratio 1.

    Raises:
        TaskError: an optimizer has no such number.
    """
    held = [(group, dict(_numbers(group)).get(name)) for group in _groups(optimizers)]
    present = [(group, now) for group, now in held if now is not None]
    if not present:
        raise TaskError(_unknown(name, optimizers, given_in))
    reference = next((now for _, now in present if now), None)
    return [
        Part(group, now, 1.0 if reference is None else now / reference) for group, now in present
    ]


def counts_something(group: Group, name: str, now: float) -> bool:
    """Whether a number of a group is a count, and takes whole numbers only."""
    # SGD writes its floats as 0 and 1; a larger int counts something
    return isinstance(group.get(name), int) and now > 1


def _check_fits(change: Change, now: float) -> None:
    if change.name in BETAS and change.value >= 1:
        raise TaskError(
            f"settings would make {change} in a parameter group, whose own {change.name}={now:g} "
            f"is higher than the first group's: pass a lower value, or give the groups one."
        )
    is_count = counts_something(change.group, change.name, now)
    if is_count and not (change.value.is_integer() and change.value >= 1):
        raise TaskError(f"settings holds {change}: pass a whole number of at least 1.")


def _groups(optimizers: Sequence[Any]) -> list[Group]:
    return [group for optimizer in optimizers for group in optimizer.param_groups]


def _numbers(group: Group) -> Iterator[tuple[str, float]]:
    for name, value in group.items():
        if name in NOT_SETTINGS:
            continue
        if name == "betas":
            yield from ((beta, float(value[i])) for beta, i in BETAS.items() if i < len(value))
        elif _is_number(value):
            yield name, float(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    is_tensor = hasattr(value, "numel") and value.numel() == 1 and value.is_floating_point()
    return isinstance(value, Real) or is_tensor


def _unknown(name: str, optimizers: Sequence[Any], given_in: str) -> str:
    kinds = " and ".join(dict.fromkeys(type(optimizer).__name__ for optimizer in optimizers))
    known = list(settings_of(optimizers))
    if not known:
        return f"{given_in} holds {name!r}, and {kinds} has no setting that is a number: drop it."
    other = OTHER_NAMES.get(name)
    meant = f" (here it is called {other!r})" if other in known else nearest(name, known)
    return (
        f"{given_in} holds {name!r}, which {kinds} does not have{meant}: it has "
        f"{', '.join(sorted(known))}."
    )
