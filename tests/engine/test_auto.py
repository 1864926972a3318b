"""The choosing engine: the contract, what it takes and what it says about it."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from etastar.engine import Observer, Sequential, race
from etastar.engine.auto import Auto, Choice
from etastar.engine.choose import engine_named
from etastar.engine.vectorized import Vectorized, why_not
from etastar.errors import InputError
from etastar.tasks import Task
from etastar.testing.engine_tasks import Points, net
from etastar.testing.engines import EngineContract


class TestAuto(EngineContract):
    tolerance = 1e-5

    def engine(self) -> Auto:
        return Auto()


def task(**changes: Any) -> Task:
    parts: dict[str, Any] = {
        "model": net,
        "optimizer": partial(torch.optim.SGD, lr=0.1),
        "train": Points(),
        "criterion": nn.functional.mse_loss,
        "steps": 20,
        **changes,
    }
    return Task(**parts)


class Clock:
    """Goes by what steps say they take alone: what else the machine does decides nothing."""

    def __init__(self) -> None:
        self._now = 0.0

    def perf_counter(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Clock()
    monkeypatch.setattr(race, "time", made)
    monkeypatch.setitem(globals(), "time", made)


by_the_clock = pytest.mark.usefixtures("clock")


def slow_alone(model: Any, batch: Any) -> Tensor:
    """Takes the same time however many slices it computes."""
    time.sleep(0.003)
    return nn.functional.mse_loss(model(batch[0]), batch[1])


def slow_together(model: Any, batch: Any) -> Tensor:
    """Takes long where the weights are batched."""
    if torch._C._functorch.is_batchedtensor(next(model.parameters())):
        time.sleep(0.02 * slices(model))
    return nn.functional.mse_loss(model(batch[0]), batch[1])


def slices(model: Any) -> int:
    weight = next(model.parameters())
    if not torch._C._functorch.is_batchedtensor(weight):
        return 1
    return int(torch._C._functorch.get_unwrapped(weight).shape[0])


LRS = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.11, 0.12]


@pytest.mark.parametrize(
    ("loss", "expected"), [(slow_alone, "vectorized"), (slow_together, "sequential")]
)
def test_it_takes_the_faster_engine_and_says_why(loss: Any, expected: str) -> None:
    class Heard(Observer):
        said: tuple[str, str] | None = None

        def engine_chosen(self, engine: str, reason: str) -> None:
            self.said = engine, reason

    heard, engine = Heard(), Auto()
    engine.train(task(criterion=None, loss=loss), LRS, [0], 2, observer=heard)
    assert isinstance(engine.choice, Choice)
    assert engine.choice.engine == expected
    assert engine.choice.speedup is not None
    assert (engine.choice.speedup > 1) == (expected == "vectorized")
    assert heard.said == (expected, engine.choice.reason)
    assert "times as fast for 12 rates" in engine.choice.reason


class Counted:
    """A loss that counts the steps of single slices it was computed for."""

    def __init__(self, loss: Any = slow_alone) -> None:
        self._loss = loss
        self.steps = 0

    def __call__(self, model: Any, batch: Any) -> Tensor:
        self.steps += slices(model)
        return self._loss(model, batch)


@by_the_clock
def test_what_was_timed_is_remembered_for_the_task() -> None:
    loss = Counted()
    made, engine = task(criterion=None, loss=loss, valid=None), Auto()
    engine.train(made, LRS, [0], 300)
    first, choice = loss.steps, engine.choice
    Auto().train(made, LRS, [0], 300)
    assert loss.steps - first == 300 * 12  # the training itself
    engine.train(made, LRS[:10], [0], 300)  # between the 8 and the 12 that were timed
    assert loss.steps - first == 300 * 12 + 300 * 10
    assert engine.choice is not choice
    assert "10 rates" in str(engine.choice)
    assert engine.choice is not None
    assert engine.choice.width == 10


@by_the_clock
@pytest.mark.parametrize("steps", [100, 300])
def test_timing_takes_a_small_share_of_the_training(steps: int) -> None:
    loss = Counted()
    made, seeds = task(criterion=None, loss=loss, valid=None), [0, 1]
    assert why_not(made) is None
    before = loss.steps
    Auto().train(made, LRS, seeds, steps)
    training = len(LRS) * len(seeds) * steps
    share = (loss.steps - before - training) / training
    assert 0 < share <= 1 / 25


@by_the_clock
@pytest.mark.parametrize(("seconds", "wider"), [(0.003, True), (0.2, False)])
def test_timing_takes_no_more_time_than_steps(seconds: float, wider: bool) -> None:
    """Where batched steps are long, what looking at one size took leaves nothing for the next."""
    sizes: set[int] = set()

    def loss(model: Any, batch: Any) -> Tensor:
        sizes.add(slices(model))
        time.sleep(0.003 if slices(model) == 1 else seconds)
        return nn.functional.mse_loss(model(batch[0]), batch[1])

    made = task(criterion=None, loss=loss, valid=None)
    assert why_not(made) is None
    Auto().train(made, LRS, [0], 300)
    assert (12 in sizes) == wider


def close(model: Any, batch: Any) -> Tensor:
    """Takes as long for every slice, batched or not."""
    time.sleep(0.003 * slices(model))
    return nn.functional.mse_loss(model(batch[0]), batch[1])


def slower(model: Any, batch: Any) -> Tensor:
    """Takes three times as long for every slice where they are batched."""
    time.sleep(0.003 * slices(model) * (3 if slices(model) > 1 else 1))
    return nn.functional.mse_loss(model(batch[0]), batch[1])


@by_the_clock
@pytest.mark.parametrize(("pace", "rounds"), [(slow_alone, 1), (slower, 2), (close, 4)])
def test_where_it_is_close_both_are_timed_more_often(pace: Any, rounds: int) -> None:
    loss = Counted(pace)
    made = task(criterion=None, loss=loss, valid=None)
    assert why_not(made) is None
    before = loss.steps
    Auto().train(made, LRS[:8], [0], 800)
    alone, batched = 1 + 3 * 8, 8 + 3 * 8  # a step that warms up, and three times eight slices
    assert loss.steps - before - 8 * 800 == rounds * (alone + batched)


class Disturbed:
    """A loss with steps that take 3 ms a slice alone, and `pace` times that batched.

    But from the first step of some number of slices on, so many steps take longer.
    """

    def __init__(self, pace: float, size: int, steps: int, factor: float) -> None:
        self.pace = pace
        self._size = size
        self._steps = steps
        self._factor = factor
        self.armed = False

    def __call__(self, model: Any, batch: Any) -> Tensor:
        count = slices(model)
        hit = self.armed and count == self._size and self._steps > 0
        self._steps -= hit
        time.sleep(0.003 * count * (self.pace if count > 1 else 1) * (self._factor if hit else 1))
        return nn.functional.mse_loss(model(batch[0]), batch[1])


@by_the_clock
@pytest.mark.parametrize(
    ("loss", "steps", "expected"),
    [
        pytest.param(Disturbed(1.2, 1, 9, 4.0), 60, "sequential", id="the usual loop's first"),
        pytest.param(Disturbed(0.8, 8, 2, 2.0), 100, "vectorized", id="the batched steps' first"),
        pytest.param(Disturbed(1.2, 2, 5, 2.0), 60, "sequential", id="fewer slices promise much"),
        pytest.param(Disturbed(1.2, 2, 10, 2.0), 60, "sequential", id="and do so twice"),
        pytest.param(Disturbed(0.8, 8, 1, 2.0), 34, "vectorized", id="the only step of a look"),
        pytest.param(Disturbed(1.2, 1, 1, 10.0), 2, "sequential", id="one step of a single look"),
    ],
)
def test_one_disturbed_look_decides_nothing(loss: Disturbed, steps: int, expected: str) -> None:
    made, engine = task(criterion=None, loss=loss, valid=None), Auto()
    assert why_not(made) is None
    loss.armed = True
    engine.train(made, [0.001 * k for k in range(1, 33)], [0], steps)
    assert engine.choice is not None
    assert (engine.choice.engine, engine.choice.width) == (expected, 8)
    assert engine.choice.speedup == pytest.approx(1 / loss.pace, rel=0.01)


@by_the_clock
def test_a_choice_holds_until_training_is_much_longer() -> None:
    """One made in haste is not kept for long; otherwise a call is trained as it was before."""
    loss = Counted()
    made, engine = task(criterion=None, loss=loss, valid=None), Auto()

    def timed(steps: int) -> int:
        before = loss.steps
        engine.train(made, LRS, [0], steps)
        return loss.steps - before - len(LRS) * steps

    timed(2)
    hasty = engine.choice
    assert timed(20) == 0
    assert engine.choice is hasty
    assert timed(100) > 0
    settled = engine.choice
    assert settled is not hasty
    assert timed(100) == timed(1) == 0
    assert engine.choice is settled


@by_the_clock
def test_no_more_rates_are_trained_together_than_pays() -> None:
    together: set[int] = set()

    def crowded(model: Any, batch: Any) -> Tensor:
        """Takes a fixed time for up to eight slices, and far more for each beyond them."""
        together.add(slices(model))
        time.sleep(0.002 + 0.002 * max(0, slices(model) - 8))
        return nn.functional.mse_loss(model(batch[0]), batch[1])

    engine = Auto()
    lrs = [0.001 * k for k in range(1, 33)]
    trials = engine.train(task(criterion=None, loss=crowded, valid=None), lrs, [0], 150)
    assert engine.choice is not None
    assert (engine.choice.engine, engine.choice.width) == ("vectorized", 8)
    assert len(trials) == 32
    assert max(together) == 32  # which was tried


@by_the_clock
def test_one_disturbed_look_at_more_rates_does_not_keep_them_from_being_taken() -> None:
    seen: list[None] = []

    def loss(model: Any, batch: Any) -> Tensor:
        """Takes hardly more for more slices, but for the first four steps of all of them."""
        seen.extend([None] * (slices(model) == 32))
        disturbed = slices(model) == 32 and len(seen) <= 4
        time.sleep((0.002 + 0.0001 * slices(model)) * (4 if disturbed else 1))
        return nn.functional.mse_loss(model(batch[0]), batch[1])

    engine = Auto()
    lrs = [0.001 * k for k in range(1, 33)]
    engine.train(task(criterion=None, loss=loss, valid=None), lrs, [0], 400)
    assert engine.choice is not None
    assert (engine.choice.engine, engine.choice.width) == ("vectorized", 32)


@by_the_clock
@pytest.mark.parametrize(("steps", "expected"), [(30, "vectorized"), (20, "sequential")])
def test_a_slow_first_step_decides_only_where_there_is_no_room_for_another(
    steps: int, expected: str
) -> None:
    fresh: list[bool] = [True]

    def model() -> nn.Module:
        fresh[0] = True
        return net()

    def loss(model: Any, batch: Any) -> Tensor:
        """Takes 0.8 times as long batched, and in the first of such steps 1.6 times."""
        pace = (1.6 if fresh[0] else 0.8) if slices(model) > 1 else 1
        fresh[0] = fresh[0] and slices(model) == 1
        time.sleep(0.003 * slices(model) * pace)
        return nn.functional.mse_loss(model(batch[0]), batch[1])

    engine = Auto()
    lrs = [0.001 * k for k in range(1, 33)]
    engine.train(task(model=model, criterion=None, loss=loss, valid=None), lrs, [0], steps)
    assert engine.choice is not None
    assert engine.choice.engine == expected


@by_the_clock
def test_more_rates_are_taken_untried_where_trying_is_dear_and_much_is_promised() -> None:
    engine = Auto()
    lrs = [0.001 * k for k in range(1, 33)]
    engine.train(task(criterion=None, loss=slow_alone), lrs, [0], 2)
    assert engine.choice is not None
    assert (engine.choice.engine, engine.choice.width) == ("vectorized", 32)


@pytest.mark.parametrize("width", [3, 5])
def test_rates_beyond_the_width_are_trained_in_turns(width: int) -> None:
    together: list[int] = []

    def loss(model: Any, batch: Any) -> Tensor:
        together.append(slices(model))
        return nn.functional.mse_loss(model(batch[0]), batch[1])

    made = task(criterion=None, loss=loss, valid=None)
    Vectorized().train(made, LRS, [0], 2)
    together.clear()
    trials = Vectorized(width=width).train(made, LRS, [0], 2)
    assert [trial.lr for trial in trials] == LRS
    assert set(together) <= {width, width - 1}


def test_the_trials_are_those_of_the_engine_taken() -> None:
    """And what the timing cost is none of theirs."""
    made = task()
    trials = Auto().train(made, LRS, [0], 3)
    for engine in (Sequential(), Vectorized()):
        for one, other in zip(trials, engine.train(made, LRS, [0], 3), strict=True):
            assert one.sample_gradients == other.sample_gradients
            assert one.final_loss == pytest.approx(other.final_loss, rel=1e-5)


def test_what_cannot_be_batched_is_trained_sequentially() -> None:
    engine = Auto()
    lbfgs = task(optimizer=partial(torch.optim.LBFGS, lr=0.1))
    trials = engine.train(lbfgs, [0.01, 0.1], [0], 2)
    assert [trial.status for trial in trials] == ["finished", "finished"]
    assert engine.choice == Choice("sequential", "LBFGS evaluates the loss several times per step")


def test_a_single_rate_is_not_tried() -> None:
    engine = Auto()
    engine.train(task(), [0.1], [0, 1], 2)
    assert engine.choice == Choice("sequential", "a single rate has none to be batched with")


@by_the_clock
def test_seeds_that_train_together_count_as_rates_do() -> None:
    line = partial(nn.Linear, 3, 1)
    engine, made = Auto(), task(model=line, criterion=None, loss=slow_alone, valid=None)
    trials = engine.train(made, [0.1], range(8), 40)
    assert engine.choice is not None
    assert engine.choice.engine == "vectorized"
    assert engine.choice.width == 8
    assert "for one rate and 8 seeds" in engine.choice.reason
    for one, other in zip(trials, Sequential().train(made, [0.1], range(8), 40), strict=True):
        np.testing.assert_allclose(one.curve.losses, other.curve.losses, rtol=1e-4)


@by_the_clock
def test_seeds_that_do_not_train_together_do_not() -> None:
    """Neither where it shows at first, nor where it shows late."""

    def dropping(model: Any, batch: Any) -> Tensor:
        return slow_alone(model, (nn.functional.dropout(batch[0], 0.1), batch[1]))

    calls: list[None] = []

    def late(model: Any, batch: Any) -> Tensor:
        calls.append(None)
        return (dropping if len(calls) > 60 else slow_alone)(model, batch)

    for loss, first in ((dropping, "sequential"), (late, "vectorized")):
        line = partial(nn.Linear, 3, 1)
        engine, made = Auto(), task(model=line, criterion=None, loss=loss, valid=None)
        engine.train(made, [0.1], range(8), 50)
        assert engine.choice is not None
        assert engine.choice.engine == first
        engine.train(made, [0.1], range(8), 3)
        assert engine.choice == Choice("sequential", "a single rate has none to be batched with")


@by_the_clock
def test_a_task_that_can_no_longer_be_batched_begins_anew_sequentially() -> None:
    calls: list[None] = []

    def loss(model: Any, batch: Any) -> Tensor:
        calls.append(None)
        loss = slow_alone(model, batch)
        if len(calls) > 80 and loss > 1e9:  # a decision by value, late
            return loss * 2
        return loss

    made, engine = task(criterion=None, loss=loss, valid=None), Auto()
    trials = engine.train(made, LRS, [0], 90)
    assert [trial.status for trial in trials] == ["finished"] * len(LRS)
    assert engine.choice is not None
    assert engine.choice.engine == "sequential"
    assert "can no longer be batched" in engine.choice.reason


# --- by name ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Sequential, Vectorized, Auto])
def test_engines_have_names(kind: Any) -> None:
    assert isinstance(engine_named(kind.name), kind)


def test_options_reach_the_engine() -> None:
    with pytest.raises(InputError, match=r"memory=-1: pass a positive number of bytes"):
        engine_named("vectorized", memory=-1)
    with pytest.raises(InputError, match=r"width=0: pass a positive number of trials"):
        engine_named("vectorized", width=0)
    with pytest.raises(InputError, match=r"engine 'sequential' cannot be made with .*memory"):
        engine_named("sequential", memory=1)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(InputError, match=r"did you mean 'sequential'\?"):
        engine_named("sequentual")
    with pytest.raises(InputError, match=r"engine='gpu': pass 'sequential'"):
        engine_named("gpu")
