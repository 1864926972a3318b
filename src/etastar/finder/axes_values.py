"""Which other settings are looked at, and at which values: read and refused before step 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any

from etastar.errors import InputError
from etastar.finder.axes_tasks import at_value, batch_size_of, warmup_of
from etastar.finder.resembling import DECAY, is_decoupled
from etastar.records.axis import AxisName
from etastar.schedules.suggest import nearest
from etastar.tasks import Task
from etastar.tasks.settings import changes, checked, settings_of
from etastar.training.live import living

Also = str | Sequence[str] | Mapping[str, Sequence[float] | float | None]
"""Names of settings, or values by name; None for the values tried by default."""

NAMES: dict[str, AxisName] = {
    "momentum": "momentum",
    "beta1": "momentum",
    "weight_decay": "weight_decay",
    "warmup": "warmup",
    "warmup_steps": "warmup",
    "batch_size": "batch_size",
}

WARMUP_SHARES = (0.0, 0.02, 0.05, 0.1)
DECAY_FACTOR = 4.0
DECOUPLED_FROM_NONE, COUPLED_FROM_NONE = (0.01, 0.1), (1e-4, 1e-3)
"""Weight decays tried where the task has none."""

FROM_NO_MOMENTUM = (0.8, 0.9)
APART = 1.5
"""A warmup tried by default is dropped where the task's own is within this factor of it."""

MOST_VALUES = 12


@dataclass(frozen=True)
class Axis:
    """One setting and its values, the task's own among them, from low to high."""

    name: AxisName
    setting: str  # what it is called where it is applied
    own: float
    values: tuple[float, ...]
    decoupled: bool = False  # whether weight decay acts apart from the gradient's step

    @property
    def others(self) -> tuple[float, ...]:
        """The values that are not the task's own."""
        return tuple(value for value in self.values if value != self.own)


def axes_of(task: Task, also: Also, seed: int) -> tuple[Axis, ...]:
    """The settings to look at, held against the task before anything is trained.

    Args:
        task: whose settings they are.
        also: names, or values by name.
        seed: covers the initial weights where the model is a factory.

    Returns:
        One for each name, with at least two values.

    Raises:
        InputError: no such setting, a value it cannot take, or data that cannot be re-batched.
    """
    given = _given(also)
    with living(task) as live:
        live.begin(seed)
        known = settings_of(live.optimizers)
        decoupled = is_decoupled(live.optimizers)
        kinds = " and ".join(dict.fromkeys(type(o).__name__ for o in live.optimizers))
        made = [
            _axis(task, name, values, known=known, decoupled=decoupled, kinds=kinds)
            for name, values in given.items()
        ]
        for axis in made:
            for value in axis.others if axis.name in {"momentum", "weight_decay"} else ():
                changes(live.optimizers, checked({axis.setting: value}))
    for axis in made:
        for value in axis.others:
            at_value(task, axis.name, axis.setting, value)  # refuses what cannot be built
    return tuple(made)


def _given(also: Any) -> dict[AxisName, tuple[float, ...] | None]:
    """Names with their values, None for those by default."""
    pairs: Mapping[Any, Any]
    if isinstance(also, str):
        pairs = {also: None}
    elif isinstance(also, Mapping):
        pairs = also
    elif isinstance(also, Iterable):
        pairs = dict.fromkeys(also)
    else:
        raise InputError(
            f"also is a {type(also).__name__}: pass names such as ['weight_decay'], or values by "
            f"name such as {{'momentum': [0.8, 0.9]}}."
        )
    found: dict[AxisName, tuple[float, ...] | None] = {}
    for word, values in pairs.items():
        name = NAMES.get(word) if isinstance(word, str) else None
        if name is None:
            hint = nearest(word, NAMES) if isinstance(word, str) else ""
            raise InputError(
                f"also holds {word!r}{hint}: pass momentum, weight_decay, warmup or batch_size."
            )
        if name in found:
            raise InputError(f"also holds {name} twice: pass it once.")
        found[name] = None if values is None else _numbers(name, values)
    if not found:
        raise InputError("also is empty: pass at least one name such as 'weight_decay', or None.")
    return found


