"""Spaces: what may stand for the values of a setting, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from etastar.errors import InputError
from etastar.records import Axis
from etastar.sweeps import Choice, Linear, Log
from etastar.sweeps.space import axes_of, parse_values

DEFAULTS = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0, "eps": 1e-8}

positive = st.floats(1e-12, 1e12)
ranges = st.tuples(positive, positive).map(sorted).filter(lambda pair: pair[1] > 1.001 * pair[0])


@given(ranges, st.integers(2, 50), st.sampled_from([Log, Linear]))
def test_a_grid_rises_from_end_to_end_with_as_many_points(
    ends: tuple[float, float], points: int, kind: Any
) -> None:
    low, high = ends
    values = kind(low, high, points).axis().values
    assert (values[0], values[-1], len(values)) == (low, high, points)
    assert list(values) == sorted(set(values))
    steps = np.diff(np.log(values) if kind is Log else values)
    assert np.allclose(steps, steps[0], rtol=1e-3)


@given(ranges, st.sampled_from([Log, Linear]), st.floats(0, 1))
def test_a_share_of_a_range_is_inside_it_and_comes_back(
    ends: tuple[float, float], kind: Any, share: float
) -> None:
    axis = kind(*ends).axis()
    value = axis.at(share)
    assert axis.low <= value <= axis.high
    assert axis.share(value) == pytest.approx(share, abs=1e-6)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=6, unique=True), st.floats(0, 1))
def test_a_choice_gives_its_own_values_and_nothing_between(
    values: list[float], share: float
) -> None:
    axis = Choice(*values).axis()
    assert axis.at(share) in values
    assert {axis.at(i / 100) for i in range(101)} == set(values)


def test_without_points_a_range_has_two_per_decade() -> None:
    assert len(Log(1e-4, 1.0).axis().values) == 9
    assert len(Log(1.0, 2.0).axis().values) == 3
    assert len(Linear(0.0, 1.0).axis().values) == 5


@pytest.mark.parametrize("word", ["decade", "around"])
def test_a_word_means_a_decade_each_side_of_the_optimizers_own(word: str) -> None:
    (axis,) = axes_of(word, DEFAULTS).values()
    assert (axis.low, axis.high, axis.scale) == (0.01, 1.0, "log")
    assert 0.1 in axis.values
    assert axes_of({"eps": word}, DEFAULTS)["eps"].low == 1e-9


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("1e-4:1:log", Log(1e-4, 1)),
        ("1e-4:1:log:9", Log(1e-4, 1, 9)),
        ("0:0.99:linear:4", Linear(0, 0.99, 4)),
        ("0.8,0.9,0.95", Choice(0.8, 0.9, 0.95)),
        ("0.1", Choice(0.1)),
        ("decade", "decade"),
    ],
)
def test_values_are_written_as_on_the_command_line(given_: str, expected: Any) -> None:
    assert parse_values(given_) == expected


@pytest.mark.parametrize("values", [[0.1, 0.2], (0.1, 0.2), np.array([0.1, 0.2]), "0.1,0.2"])
def test_numbers_come_as_lists_arrays_or_text(values: Any) -> None:
    assert axes_of({"momentum": values}, DEFAULTS)["momentum"] == Choice(0.1, 0.2).axis()


def test_the_rate_comes_first_and_stays_the_optimizers_own_where_none_is_given() -> None:
    axes = axes_of({"momentum": [0.5, 0.9], "lr": 0.3}, DEFAULTS)
    assert list(axes) == ["lr", "momentum"]
    assert axes["lr"] == Axis(scale="choice", values=(0.3,))
    assert axes_of({"momentum": 0.5}, DEFAULTS)["lr"].values == (0.1,)


@pytest.mark.parametrize(
    ("space", "named"),
    [
        ({}, "empty"),
        ({"lr": "fast"}, "no number"),
        ({"lr": "1:2"}, "low:high:log"),
        ({"lr": "1:2:cubic"}, "low:high:log"),
        ({"lr": "1:2:log:many"}, "number of points"),
        ({"lr": "2:1:log"}, "lr: '2:1:log': pass finite numbers above 0, the lower one first"),
        ({"lr": "0:1:log"}, "above 0"),
        ({"lr": "nan:1:log"}, "finite"),
        ({"lr": "1:2:log:1"}, "'1:2:log:1': pass a whole number from 2"),
        ({"lr": [0.1, 0.1]}, "twice"),
        ({"lr": [0.0, 0.1]}, "above 0"),
        ({"lr": []}, "one or more"),
        ({"lr": ["a"]}, "finite numbers"),
        ({"lr": None}, "NoneType"),
        ({"weight_decay": "decade"}, "no decade"),
        ({"momentum": "decade"}, "past 1"),
    ],
)
def test_what_names_no_values_is_refused(space: Any, named: str) -> None:
    with pytest.raises(InputError, match=named):
        axes_of(space, DEFAULTS)


@pytest.mark.parametrize("ends", [(1, 1), (math.nan, 1), (1, math.inf), ("1", 2), (True, 2)])
def test_what_is_no_range_is_refused(ends: Any) -> None:
    for kind in (Log, Linear):
        with pytest.raises(InputError, match="lower one first"):
            kind(*ends)


@pytest.mark.parametrize(
    "ends", [Log(1.0, 1.0 + 1e-13), Linear(0.9, 0.9 + 1e-15), Linear(-1.7e308, 1.7e308)], ids=repr
)
def test_ends_with_no_numbers_between_are_refused(ends: Any) -> None:
    with pytest.raises(InputError, match="too near or too far"):
        ends.axis()


def test_a_range_over_all_numbers_has_a_grid() -> None:
    assert len(Log(1e-320, 1e300).axis().values) == 1241


def test_tensors_arrays_and_their_scalars_are_values() -> None:
    for values in (torch.tensor([0.5, 0.25]), np.array([0.5, 0.25])):
        assert axes_of(values, DEFAULTS)["lr"].values == (0.5, 0.25)
        assert axes_of(values[0], DEFAULTS)["lr"].values == (0.5,)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ("1:0.1:log", "beta1: '1:0.1:log'"),
        ("nan", r"beta1: Choice\(nan\)"),
        ("fast", "beta1: 'fast'"),
    ],
)
def test_what_is_refused_is_named(values: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        axes_of({"lr": 0.1, "beta1": values}, DEFAULTS)


def test_a_truth_value_is_no_rate() -> None:
    with pytest.raises(InputError, match="bool"):
        axes_of({"lr": True}, DEFAULTS)
