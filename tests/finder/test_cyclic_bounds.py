"""The bounds of a cycle come from the pilots: what is good lies between, the cliff above."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tests.finder.tasks import wave

import etastar as es
from etastar.engine import Sequential


def test_rates_between_the_bounds_end_well_and_the_best_is_among_them() -> None:
    task = wave()
    finding = es.find(task, progress=False)
    assert finding.cyclic_bounds is not None
    assert finding.lr is not None
    low, high = finding.cyclic_bounds
    assert low < finding.lr < high
    inside = np.geomspace(low * 1.2, high / 1.2, 3)
    trials = Sequential().train(task, [finding.lr, *inside, low / 64], [0], 400)
    chosen, *between, far = [trial.final_loss for trial in trials]
    assert all(trial.measured for trial in trials)
    assert max(between) < far
    assert min(between) < 2 * chosen


def test_without_an_answer_there_are_none() -> None:
    stuck = replace(wave(), loss=lambda model, batch: 0 * model(batch[0]).sum() + 1, criterion=None)
    finding = es.find(stuck, progress=False)
    assert finding.verdict == "no_answer"
    assert finding.cyclic_bounds is None
