"""compat.torch equals the installed torch, over the whole run and 20 % past its end."""

import math

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from etastar.errors import ScheduleError
from etastar.schedules import compat

LR = 0.3

# name, arguments, steps to run past which a fifth more is run
CASES = [
    ("StepLR", {"step_size": 30, "gamma": 0.3}, 100),
    ("StepLR", {"step_size": 1, "gamma": 0.9}, 50),
    ("MultiStepLR", {"milestones": [10, 40, 40, 80], "gamma": 0.5}, 100),
    ("ConstantLR", {"factor": 0.25, "total_iters": 20}, 40),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 50}, 50),
    ("LinearLR", {}, 10),
    ("ExponentialLR", {"gamma": 0.97}, 200),
    ("PolynomialLR", {"total_iters": 80, "power": 2.0}, 80),
    ("CosineAnnealingLR", {"T_max": 100, "eta_min": 0.01}, 100),
    ("CosineAnnealingLR", {"T_max": 1000}, 2500),
    ("CosineAnnealingWarmRestarts", {"T_0": 17, "eta_min": 0.001}, 100),
    ("CosineAnnealingWarmRestarts", {"T_0": 10, "T_mult": 2}, 300),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 3}, 1000),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 1.0, "step_size_up": 20}, 100),
    (
        "CyclicLR",
        {
            "base_lr": 0.01,
            "max_lr": 1.0,
            "step_size_up": 7,
            "step_size_down": 13,
            "mode": "triangular2",
        },
        150,
    ),
    (
        "CyclicLR",
        {"base_lr": 0.0, "max_lr": 1.0, "step_size_up": 20, "mode": "exp_range", "gamma": 0.99},
        150,
    ),
]


def optimizer(lr: float = LR) -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)


def drive(scheduler, opt, steps: int, key: str = "lr") -> np.ndarray:
    """The value update t is made with, for t = 0 … steps−1."""
    values = []
    for _ in range(steps):
        values.append(opt.param_groups[0][key])
        opt.step()
        scheduler.step()
    return np.array(values)


@pytest.mark.parametrize(("name", "arguments", "steps"), CASES)
def test_equals_torch_at_every_step(name, arguments, steps):
    opt = optimizer()
    theirs = drive(getattr(lr_scheduler, name)(opt, **arguments), opt, math.ceil(1.2 * steps))
    own = {} if name == "CyclicLR" else {"lr": LR}
    ours = getattr(compat.torch, name)(steps=steps, **own, **arguments)
    np.testing.assert_allclose(ours(np.arange(len(theirs))), theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize("anneal_strategy", ["cos", "linear"])
@pytest.mark.parametrize("total_steps", [3, 10, 101, 1000])
def test_one_cycle_equals_torch_up_to_its_extra_step_and_raises_after(
    total_steps, anneal_strategy, three_phase
):
    arguments = {
        "max_lr": 0.7,
        "total_steps": total_steps,
        "anneal_strategy": anneal_strategy,
        "three_phase": three_phase,
    }
    opt = optimizer()
    scheduler = lr_scheduler.OneCycleLR(opt, **arguments)
    lrs, momenta = [], []
    for _ in range(total_steps + 1):
        lrs.append(opt.param_groups[0]["lr"])
        momenta.append(opt.param_groups[0]["momentum"])
        opt.step()
        if len(lrs) <= total_steps:
            scheduler.step()
    ours = compat.torch.OneCycleLR(**arguments)
    steps = np.arange(total_steps + 1)
    np.testing.assert_allclose(ours(steps), lrs, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.momentum()(steps), momenta, rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="Tried to step"):
        scheduler.step()
    with pytest.raises(ScheduleError, match="torch raises there"):
        ours(total_steps + 1)


@pytest.mark.parametrize("mode", ["triangular", "triangular2", "exp_range"])
def test_cyclic_momentum_equals_torch(mode):
    arguments = {
        "base_lr": 0.1,
        "max_lr": 0.5,
        "step_size_up": 9,
        "step_size_down": 4,
        "mode": mode,
        "gamma": 0.98,
    }
    opt = optimizer()
    theirs = drive(lr_scheduler.CyclicLR(opt, **arguments), opt, 60, key="momentum")
    ours = compat.torch.CyclicLR(steps=50, **arguments).momentum()
    np.testing.assert_allclose(ours(np.arange(60)), theirs, rtol=0, atol=1e-12)


def test_sequential_of_torch_is_our_join():
    opt = optimizer()
    parts = [
        lr_scheduler.LinearLR(opt, start_factor=0.1, total_iters=10),
        lr_scheduler.CosineAnnealingLR(opt, T_max=40),
    ]
    theirs = drive(lr_scheduler.SequentialLR(opt, parts, milestones=[10]), opt, 60)
    torch_like = compat.torch
    ours = torch_like.LinearLR(lr=LR, start_factor=0.1, total_iters=10) >> (
        torch_like.CosineAnnealingLR(lr=LR, T_max=40)
    )
    np.testing.assert_allclose(ours(np.arange(50)), theirs[:50], rtol=0, atol=1e-12)
    parts_alike = (ours.parts[0], ours.parts[1])
    alike = torch_like.SequentialLR(parts=parts_alike, milestones=(10,), steps=50)
    np.testing.assert_allclose(alike(np.arange(60)), theirs, rtol=0, atol=1e-12)
    # Past the end ours holds, also what torch would let climb: a join ends where it ends.
    assert ours(59) == pytest.approx(0.0, abs=1e-12)
    assert theirs[59] > 0.01


def test_chained_of_torch_is_our_product():
    opt = optimizer()
    parts = [
        lr_scheduler.ConstantLR(opt, factor=0.1, total_iters=10),
        lr_scheduler.ExponentialLR(opt, gamma=0.9),
    ]
    theirs = drive(lr_scheduler.ChainedScheduler(parts), opt, 60)
    ours = compat.torch.ConstantLR(factor=0.1, total_iters=10) * compat.torch.ExponentialLR(
        lr=LR, gamma=0.9, steps=50
    )
    np.testing.assert_allclose(ours(np.arange(60)), theirs, rtol=0, atol=1e-12)


def test_every_closed_form_class_of_torch_is_covered():
    closed = {
        name
        for name, cls in vars(lr_scheduler).items()
        if isinstance(cls, type) and "_get_closed_form_lr" in vars(cls)
    }
    assert closed
    assert closed <= {name for name, _, _ in CASES}
