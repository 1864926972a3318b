"""pytorch-ignite's FastaiLRFinder: the steepest descent before the lowest smoothed loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .contract import AbstractMethod
from .parts import parts

if TYPE_CHECKING:
    from etastar.tasks import Task

    from .contract import Meter

START, STEPS = 1e-7, 100
"""As for the others; by default it begins at the optimizer's own rate. It ends at 10."""


class IgniteFinder(AbstractMethod):
    """`FastaiLRFinder.attach`, a run, then `lr_suggestion()`."""

    name = "ignite FastaiLRFinder"

    def search(self, task: Task, seed: int, meter: Meter) -> float:
        """Run it by its own Engine."""
        from ignite.engine import Engine
        from ignite.handlers import FastaiLRFinder

        with parts(task, seed, meter) as part:

            def update(_: Engine, batches: list) -> float:
                part.optimizer.zero_grad()
                loss = part.model(batches)
                loss.backward()
                part.optimizer.step()
                return loss.item()

            finder = FastaiLRFinder()
            saved = {"model": part.model, "optimizer": part.optimizer}
            with finder.attach(Engine(update), saved, num_iter=STEPS, start_lr=START) as trainer:
                trainer.run(part.updates)
            return finder.lr_suggestion()
