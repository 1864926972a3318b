"""Rates: one number moves all groups, and their ratios stay."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from etastar.errors import TaskError
from etastar.training.rates import Rates


def optimizer(*rates: Any, kind: Any = torch.optim.SGD, **options: Any) -> torch.optim.Optimizer:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    return kind(groups, lr=1.0, **options)


def rates_of(*optimizers: torch.optim.Optimizer) -> list[float]:
    return [float(group["lr"]) for o in optimizers for group in o.param_groups]


own = st.just(0.0) | st.floats(1e-12, 1e6)


@settings(deadline=None)  # machines are shared
@given(
    st.lists(own, min_size=1, max_size=5).filter(any), st.lists(st.floats(1e-12, 1e6), min_size=1)
)
def test_ratios_are_kept_however_often_the_rate_moves(
    bases: list[float], path: list[float]
) -> None:
    moved = optimizer(*bases)
    rates = Rates([moved])
    reference = next(base for base in bases if base > 0)
    for lr in path:
        rates.set(lr)
        now = rates_of(moved)
        assert now[bases.index(reference)] == lr
        for base, rate in zip(bases, now, strict=True):
            assert rate == pytest.approx(lr * (base / reference), rel=1e-12, abs=0)
            assert (rate == 0) == (base == 0)


def test_the_reference_is_the_first_group_that_moves() -> None:
    rates = Rates([optimizer(0.0, 0.02, 0.4)])
    assert rates.reference == 0.02
    assert rates.ratios == (0.0, 1.0, 20.0)


def test_several_optimizers_move_together() -> None:
    one, two = optimizer(0.1, 0.0), optimizer(0.01)
    Rates([one, two]).set(1.0)
    assert rates_of(one, two) == pytest.approx([1.0, 0.0, 0.1])


def test_a_rate_in_a_tensor_is_written_in_place() -> None:
    held = torch.tensor(0.1, dtype=torch.float64)
    moved = optimizer(held, 0.2, kind=torch.optim.Adam, foreach=False)
    Rates([moved]).set(0.5)
    assert moved.param_groups[0]["lr"] is held
    assert held.item() == 0.5
    assert moved.param_groups[1]["lr"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "scheduled",
    [
        lambda o: lr_scheduler.LinearLR(o, start_factor=1e-3, total_iters=10),
        lambda o: lr_scheduler.LambdaLR(o, lambda step: step / 10),  # begins at 0
        lambda o: lr_scheduler.LambdaLR(o, [lambda step: 0.0, lambda step: 1.0]),
    ],
)
def test_where_a_scheduler_is_attached_its_initial_rates_count(scheduled: Any) -> None:
    moved = optimizer(0.3, 0.03)
    scheduled(moved)
    rates = Rates([moved])
    assert rates.reference == 0.3
    rates.set(1.0)
    assert rates_of(moved) == pytest.approx([1.0, 0.1], rel=1e-12)


@pytest.mark.parametrize(
    ("bases", "words"),
    [
        ([0.0, 0.0], "every parameter group .* has learning rate 0"),
        ([0.1, math.nan], "at learning rate nan"),
        ([math.inf], "at learning rate inf"),
        ([-0.1], "at learning rate -0.1"),
        ([None], "without a learning rate"),
    ],
)
def test_groups_without_a_ratio_are_refused(bases: list[Any], words: str) -> None:
    broken = optimizer(*([1.0] * len(bases)))
    for group, base in zip(broken.param_groups, bases, strict=True):
        group["lr"] = base
    with pytest.raises(TaskError, match=words):
        Rates([broken])
