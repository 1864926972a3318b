"""The task at another value of a setting: optimizer settings, warmup, batch size."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from torch.utils.data import BatchSampler, DataLoader, IterableDataset

from etastar.errors import InputError, ScheduleError
from etastar.records.axis import AxisName
from etastar.schedules import Join, LinearWarmup, Schedule
from etastar.tasks import Task, checks


def at_value(task: Task, name: AxisName, setting: str, value: float) -> Task:
    """The task with another value of one setting.

    The warmup changes within the same horizon. Another batch size keeps the samples of the run:
    the steps change, and the schedule with them.

    Args:
        task: as it is.
        name: of the setting.
        setting: what its optimizer calls it, for momentum and weight decay.
        value: the new one; for the warmup in steps.

    Returns:
        A task of the same parts.

    Raises:
        InputError: the value does not fit the task, or its data cannot be batched anew.
    """
    if name == "warmup":
        shape = with_warmup(task.shape, round(value))
        return replace(task, schedule=shape, steps=task.horizon, epochs=None)
    if name == "batch_size":
        size = checks.whole(value, "batch_size")
        steps = max(1, round(task.horizon * batch_size_of(task) / size))
        longer = replace(task, steps=task.horizon, epochs=None).with_steps(steps)
        return replace(longer, train=rebatched(task.train, size))
    return task.with_settings({setting: value})


def warmup_of(shape: Schedule) -> int:
    """How many steps a schedule warms up.

    Returns:
        0 for none.

    Raises:
        InputError: its warmup is no number that can be changed.
    """
    if any(field.name == "warmup_steps" for field in fields(shape)):
        return int(getattr(shape, "warmup_steps"))  # noqa: B009 - not a field of every schedule
    if isinstance(shape, Join) and isinstance(shape.parts[0], LinearWarmup):
        return shape.parts[0].steps
    raise InputError(
        f"also holds warmup, and the schedule {type(shape).__name__} has no warmup_steps to "
        f"change: pass one that has, such as Cosine(steps=..., warmup_steps=...)."
    )


def with_warmup(shape: Schedule, steps: int) -> Schedule:
    """The schedule with another warmup and the same horizon.

    Returns:
        What follows the warmup gets the steps it leaves.

    Raises:
        InputError: there is no room for it, or no warmup to change.
    """
    own = warmup_of(shape)
    if steps == own:
        return shape
    try:
        if not isinstance(shape, Join):
            changed: Any = {"warmup_steps": steps}
            return replace(shape, **changed)
        first, *rest = shape.parts
        after = rest[0] if len(rest) == 1 else replace(shape, parts=tuple(rest))
        after = after.resized(shape.steps - steps)
        return after if steps == 0 else first.resized(steps) >> after
    except ScheduleError as error:
        raise InputError(
            f"also holds a warmup of {steps} steps, which the schedule cannot take: {error}"
        ) from error


def batch_size_of(task: Task) -> int:
    """The batch size of the training data.

    Returns:
        Samples per batch.

    Raises:
        InputError: they cannot be batched anew.
    """
    data: Any = task.train
    if isinstance(data, DataLoader):
        # the loader's own words for "something else makes the batches"
        if data.batch_size is None or type(data.batch_sampler) is not BatchSampler:
            raise InputError(
                _fixed("a DataLoader whose batches come from a batch_sampler or the data set")
            )
        return data.batch_size
    if hasattr(data, "with_batch_size") and hasattr(data, "batch_size"):
        return int(data.batch_size)
    if callable(data) and not hasattr(data, "__iter__"):
        raise InputError(_fixed("a function"))
    raise InputError(_fixed(f"a {type(data).__name__} of finished batches"))


def rebatched(data: Any, size: int) -> Any:
    """The same samples in batches of another size, drawn by the same sampler.

    Returns:
        A new DataLoader, or what the data's own `with_batch_size` returns.
    """
    if not isinstance(data, DataLoader):
        return data.with_batch_size(size)
    options: dict[str, Any] = {
        "batch_size": size,
        "num_workers": data.num_workers,
        "collate_fn": data.collate_fn,
        "pin_memory": data.pin_memory,
        "drop_last": data.drop_last,
        "timeout": data.timeout,
        "worker_init_fn": data.worker_init_fn,
        "multiprocessing_context": data.multiprocessing_context,
        "generator": data.generator,
        "prefetch_factor": data.prefetch_factor,
        "persistent_workers": data.persistent_workers,
    }
    if not isinstance(data.dataset, IterableDataset):
        options["sampler"] = data.sampler
    return DataLoader(data.dataset, **options)


def _fixed(given: str) -> str:
    return (
        f"also holds batch_size, and train is {given}, which cannot be batched anew: pass a "
        f"DataLoader, or an object with batch_size and with_batch_size(size)."
    )
