"""Schedules of an optimizer's other numbers: momentum, betas, weight decay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from etastar.errors import TaskError
from etastar.schedules import Schedule
from etastar.tasks.settings import (
    BETAS,
    NEVER_NEGATIVE,
    Group,
    check_names,
    counts_something,
    parts_with,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etastar.tasks.task import Task

GIVEN_IN = "other_schedules"


class NumberPath(NamedTuple):
    """One number of one parameter group, and the way it goes."""

    group: Group
    name: str
    values: list[float]  # (S,) one per step


def checked_schedules(given: Any, settings: Mapping[str, float]) -> dict[str, Schedule]:
    """Schedules by the names of numbers, before any optimizer is there.

    Returns:
        A copy of its own.

    Raises:
        TaskError: they are no mapping from names to schedules, name the rate, or a number that
            `settings` fixes.
    """
    instead = ": leave it out, and pass the shape of the rate as schedule=."
    check_names(given, GIVEN_IN, "{'momentum': OneCycle(steps=1000).momentum()}", instead)
    for name, schedule in given.items():
        if not isinstance(schedule, Schedule):
            raise TaskError(
                f"{GIVEN_IN} holds {name}={schedule!r}: pass one of etastar.schedules, such as "
                f"Cosine(steps=1000, peak=0.1); a number that stays belongs into settings."
            )
    refuse_scheduled(given, settings)
    return dict(given)


def refuse_scheduled(schedules: Mapping[str, Schedule], names: Mapping[str, Any]) -> None:
    """Refuse numbers that are to be set, or searched, and follow a schedule as well.

    Raises:
        TaskError: which one.
    """
    for name in names:
        if name in schedules:
            raise TaskError(
                f"{name} has a schedule in {GIVEN_IN} and cannot be a setting as well: leave it "
                f"out of one of them."
            )


def to_attach(task: Task) -> tuple[str, ...]:
    """What to say beside an answer, which holds a schedule of the rate alone.

    Returns:
        A sentence; none where nothing else is scheduled.
    """
    names = list(task.other_schedules)
    if not names:
        return ()
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    which, them = ("a schedule", "it") if len(names) == 1 else ("schedules", "them")
    return (f"the task has {which} of {listed} too: attach {them} beside that of the rate",)


def check_values(task: Task) -> None:
    """Refuse values over the full run that the numbers cannot take.

    What a factory builds is asked when it is built, before its first step.

    Raises:
        TaskError: an optimizer has no such number, or cannot take a value.
    """
    if not task.other_schedules:
        return
    chosen = task.optimizer if isinstance(task.optimizer, Sequence) else [task.optimizer]
    built = [part for part in chosen if hasattr(part, "param_groups")]
    if built:
        number_paths(built, task.other_schedules, task.horizon)
        return
    for name, schedule in task.other_schedules.items():
        if schedule.ceiling != 1.0:
            _check_range(name, _values(schedule, task.horizon))


def number_paths(
    optimizers: Sequence[Any], schedules: Mapping[str, Schedule], steps: int
) -> list[NumberPath]:
    """What the schedules make of the optimizers' groups over a trial; nothing is written.

    The groups' own values count as they are now, so ask before any is written.

    Args:
        optimizers: as they are at the begin of a trial.
        schedules: by name of the number.
        steps: the trial's horizon, S.

    Returns:
        One way for each group that has the number.

    Raises:
        TaskError: an optimizer has no such number, or cannot take a value.
    """
    made: list[NumberPath] = []
    for name, schedule in schedules.items():
        parts = parts_with(optimizers, name, GIVEN_IN)
        values = _values(schedule, steps)
        is_shape = schedule.ceiling == 1.0
        if is_shape and not any(part.now for part in parts):
            raise TaskError(
                f"{GIVEN_IN} gives {name} a shape, whose stated peak is 1 and which multiplies "
                f"the optimizer's own {name}, and that is 0: give the schedule a peak, or the "
                f"optimizer a value."
            )
        for part in parts:
            own = values * (part.now if is_shape else part.ratio)
            _check_range(name, own)
            if counts_something(part.group, name, part.now):
                _refuse(name, own, (own < 1) | (own % 1 != 0), "whole numbers of at least 1")
            made.append(NumberPath(part.group, name, own.tolist()))
    return made


def _values(schedule: Schedule, steps: int) -> NDArray[np.float64]:
    return schedule.resized(steps)(np.arange(steps))


def _check_range(name: str, values: NDArray[np.float64]) -> None:
    _refuse(name, values, ~np.isfinite(values), "finite numbers")
    if name in NEVER_NEGATIVE:
        _refuse(name, values, values < 0, "numbers of at least 0")
    if name in BETAS:
        _refuse(name, values, (values < 0) | (values >= 1), "numbers from 0 to below 1")


def _refuse(name: str, values: NDArray[np.float64], wrong: NDArray[np.bool_], needed: str) -> None:
    if wrong.any():
        step = int(wrong.argmax())
        raise TaskError(
            f"{GIVEN_IN} makes {name}={values[step]:g} at step {step}: pass a schedule of {needed}."
        )
