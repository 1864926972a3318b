"""JSON specs, fingerprints, pydantic fields."""

import json
import subprocess
import sys

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etastar import schedules as es
from etastar.errors import ScheduleError

COSINE = es.Cosine(steps=100, peak=0.1, warmup_steps=10)


def test_the_spec_is_versioned_plain_data():
    assert COSINE.to_spec() == {
        "etastar_schedule": 1,
        "kind": "cosine",
        "steps": 100,
        "peak": 0.1,
        "warmup_steps": 10,
        "floor": 0.0,
    }
    nested = (COSINE >> es.Constant(steps=5)).clip(0.01)
    assert es.from_json(json.dumps(nested.to_spec())) == nested


def test_a_spec_from_a_newer_version_is_refused_in_words():
    with pytest.raises(ScheduleError, match=r"written by a newer etastar.*upgrade"):
        es.from_spec(COSINE.to_spec() | {"etastar_schedule": 2})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "cosin"}, "did you mean 'cosine'"),
        ({"kind": 3}, "names no schedule"),
        ({"warmup": 3}, "did you mean 'warmup_steps'"),
        ({"steps": "ten"}, "whole number"),
        ({"peak": None}, "finite number"),
        ({"etastar_schedule": True}, "without its version"),
        ({"etastar_schedule": None}, "without its version"),
    ],
)
def test_a_wrong_spec_is_refused_in_words(change, words):
    with pytest.raises(ScheduleError, match=words):
        es.from_spec(COSINE.to_spec() | change)


def test_missing_fields_and_other_texts_are_refused():
    with pytest.raises(ScheduleError, match="without steps"):
        es.from_spec({"etastar_schedule": 1, "kind": "cosine"})
    for text, words in (("{", "not JSON"), ("[]", "is an object"), ("[" * 100_000, "not JSON")):
        with pytest.raises(ScheduleError, match=words):
            es.from_json(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(["kind", "steps", "peak", "parts", "part", "high"]), JSON)
def test_any_data_is_read_or_refused_and_nothing_else_happens(field, value):
    nested = (COSINE >> es.Constant(steps=5)).clip(0.01, 0.5)
    for spec in (
        COSINE.to_spec(),
        nested.to_spec(),
        nested.to_spec()["part"] | {"etastar_schedule": 1},
    ):
        try:
            schedule = es.from_spec(spec | {field: value})
        except ScheduleError as error:
            refused = str(error)
        else:
            refused = ""
            assert isinstance(schedule, es.Schedule)
        assert "\n" not in refused or "\n" in str(value)


def test_fingerprints_tell_schedules_apart_and_do_not_depend_on_the_process():
    assert COSINE.fingerprint == es.Cosine(steps=100.0, peak=0.1, warmup_steps=10).fingerprint
    assert COSINE.fingerprint != es.Cosine(steps=100, peak=0.1000001, warmup_steps=10).fingerprint
    code = (
        "from etastar import schedules as es;"
        "print(es.Cosine(steps=100, peak=0.1, warmup_steps=10).fingerprint)"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == COSINE.fingerprint == "96f44ca6e5ac2f61"


def test_schedules_are_fields_of_pydantic_models():
    class Model(pydantic.BaseModel):
        schedule: es.Schedule
        warm: es.Cosine | None = None

    model = Model(schedule=COSINE, warm=COSINE)
    assert Model.model_validate_json(model.model_dump_json()) == model
    assert model.model_dump()["schedule"] == COSINE.to_spec()
    with pytest.raises(pydantic.ValidationError, match="where a Cosine is needed"):
        Model(schedule=COSINE, warm=es.Linear(steps=3).to_spec())
    with pytest.raises(pydantic.ValidationError, match="newer etastar"):
        Model(schedule=COSINE.to_spec() | {"etastar_schedule": 9})
    with pytest.raises(pydantic.ValidationError, match="give a schedule"):
        Model(schedule=0.1)


def test_importing_schedules_loads_no_torch_and_no_scipy():
    heavy = "{'torch', 'scipy', 'matplotlib', 'jax'}"
    code = f"import sys, etastar.schedules; print({heavy} & {{*sys.modules}})"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "set()"
