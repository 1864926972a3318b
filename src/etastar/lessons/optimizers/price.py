"""What an optimizer costs: the time of a step over SGD's, and the bytes it keeps per weight."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from etastar.lessons.optimizers.rivals import RIVALS
from etastar.records.lessons.optimizers import Price
from etastar.training.live import living

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from etastar.engine import Observer
    from etastar.tasks import Task

    Floats = NDArray[np.float64]

ROUNDS = 200
FEWEST_ROUNDS = 7
SECONDS = 8.0
"""All timings together take about so long, unless the fewest rounds take longer."""

_TINY = 1e-12
"""The rate of all steps: the weights stay where they are, and the work is the same."""


@dataclass(frozen=True)
class Prices:
    """What was timed: `pairs` steps of each optimizer, each beside one of SGD."""

    prices: tuple[Price, ...]
    pairs: int
    step_seconds: float  # with SGD, median
    parameters: int
    device: str


def measure(task: Task, *, seed: int, observer: Observer, rounds: int | None = None) -> Prices:
    """Time all optimizers in turn on one and the same model and batch.

    In every round each makes a step, another one first each time, beside one of SGD. The times of
    the two are divided, so that what else the machine does falls on both; SGD beside
    itself shows how much it does.

    Args:
        task: with any optimizer; left as it was.
        seed: of model and batch.
        observer: told that it begins.
        rounds: how many; by default as many as fit into `SECONDS`.

    Returns:
        Medians over the rounds.

    Raises:
        RuntimeError: the task has a step of its own.
    """
    observer.stage("timing all optimizers", [], 1)
    with living(task) as live:
        live.begin(seed)
        judge = live.parts.judge
        if judge is None:
            raise RuntimeError("a task with a step of its own has no model to time")
        weights = [p for p in live.parts.parameters() if p.requires_grad]
        batches = live.parts.draw(task.accumulate)

        def gradients() -> None:
            for weight in weights:
                weight.grad = None
            for batch in batches:
                with judge.autocast():
                    loss = judge.loss(batch)
                (loss / len(batches)).backward()

        clocks = [_Clock(make(weights, lr=_TINY), gradients) for make in RIVALS.values()]
        for clock in clocks:  # a first step makes the state, and is not timed
            clock.step()
        once = sum(sum(clock.step()) for clock in clocks)
        count = rounds or int(np.clip(SECONDS / (2 * once), FEWEST_ROUNDS, ROUNDS))
        times = _in_turn(clocks, count)
        numbers = sum(weight.numel() for weight in weights)
        whole = times.sum(axis=-1)  # (rounds, optimizers, 2)
        ratios = whole[..., 1] / whole[..., 0]
        updates = times[..., 1, 1] / times[..., 0, 1]
        return Prices(
            prices=tuple(
                Price(
                    optimizer=name,
                    step_ratio=float(np.median(ratios[:, i])),
                    step_low=float(np.quantile(ratios[:, i], 0.25)),
                    step_high=float(np.quantile(ratios[:, i], 0.75)),
                    update_ratio=float(np.median(updates[:, i])),
                    state_bytes=state_bytes(clocks[i].optimizer) / numbers,
                )
                for i, name in enumerate(RIVALS)
            ),
            pairs=count,
            step_seconds=float(np.median(whole[..., 0])),
            parameters=numbers,
            device=weights[0].device.type,
        )


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """The bytes of all tensors an optimizer keeps, counted from its state."""
    kept = [value for state in optimizer.state.values() for value in state.values()]
    return sum(t.numel() * t.element_size() for t in kept if isinstance(t, torch.Tensor))


class _Clock:
    """Times a step of one optimizer: the gradients, and the update."""

    def __init__(self, optimizer: torch.optim.Optimizer, gradients: Callable[[], None]) -> None:
        self.optimizer = optimizer
        self._gradients = gradients

    def step(self) -> tuple[float, float]:
        """Seconds of the gradients, and of the update."""
        began = _now()
        self._gradients()
        between = _now()
        self.optimizer.step()
        return between - began, _now() - between


def _in_turn(clocks: Sequence[_Clock], rounds: int) -> Floats:
    """Seconds of pairs of steps.

    Returns:
        (rounds, optimizers, 2, 2): SGD's step, then the optimizer's own; gradients and update.
    """
    times = np.empty((rounds, len(clocks), 2, 2))
    for turn in range(rounds):
        for place in range(len(clocks)):
            which = (turn + place) % len(clocks)
            pair = [clocks[0], clocks[which]]
            for side in (0, 1) if turn % 2 else (1, 0):  # the second finds warmer caches
                times[turn, which, side] = pair[side].step()
    return times


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()
