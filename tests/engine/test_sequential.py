"""The sequential engine: the contract, and what loaders with workers add to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from tests.tasks.parts import linear, pairs, task
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

import etastar as es
from etastar.engine import Sequential
from etastar.engine.sequential import TAIL
from etastar.records import LossCurve, Trial
from etastar.testing.engines import EngineContract
from etastar.training import live


class TestSequential(EngineContract):
    def engine(self) -> Sequential:
        return Sequential()


# --- the contract itself catches engines that break it ----------------------------------------


class Remade(Sequential):
    """Gives back trials with something changed."""

    def train(self, *args: Any, **options: Any) -> list[Trial]:
        return self.remade(super().train(*args, **options))

    def remade(self, trials: list[Trial]) -> list[Trial]:
        raise NotImplementedError


class Reversed(Remade):
    def remade(self, trials: list[Trial]) -> list[Trial]:
        return trials[::-1]


class Rounded(Remade):
    def remade(self, trials: list[Trial]) -> list[Trial]:
        def rounded(curve: LossCurve) -> LossCurve:
            return LossCurve(lrs=curve.lrs, losses=curve.losses.astype(np.float16))

        return [t.model_copy(update={"curve": rounded(t.curve)}) for t in trials]


class Hopeful(Remade):
    def remade(self, trials: list[Trial]) -> list[Trial]:
        return [t.model_copy(update={"status": "finished", "final_loss": 9.0}) for t in trials]


class Deaf(Sequential):
    def train(self, *args: Any, observer: Any = None, lost: Any = None, **options: Any) -> Any:
        return super().train(*args, **options)


class OneSeed(Sequential):
    def train(self, task: Any, lrs: Any, seeds: Any, *args: Any, **options: Any) -> Any:
        trials = super().train(task, lrs, [0] * len(seeds), *args, **options)
        named = [seed for _ in lrs for seed in seeds]
        return [t.model_copy(update={"seed": s}) for t, s in zip(trials, named, strict=True)]


class Careless(Sequential):
    """Trains the caller's own objects and leaves them so."""

    def train(self, task: Any, *args: Any, **options: Any) -> Any:
        trials = super().train(task, *args, **options)
        if isinstance(task.model, nn.Module):
            nn.init.zeros_(next(task.model.parameters()))
        return trials


class Forgetful(Sequential):
    """Draws the next trial's randomness from where the last one left it."""

    def train(self, task: Any, lrs: Any, seeds: Any, *args: Any, **options: Any) -> Any:
        torch.manual_seed(len(lrs) + len(seeds))
        seeded = live.seed_task
        live.seed_task = lambda task, seed: None
        try:
            return super().train(task, lrs, seeds, *args, **options)
        finally:
            live.seed_task = seeded


class Lenient(Sequential):
    """Skips what it cannot train."""

    def train(self, task: Any, lrs: Any, seeds: Any, steps: Any, **options: Any) -> Any:
        fine = [lr for lr in lrs if 0 < lr < math.inf]
        return super().train(task, fine, seeds, steps, **options)


@pytest.mark.parametrize(
    ("engine", "law"),
    [
        (Reversed, "test_one_trial_per_rate_and_seed_in_the_order_given"),
        (Rounded, "test_equals_the_sequential_engine"),
        (Hopeful, "test_divergence_is_a_result"),
        (Hopeful, "test_a_lost_trial_is_stopped"),
        (Deaf, "test_observers_hear_everything"),
        (Deaf, "test_a_lost_trial_is_stopped"),
        (OneSeed, "test_one_seed_means_the_same_start_and_the_same_batches"),
        (OneSeed, "test_equals_the_sequential_engine"),
        (Careless, "test_the_callers_objects_come_back_bit_for_bit"),
        (Forgetful, "test_the_same_whatever_ran_before_and_beside"),
        (Lenient, "test_what_cannot_be_trained_is_refused_before_it_begins"),
    ],
)
def test_the_contract_is_broken_by(engine: type[Sequential], law: str) -> None:
    contract = TestSequential()
    contract.engine = engine  # type: ignore[method-assign]
    with pytest.raises(AssertionError):
        getattr(contract, law)()


# --- loaders, with workers and without --------------------------------------------------------


