"""Sharpness against the Hessian itself, and limits against what optimizers really do."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

from etastar.lessons.regimes.limits import coupled_decay, preconditioner, stability, trained
from etastar.lessons.regimes.sharpness import DENSE, NoCurvatureError, sharpness
from etastar.training.live import Judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.optim import Optimizer


def judge_of(model: nn.Module) -> Judge:
    def loss(batch: Any) -> torch.Tensor:
        x, y = batch
        return nn.functional.mse_loss(model(x), y)

    return Judge(model, loss, nullcontext)


def batches(count: int = 3, width: int = 4) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(5)
    return [
        (torch.randn(8, width, generator=generator), torch.randn(8, 2, generator=generator))
        for _ in range(count)
    ]


def network(hidden: int) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, hidden), nn.Tanh(), nn.Linear(hidden, 2))


def largest_of_the_whole_hessian(model: nn.Module) -> float:
    """Formed entry by entry by another route: functional calls and autograd's own Hessian."""
    named = dict(model.named_parameters())
    sizes = [part.numel() for part in named.values()]

    def loss(flat: torch.Tensor) -> torch.Tensor:
        parts = {
            name: piece.view_as(part)
            for (name, part), piece in zip(named.items(), flat.split(sizes), strict=True)
        }
        losses = [
            nn.functional.mse_loss(torch.func.functional_call(model, parts, (x,)), y)
            for x, y in batches()
        ]
        return torch.stack(losses).mean()

    flat = torch.cat([part.detach().reshape(-1) for part in named.values()])
    whole = torch.autograd.functional.hessian(loss, flat)
    return float(torch.linalg.eigvalsh(whole)[-1])


@pytest.mark.parametrize("hidden", [1, 12])  # formed, and by Lanczos
def test_it_is_the_largest_eigenvalue_of_the_hessian(hidden: int) -> None:
    model = network(hidden)
    parameters = list(model.parameters())
    assert (sum(p.numel() for p in parameters) <= DENSE) == (hidden == 1)
    ones = [1.0] * len(parameters)
    value, vector = sharpness(
        judge_of(model),
        batches(),
        parameters,
        scale=ones,
        decay=[0.0] * len(parameters),
        check=True,
    )
    assert value == pytest.approx(largest_of_the_whole_hessian(model), rel=0.01)
    assert np.linalg.norm(vector) == pytest.approx(1.0)
    again, _ = sharpness(
        judge_of(model),
        batches(),
        parameters,
        scale=ones,
        decay=[0.5] * len(parameters),
        start=vector,
    )
    assert again == pytest.approx(value + 0.5, rel=0.01)


def test_measuring_disturbs_nothing() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, 2)
    )
    parameters = list(model.parameters())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    sharpness(judge_of(model), batches(), parameters, scale=[1.0] * 6, decay=[0.0] * 6, check=True)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert all(parameter.grad is None for parameter in parameters)
    assert model.training


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad * 2


class OnceModel(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return Once.apply(torch.tanh(super().forward(x)))  # type: ignore[no-any-return]


def test_what_cannot_be_differentiated_twice_is_said() -> None:
    model = OnceModel(4, 2)
    with pytest.raises(NoCurvatureError, match="where gradients change by"):
        sharpness(
            judge_of(model),
            batches(),
            list(model.parameters()),
            scale=[1, 1],
            decay=[0, 0],
            check=True,
        )


LARGE = 1e3
"""With so large an eps, the preconditioner of an adaptive optimizer is all but constant."""

NEAR = 1e-9
SETTLING = 300

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "gradient_descent": torch.optim.SGD,
    "heavy_ball": partial(torch.optim.SGD, momentum=0.9),
    "heavy_ball damped": partial(torch.optim.SGD, momentum=0.5, dampening=0.5),
    "nesterov": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
    "decay": partial(torch.optim.SGD, weight_decay=3.0),
    "adam": partial(torch.optim.Adam, eps=LARGE),
    "adamw": partial(torch.optim.AdamW, eps=LARGE, betas=(0.5, 0.99), weight_decay=0.0),
    "rmsprop": partial(torch.optim.RMSprop, eps=LARGE),
    "rmsprop with momentum": partial(torch.optim.RMSprop, eps=LARGE, momentum=0.9),
    "adagrad": partial(torch.optim.Adagrad, eps=LARGE),
}


def descend(make: Callable[..., Optimizer], lr: float, steps: int = 3000) -> tuple[float, Any]:
    """Minimise x² · 5/2 + y² · 1/2, curvatures 5 and 1, once the preconditioner has settled.

    Returns:
        The distance from the minimum at the end over that at the begin, and the optimizer.
    """
    place = nn.Parameter(torch.full((2,), NEAR, dtype=torch.float64))
    optimizer = make([place], lr=1e-6)
    for step in range(steps + SETTLING):
        if step == SETTLING:
            optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        (0.5 * (torch.tensor([5.0, 1.0]) * place**2).sum()).backward()
        optimizer.step()
        if place.abs().max() > 1e-2:  # before a preconditioner feels it
            break
    return float(place.detach().abs().max()) / NEAR, optimizer


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_the_limit_is_where_a_quadratic_diverges(make: Callable[..., Optimizer]) -> None:
    _, optimizer = descend(make, 1e-6, steps=0)
    kind = stability(optimizer)
    assert kind.factor is not None
    scale = preconditioner(optimizer, kind.rule)[0]
    curvature = 5.0 + coupled_decay(optimizer)[0]
    seen = float(torch.as_tensor(scale, dtype=torch.float64).expand(2)[0]) ** 2 * curvature
    edge = kind.factor / seen  # the rate whose limit is that sharpness
    below, _ = descend(make, 0.98 * edge)
    above, _ = descend(make, 1.02 * edge)
    assert below < 0.1
    assert above > 1e3


def test_adam_bears_38_over_the_rate() -> None:
    optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=0.1)
    assert stability(optimizer).factor == pytest.approx(38)


def test_adams_preconditioner_after_one_update_by_hand() -> None:
    place = nn.Parameter(torch.tensor([2.0, -8.0]))
    optimizer = torch.optim.Adam([place], lr=0.1, eps=1e-6)
    (0.5 * place.square()).sum().backward()  # its gradient is the place: 2, -8
    optimizer.step()
    (scale,) = preconditioner(optimizer, "adam")
    by_hand = (0.1 * (torch.tensor([2.0, 8.0]) + 1e-6)) ** -0.5  # 1 - 0.9, and √v̂ = |gradient|
    assert torch.as_tensor(scale).tolist() == pytest.approx(by_hand.tolist())


def test_groups_count_by_their_share_of_the_rate() -> None:
    model = network(2)
    first, second = model[0], model[2]  # type: ignore[index]
    optimizer = torch.optim.SGD(
        [{"params": first.parameters(), "lr": 0.1}, {"params": second.parameters(), "lr": 0.4}]
    )
    scale = preconditioner(optimizer, "gradient_descent")
    assert scale == pytest.approx([1.0, 1.0, 2.0, 2.0])
    assert len([p for group in optimizer.param_groups for p in trained(group)]) == len(scale)


def test_other_optimizers_have_no_known_limit() -> None:
    some = [nn.Parameter(torch.zeros(1))]
    for optimizer in (torch.optim.Adadelta(some), torch.optim.RMSprop(some, centered=True)):
        assert stability(optimizer).rule == "unknown"
        assert stability(optimizer).factor is None
