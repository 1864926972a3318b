"""Learning-rate schedules as values: pure functions of the step, without torch."""

from __future__ import annotations

from etastar.schedules.algebra import (
    Clip,
    Cut,
    Join,
    Product,
    Repeat,
    Shift,
    Stretch,
    join,
    product,
)
from etastar.schedules.base import Schedule
from etastar.schedules.constant import Constant
from etastar.schedules.cosine import Cosine
from etastar.schedules.linear import Linear
from etastar.schedules.spec import from_json, from_spec
from etastar.schedules.stable import WarmupStableDecay

__all__ = [
    "Clip",
    "Constant",
    "Cosine",
    "Cut",
    "Join",
    "Linear",
    "Product",
    "Repeat",
    "Schedule",
    "Shift",
    "Stretch",
    "WarmupStableDecay",
    "from_json",
    "from_spec",
    "join",
    "product",
]
