"""The contract of engines as a test class, to hold your own engine against.

    from etastar.testing.engines import EngineContract

    class TestMine(EngineContract):
        def engine(self):
            return Mine()

pytest runs every law on it. An engine whose arithmetic differs from the sequential one, because
it batches, say, states how much it may in `tolerance`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from etastar.engine import Engine, Observer, Sequential
from etastar.errors import EtastarError, InputError, TaskFailedError
from etastar.records import Trial
from etastar.schedules import Constant, Cosine, Cyclic, OneCycle, Schedule
from etastar.tasks import Task
from etastar.training.live import living

STEPS = 8
LRS = (0.02, 0.1, 0.3)
SEEDS = (0, 1)

Settings = tuple[dict[str, float], dict[str, float]]
"""Of two parameter groups."""

OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any], float]] = {
    "SGD": (torch.optim.SGD, {}, 0.05),
    "momentum": (torch.optim.SGD, {"momentum": 0.9, "dampening": 0.1}, 0.02),
    "Nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}, 0.02),
    "Adam": (torch.optim.Adam, {"amsgrad": True}, 0.01),
    "AdamW": (torch.optim.AdamW, {}, 0.01),
    "NAdam": (torch.optim.NAdam, {}, 0.01),
    "RAdam": (torch.optim.RAdam, {}, 0.01),
    "Adamax": (torch.optim.Adamax, {}, 0.01),
    "RMSprop": (torch.optim.RMSprop, {"momentum": 0.9, "centered": True}, 0.002),
    "Adagrad": (torch.optim.Adagrad, {"lr_decay": 0.1, "initial_accumulator_value": 0.1}, 0.1),
    "Adadelta": (torch.optim.Adadelta, {}, 1.0),
}
"""Optimizers an engine is held against: class, settings, and a rate that learns."""

EXTRAS = ("nothing", "decay", "clipping", "batch_norm", "dropout", "all")
"""What each of them is tried with."""

SCHEDULED: dict[str, tuple[type[torch.optim.Optimizer], Settings, float, dict[str, Schedule]]] = {
    "momentum": (
        torch.optim.SGD,
        ({"momentum": 0.9}, {"momentum": 0.9}),
        0.02,
        {"momentum": OneCycle(steps=120).momentum()},
    ),
    "beta1 and decay": (
        torch.optim.AdamW,
        ({"weight_decay": 0.1}, {"weight_decay": 0.0}),
        0.01,
        {"beta1": OneCycle(steps=120).momentum(), "weight_decay": Cosine(steps=50, peak=5.0)},
    ),
    "coupled decay through 0": (
        torch.optim.Adam,
        ({"weight_decay": 0.2}, {"weight_decay": 0.1}),
        0.01,
        {"weight_decay": Cyclic(steps=100, peak=0.5, up_steps=20)},
    ),
}
"""What schedules of other numbers are tried with: class, settings of two groups, rate."""


class EngineContract:
    """The laws of `etastar.engine.Engine`; subclass it, name the class `Test…`, give `engine`.

    Attributes:
        tolerance: relative difference allowed between this engine's losses and those of the
            sequential one, and between those of its own runs that trained other rates along.
    """

    tolerance = 0.0

    def engine(self) -> Engine:
        """The engine under test.

        Returns:
            A new one for every test.

        Raises:
            NotImplementedError: the subclass does not say.
        """
        raise NotImplementedError("return the engine under test")

    def task(self, **changes: Any) -> Task:
        """The task trained here: a noisy net on shuffled points, built anew in every trial.

        Returns:
            A task of 8 steps; override it for engines that cannot train this one.
        """
        parts: dict[str, Any] = {
            "model": net,
            "optimizer": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
            "train": Points(),
            "valid": Points(count=2),
            "criterion": nn.functional.mse_loss,
            "steps": STEPS,
            **changes,
        }
        return Task(**parts)

    def test_one_trial_per_rate_and_seed_in_the_order_given(self) -> None:
        """Rates in the order given, seeds within each."""
        lrs = (0.1, 0.02, 0.3)
        trials = self.engine().train(self.task(), lrs, SEEDS, STEPS)
        pairs = [(trial.lr, trial.seed) for trial in trials]
        _hold(pairs == [(lr, seed) for lr in lrs for seed in SEEDS], "one trial each", pairs)
        lengths = {(trial.steps, len(trial.curve)) for trial in trials}
        _hold(lengths == {(STEPS, STEPS)}, "every trial makes all its steps", lengths)

    def test_a_trial_says_what_it_was_trained_under(self) -> None:
        """The schedule's fingerprint and the task's settings, to be found by again."""
        task = self.task().with_settings({"momentum": 0.5})
        flat = Constant(steps=STEPS)
        own = self.engine().train(task, [0.1], [0], STEPS)
        told = self.engine().train(task, [0.1], [0], STEPS, schedule=flat)
        shapes = [trial.shape for trial in (*own, *told)]
        _hold(shapes == [task.shape.fingerprint, flat.fingerprint], "the shape is told", shapes)
        settings = [trial.settings for trial in (*own, *told)]
        _hold(settings == [{"momentum": 0.5}] * 2, "the settings are told", settings)

    def test_equals_the_sequential_engine(self) -> None:
        """The same numbers, whichever engine ran."""
        reference = Sequential().train(self.task(), LRS, SEEDS, STEPS)
        self._same(self.engine().train(self.task(), LRS, SEEDS, STEPS), reference)

    def test_twice_the_same(self) -> None:
        """The same seed, the same records."""
        task = self.task()
        first = self.engine().train(task, LRS, SEEDS, STEPS)
        self._same(self.engine().train(task, LRS, SEEDS, STEPS), first, tolerance=0.0)

    def test_the_same_whatever_ran_before_and_beside(self) -> None:
        """A trial does not depend on which others were asked for."""
        engine, task = self.engine(), self.task()
        (alone,) = engine.train(task, [0.1], [1], STEPS)
        among = engine.train(task, [1e4, 0.02, 0.1], [0, 1], STEPS)
        self._same([among[-1]], [alone])

    def test_one_seed_means_the_same_start_and_the_same_batches(self) -> None:
        """Common random numbers: rates are compared on the same ground."""
        trials = self.engine().train(self.task(), LRS, SEEDS, STEPS)
        for seed in SEEDS:
            starts = [trial.curve.losses[0] for trial in trials if trial.seed == seed]
            _hold(self._close(starts, [starts[0]] * len(starts)), "the first loss is one", starts)
        first = {trial.seed: trial.curve.losses[0] for trial in trials}
        _hold(first[0] != first[1], "another seed draws other weights and batches", first)

    def test_an_instance_keeps_its_weights_for_every_seed(self) -> None:
        """And a factory draws them from the seed."""
        still: dict[str, Any] = {"train": Points(shuffled=False), "model": nn.Linear(3, 1)}
        trials = self.engine().train(self.task(**still), [0.1], [0, 1], STEPS)
        _hold(_losses(trials[0]) == _losses(trials[1]), "the instance's own weights", trials)
        still["model"] = partial(nn.Linear, 3, 1)
        trials = self.engine().train(self.task(**still), [0.1], [0, 1], STEPS)
        _hold(_losses(trials[0]) != _losses(trials[1]), "weights drawn from the seed", trials)

    def test_the_rate_follows_the_schedule(self) -> None:
        """The task's shape at the trial's own horizon, unless another is given."""
        task, engine = self.task(schedule=Cosine(steps=STEPS, peak=5.0)), self.engine()
        for steps, given in ((STEPS, None), (5, None), (5, Constant(steps=5))):
            (trial,) = engine.train(task, [0.1], [0], steps, schedule=given)
            shape = given or Cosine(steps=steps)
            expected = 0.1 * shape(np.arange(steps))
            _hold(np.allclose(trial.curve.lrs, expected, rtol=1e-12), "rates", trial.curve.lrs)

    def test_divergence_is_a_result(self) -> None:
        """A diverged trial ends early, without a final loss, beside others that finish."""
        trials = self.engine().train(self.task(), [0.02, 1e30], [0], STEPS)
        _hold(trials[0].status == "finished" and trials[0].measured, "the lower rate", trials[0])
        _hold(trials[1].status == "diverged", "the higher rate diverges", trials[1])
        _hold(math.isnan(trials[1].final_loss), "without a final loss", trials[1])

    def test_without_validation_the_last_losses_count(self) -> None:
        """The mean of the last tenth of the steps."""
        (trial,) = self.engine().train(self.task(valid=None), [0.02], [0], 20)
        last = float(np.mean(trial.curve.losses[-2:]))
        _hold(math.isclose(trial.final_loss, last), "the mean of the last two of 20", trial)

    def test_a_lost_trial_is_stopped(self) -> None:
        """It is asked after every step, with the losses so far and the horizon."""
        heard: list[tuple[int, int]] = []

        def lost(losses: Sequence[float], steps: int) -> bool:
            heard.append((len(losses), steps))
            return len(losses) == 3

        (trial,) = self.engine().train(self.task(), [0.02], [0], STEPS, lost=lost)
        _hold(heard == [(1, STEPS), (2, STEPS), (3, STEPS)], "asked after every step", heard)
        _hold(trial.status == "stopped" and len(trial.curve) == 3, "stopped there", trial)
        _hold(trial.steps == STEPS and math.isnan(trial.final_loss), "censored", trial)

    def test_observers_hear_everything(self) -> None:
        """Every trial's start, steps and end, in the trial's own order; and change nothing."""
        heard, task = _Heard(), self.task()
        trials = self.engine().train(task, LRS, SEEDS, STEPS, observer=heard)
        self._same(trials, self.engine().train(task, LRS, SEEDS, STEPS), tolerance=0.0)
        _hold(sorted(heard.started) == sorted((t.lr, t.seed, t.steps) for t in trials), "starts")
        _hold(set(heard.ended) == set(trials) and len(heard.ended) == len(trials), "ends")
        for lr in LRS:
            told = [(step, loss) for rate, step, loss in heard.steps if rate == lr]
            true = [p for t in trials if t.lr == lr for p in enumerate(t.curve.losses.tolist())]
            _hold(sorted(told) == sorted(true), f"the steps at {lr}", told)

    def test_what_is_spent_is_counted(self) -> None:
        """In samples that went forward and backward."""
        for trial in self.engine().train(self.task(valid=None), LRS, [0], STEPS):
            _hold(trial.sample_gradients == STEPS * Points.size, "sample gradients", trial)
            _hold(trial.seconds >= 0, "seconds", trial)

    def test_the_callers_objects_come_back_bit_for_bit(self) -> None:
        """Model, optimizer, random generators, also after a failure."""
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        x, y = next(iter(Points()))
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
        for loss in (None, _failing(after=3)):
            losses = {} if loss is None else {"criterion": None, "loss": loss}
            task = self.task(model=model, optimizer=optimizer, **losses)
            before = _state(model, optimizer)
            try:
                self.engine().train(task, [0.1, 1e30], [0], STEPS)
            except TaskFailedError:
                _hold(loss is not None, "only the failing loss fails")
            after = _state(model, optimizer)
            changed = [name for name in before if before[name] != after.get(name)]
            _hold(not changed and before.keys() == after.keys(), "all is as it was", changed)

    def test_the_tasks_own_error_is_the_cause(self) -> None:
        """And is raised, not recorded."""
        task = self.task(criterion=None, loss=_failing(after=3))
        error = _raised(lambda: self.engine().train(task, [0.1], [0], STEPS))
        _hold(isinstance(error, TaskFailedError), "TaskFailedError is raised", error)
        _hold(isinstance(error.__cause__, LookupError), "caused by the task's own", error)

    def test_what_cannot_be_trained_is_refused_before_it_begins(self) -> None:
        """Rates, seeds, steps and schedules; the task is not touched."""
        calls: list[None] = []

        def model() -> nn.Module:
            calls.append(None)
            return net()

        train: Any = partial(self.engine().train, self.task(model=model))
        for name, call in {
            "rate 0": partial(train, [0.1, 0.0], [0], STEPS),
            "negative rate": partial(train, [-0.1], [0], STEPS),
            "rate NaN": partial(train, [math.nan], [0], STEPS),
            "infinite rate": partial(train, [math.inf], [0], STEPS),
            "rate in words": partial(train, ["0.1"], [0], STEPS),
            "no list of rates": partial(train, 0.1, [0], STEPS),
            "rates read once only": partial(train, iter([0.1]), [0], STEPS),
            "fractional seed": partial(train, [0.1], [0.5], STEPS),
            "seed NaN": partial(train, [0.1], [math.nan], STEPS),
            "seed None": partial(train, [0.1], [None], STEPS),
            "huge seed": partial(train, [0.1], [2**70], STEPS),
            "no list of seeds": partial(train, [0.1], 0, STEPS),
            "no steps": partial(train, [0.1], [0], 0),
            "infinite steps": partial(train, [0.1], [0], math.inf),
            "steps None": partial(train, [0.1], [0], None),
            "fractional steps": partial(train, [0.1], [0], 2.5),
            "schedule of other steps": partial(
                train, [0.1], [0], STEPS, schedule=Constant(steps=STEPS + 1)
            ),
        }.items():
            error = _raised(call)
            _hold(isinstance(error, InputError), f"{name} is refused", error)
            _hold(not calls, f"{name} is refused before anything is built")

    def test_nothing_asked_nothing_done(self) -> None:
        """No rates, or no seeds, give no trials."""
        for lrs, seeds in (([], [0]), ([0.1], []), ([], [])):
            trials = self.engine().train(self.task(), lrs, seeds, STEPS)
            _hold(trials == [], "no trials", trials)

    def test_a_rate_asked_for_twice_is_answered_twice(self) -> None:
        """By the same trial."""
        one, other, two = self.engine().train(self.task(), [0.1, 0.02, 0.1], [0], STEPS)
        _hold((one.lr, other.lr, two.lr) == (0.1, 0.02, 0.1), "in the order given")
        self._same([one], [two])

    def test_numbers_of_numpy_will_do(self) -> None:
        """They are recorded as Python's own."""
        (trial,) = self.engine().train(self.task(), np.array([0.1]), np.array([3]), STEPS)  # type: ignore[arg-type]
        _hold(trial == Trial.from_json(trial.to_json()), "as any other record", trial)

    @pytest.mark.parametrize("with_", EXTRAS)
    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_optimizers_move_as_in_the_sequential_engine(self, name: str, with_: str) -> None:
        """Over 50 steps in float64 under a rate that rises and falls."""
        kind, settings, lr = OPTIMIZERS[name]
        on = EXTRAS if with_ == "all" else (with_,)
        task = self.task(
            model=partial(_double_net, batch_norm="batch_norm" in on, dropout="dropout" in on),
            optimizer=partial(kind, lr=lr, weight_decay=0.1 * ("decay" in on), **settings),
            train=Points(dtype=torch.float64),
            valid=Points(count=2, dtype=torch.float64),
            clip_norm=0.5 if "clipping" in on else None,
            steps=50,
            schedule=Cosine(steps=50, warmup_steps=5),
        )
        reference = Sequential().train(task, [lr / 4, lr], [0], 50)
        self._same(self.engine().train(task, [lr / 4, lr], [0], 50), reference)

    @pytest.mark.parametrize("name", SCHEDULED)
    def test_other_numbers_follow_their_schedules(self, name: str) -> None:
        """Over 50 steps in float64, resized from another horizon; and they make a difference."""
        kind, settings, lr, schedules = SCHEDULED[name]
        task = self.task(
            model=partial(_double_net, batch_norm=False, dropout=True),
            optimizer=partial(_in_groups, kind, lr, settings),
            train=Points(dtype=torch.float64),
            valid=Points(count=2, dtype=torch.float64),
            steps=200,
            schedule=Cosine(steps=200, warmup_steps=20),
            other_schedules=schedules,
        )
        trials = self.engine().train(task, [lr / 4, lr], [0], 50)
        self._same(trials, Sequential().train(task, [lr / 4, lr], [0], 50))
        by_hand = _by_hand(task, lr, settings, 50)
        found = trials[1].curve.losses
        _hold(self._close(found, by_hand, max(self.tolerance, 1e-9)), "as set by hand", found)
        plain = self.engine().train(replace(task, other_schedules={}), [lr], [0], 50)
        _hold(not np.allclose(plain[0].curve.losses, found, rtol=1e-3), "they count", found)

    @pytest.mark.parametrize("dropout", [False, True], ids=["no dropout", "dropout"])
    @pytest.mark.parametrize("shuffled", [False, True], ids=["in order", "shuffled"])
    @pytest.mark.parametrize("kind", ["factory", "instance"])
    def test_every_seed_moves_as_in_the_sequential_engine(
        self, kind: str, shuffled: bool, dropout: bool
    ) -> None:
        """Also among others: with its own weights, batches and random numbers, over 50 steps."""
        factory = partial(_double_net, batch_norm=True, dropout=dropout)
        task = self.task(
            model=factory if kind == "factory" else factory(),
            train=Points(shuffled=shuffled, dtype=torch.float64),
            valid=Points(count=2, shuffled=shuffled, dtype=torch.float64),
            steps=50,
        )
        reference = Sequential().train(task, [0.01, 0.05], [3, 0, 7], 50)
        together = self.engine().train(task, [0.01, 0.05], [3, 0, 7], 50)
        self._same(together, reference)
        (alone,) = self.engine().train(task, [0.05], [0], 50)
        self._same([together[4]], [alone])

    def _same(
        self, trials: Sequence[Trial], others: Sequence[Trial], tolerance: float | None = None
    ) -> None:
        allowed = self.tolerance if tolerance is None else tolerance
        _hold(len(trials) == len(others), "as many trials", (len(trials), len(others)))
        for one, two in zip(trials, others, strict=True):
            for name in ("lr", "seed", "steps", "status", "sample_gradients"):
                same = getattr(one, name) == getattr(two, name)
                _hold(same, f"the same {name}", (getattr(one, name), getattr(two, name)))
            ours = [*one.curve.losses, one.final_loss]
            _hold(self._close(ours, [*two.curve.losses, two.final_loss], allowed), "losses", ours)

    def _close(
        self, ours: Iterable[float], others: Iterable[float], tolerance: float | None = None
    ) -> bool:
        allowed = self.tolerance if tolerance is None else tolerance
        one, two = np.array(list(ours)), np.array(list(others))
        return one.shape == two.shape and bool(
            np.allclose(one, two, rtol=allowed, atol=0.0, equal_nan=True)
        )