class Noisy(Dataset[Any]):
    """Draws noise in the process that reads it."""

    def __init__(self) -> None:
        self.inputs = torch.randn(24, 3, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> Any:
        x = self.inputs[index] + 0.1 * torch.randn(3)
        return x, x.sum()[None]


def loader(workers: int, own_generator: bool, persistent: bool = False) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(11) if own_generator else None
    return DataLoader(
        Noisy(),
        batch_size=8,
        shuffle=True,
        num_workers=workers,
        generator=generator,
        persistent_workers=persistent,
    )


def table(trials: Sequence[Trial]) -> list[Trial]:
    """Records without the one field that may differ."""
    return [trial.model_copy(update={"seconds": 0.0}) for trial in trials]


@pytest.mark.parametrize(
    ("workers", "persistent"), [(0, False), (2, False), (2, True)], ids=["0", "2", "2 persistent"]
)
@pytest.mark.parametrize("own_generator", [False, True])
def test_a_shuffling_loader_repeats_by_the_seed_and_goes_on_undisturbed(
    workers: int, persistent: bool, own_generator: bool
) -> None:
    made = task(train=loader(workers, own_generator, persistent))
    torch.manual_seed(0)
    first = Sequential().train(made, [0.05, 0.1], [0, 1], 4)
    torch.manual_seed(77)
    again = Sequential().train(made, [0.1], [1, 0], 4)
    assert table(again) == [table(first)[3], table(first)[2]]
    assert first[0].curve.losses[0] == first[2].curve.losses[0]
    assert first[0].curve.losses[0] != first[1].curve.losses[0]


@pytest.mark.parametrize("own_generator", [False, True])
def test_the_callers_epochs_are_the_same_with_and_without_trials(own_generator: bool) -> None:
    def epoch(data: DataLoader[Any]) -> list[Tensor]:
        return [batch[0] for batch in data]

    def epochs(*, disturbed: bool) -> list[Tensor]:
        torch.manual_seed(3)
        data = loader(0, own_generator)
        first = epoch(data)
        if disturbed:
            Sequential().train(task(train=data, valid=data), [0.1, 1e20], [0], 7)
        return first + epoch(data)

    assert all(map(torch.equal, epochs(disturbed=True), epochs(disturbed=False)))


# --- results ----------------------------------------------------------------------------------


def test_equal_records_but_for_the_seconds() -> None:
    made = task(valid=pairs(1))
    runs = [table(Sequential().train(made, [0.1, 1e20], [0, 1], 5)) for _ in range(2)]
    assert runs[0] == runs[1]
    assert [trial.to_json() for trial in runs[0]] == [trial.to_json() for trial in runs[1]]


def test_the_tail_is_a_tenth_of_the_steps() -> None:
    for steps, tail in ((1, 1), (9, 1), (20, 2), (100, 10)):
        assert max(1, round(TAIL * steps)) == tail
        (trial,) = Sequential().train(task(), [0.01], [0], steps)
        assert trial.final_loss == pytest.approx(float(np.mean(trial.curve.losses[-tail:])))


def test_weights_broken_by_the_last_update_are_divergence() -> None:
    model = linear()

    def step(batch: Any) -> float:
        with torch.no_grad():
            model.weight += torch.inf
        return 1.0

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    made = es.Task.from_step(step, state=[model], optimizers=optimizer, train=[0], steps=1)
    (trial,) = Sequential().train(made, [0.1], [0], 1)
    assert trial.status == "diverged"
    assert torch.isfinite(model.weight).all()


def test_a_validation_that_is_not_finite_is_divergence() -> None:
    model = linear()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for judged in (math.nan, math.inf):
        made = es.Task.from_step(
            lambda batch: 1.0,
            state=[model],
            optimizers=optimizer,
            train=[0],
            steps=3,
            evaluate=lambda judged=judged: judged,
        )
        (trial,) = Sequential().train(made, [0.1], [0], 3)
        assert (trial.status, len(trial.curve)) == ("diverged", 3)
        assert math.isnan(trial.final_loss)


def test_a_loss_that_turns_nan_is_kept_and_ends_the_trial() -> None:
    calls = iter(range(100))

    def loss(model: nn.Module, batch: Any) -> Tensor:
        return model(batch[0]).square().mean() * (math.nan if next(calls) == 2 else 1.0)

    (trial,) = Sequential().train(task(criterion=None, loss=loss), [0.1], [0], 9)
    assert (trial.status, trial.steps, len(trial.curve)) == ("diverged", 9, 3)
    assert trial.curve.finite_steps == 2
    assert math.isnan(trial.curve.losses[-1])
