"""A task brought to life: trained from the same start, once per trial."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.parameter import is_lazy
from torch.utils.data import DataLoader

from etastar.errors import EtastarError, TaskError, TaskFailedError
from etastar.tasks import Batch, Data, Task, instances, is_instance
from etastar.tasks.checks import check_bound
from etastar.tasks.settings import Group
from etastar.training.attach_clock import clocks_stopped
from etastar.training.batches import Stream, move, one_pass, samples
from etastar.training.building import built, device_for, full_device
from etastar.training.loss import BatchLoss, batch_loss
from etastar.training.other_schedules import OtherSchedules
from etastar.training.preserved import RandomState, Snapshot, preserved
from etastar.training.preserved.loaders import LoaderState
from etastar.training.preserved.random_state import GeneratorState
from etastar.training.randomness import generators, seed_task, sources
from etastar.training.rates import Rates
from etastar.training.refusal import finite, named_trial, refuses_divergence
from etastar.training.settings import apply_settings, groups_of, groups_under
from etastar.training.update import (
    AbstractUpdate,
    OwnUpdate,
    autocast,
    number,
    update_of,
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
    chosen = task.optimizer if isinstance(task.optimizer, Sequence) else [task.optimizer]
    own = [optimizer for optimizer in chosen if is_instance(optimizer)]
    with clocks_stopped(own), preserved(*instances(task), *sources(task)) as start:
        live = LiveTask(task, start)
        try:
            yield live
        finally:
            live.close()


@dataclass(frozen=True)
class Judge:
    """What computes the loss of a batch in a trial."""

    model: torch.nn.Module
    loss: BatchLoss
    autocast: Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Parts:
    """What one trial trains, and how."""

    optimizers: Sequence[torch.optim.Optimizer]
    rates: Rates
    update: AbstractUpdate
    stream: Stream
    device: torch.device | None  # where batches go; None leaves them where they are
    judge: Judge | None  # None for a task with a step of its own

    def draw(self, count: int) -> list[Batch]:
        """The next batches, where the model is.

        Returns:
            `count` of them.
        """
        stream, device = self.stream, self.device
        if device is None:
            return [stream.next() for _ in range(count)]
        return [move(stream.next(), device) for _ in range(count)]

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """Everything the optimizers hold, tied parameters once."""
        held = {id(p): p for o in self.optimizers for g in o.param_groups for p in g["params"]}
        yield from held.values()

    def trained(self) -> Iterator[torch.nn.Parameter]:
        """Those of them that move; a frozen one may hold what it likes, such as a mask's -inf."""
        return (parameter for parameter in self.parameters() if parameter.requires_grad)


