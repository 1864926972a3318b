"""Lightning's `Tuner.lr_find` with its defaults: 100 steps from 1e-8 to 1, the steepest descent."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from .contract import AbstractMethod, NothingFoundError
from .parts import parts

if TYPE_CHECKING:
    from etastar.tasks import Task

    from .contract import Meter


class LightningTuner(AbstractMethod):
    """`Tuner(trainer).lr_find(module)`, then `suggestion()`."""

    name = "Lightning lr_find"

    def search(self, task: Task, seed: int, meter: Meter) -> float:
        """Run it by its own Trainer."""
        import lightning.pytorch as pl
        from lightning.pytorch.tuner import Tuner

        with parts(task, seed, meter) as part, tempfile.TemporaryDirectory() as folder:

            class Module(pl.LightningModule):
                def __init__(self) -> None:
                    super().__init__()
                    self.inner = part.model
                    self.lr = 1e-3

                def training_step(self, batch: list, _: int) -> object:
                    return self.inner(batch)

                def configure_optimizers(self) -> object:
                    return part.optimizer

            trainer = pl.Trainer(
                accelerator=next(part.model.parameters()).device.type,
                devices=1,
                max_epochs=-1,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                default_root_dir=folder,
            )
            tuner = Tuner(trainer)
            found = tuner.lr_find(Module(), train_dataloaders=part.updates, update_attr=False)
            lr = None if found is None else found.suggestion()
        if lr is None:
            raise NothingFoundError("suggests nothing: too few finite losses")
        return lr
