"""Values and functions as plain data: equal for what is equal, in whichever process or machine.

Nothing here depends on addresses, on the order of sets, or on where a file lies.
"""

from __future__ import annotations

import ast
import dis
import hashlib
import linecache
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any, cast

import numpy as np
import torch
from torch.nn.parameter import is_lazy

Plain = None | bool | int | str | list["Plain"] | dict[str, "Plain"]
"""What JSON writes in one way only: floats are text."""

_DEEPEST = 8
"""Levels of functions that hold functions; a loop of them would have no end."""

_INSTALLED = frozenset({"site-packages", "dist-packages"})
_LIBRARIES = (str(Path(ast.__file__).parent), str(Path(__file__).parents[1]), "<frozen")
"""Python's own and etastar's, which lies anywhere."""


def content(value: Any, depth: int = _DEEPEST) -> Plain:
    """A value and all it holds: numbers, text, arrays, and any nesting of containers.

    Returns:
        Plain data; of objects of other kinds, their type alone.
    """
    simple = _simple(value)
    if simple is not None:
        return simple
    if depth > 0 and isinstance(value, Mapping):
        parts = cast("Mapping[Any, Any]", value)
        return {repr(key): content(part, depth - 1) for key, part in parts.items()}
    if depth > 0 and isinstance(value, list | tuple):
        return [content(part, depth - 1) for part in cast("Sequence[Any]", value)]
    return type_name(type(value))


def function(value: Any, depth: int = _DEEPEST) -> Plain:
    """What a callable does: its code, and the constants and arrays the code refers to.

    A function of an installed library counts by its name. Of one written in a file or a
    notebook the syntax counts, without comments, docstring and layout; of any other the
    bytecode, which differs between versions of Python.

    Returns:
        Plain data. Functions that this one calls are not entered.
    """
    if isinstance(value, partial):
        arguments = {name: _held(part, depth) for name, part in value.keywords.items()}
        given: list[Plain] = [_held(part, depth) for part in value.args]
        return ["partial", function(value.func, depth - 1), given, arguments]
    if isinstance(value, MethodType):
        return ["method", function(value.__func__, depth - 1), _held(value.__self__, depth)]
    if isinstance(value, BuiltinFunctionType | type):
        return type_name(value)
    if not isinstance(value, FunctionType):
        return _held(value, depth)
    if _is_installed(value.__code__):
        return type_name(value)
    return [value.__qualname__, _syntax(value.__code__), *_referred(value, depth)]


def module(value: torch.nn.Module) -> Plain:
    """A module: its parts' types, code and options, and the numbers in it.

    Returns:
        Plain data.
    """
    parts: dict[str, Plain] = {
        name: [type_name(type(part)), _code_of(type(part)), _options(part)]
        for name, part in value.named_modules()
    }
    tensors = [*value.named_parameters(), *value.named_buffers()]
    numbers: dict[str, Plain] = {
        name: [_tensor(part), part.requires_grad] for name, part in tensors
    }
    return [parts, numbers]


def type_name(kind: Any) -> str:
    """The full name of a type or function; without its module where a user wrote that.

    The same file is `__main__` in one process and a module in the next.

    Returns:
        For instance "torch.nn.modules.linear.Linear".
    """
    qualified = str(getattr(kind, "__qualname__", type(kind).__qualname__))
    code = [f.__code__ for f in _functions(kind)] if isinstance(kind, type) else []
    own = getattr(kind, "__code__", None)
    written_here = own is not None and not _is_installed(own)
    if written_here or any(not _is_installed(c) for c in code):
        return qualified
    return f"{getattr(kind, '__module__', '')}.{qualified}"


def _simple(value: Any) -> Plain:
    """Numbers, text and arrays.

    Returns:
        Plain data; None for a value of another kind (None itself is the text "None").
    """
    if isinstance(value, bool | int | str):
        return value
    if value is None or isinstance(value, float | complex | bytes):
        return repr(value)
    if isinstance(value, torch.Tensor):
        return _tensor(value)
    if isinstance(value, np.ndarray | np.generic):
        return _array(np.asarray(value))
    return str(value) if isinstance(value, torch.dtype | torch.device) else None


def _tensor(value: torch.Tensor) -> Plain:
    """A tensor: its type, shape and numbers.

    Returns:
        Plain data; without the numbers where there are none yet.
    """
    if is_lazy(value):
        return ["tensor", str(value.dtype), "lazy"]
    told: list[Plain] = ["tensor", str(value.dtype), list(value.shape)]
    if value.is_meta:
        return told
    plain = value.detach().cpu()
    if plain.layout != torch.strided:
        plain = plain.to_dense()
    flat = plain.resolve_conj().resolve_neg().contiguous().reshape(-1)
    return [*told, hashlib.sha256(flat.view(torch.uint8).numpy().tobytes()).hexdigest()]