class LiveTask:
    """The objects of a task while they train: made by `living`.

    Args:
        task: what to train.
        start: the state every trial begins from.
    """

    def __init__(self, task: Task, start: Snapshot) -> None:
        self.task = task
        self.sample_gradients = 0.0
        self._start = start
        self._parts: Parts | None = None
        self._made: list[weakref.ref[Any]] = []
        self.given: list[Batch] = []
        self._steps = 0
        self._others = OtherSchedules([], {}, 0)
        self._trial: str | None = None  # what the present one is called in messages
        self._unset: list[Group] = []  # parameter groups before the task's settings

    def begin(self, seed: int, steps: int | None = None, lr: float | None = None) -> None:
        """Go back to the start, with all randomness drawn from `seed`.

        Args:
            seed: of the trial.
            steps: its horizon, over which the task's other schedules run; without one they
                stay at their values of step 0.
            lr: its peak rate, to name it by where it fails; without one that of the step is named.

        Raises:
            TaskFailedError: a factory of the task raised.
            EtastarError: the parts do not fit together after all.
        """
        self.close()
        self._start.restore()
        seed_task(self.task, seed)
        self.sample_gradients = 0.0
        self._steps = 0
        self._trial = None if lr is None else named_trial(lr, seed, self.task.settings)
        try:
            self._parts = self._build()
            self._unset = groups_of(self._parts.optimizers)
            apply_settings(self._parts.optimizers, self.task.settings)
            self._others = self._scheduled(self._parts.optimizers, steps)
            self._others.write(0)
        except EtastarError:
            raise
        except Exception as error:  # the user's factories may raise anything
            raise TaskFailedError(
                f"building the task raised {type(error).__name__}: {error}"
            ) from error

    def step(self, lr: float) -> float:
        """Apply one update at rate `lr`.

        Returns:
            The loss before the update. Where it is not finite no update was applied and the
            trial is over.

        Raises:
            TaskFailedError: the task's own code raised, and not for meeting NaN.
            EtastarError: the data are empty, or the loss is no scalar.
        """
        parts = self._begun
        parts.rates.set(lr)
        self._others.write(self._steps)
        try:
            return self._update_until_applied(parts)
        except EtastarError:
            raise
        except Exception as error:  # the user's loss may raise anything
            if refuses_divergence(error, parts.trained(), self.given):
                return math.nan
            trial = self._trial or f"learning rate {lr:.3g}"
            raise TaskFailedError(
                f"the task raised {type(error).__name__} at step {self._steps}, {trial}: {error}"
            ) from error

    def evaluate(self) -> float | None:
        """Judge the weights as they are, without disturbing the training that may go on.

        Returns:
            The mean loss over the validation samples; None for a task without them.

        Raises:
            TaskFailedError: the task's own code raised, and not for meeting NaN.
            EtastarError: the validation data are empty, or the loss is no scalar.
        """
        parts, task = self._begun, self.task
        random = RandomState()
        try:
            if task.evaluate is not None:
                return number(task.evaluate(), "evaluate()")
            if task.valid is None or parts.judge is None:
                return None
            return self._validation_loss(task.valid, parts.judge, parts.device)
        except EtastarError:
            raise
        except Exception as error:
            if refuses_divergence(error, parts.trained(), self.given):
                return math.nan
            raise TaskFailedError(
                f"the task raised {type(error).__name__} while it was evaluated: {error}"
            ) from error
        finally:
            random.restore()

    def close(self) -> None:
        """Let go of the data, and of what the last trial trained."""
        parts, self._parts = self._parts, None
        self.given, self._unset = [], []  # whose groups hold the weights
        if parts is not None:
            parts.stream.close()

    @property
    def parts(self) -> Parts:
        """What the present trial trains, and how."""
        return self._begun

    @property
    def model(self) -> torch.nn.Module | None:
        """That of the present trial; None for a task with a step of its own."""
        judge = self._begun.judge
        return None if judge is None else judge.model

    @property
    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """Those of the present trial."""
        return self._begun.optimizers

    @property
    def rates(self) -> Rates:
        """The learning rates of the present trial."""
        return self._begun.rates

    @property
    def others(self) -> OtherSchedules:
        """The other scheduled numbers of the present trial."""
        return self._others

    def groups_under(self, settings: Mapping[str, float]) -> list[Group]:
        """The present trial's parameter groups as other settings than the task's make them.

        Returns:
            Groups in dicts of their own.

        Raises:
            TaskError: an optimizer has no such setting, or cannot take the value.
        """
        return groups_under(self._begun.optimizers, self._unset, settings)

    @property
    def trainable(self) -> int:
        """How many numbers are trained, tied ones counted once and frozen ones not."""
        return sum(p.numel() for p in self._begun.trained() if not is_lazy(p))

    @property
    def sound(self) -> bool:
        """Whether all trained weights are finite: the last update may have broken them unseen."""
        return all(finite(parameter) for parameter in self._begun.trained())

    @property
    def _begun(self) -> Parts:
        if self._parts is None:
            raise RuntimeError("begin() was not called")
        return self._parts

    def _build(self) -> Parts:
        task = self.task
        if task.train is None:
            raise TaskError("train= is missing: pass a DataLoader or a list of batches.")
        stream = Stream(task.train, "train")
        if task.step is not None:
            chosen = task.optimizer if isinstance(task.optimizer, Sequence) else []
            return Parts(
                optimizers=chosen,
                rates=Rates(chosen),
                update=OwnUpdate(task.step),
                stream=stream,
                device=None if task.device is None else full_device(task.device),
                judge=None,
            )
        made = built(task)
        self._refuse_old(made.new)
        model, optimizer = made.model, made.optimizer
        check_bound(model, optimizer)
        if not model.training:
            model.train()
        device = device_for(model, task.device)
        loss = batch_loss(task, model)
        return Parts(
            optimizers=[optimizer],
            rates=Rates([optimizer]),
            update=update_of(task, loss, model, optimizer, device),
            stream=stream,
            device=device,
            judge=Judge(model, loss, autocast(task, device)),
        )

    def _scheduled(
        self, optimizers: Sequence[torch.optim.Optimizer], steps: int | None
    ) -> OtherSchedules:
        task = self.task
        if not task.other_schedules:
            return OtherSchedules([], {}, 0)
        horizon = task.horizon if steps is None else steps
        return OtherSchedules(optimizers, task.other_schedules, horizon, standing=steps is None)

    def _refuse_old(self, new: list[Any]) -> None:
        """Refuse a factory that hands out what was trained before.

        Raises:
            TaskError: it returned the very object of an earlier trial.
        """
        for ref in self._made:
            for part in new:
                if ref() is part:
                    raise TaskError(
                        f"a factory returned the same {type(part).__name__} twice, trained "
                        f"already: let it build a new one at every call, or pass the instance."
                    )
        self._made = [weakref.ref(part) for part in new]

    def _update_until_applied(self, parts: Parts) -> float:
        for _ in range(MOST_SKIPS):
            self.given = parts.draw(self.task.accumulate)
            loss, applied, passes = parts.update(self.given)
            for batch in self.given:
                self.sample_gradients += passes * samples(batch)
            if applied or not math.isfinite(loss):
                self._steps += 1
                return loss
        return math.nan

    def _validation_loss(self, valid: Data, judge: Judge, device: torch.device | None) -> float:
        modes = [(module, module.training) for module in judge.model.modules()]
        drawing = [GeneratorState(generator) for generator in generators(valid)]
        total, count = 0.0, 0
        judge.model.eval()
        try:
            with torch.no_grad(), beside(valid, self.task.train), one_pass(valid, "valid") as all_:
                for batch in all_:
                    moved = batch if device is None else move(batch, device)
                    self.given = [moved]
                    with judge.autocast():
                        loss = judge.loss(moved)
                    total += loss.item() * samples(moved)
                    count += samples(moved)
        finally:
            judge.model.train()  # undoes whatever the module's own eval() did
            for module, mode in modes:
                module.training = mode
            for generator in drawing:
                generator.restore()
            self.sample_gradients += FORWARD_COST * count
        if count == 0:
            raise TaskError("valid yields no batch: pass data with at least one, or valid=None.")
        return total / count


@contextmanager
def beside(valid: Data, train: Data | None) -> Generator[None]:
    """Read the training loader once more while training reads it.

    Its persistent workers serve one pass at a time, so others take over for the block.

    Yields:
        Nothing.
    """
    if valid is not train or not isinstance(valid, DataLoader) or not valid.persistent_workers:
        yield
        return
    training = LoaderState(valid)
    try:
        yield
    finally:
        training.close()
