"""A check of the edge: how far along the real update direction does the loss keep below its start?

After a few updates at a rate that is safely low, one more gives the direction the optimizer
really moves in, momentum and preconditioning included. Along it only forward passes are needed:
the rate at which the loss of the same batch comes back to where it was is the critical rate of
Kalra & Barkeshli (arXiv:2301.04653; as a sharpness, 2 / rate). It sees the edge where training
stands, without the ramp of a range test; but one batch and one step tell less than a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from etastar.tasks import Task
from etastar.training.live import FORWARD_COST, LiveTask, living

WARM_STEPS = 4
"""Updates before the direction is taken: an optimizer's moments need a few."""

LOW_OCTAVES = 6.0
"""How far below the range test's edge they are made."""

REACH_OCTAVES = 5.0
"""How far to either side of the range test's edge the critical rate is looked for."""

WANTED_OCTAVES = 0.25


def critical_rate(task: Task, near: float, seed: int) -> tuple[float | None, float]:
    """The rate at which one update no longer lowers the loss of its own batch.

    Args:
        task: to look at; left as it was.
        near: where a range test lost its footing.
        seed: as for the range test.

    Returns:
        The critical rate, or None where there is none within reach or the task has no model to
        evaluate; and what looking cost, in sample gradients.
    """
    if task.step is not None:
        return None, 0.0
    with living(task) as live:
        live.begin(seed)
        low = near / 2**LOW_OCTAVES
        for _ in range(WARM_STEPS):
            if not math.isfinite(live.step(low)):
                return None, live.sample_gradients
        return _along(live, low, math.log2(near))


def _along(live: LiveTask, low: float, near: float) -> tuple[float | None, float]:
    parts, judge = live.parts, live.parts.judge
    if judge is None:
        return None, live.sample_gradients
    before = [parameter.detach().clone() for parameter in parts.parameters()]
    live.step(low)
    batches = live.given
    step = [now.detach() - then for now, then in zip(parts.parameters(), before, strict=True)]
    per_forward = (live.sample_gradients / (WARM_STEPS + 1)) * FORWARD_COST
    passes = 0

    def loss(rate: float) -> float:
        nonlocal passes
        passes += 1
        with torch.no_grad():
            for parameter, then, move in zip(parts.parameters(), before, step, strict=True):
                parameter.copy_(then + move * (rate / low))
            with judge.autocast():
                total = sum(float(judge.loss(batch)) for batch in batches)
        return total / len(batches)

    found = _crossing(loss, near)
    return found, live.sample_gradients + passes * per_forward


def _crossing(loss: Callable[[float], float], near: float) -> float | None:
    """Bisect for the rate at which the loss is back at its start.

    Returns:
        The rate, or None where the loss does not fall at all, or does not come back, within reach.
    """
    start = loss(0.0)
    low, high = near - REACH_OCTAVES, near + REACH_OCTAVES
    if not loss(2.0**low) < start or loss(2.0**high) < start:
        return None
    while high - low > WANTED_OCTAVES:
        middle = (low + high) / 2
        if loss(2.0**middle) < start:
            low = middle
        else:
            high = middle
    return 2.0 ** ((low + high) / 2)