def _array(value: np.ndarray) -> Plain:
    if value.dtype.hasobject:
        return ["array", "objects", list(value.shape)]
    digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    return ["array", value.dtype.str, list(value.shape), digest]


def _held(value: Any, depth: int) -> Plain:
    """What a function holds; lists and dicts, which it may fill, by their type alone.

    Returns:
        Plain data.
    """
    if depth <= 0:
        return "deeper"
    if isinstance(value, torch.nn.Module):
        return module(value)
    if isinstance(value, FunctionType | MethodType | BuiltinFunctionType | partial | type):
        return function(value, depth - 1)
    if isinstance(value, tuple):
        return [_held(part, depth - 1) for part in cast("tuple[Any, ...]", value)]
    simple = _simple(value)
    return type_name(type(value)) if simple is None else simple


def _referred(value: FunctionType, depth: int) -> Iterator[Plain]:
    """Defaults, variables of enclosing functions, and constants of the module.

    Names the function itself writes are its counters, and are left out.

    Yields:
        Plain data, four times.
    """
    code = value.__code__
    written = {name for part in _codes(code) for name in _written(part)}
    keywords: dict[str, Any] = value.__kwdefaults__ or {}
    yield [_held(part, depth) for part in value.__defaults__ or ()]
    yield {name: _held(part, depth) for name, part in keywords.items()}
    enclosed: dict[str, Plain] = {}
    for name, cell in zip(code.co_freevars, value.__closure__ or (), strict=True):
        try:
            held = cell.cell_contents
        except ValueError:  # a variable that is not bound yet
            continue
        if name not in written and held is not value:
            enclosed[name] = _held(held, depth)
    yield enclosed
    names = sorted({name for part in _codes(code) for name in part.co_names} - written)
    constants = {name: value.__globals__[name] for name in names if name in value.__globals__}
    simple = {name: _simple(part) for name, part in constants.items()}
    yield {name: part for name, part in simple.items() if part is not None}


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _written(code: CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in {"STORE_GLOBAL", "STORE_DEREF"}:
            yield str(instruction.argval)


def _options(part: torch.nn.Module) -> Plain:
    """A module's own plain attributes: how much dropout, which reduction.

    Returns:
        Names and values.
    """
    attributes = {n: v for n, v in vars(part).items() if not n.startswith("_") and n != "training"}
    held = {name: _held(value, 2) for name, value in sorted(attributes.items())}
    return {n: v for n, v in held.items() if not isinstance(attributes[n], torch.nn.Module)}


def _code_of(kind: type) -> Plain:
    """The methods a user wrote for a class.

    Returns:
        Names and code; empty for a library's class.
    """
    written = [f for f in _functions(kind) if not _is_installed(f.__code__)]
    return {f.__qualname__: _syntax(f.__code__) for f in written}


def _functions(kind: type) -> list[FunctionType]:
    own = [value for base in kind.__mro__ for value in vars(base).values()]
    return [value for value in own if isinstance(value, FunctionType)]


def _is_installed(code: CodeType) -> bool:
    file = code.co_filename
    return file.startswith(_LIBRARIES) or not _INSTALLED.isdisjoint(Path(file).parts)


def _syntax(code: CodeType) -> str:
    """The code as text that keeps what it does and not how it is laid out.

    Returns:
        Source without comments and docstring; the bytecode's digest where there is no source.
    """
    nodes = _nodes(code.co_filename).get((code.co_firstlineno, code.co_name == "<lambda>"), [])
    if len(nodes) == 1:  # two lambdas on one line cannot be told apart
        return nodes[0]
    digest = hashlib.sha256()
    for part in _codes(code):
        constants = [repr(c) for c in part.co_consts if not isinstance(c, CodeType)]
        digest.update(part.co_code)
        digest.update(repr((constants, part.co_names, part.co_varnames)).encode())
    return digest.hexdigest()


def _nodes(file: str) -> dict[tuple[int, bool], list[str]]:
    return _parsed("".join(linecache.getlines(file)))


@lru_cache(maxsize=32)
def _parsed(source: str) -> dict[tuple[int, bool], list[str]]:
    """The functions of a source.

    Returns:
        Their text by first line and whether they are lambdas.
    """
    found: dict[tuple[int, bool], list[str]] = {}
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(part.lineno for part in node.decorator_list)])
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
            found.setdefault((first, False), []).append(ast.unparse(node))
        elif isinstance(node, ast.Lambda):
            found.setdefault((node.lineno, True), []).append(ast.unparse(node))
    return found
