"""A task in the parts that the peers' own loops ask for: model, optimizer, loss, loader."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from etastar.training.batches import Stream, move, samples
from etastar.training.live import FORWARD_COST, LiveTask, living
from etastar.training.loss import batch_loss
from etastar.training.update import clipper

from .contract import NothingFoundError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from etastar.tasks import Batch, Task
    from etastar.training.loss import BatchLoss

    from .contract import Meter


class LossModel(nn.Module):
    """The task's model with the loss as its output: `loss = model(batches of one update)`.

    Every kind of task then fits every loop, whatever its batches and its loss look like.
    Each forward pass is paid for: with gradients a full sample gradient, else a third.
    """

    def __init__(self, model: nn.Module, loss: BatchLoss, meter: Meter) -> None:
        super().__init__()
        self.model = model
        self._loss = loss
        self._meter = meter

    def forward(self, batches: list[Batch]) -> Tensor:
        """The mean loss, a scalar."""
        device = next(self.model.parameters()).device
        each = FORWARD_COST if not torch.is_grad_enabled() else 1.0
        self._meter.pay(each * sum(samples(batch) for batch in batches))
        losses = [self._loss(move(batch, device)) for batch in batches]
        return torch.stack(losses).mean() if len(losses) > 1 else losses[0].reshape(())


class Updates:
    """A re-iterable loader of updates, each a list of batches; training goes on between passes."""

    def __init__(self, task: Task) -> None:
        self._stream = Stream(task.train, "train")
        self._accumulate = task.accumulate
        try:
            known = len(task.train)  # type: ignore[arg-type]
        except TypeError:  # data without a length
            known = task.horizon * task.accumulate
        self._length = max(1, known // task.accumulate)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[list[Batch]]:
        for _ in range(self._length):
            yield [self._stream.next() for _ in range(self._accumulate)]

    def close(self) -> None:
        """End the pass in hand."""
        self._stream.close()


@dataclass(frozen=True)
class Parts:
    """What a peer's finder is given."""

    model: LossModel
    optimizer: torch.optim.Optimizer  # clips as the task does, before every step
    updates: Updates


@contextmanager
def parts(task: Task, seed: int, meter: Meter) -> Generator[Parts]:
    """Bring a task to life for a loop that is not ours; weights and data are the seed's."""
    with living(task) as live:
        live.begin(seed)
        model = model_of(live)
        (optimizer,) = live.optimizers
        clip = clipper(task, model)
        if clip is not None:
            optimizer.register_step_pre_hook(lambda *_: _done(clip()))
        updates = Updates(task)
        try:
            yield Parts(LossModel(model, batch_loss(task, model), meter), optimizer, updates)
        finally:
            updates.close()


def model_of(live: LiveTask) -> nn.Module:
    """The model of the present trial.

    Raises:
        NothingFoundError: the task has a step of its own, which no other loop can run.
    """
    if live.model is None:
        raise NothingFoundError("cannot run a task with a step of its own")
    return live.model


def _done(_: object) -> None:
    """A step's hook may change its arguments by returning some: return none."""
