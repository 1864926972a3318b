"""Refusals before step 1: what was given, what is needed, what to do."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex

from etastar.errors import TaskError
from etastar.schedules import Schedule
from etastar.tasks.settings import changes

if TYPE_CHECKING:
    from etastar.tasks.task import Task


def check_parts(task: Task) -> None:
    """Refuse a task whose parts cannot be trained together.

    Raises:
        TaskError: always with one sentence of what to do.
    """
    if task.step is None:
        _check_model(task)
        _check_optimizer(task)
        _check_loss(task)
    else:
        _check_step(task)
    check_data(task.train, "train")
    if task.valid is not None:
        check_data(task.valid, "valid")
    _check_numbers(task)
    _check_settings(task)


def check_data(data: Any, role: str) -> None:
    """Refuse data that cannot be read twice, or not batch by batch.

    Raises:
        TaskError: what kind of object was given and what to pass instead.
    """
    given = type(data).__name__
    if data is None:
        raise TaskError(f"{role}= is missing: pass a DataLoader or a list of batches.")
    if callable(data) and not isinstance(data, Iterable):
        return
    if isinstance(data, str | bytes | Mapping):
        raise TaskError(f"{role} is a {given}: pass a DataLoader or a list of batches.")
    if not hasattr(data, "__iter__"):
        remedy = (
            f"wrap it, {role}=DataLoader(dataset, batch_size=32)"
            if hasattr(data, "__getitem__")
            else "pass a DataLoader or a list of batches"
        )
        raise TaskError(f"{role} is a {given}, which yields no batches: {remedy}.")
    if hasattr(data, "__next__"):
        raise TaskError(
            f"{role} is a one-shot iterator ({given}) that would be used up: pass a DataLoader, "
            f"a list of batches, or a function that returns a new iterator."
        )
    if hasattr(data, "__len__") and _length(data) == 0:
        raise TaskError(
            f"{role} is empty: pass at least one batch (a DataLoader with drop_last=True yields "
            f"none when the data set is smaller than a batch)."
        )


def check_horizon(task: Task) -> None:
    """Refuse a horizon that is missing, said twice, or not a positive number of updates.

    Raises:
        TaskError: which of `steps`, `epochs` and `schedule` to change.
    """
    if task.steps is not None and task.epochs is not None:
        raise TaskError(
            f"both steps={task.steps} and epochs={task.epochs} were given: pass only one of them."
        )
    if task.schedule is not None and not isinstance(task.schedule, Schedule):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TaskError(
            f"schedule is a {type(task.schedule).__name__}: pass one of etastar.schedules, for "
            f"instance Cosine(steps=1000)."
        )
    horizon = resolve_horizon(task)
    if task.schedule is None:
        return
    if task.schedule.steps != horizon:
        raise TaskError(
            f"the schedule spans {task.schedule.steps} steps but the run {horizon}: pass "
            f"schedule.resized({horizon}), or steps={task.schedule.steps}."
        )
    highest = task.schedule.maximum
    if not (math.isfinite(highest) and highest > 0):
        raise TaskError(f"the schedule's highest value is {highest}: pass one that rises above 0.")


def whole(value: Any, name: str) -> int:
    """A count as an int, whichever type of whole number was given.

    Returns:
        The count, at least 1.

    Raises:
        TaskError: it is not a whole number of at least 1.
    """
    count = 0
    if isinstance(value, float) and value.is_integer():
        count = int(value)
    elif isinstance(value, SupportsIndex) and not isinstance(value, bool):
        count = operator.index(value)
    if count < 1:
        raise TaskError(f"{name}={value!r}: pass a whole number of at least 1.")
    return count


def resolve_horizon(task: Task) -> int:
    """The length of the full run, in updates.

    Returns:
        From `steps`, else `epochs` and the length of the data, else the schedule.

    Raises:
        TaskError: none of the three tells.
    """
    if task.steps is not None:
        return task.steps
    if task.epochs is not None:
        return _steps_of_epochs(task, task.epochs)
    if task.schedule is not None:
        return task.schedule.steps
    raise TaskError(
        "the length of the run is missing: pass steps= (optimizer updates) or epochs=; the best "
        "rate depends on it."
    )


def _steps_of_epochs(task: Task, epochs: int) -> int:
    length = _length(task.train)
    if length is None:
        raise TaskError(
            f"epochs={epochs} needs training data with a length, and {type(task.train).__name__} "
            f"has none: pass steps= instead."
        )
    steps = epochs * length // task.accumulate
    if steps == 0:
        raise TaskError(
            f"epochs={epochs} of {length} batches with accumulate={task.accumulate} make no whole "
            f"update: raise epochs or lower accumulate."
        )
    return steps


def _length(data: Any) -> int | None:
    try:
        return len(data)
    except (TypeError, NotImplementedError):  # an iterable data set behind a DataLoader
        return None


def _check_model(task: Task) -> None:
    model: Any = task.model
    if model is None:
        raise TaskError("model= is missing: pass a torch.nn.Module or a function that builds one.")
    if hasattr(model, "parameters") and not isinstance(model, type):
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise TaskError(
                f"the model ({type(model).__name__}) has no trainable parameter: unfreeze some "
                f"with requires_grad_(True)."
            )
    elif not callable(model):
        raise TaskError(
            f"model is a {type(model).__name__}: pass a torch.nn.Module or a function that "
            f"builds one."
        )


def _check_optimizer(task: Task) -> None:
    model, optimizer = task.model, task.optimizer
    built = hasattr(model, "parameters") and not isinstance(model, type)
    if optimizer is None:
        if built:
            raise TaskError(
                "optimizer= is missing: pass an optimizer, or a function params -> optimizer."
            )
        return  # the model's factory may return both
    if isinstance(optimizer, Sequence) and not isinstance(optimizer, str):
        raise TaskError(
            "several optimizers need a hand-written update: use Task.from_step(step=..., "
            "optimizers=[...])."
        )
    if not hasattr(optimizer, "param_groups"):
        if not callable(optimizer):
            raise TaskError(
                f"optimizer is a {type(optimizer).__name__}: pass a torch.optim.Optimizer or a "
                f"function params -> optimizer."
            )
        return
    if not built:
        raise TaskError(
            "the model is a factory but the optimizer an instance, bound to other parameters: "
            "pass a function, optimizer=lambda params: torch.optim.SGD(params, lr=0.1)."
        )
    check_bound(model, optimizer)
    base_rates([optimizer])


def check_bound(model: Any, optimizer: Any) -> None:
    """Refuse an optimizer that would not move the model.

    Raises:
        TaskError: it holds none of the model's trainable parameters.
    """
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not any(p.requires_grad and id(p) in held for p in model.parameters()):
        raise TaskError(
            "the optimizer holds none of the model's trainable parameters: build it from this "
            "very model, after moving it to its device."
        )


def base_rates(optimizers: Sequence[Any]) -> list[float]:
    """The optimizers' own learning rates; where a scheduler is attached, those it began from.

    Returns:
        One for each parameter group, at least one of them above 0.

    Raises:
        TaskError: one is no rate, or all are 0.
    """
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    bases = [group.get("initial_lr", group.get("lr")) for group in groups]
    for base in bases:
        if base is None:
            raise TaskError(
                "the optimizer has a parameter group without a learning rate: one that chooses "
                "its own needs none found; give it a number, lr=1e-3, to have one found."
            )
        if not (math.isfinite(base) and base >= 0):
            raise TaskError(
                f"the optimizer has a parameter group at learning rate {float(base)}: give every "
                f"group a finite rate of at least 0."
            )
    rates = [float(base) for base in bases]
    if not any(rates):
        raise TaskError(
            "every parameter group of the optimizer has learning rate 0, so there is no "
            "ratio to keep: give at least one group a rate above 0."
        )
    return rates


def _check_loss(task: Task) -> None:
    if task.loss is not None and task.criterion is not None:
        raise TaskError(
            "both loss= and criterion= were given: pass loss(model, batch) or "
            "criterion(output, target)."
        )
    if hasattr(task.loss, "parameters") and not isinstance(task.loss, type):
        raise TaskError(
            f"loss={type(task.loss).__name__} is a module for (output, target): pass it as "
            f"criterion=, or a function loss(model, batch)."
        )
    for name in ("loss", "criterion"):
        value: Callable[..., Any] | None = getattr(task, name)
        if value is not None and not callable(value):
            raise TaskError(f"{name} is a {type(value).__name__}: pass a function.")
        if isinstance(value, type) and hasattr(value, "parameters"):
            raise TaskError(
                f"{name}={value.__name__} is a class: pass an instance of it as criterion=, "
                f"criterion={value.__name__}()."
            )
    if task.evaluate is not None:
        raise TaskError("evaluate= belongs to Task.from_step: pass valid= batches here.")


def _check_step(task: Task) -> None:
    if task.model is not None or task.loss is not None or task.criterion is not None:
        raise TaskError(
            "step= does the whole update itself: leave out model, loss and criterion, and name "
            "what it changes in state=."
        )
    if task.valid is not None:
        raise TaskError("a step task has no loss for valid= batches: pass evaluate=, () -> float.")
    if task.accumulate != 1 or task.clip_norm or task.clip_value or task.scaler or task.autocast:
        raise TaskError("step= does the whole update itself: accumulate, clip and scale inside it.")
    optimizers = task.optimizer if isinstance(task.optimizer, Sequence) else [task.optimizer]
    if not optimizers or not all(hasattr(o, "param_groups") for o in optimizers):
        raise TaskError("a step task needs optimizers=: those whose rates are to be found.")
    base_rates(optimizers)
    if task.evaluate is not None and not callable(task.evaluate):
        raise TaskError(
            f"evaluate is a {type(task.evaluate).__name__}: pass a function () -> float."
        )


def _check_settings(task: Task) -> None:
    """What a factory builds is asked when it is built, before its first step."""
    chosen = task.optimizer if isinstance(task.optimizer, Sequence) else [task.optimizer]
    built = [part for part in chosen if hasattr(part, "param_groups")]
    if built:
        changes(built, task.settings)


def _check_numbers(task: Task) -> None:
    if isinstance(task.state, str) or not isinstance(task.state, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TaskError(f"state is a {type(task.state).__name__}: pass a list of objects.")
    for name in ("clip_norm", "clip_value"):
        bound: float | None = getattr(task, name)
        if bound is not None and not (math.isfinite(bound) and bound > 0):
            raise TaskError(f"{name}={bound!r}: pass a positive, finite number, or None.")
    if task.autocast not in (None, "float16", "bfloat16"):
        raise TaskError(f"autocast={task.autocast!r}: pass 'float16', 'bfloat16' or None.")
