"""Schedules of an optimizer's other numbers, followed through a trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch

from etastar.errors import TaskError
from etastar.schedules import Schedule
from etastar.tasks.other_schedules import NumberPath, number_paths
from etastar.tasks.settings import Change
from etastar.training.settings import write


class OtherSchedules:
    """The momentum, betas, weight decay or whatever else a trial schedules beside the rate.

    The groups' shares are those at the begin of the trial, so a schedule may pass through 0.
    Undoing what is written is the caller's.

    Args:
        optimizers: at the begin of the trial; a schedule moves every group that has the number.
        schedules: by name of the number; resized to `steps`.
        steps: the trial's horizon.
        standing: stay at the values of step 0.

    Raises:
        TaskError: an optimizer has no such number, or cannot take a value.

    Examples:
        >>> from etastar.schedules import OneCycle
        >>> optimizer = torch.optim.Adam(torch.nn.Linear(1, 1).parameters(), lr=0.1)
        >>> others = OtherSchedules([optimizer], {"beta1": OneCycle(steps=10).momentum()}, 10)
        >>> others.write(3)
        >>> optimizer.param_groups[0]["betas"]
        (0.85, 0.999)
    """

    def __init__(
        self,
        optimizers: Sequence[torch.optim.Optimizer],
        schedules: Mapping[str, Schedule],
        steps: int,
        *,
        standing: bool = False,
    ) -> None:
        made = number_paths(optimizers, schedules, steps) if schedules else []
        kept = 1 if standing else steps
        self._paths = [NumberPath(group, name, values[:kept]) for group, name, values in made]
        _check_rmsprop(optimizers, self._paths)

    def at(self, step: int) -> Iterator[Change]:
        """What the numbers become at a step; after the last one they stay."""
        for group, name, values in self._paths:
            yield Change(group, name, values[min(step, len(values) - 1)])

    def write(self, step: int) -> None:
        """Write the values of a step into the groups."""
        for change in self.at(step):
            write(change)


def _check_rmsprop(
    optimizers: Sequence[torch.optim.Optimizer], paths: Sequence[NumberPath]
) -> None:
    """RMSprop decides at its first update whether it will ever have momentum."""
    kinds = (o for o in optimizers if isinstance(o, torch.optim.RMSprop))
    held = [group for optimizer in kinds for group in optimizer.param_groups]
    for group, name, values in paths:
        late = name == "momentum" and values[0] == 0 and any(values)
        if late and any(group is other for other in held):
            raise TaskError(
                "other_schedules begins RMSprop's momentum at 0, and torch's RMSprop has none "
                "later unless it has some at its first update: begin above 0, at 1e-6 say."
            )
