"""Records: frozen, validated, and the same after a way through JSON."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.records.strategies import curves, records, trials

from etastar.errors import InputError, RecordError
from etastar.records import (
    CyclicBounds,
    Finding,
    LossCurve,
    Prediction,
    RangeTest,
    Record,
    RegimeBand,
    Sweep,
    Trial,
)

STORED = Path(__file__).parent / "stored"
TOP_LEVEL: tuple[type[Record], ...] = (LossCurve, Trial, RangeTest, Finding)


def stored(kind: type[Record]) -> str:
    return (STORED / f"{kind.kind}-1.json").read_text(encoding="utf-8")


def trial(**changes: Any) -> Trial:
    fields: dict[str, Any] = {
        "lr": 0.1,
        "seed": 0,
        "steps": 3,
        "status": "finished",
        "final_loss": 1.0,
        "curve": LossCurve(lrs=np.full(3, 0.1), losses=np.array([3.0, 2.0, 1.0])),
        "sample_gradients": 96.0,
        "seconds": 0.5,
    }
    return Trial(**{**fields, **changes})


# --- a way through JSON ----------------------------------------------------------------------


@settings(deadline=None)  # machines are shared
@given(records)
def test_comes_back_equal_from_json(record: Record) -> None:
    text = record.to_json()
    back = type(record).from_json(text)
    assert back == record
    assert hash(back) == hash(record)
    assert back.to_json() == text


@settings(deadline=None)  # machines are shared
@given(records)
def test_json_needs_no_extension_of_the_standard(record: Record) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    content = json.loads(record.to_json(), parse_constant=refuse)
    assert content["etastar"] == record.kind
    assert content["version"] == record.version


@settings(deadline=None)  # machines are shared
@given(curves())
def test_every_loss_comes_back_to_the_last_bit(curve: LossCurve) -> None:
    back = LossCurve.from_json(curve.to_json())
    assert np.array_equal(back.losses, curve.losses, equal_nan=True)
    assert np.array_equal(np.signbit(back.losses), np.signbit(curve.losses)) or np.any(
        np.isnan(curve.losses)  # a NaN's sign has no meaning
    )
    assert np.array_equal(back.lrs, curve.lrs)


def test_not_a_number_and_infinities_are_kept() -> None:
    curve = LossCurve(lrs=np.full(3, 0.1), losses=np.array([math.nan, math.inf, -math.inf]))
    assert json.loads(curve.to_json())["losses"] == ["NaN", "Infinity", "-Infinity"]
    back = LossCurve.from_json(curve.to_json())
    assert np.isnan(back.losses[0])
    assert back.losses[1:].tolist() == [math.inf, -math.inf]
    assert back == curve


def test_a_file_is_read_as_the_text_is(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "trial.json"
    record = trial()
    text = record.to_json(path)
    assert path.read_text(encoding="utf-8") == text + "\n"
    assert Trial.from_json(path) == record


NEWER: dict[str, Any] = {
    "settings": {},
    "shape": "",
    "fingerprint": "",
    "also": [],
    "carried": [],
    "confidence_tight": 0.0,
    "cost_in_all": None,
}


def in_version_1(fields: Any) -> Any:
    """The fields as version 1 wrote them; what it did not have must be as if never given."""
    if isinstance(fields, list):
        return [in_version_1(field) for field in fields]
    if not isinstance(fields, dict):
        return fields
    for name, absent in NEWER.items():
        assert fields.pop(name, absent) == absent
    fields |= {"version": 1} if "version" in fields else {}
    return {name: in_version_1(field) for name, field in fields.items()}


def test_a_trial_keeps_its_settings_in_order_of_name_and_its_shape() -> None:
    changed_trial = trial(settings={"momentum": 0.9, "beta2": 0.99}, shape="0badcafe")
    assert list(changed_trial.settings) == ["beta2", "momentum"]
    assert changed_trial == trial(settings={"beta2": 0.99, "momentum": 0.9}, shape="0badcafe")
    assert Trial.from_json(changed_trial.to_json()) == changed_trial
    assert changed_trial != trial()


@pytest.mark.parametrize("kind", TOP_LEVEL, ids=lambda kind: kind.kind)
def test_what_version_1_wrote_is_still_read(kind: type[Record]) -> None:
    text = stored(kind)
    record = kind.from_json(STORED / f"{kind.kind}-1.json")
    assert in_version_1(json.loads(record.to_json())) == json.loads(text)


# --- equality and immutability ---------------------------------------------------------------


def test_equal_by_value_and_not_across_kinds() -> None:
    assert trial() == trial()
    assert trial() != trial(lr=0.2)
    assert trial() != trial().curve
    assert len({trial(), trial(), trial(seed=1)}) == 2


def test_a_diverged_trial_equals_itself() -> None:
    diverged = trial(status="diverged", final_loss=math.nan)
    assert diverged == copy.deepcopy(diverged)


def test_frozen() -> None:
    record = trial()
    with pytest.raises(ValidationError, match="frozen"):
        record.lr = 1.0  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        del record.lr
    with pytest.raises(ValueError, match="read-only"):
        record.curve.losses[0] = 0.0
    with pytest.raises(ValueError, match="read-only"):
        LossCurve.from_json(record.curve.to_json()).lrs += 1.0


def test_arrays_are_copies() -> None:
    losses = np.array([1.0, 2.0])
    curve = LossCurve(lrs=losses, losses=losses)
    losses[0] = 7.0
    assert curve.losses.tolist() == [1.0, 2.0]
    assert losses.flags.writeable


@pytest.mark.parametrize("values", [[1, 2], (1.0, 2.0), np.array([1, 2], dtype=np.float32)])
def test_arrays_are_made_of_any_numbers(values: Any) -> None:
    curve = LossCurve(lrs=values, losses=values)
    assert curve.losses.dtype == np.float64
    assert curve.losses.tolist() == [1.0, 2.0]


def test_finite_steps_end_at_the_first_loss_that_is_not_finite() -> None:
    def finite_steps(*losses: float) -> int:
        return LossCurve(lrs=np.ones(len(losses)), losses=np.array(losses)).finite_steps

    assert finite_steps() == 0
    assert finite_steps(math.nan, 1.0) == 0
    assert finite_steps(3.0, 2.0, math.inf, 1.0) == 2
    assert finite_steps(3.0, 2.0) == 2


def test_only_a_finished_trial_is_measured() -> None:
    assert trial().measured
    assert not trial(status="diverged", final_loss=math.nan).measured
    assert not trial(status="stopped", final_loss=math.nan).measured


# --- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"lr": 0.0},
        {"lr": -0.1},
        {"lr": math.inf},
        {"lr": math.nan},
        {"steps": 0},
        {"steps": 2},  # fewer than the curve has
        {"steps": 3.5},
        {"seed": "x"},
        {"status": "lost"},
        {"final_loss": math.nan},
        {"final_loss": math.inf},
        {"status": "diverged", "final_loss": 1.0},
        {"status": "stopped", "final_loss": math.inf},
        {"seconds": -1.0},
        {"seconds": math.nan},
        {"sample_gradients": -1.0},
        {"curve": None},
        {"unknown": 1},
    ],
    ids=str,
)
def test_a_trial_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        trial(**changes)


@pytest.mark.parametrize(
    ("lrs", "losses"),
    [
        ([0.1], []),
        ([-0.1], [1.0]),
        ([math.nan], [1.0]),
        ([math.inf], [1.0]),
        ([[0.1]], [[1.0]]),
        ([None], [1.0]),
        ([0.1], ["many"]),
        ([10**400], [1.0]),
        ({"a": 1}, [1.0]),
        (0.1, 1.0),
        ("0.1", [1.0]),
        (None, [1.0]),
        (np.ones((2, 2)), np.ones((2, 2))),
    ],
    ids=str,
)
def test_a_curve_that_cannot_be_is_refused(lrs: Any, losses: Any) -> None:
    with pytest.raises(ValidationError):
        LossCurve(lrs=lrs, losses=losses)


@pytest.mark.parametrize(
    "changes",
    [
        {"lr": None},
        {"schedule": None},
        {"interval": None},
        {"verdict": "no_answer"},
        {"interval": [0.1, 0.01]},
        {"interval": [0.0, 0.1]},
        {"interval": [0.1, "Infinity"]},
        {"interval": ["NaN", 0.1]},
        {"confidence": 1.5},
        {"confidence": "NaN"},
        {"budget": 0},
    ],
    ids=str,
)
def test_a_finding_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    text = json.dumps({**json.loads(stored(Finding)), **changes})
    with pytest.raises(RecordError, match="damaged finding"):
        Finding.from_json(text)


def test_bounds_out_of_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="bounds from"):
        CyclicBounds(low=0.2, high=0.1, reason="")
    with pytest.raises(ValidationError, match="a regime from"):
        RegimeBand(regime="good", low=0.2, high=0.1)
    grid, short = np.ones(3), np.ones(2)
    with pytest.raises(ValidationError, match="rows"):
        Prediction(lrs=grid, losses=grid, low=grid, high=short, drift_per_octave=0.0, noise=0.0)


def changed(**changes: Any) -> str:
    return json.dumps({**json.loads(trial().to_json()), **changes})


def without(name: str) -> str:
    return json.dumps({k: v for k, v in json.loads(trial().to_json()).items() if k != name})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (changed(version=3), r"version 3, newer than the 2 this etastar reads; upgrade"),
        (changed(version=0), r"damaged trial: its version is 0"),
        (changed(version=True), r"damaged trial: its version is True"),
        (without("version"), r"damaged trial: its version is None"),
        (changed(etastar="finding"), r"no etastar trial; give a file written by `Trial.to_json`"),
        (without("etastar"), r"no etastar trial"),
        (changed(extra=1), r"damaged trial: extra: Extra inputs are not permitted"),
        (without("lr"), r"damaged trial: lr: Field required"),
        (changed(lr=-1), r"damaged trial: lr: Input should be greater than 0"),
        (changed(curve={"lrs": [None], "losses": [1]}), r"curve\.lrs: an array of numbers"),
        (changed(shape="cosine"), r"damaged trial: shape: String should match pattern"),
        (changed(settings={"eps": "NaN"}), r"settings\.eps: Input should be a finite number"),
        (changed(status="diverged"), r"damaged trial: a trial that diverged with final_loss=1\.0;"),
        (trial().to_json()[:-9], r"is not JSON"),
        ("", r"is not JSON"),
        ("[" * 100_000, r"is not JSON"),
        ("1" * 5_000, r"is not JSON"),
        ("null", r"no etastar trial"),
        ("[1, 2]", r"no etastar trial"),
    ],
)
def test_what_is_wrong_with_a_text_is_said_in_a_sentence(text: str, words: str) -> None:
    with pytest.raises(RecordError, match=words) as caught:
        Trial.from_json(text)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("the text")


def test_what_is_wrong_with_a_file_names_the_file(tmp_path: Path) -> None:
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    damaged = tmp_path / "damaged.json"
    damaged.write_text(changed(lr="x"), encoding="utf-8")
    for path in (tmp_path / "absent.json", tmp_path, binary, damaged):
        with pytest.raises(RecordError) as caught:
            Trial.from_json(path)
        assert str(caught.value).startswith(str(path))
        assert isinstance(caught.value, InputError)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    if not isinstance(value, dict | list):
        return [at]
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [at, *(place for key, item in inner for place in places(item, (*at, key)))]


junk = st.sampled_from([None, True, -1, 10**400, 1e308, "", "NaN", "x", [], [[]], {}, {"a": None}])


@settings(deadline=None)  # machines are shared
@given(st.sampled_from(TOP_LEVEL), st.data())
def test_junk_anywhere_is_refused_in_words_or_read(kind: type[Record], data: Any) -> None:
    content = json.loads(stored(kind))
    place = data.draw(st.sampled_from(places(content)[1:]))
    inside = content
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = data.draw(junk)
    try:
        record = kind.from_json(json.dumps(content))
    except RecordError:
        return
    assert kind.from_json(record.to_json()) == record


@settings(deadline=None)  # machines are shared
@given(trials(), st.data())
def test_a_text_cut_anywhere_is_refused(record: Trial, data: Any) -> None:
    text = record.to_json()
    cut = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(RecordError):
        Trial.from_json(text[:cut])


def test_a_sweep_of_version_1_is_still_read() -> None:
    text = (STORED / "sweep-1.json").read_text(encoding="utf-8")
    later = {"known": 0}  # fields that came since, with what they were then
    assert json.loads(Sweep.from_json(text).to_json()) == json.loads(text) | later
