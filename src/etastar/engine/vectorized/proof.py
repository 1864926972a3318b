"""Whether a task can be batched: by its parts, and by trying it against the usual loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from etastar.engine.vectorized.compared import (
    TWINS,
    difference,
    steps_alone,
    steps_batched,
    steps_disturbed,
)
from etastar.engine.vectorized.leaks import leaks_mended
from etastar.engine.vectorized.memory import SavedForBackward
from etastar.engine.vectorized.obstacles import obstacle, task_obstacle
from etastar.engine.vectorized.optimizer import Kind, kind_of
from etastar.engine.vectorized.slices import DetourError, quiet
from etastar.errors import EtastarError, TaskFailedError
from etastar.tasks import Task
from etastar.training.live import LiveTask, living

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
        looked = steps_alone(live)
        live.begin(0)
        try:
            with leaks_mended() as leaked:
                tried = steps_batched(live, looked.moving)
                if leaked():
                    return Proof("its model or loss keeps what it computes in a list or variable")
            reason, draws = difference(looked, tried), tried.draws
            if reason is not None:
                reason = difference(looked, tried, [steps_disturbed(live, n) for n in range(TWINS)])
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
