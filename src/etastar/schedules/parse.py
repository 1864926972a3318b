"""The short form: a schedule in one line, for command lines and configuration files.

    cosine(peak=1e-3, steps=10000, warmup=500)
    linear_warmup(steps=100) >> constant(steps=800) >> linear(steps=100)
    cosine(warmup="5%")                              a plan: the run's length comes later
    torch.CosineAnnealingLR(lr=0.1, T_max=100)       another library's, by its own name

It looks like Python and is read as data: names of families, their fields, `>>`, `*` and the
methods of schedules. Nothing else is understood, and nothing is executed.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, cast

from etastar.errors import ScheduleError
from etastar.schedules.base import FAMILIES, Schedule
from etastar.schedules.horizon import Duration
from etastar.schedules.plan import Plan, field_names, plan
from etastar.schedules.spec import build, field_of, from_json
from etastar.schedules.suggest import nearest

_METHODS = ("clip", "extend", "repeat", "resized", "scale", "shift")
_DEEPEST = 150  # nested nodes: far above any schedule, far below Python's own limit
_LONGEST = 20_000  # characters; a spec longer than that is better given as JSON
_ALSO = {"time_based": "inverse_time", "onecycle": "one_cycle", "warmup_stable_decay": "wsd"}


def parse(text: str) -> Schedule | Plan:
    """The schedule in a short form or a JSON spec; a plan if it holds durations.

    Returns:
        The schedule or plan.

    Raises:
        ScheduleError: The text is neither, or its schedule refuses its fields.

    >>> parse("cosine(peak=1e-3, steps=10000, warmup=500)")
    Cosine(steps=10000, peak=0.001, warmup_steps=500, floor=0.0)
    >>> parse("linear_warmup(steps=5) >> linear(steps=10)").steps
    15
    """
    if text.lstrip().startswith("{"):
        return from_json(text)
    if len(text) > _LONGEST:
        raise ScheduleError(
            f"the short form has {len(text)} characters and may have {_LONGEST}: give JSON."
        )
    value = _value(_tree(text), text)
    if isinstance(value, str) and value in FAMILIES:
        raise ScheduleError(f"{text!r} was given without fields: write {value}(steps=…).")
    if not isinstance(value, Schedule | Plan):
        raise ScheduleError(f"{text!r} is a value and no schedule: write a family and its fields.")
    return value


def _tree(text: str) -> ast.expr:
    tree: ast.expr = ast.Constant(value=None)
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        depth = _depth(tree)
    except (SyntaxError, RecursionError, MemoryError, ValueError):
        depth = _DEEPEST + 1
    if depth > _DEEPEST:
        raise ScheduleError(
            f"{text!r} is no schedule: write a family and its fields, such as "
            '"cosine(peak=1e-3, steps=10000, warmup=500)", or give JSON.'
        )
    return tree


def _depth(tree: ast.AST) -> int:
    level, depth = [tree], 0
    while level and depth <= _DEEPEST:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1
    return depth


def _value(node: ast.expr, text: str) -> Any:
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(_value(operand, text), operand, text)
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return tuple(_value(item, text) for item in items)
        case ast.BinOp(left=left, op=ast.RShift() | ast.Mult() | ast.Div() as op, right=right):
            return _combined(_value(left, text), op, _value(right, text), node, text)
        case ast.Name(id=name):
            return name
        case ast.Call(func=func, args=args, keywords=keywords):
            return _call(func, args, keywords, text)
        case _:
            raise _unreadable(node, text)


def _combined(left: Any, op: ast.operator, right: Any, node: ast.expr, text: str) -> Any:
    sides = (Schedule, Plan)
    if isinstance(op, ast.RShift) and isinstance(left, sides) and isinstance(right, sides):
        return _joined(left, right)
    if isinstance(op, ast.Mult) and (isinstance(left, sides) or isinstance(right, sides)):
        return left * right
    if isinstance(left, int | float) and isinstance(right, int | float) and right:
        return left * right if isinstance(op, ast.Mult) else left / right
    raise _unreadable(node, text)


def _joined(left: Schedule | Plan, right: Schedule | Plan) -> Schedule | Plan:
    if isinstance(left, Schedule) and isinstance(right, Plan):
        return right.__rrshift__(left)
    return cast("Any", left) >> right


def _call(
    func: ast.expr, args: list[ast.expr], keywords: list[ast.keyword], text: str
) -> Schedule | Plan:
    named = {word.arg: _value(word.value, text) for word in keywords if word.arg is not None}
    if len(named) < len(keywords):
        raise _unreadable(func, text)
    if isinstance(func, ast.Attribute) and func.attr in _METHODS:
        owner = _value(func.value, text)
        if isinstance(owner, Schedule | Plan):
            try:
                return getattr(owner, func.attr)(*(_value(arg, text) for arg in args), **named)
            except (TypeError, AttributeError):
                raise _unreadable(func, text) from None
    name = ast.unparse(func)
    kind = _kind(name)
    if args:
        raise ScheduleError(
            f"{name}(…) was given a value without a name: write each as field=value, such as "
            f"{name}(steps=1000)."
        )
    return _family(FAMILIES[kind], named)


def _kind(name: str) -> str:
    by_class = {cls.__name__: kind for kind, cls in FAMILIES.items() if "." not in kind}
    kind = by_class.get(name, _ALSO.get(name, name))
    if kind not in FAMILIES:
        raise ScheduleError(
            f"{name!r} names no schedule{nearest(name, [*FAMILIES, *by_class])}: known are "
            f"{', '.join(sorted(kind for kind in FAMILIES if '.' not in kind))}, and other "
            "libraries' by their names, such as torch.StepLR."
        )
    return kind


def _family(cls: type[Schedule], values: Mapping[str, Any]) -> Schedule | Plan:
    fields = {field_of(cls, name): value for name, value in values.items()}
    later = any(_has_duration(value) for value in fields.values())
    if "." not in cls.kind and "steps" in field_names(cls):
        later = later or "steps" not in fields
    return plan(cls, **fields) if later else build(cls, fields)


def _has_duration(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(_has_duration(item) for item in cast("tuple[Any, ...]", value))
    return isinstance(value, Plan | Duration) or (isinstance(value, str) and value[:1].isdigit())


def _number(value: Any, node: ast.expr, text: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _unreadable(node, text)
    return value


def _unreadable(node: ast.AST, text: str) -> ScheduleError:
    part = ast.unparse(node)
    return ScheduleError(
        f"{part!r} in {text!r} is nothing a schedule is made of: use families with named fields, "
        f">>, * and the methods {', '.join(_METHODS)}."
    )
