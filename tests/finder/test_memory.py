"""What `find` was told before it neither trains nor pays for again, and says so."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.finder.tasks import net, wave

import etastar as es
from etastar.engine import Observer
from etastar.errors import InputError, InterruptedRunError
from etastar.finder.surrogate import believe
from etastar.records import Finding, LossCurve, Trial
from etastar.schedules import Constant
from etastar.store import open_store


class Trained(Observer):
    """Keeps the trials that were trained step by step, not those answered from memory."""

    def __init__(self, interrupt_at: int | None = None) -> None:
        self.lrs: list[float] = []
        self._interrupt_at = interrupt_at
        self._in_trial = False

    def trial_started(self, lr: float, seed: int, steps: int) -> None:
        self._in_trial = True

    def stepped(self, lr: float, step: int, loss: float) -> None:
        if self._in_trial and step == 5:
            self.lrs.append(lr)
            if len(self.lrs) == self._interrupt_at:
                raise KeyboardInterrupt

    def trial_ended(self, trial: Trial) -> None:
        self._in_trial = False


@pytest.fixture(scope="module")
def before() -> Finding:
    return es.find(wave(), progress=False)


def answer(found: Finding) -> Any:
    return found.lr, found.interval, found.verdict, [(t.lr, t.final_loss) for t in found.trials]


def test_the_very_same_question_costs_nothing(before: Finding, tmp_path: Path) -> None:
    before.to_json(tmp_path / "finding.json")
    trained = Trained()
    again = es.find(wave(), known=tmp_path / "finding.json", observer=trained)
    assert answer(again) == answer(before)
    assert again.cost == 0
    assert again.cost_in_all == pytest.approx(before.cost)
    assert trained.lrs == []
    assert "the answer of before" in again.carried[0]


def test_a_longer_horizon_goes_on_from_the_shorter_ones_pilots(before: Finding) -> None:
    longer = es.find(wave(steps=800), known=before, progress=False)
    count = len(before.trials)
    assert longer.trials[:count] == before.trials
    assert longer.range_test == before.range_test
    assert longer.cost_in_all is not None
    carried = sum(t.sample_gradients for t in before.trials) / (800 * 16)
    assert longer.cost_in_all > longer.cost + carried
    assert "earlier trials are evidence" in longer.carried[0]


def test_pilots_of_another_seed_are_evidence_and_own_ones_are_trained(before: Finding) -> None:
    other = es.find(wave(), known=before, seed=7, progress=False)
    assert {t.seed for t in other.trials} >= {0, 7}
    assert other.range_test != before.range_test
    assert "the range test is new" in other.carried[-1]


def test_under_another_schedule_only_the_range_test_carries_over(before: Finding) -> None:
    changed = wave(steps=None, schedule=Constant(steps=400))
    found = es.find(changed, known=before, progress=False)
    assert not {t.shape for t in before.trials} & {t.shape for t in found.trials}
    assert found.range_test == before.range_test
    assert "trained under another schedule" in found.carried[0]


def test_a_finding_of_another_task_is_refused(before: Finding) -> None:
    with pytest.raises(InputError, match="known= is a finding of another task"):
        es.find(wave(clip_norm=1.0), known=before, progress=False)


def test_with_a_store_the_answer_is_the_same_and_asking_again_trains_nothing(
    before: Finding, tmp_path: Path
) -> None:
    first = es.find(wave(), store=tmp_path / "s.db", progress=False)
    assert answer(first) == answer(before)
    assert first.cost == before.cost
    trained = Trained()
    again = es.find(wave(), store=tmp_path / "s.db", observer=trained)
    assert answer(again) == answer(before)
    assert trained.lrs == []
    assert again.cost < 0.5 * first.cost  # the range test and the edge are looked at anew
    assert again.cost_in_all == pytest.approx(first.cost)


def test_interrupted_it_goes_on_where_it_stopped_and_leaves_no_trace(
    before: Finding, tmp_path: Path
) -> None:
    model = net()
    weights = copy.deepcopy(model.state_dict())
    task = wave(model=model)
    undisturbed = es.find(task, progress=False)
    with pytest.raises(InterruptedRunError, match="interrupted after 2 pilots") as stopped:
        es.find(task, store=tmp_path / "s.db", observer=Trained(interrupt_at=3))
    assert isinstance(stopped.value.known, Finding)
    with open_store(tmp_path / "s.db") as store:
        assert [study.count for study in store.studies()] == [2]
    trained = Trained()
    resumed = es.find(task, store=tmp_path / "s.db", observer=trained)
    assert answer(resumed) == answer(undisturbed)
    assert len(trained.lrs) == len(undisturbed.trials) - 2
    assert resumed.cost < undisturbed.cost
    assert all(torch.equal(model.state_dict()[name], weights[name]) for name in weights)


def test_a_name_chooses_the_engine_and_a_wrong_one_is_refused(before: Finding) -> None:
    found = es.find(wave(), engine="vectorized", progress=False)
    assert found.lr is not None
    assert before.lr is not None
    assert abs(math.log2(found.lr / before.lr)) < 0.3
    with pytest.raises(InputError, match="did you mean 'vectorized'"):
        es.find(wave(), engine="vectorised", progress=False)


def test_rates_lie_on_a_lattice_so_that_they_are_asked_for_again(before: Finding) -> None:
    octaves = [8 * math.log2(trial.lr) for trial in before.trials]
    assert octaves == pytest.approx([round(octave) for octave in octaves])


def test_seeds_are_compared_by_where_their_losses_are_lowest_not_by_how_low() -> None:
    from etastar.finder.prior import Prior

    def trial(x: float, seed: int, level: float) -> Trial:
        loss = level * math.exp(0.1 * (x + 3) ** 2)
        curve = LossCurve(lrs=[2.0**x] * 100, losses=[loss] * 100)
        return Trial(
            lr=2.0**x, seed=seed, steps=100, status="finished", final_loss=loss, curve=curve,
            sample_gradients=100, seconds=0,
        )  # fmt: skip

    own = [trial(x, 0, 0.5) for x in (-5.0, -4.0, -2.0)]
    level, higher = (
        believe([*own, *(trial(x, 1, other) for x in (-3.0, -1.0))], 100, 5.0, None, Prior())
        for other in (0.5, 1.0)
    )
    assert level is not None
    assert higher is not None
    for belief in (level, higher):
        assert belief.optimum([0.5], 100)[0] == pytest.approx(-3, abs=0.4)


def test_an_ample_budget_reaches_runs_near_full_length_and_is_kept() -> None:
    task = wave(steps=1000)
    found = es.find(task, budget=4.0, progress=False)
    longest = max(trial.steps for trial in found.trials)
    assert longest > 500
    assert found.cost <= 4.0 + max(t.sample_gradients for t in found.trials) / (1000 * 16)
