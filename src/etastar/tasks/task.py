"""The task: what is trained, and for how long."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from etastar.schedules import Cosine, Schedule
from etastar.tasks import checks
from etastar.tasks.other_schedules import check_values, checked_schedules
from etastar.tasks.settings import checked

if TYPE_CHECKING:
    import torch

Batch = Any
"""Whatever the loss understands: a tensor, or any nesting of tuples, lists and mappings."""

Data = Iterable[Batch] | Callable[[], Iterable[Batch]]
"""Batches that can be read again and again: a DataLoader, a list, or a function that returns a
new iterator."""


@dataclass(frozen=True, eq=False)
class Task:
    """What is trained: model, optimizer, loss, data, horizon and schedule shape.

    A model or optimizer *instance* is used in place and comes back bit for bit; a *factory* is
    called anew for every trial, after the seed is set, so that a seed covers the initial
    weights too. Exactly one of `loss`, `criterion`, or a model whose output carries `.loss`
    gives the loss; each must be a scalar tensor.

    Args:
        model: a module; or a factory `() -> module`; or a factory `() -> (module, optimizer)`
            where parameter groups must be drawn from the new module.
        optimizer: an optimizer over the model's parameters, or a factory `params -> optimizer`.
            Its rates fix the ratio between parameter groups; a group at 0 stays at 0.
        loss: `loss(model, batch) -> scalar tensor`.
        train: batches, re-iterable; read again from the start when they run out before the
            horizon.
        valid: batches the finished model is judged on. Without them the training loss of the
            last tenth of the steps counts, which cannot see overfitting.
        criterion: `criterion(output, target)`, for batches `(input, ..., target)`.
        steps: the horizon of the run you are going to make, in applied optimizer updates.
        epochs: the same in passes over `train`, where its length is known.
        schedule: the shape of the rate over the run; its own peak is ignored. Cosine decay to
            0 by default.
        accumulate: batches per update; their gradients are averaged.
        clip_norm: upper bound on the global gradient norm, applied before the update.
        clip_value: upper bound on each gradient's magnitude, applied before the update.
        autocast: run the forward pass in `float16` or `bfloat16`.
        scaler: a `torch.amp.GradScaler`. An update it skips does not count as a step. With
            `autocast="float16"` and none given, each trial gets a fresh one.
        device: where a factory's model and every batch go; an instance's own device otherwise.
        step: for loops of another kind, see `from_step`.
        evaluate: for `step` tasks, `() -> float`, the loss of the trained objects.
        state: further objects whose state training changes (an averaged model, a memory, a
            learning-rate scheduler): they come back bit for bit as well.
        name: what pictures and tables call it.
        settings: numbers written over the optimizer's own at the begin of every trial, such as
            `{"weight_decay": 0.01, "beta2": 0.99}`: any that its parameter groups hold, and
            `beta1` and `beta2` for `betas`. Ratios between groups are kept, and a group at 0
            stays at 0, as with rates.
        other_schedules: schedules of other numbers of the optimizer by their names, such as
            `{"momentum": cycle.momentum(), "weight_decay": Cosine(steps=1000, peak=0.1)}`:
            any that `settings` may hold, and not the same one there. As with `etastar.attach`,
            a schedule gives the number itself in the reference group, the first that is not
            at 0; the other groups keep their ratios to it, a group at 0 stays at 0, and where
            all are at 0, all get the value. A shape, whose stated peak is 1, multiplies each
            group's own value instead. Each is resized to every trial's horizon, whatever its
            own. A range test, which has no horizon, holds their values of step 0.

    Raises:
        TaskError: the parts do not fit together; the message says what to do.

    Examples:
        >>> import torch
        >>> x = torch.linspace(-1, 1, 32).unsqueeze(1)
        >>> task = Task(
        ...     torch.nn.Linear(1, 1),
        ...     lambda params: torch.optim.SGD(params, lr=0.1),
        ...     train=[(x, 3 * x)],
        ...     criterion=torch.nn.MSELoss(),
        ...     steps=100,
        ... )
        >>> task.horizon
        100
    """

    model: torch.nn.Module | Callable[[], Any] | None = None
    optimizer: (
        torch.optim.Optimizer
        | Callable[[Any], torch.optim.Optimizer]
        | Sequence[torch.optim.Optimizer]
        | None
    ) = None
    loss: Callable[[Any, Batch], torch.Tensor] | None = None
    train: Data | None = None
    valid: Data | None = None
    criterion: Callable[..., torch.Tensor] | None = None
    steps: int | None = None
    epochs: int | None = None
    schedule: Schedule | None = None
    accumulate: int = 1
    clip_norm: float | None = None
    clip_value: float | None = None
    autocast: Literal["float16", "bfloat16"] | None = None
    scaler: torch.amp.GradScaler | None = None
    device: str | torch.device | None = None
    step: Callable[[Batch], torch.Tensor | float] | None = None
    evaluate: Callable[[], torch.Tensor | float] | None = None
    state: Sequence[object] = ()
    name: str = "task"
    settings: Mapping[str, float] = field(default_factory=dict[str, float])
    other_schedules: Mapping[str, Schedule] = field(default_factory=dict[str, Schedule])

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", checked(self.settings))
        others = checked_schedules(self.other_schedules, self.settings)
        object.__setattr__(self, "other_schedules", others)
        for count in ("steps", "epochs", "accumulate"):
            value = getattr(self, count)
            if value is not None:  # 1e4 and NumPy's integers become ints
                object.__setattr__(self, count, checks.whole(value, count))
        checks.check_parts(self)
        checks.check_horizon(self)
        check_values(self)

    def with_settings(self, settings: Mapping[str, float]) -> Task:
        """The task with further settings of its optimizer; those given win over its own.

        Returns:
            A new task of the same parts.
        """
        return replace(self, settings={**self.settings, **checked(settings)})

    def with_steps(self, steps: int) -> Task:
        """The task at another horizon, its schedule's shape resized to it.

        Returns:
            A new task of the same parts.
        """
        length = checks.whole(steps, "steps")
        shape = None if self.schedule is None else self.schedule.resized(length)
        return replace(self, steps=length, epochs=None, schedule=shape)

    @classmethod
    def from_step(
        cls,
        step: Callable[[Batch], torch.Tensor | float],
        *,
        state: Sequence[object],
        optimizers: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
        train: Data,
        steps: int | None = None,
        epochs: int | None = None,
        evaluate: Callable[[], torch.Tensor | float] | None = None,
        schedule: Schedule | None = None,
        other_schedules: Mapping[str, Schedule] | None = None,
        name: str = "task",
    ) -> Task:
        """A task for loops of any kind: GANs, several optimizers, hand-written updates.

        Args:
            step: does one whole update on a batch, `optimizer.step()` included, and returns
                the loss to judge the run by.
            state: every object the step changes, besides the optimizers.
            optimizers: those whose rates move, together, by one multiplier: all the ratios
                between their groups are kept.
            train: batches, re-iterable.
            steps: the horizon in calls of `step`.
            epochs: the same in passes over `train`.
            evaluate: `() -> float`, judges the finished objects; without it the last tenth of
                the returned losses counts.
            schedule: the shape of the rates over the run.
            other_schedules: those of other numbers of the optimizers; written before `step`.
            name: what pictures and tables call it.

        Returns:
            The task.
        """
        chosen = list(optimizers) if isinstance(optimizers, Sequence) else [optimizers]
        return cls(
            optimizer=chosen,
            train=train,
            steps=steps,
            epochs=epochs,
            schedule=schedule,
            step=step,
            evaluate=evaluate,
            state=state,
            other_schedules=other_schedules or {},
            name=name,
        )

    @property
    def horizon(self) -> int:
        """The length of the full run, in updates."""
        return checks.resolve_horizon(self)

    @property
    def shape(self) -> Schedule:
        """The schedule of the full run as a multiplier whose highest value is 1."""
        if self.schedule is None:
            return Cosine(steps=self.horizon)
        return self.schedule.scale(1 / self.schedule.maximum)

    @property
    def has_validation(self) -> bool:
        """Whether the finished model is judged on something other than its training loss."""
        return self.valid is not None or self.evaluate is not None


def is_instance(part: object) -> bool:
    """Whether `part` is a live model or optimizer rather than a factory of one.

    Returns:
        True for instances, False for functions and classes.
    """
    live = hasattr(part, "param_groups") or hasattr(part, "parameters")
    return live and not isinstance(part, type)


def instances(task: Task) -> tuple[object, ...]:
    """The caller's own objects that training the task would change.

    Returns:
        Model, optimizers, a criterion's module, scaler, data and further state, as far as they
        are instances.
    """
    optimizers = task.optimizer if isinstance(task.optimizer, Sequence) else [task.optimizer]
    # a method's object counts: loss=model.loss, criterion=heads.loss
    losses = [getattr(part, "__self__", part) for part in (task.loss, task.criterion)]
    parts = [task.model, *optimizers, *losses]
    own = [part for part in parts if part is not None and is_instance(part)]
    scaler = [] if task.scaler is None else [task.scaler]
    return (*own, *scaler, *data_objects(task), *task.state)


def data_objects(task: Task) -> list[object]:
    """The task's data, as far as reading them changes something.

    Returns:
        What it trains on and is judged by, or one of these, or none.
    """
    return [source for source in (task.train, task.valid) if _may_change(source)]


def _may_change(data: object) -> bool:
    """Whether reading the data changes something: where a loader is, what a sampler draws next.

    Returns:
        False for plain containers of batches, which would be copied in vain, and for functions.
    """
    plain = isinstance(data, list | tuple | deque | set | frozenset) or hasattr(data, "__array__")
    return isinstance(data, Iterable) and not plain
