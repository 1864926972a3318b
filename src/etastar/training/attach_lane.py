"""One scheduled key of an optimizer: which groups it moves, by how much, and the writing of it.

A table of the schedule's next values is made in one array call; a step is then a look-up and
the writing. Rates held in tensors are written in place, their identity kept: compiled and
captured optimizer steps read them by address.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from etastar.errors import ScheduleError
from etastar.schedules import Schedule
from etastar.schedules.suggest import nearest

Group = dict[str, Any]

# Values looked ahead at a time: under a millisecond to make, and small.
_CHUNK = 4096


@dataclass(frozen=True)
class Slot:
    """Where a key lives in a parameter group: an entry, or a place in a tuple (`betas`)."""

    entry: str
    place: int | None = None

    @property
    def initial(self) -> str:
        """The group's entry that remembers the unscheduled value."""
        return f"initial_{self.entry}" + ("" if self.place is None else f"_{self.place}")

    def read(self, group: Group) -> Any:
        """The number or tensor in the group."""
        value = group[self.entry]
        return value if self.place is None else value[self.place]

    def write(self, group: Group, value: float) -> None:
        """Put a number into the group, into its tensor where it is one."""
        held = self.read(group)
        if isinstance(held, torch.Tensor):
            held.fill_(value)
        elif self.place is None:
            group[self.entry] = value
        else:
            items = group[self.entry]
            group[self.entry] = (*items[: self.place], value, *items[self.place + 1 :])


def slot_of(key: str, groups: Sequence[Group]) -> Slot:
    """Where the optimizer keeps `key`; momentum is Adam's β1 where there are betas.

    Returns:
        The slot, the same for all groups.

    Raises:
        ScheduleError: The optimizer has no such number.
    """
    first = groups[0]
    if key == "momentum" and "momentum" not in first and "betas" in first:
        slot = Slot("betas", 0)
    elif key in {"beta1", "beta2"} and "betas" in first:
        slot = Slot("betas", int(key == "beta2"))
    else:
        slot = Slot(key)
    for index, group in enumerate(groups):
        if slot.entry not in group:
            names = [name for name in group if name != "params"]
            raise ScheduleError(
                f"{key}= was given a schedule and parameter group {index} has no "
                f"{slot.entry!r}{nearest(slot.entry, names)}: schedule one of {', '.join(names)}."
            )
        held = slot.read(group)
        if isinstance(held, bool) or not isinstance(held, int | float | torch.Tensor):
            raise ScheduleError(
                f"{key}= was given a schedule and group {index} has {slot.entry}={held!r}: only "
                "numbers can be scheduled."
            )
    return slot


