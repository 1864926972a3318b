"""The edge along the update direction: known exactly where the loss is a parabola."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from etastar.finder.edge import critical_rate
from etastar.tasks import Task

CURVATURE = 4.0


class Parabola(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))

    def forward(self) -> torch.Tensor:
        return 0.5 * CURVATURE * (self.place**2).sum()


def parabola(optimizer: object = partial(torch.optim.SGD, lr=0.1), **changes: object) -> Task:
    parts = {
        "model": Parabola,
        "optimizer": optimizer,
        "loss": lambda model, batch: model(),
        "train": [torch.zeros(1)] * 10,
        "steps": 100,
        **changes,
    }
    return Task(**parts)  # type: ignore[arg-type]


@pytest.mark.parametrize("near", [0.05, 0.5, 6.0])
def test_gradient_descent_on_a_parabola_has_its_edge_at_two_over_the_curvature(near: float) -> None:
    rate, cost = critical_rate(parabola(), near, seed=0)
    assert rate == pytest.approx(2 / CURVATURE, rel=0.13)  # within an eighth of an octave and a bit
    assert 5 < cost < 12


def test_the_optimizers_own_direction_counts() -> None:
    # Adam moves by its rate whatever the slope: it is across at twice the distance to the bottom
    rate, _ = critical_rate(parabola(partial(torch.optim.Adam, lr=0.1)), 1.0, seed=0)
    assert rate == pytest.approx(2.0, rel=0.2)


def test_nothing_is_claimed_where_the_loss_does_not_come_back() -> None:
    falling = parabola(loss=lambda model, batch: -model.place.sum())
    assert critical_rate(falling, 0.1, seed=0)[0] is None


def test_a_task_with_a_step_of_its_own_is_left_alone() -> None:
    model = Parabola()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    task = Task.from_step(
        lambda batch: 1.0, state=[model], optimizers=optimizer, train=[0] * 5, steps=5
    )
    assert critical_rate(task, 0.1, seed=0) == (None, 0.0)


def test_the_callers_weights_come_back() -> None:
    model = Parabola()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    critical_rate(parabola(model=model, optimizer=optimizer), 0.5, seed=0)
    assert model.place.item() == 1.0
    assert not optimizer.state
