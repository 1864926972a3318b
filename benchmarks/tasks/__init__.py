"""The tasks that score the finder: what they are, and which half each belongs to.

Development tasks may be looked at while the finder is built; held-out tasks are scored once per
release and never tuned on (`SPLIT.md`). Importing this loads neither torch nor data.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from etastar.tasks import Task

FOLDER = Path(__file__).parent

Half = Literal["development", "held-out"]


@dataclass(frozen=True)
class BenchTask:
    """A task of the benchmark by name; `load` builds it."""

    name: str
    family: str  # tasks of one family resemble each other: calibration leaves out whole families
    half: Half
    spec: str  # what etastar.tasks.load_task takes, a file relative to this folder

    def load(self) -> Task:
        """Build the task, with its data."""
        from etastar.tasks import load_task

        path, _, name = self.spec.partition(":")
        return load_task(f"{FOLDER / path}:{name}" if name else self.spec)


ALL = (
    BenchTask("digits-mlp", "mlp", "development", "digits-mlp"),
    BenchTask("digits-autoencoder", "autoencoder", "development", "digits-autoencoder"),
    BenchTask("cancer-mlp", "tabular", "development", "cancer-mlp"),
    BenchTask("diabetes-mlp", "tabular", "development", "diabetes-mlp"),
    BenchTask("digits-1cycle", "cnn", "development", "digits.py:one_cycle"),
    BenchTask("digits-gru", "recurrent", "development", "digits.py:gru"),
    BenchTask("digits-finetune", "transfer", "development", "digits.py:finetune"),
    BenchTask("cifar-cnn", "cnn", "development", "cifar.py:cnn"),
    BenchTask("text-gpt", "language", "development", "text.py:gpt"),
    BenchTask("china-photo", "regression", "development", "photos.py:china"),
    BenchTask("quadratic", "analytic", "development", "analytic.py:quadratic"),
    BenchTask("digits-noisy-labels", "mlp", "held-out", "digits.py:noisy_labels"),
    BenchTask("cifar-autoencoder", "autoencoder", "held-out", "cifar.py:autoencoder"),
    BenchTask("diamonds-mlp", "tabular", "held-out", "tables.py:diamonds"),
    BenchTask("cifar-bn-cnn", "cnn", "held-out", "cifar.py:bn_cnn"),
    BenchTask("cifar-resnet", "cnn", "held-out", "cifar.py:resnet"),
    BenchTask("text-gru", "recurrent", "held-out", "text.py:gru"),
    BenchTask("text-lora", "transfer", "held-out", "text.py:lora"),
    BenchTask("text-gpt-wsd", "language", "held-out", "text.py:gpt_wsd"),
    BenchTask("flower-photo", "regression", "held-out", "photos.py:flower"),
    BenchTask("plateau", "analytic", "held-out", "analytic.py:plateau"),
)

BY_NAME = {task.name: task for task in ALL}
GROUPS = {
    "development": tuple(task.name for task in ALL if task.half == "development"),
    "held-out": tuple(task.name for task in ALL if task.half == "held-out"),
    "digits": ("digits-mlp", "digits-cnn"),
}


def chosen(names: str) -> list[BenchTask]:
    """Tasks by group or by names separated by commas; built-in names will do as well."""
    wanted = GROUPS.get(names) or tuple(names.split(","))
    return [BY_NAME.get(name, BenchTask(name, name, "development", name)) for name in wanted]
