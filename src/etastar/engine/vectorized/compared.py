"""A few steps of a task, alone and batched: whether they give the same numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from etastar.engine.vectorized.batched import BatchedTask
from etastar.engine.vectorized.evaluation import Evaluation
from etastar.engine.vectorized.memory import size
from etastar.engine.vectorized.watch import Watch
from etastar.engine.vectorized.weights import loss_modules, named_buffers
from etastar.training.live import FORWARD_COST, LiveTask

SHARES = (1.0, 0.5, 1.0)
"""The rates tried, over the task's own: the third loss has seen momentum and two rates."""

ACCURACY = {torch.float64: 1e-9, torch.float32: 1e-3}
"""Relative difference allowed between the losses tried, by type of the weights."""

COARSE = 0.05
"""The same for mixed precision and narrow types."""

STEEPER = 10.0
"""Gradients may differ by so much more than losses, relative to their common length."""

TWINS = 2
"""Where they differ by more, so many trainings of weights rounded otherwise are looked at: a bias
before a normalisation has a gradient of nothing but rounding, which Adam makes steps of."""

ROUNDINGS = 10.0
"""Then losses may differ by so many times what such a rounding makes of them."""

NOTHING = 1e-12
"""Losses and gradients this close are equal, whatever their size."""


def accuracy_of(live: LiveTask) -> float:
    """The relative difference allowed between losses of a task computed in two ways."""
    if live.task.autocast is not None:
        return COARSE
    weights = min((ACCURACY.get(p.dtype, COARSE) for p in live.parts.trained()), default=COARSE)
    rates = [group["lr"] for optimizer in live.optimizers for group in optimizer.param_groups]
    narrow = [ACCURACY.get(lr.dtype, COARSE) for lr in rates if isinstance(lr, Tensor)]
    return max([weights, *narrow])  # an optimizer's steps are as exact as its rate


@dataclass(frozen=True)
class Alone:
    """What the usual loop shows of a task."""

    losses: list[float]  # of the steps
    gradients: list[Tensor | None]  # of the first step, as the optimizer was given them
    judged: float  # loss of a validation batch after the steps; NaN where there is none
    accuracy: float
    moving: tuple[str, ...]
    weight_bytes: float  # trained weights
    held_bytes: float  # weights, gradients, moves and the optimizer's state
    batch: float  # samples
    judged_batch: float  # samples in a validation batch


def steps_alone(live: LiveTask) -> Alone:
    """The steps in the usual loop.

    Args:
        live: the task, whose trial has begun.

    Returns:
        What they show.

    Raises:
        TaskFailedError: the task's own code raised.
        RuntimeError: the task has a step of its own.
    """
    task, parts = live.task, live.parts
    if parts.judge is None:
        raise RuntimeError("a task with a step of its own has no loss to batch")
    weights = list(parts.trained())
    modules = loss_modules(task, parts.judge.model)
    before = {name: buffer.clone() for name, buffer in named_buffers(modules).items()}
    rates = [live.rates.reference * share for share in SHARES]
    gradients: list[Tensor | None] = []

    def copy_gradients(*_: object) -> None:  # some steps write into them
        gradients[:] = [None if p.grad is None else p.grad.detach().clone() for p in weights]

    with parts.optimizers[0].register_step_pre_hook(copy_gradients):
        losses = [live.step(rates[0])]
    batch = live.sample_gradients / task.accumulate
    for rate in rates[1:]:
        if math.isfinite(losses[-1]):
            losses.append(live.step(rate))
    buffers = named_buffers(modules)  # in place or by assignment
    changed = [name for name, old in before.items() if not torch.equal(old, buffers[name])]
    state = size(v for s in parts.optimizers[0].state.values() for v in s.values())
    evaluation = Evaluation(live)
    judging = task.valid is not None and math.isfinite(losses[-1])
    judged = evaluation.usual(batches=1) if judging else math.nan
    return Alone(
        losses=losses,
        gradients=gradients,
        judged=judged,
        accuracy=accuracy_of(live),
        moving=tuple(name for name in changed if not _counts(buffers[name])),
        weight_bytes=size(weights),
        held_bytes=4 * size(weights) + state,
        batch=batch,
        judged_batch=evaluation.cost / FORWARD_COST,
    )


