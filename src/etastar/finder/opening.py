"""What is known of a task before any pilot: its parts, its loss untrained, what a step costs."""

from __future__ import annotations

import platform
from collections.abc import Sized
from dataclasses import dataclass
from importlib.metadata import version

import torch

from etastar.records import TaskSummary
from etastar.tasks import Task
from etastar.training.fingerprint import task_fingerprint
from etastar.training.live import living


@dataclass(frozen=True)
class Opening:
    """A task's summary and its loss at the weights every trial begins from."""

    summary: TaskSummary
    start_loss: float | None  # on the validation data; None for a task without them
    evaluation: float  # sample gradients one evaluation costs
    environment: dict[str, str]
    passes: float | None  # over the training data in the full run; None where they have no length


def open_task(task: Task, seed: int) -> Opening:
    """Look at a task without training it.

    Args:
        task: to look at; left as it was.
        seed: covers the initial weights where the model is a factory.

    Returns:
        What there is to know.
    """
    fingerprint = task_fingerprint(task)
    with living(task) as live:
        live.begin(seed)
        start = live.evaluate()
        held = [p for o in live.optimizers for g in o.param_groups for p in g["params"]]
        summary = TaskSummary(
            name=task.name,
            steps=task.horizon,
            schedule=task.shape,
            optimizer=", ".join(type(optimizer).__name__ for optimizer in live.optimizers),
            parameters=live.trainable,
            group_ratios=live.rates.ratios,
            objective="validation loss" if task.has_validation else "training loss",
            default_lr=live.rates.reference,
            fingerprint=fingerprint,
        )
        return Opening(
            summary=summary,
            start_loss=start,
            evaluation=live.sample_gradients,
            passes=_passes(task),
            environment={
                "etastar": version("etastar"),
                "torch": torch.__version__,
                "python": platform.python_version(),
                "machine": platform.machine(),
                "device": str(held[0].device),
                "threads": str(torch.get_num_threads()),
            },
        )


def _passes(task: Task) -> float | None:
    if not isinstance(task.train, Sized):
        return None
    return task.horizon * task.accumulate / max(len(task.train), 1)
