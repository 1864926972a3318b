"""Whether a task can be batched: by its parts, and by trying it against the usual loop."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from etastar.engine.vectorized.batched import BatchedTask
from etastar.engine.vectorized.evaluation import Evaluation
from etastar.engine.vectorized.leaks import leaks_mended
from etastar.engine.vectorized.memory import SavedForBackward, size
from etastar.engine.vectorized.obstacles import obstacle, task_obstacle
from etastar.engine.vectorized.optimizer import Kind, kind_of
from etastar.engine.vectorized.slices import DetourError, quiet
from etastar.engine.vectorized.watch import Watch
from etastar.engine.vectorized.weights import loss_modules, named_buffers
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

TWINS = 2
"""Where they differ by more, so many trainings of weights rounded otherwise are looked at: a bias
before a normalisation has a gradient of nothing but rounding, which Adam makes steps of."""

ROUNDINGS = 10.0
"""Then losses may differ by so many times what such a rounding makes of them."""

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
            with leaks_mended() as leaked:
                tried = _try(live, looked.moving)
                if leaked():
                    return Proof("its model or loss keeps what it computes in a list or variable")
            reason, draws = _difference(looked, tried), tried.draws
            if reason is not None:
                reason = _difference(looked, tried, [_disturbed(live, n) for n in range(TWINS)])
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


def accuracy_of(live: LiveTask) -> float:
    """The relative difference allowed between losses of a task computed in two ways."""
    if live.task.autocast is not None:
        return COARSE
    weights = min((ACCURACY.get(p.dtype, COARSE) for p in live.parts.trained()), default=COARSE)
    rates = [group["lr"] for optimizer in live.optimizers for group in optimizer.param_groups]
    narrow = [ACCURACY.get(lr.dtype, COARSE) for lr in rates if isinstance(lr, Tensor)]
    return max([weights, *narrow])  # an optimizer's steps are as exact as its rate


def _kept_by_forward(live: LiveTask) -> float:
    """Memory that the forward pass of a batch keeps for the backward pass.

    Returns:
        Bytes; 0 where torch does not let us look, as with `torch.func` inside a loss.
    """
    saved = SavedForBackward(list(live.parts.trained()))
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
    return _Looked(
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


def _disturbed(live: LiveTask, number: int) -> _Looked:
    """What the usual loop shows where every weight is one rounding away."""
    live.begin(0)
    random = torch.Generator().manual_seed(number)
    with torch.no_grad():
        for weight in live.parts.trained():
            signs = torch.randint(0, 2, weight.shape, generator=random).to(weight.device) * 2 - 1
            weight.mul_(1 + signs * torch.finfo(weight.dtype).eps)
    return _look(live)


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


def _difference(looked: _Looked, tried: _Tried, twins: Sequence[_Looked] = ()) -> str | None:
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
    said = f": {first[:160]}" if first else ""
    return f"torch cannot batch it ({type(error).__name__}{said})"
