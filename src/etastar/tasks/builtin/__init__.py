"""The built-in tasks, on real data. Listing them loads neither torch nor data.

One file per family: `line`, `digits`, `tabular`, `cifar10`, `shakespeare`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from etastar.tasks.data.extras import needs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etastar.tasks.task import Task

_BUNDLED = "bundled with scikit-learn"
_FETCHED = "ETASTAR_DATA or download"


@dataclass(frozen=True)
class Builtin:
    """A built-in task by name; `task` builds it."""

    name: str
    summary: str
    function: str  # "module:name" below etastar.tasks.builtin
    data: str | None  # where its data comes from, None where it makes its own

    def task(self) -> Task:
        """Load torch and the data, and build the task. The global random state is not touched.

        Returns:
            A task with a factory for its model, so that a seed covers the initial weights.

        Raises:
            MissingDependencyError: torch, or a package the data needs, is not installed.
            MissingDataError: The data is absent and cannot be fetched.
        """
        module, _, function = self.function.partition(":")
        with needs("torch"):
            family = importlib.import_module(f"{__name__}.{module}")
        build = getattr(family, function)
        return build()


_ALL = (
    Builtin("line", "a straight line by gradient descent, stable up to 1.0", "line:line", None),
    Builtin("digits-mlp", "handwritten digits, two layers, momentum", "digits:mlp", _BUNDLED),
    Builtin("digits-cnn", "handwritten digits, convolutions, Adam", "digits:cnn", _BUNDLED),
    Builtin(
        "digits-autoencoder",
        "handwritten digits through eight numbers and back, Adam",
        "digits:autoencoder",
        _BUNDLED,
    ),
    Builtin(
        "diabetes-mlp", "a disease's progression, regression, Adam", "tabular:diabetes", _BUNDLED
    ),
    Builtin("cancer-mlp", "benign or malignant, Nesterov momentum", "tabular:cancer", _BUNDLED),
    Builtin("cifar10-cnn", "colour photographs, convolutions, momentum", "cifar10:cnn", _FETCHED),
    Builtin(
        "cifar10-resnet", "colour photographs, residual net, Nesterov", "cifar10:resnet", _FETCHED
    ),
    Builtin(
        "shakespeare-gpt", "plays by the letter, transformer, AdamW", "shakespeare:gpt", _FETCHED
    ),
)

BUILTIN: Mapping[str, Builtin] = MappingProxyType({builtin.name: builtin for builtin in _ALL})
"""Every built-in task by its name, from the smallest to the largest."""
