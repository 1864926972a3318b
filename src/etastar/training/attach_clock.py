"""The clock of an attached schedule: the number of updates the optimizer has applied.

The optimizer itself reports them, through its public step hooks. A batch, a rank, an
accumulated gradient or an update that mixed precision skipped is none, so none of them moves
the schedule, however often the scheduler is stepped.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from torch.optim import Optimizer
    from torch.utils.hooks import RemovableHandle

    from etastar.training.attach import AttachedSchedule


class Clock:
    """Counts the updates of one optimizer, without keeping optimizer or schedule alive.

    Attributes:
        applied: updates applied so far, set freely when a state is loaded.
        groups: the list of parameter groups the schedule is bound to; loading an optimizer's
            state replaces the list, which is how that is noticed.
        count: how many groups it had then.
    """

    __slots__ = ("_handles", "_owner", "applied", "count", "groups")

    def __init__(self, owner: AttachedSchedule, optimizer: Optimizer) -> None:
        self.applied = 0
        self.groups: list[dict[str, Any]] | None = None
        self.count = 0
        self._owner = ref(owner)
        self._handles: tuple[RemovableHandle, ...] = (
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
        )

    def stop(self) -> None:
        """Take the hooks off the optimizer."""
        for handle in self._handles:
            handle.remove()

    def state_dict(self) -> dict[str, int]:
        """What a snapshot brings back."""
        return {"applied": self.applied}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go back to the number of updates in a state."""
        self.applied = state["applied"]

    def _before(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        # New groups and freshly loaded ones get their rate before the update, not after it.
        groups = optimizer.param_groups
        if groups is not self.groups or len(groups) != self.count:
            owner = self._owner()
            if owner is not None:
                owner.write()

    def _after(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        # Fused optimizers are stepped with the scaler's verdict and skip the update themselves.
        found_inf = optimizer.__dict__.get("found_inf")
        if found_inf is None or not found_inf.item():
            self.applied += 1


@contextmanager
def clocks_stopped(optimizers: Iterable[object]) -> Generator[None]:
    """Train optimizers without moving the schedules attached to them, or being moved by them.

    Yields:
        Nothing; afterwards the clocks hear their optimizers again.
    """
    kept: list[tuple[dict[int, Any], dict[int, Any]]] = []
    for optimizer in optimizers:
        for name in ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks"):
            hooks: dict[int, Any] = vars(optimizer).get(name, {})
            kept.append((hooks, dict(hooks)))
    try:
        for hooks, before in kept:
            for key, hook in before.items():
                if isinstance(getattr(hook, "__self__", None), Clock):
                    del hooks[key]
        yield
    finally:
        for hooks, before in kept:  # in the order they had
            hooks.clear()
            hooks.update(before)