def steps_disturbed(live: LiveTask, number: int) -> Alone:
    """The steps in the usual loop, from weights that are one rounding away.

    Args:
        live: the task.
        number: of the directions they are rounded in.

    Returns:
        What they show.

    Raises:
        TaskFailedError: the task's own code raised.
    """
    live.begin(0)
    random = torch.Generator().manual_seed(number)
    with torch.no_grad():
        for weight in live.parts.trained():
            signs = torch.randint(0, 2, weight.shape, generator=random).to(weight.device) * 2 - 1
            weight.mul_(1 + signs * torch.finfo(weight.dtype).eps)
    return steps_alone(live)


@dataclass(frozen=True)
class Batched:
    """What came of the same steps, batched."""

    losses: list[float]  # of the steps, as far as they were finite
    gradients: list[Tensor | None]
    judged: float
    draws: bool


def steps_batched(live: LiveTask, moving: Sequence[str]) -> Batched:
    """The steps of two slices, of which the first is the trial alone.

    Args:
        live: the task, whose trial has begun.
        moving: names of the buffers that training changes.

    Returns:
        What came of them.

    Raises:
        Exception: whatever stands in the way of batching.
    """
    batched = BatchedTask(live, moving, count=2)
    watch = Watch(live.task, [] if live.model is None else loss_modules(live.task, live.model))
    losses: list[float] = []
    draws = False
    first: list[Tensor | None] = []
    for share in SHARES:
        batches = batched.next_batches()
        watch.has_moved()  # by the data
        found, gradients = batched.backward(batches)
        draws = watch.has_moved() or draws
        if not losses:
            first = [None if g is None else g[0].clone() for g in batched.clipped(gradients)]
        losses.append(found[0])
        if not all(map(math.isfinite, found)):
            break
        batched.update(live.rates.reference * share * np.array([1.0, 0.5]), gradients)
    judging = live.task.valid is not None and math.isfinite(losses[-1])
    judged = Evaluation(live).together(batched.slices, batches=1)[0] if judging else math.nan
    return Batched(losses, first, judged, draws)


def difference(looked: Alone, tried: Batched, twins: Sequence[Alone] = ()) -> str | None:
    """Where batching gave other numbers.

    Args:
        looked: alone.
        tried: batched.
        twins: alone, of weights rounded otherwise.

    Returns:
        The reason not to batch; None where all agree.
    """
    spans = [
        [abs(twin.losses[i] - loss) for twin in twins if i < len(twin.losses)]
        for i, loss in enumerate(looked.losses)
    ]
    pairs = [
        (alone, batched, f"at step {step}", spans[step])
        for step, (alone, batched) in enumerate(zip(looked.losses, tried.losses, strict=False))
    ]
    span = [abs(twin.judged - looked.judged) for twin in twins]
    pairs.append((looked.judged, tried.judged, "on validation data", span))
    for alone, batched, where, rounding in pairs:
        if not (math.isfinite(alone) or math.isfinite(batched)):
            continue
        near = max([NOTHING, *(ROUNDINGS * far for far in rounding if math.isfinite(far))])
        if not math.isclose(alone, batched, rel_tol=looked.accuracy, abs_tol=near):
            return (
                f"batched, its loss {where} is {abs(batched - alone):.2g} away from the "
                f"{alone:.6g} it is alone"
            )
    if math.isfinite(looked.losses[0]):
        return turned(looked.gradients, tried.gradients, STEEPER * looked.accuracy)
    return None


def turned(
    usual: Sequence[Tensor | None], batched: Sequence[Tensor | None], allowed: float
) -> str | None:
    """Where batching gave another gradient: at a low rate no loss shows it.

    Args:
        usual: of the trained weights, alone.
        batched: of one slice of them.
        allowed: relative to their common length.

    Returns:
        The reason not to batch; None where they agree.
    """
    length = apart = 0.0
    for one, two in zip(usual, batched, strict=True):
        old = 0.0 if one is None else one
        new = 0.0 if two is None else two
        length += _squares(old)
        apart += _squares(new - old)
    if apart > allowed**2 * length + NOTHING**2:
        return (
            f"batched, its gradient is {math.sqrt(apart):.2g} away from what it is alone, of "
            f"length {math.sqrt(length):.2g}"
        )
    return None


def _squares(numbers: Tensor | float) -> float:
    """The sum of the squared magnitudes."""
    return float(torch.as_tensor(numbers).abs().double().square().sum())


def _counts(buffer: Tensor) -> bool:
    """Whether a buffer holds whole numbers: such count steps, which all slices make together."""
    return not (buffer.is_floating_point() or buffer.is_complex())
