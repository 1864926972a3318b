"""Whether a task can be batched: by its parts, and by trying it against the usual loop."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from etastar.engine.vectorized.batched import (
    BatchedTask,
    loss_modules,
    named_buffers,
    trained_weights,
)
from etastar.engine.vectorized.evaluation import Evaluation
from etastar.engine.vectorized.memory import SavedForBackward, size
from etastar.engine.vectorized.obstacles import obstacle, task_obstacle
from etastar.engine.vectorized.optimizer import Kind, kind_of
from etastar.engine.vectorized.slices import DetourError, quiet
from etastar.engine.vectorized.watch import Watch
from etastar.errors import EtastarError, TaskFailedError
from etastar.tasks import Task
from etastar.training.live import FORWARD_COST, LiveTask, living

SHARES = (1.0, 0.5, 1.0)
"""The rates tried, over the task's own: the third loss has seen momentum and two rates."""

ACCURACY = {torch.float64: 1e-9, torch.float32: 1e-3}
"""Relative difference allowed between the losses tried, by type of the weights."""

COARSE = 0.05
"""The same for mixed precision and narrow types."""

STEEPER = 10.0
"""Gradients may differ by so much more than losses, relative to their common length."""

NOTHING = 1e-12
"""Losses and gradients this close are equal, whatever their size."""

BACKWARD = 2.0
"""Memory of a whole step over what its forward pass keeps, at most."""


@dataclass(frozen=True)
class Proof:
    """What is known of a task before it is batched.

    Attributes:
        reason: why it cannot be batched; None where it can.
        moving: names of the buffers that training changes, and not for all slices alike.
        slice_bytes: memory a slice takes in training.
        judged_bytes: memory a slice takes in evaluation.
        draws: whether its forward pass draws random numbers in training.
        weight_bytes: memory its trained weights take.
        kind: of the settings it was tried under; see `kind_of`.
    """

    reason: str | None
    moving: tuple[str, ...] = ()
    slice_bytes: float = 0.0
    judged_bytes: float = 0.0
    draws: bool = False
    weight_bytes: float = 0.0
    kind: Kind = ()

    def bytes_under(self, settings: Iterable[Mapping[str, float]]) -> float:
        """Memory a slice takes in training under some settings.

        Others than were tried may want one more number per weight, as momentum does.

        Args:
            settings: of the trials.

        Returns:
            Bytes.
        """
        others = any(kind_of(each) != self.kind for each in settings)
        return self.slice_bytes + self.weight_bytes * others


_PROOFS: WeakKeyDictionary[Task, Proof] = WeakKeyDictionary()


def why_not(task: Task) -> str | None:
    """Why the vectorized engine cannot train a task.

    The parts are looked at, then three steps are trained in both ways and compared; everything
    is left as it was. The answer is remembered for the task.

    Args:
        task: to be trained.

    Returns:
        The reason in a few words, such as "LBFGS evaluates the loss several times per step";
        None where it can be trained.

    Raises:
        TaskFailedError: the task's own code raised.
        EtastarError: the task's parts do not fit together.

    Examples:
        >>> from etastar.tasks import load_task
        >>> why_not(load_task("line")) is None
        True
    """
    return prove(task).reason


def prove(task: Task) -> Proof:
    """See `why_not`.

    Returns:
        What is known of the task.
    """
    known = _PROOFS.get(task)
    if known is None:
        known = _PROOFS[task] = _prove(task)
    return known


def _prove(task: Task) -> Proof:
    reason = task_obstacle(task)
    if reason is not None:
        return Proof(reason)
    with quiet(), living(task) as live:
        live.begin(0)
        reason = obstacle(task, live.parts)
        if reason is not None:
            return Proof(reason)
        kept = _kept_by_forward(live)
        looked = _look(live)
        live.begin(0)
        try:
            tried = _try(live, looked.moving)
            reason, draws = _difference(looked, tried), tried.draws
        except Exception as error:  # noqa: BLE001  whatever stands in the way is the answer
            reason, draws = _in_words(error), False
    if reason is not None:
        return Proof(reason)
    return Proof(
        reason=None,
        moving=looked.moving,
        slice_bytes=looked.held_bytes + BACKWARD * kept,
        judged_bytes=looked.held_bytes + kept / looked.batch * looked.judged_batch,
        draws=draws,
        weight_bytes=looked.weight_bytes,
        kind=kind_of(task.settings),
    )