class Points:
    """Batches of points and their sum, shuffled by torch's global generator."""

    size = 8

    def __init__(
        self, count: int = 3, *, shuffled: bool = True, dtype: torch.dtype = torch.float32
    ) -> None:
        generator = torch.Generator().manual_seed(0)
        self._inputs = torch.randn(count * self.size, 3, generator=generator).to(dtype)
        self._shuffled = shuffled

    def __len__(self) -> int:
        return len(self._inputs) // self.size

    def __iter__(self) -> Any:
        rows = torch.arange(len(self._inputs))
        order = torch.randperm(len(rows)) if self._shuffled else rows
        parts = (self._inputs[part] for part in order.split(self.size))
        return ((x, x.sum(1, keepdim=True)) for x in parts)


def net() -> nn.Module:
    """A net with dropout: it draws random numbers at every step.

    Returns:
        A new one, from torch's global generator.
    """
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 1))


def _double_net(*, batch_norm: bool, dropout: bool) -> nn.Module:
    """A net in float64, with the parts whose state or randomness an engine may get wrong."""
    parts: list[nn.Module] = [nn.Linear(3, 8)]
    parts += [nn.BatchNorm1d(8)] if batch_norm else []
    parts += [nn.Tanh()]
    parts += [nn.Dropout(0.2)] if dropout else []
    return nn.Sequential(*parts, nn.Linear(8, 1)).double()


