"""Learning rates as a multiplier path: one number moves all, ratios stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from etastar.tasks.checks import base_rates


class Rates:
    """The learning rates of one or more optimizers, moved by one number.

    "The" learning rate is that of the *reference group*: the first whose rate is not 0. Every
    other group keeps its ratio to it, and a group at 0 stays at 0. Where a torch scheduler is
    attached, its `initial_lr` counts, not the momentary rate. A rate held in a tensor is
    written in place.

    Args:
        optimizers: whose groups move together.

    Examples:
        >>> import torch
        >>> body, head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(
        ...     [{"params": body.parameters(), "lr": 0.01}, {"params": head.parameters()}], lr=0.1
        ... )
        >>> Rates([optimizer]).set(0.5)
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.5, 5.0]
    """

    def __init__(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        groups: list[dict[str, Any]] = [g for o in optimizers for g in o.param_groups]
        bases = base_rates(optimizers)
        self.reference = next(base for base in bases if base > 0)
        self.ratios = tuple(base / self.reference for base in bases)
        self._shares = list(zip(groups, self.ratios, strict=True))

    def set(self, lr: float) -> None:
        """Give the reference group rate `lr`, and every other group its share."""
        for group, ratio in self._shares:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(lr * ratio)
            else:
                group["lr"] = lr * ratio
