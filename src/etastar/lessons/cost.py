"""What a step of a task costs, counted and not timed.

The same on every machine: what a lesson measures does not depend on how busy the machine was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.utils.flop_counter import FlopCounterMode

from etastar.training.live import living

if TYPE_CHECKING:
    from etastar.tasks import Task

_CALLS_SECONDS = 2e-3
_FLOPS_PER_SECOND = 4e9
"""Of one slow core: what is planned with it ends early on most machines."""


def seconds_per_step(task: Task, seed: int = 0) -> float:
    """A cautious guess of how long an update takes on one core, from its multiplications.

    Args:
        task: to look at; left as it was.
        seed: of the one update that is counted.

    Returns:
        Seconds.
    """
    with living(task) as live:
        live.begin(seed)
        with FlopCounterMode(display=False) as counted:
            live.step(1e-12 * live.rates.reference)
        return _CALLS_SECONDS + counted.get_total_flops() / _FLOPS_PER_SECOND
