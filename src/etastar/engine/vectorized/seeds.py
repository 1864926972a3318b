"""Trials of several seeds side by side: each with its own weights and its own batches.

All batches of a seed are read before training, by itself and from the start, exactly as its
trials alone would read them. So no loader is read by two at once, and nothing has to be known
about it. That needs a forward pass that draws no random numbers: then those of the data are the
same whether they are drawn before or between the steps.

Shapes: K slices, each of one rate and one seed; … the shape of a weight.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from etastar.engine.vectorized.batched import BatchedTask, sum_of
from etastar.engine.vectorized.compared import STEEPER, accuracy_of, turned
from etastar.engine.vectorized.evaluation import Evaluation
from etastar.engine.vectorized.makes import same_modules, same_optimizer
from etastar.engine.vectorized.memory import size
from etastar.engine.vectorized.stacking import Stacked, alike, copied, leaves
from etastar.engine.vectorized.watch import Watch
from etastar.engine.vectorized.weights import frozen_weights, loss_modules, named_buffers
from etastar.tasks import Batch, Task
from etastar.tasks.task import data_objects
from etastar.training.batches import move
from etastar.training.live import LiveTask, Parts
from etastar.training.loss import scalar
from etastar.training.preserved import Snapshot
from etastar.training.randomness import sources


class ApartError(Exception):
    """The seeds cannot be trained together, and nothing is wrong with the task.

    Args:
        reason: in words.
        lasts: whether that is so at any number of steps.
    """

    def __init__(self, reason: str, *, lasts: bool = True) -> None:
        super().__init__(reason)
        self.lasts = lasts


@dataclass(frozen=True)
class Start:
    """What the trials of a seed begin with, and all that they will be given.

    Attributes:
        modules: as built for the seed.
        optimizer: likewise.
        weights: the trained ones, copied, in the optimizer's order.
        names: theirs, by parameter group.
        others: buffers and frozen weights, copied.
        batches: of every update.
        data: loaders and random generators as they are after the last batch.
        first: the losses of the first batches, computed in the usual way.
        gradients: of their mean, by the trained weights.
    """

    modules: list[nn.Module]
    optimizer: torch.optim.Optimizer
    weights: list[Tensor]
    names: list[list[str]]
    others: dict[str, Tensor]
    batches: list[list[Batch]]
    data: Snapshot
    first: list[float]
    gradients: list[Tensor | None]


def workers_read(task: Task) -> bool:
    """Whether processes of a loader's own read ahead: they cannot be set back by a snapshot."""
    read = (task.train, task.valid, *sources(task))
    return any(isinstance(data, DataLoader) and data.num_workers > 0 for data in read)


def starts(
    live: LiveTask,
    seeds: Sequence[int],
    steps: int,
    memory: float,
    held: ExitStack,
    *,
    read: int | None = None,
) -> list[Start]:
    """Begin every seed, and read its batches; the first seed's trial is then begun anew.

    Args:
        live: the task.
        seeds: in the order of the starts.
        steps: of each trial.
        memory: bytes that batches may take.
        held: gives up what is held of the data when it is closed.
        read: the batches of so many steps only.

    Returns:
        One for each seed.

    Raises:
        ApartError: the seeds differ in more than weights and batches, or do not fit.
        EtastarError: the parts do not fit together after all.
    """
    found: list[Start] = []
    for seed in seeds:
        live.begin(seed, steps)
        pattern = found[0].batches if found else None
        batches = _read(live, read or steps, memory / len(seeds), pattern)
        found.append(_start(live, batches, held))
        if not _same_make(found[0], found[-1]):
            raise ApartError("the model is built differently for every seed")
    live.begin(seeds[0], steps)
    return found