class Lane:
    """A key of the optimizer, its schedule or schedules, and each group's share.

    Args:
        key: The name it was attached by.
        schedules: One schedule for all groups, or one (or None) for each.
        relative: The schedule multiplies each group's own value; otherwise it is the value of
            the reference group, the first not at 0, and the others keep their ratio to it.
        shares: Multipliers per group in place of those ratios.
        groups: The optimizer's parameter groups.

    Raises:
        ScheduleError: A key the optimizer does not have, lists that do not fit its groups, or
            no group above 0.
    """

    def __init__(
        self,
        key: str,
        schedules: Schedule | Sequence[Schedule | None],
        groups: list[Group],
        *,
        relative: bool | None,
        shares: Sequence[float] | None = None,
    ) -> None:
        self.key = key
        self.slot = slot_of(key, groups)
        self.schedules = schedules if isinstance(schedules, Schedule) else tuple(schedules)
        self._relative = relative
        self._given_shares = None if shares is None else [float(share) for share in shares]
        for name, given in (("schedules", self.schedules), ("multipliers", shares)):
            if isinstance(given, Sequence) and len(given) != len(groups):
                raise ScheduleError(
                    f"{key}= was given {len(given)} {name} and the optimizer has {len(groups)} "
                    f"parameter groups: give one for each."
                )
        self._shares: list[float] = []
        self._adopt(groups)
        self.write: Callable[[int], None] = self._write_unbound

    @property
    def relative(self) -> bool:
        """Whether the schedule multiplies each group's own value."""
        if self._relative is not None:
            return self._relative
        return isinstance(self.schedules, Schedule) and self.schedules.ceiling == 1.0

    def value(self, index: int, t: int) -> float | None:
        """What group `index` has at step t; None for a group left alone."""
        if isinstance(self.schedules, Schedule):
            return self.schedules(t) * self._shares[index]
        schedule = self.schedules[index] if index < len(self.schedules) else None
        return None if schedule is None else schedule(t)

    def _write_unbound(self, t: int) -> None:
        raise ScheduleError(f"the schedule of {self.key} was stepped to {t} before it was bound.")

    def bind(self, groups: list[Group]) -> None:
        """Prepare `write` for these groups, which may be new, more, or of other types."""
        self._adopt(groups)
        self.write = self._writer(groups)

    def _adopt(self, groups: list[Group]) -> None:
        """Give every group not yet known its share."""
        slot = self.slot
        for group in groups:
            if slot.initial not in group:
                group[slot.initial] = self._initial(group, groups)
        if not isinstance(self.schedules, Schedule):
            return
        bases = [float(group[slot.initial]) for group in groups]
        for base in bases:
            if not math.isfinite(base) or base < 0:
                raise ScheduleError(
                    f"{self.key}= was given a schedule and a parameter group has {self.key} "
                    f"{base}: give every group a finite value of 0 or more."
                )
        unit = 1.0 if self.relative else next((base for base in bases if base > 0), 0.0)
        if unit == 0:
            raise ScheduleError(
                f"{self.key}= was given a schedule and every parameter group has {self.key} 0, "
                "so there is no ratio to keep: give at least one group a value above 0."
            )
        shares = [base / unit for base in bases]
        given = self._given_shares or []
        shares[: len(given)] = [
            share * (base if self.relative else 1.0)
            for share, base in zip(given, bases, strict=False)
        ]
        if self.key == "lr":  # the multiplier of layer-wise decay, by the name timm gave it
            scales = [float(group.get("lr_scale", 1.0)) for group in groups]
            shares = [share * scale for share, scale in zip(shares, scales, strict=True)]
        self._shares = shares

    def _initial(self, group: Group, groups: list[Group]) -> float:
        """A group's own value before any schedule."""
        # A group added later that took over the optimizer's default tensor shares it with an
        # older group, and the tensor holds a scheduled value already: the older one's counts.
        held = self.slot.read(group)
        if isinstance(held, torch.Tensor):
            for other in groups:
                if self.slot.initial in other and self.slot.read(other) is held:
                    return float(other[self.slot.initial])
        return float(held)

    def _writer(self, groups: list[Group]) -> Callable[[int], None]:
        if not isinstance(self.schedules, Schedule):
            pairs = zip(groups, self.schedules, strict=False)
            cells = [(group, schedule) for group, schedule in pairs if schedule is not None]
            return _separate(self.slot, cells)
        held = [self.slot.read(group) for group in groups]
        tensors = [value for value in held if isinstance(value, torch.Tensor)]
        if self.slot.place is None and not tensors:
            return _numbers(self.slot.entry, groups, self.schedules, self._shares)
        if len(tensors) == len(groups):
            self._unshare(groups)
            tensors = [self.slot.read(group) for group in groups]
            return _tensors(tensors, self.schedules, self._shares)
        return _mixed(self.slot, groups, self.schedules, self._shares)

    def _unshare(self, groups: list[Group]) -> None:
        """Give groups that hold one tensor in common, and need two values, a tensor each."""
        owners: dict[int, float] = {}
        for group, share in zip(groups, self._shares, strict=True):
            held = self.slot.read(group)
            if owners.setdefault(id(held), share) == share:
                continue
            own = held.detach().clone()
            items = group[self.slot.entry]
            place = self.slot.place
            group[self.slot.entry] = (
                own if place is None else (*items[:place], own, *items[place + 1 :])
            )


