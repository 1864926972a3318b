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
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from etastar.engine import Engine, Sequential, Work, train_all
from etastar.errors import InputError, TaskFailedError
from etastar.records import Trial
from etastar.schedules import Constant, Cosine
from etastar.tasks import Task
from etastar.testing.engine_tasks import (
    EXTRAS,
    OPTIMIZERS,
    SCHEDULED,
    TUNED,
    Heard,
    Points,
    by_hand,
    double_net,
    failing,
    hold,
    in_groups,
    losses_of,
    net,
    raised,
    state_of,
)

STEPS = 8
LRS = (0.02, 0.1, 0.3)
SEEDS = (0, 1)


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
        hold(pairs == [(lr, seed) for lr in lrs for seed in SEEDS], "one trial each", pairs)
        lengths = {(trial.steps, len(trial.curve)) for trial in trials}
        hold(lengths == {(STEPS, STEPS)}, "every trial makes all its steps", lengths)

    def test_a_trial_says_what_it_was_trained_under(self) -> None:
        """The schedule's fingerprint and the task's settings, to be found by again."""
        task = self.task().with_settings({"momentum": 0.5})
        flat = Constant(steps=STEPS)
        own = self.engine().train(task, [0.1], [0], STEPS)
        told = self.engine().train(task, [0.1], [0], STEPS, schedule=flat)
        shapes = [trial.shape for trial in (*own, *told)]
        hold(shapes == [task.shape.fingerprint, flat.fingerprint], "the shape is told", shapes)
        settings = [trial.settings for trial in (*own, *told)]
        hold(settings == [{"momentum": 0.5}] * 2, "the settings are told", settings)

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
            hold(self._close(starts, [starts[0]] * len(starts)), "the first loss is one", starts)
        first = {trial.seed: trial.curve.losses[0] for trial in trials}
        hold(first[0] != first[1], "another seed draws other weights and batches", first)

    def test_an_instance_keeps_its_weights_for_every_seed(self) -> None:
        """And a factory draws them from the seed."""
        still: dict[str, Any] = {"train": Points(shuffled=False), "model": nn.Linear(3, 1)}
        trials = self.engine().train(self.task(**still), [0.1], [0, 1], STEPS)
        hold(losses_of(trials[0]) == losses_of(trials[1]), "the instance's own weights", trials)
        still["model"] = partial(nn.Linear, 3, 1)
        trials = self.engine().train(self.task(**still), [0.1], [0, 1], STEPS)
        hold(losses_of(trials[0]) != losses_of(trials[1]), "weights drawn from the seed", trials)

    def test_the_rate_follows_the_schedule(self) -> None:
        """The task's shape at the trial's own horizon, unless another is given."""
        task, engine = self.task(schedule=Cosine(steps=STEPS, peak=5.0)), self.engine()
        for steps, given in ((STEPS, None), (5, None), (5, Constant(steps=5))):
            (trial,) = engine.train(task, [0.1], [0], steps, schedule=given)
            shape = given or Cosine(steps=steps)
            expected = 0.1 * shape(np.arange(steps))
            hold(np.allclose(trial.curve.lrs, expected, rtol=1e-12), "rates", trial.curve.lrs)

    def test_divergence_is_a_result(self) -> None:
        """A diverged trial ends early, without a final loss, beside others that finish."""
        trials = self.engine().train(self.task(), [0.02, 1e30], [0], STEPS)
        hold(trials[0].status == "finished" and trials[0].measured, "the lower rate", trials[0])
        hold(trials[1].status == "diverged", "the higher rate diverges", trials[1])
        hold(math.isnan(trials[1].final_loss), "without a final loss", trials[1])

    def test_without_validation_the_last_losses_count(self) -> None:
        """The mean of the last tenth of the steps."""
        (trial,) = self.engine().train(self.task(valid=None), [0.02], [0], 20)
        last = float(np.mean(trial.curve.losses[-2:]))
        hold(math.isclose(trial.final_loss, last), "the mean of the last two of 20", trial)

    def test_a_lost_trial_is_stopped(self) -> None:
        """It is asked after every step, with the losses so far and the horizon."""
        heard: list[tuple[int, int]] = []

        def lost(losses: Sequence[float], steps: int) -> bool:
            heard.append((len(losses), steps))
            return len(losses) == 3

        (trial,) = self.engine().train(self.task(), [0.02], [0], STEPS, lost=lost)
        hold(heard == [(1, STEPS), (2, STEPS), (3, STEPS)], "asked after every step", heard)
        hold(trial.status == "stopped" and len(trial.curve) == 3, "stopped there", trial)
        hold(trial.steps == STEPS and math.isnan(trial.final_loss), "censored", trial)

    def test_observers_hear_everything(self) -> None:
        """Every trial's start, steps and end, in the trial's own order; and change nothing."""
        heard, task = Heard(), self.task()
        trials = self.engine().train(task, LRS, SEEDS, STEPS, observer=heard)
        self._same(trials, self.engine().train(task, LRS, SEEDS, STEPS), tolerance=0.0)
        hold(sorted(heard.started) == sorted((t.lr, t.seed, t.steps) for t in trials), "starts")
        hold(set(heard.ended) == set(trials) and len(heard.ended) == len(trials), "ends")
        for lr in LRS:
            told = [(step, loss) for rate, step, loss in heard.steps if rate == lr]
            true = [p for t in trials if t.lr == lr for p in enumerate(t.curve.losses.tolist())]
            hold(sorted(told) == sorted(true), f"the steps at {lr}", told)

    def test_what_is_spent_is_counted(self) -> None:
        """In samples that went forward and backward."""
        for trial in self.engine().train(self.task(valid=None), LRS, [0], STEPS):
            hold(trial.sample_gradients == STEPS * Points.size, "sample gradients", trial)
            hold(trial.seconds >= 0, "seconds", trial)

    def test_the_callers_objects_come_back_bit_for_bit(self) -> None:
        """Model, optimizer, random generators, also after a failure."""
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        x, y = next(iter(Points()))
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
        for loss in (None, failing(after=3)):
            losses = {} if loss is None else {"criterion": None, "loss": loss}
            task = self.task(model=model, optimizer=optimizer, **losses)
            before = state_of(model, optimizer)
            lively = Work(task, [0.1], [0], STEPS, settings={"momentum": 0.5})
            try:
                self.engine().train(task, [0.1, 1e30], [0], STEPS)
                train_all(self.engine(), [Work(task, [0.1, 1e30], [0], STEPS), lively])
            except TaskFailedError:
                hold(loss is not None, "only the failing loss fails")
            after = state_of(model, optimizer)
            changed = [name for name in before if before[name] != after.get(name)]
            hold(not changed and before.keys() == after.keys(), "all is as it was", changed)

    def test_the_tasks_own_error_is_the_cause(self) -> None:
        """And is raised, not recorded."""
        task = self.task(criterion=None, loss=failing(after=3))
        error = raised(lambda: self.engine().train(task, [0.1], [0], STEPS))
        hold(isinstance(error, TaskFailedError), "TaskFailedError is raised", error)
        hold(isinstance(error.__cause__, LookupError), "caused by the task's own", error)

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
            error = raised(call)
            hold(isinstance(error, InputError), f"{name} is refused", error)
            hold(not calls, f"{name} is refused before anything is built")

    def test_nothing_asked_nothing_done(self) -> None:
        """No rates, or no seeds, give no trials."""
        for lrs, seeds in (([], [0]), ([0.1], []), ([], [])):
            trials = self.engine().train(self.task(), lrs, seeds, STEPS)
            hold(trials == [], "no trials", trials)

    def test_a_rate_asked_for_twice_is_answered_twice(self) -> None:
        """By the same trial."""
        one, other, two = self.engine().train(self.task(), [0.1, 0.02, 0.1], [0], STEPS)
        hold((one.lr, other.lr, two.lr) == (0.1, 0.02, 0.1), "in the order given")
        self._same([one], [two])

    def test_numbers_of_numpy_will_do(self) -> None:
        """They are recorded as Python's own."""
        (trial,) = self.engine().train(self.task(), np.array([0.1]), np.array([3]), STEPS)  # type: ignore[arg-type]
        hold(trial == Trial.from_json(trial.to_json()), "as any other record", trial)

    @pytest.mark.parametrize("with_", EXTRAS)
    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_optimizers_move_as_in_the_sequential_engine(self, name: str, with_: str) -> None:
        """Over 50 steps in float64 under a rate that rises and falls."""
        kind, settings, lr = OPTIMIZERS[name]
        on = EXTRAS if with_ == "all" else (with_,)
        task = self.task(
            model=partial(double_net, batch_norm="batch_norm" in on, dropout="dropout" in on),
            optimizer=partial(kind, lr=lr, weight_decay=0.1 * ("decay" in on), **settings),
            train=Points(dtype=torch.float64),
            valid=Points(count=2, dtype=torch.float64),
            clip_norm=0.5 if "clipping" in on else None,
            steps=50,
            schedule=Cosine(steps=50, warmup_steps=5),
        )
        reference = Sequential().train(task, [lr / 4, lr], [0], 50)
        self._same(self.engine().train(task, [lr / 4, lr], [0], 50), reference)

    @pytest.mark.parametrize("name", TUNED)
    def test_works_of_several_settings_are_each_trained_as_if_alone(self, name: str) -> None:
        """Each trial follows its own settings, whichever are trained beside it, over 50 steps."""
        kind, settings, lr = OPTIMIZERS[name]
        own = ({"weight_decay": 0.1, **settings}, {"weight_decay": 0.05, **settings})
        task = self.task(
            model=partial(double_net, batch_norm=True, dropout=False),
            optimizer=partial(in_groups, kind, lr, own),
            train=Points(dtype=torch.float64),
            valid=Points(count=2, dtype=torch.float64),
            clip_norm=0.5,
            steps=50,
        )
        works = [
            Work(task, [lr], [0, 1], 50, name="own"),
            Work(task, [lr / 4, 1e300], [0, 1], 50, settings=TUNED[name]),
            Work(task, [lr], [0, 1], 50, settings={"weight_decay": 0.3}),
            Work(task, [lr], [0, 1], 50, settings={**TUNED[name], "weight_decay": 0.0}),
        ]
        heard = Heard()
        trained = train_all(self.engine(), works, observer=heard)
        for work, trials in zip(works, trained, strict=True):
            self._same(trials, Sequential().train(work.tuned, work.lrs, work.seeds, work.steps))
            told = {tuple(sorted(trial.settings.items())) for trial in trials}
            own_settings = tuple(sorted(work.settings.items()))
            hold(told == {own_settings}, "the settings are told", told)
        hold(
            sorted(map(hash, heard.ended)) == sorted(hash(t) for ts in trained for t in ts), "ends"
        )
        hold(trained[1][2].status == "diverged", "the highest rate diverges", trained[1])
        firsts = {trials[0].curve.losses[-1] for trials in trained}
        hold(len(firsts) == len(works), "every setting counts", firsts)

    @pytest.mark.parametrize("name", SCHEDULED)
    def test_other_numbers_follow_their_schedules(self, name: str) -> None:
        """Over 50 steps in float64, resized from another horizon; and they make a difference."""
        kind, settings, lr, schedules = SCHEDULED[name]
        task = self.task(
            model=partial(double_net, batch_norm=False, dropout=True),
            optimizer=partial(in_groups, kind, lr, settings),
            train=Points(dtype=torch.float64),
            valid=Points(count=2, dtype=torch.float64),
            steps=200,
            schedule=Cosine(steps=200, warmup_steps=20),
            other_schedules=schedules,
        )
        trials = self.engine().train(task, [lr / 4, lr], [0], 50)
        self._same(trials, Sequential().train(task, [lr / 4, lr], [0], 50))
        expected, found = by_hand(task, lr, settings, 50), trials[1].curve.losses
        hold(self._close(found, expected, max(self.tolerance, 1e-9)), "as set by hand", found)
        plain = self.engine().train(replace(task, other_schedules={}), [lr], [0], 50)
        hold(not np.allclose(plain[0].curve.losses, found, rtol=1e-3), "they count", found)

    @pytest.mark.parametrize("dropout", [False, True], ids=["no dropout", "dropout"])
    @pytest.mark.parametrize("shuffled", [False, True], ids=["in order", "shuffled"])
    @pytest.mark.parametrize("kind", ["factory", "instance"])
    def test_every_seed_moves_as_in_the_sequential_engine(
        self, kind: str, shuffled: bool, dropout: bool
    ) -> None:
        """Also among others: with its own weights, batches and random numbers, over 50 steps."""
        factory = partial(double_net, batch_norm=True, dropout=dropout)
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
        hold(len(trials) == len(others), "as many trials", (len(trials), len(others)))
        for one, two in zip(trials, others, strict=True):
            for name in ("lr", "seed", "steps", "status", "sample_gradients"):
                same = getattr(one, name) == getattr(two, name)
                hold(same, f"the same {name}", (getattr(one, name), getattr(two, name)))
            ours = [*one.curve.losses, one.final_loss]
            hold(self._close(ours, [*two.curve.losses, two.final_loss], allowed), "losses", ours)

    def _close(
        self, ours: Iterable[float], others: Iterable[float], tolerance: float | None = None
    ) -> bool:
        allowed = self.tolerance if tolerance is None else tolerance
        one, two = np.array(list(ours)), np.array(list(others))
        return one.shape == two.shape and bool(
            np.allclose(one, two, rtol=allowed, atol=0.0, equal_nan=True)
        )