class BatchedSeeds(BatchedTask):
    """Slices of several seeds, trained side by side; see `BatchedTask`.

    Args:
        live: a live task, after `starts`.
        moving: names of the buffers that training changes; see `proof`.
        begun: the starts of the seeds.
        rows: which of them each slice has, (K,).
        settings: of the optimizer, for every slice; None leaves all at the task's own.
    """

    def __init__(
        self,
        live: LiveTask,
        moving: Sequence[str],
        begun: Sequence[Start],
        rows: Sequence[int],
        settings: Sequence[Mapping[str, float]] | None = None,
    ) -> None:
        self._accuracy = accuracy_of(live)
        differing = [
            name for name in begun[0].others if name not in moving and _differ(begun, name)
        ]
        apiece = [*moving, *differing]
        super().__init__(live, apiece, len(rows), settings=settings)
        for place, row in enumerate(rows):
            start = begun[row]
            self.slices.fill(place, [*start.weights, *(start.others[name] for name in apiece)])
        self._rows = list(rows)
        self._batches = [start.batches for start in begun]
        self._data = [start.data for start in begun]
        self._first = [(start.first, start.gradients) for start in begun]
        self._step = 0
        self._given: list[list[Batch]] = []
        parts = live.parts
        modules = [] if parts.judge is None else loss_modules(live.task, parts.judge.model)
        self._watch = Watch(live.task, modules)

    def next_batches(self) -> list[Batch]:
        """The batches of the next update: of every slice those of its seed."""
        used = sorted(set(self._rows))
        self._given = [batches[self._step] for batches in self._batches]
        self._step += 1
        rows = [used.index(row) for row in self._rows]
        columns = zip(*(self._given[row] for row in used), strict=True)
        return [self._together(column, rows) for column in columns]

    def backward(self, batches: Sequence[Batch]) -> tuple[list[float], list[Tensor | None]]:
        """Losses and gradients of every slice; see `BatchedTask`.

        Returns:
            Both.

        Raises:
            ApartError: they may not be those of the trials alone.
        """
        losses, gradients = super().backward(batches)
        if self._watch.has_moved():
            raise ApartError("its forward pass draws random numbers")
        for batch in batches:
            if isinstance(batch, Stacked) and (batch.is_written_to or self.slices.left_behind):
                raise ApartError("its loss changes the batch, or its model keeps it")
        if self._step == 1:
            self._check_first(losses, gradients)
        return losses, gradients

    def own(self, place: int, batches: Sequence[Batch]) -> Sequence[Batch]:  # noqa: ARG002  theirs
        """The last batches as one slice is given them."""
        return self._given[self._rows[place]]

    def judged(self, evaluation: Evaluation, width: int) -> tuple[list[float] | None, list[float]]:
        """The losses on the validation data: of each seed with its own random numbers.

        Returns:
            The losses, and what each of them cost in sample gradients.
        """
        count = len(self._rows)
        found, costs = [math.nan] * count, [0.0] * count
        judging = False
        for row in sorted(set(self._rows)):
            places = [place for place in range(count) if self._rows[place] == row]
            self._data[row].restore()
            losses = evaluation.losses(self.slices.part(places), width)
            judging = losses is not None
            for place, loss in zip(places, losses or [math.nan] * len(places), strict=True):
                found[place], costs[place] = loss, evaluation.cost
        return found if judging else None, costs

    def keep(self, kept: Sequence[int]) -> None:
        """Drop all slices but some; a seed without any is given no more batches."""
        super().keep(kept)
        self._rows = [self._rows[place] for place in kept]

    def _together(self, column: Sequence[Batch], rows: Sequence[int]) -> Batch:
        device = self._parts.device
        if all(batch is column[0] for batch in column):
            return column[0] if device is None else move(column[0], device)
        try:
            return Stacked.of(column, rows, device)
        except Exception as error:  # whatever torch cannot stack
            raise ApartError("the batches cannot be stacked") from error

    def _check_first(self, losses: Sequence[float], gradients: Sequence[Tensor | None]) -> None:
        """Hold a slice of every seed against the seed's trial alone."""
        for place, row in enumerate(self._rows):
            alone, usual = self._first[row]
            mean, loss = sum(alone) / len(alone), losses[place]
            if not (math.isfinite(mean) or math.isfinite(loss)):
                continue
            if not math.isclose(mean, loss, rel_tol=self._accuracy, abs_tol=1e-12):
                raise ApartError("together, their first losses are not those of the trials alone")
            if self._rows.index(row) == place:
                own = [None if g is None else g[place] for g in gradients]
                if turned(usual, own, STEEPER * self._accuracy) is not None:
                    raise ApartError("together, their gradients are not those of the trials alone")
        self._first.clear()


