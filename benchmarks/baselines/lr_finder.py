"""torch-lr-finder: the steepest descent of a smoothed range test (its only suggestion)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .contract import AbstractMethod
from .parts import parts

if TYPE_CHECKING:
    from etastar.tasks import Task

    from .contract import Meter

START, STEPS = 1e-7, 100
"""As in its README: a first rate of 1e-7, 100 iterations. The last rate is its default of 10."""


class TorchLRFinder(AbstractMethod):
    """`LRFinder.range_test`, then `plot`, which suggests."""

    name = "torch-lr-finder"

    def search(self, task: Task, seed: int, meter: Meter) -> float:
        """Run it by its own loop."""
        from matplotlib.figure import Figure
        from torch_lr_finder import LRFinder, TrainDataLoaderIter

        class Iterator(TrainDataLoaderIter):
            def inputs_labels_from_batch(self, batch_data: list) -> tuple[list, int]:
                return batch_data, 0

        with parts(task, seed, meter) as part:
            finder = LRFinder(part.model, part.optimizer, lambda loss, _: loss)
            finder.range_test(Iterator(part.updates), start_lr=START, num_iter=STEPS)
            _, lr = finder.plot(ax=Figure().subplots())
            return lr
