"""What one gets without looking: the optimizer's default rate, and the rate of folklore."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from etastar.training.live import living

from .contract import AbstractMethod, NothingFoundError

if TYPE_CHECKING:
    from etastar.tasks import Task

    from .contract import Meter

FOLK = {
    "SGD": 0.1,  # ResNet's (arXiv:1512.03385)
    **dict.fromkeys(("Adam", "AdamW", "NAdam", "RAdam", "Adamax"), 1e-3),  # arXiv:1412.6980
    "RMSprop": 1e-3,  # Keras' default
    "Adagrad": 1e-2,  # torch's default
    "Adadelta": 1.0,  # arXiv:1212.5701 has no rate at all
}


class TorchDefault(AbstractMethod):
    """The default of `lr` in the optimizer's class."""

    name = "torch default"

    def search(self, task: Task, seed: int, meter: Meter) -> float:  # noqa: ARG002  costs nothing
        """Read it from the signature."""
        lr = inspect.signature(optimizer_class(task, seed)).parameters["lr"].default
        if lr is inspect.Parameter.empty:
            raise NothingFoundError("the optimizer has no default rate")
        return lr


class FolkDefault(AbstractMethod):
    """The rate most used with the optimizer."""

    name = "folk default"

    def search(self, task: Task, seed: int, meter: Meter) -> float:  # noqa: ARG002  costs nothing
        """Look it up."""
        kind = optimizer_class(task, seed).__name__
        if kind not in FOLK:
            raise NothingFoundError(f"there is no folk rate for {kind}")
        return FOLK[kind]


def optimizer_class(task: Task, seed: int) -> type:
    """The class of the task's optimizer."""
    with living(task) as live:
        live.begin(seed)
        return type(live.optimizers[0])
