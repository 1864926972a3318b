"""Settings of a task: written at every begin, ratios kept, all of it undone afterwards."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from tests.tasks.parts import linear, pairs, task, train
from torch import nn

import etastar as es
from etastar.errors import TaskError
from etastar.tasks.settings import settings_of
from etastar.training.live import living
from etastar.training.settings import apply_settings


def groups(kind: Any, *settings: dict[str, Any], **common: Any) -> torch.optim.Optimizer:
    own = [{"params": nn.Linear(1, 1).parameters(), **one} for one in settings]
    return kind(own, lr=0.1, **common)


# --- what the numbers become -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "given", "expected"),
    [
        ([0.1], 0.3, [0.3]),
        ([0.0], 0.3, [0.3]),
        ([0.1, 0.0], 0.3, [0.3, 0.0]),
        ([0.0, 0.1], 0.3, [0.0, 0.3]),
        ([0.1, 0.2], 0.3, [0.3, 0.6]),
        ([0.0, 0.0], 0.3, [0.3, 0.3]),
        ([0.1, 0.2, 0.0], 0.0, [0.0, 0.0, 0.0]),
    ],
)
def test_groups_keep_their_ratios_and_those_at_zero_stay(
    own: list[float], given: float, expected: list[float]
) -> None:
    optimizer = groups(torch.optim.SGD, *({"weight_decay": value} for value in own))
    apply_settings([optimizer], {"weight_decay": given})
    assert [g["weight_decay"] for g in optimizer.param_groups] == pytest.approx(expected)


def test_one_optimizer_of_two_may_have_the_setting() -> None:
    adam, sgd = groups(torch.optim.Adam, {}), groups(torch.optim.SGD, {}, momentum=0.9)
    apply_settings([adam, sgd], {"momentum": 0.5, "beta2": 0.9})
    assert adam.param_groups[0]["betas"] == (0.9, 0.9)
    assert sgd.param_groups[0]["momentum"] == 0.5


KINDS: dict[str, tuple[Any, dict[str, float]]] = {
    "SGD": (torch.optim.SGD, {"momentum": 0.8, "weight_decay": 0.1, "dampening": 0.2}),
    "Adam": (torch.optim.Adam, {"beta1": 0.8, "beta2": 0.95, "eps": 1e-4, "weight_decay": 0.1}),
    "AdamW": (torch.optim.AdamW, {"beta1": 0.8, "weight_decay": 0.0}),
    "NAdam": (torch.optim.NAdam, {"beta2": 0.9, "momentum_decay": 0.01}),
    "RAdam": (torch.optim.RAdam, {"beta1": 0.8, "eps": 1e-4}),
    "Adamax": (torch.optim.Adamax, {"beta1": 0.8, "beta2": 0.9}),
    "RMSprop": (torch.optim.RMSprop, {"alpha": 0.9, "momentum": 0.5, "eps": 1e-4}),
    "Adagrad": (torch.optim.Adagrad, {"lr_decay": 0.1, "weight_decay": 0.1}),
    "Adadelta": (torch.optim.Adadelta, {"rho": 0.8, "eps": 1e-4}),
    "LBFGS": (torch.optim.LBFGS, {"max_iter": 3, "max_eval": 3}),
}


@pytest.mark.parametrize(("kind", "settings"), KINDS.values(), ids=KINDS.keys())
def test_a_setting_trains_like_an_optimizer_built_with_it(
    kind: Any, settings: dict[str, float]
) -> None:
    built = dict(settings)
    if "beta1" in built or "beta2" in built:
        default = groups(kind, {}).param_groups[0]["betas"]
        built["betas"] = (built.pop("beta1", default[0]), built.pop("beta2", default[1]))
    by_hand = task(optimizer=lambda params: kind(params, lr=0.1, **built))
    by_setting = task(optimizer=lambda params: kind(params, lr=0.1), settings=settings)
    plain = task(optimizer=lambda params: kind(params, lr=0.1))
    expected = train(by_hand).curve.losses
    assert np.array_equal(train(by_setting).curve.losses, expected)
    assert not np.array_equal(train(plain).curve.losses, expected)


def test_numbers_in_tensors_and_whole_counts_keep_their_kind() -> None:
    optimizer = groups(torch.optim.LBFGS, {})
    group = optimizer.param_groups[0]
    group["tolerance_grad"] = before = torch.tensor(1e-7, dtype=torch.float64)
    apply_settings([optimizer], {"max_iter": 5.0, "tolerance_grad": 1e-3})
    assert type(group["max_iter"]) is int
    assert group["max_iter"] == 5
    assert group["tolerance_grad"].dtype == torch.float64
    assert group["tolerance_grad"].item() == 1e-3
    assert before.item() == 1e-7  # what was there is not written into


# --- undone ------------------------------------------------------------------------------------


def test_an_instance_comes_back_with_its_own_settings() -> None:
    model = linear()
    optimizer = torch.optim.AdamW(
        [
            {"params": [model.weight], "weight_decay": 0.3},
            {"params": [model.bias], "weight_decay": 0.0, "betas": (0.5, 0.6)},
        ],
        lr=0.1,
    )
    before = copy.deepcopy([{**g, "params": len(g["params"])} for g in optimizer.param_groups])
    given = {"weight_decay": 0.1, "beta1": 0.8, "eps": 1e-3}
    made = task(model=model, optimizer=optimizer, settings=given)
    with living(made) as live:
        for seed in (0, 1):  # set anew from the start at every begin
            live.begin(seed)
            live.step(0.1)
            assert [g["weight_decay"] for g in optimizer.param_groups] == [0.1, 0.0]
            assert optimizer.param_groups[1]["betas"] == (0.8 * 0.5 / 0.9, 0.6)
    assert [{**g, "params": len(g["params"])} for g in optimizer.param_groups] == before


def test_a_step_task_takes_settings_too() -> None:
    net = linear()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def step(batch: Any) -> torch.Tensor:
        seen.append(optimizer.param_groups[0]["momentum"])
        optimizer.zero_grad()
        loss = (net(batch[0]) - batch[1]).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    seen: list[float] = []
    made = es.Task.from_step(step, state=[net], optimizers=optimizer, train=pairs(), steps=3)
    train(made.with_settings({"momentum": 0.7}), steps=3)
    assert seen == [0.7] * 3
    assert optimizer.param_groups[0]["momentum"] == 0


# --- tasks are values --------------------------------------------------------------------------


def test_further_settings_win_over_those_before_and_the_first_task_keeps_its_own() -> None:
    first = task(settings={"momentum": 0.5, "weight_decay": 1})
    second = first.with_settings({"momentum": np.float32(0.25)})
    assert first.settings == {"momentum": 0.5, "weight_decay": 1.0}
    assert second.settings == {"momentum": 0.25, "weight_decay": 1.0}
    assert pickle.loads(pickle.dumps(second.settings)) == second.settings


def test_a_task_at_other_steps_has_its_shape_resized() -> None:
    made = task(steps=None, schedule=es.schedules.Cosine(steps=100, warmup_steps=10))
    shorter = made.with_steps(20)
    assert (shorter.horizon, shorter.shape.steps) == (20, 20)
    assert shorter.shape == made.shape.resized(20)
    assert task(steps=None, epochs=3).with_steps(7).horizon == 7
    with pytest.raises(TaskError, match="whole number"):
        made.with_steps(0)


def test_what_can_be_set_is_listed_with_its_values() -> None:
    assert settings_of([groups(torch.optim.Adadelta, {"weight_decay": 0.0}, {"rho": 0.5})]) == {
        "rho": 0.9,
        "eps": 1e-6,
        "weight_decay": 0.0,
    }
    assert "beta1" in settings_of([groups(torch.optim.Adam, {})])
    assert "nesterov" not in settings_of([groups(torch.optim.SGD, {})])


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"lr": 0.1}, "rates as rates"),
        ({"weight_decay": float("nan")}, "finite number"),
        ({"weight_decay": float("inf")}, "finite number"),
        ({"weight_decay": "much"}, "finite number"),
        ({"weight_decay": True}, "finite number"),
        ({"weight_decay": -0.1}, "at least 0"),
        ({"beta2": 1.0}, "below 1"),
        ({3: 1.0}, "names as text"),
        ([("momentum", 0.9)], "pass a mapping"),
    ],
)
def test_what_is_no_setting_is_refused_at_once(settings: Any, named: str) -> None:
    with pytest.raises(TaskError, match=named):
        task(settings=settings)


@pytest.mark.parametrize(
    ("kind", "settings", "named"),
    [
        (torch.optim.Adam, {"momentum": 0.9}, "here it is called 'beta1'"),
        (torch.optim.SGD, {"beta1": 0.9}, "here it is called 'momentum'"),
        (torch.optim.Adam, {"betas": 0.9}, "here it is called 'beta1'"),
        (torch.optim.SGD, {"weight_decy": 0.1}, "did you mean 'weight_decay'"),
        (torch.optim.SGD, {"rho": 0.1}, "it has dampening, momentum, weight_decay"),
        (torch.optim.SGD, {"nesterov": 1.0}, "SGD does not have"),
        (torch.optim.Adagrad, {"initial_accumulator_value": 1.0}, "Adagrad does not have"),
        (torch.optim.LBFGS, {"max_iter": 2.5}, "whole number"),
    ],
)
def test_an_optimizer_without_the_setting_is_refused_before_step_1(
    kind: Any, settings: dict[str, float], named: str
) -> None:
    model = linear()
    with pytest.raises(TaskError, match=named):  # an instance: when the task is made
        task(model=model, optimizer=kind(model.parameters(), lr=0.1), settings=settings)
    batches: list[Any] = []
    built = task(
        optimizer=lambda params: kind(params, lr=0.1),
        settings=settings,
        criterion=lambda output, target: batches.append(target),
    )
    with pytest.raises(TaskError, match=named):  # a factory: when it builds
        train(built)
    assert not batches


def test_a_beta_whose_ratio_carries_a_group_past_1_is_refused_and_nothing_written() -> None:
    optimizer = groups(torch.optim.Adam, {"betas": (0.8, 0.9)}, {"betas": (0.95, 0.9)})
    with pytest.raises(TaskError, match=r"beta1=1\.0"):
        apply_settings([optimizer], {"eps": 1.0, "beta1": 0.9})
    assert optimizer.param_groups[0]["eps"] == 1e-8
