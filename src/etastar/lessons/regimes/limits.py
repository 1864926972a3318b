"""How much sharpness each optimizer bears at a rate: linear stability on a quadratic.

| optimizer | sharpness of | limit |
|---|---|---|
| gradient descent | H | 2 / lr |
| with heavy-ball momentum β | H | 2 (1 + β) / lr |
| with Nesterov's momentum β | H | 2 (1 + β) / ((1 + 2β) lr) |
| Adam, AdamW | P⁻¹H, P = (1 − β₁ᵗ)(√v̂ + ε) | 2 (1 + β₁) / ((1 − β₁) lr), 38 / lr at β₁ = 0.9 |
| RMSprop, Adagrad | P⁻¹H, P = √v + ε | as gradient descent, or with its momentum |

References: Cohen et al., 2021. arXiv:2103.00065; Cohen et al., 2022. arXiv:2207.14484
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch.optim import Optimizer

    from etastar.records.lessons import StabilityRule


@dataclass(frozen=True)
class Stability:
    """What an optimizer's stability rests on.

    Attributes:
        rule: which row of the table; `unknown` where the optimizer is none of them, whose
            sharpness is then that of H, with no limit.
        factor: the limit times the rate; None where unknown.
    """

    rule: StabilityRule
    factor: float | None


def stability(optimizer: Optimizer) -> Stability:
    """The row of the table that an optimizer, or a class derived from its own, falls under."""
    group = optimizer.param_groups[0]
    if isinstance(optimizer, torch.optim.SGD):
        return _sgd(group)
    if isinstance(optimizer, torch.optim.Adam | torch.optim.AdamW):
        beta = float(group["betas"][0])
        return Stability("adam", 2 * (1 + beta) / (1 - beta))
    if isinstance(optimizer, torch.optim.RMSprop) and not group["centered"]:
        return Stability("rmsprop", 2 * (1 + float(group["momentum"])))
    if isinstance(optimizer, torch.optim.Adagrad) and group["lr_decay"] == 0:
        return Stability("adagrad", 2.0)
    return Stability("unknown", None)


def _sgd(group: Mapping[str, Any]) -> Stability:
    beta = float(group["momentum"])
    if beta == 0:
        return Stability("gradient_descent", 2.0)
    if group["nesterov"]:
        return Stability("nesterov", 2 * (1 + beta) / (1 + 2 * beta))
    return Stability("heavy_ball", 2 * (1 + beta) / (1 - float(group["dampening"])))


def preconditioner(optimizer: Optimizer, rule: StabilityRule) -> list[torch.Tensor | float]:
    """P^-½ for every trainable parameter, in the order of the groups, from the optimizer's state.

    A group whose rate is a multiple of the first one's has that multiple in P⁻¹.

    Returns:
        A tensor like the parameter, or a number that stands for all of it.
    """
    reference = next((float(g["lr"]) for g in optimizer.param_groups if float(g["lr"]) > 0), 1.0)
    scales: list[torch.Tensor | float] = []
    for group in optimizer.param_groups:
        ratio = float(group["lr"]) / reference
        for parameter in trained(group):
            state: Any = optimizer.state.get(parameter, {})
            scales.append(_scale(rule, group, state) * ratio**0.5)
    return scales


def coupled_decay(optimizer: Optimizer) -> list[float]:
    """The weight decay that the optimizer adds to the gradient, for every trainable parameter.

    Returns:
        0 where it is decoupled (AdamW): its pull is not preconditioned and counts for little.
    """
    return [
        0.0
        if isinstance(optimizer, torch.optim.AdamW) or group.get("decoupled_weight_decay")
        else float(group.get("weight_decay", 0.0))
        for group in optimizer.param_groups
        for _ in trained(group)
    ]


def trained(group: Mapping[str, Any]) -> list[torch.nn.Parameter]:
    """The parameters of a group that have a gradient."""
    return [parameter for parameter in group["params"] if parameter.requires_grad]


def _scale(
    rule: StabilityRule, group: Mapping[str, Any], state: Mapping[str, Any]
) -> torch.Tensor | float:
    if rule == "adam" and "exp_avg_sq" in state:
        steps = float(state["step"])
        beta1, beta2 = (float(beta) for beta in group["betas"])
        squares = state["max_exp_avg_sq"] if group.get("amsgrad") else state["exp_avg_sq"]
        root = (squares / (1 - beta2**steps)).sqrt()
        return ((1 - beta1**steps) * (root + float(group["eps"]))).rsqrt()
    if rule == "rmsprop" and "square_avg" in state:
        return (state["square_avg"].sqrt() + float(group["eps"])).rsqrt()
    if rule == "adagrad" and "sum" in state:
        return (state["sum"].sqrt() + float(group["eps"])).rsqrt()
    return 1.0