def _read(
    live: LiveTask, steps: int, memory: float, pattern: Sequence[Sequence[Batch]] | None
) -> list[list[Batch]]:
    """All batches of a trial."""
    stream, task = live.parts.stream, live.task
    kept = type(task.train) in (list, tuple)  # by the caller anyway
    found: list[list[Batch]] = []
    taken = 0.0
    for step in range(steps):
        batches: list[Batch] = []
        for place in range(task.accumulate):
            try:
                batch = stream.next()
            except Exception as error:  # a trial that gets there shall raise it
                raise ApartError("the data raise") from error
            if not alike(batch, batch if pattern is None else pattern[step][place]):
                raise ApartError("the batches have different shapes for every seed")
            taken += 0.0 if kept else size(leaves(batch))
            batches.append(batch if kept else copied(batch))
        if taken * steps > memory * (step + 1):
            raise ApartError("the batches of all steps do not fit into memory", lasts=False)
        found.append(batches)
    return found


def _start(live: LiveTask, batches: list[list[Batch]], held: ExitStack) -> Start:
    task, parts = live.task, live.parts
    if parts.judge is None:
        raise RuntimeError("a task with a step of its own has no loss to batch")
    modules = loss_modules(task, parts.judge.model)
    if any(getattr(part, "padding_idx", None) is not None for m in modules for part in m.modules()):
        raise ApartError("torch leaves the padding of an embedding as it is for one seed only")
    trained = list(parts.trained())
    others = {**named_buffers(modules), **frozen_weights(modules, trained)}
    names = {id(weight): name for name, weight in frozen_weights(modules, []).items()}
    (optimizer,) = parts.optimizers
    data = held.enter_context(Snapshot(*data_objects(task), *sources(task)))
    weights = [weight.detach().clone() for weight in trained]
    others = {name: tensor.detach().clone() for name, tensor in others.items()}
    first, gradients = _first_step(task, parts, modules, batches[0])  # which moves buffers
    return Start(
        modules=modules,
        optimizer=optimizer,
        weights=weights,
        names=[[names.get(id(w), "") for w in g["params"]] for g in optimizer.param_groups],
        others=others,
        batches=batches,
        data=data,
        first=first,
        gradients=gradients,
    )


def _first_step(
    task: Task, parts: Parts, modules: Iterable[nn.Module], batches: Sequence[Batch]
) -> tuple[list[float], list[Tensor | None]]:
    """The losses of the first batches, and the gradients of their mean."""
    judge = parts.judge
    if judge is None:
        raise RuntimeError("a task with a step of its own has no loss to batch")
    watch, trained = Watch(task, modules), list(parts.trained())
    found: list[float] = []
    gradients: list[Tensor | None] = [None for _ in trained]
    for batch in batches:
        moved = batch if parts.device is None else move(batch, parts.device)
        try:
            with judge.autocast():
                loss = scalar(judge.loss(moved))
            each: Any = torch.autograd.grad(loss / len(batches), trained, allow_unused=True)
        except Exception as error:  # the trials shall raise it
            raise ApartError("the loss raises") from error
        found.append(float(loss.detach()))
        gradients = [sum_of(*pair) for pair in zip(gradients, each, strict=True)]
    if watch.has_moved():
        raise ApartError("its forward pass draws random numbers")
    return found, gradients


def _same_make(one: Start, other: Start) -> bool:
    return (
        same_modules(one.modules, other.modules)
        and one.names == other.names
        and same_optimizer(one.optimizer, other.optimizer)
    )


def _differ(begun: Sequence[Start], name: str) -> bool:
    first = begun[0].others[name]
    return any(not torch.equal(first, start.others[name]) for start in begun[1:])
