"""Learning rates as a multiplier path: one number moves all, ratios stay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from etastar.errors import TaskError


class Rates:
    """The learning rates of one or more optimizers, moved by one number.

    "The" learning rate is that of the *reference group*: the first whose rate is not 0. Every
    other group keeps its ratio to it, and a group at 0 stays at 0. Where a torch scheduler is
    attached, its `initial_lr` counts, not the momentary rate. A rate held in a tensor is
    written in place.

    Args:
        optimizers: whose groups move together.

    Raises:
        TaskError: every rate is 0, or one is negative or not finite.

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
        self._groups: list[dict[str, Any]] = [g for o in optimizers for g in o.param_groups]
        bases = [float(group.get("initial_lr", group["lr"])) for group in self._groups]
        for base in bases:
            if not math.isfinite(base) or base < 0:
                raise TaskError(
                    f"the optimizer has a parameter group at learning rate {base}: give every "
                    f"group a finite rate of at least 0."
                )
        moving = [base for base in bases if base > 0]
        if not moving:
            raise TaskError(
                "every parameter group of the optimizer has learning rate 0, so there is no "
                "ratio to keep: give at least one group a rate above 0."
            )
        self.reference = moving[0]
        self.ratios = tuple(base / self.reference for base in bases)

    def set(self, lr: float) -> None:
        """Give the reference group rate `lr`, and every other group its share."""
        for group, ratio in zip(self._groups, self.ratios, strict=True):
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(lr * ratio)
            else:
                group["lr"] = lr * ratio
