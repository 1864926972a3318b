"""fastai's `Learner.lr_find` with its defaults: 100 steps from 1e-7 to 10."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from .contract import AbstractMethod
from .parts import Updates, parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etastar.tasks import Batch, Task

    from .contract import Meter

Rule = Literal["valley", "minimum", "minimum/10"]


@dataclass(frozen=True)
class FastaiFinder(AbstractMethod):
    """`lr_find` by the task's own optimizer in an `OptimWrapper`.

    fastai's `minimum` is a tenth of the rate with the lowest loss: here "minimum/10".
    """

    rule: Rule

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"fastai {self.rule}"

    def search(self, task: Task, seed: int, meter: Meter) -> float:
        """Run it by its own Learner."""
        from fastai.callback.schedule import minimum, valley
        from fastai.data.core import DataLoaders
        from fastai.learner import Learner
        from fastai.optimizer import OptimWrapper

        with parts(task, seed, meter) as part, tempfile.TemporaryDirectory() as folder:
            loader = Pairs(part.updates)
            learner = Learner(
                DataLoaders(loader, loader),
                part.model,
                loss_func=lambda loss, _: loss,
                opt_func=OptimWrapper(opt=part.optimizer),
                path=folder,
            )
            rule = valley if self.rule == "valley" else minimum
            (lr,) = learner.lr_find(show_plot=False, suggest_funcs=(rule,))
            return 10 * lr if self.rule == "minimum" else lr


class Pairs:
    """fastai takes batches of inputs and targets; our loss needs no more than the batch."""

    def __init__(self, updates: Updates) -> None:
        self._updates = updates

    def __len__(self) -> int:
        return len(self._updates)

    def __iter__(self) -> Iterator[tuple[list[Batch], torch.Tensor]]:
        return ((batches, torch.zeros(1)) for batches in self._updates)