def _numbers(name: AxisName, values: Any) -> tuple[float, ...]:
    listed = (
        [values] if isinstance(values, Real | str) or not isinstance(values, Iterable) else values
    )
    numbers: list[float] = []
    for value in listed:
        if (
            isinstance(value, bool)
            or not isinstance(value, Real)
            or not 0 <= float(value) < math.inf
        ):
            raise InputError(f"also holds {name}={value!r}: pass finite numbers of at least 0.")
        numbers.append(float(value))
    if not 1 <= len(numbers) <= MOST_VALUES:
        raise InputError(
            f"also holds {len(numbers)} values of {name}: pass from 1 to {MOST_VALUES}."
        )
    return tuple(numbers)


def _axis(
    task: Task,
    name: AxisName,
    values: tuple[float, ...] | None,
    *,
    known: Mapping[str, float],
    decoupled: bool,
    kinds: str,
) -> Axis:
    reads: dict[AxisName, Callable[[], tuple[str, float]]] = {
        "momentum": partial(_momentum, known, kinds),
        "weight_decay": partial(_decay, known, kinds),
        "warmup": lambda: ("warmup_steps", float(warmup_of(task.shape))),
        "batch_size": lambda: ("batch_size", float(batch_size_of(task))),
    }
    setting, own = reads[name]()
    if values is None:
        tried = _default(task, name, own, decoupled=decoupled)
    else:
        tried = tuple(_read(task, name, value) for value in values)
    every = tuple(sorted({own, *tried}))
    if len(every) < 2:
        raise InputError(
            f"also holds {name}={own:g}, the task's own and no other: pass further values."
        )
    return Axis(name, setting, own, every, decoupled)


def _momentum(known: Mapping[str, float], kinds: str) -> tuple[str, float]:
    for setting in ("momentum", "beta1"):
        if setting in known:
            return setting, known[setting]
    raise InputError(f"also holds momentum, which {kinds} does not have: leave it out.")


def _decay(known: Mapping[str, float], kinds: str) -> tuple[str, float]:
    if DECAY not in known:
        raise InputError(f"also holds {DECAY}, which {kinds} does not have: leave it out.")
    return DECAY, known[DECAY]


def _read(task: Task, name: AxisName, value: float) -> float:
    """A value as it was meant: a warmup below 1 is a share of the run."""
    if name == "momentum" and value >= 1:
        raise InputError(f"also holds momentum={value:g}: pass numbers from 0 to below 1.")
    if name == "warmup":
        steps = value * task.horizon if value < 1 else value
        return float(round(steps))
    if name == "batch_size" and (value < 1 or not value.is_integer()):
        raise InputError(f"also holds batch_size={value:g}: pass whole numbers of at least 1.")
    return value


def _default(task: Task, name: AxisName, own: float, *, decoupled: bool) -> tuple[float, ...]:
    """One step to each side of the task's own value."""
    if name == "momentum":
        if own == 0:
            return FROM_NO_MOMENTUM
        return tuple(_neat(max(1 - factor * (1 - own), 0.0)) for factor in (2.0, 0.5))
    if name == "weight_decay":
        if own == 0:
            return DECOUPLED_FROM_NONE if decoupled else COUPLED_FROM_NONE
        return (_neat(own / DECAY_FACTOR), _neat(own * DECAY_FACTOR))
    if name == "batch_size":
        return tuple(size for size in (own // 2, own * 2) if size >= 1)
    steps = (float(round(share * task.horizon)) for share in WARMUP_SHARES)
    return tuple(s for s in steps if not (s and own and max(s / own, own / s) < APART))


def _neat(value: float) -> float:
    """Without the noise of the last bits.

    Returns:
        The number with 12 digits.
    """
    return float(f"{value:.12g}")