def accuracy_of(task: Task, weights: Iterable[Tensor]) -> float:
    """The relative difference allowed between losses of a task computed in two ways."""
    if task.autocast is not None:
        return COARSE
    return min((ACCURACY.get(weight.dtype, COARSE) for weight in weights), default=COARSE)


def _kept_by_forward(live: LiveTask) -> float:
    """Memory that the forward pass of a batch keeps for the backward pass.

    Returns:
        Bytes; 0 where torch does not let us look, as with `torch.func` inside a loss.
    """
    saved = SavedForBackward(trained_weights(live.parts))
    try:
        with saved:
            live.step(live.rates.reference)
    except TaskFailedError:
        return 0.0
    finally:
        live.begin(0)
    return saved.bytes / live.task.accumulate


@dataclass(frozen=True)
class _Looked:
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


def _look(live: LiveTask) -> _Looked:
    task, parts = live.task, live.parts
    if parts.judge is None:
        raise RuntimeError("a task with a step of its own has no loss to batch")
    weights = trained_weights(parts)
    modules = loss_modules(task, parts.judge.model)
    before = {name: buffer.clone() for name, buffer in named_buffers(modules).items()}
    rates = [live.rates.reference * share for share in SHARES]
    losses = [live.step(rates[0])]
    gradients = [None if p.grad is None else p.grad.detach().clone() for p in weights]
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
    return _Looked(
        losses=losses,
        gradients=gradients,
        judged=judged,
        accuracy=accuracy_of(task, weights),
        moving=tuple(name for name in changed if not _counts(buffers[name])),
        weight_bytes=size(weights),
        held_bytes=4 * size(weights) + state,
        batch=batch,
        judged_batch=evaluation.cost / FORWARD_COST,
    )


@dataclass(frozen=True)
class _Tried:
    """What came of the same steps, batched."""

    losses: list[float]  # of the steps, as far as they were finite
    gradients: list[Tensor | None]
    judged: float
    draws: bool


def _try(live: LiveTask, moving: Sequence[str]) -> _Tried:
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
    return _Tried(losses, first, judged, draws)


def _difference(looked: _Looked, tried: _Tried) -> str | None:
    """Where batching gave other numbers.

    Returns:
        The reason not to batch; None where all agree.
    """
    pairs = [
        (alone, batched, f"at step {step}")
        for step, (alone, batched) in enumerate(zip(looked.losses, tried.losses, strict=False))
    ]
    pairs.append((looked.judged, tried.judged, "on validation data"))
    for alone, batched, where in pairs:
        if not (math.isfinite(alone) or math.isfinite(batched)):
            continue
        if not math.isclose(alone, batched, rel_tol=looked.accuracy, abs_tol=NOTHING):
            return f"batched, its loss {where} is {batched:.6g} instead of {alone:.6g}"
    if math.isfinite(looked.losses[0]):
        return _turned(looked.gradients, tried.gradients, STEEPER * looked.accuracy)
    return None


def _turned(
    usual: Sequence[Tensor | None], batched: Sequence[Tensor | None], allowed: float
) -> str | None:
    """Where batching gave another gradient: at a low rate no loss shows it.

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


def _in_words(error: Exception) -> str:
    """Why torch could not batch a task, in one line.

    Returns:
        A clause without a full stop.
    """
    text = " ".join(str(error).split())
    if isinstance(error, DetourError | EtastarError):
        return text.rstrip(".")
    if ".item()" in text or "data-dependent" in text:
        return "its model or loss looks at the value of a tensor to decide what to do"
    first = text.removeprefix("vmap: ").split(". ")[0].rstrip(".")
    return f"torch cannot batch it ({type(error).__name__}: {first[:160]})"
