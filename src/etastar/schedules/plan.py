"""Schedules written before the run's length is known.

A plan is a schedule with durations in place of step counts. `on(horizon)` resolves all of them
at once, and gives an ordinary schedule.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, cast

from etastar.errors import ScheduleError
from etastar.schedules.base import FAMILIES, Schedule
from etastar.schedules.fields import hints
from etastar.schedules.horizon import Duration, Horizon, fraction, parse_duration
from etastar.schedules.spec import build, field_of


@dataclass(frozen=True)
class Plan:
    """A family and its fields, some of them durations; made by `plan`.

    Joins resolve by their boundaries, so parts of 10 %, 70 % and 20 % fill every run exactly.

    >>> from etastar import schedules
    >>> shape = schedules.plan("cosine", peak=1e-3, warmup="5%")
    >>> shape.on(schedules.Horizon(steps=10_000))
    Cosine(steps=10000, peak=0.001, warmup_steps=500, floor=0.0)
    """

    kind: str
    fields: tuple[tuple[str, Any], ...]

    def on(self, horizon: Horizon) -> Schedule:
        """The schedule of a run of this length.

        Returns:
            A schedule with every duration turned into steps.

        Raises:
            ScheduleError: A duration's unit is unknown to the horizon, or the numbers do not
                fit together at this length.
        """
        return self.resolved(horizon)

    def __rshift__(self, then: Plan | Schedule) -> Plan:
        return Plan("join", (("parts", (*_parts(self), *_parts(then))),))

    def __rrshift__(self, before: Schedule) -> Plan:
        return Plan("join", (("parts", (*_parts(before), *_parts(self))),))

    def __mul__(self, other: Plan | Schedule) -> Plan:
        return Plan("product", (("parts", (self, other)),))

    def __rmul__(self, other: Schedule) -> Plan:
        return Plan("product", (("parts", (other, self)),))

    def clip(self, low: float = 0.0, high: float | None = None) -> Plan:
        """The plan held within `[low, high]`."""
        return Plan("clip", (("part", self), ("low", low), ("high", high)))

    def repeat(self, times: int) -> Plan:
        """The plan run `times` times."""
        return Plan("repeat", (("part", self), ("times", times)))

    def shift(self, by: int | Duration | str) -> Plan:
        """The plan started later."""
        return Plan("shift", (("part", self), ("by", _duration(by))))

    def resolved(self, horizon: Horizon, steps: int | None = None) -> Schedule:
        """The same, over `steps` steps where the plan is part of a join that rounds for it."""
        cls = FAMILIES[self.kind]
        values = dict(self.fields)
        if self.kind == "join":
            values["parts"] = _resolved_parts(values["parts"], horizon)
        elif steps is not None and "steps" in values:
            values["steps"] = steps
        types = hints(cls)
        return build(
            cls, {name: _value(value, types.get(name), horizon) for name, value in values.items()}
        )

    def length(self, horizon: Horizon) -> Fraction | None:
        """The exact length, where it is stated."""
        values = dict(self.fields)
        if self.kind == "join":
            lengths = [_length(part, horizon) for part in values["parts"]]
            return None if None in lengths else sum(cast("list[Fraction]", lengths), Fraction(0))
        steps = values.get("steps")
        if isinstance(steps, Duration):
            return horizon.exact(steps)
        return None if steps is None else Fraction(steps)


def plan(kind: str | type[Schedule], **values: Any) -> Plan:
    """A schedule whose steps may be durations; the whole run unless `steps` says otherwise.

    Args:
        kind: A family, by its kind ("cosine") or its class.
        **values: Its fields; counts of steps may be durations (`epochs(3)`) or their words
            ("3 epochs", "5%").

    Returns:
        The plan.

    Raises:
        ScheduleError: An unknown family or field, or a duration that is none.

    >>> from etastar.schedules import Horizon, epochs
    >>> warm = plan("linear_warmup", steps="10%") >> plan("linear", steps="90%")
    >>> warm.on(Horizon(epochs=3, steps_per_epoch=33)).steps
    99
    """
    name = kind if isinstance(kind, str) else kind.kind
    cls = FAMILIES.get(name)
    if cls is None:
        raise ScheduleError(
            f"kind={name!r} names no schedule: known kinds are {', '.join(sorted(FAMILIES))}."
        )
    fields = {field_of(cls, field): _duration(value) for field, value in values.items()}
    if "steps" not in fields and any(f == "steps" for f in field_names(cls)):
        fields["steps"] = fraction(1.0)
    return Plan(name, tuple(sorted(fields.items())))


def field_names(cls: type[Schedule]) -> list[str]:
    """The fields a family is built from."""
    from dataclasses import fields

    return [field.name for field in fields(cls) if field.init]


def _duration(value: Any) -> Any:
    if isinstance(value, str) and value[:1].isdigit():
        return parse_duration(value)
    if isinstance(value, list | tuple):
        return tuple(_duration(item) for item in cast("list[Any]", value))
    return value


def _parts(part: Plan | Schedule) -> tuple[Plan | Schedule, ...]:
    if isinstance(part, Plan) and part.kind == "join":
        return dict(part.fields)["parts"]
    return (part,)


def _length(part: Plan | Schedule, horizon: Horizon) -> Fraction | None:
    return Fraction(part.steps) if isinstance(part, Schedule) else part.length(horizon)


def _resolved_parts(parts: tuple[Plan | Schedule, ...], horizon: Horizon) -> tuple[Schedule, ...]:
    lengths = [_length(part, horizon) for part in parts]
    if None in lengths:
        return tuple(part if isinstance(part, Schedule) else part.on(horizon) for part in parts)
    ends = [Fraction(0)]
    for length in cast("list[Fraction]", lengths):
        ends.append(ends[-1] + length)
    counts = [round(end) - round(start) for start, end in pairwise(ends)]
    return tuple(
        part if isinstance(part, Schedule) else part.resolved(horizon, max(count, 1))
        for part, count in zip(parts, counts, strict=True)
    )


def _value(value: Any, hint: Any, horizon: Horizon) -> Any:
    if isinstance(value, Plan):
        return value.on(horizon)
    if isinstance(value, Duration):
        return float(horizon.exact(value)) if hint is float else horizon.count(value)
    if isinstance(value, tuple):
        inner = getattr(hint, "__args__", (None,))[0]
        return tuple(_value(item, inner, horizon) for item in cast("tuple[Any, ...]", value))
    return value
