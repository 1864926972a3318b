"""The space of a sweep: which values the rate and each setting may take."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from etastar.errors import InputError
from etastar.records import Axis

POINTS_PER_DECADE = 2
LINEAR_POINTS = 5
"""Grid points of a range that names none."""

MOST_POINTS = 10_000

DECADE = ("decade", "around")
"""Words for a decade on each side of the optimizer's own value."""

FORMS = (
    "write low:high:log, low:high:log:points, low:high:linear, values as 0.8,0.9,0.95, or "
    "'decade' for a decade on each side of the optimizer's own"
)


@dataclass(frozen=True)
class Log:
    """From low to high in equal ratios.

    Examples:
        >>> Log(1e-3, 1.0).axis().values
        (0.001, 0.00316..., 0.01, 0.0316..., 0.1, 0.316..., 1.0)
    """

    low: float
    high: float
    points: int | None = None  # of a grid; two per decade by default

    def __post_init__(self) -> None:
        _check_range(self, "Log", least=0.0)

    def axis(self) -> Axis:
        """The range with its grid."""
        decades = math.log10(self.high) - math.log10(self.low)
        points = self.points or max(3, round(POINTS_PER_DECADE * decades) + 1)
        last = points - 1
        inner = [self.low ** (1 - i / last) * self.high ** (i / last) for i in range(1, last)]
        return _range_axis(self, (self.low, *(_neat(v) for v in inner), self.high))


@dataclass(frozen=True)
class Linear:
    """From low to high in equal steps.

    Examples:
        >>> Linear(0.8, 0.9, points=3).axis().values
        (0.8, 0.85, 0.9)
    """

    low: float
    high: float
    points: int | None = None  # of a grid; five by default

    def __post_init__(self) -> None:
        _check_range(self, "Linear", least=-math.inf)

    def axis(self) -> Axis:
        """The range with its grid."""
        last = (self.points or LINEAR_POINTS) - 1
        inner = [self.low + (self.high - self.low) * i / last for i in range(1, last)]
        return _range_axis(self, (self.low, *(_neat(v) for v in inner), self.high))


@dataclass(frozen=True, init=False)
class Choice:
    """A few numbers to choose from.

    Examples:
        >>> Choice(0.0, 1e-4, 1e-3).values
        (0.0, 0.0001, 0.001)
    """

    values: tuple[float, ...]

    def __init__(self, *values: float) -> None:
        if not values or not all(_is_finite(value) for value in values):
            raise InputError(f"Choice({_listed(values)}): pass one or more finite numbers.")
        numbers = tuple(float(value) for value in values)
        if len(set(numbers)) < len(numbers):
            raise InputError(f"Choice({_listed(values)}) holds a value twice: pass each once.")
        object.__setattr__(self, "values", numbers)

    def axis(self) -> Axis:
        """The values as they were given."""
        return Axis(scale="choice", values=self.values)


Given = Log | Linear | Choice | Sequence[float] | float | str
"""What may stand for the values of a setting."""


def axes_of(space: Mapping[str, Given] | Given, defaults: Mapping[str, float]) -> dict[str, Axis]:
    """The axes of a space, the rate's first.

    Args:
        space: values by name, or those of the rate alone. Without `lr` in it, the rate stays
            the optimizer's own.
        defaults: the optimizer's own values, `lr` among them.

    Returns:
        An axis for each name.

    Raises:
        InputError: which of the values to change.
    """
    given: Mapping[str, Given] = space if isinstance(space, Mapping) else {"lr": space}
    if not given:
        raise InputError("the space is empty: pass values by name, such as {'lr': 'decade'}.")
    named = {name: _axis(name, values, defaults) for name, values in given.items()}
    rate = named.get("lr") or Choice(defaults["lr"]).axis()
    if rate.low <= 0:
        raise InputError(f"lr holds {rate.low:g}: pass rates above 0.")
    return {"lr": rate, **{name: axis for name, axis in named.items() if name != "lr"}}


def points_named(space: Mapping[str, Given] | Given) -> dict[str, int]:
    """How many points the ranges of a space name for a grid.

    Returns:
        Numbers by name, for those that name one.
    """
    given: Mapping[str, Given] = space if isinstance(space, Mapping) else {"lr": space}
    read = {n: parse_values(v) if isinstance(v, str) else v for n, v in given.items()}
    ranges = {name: values for name, values in read.items() if isinstance(values, Log | Linear)}
    return {name: values.points for name, values in ranges.items() if values.points is not None}


