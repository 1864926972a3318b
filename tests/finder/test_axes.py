"""Other settings beside the rate: the best pair of a known problem, priors, refusals, costs."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tests.finder.tasks import batches, sgd, wave
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import etastar as es
from etastar.finder.axes import shares
from etastar.finder.axes_rules import rule
from etastar.finder.axes_tasks import at_value, with_warmup
from etastar.finder.axes_values import axes_of
from etastar.finder.resembling import is_decoupled, resembling
from etastar.records import Finding
from etastar.schedules import Cosine, LinearWarmup, OneCycle, WarmupStableDecay
from etastar.tasks.data.batches import ShuffledBatches

BEST_DECAY = 1.0


def ridge(decay: float = 16 * BEST_DECAY, **changes: Any) -> es.Task:
    """A linear fit from few noisy examples, whose best weight decay is known.

    True weights N(0, 1/15) and noise N(0, 1) ask for the ridge penalty 15 |w|^2 beside the sum
    of squares; over 30 examples that is a decay of 2 * 15 / 30 beside the mean.
    """
    generator = torch.Generator().manual_seed(3)

    def draw(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=generator)

    slope = draw(60) / 15**0.5

    def examples(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        x = draw(count, 60)
        return x, (x @ slope + draw(count)).unsqueeze(1)

    def model() -> nn.Module:
        net = nn.Linear(60, 1, bias=False)
        nn.init.zeros_(net.weight)
        return net

    parts: dict[str, Any] = {
        "model": model,
        "optimizer": lambda p: torch.optim.SGD(p, lr=0.01, weight_decay=decay),
        "train": [examples(30)],
        "valid": [examples(4000)],
        "criterion": nn.MSELoss(),
        "steps": 600,
        "name": "ridge",
    }
    return es.Task(**{**parts, **changes})


@pytest.fixture(scope="module")
def pair() -> Finding:
    tried = {"weight_decay": [BEST_DECAY]}
    return es.find(ridge(), also=tried, budget=1.0, progress=False)


def test_the_known_best_pair_is_found(pair: Finding) -> None:
    (axis,) = pair.also
    assert [one.value for one in axis.values] == [1.0, 16.0]
    assert axis.value == BEST_DECAY
    assert pair.settings == {"weight_decay": BEST_DECAY}
    best, own = axis.values
    assert own.excess == 0
    assert best.excess is not None
    assert best.excess < -(best.error or math.inf)
    assert best.better > 0.9


def test_no_full_run_near_it_ends_clearly_lower(pair: Finding) -> None:
    assert pair.lr is not None
    found = es_loss(ridge(BEST_DECAY), pair.lr)
    for decay in (BEST_DECAY / 2, BEST_DECAY, 4 * BEST_DECAY, 16 * BEST_DECAY):
        for factor in (0.25, 1.0, 2.0):
            assert es_loss(ridge(decay), pair.lr * factor) > 0.97 * found


def es_loss(task: es.Task, lr: float) -> float:
    from etastar.engine import Sequential

    (trial,) = Sequential().train(task, [lr], [0], task.horizon)
    return trial.final_loss if trial.measured else math.inf


def test_the_answer_is_at_the_value_found(pair: Finding) -> None:
    (axis,) = pair.also
    assert pair.lr == axis.chosen.lr
    assert pair.interval == axis.chosen.interval
    assert pair.schedule == Cosine(steps=600).scale(pair.lr or 0)
    assert "weight_decay=1" in pair.reason
    assert pair.lr is not None
    assert pair.lr <= max(trial.lr for trial in axis.chosen.trials)
    assert all(trial.settings == {"weight_decay": 1.0} for trial in axis.chosen.trials)
    assert Finding.from_json(pair.to_json()) == pair


def test_the_budget_holds_for_everything_together(pair: Finding) -> None:
    (axis,) = pair.also
    longest = max(t.sample_gradients for t in pair.trials) / (600 * 30)
    assert pair.budget == 1.0
    assert pair.cost <= 1.0 + longest
    assert axis.cost == pytest.approx(sum(one.cost for one in axis.values))
    assert 0 < axis.cost < pair.cost


def test_the_best_value_stays_where_it_is_the_tasks_own() -> None:
    found = es.find(ridge(BEST_DECAY), also={"weight_decay": [16.0]}, budget=0.8, progress=False)
    (axis,) = found.also
    assert axis.value == axis.own == BEST_DECAY
    assert "16 is expected to end" in axis.reason
    assert "above" in axis.reason
    assert found.settings == {"weight_decay": BEST_DECAY}


def test_pilots_begin_where_the_scaling_rule_says() -> None:
    found = es.find(wave(), also=["momentum"], budget=1.0, progress=False)
    (axis,) = found.also
    by_value = {one.value: one for one in axis.values}
    assert sorted(by_value) == [0.8, 0.9, 0.95]
    low, high = by_value[0.8], by_value[0.95]
    # rate / (1 - momentum) is constant: four times the gap, four times the rate
    assert low.trials[0].lr / high.trials[0].lr == pytest.approx(4.0)
    assert low.expected_lr == pytest.approx(2 * (by_value[0.9].lr or 0))


def test_the_rules() -> None:
    def octaves(name: Any, optimizer: str, own: float, value: float, decoupled: bool) -> float:
        return rule(name, optimizer, own, value, decoupled=decoupled).octaves

    assert octaves("batch_size", "SGD", 32, 64, False) == 1.0
    assert octaves("batch_size", "AdamW", 32, 128, True) == 1.0  # square root
    assert octaves("momentum", "SGD", 0.9, 0.95, False) == pytest.approx(-1.0)
    assert octaves("momentum", "Adam", 0.9, 0.95, False) == 0.0
    assert octaves("weight_decay", "AdamW", 0.1, 0.4, True) == -2.0
    assert octaves("weight_decay", "SGD", 1e-3, 5e-4, False) == 1.0
    assert octaves("weight_decay", "AdamW", 0.0, 0.1, True) == 0.0
    assert octaves("warmup", "AdamW", 0, 100, True) == 0.0


def adam(params: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(params, lr=1e-3)


def adamw(params: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(params, lr=1e-3, weight_decay=0.1)


def test_momentum_is_beta1_on_adam() -> None:
    (axis,) = axes_of(wave(optimizer=adam), ["momentum"], 0)
    assert (axis.name, axis.setting, axis.own) == ("momentum", "beta1", 0.9)
    changed = at_value(wave(optimizer=adam), axis.name, axis.setting, 0.8)
    assert changed.settings == {"beta1": 0.8}


@pytest.mark.parametrize(
    ("also", "message"),
    [
        (["weight_decai"], "did you mean 'weight_decay'"),
        ({"momentum": [1.0]}, "from 0 to below 1"),
        ({"momentum": [0.9]}, "the task's own and no other"),
        ({"weight_decay": [-1]}, "at least 0"),
        ({"weight_decay": ["much"]}, "finite numbers"),
        ({"weight_decay": [math.nan]}, "finite numbers"),
        ({"warmup": [400]}, "leave at least one step"),
        (["batch_size"], "cannot be batched anew"),
        (["momentum", "beta1"], "twice"),
        ([], "empty"),
        (3, "is a int"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(also: Any, message: str) -> None:
    with pytest.raises(es.errors.InputError, match=message):
        es.find(wave(), also=also, progress=False)


def test_settings_the_optimizer_lacks_are_refused() -> None:
    plain = wave(optimizer=lambda p: torch.optim.Adagrad(p, lr=0.1))
    with pytest.raises(es.errors.InputError, match="momentum, which Adagrad does not have"):
        axes_of(plain, ["momentum"], 0)


def test_a_schedule_without_a_warmup_to_change_is_refused() -> None:
    task = wave(schedule=OneCycle(steps=400))
    with pytest.raises(es.errors.InputError, match="OneCycle has no warmup_steps"):
        axes_of(task, ["warmup"], 0)


def test_a_warmup_changes_within_the_horizon() -> None:
    joined = LinearWarmup(steps=20) >> Cosine(steps=180)
    for shape in (Cosine(steps=200), WarmupStableDecay(steps=200, decay_steps=40), joined):
        for steps in (0, 10, 50):
            changed = with_warmup(shape, steps)
            assert changed.steps == 200
            assert changed(max(steps - 1, 0)) == pytest.approx(1.0)
            assert steps < 2 or changed(0) == pytest.approx(1 / steps)
    (axis,) = axes_of(wave(schedule=Cosine(steps=400)), {"warmup": [0.1, 20]}, 0)
    assert axis.values == (0.0, 20.0, 40.0)


def tensors() -> tuple[torch.Tensor, torch.Tensor]:
    x, y = zip(*batches(), strict=True)
    return torch.cat(x), torch.cat(y)


@pytest.mark.parametrize("loader", [True, False])
def test_another_batch_size_keeps_the_samples_of_the_run(loader: bool) -> None:
    data: Any = ShuffledBatches(*tensors(), size=16)
    if loader:
        data = DataLoader(TensorDataset(*tensors()), batch_size=16, shuffle=True, drop_last=True)
    task = wave(train=data, schedule=Cosine(steps=400, warmup_steps=40))
    (axis,) = axes_of(task, ["batch_size"], 0)
    assert axis.values == (8.0, 16.0, 32.0)
    larger = at_value(task, axis.name, axis.setting, 32)
    assert larger.horizon == 200
    assert larger.shape == Cosine(steps=200, warmup_steps=20)
    assert {len(x) for x, _ in larger.train} == {32}
    assert len(list(larger.train)) == 8
    assert {len(x) for x, _ in task.train} == {16}


def test_a_named_budget_grows_with_the_values_and_a_number_is_shared() -> None:
    axes = axes_of(wave(), ["momentum"], 0)
    assert shares(0.5, axes, named=True) == (0.5, 1.0)
    assert shares(0.5, axes, named=False) == (0.25, 0.5)
    assert shares(0.5, (), named=False) == (0.5, 0.5)


def test_pilots_with_decoupled_decay_shrink_their_weights_as_the_run_does() -> None:
    task = wave(optimizer=adamw)
    made = nn.Linear(2, 2)
    assert is_decoupled([adamw(made.parameters())])
    assert not is_decoupled([adam(made.parameters()), adamw(made.parameters())])
    assert not is_decoupled([sgd(made.parameters())])
    assert resembling(task, 0.1, 100).settings == {"weight_decay": pytest.approx(0.4)}
    found = es.find(task, also={"weight_decay": [0.2]}, budget=0.9, progress=False)
    (axis,) = found.also
    for one in axis.values:
        assert one.trials
        for trial in one.trials:
            shrunk = trial.settings["weight_decay"] * trial.steps
            assert shrunk == pytest.approx(one.value * 400)


def test_no_answer_leaves_the_settings_unseen() -> None:
    found = es.find(wave(steps=100), also=["momentum"], budget=0.05, progress=False)
    assert found.verdict == "no_answer"
    assert found.also == ()
    assert any("not looked at" in warning for warning in found.warnings)
