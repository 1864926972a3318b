"""Weight decay in pilots: a short run shrinks its weights as little as it is short.

Decoupled decay multiplies the weights by `1 - lr * wd` in every step, so over a run of T steps
it is `lr * wd * T` that says how far they shrink (Wang & Aitchison, How to set AdamW's weight
decay, arXiv:2405.13698). A pilot of h steps shrinks them like the full run where it trains with
`wd * T / h`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from etastar.engine import Engine, Lost, Observer
from etastar.records import Trial
from etastar.schedules import Schedule
from etastar.tasks import Task

DECAY = "weight_decay"

ALWAYS_DECOUPLED = frozenset({"AdamW", "Adafactor", "Lion", "Muon", "NAdamW", "SGDW"})
"""Optimizers by name that shrink weights apart from the gradient, whatever their groups say."""


def is_decoupled(optimizers: Iterable[Any]) -> bool:
    """Whether weight decay acts apart from the gradient's own step.

    Returns:
        True where all of the optimizers say so, by name or by `decoupled_weight_decay`.
    """
    chosen = list(optimizers)
    return bool(chosen) and all(
        type(optimizer).__name__ in ALWAYS_DECOUPLED
        or all(group.get("decoupled_weight_decay", False) for group in optimizer.param_groups)
        for optimizer in chosen
    )


def resembling(task: Task, decay: float, steps: int) -> Task:
    """The task whose pilot of so many steps shrinks its weights like the full run.

    Args:
        task: of the full horizon.
        decay: the weight decay of the full run.
        steps: the pilot's horizon.

    Returns:
        The task with `decay * horizon / steps`; as it was for a decay of 0.
    """
    return task.with_settings({DECAY: decay * task.horizon / steps}) if decay else task


class Resembling:
    """An engine whose trials shorter than the run decay as much as the run does.

    Args:
        engine: what trains them.
        decay: the weight decay of the full run.
    """

    def __init__(self, engine: Engine, decay: float) -> None:
        self._engine = engine
        self._decay = decay

    @property
    def name(self) -> str:
        """That of the engine behind it."""
        return self._engine.name

    def train(
        self,
        task: Task,
        lrs: Sequence[float],
        seeds: Sequence[int],
        steps: int,
        *,
        schedule: Schedule | None = None,
        lost: Lost | None = None,
        observer: Observer | None = None,
    ) -> list[Trial]:
        """Train the task with the decay that resembles its full run; see `Engine.train`.

        Returns:
            One trial per rate and seed, its `settings` holding the decay it trained with.
        """
        chosen = resembling(task, self._decay, steps)
        return self._engine.train(
            chosen, lrs, seeds, steps, schedule=schedule, lost=lost, observer=observer
        )
