"""Schedules as JSON: a versioned spec, and the fingerprint two equal schedules share.

A spec names a family and its fields; nothing in it is ever executed. Floats keep every digit,
so a schedule read back gives the same curve bit for bit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, cast

from etastar.errors import ScheduleError
from etastar.schedules.base import FAMILIES, Schedule
from etastar.schedules.suggest import nearest

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

VERSION = 1
_VERSION_KEY = "etastar_schedule"


def to_spec(schedule: Schedule) -> dict[str, Any]:
    """The schedule as JSON-ready data: version, kind, then every field."""
    return {_VERSION_KEY: VERSION} | _node(schedule)


def to_json(schedule: Schedule) -> str:
    """The spec as one line of JSON."""
    return json.dumps(to_spec(schedule), allow_nan=False)


def fingerprint(schedule: Schedule) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the canonical spec."""
    canonical = json.dumps(to_spec(schedule), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def from_spec(spec: Mapping[str, Any]) -> Schedule:
    """The schedule a spec describes.

    Returns:
        A schedule equal to the one that was written.

    Raises:
        ScheduleError: No spec, a newer version, an unknown kind, or fields that do not fit.
    """
    version = spec.get(_VERSION_KEY)
    if isinstance(version, bool) or not isinstance(version, int):
        raise ScheduleError(
            f"a schedule's spec was given without its version: it needs "
            f'"{_VERSION_KEY}": {VERSION} beside "kind"; write it with to_spec() or to_json().'
        )
    if version > VERSION:
        raise ScheduleError(
            f"the spec has version {version}, written by a newer etastar, and this one reads "
            f"up to {VERSION}: upgrade etastar, or write the spec again with this version."
        )
    return _built({key: value for key, value in spec.items() if key != _VERSION_KEY})


def from_json(text: str) -> Schedule:
    """The schedule in a JSON text.

    Returns:
        A schedule equal to the one that was written.

    Raises:
        ScheduleError: The text is not JSON, or not a schedule's spec.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ScheduleError(
            f"the text is not JSON ({error}): give what to_json() wrote, or use parse() for the "
            "short form."
        ) from None
    if not isinstance(data, dict):
        raise ScheduleError(
            f"the JSON holds a {type(data).__name__} where a schedule is an object with "
            '"kind" and its fields: give what to_json() wrote.'
        )
    return from_spec(cast("dict[str, Any]", data))


def core_schema_for(cls: type[Schedule]) -> CoreSchema:
    """The pydantic schema of a field of type `cls`: an instance, or a spec of one."""
    from pydantic_core import core_schema

    def validate(value: Any) -> Schedule:
        schedule = (
            from_spec(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else value
        )
        if not isinstance(schedule, cls):
            raise ScheduleError(
                f"{schedule!r} was given where a {cls.__name__} is needed: give a schedule, or "
                "the spec to_spec() writes."
            )
        return schedule

    return core_schema.no_info_plain_validator_function(
        validate,
        serialization=core_schema.plain_serializer_function_ser_schema(to_spec),
    )


def _node(schedule: Schedule) -> dict[str, Any]:
    values = {
        field.name: _plain(getattr(schedule, field.name))
        for field in fields(schedule)
        if field.init
    }
    return {"kind": schedule.kind} | values


def _plain(value: Any) -> Any:
    if isinstance(value, Schedule):
        return _node(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in cast("tuple[Any, ...]", value)]
    return value


def _built(node: Mapping[str, Any]) -> Schedule:
    kind = node.get("kind")
    cls = FAMILIES.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise ScheduleError(
            f"kind={kind!r} names no schedule{nearest(str(kind), FAMILIES)}: "
            f"known kinds are {', '.join(sorted(FAMILIES))}."
        )
    return build(cls, {name: _read(value) for name, value in node.items() if name != "kind"})


def _read(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _built(cast("Mapping[str, Any]", value))
    if isinstance(value, list):
        return tuple(_read(item) for item in cast("list[Any]", value))
    return value


def field_of(cls: type[Schedule], name: str) -> str:
    """The field a short name means: `warmup` is `warmup_steps` where that is the field."""
    known = {field.name for field in fields(cls) if field.init}
    return f"{name}_steps" if name not in known and f"{name}_steps" in known else name


def build(cls: type[Schedule], values: Mapping[str, Any]) -> Schedule:
    """An instance of `cls`, every name of `values` checked against its fields.

    Returns:
        The schedule, its fields brought to plain Python types.

    Raises:
        ScheduleError: A field is unknown, missing, or of the wrong type.
    """
    known = {field.name: field for field in fields(cls) if field.init}
    for name in values:
        if name not in known:
            raise ScheduleError(
                f"{cls.kind} has no field {name!r}{nearest(str(name), known)}: "
                f"its fields are {', '.join(known)}."
            )
    for name, field in known.items():
        if name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise ScheduleError(f"{cls.kind} was given without {name}: it needs {name}=….")
    return cls(**values)
