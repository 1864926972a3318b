"""Importance: what decides is named, and chance is not."""

from __future__ import annotations

import numpy as np

from etastar.records import Axis
from etastar.sweeps.importance import importance
from etastar.sweeps.space import Choice, Linear, Log

AXES: dict[str, Axis] = {
    "lr": Log(1e-4, 1.0).axis(),
    "momentum": Linear(0.0, 0.99).axis(),
    "nesterov": Choice(0.0, 1.0).axis(),
}


def points(count: int, seed: int) -> list[dict[str, float]]:
    rng = np.random.default_rng(seed)
    return [
        {
            "lr": 10 ** rng.uniform(-4, 0),
            "momentum": rng.uniform(0, 0.99),
            "nesterov": float(rng.integers(2)),
        }
        for _ in range(count)
    ]


def test_ranks_of_chance_name_nothing() -> None:
    """Each of three settings does in one of twenty sweeps, so one of seven sweeps names any."""
    named = [bool(importance(AXES, points(16, seed), list(range(16)))) for seed in range(40)]
    assert 1 <= sum(named) <= 12


def test_what_decides_is_named() -> None:
    for seed in range(5):
        given = points(40, seed)
        order = sorted(range(40), key=lambda k: abs(np.log10(given[k]["lr"]) + 1.5))
        found = importance(AXES, given, order)
        assert found["lr"] > 0.75, seed
        assert sum(found.values()) == 1
