"""A task brought to life: trained from the same start, once per trial."""

from __future__ import annotations

import math
import random
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from etastar.errors import EtastarError, TaskError, TaskFailedError
from etastar.tasks import Task, instances, is_instance
from etastar.tasks.checks import check_bound
from etastar.training.batches import Stream, iterate, move, samples
from etastar.training.loss import BatchLoss, batch_loss
from etastar.training.preserved import RandomState, Snapshot, preserved
from etastar.training.rates import Rates
from etastar.training.update import (
    AbstractUpdate,
    ClosureUpdate,
    GradientUpdate,
    OwnUpdate,
    autocast,
    needs_closure,
    number,
)

FORWARD_COST = 1 / 3
"""A forward pass in units of a sample gradient (forward and backward)."""

MOST_SKIPS = 40
"""Updates in a row a GradScaler may skip: from 2^16 down to 2^-24, where no scale can help."""


@contextmanager
def living(task: Task) -> Generator[LiveTask]:
    """Bring a task to life, and leave everything of the caller's as it was.

    Yields:
        The live task; call its `begin` before training.
    """
    with preserved(*instances(task)) as start:
        live = LiveTask(task, start)
        try:
            yield live
        finally:
            live.close()


class LiveTask:
    """The objects of a task while they train: made by `living`.

    Args:
        task: what to train.
        start: the state every trial begins from.
    """

    def __init__(self, task: Task, start: Snapshot) -> None:
        self.task = task
        self._start = start
        self._stream: Stream | None = None
        self.model: torch.nn.Module | None = None
        self.optimizers: Sequence[torch.optim.Optimizer] = ()
        self.sample_gradients = 0.0
        self._steps = 0

    def begin(self, seed: int) -> None:
        """Go back to the start, with all randomness drawn from `seed`.

        Raises:
            TaskFailedError: a factory of the task raised.
            EtastarError: the parts do not fit together after all.
        """
        self.close()
        self._start.restore()
        seed_everything(seed)
        for data in (self.task.train, self.task.valid):
            _seed_generators(data, seed)
        try:
            self._build()
        except EtastarError:
            raise
        except Exception as error:  # the user's factories may raise anything
            raise TaskFailedError(
                f"building the task raised {type(error).__name__}: {error}"
            ) from error
        assert self.task.train is not None  # the task was checked when it was made
        self._stream = Stream(self.task.train, "train")
        self.sample_gradients = 0.0
        self._steps = 0

    def step(self, lr: float) -> float:
        """Apply one update at rate `lr`.

        Returns:
            The loss before the update. Where it is not finite no update was applied and the
            trial is over.

        Raises:
            TaskFailedError: the task's own code raised while its weights were still finite.
            EtastarError: the data are empty, or the loss is no scalar.
        """
        self.rates.set(lr)
        try:
            return self._update_until_applied()
        except EtastarError:
            raise
        except Exception as error:  # the user's loss may raise anything
            if self._poisoned():  # a loss that refuses NaN says the same as one that returns it
                return math.nan
            raise TaskFailedError(
                f"the task raised {type(error).__name__} at step {self._steps}, learning rate "
                f"{lr:.3g}: {error}"
            ) from error

    def evaluate(self) -> float | None:
        """Judge the weights as they are, without disturbing the training that may go on.

        Returns:
            The mean loss over the validation samples; None for a task without them.

        Raises:
            TaskFailedError: the task's own code raised while its weights were finite.
            EtastarError: the validation data are empty, or the loss is no scalar.
        """
        if not self.task.has_validation:
            return None
        before = RandomState()
        try:
            if self.task.evaluate is not None:
                return number(self.task.evaluate(), "evaluate()")
            return self._validation_loss()
        except EtastarError:
            raise
        except Exception as error:
            if self._poisoned():
                return math.nan
            raise TaskFailedError(
                f"the task raised {type(error).__name__} while it was evaluated: {error}"
            ) from error
        finally:
            before.restore()

    def close(self) -> None:
        """Let go of the data."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    @property
    def trainable(self) -> int:
        """How many numbers are trained, tied ones counted once."""
        held = {
            id(p): p.numel() for o in self.optimizers for g in o.param_groups for p in g["params"]
        }
        return sum(held.values())

    def _build(self) -> None:
        task = self.task
        if task.step is not None:
            assert isinstance(task.optimizer, Sequence)
            self.optimizers = task.optimizer
            self._device: torch.device | None = torch.device(task.device) if task.device else None
            self._update: AbstractUpdate = OwnUpdate(task.step)
        else:
            model, optimizer = self._build_model()
            check_bound(model, optimizer)
            self.model, self.optimizers = model, [optimizer]
            if not model.training:
                model.train()
            self._device = _device_of(model)
            self._loss: BatchLoss = batch_loss(task, model)
            kind = ClosureUpdate if needs_closure(optimizer) else GradientUpdate
            self._update = kind(task, self._loss, model, optimizer, self._device)
            self._autocast = autocast(task, self._device)
        self.rates = Rates(self.optimizers)

    def _build_model(self) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        task = self.task
        made: Any = task.model
        optimizer: Any = task.optimizer
        if not is_instance(made):
            made = made()
            if isinstance(made, tuple):
                if optimizer is not None:
                    raise TaskError(
                        "the model's factory returned an optimizer and optimizer= was given too: "
                        "drop one of them."
                    )
                made, optimizer = made
            elif optimizer is None:
                raise TaskError(
                    "optimizer= is missing: pass a function params -> optimizer, or let the "
                    "model's factory return (model, optimizer)."
                )
            if task.device is not None:
                made = made.to(task.device)
        elif task.device is not None and _device_of(made) != _full_device(task.device):
            raise TaskError(
                f"the model is on {_device_of(made)} but device={str(task.device)!r}: move it "
                f"there before building its optimizer, or drop device=."
            )
        if not is_instance(optimizer):
            optimizer = optimizer(made.parameters())
        return made, optimizer

    def _update_until_applied(self) -> float:
        loss = math.nan
        for _ in range(MOST_SKIPS):
            batches = [self._next_batch() for _ in range(self.task.accumulate)]
            updated = self._update(batches)
            self.sample_gradients += updated.passes * sum(samples(batch) for batch in batches)
            loss = updated.loss
            if updated.applied or not math.isfinite(loss):
                self._steps += 1
                return loss
        return math.nan

    def _next_batch(self) -> Any:
        if self._stream is None:
            raise RuntimeError("begin() was not called")
        batch = self._stream.next()
        return batch if self._device is None else move(batch, self._device)

    def _validation_loss(self) -> float:
        assert self.model is not None
        assert self.task.valid is not None
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        total, count = 0.0, 0
        try:
            with torch.no_grad():
                for batch in iterate(self.task.valid):
                    moved = batch if self._device is None else move(batch, self._device)
                    size = samples(moved)
                    with self._autocast():
                        total += self._loss(moved).item() * size
                    count += size
        finally:
            for module, mode in modes:
                module.training = mode
        if count == 0:
            raise TaskError("valid yields no batch: pass data with at least one, or valid=None.")
        self.sample_gradients += FORWARD_COST * count
        return total / count

    def _poisoned(self) -> bool:
        held = [p for o in self.optimizers for g in o.param_groups for p in g["params"]]
        return not all(bool(torch.isfinite(parameter).all()) for parameter in held)


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  # the user's data code may draw from it
    torch.manual_seed(seed)


def _seed_generators(data: object, seed: int) -> None:
    """Seed a loader's own generators, so that the seed decides the order of its samples."""
    holders = [data, getattr(data, "sampler", None), getattr(data, "batch_sampler", None)]
    for holder in holders:
        generator = getattr(holder, "generator", None)
        if isinstance(generator, torch.Generator):
            generator.manual_seed(seed)


def _device_of(model: torch.nn.Module) -> torch.device:
    return next(model.parameters()).device


def _full_device(device: str | torch.device) -> torch.device:
    full = torch.device(device)
    if full.type == "cuda" and str(full) == "cuda":
        return torch.device("cuda", torch.cuda.current_device())
    return full
