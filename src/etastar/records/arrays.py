"""Read-only float64 arrays as fields of records."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

Floats = NDArray[np.float64]


def _read_only(values: Any) -> Floats:
    """Copy `values` (numbers, or the strings NaN, Infinity and -Infinity) to a frozen array.

    Returns:
        A read-only float64 array, shape (S,).

    Raises:
        ValueError: `values` are not numbers, or not one-dimensional.
    """
    try:
        array = np.array(
            [float(value) for value in values] if isinstance(values, list | tuple) else values,
            dtype=np.float64,
        )
    except (TypeError, OverflowError) as error:  # pydantic takes only ValueErrors as refusals
        raise ValueError(f"an array of numbers is needed ({error})") from error
    if array.ndim != 1:
        raise ValueError(f"an array of shape {array.shape} where one dimension is needed")
    array.setflags(write=False)
    return array


def _json_numbers(array: Floats) -> list[float]:
    return [float(value) for value in array]


FloatArray = Annotated[
    NDArray[np.float64],
    BeforeValidator(_read_only),
    PlainSerializer(_json_numbers, return_type=list[float], when_used="json"),
    WithJsonSchema({"type": "array", "items": {"type": "number"}}),
]
"""A field of shape (S,): float64, read-only; NaN and inf are kept, in JSON as strings."""
