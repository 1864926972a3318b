"""Law 1, end to end: training with a finder in its midst equals training alone, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from tests.training.bitwise import (
    Training,
    assert_same,
    bits,
    contents,
    identities,
    mean_squared_error,
    seed_everything,
)
from tests.training.trainings import TRAININGS, data, loader, noisy_mlp
from torch import Tensor

import etastar as es
from etastar.errors import InterruptedRunError, TaskFailedError

Use = Callable[[Training], None]

VALID = [tuple(data().tensors)]

every_training = pytest.mark.parametrize("make", TRAININGS.values(), ids=TRAININGS.keys())


def task_of(training: Training, loss: Callable[[Any, Any], Tensor] | None = None) -> es.Task:
    halves: dict[Any, Any] = {torch.float16: "float16", torch.bfloat16: "bfloat16", None: None}
    return es.Task(
        training.model,
        training.optimizer,
        loss or training.loss or mean_squared_error,
        training.loader,
        valid=VALID,
        steps=120,
        scaler=training.scaler,
        autocast=halves[training.autocast],
        state=[training.scheduler],
    )


def find(training: Training) -> None:
    finding = es.find(task_of(training), budget=1.0, progress=False)
    assert finding.trials, finding.reason


def sweep_range(training: Training) -> None:
    found = es.range_test(task_of(training), steps=20, valid=True, repeats=2)
    assert len(found.runs) == 2


def run(make: Callable[[], Training], use: Use | None, steps: int) -> tuple[Any, Any]:
    """Losses and all state of a training, with a finder used after some steps or not."""
    seed_everything(1)
    training = make()
    batches = training.batches()
    losses = [training.step(next(batches)) for _ in range(steps)]
    if use is not None:
        before = contents(training), identities(training)
        use(training)
        assert_same(contents(training), before[0])
        assert_same(identities(training), before[1])
    losses += [training.step(next(batches)) for _ in range(8)]
    return bits(losses), contents(training)


def assert_no_trace(make: Callable[[], Training], use: Use, steps: int = 3) -> None:
    alone, used = run(make, None, steps), run(make, use, steps)
    assert used[0] == alone[0]
    assert_same(used[1], alone[1])


@every_training
def test_find(make: Callable[[], Training]) -> None:
    assert_no_trace(make, find)


@every_training
def test_range_test_before_the_first_step(make: Callable[[], Training]) -> None:
    assert_no_trace(make, sweep_range, steps=0)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("persistent", [False, True])
def test_shuffled_loader_with_workers(workers: int, *, persistent: bool) -> None:
    def make() -> Training:
        model = noisy_mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        options = {"persistent_workers": persistent and workers > 0}
        return Training(model, optimizer, loader(num_workers=workers, **options))

    assert_no_trace(make, sweep_range)


class InjectedError(Exception):
    """Raised on purpose."""


def failing_at(step: int, error: BaseException | None) -> Callable[[Any, Any], Tensor]:
    """A loss that raises `error` at its call number `step`, or returns NaN from there on."""
    calls = iter(range(10**9))

    def loss(model: Any, batch: Any) -> Tensor:
        value = mean_squared_error(model, batch)
        if next(calls) < step:
            return value
        if error is not None:
            raise error
        return value * torch.nan

    return loss


def endings() -> Iterator[Any]:
    for step in range(20):
        yield pytest.param(step, InjectedError, TaskFailedError, id=f"raises-at-{step}")
        yield pytest.param(step, KeyboardInterrupt, InterruptedRunError, id=f"ctrl-c-at-{step}")
        yield pytest.param(step, SystemExit, SystemExit, id=f"exits-at-{step}")


@pytest.mark.parametrize(("step", "error", "seen"), list(endings()))
def test_range_test_that_ends_at_any_step(
    step: int, error: type[BaseException], seen: type[BaseException]
) -> None:
    def use(training: Training) -> None:
        with pytest.raises(seen) as caught:
            es.range_test(task_of(training, failing_at(step, error())), steps=20, low=1e-4, high=1)
        assert caught.type is seen
        if error is InjectedError:
            assert isinstance(caught.value.__cause__, InjectedError)
            assert f"at step {step}" in str(caught.value)

    assert_no_trace(TRAININGS["batchnorm-dropout"], use)


@pytest.mark.parametrize("step", range(20))
def test_range_test_that_meets_nan_at_any_step(step: int) -> None:
    def use(training: Training) -> None:
        found = es.range_test(task_of(training, failing_at(step, None)), steps=20, low=1e-4, high=1)
        assert found.runs[0].stopped == "non_finite"
        assert found.runs[0].curve.finite_steps == step

    assert_no_trace(TRAININGS["batchnorm-dropout"], use)


@pytest.mark.parametrize("step", [0, 7, 45, 90, 130])
def test_find_that_is_interrupted_says_what_is_known(step: int) -> None:
    def use(training: Training) -> None:
        with pytest.raises(InterruptedRunError) as caught:
            es.find(
                task_of(training, failing_at(step, KeyboardInterrupt())),
                budget=2.0,
                progress=False,
            )
        known = caught.value.known
        assert known is None or known.verdict in ("uncertain", "no_answer")
        assert "interrupted" in str(caught.value)

    assert_no_trace(TRAININGS["adamw"], use)
