"""The eight optimizers: torch's own, with torch's own settings.

Momentum is 0.9 where there is one; every other setting is torch's default, weight decay too: none,
but for AdamW (0.01).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from torch import optim

if TYPE_CHECKING:
    from etastar.records.lessons.optimizers import Optimizer

RIVALS: dict[Optimizer, partial[optim.Optimizer]] = {
    "SGD": partial(optim.SGD, lr=1e-3),
    "momentum": partial(optim.SGD, lr=1e-3, momentum=0.9),
    "Nesterov": partial(optim.SGD, lr=1e-3, momentum=0.9, nesterov=True),
    "Adagrad": partial(optim.Adagrad, lr=1e-2),
    "Adadelta": partial(optim.Adadelta, lr=1.0),
    "RMSprop": partial(optim.RMSprop, lr=1e-2),
    "Adam": partial(optim.Adam, lr=1e-3),
    "AdamW": partial(optim.AdamW, lr=1e-3),
}
"""Each as `params -> optimizer` at torch's default rate, in the order of their years."""