def _in_groups(
    kind: type[torch.optim.Optimizer], lr: float, settings: Settings, params: Iterable[Tensor]
) -> torch.optim.Optimizer:
    """An optimizer over two layers, each a parameter group with settings of its own."""
    weights = list(params)
    parts = zip((weights[:2], weights[2:]), settings, strict=True)
    return kind([{"params": part, **own} for part, own in parts], lr=lr)  # type: ignore[call-arg]


def _by_hand(task: Task, lr: float, settings: Settings, steps: int) -> list[float]:
    """The losses of a trial whose other numbers are written into the groups, step by step."""
    rates = lr * task.shape.resized(steps)(np.arange(steps))
    ways = {name: each.resized(steps) for name, each in task.other_schedules.items()}
    losses: list[float] = []
    with living(replace(task, other_schedules={})) as live:
        live.begin(0)
        groups = live.optimizers[0].param_groups
        for step, rate in enumerate(rates.tolist()):
            for name, way in ways.items():
                for group, own in zip(groups, settings, strict=True):
                    value = way(step) * own.get(name, 1.0) / settings[0].get(name, 1.0)
                    if name == "beta1":
                        group["betas"] = (value, group["betas"][1])
                    else:
                        group[name] = value
            losses.append(live.step(rate))
    return losses