class Table:
    """A schedule's values at consecutive steps, made a chunk at a time."""

    __slots__ = ("_schedule", "_share")

    def __init__(self, schedule: Schedule, share: float = 1.0) -> None:
        self._schedule = schedule
        self._share = share

    def chunk(self, t: int) -> list[float]:
        """The values from step t on, as many as are looked ahead."""
        try:
            values = self._schedule(np.arange(t, t + _CHUNK, dtype=np.float64))
        except ScheduleError:  # a library's curve that stops: do not look past this step
            values = self._schedule(np.array([t], dtype=np.float64))
        return (values * self._share).tolist()

    def reader(self) -> Callable[[int], float]:
        """A function from the step to its value."""
        start, values = 0, self.chunk(0)

        def read(t: int) -> float:
            nonlocal start, values
            if not 0 <= t - start < len(values):
                start, values = t, self.chunk(t)
            return values[t - start]

        return read


def _numbers(
    entry: str, groups: list[Group], schedule: Schedule, shares: list[float]
) -> Callable[[int], None]:
    """Plain numbers, which is what nearly every optimizer has; the look-up is written out."""
    if len(set(shares)) > 1:
        read = Table(schedule).reader()
        cells = list(zip(groups, shares, strict=True))

        def write(t: int) -> None:
            value = read(t)
            for group, share in cells:
                group[entry] = value * share

        return write

    table = Table(schedule, shares[0])
    start, values = 0, table.chunk(0)
    if len(groups) == 1:
        group = groups[0]

        def write_one(t: int) -> None:
            nonlocal start, values
            if not 0 <= t - start < len(values):
                start, values = t, table.chunk(t)
            group[entry] = values[t - start]

        return write_one

    def write_same(t: int) -> None:
        nonlocal start, values
        if not 0 <= t - start < len(values):
            start, values = t, table.chunk(t)
        value = values[t - start]
        for group in groups:
            group[entry] = value

    return write_same


def _tensors(
    tensors: list[torch.Tensor], schedule: Schedule, shares: list[float]
) -> Callable[[int], None]:
    """Tensors only: those on the CPU become views of one array, written in one operation."""
    read = Table(schedule).reader()
    distinct = {id(tensor): (tensor, share) for tensor, share in zip(tensors, shares, strict=True)}
    cells = list(distinct.values())
    dtype = cells[0][0].dtype
    if not all(_is_plain(tensor) and tensor.dtype == dtype for tensor, _ in cells):

        def write_each(t: int) -> None:
            value = read(t)
            for tensor, share in cells:
                tensor.fill_(value * share)

        return write_each

    if len(cells) == 1:
        tensor, share = cells[0]
        view: Any = memoryview(cast("Any", tensor.detach().numpy().reshape(1)))

        def write_one(t: int) -> None:
            view[0] = read(t) * share

        return write_one

    joint = torch.stack([tensor.detach() for tensor, _ in cells])
    for index, (tensor, _) in enumerate(cells):
        tensor.data = joint[index]
    array: npt.NDArray[Any] = joint.numpy()
    if len({share for _, share in cells}) == 1:
        share = cells[0][1]

        def write_same(t: int) -> None:
            array.fill(read(t) * share)

        return write_same

    multipliers = np.array([share for _, share in cells])

    def write(t: int) -> None:
        np.multiply(multipliers, read(t), out=array, casting="same_kind")

    return write


def _is_plain(tensor: torch.Tensor) -> bool:
    """A single number on the CPU of a type NumPy has, whose memory nothing else moves."""
    return (
        type(tensor) is torch.Tensor
        and tensor.device.type == "cpu"
        and tensor.dim() == 0
        and tensor.dtype in {torch.float32, torch.float64}
        and not tensor.requires_grad
        and not tensor.is_shared()
    )


def _mixed(
    slot: Slot, groups: list[Group], schedule: Schedule, shares: list[float]
) -> Callable[[int], None]:
    """Numbers and tensors side by side, and places inside tuples."""
    read = Table(schedule).reader()
    cells = list(zip(groups, shares, strict=True))

    def write(t: int) -> None:
        value = read(t)
        for group, share in cells:
            slot.write(group, value * share)

    return write


def _separate(slot: Slot, cells: list[tuple[Group, Schedule]]) -> Callable[[int], None]:
    """A schedule of its own for each group; equal ones share a table."""
    readers = {schedule: Table(schedule).reader() for _, schedule in cells}
    pairs = [(group, readers[schedule]) for group, schedule in cells]

    def write(t: int) -> None:
        for group, read in pairs:
            slot.write(group, read(t))

    return write
