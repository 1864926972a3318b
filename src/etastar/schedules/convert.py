"""One of our schedules as code for another library, with the differences measured.

A conversion names the nearest equivalent, gives the line that makes it, and says what is not
the same: libraries disagree on the first step of a warmup, on the end and on what follows it.
Where there is no equivalent, it says so and gives the way that always works.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from etastar.errors import ScheduleError
from etastar.schedules.base import Schedule
from etastar.schedules.compat import Foreign
from etastar.schedules.diff import Difference, diff
from etastar.schedules.equivalents import keras, optax, timm, torch, transformers
from etastar.schedules.equivalents.code import Found, warmup_of

Library = Literal["torch", "transformers", "timm", "keras", "optax"]

_ANYWAY = {
    "torch": "etastar.attach(optimizer, lr=schedule)",
    "transformers": "Trainer(..., optimizers=(optimizer, etastar.attach(optimizer, lr=schedule)))",
    "timm": "etastar.attach(optimizer, lr=schedule)  # lr_scale of the groups is honoured",
    "keras": "keras.callbacks.LearningRateScheduler(lambda epoch, lr: schedule(epoch))",
    "optax": "lambda count: jnp.asarray(schedule(np.arange(schedule.steps + 1)))"
    "[jnp.minimum(count, schedule.steps)]",
}


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What a schedule is in another library.

    Attributes:
        library: The library.
        schedule: The nearest equivalent, with that library's own clock; None if there is none.
        code: The line that makes it there, or the way that works without an equivalent.
        notes: What is not the same, or why there is no equivalent.
        difference: The two in numbers.
    """

    library: Library
    schedule: Foreign | None
    code: str
    notes: tuple[str, ...]
    difference: Difference | None


def convert(schedule: Schedule, compat: Library) -> Conversion:
    """The nearest equivalent of a schedule in another library.

    Args:
        schedule: One of our schedules.
        compat: The library.

    Returns:
        The equivalent, the code, and what differs.

    Raises:
        ScheduleError: An unknown library.

    >>> from etastar.schedules import Cosine, WarmupStableDecay
    >>> done = convert(Cosine(steps=100, peak=0.1), "torch")
    >>> done.code
    'torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=100, eta_min=0.0)'
    >>> done.notes
    ('past step 100 it rises again, where ours holds',)
    >>> convert(WarmupStableDecay(steps=100, decay_steps=20), "torch").schedule is None
    True
    """
    if compat not in get_args(Library):
        raise ScheduleError(
            f"compat={compat!r} was given: choose one of {', '.join(get_args(Library))}."
        )
    found = _EQUIVALENTS[compat](schedule)
    if found is None:
        note = f"{compat} has no equivalent of {type(schedule).__name__}"
        if warmup_of(schedule) and _EQUIVALENTS[compat](_without_warmup(schedule)) is not None:
            note += " with a warmup"
        return Conversion(
            library=compat, schedule=None, code=_ANYWAY[compat], notes=(note,), difference=None
        )
    other, code = found
    measured = diff(schedule, other)
    return Conversion(
        library=compat,
        schedule=other,
        code=code,
        notes=_notes(schedule, other),
        difference=measured,
    )


def _notes(ours: Schedule, theirs: Foreign) -> tuple[str, ...]:
    tolerance = 1e-9 * max(ours.maximum, 1e-300)
    steps = np.arange(min(ours.steps, 100_000), dtype=np.float64)
    gap = np.abs(ours(steps) - theirs(steps))
    notes: list[str] = []
    if abs(ours(0) - theirs(0)) > tolerance:
        notes.append(f"the first update is made at {theirs(0):.3g}, where ours uses {ours(0):.3g}")
    if gap.max() > tolerance:
        at = int(gap.argmax())
        notes.append(f"during the run it is off by up to {gap.max():.3g}, at step {at}")
    try:
        later = theirs(np.arange(ours.steps, 2 * ours.steps + 2, dtype=np.float64))
    except ScheduleError:
        notes.append(f"it raises when stepped past step {ours.steps}, where ours holds")
        return tuple(notes)
    held = ours(ours.steps)
    if later.max() > held + tolerance:
        notes.append(f"past step {ours.steps} it rises again, where ours holds")
    elif np.abs(later - held).max() > tolerance:
        notes.append(f"past step {ours.steps} it goes on to {later[-1]:.3g}, where ours holds")
    return tuple(notes)


def _without_warmup(schedule: Schedule) -> Schedule:
    return replace(schedule, warmup_steps=0)


_EQUIVALENTS: dict[str, Callable[[Schedule], Found]] = {
    "torch": torch.equivalent,
    "transformers": transformers.equivalent,
    "timm": timm.equivalent,
    "keras": keras.equivalent,
    "optax": optax.equivalent,
}
