"""Schedules on optimizers: `attach` gives back a torch `LRScheduler` that counts updates.

The schedule stays a value; what is attached holds the step and nothing that could drift. Its
state is the step and the schedules' specs, and on loading the two sides are compared.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import torch
from torch.optim.lr_scheduler import LRScheduler

from etastar.errors import ScheduleError
from etastar.schedules import Schedule, from_spec
from etastar.schedules.fields import coerce
from etastar.training.attach_clock import Clock
from etastar.training.attach_lane import Lane

OnChange = Literal["error", "keep", "new", "extend"]
Counts = Literal["updates", "calls"]
Schedules = Schedule | Sequence[Schedule | None]

_STATE_VERSION = 1
# Mixed precision may skip some updates in a row, never as many as this.
_IDLE_CALLS = 100


def attach(
    optimizer: torch.optim.Optimizer,
    *,
    lr: Schedules | None = None,
    momentum: Schedules | None = None,
    weight_decay: Schedules | None = None,
    multipliers: Sequence[float] | None = None,
    relative: bool | None = None,
    on_change: OnChange = "error",
    counts: Counts = "updates",
    **others: Schedules,
) -> AttachedSchedule:
    """Drive an optimizer's numbers along schedules.

    A schedule gives the value of the reference group, the first that is not at 0; every other
    group keeps its ratio to it, and a group at 0 stays at 0. A shape, whose stated peak is 1,
    multiplies each group's own value instead. A list gives each group a schedule of its own,
    or None to leave it alone.

    Call `step()` after the optimizer's, as with any scheduler of torch. It counts the updates
    the optimizer has applied: calling it too often, or after an update that mixed precision
    skipped, changes nothing. An optimizer that is fresh gets its first values now; one that
    was loaded keeps its values until the next update or `load_state_dict`.

    Args:
        optimizer: The optimizer; its `step` is left as it is.
        lr: Schedule of the learning rate, or one for each parameter group.
        momentum: Schedule of the momentum; for an optimizer with `betas`, of β1.
        weight_decay: Schedule of the weight decay.
        multipliers: The groups' shares of the `lr` schedule, in place of the ratio of their
            rates. A group's own `lr_scale` counts as well.
        relative: True to multiply each group's own value, False to take every schedule as the
            value itself; by its stated peak unless given.
        on_change: What loading a state with other schedules does. "error" refuses; "keep"
            takes the saved schedules; "new" takes these; "extend" continues the saved ones to
            the horizon of these, rewriting only what is still to come.
        counts: "updates" the optimizer reports, or "calls" of `step()`, for a plain count.
        **others: Schedules of any other number in the groups, `beta1` and `beta2` included.

    Returns:
        The scheduler.

    Raises:
        ScheduleError: No schedule, a number the optimizer does not have, or lists that do not
            fit its groups.

    >>> from etastar.schedules import Cosine
    >>> weight = torch.nn.Parameter(torch.zeros(1))
    >>> optimizer = torch.optim.SGD([weight], lr=0.1)
    >>> scheduler = attach(optimizer, lr=Cosine(steps=4, peak=0.5))
    >>> for _ in range(4):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.last_epoch, scheduler.get_last_lr()
    (4, [0.0])
    """
    named = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay} | others
    schedules = {key: value for key, value in named.items() if value is not None}
    return AttachedSchedule(
        optimizer,
        schedules,
        multipliers=multipliers,
        relative=relative,
        on_change=on_change,
        counts=counts,
    )


class AttachedSchedule(LRScheduler):
    """Schedules bound to an optimizer; made by `attach`.

    It is a torch `LRScheduler`, so what accepts one accepts it, and shares with that class its
    methods only: the base's constructor would wrap `optimizer.step` and overwrite the rates of
    a loaded optimizer.

    Raises:
        ScheduleError: See `attach`.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        schedules: dict[str, Schedules],
        *,
        multipliers: Sequence[float] | None = None,
        relative: bool | None = None,
        on_change: OnChange = "error",
        counts: Counts = "updates",
    ) -> None:
        if not isinstance(optimizer, torch.optim.Optimizer):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ScheduleError(
                f"a {type(optimizer).__name__} was given where schedules are attached to a "
                "torch.optim.Optimizer: give the optimizer itself."
            )
        _check_words(schedules, on_change, counts)
        self.optimizer = optimizer
        self.on_change: OnChange = on_change
        self.counts: Counts = counts
        fresh = not optimizer.state and not any("initial_lr" in g for g in optimizer.param_groups)
        self._relative = relative
        self._multipliers = None if multipliers is None else list(multipliers)
        self._lanes = self._laid(schedules)
        self._by_calls = counts == "calls"
        self._idle = 0
        self.last_epoch = -1
        self._step_count = 1  # Accelerate counts on it for accumulated batches; we do not
        self._clock = Clock(self, optimizer)
        self._bind()
        if fresh:
            self.write()
        else:  # bound before the next update, unless a state is loaded until then
            self._clock.groups = None

    @property
    def schedules(self) -> dict[str, Schedule | tuple[Schedule | None, ...]]:
        """The schedules in force, by the key they drive."""
        return {lane.key: lane.schedules for lane in self._lanes}

    def step(self, epoch: int | None = None) -> None:
        """Write the values of the next update; call it after the optimizer's step.

        Args:
            epoch: Go to this step instead, as a count of applied updates.
        """
        if epoch is not None:
            self._clock.applied = coerce("step()", "epoch", int, epoch)
        elif self._by_calls:
            self._clock.applied += 1
        t = self._clock.applied
        if t == self.last_epoch:
            self._complain_if_never_heard()
        else:  # groups that are new or newly loaded are bound before the optimizer's next step
            self.last_epoch = t
            self._write(t)

    def write(self) -> None:
        """Write the values of the current step into the optimizer, whatever is there."""
        self._bind()
        self.last_epoch = self._clock.applied
        self._write(self.last_epoch)

    def get_last_lr(self) -> list[float | torch.Tensor]:
        """The groups' current rates; tensors as copies."""
        rates = [group["lr"] for group in self.optimizer.param_groups]
        return [rate.clone() if isinstance(rate, torch.Tensor) else rate for rate in rates]

    def get_lr(self) -> list[float | torch.Tensor]:
        """The rates the schedule gives each group at the current step."""
        groups = self.optimizer.param_groups
        lane = next((lane for lane in self._lanes if lane.key == "lr"), None)
        rates = [
            None if lane is None else lane.value(i, self._clock.applied) for i in range(len(groups))
        ]
        return [
            float(group["lr"]) if rate is None else rate
            for group, rate in zip(groups, rates, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """The step and the schedules' specs, in plain Python types."""
        return {
            "etastar_scheduler": _STATE_VERSION,
            "step": self._clock.applied,
            "schedules": {lane.key: _spec(lane.schedules) for lane in self._lanes},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go to the saved step and write its values into the optimizer.

        Args:
            state_dict: What `state_dict` gave.

        Raises:
            ScheduleError: The state is none of ours, or was saved with other schedules and
                `on_change` does not say what to do.
        """
        step, saved = _read_state(state_dict)
        if saved != self.schedules:
            self._lanes = self._laid(self._resolved(saved, step))
        self._clock.applied = step
        self.write()

    def detach(self) -> None:
        """Leave the optimizer as it is now; `step()` no longer follows its updates."""
        self._clock.stop()

    def __getstate__(self) -> dict[str, Any]:
        return {
            "optimizer": self.optimizer,
            "schedules": self.schedules,
            "options": {
                "multipliers": self._multipliers,
                "relative": self._relative,
                "on_change": self.on_change,
                "counts": self.counts,
            },
            "step": self._clock.applied,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        AttachedSchedule.__init__(self, state["optimizer"], state["schedules"], **state["options"])
        self._clock.applied = state["step"]
        self.last_epoch = state["step"]

    def _laid(self, schedules: Mapping[str, Schedules]) -> list[Lane]:
        """A lane for each key; refused input leaves nothing behind in the groups."""
        groups = self.optimizer.param_groups
        before = [set(group) for group in groups]
        try:
            return [
                Lane(
                    key,
                    value,
                    groups,
                    relative=self._relative,
                    shares=self._multipliers if key == "lr" else None,
                )
                for key, value in schedules.items()
            ]
        except ScheduleError:
            for group, names in zip(groups, before, strict=True):
                for name in set(group) - names:
                    del group[name]
            raise

    def _write_all(self, t: int) -> None:
        for lane in self._lanes:
            lane.write(t)

    def _bind(self) -> None:
        groups = self.optimizer.param_groups
        for lane in self._lanes:
            lane.bind(groups)
        self._write = self._lanes[0].write if len(self._lanes) == 1 else self._write_all
        self._clock.groups, self._clock.count = groups, len(groups)
        self.base_lrs = [float(group.get("initial_lr", group["lr"])) for group in groups]

    def _complain_if_never_heard(self) -> None:
        self._idle += 1
        if self._idle == _IDLE_CALLS and self._clock.applied == 0:
            warnings.warn(
                f"step() was called {_IDLE_CALLS} times and the optimizer has reported no update, "
                "so the schedule stands at step 0. Call optimizer.step() before it, or attach "
                'with counts="calls" to count the calls.',
                stacklevel=3,
            )

    def _resolved(
        self, saved: dict[str, Schedule | tuple[Schedule | None, ...]], step: int
    ) -> dict[str, Schedule | tuple[Schedule | None, ...]]:
        """The schedules to go on with, where the saved ones are not these."""
        if self.on_change == "keep":
            return saved
        if self.on_change == "new":
            return self.schedules
        if self.on_change == "extend":
            return {key: _extended(key, old, self.schedules, step) for key, old in saved.items()}
        was, now = (_short(schedules) for schedules in (saved, self.schedules))
        raise ScheduleError(
            f"the state was saved with {was} and the scheduler has {now}: attach the saved "
            'schedules, or attach with on_change="keep" (the saved), "new" (these) or "extend" '
            "(the saved, to the new horizon)."
        )


def _check_words(schedules: dict[str, Schedules], on_change: str, counts: str) -> None:
    if not schedules:
        raise ScheduleError("attach was given no schedule: give lr=…, or another key's.")
    coerce("attach", "on_change", OnChange, on_change)
    coerce("attach", "counts", Counts, counts)
    for key, value in schedules.items():
        items = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
        for item in items:
            if item is not None and not isinstance(item, Schedule):
                raise ScheduleError(
                    f"attach was given {key}={item!r}: give a schedule such as "
                    f"schedules.Constant(steps=1000, peak=…), or a list of them."
                )


def _spec(schedules: Schedule | tuple[Schedule | None, ...]) -> Any:
    if isinstance(schedules, Schedule):
        return schedules.to_spec()
    return [None if schedule is None else schedule.to_spec() for schedule in schedules]


def _read_state(
    state: dict[str, Any],
) -> tuple[int, dict[str, Schedule | tuple[Schedule | None, ...]]]:
    version = state.get("etastar_scheduler")
    if not isinstance(version, int):
        raise ScheduleError(
            "the state was not saved by a scheduler of etastar: load the one state_dict() gave, "
            "or attach without loading and go to the step with scheduler.step(epoch)."
        )
    if version > _STATE_VERSION:
        raise ScheduleError(
            f"the state has version {version}, saved by a newer etastar, and this one reads up "
            f"to {_STATE_VERSION}: upgrade etastar."
        )
    step = coerce("the state", "step", int, state.get("step"))
    if step < 0:
        raise ScheduleError(f"the state holds step={step}: steps are counted from 0.")
    specs = cast("dict[str, Any]", state.get("schedules", {}))
    return step, {key: _from(spec) for key, spec in specs.items()}


def _from(spec: Any) -> Schedule | tuple[Schedule | None, ...]:
    if isinstance(spec, list):
        items = cast("list[Any]", spec)
        return tuple(None if item is None else from_spec(item) for item in items)
    return from_spec(spec)


def _extended(
    key: str,
    old: Schedule | tuple[Schedule | None, ...],
    now: dict[str, Schedule | tuple[Schedule | None, ...]],
    step: int,
) -> Schedule | tuple[Schedule | None, ...]:
    new = now.get(key)
    if isinstance(old, Schedule) and isinstance(new, Schedule):
        return old if old.steps == new.steps else old.extend(new.steps, at=step)
    if isinstance(old, tuple) and isinstance(new, tuple) and len(old) == len(new):
        pairs = zip(old, new, strict=True)
        return tuple(
            was
            if was is None or to is None or was.steps == to.steps
            else was.extend(to.steps, at=step)
            for was, to in pairs
        )
    raise ScheduleError(
        f'on_change="extend" was given for {key}, which is scheduled on one side only or for '
        'other groups: attach the same keys, or say on_change="keep" or "new".'
    )


def _short(schedules: dict[str, Schedule | tuple[Schedule | None, ...]]) -> str:
    return ", ".join(f"{key}={value}" for key, value in schedules.items())