def parse_values(text: str) -> Log | Linear | Choice | str:
    """Read values as they are written on a command line.

    Returns:
        The range or choice; 'decade' as it is.

    Raises:
        InputError: the text has none of the forms.

    >>> parse_values("1e-4:1:log:9"), parse_values("0.8,0.9")
    (Log(low=0.0001, high=1.0, points=9), Choice(values=(0.8, 0.9)))
    """
    if text in DECADE:
        return text
    low, *rest = text.split(":")
    if not rest:
        return Choice(*(_number(part, text) for part in low.split(",")))
    kinds = {"log": Log, "linear": Linear}
    if len(rest) not in {2, 3} or rest[1] not in kinds:
        raise InputError(f"{text!r} names no values: {FORMS}.")
    points = None if len(rest) == 2 else _count(rest[2], text)
    ends = _number(low, text), _number(rest[0], text)
    try:
        return kinds[rest[1]](*ends, points)
    except InputError as error:  # in the words of who wrote it
        raise InputError(f"{text!r}: {str(error).partition('): ')[2]}") from None


def _axis(name: str, given: Any, defaults: Mapping[str, float]) -> Axis:
    values = given.tolist() if hasattr(given, "tolist") else given  # NumPy's and torch's
    try:
        if isinstance(values, str):
            values = parse_values(values)
        if isinstance(values, str):
            return _around(name, defaults).axis()
        if isinstance(values, Log | Linear | Choice):
            return values.axis()
        if not isinstance(values, bool) and isinstance(values, Real):
            return Choice(float(values)).axis()
        if isinstance(values, Sequence):
            return Choice(*values).axis()
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    raise InputError(
        f"{name} has values of type {type(values).__name__}: pass Log(low, high), "
        f"Linear(low, high), a list of numbers, or 'decade'."
    )


def _around(name: str, defaults: Mapping[str, float]) -> Log:
    own = defaults.get(name, 0.0)
    if own <= 0:
        raise InputError(
            f"the optimizer's own is {own:g}, which has no decade on each side: pass "
            f"Log(low, high) or a list of numbers."
        )
    if name in {"momentum", "beta1", "beta2", "alpha", "rho"}:
        raise InputError(
            f"the optimizer's own is {own:g}, and a decade on each side of it reaches "
            f"past 1: pass a list such as [0.8, 0.9, 0.95]."
        )
    return Log(_neat(own / 10), _neat(own * 10))


def _check_range(given: Log | Linear, name: str, least: float) -> None:
    low, high, points = given.low, given.high, given.points
    if not (_is_finite(low) and _is_finite(high) and least < low < high):
        above = " above 0" if least == 0 else ""
        raise InputError(
            f"{name}({low!r}, {high!r}): pass finite numbers{above}, the lower one first."
        )
    if points is not None and (
        isinstance(points, bool)
        or not isinstance(points, int)  # pyright: ignore[reportUnnecessaryIsInstance]
        or not 2 <= points <= MOST_POINTS
    ):
        raise InputError(f"{name}(points={points!r}): pass a whole number from 2 to {MOST_POINTS}.")
    object.__setattr__(given, "low", float(low))
    object.__setattr__(given, "high", float(high))


def _range_axis(given: Log | Linear, values: tuple[float, ...]) -> Axis:
    """The axis of a range, unless its ends are too near or too far for numbers between them.

    Returns:
        The axis.

    Raises:
        InputError: they are.
    """
    rise = all(low < high for low, high in itertools.pairwise(values))
    if not (rise and all(map(math.isfinite, values))):
        raise InputError(
            f"{type(given).__name__}({given.low!r}, {given.high!r}): the ends are too near or too "
            f"far for {len(values)} points; pass others, or fewer points."
        )
    return Axis(scale="log" if isinstance(given, Log) else "linear", values=values)


def _neat(value: float) -> float:
    """Without the noise of the last bits, so that tables and stores show 0.01 as 0.01.

    Returns:
        The number with 12 digits.
    """
    return float(f"{value:.12g}")


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(repr, values))


def _is_finite(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{whole!r}: {text!r} is no number; {FORMS}.") from None


def _count(text: str, whole: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{whole!r}: {text!r} is no number of points; {FORMS}.") from None