class _Heard(Observer):
    def __init__(self) -> None:
        self.started: list[tuple[float, int, int]] = []
        self.steps: list[tuple[float, int, float]] = []
        self.ended: list[Trial] = []

    def trial_started(self, lr: float, seed: int, steps: int) -> None:
        self.started.append((lr, seed, steps))

    def stepped(self, lr: float, step: int, loss: float) -> None:
        self.steps.append((lr, step, loss))

    def trial_ended(self, trial: Trial) -> None:
        self.ended.append(trial)


def _failing(after: int) -> Any:
    calls = iter(range(10**9))

    def loss(model: nn.Module, batch: Any) -> Tensor:
        if next(calls) >= after:
            raise LookupError("the task's own error")
        return nn.functional.mse_loss(model(batch[0]), batch[1])

    return loss


def _losses(trial: Trial) -> list[float]:
    return trial.curve.losses.tolist()


def _state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Everything of the caller's as bytes and plain values."""
    moments = [
        {key: _bytes(value) for key, value in state.items()} for state in optimizer.state.values()
    ]
    return {
        "weights": [_bytes(tensor) for tensor in model.state_dict().values()],
        "gradients": [_bytes(parameter.grad) for parameter in model.parameters()],
        "modes": [module.training for module in model.modules()],
        "moments": moments,
        "rates": [group["lr"] for group in optimizer.param_groups],
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tobytes(),  # type: ignore[index,union-attr]  # noqa: NPY002  the global one
        "torch": _bytes(torch.get_rng_state()),
    }


def _bytes(value: Any) -> Any:
    return value.detach().cpu().numpy().tobytes() if isinstance(value, Tensor) else value


def _raised(act: Any) -> BaseException:
    try:
        act()
    except EtastarError as error:
        return error
    raise AssertionError("nothing was raised where an error is due")


def _hold(condition: bool, law: str, found: object = "") -> None:
    if not condition:
        raise AssertionError(f"the law “{law}” does not hold: {found}")
