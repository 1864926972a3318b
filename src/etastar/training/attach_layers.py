"""Layer-wise decay: parameter groups whose rates fall towards the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from etastar.errors import ScheduleError


def layer_groups(
    layers: Sequence[torch.nn.Module | Sequence[torch.nn.Parameter]], decay: float
) -> list[dict[str, Any]]:
    """Parameter groups for an optimizer, one per layer, each with its `lr_scale`.

    The last layer has scale 1 and every layer before it `decay` times the next one's. `attach`
    multiplies the schedule with the scale, as timm's schedulers do. A parameter that two layers
    share belongs to the first of them.

    Args:
        layers: Modules or lists of parameters, from the input to the output.
        decay: The factor from one layer to the one before it, in (0, 1].

    Returns:
        The groups, in the order of the layers; layers without parameters are left out.

    Raises:
        ScheduleError: No layers, or `decay` outside (0, 1].

    References:
        Howard & Ruder, Universal Language Model Fine-tuning for Text Classification, 2018.
        arXiv:1801.06146

    >>> body, head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
    >>> [group["lr_scale"] for group in layer_groups([body, head], decay=0.5)]
    [0.5, 1.0]
    """
    if not layers:
        raise ScheduleError("layer_groups was given no layers: give the model's, input first.")
    if not 0 < decay <= 1:
        raise ScheduleError(
            f"layer_groups was given decay={decay}: it is the factor from a layer to the one "
            "before it, so give one in (0, 1]."
        )
    seen: set[int] = set()
    groups: list[dict[str, Any]] = []
    for depth, layer in enumerate(reversed(layers)):
        held = layer.parameters() if isinstance(layer, torch.nn.Module) else layer
        groups.append({"params": list(held), "lr_scale": decay**depth})
    groups.reverse()
    for group in groups:
        group["params"] = [p for p in group["params"] if not (id(p) in seen or seen.add(id(p)))]
    return [group for group in groups if group["params"]]
