"""Curves as bytes: nothing is lost, and no bytes are taken for a curve that are none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.records.strategies import trials

from etastar.records import Trial
from etastar.schedules import Cosine
from etastar.store.arrays import packed, unpacked
from etastar.store.rows import read_trial, trial_row

FINGERPRINT = "ab" * 16


@settings(deadline=None)  # machines are shared
@given(arrays(np.uint64, st.integers(0, 40)))
def test_every_bit_comes_back(bits: np.ndarray) -> None:
    """Any 64 bits at all: NaN of every kind, infinities, denormals, signed zeros."""
    array = bits.view(np.float64)
    back = unpacked(packed(array))
    assert back.dtype == np.float64
    assert back.tobytes() == array.tobytes()


@settings(deadline=None)  # machines are shared
@given(trials())
def test_a_trial_comes_back_from_its_row(trial: Trial) -> None:
    back = read_trial(trial_row(trial, FINGERPRINT), FINGERPRINT, "the study")
    assert back == trial
    assert back.curve.losses.tobytes() == trial.curve.losses.tobytes()
    assert back.curve.lrs.tobytes() == trial.curve.lrs.tobytes()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "unknown form"),
        (b"x12345678", "unknown form"),
        (b"p1234567", "7 bytes"),
        (b"s12345678", "incorrect header"),
        (packed(np.zeros(50))[:-1], "incomplete"),
    ],
)
def test_other_bytes_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        unpacked(data)


def test_curves_measured_in_float32_take_little() -> None:
    rng = np.random.default_rng(0)
    losses = (np.exp(-np.arange(1000) / 300) + rng.normal(scale=0.05, size=1000)).astype(np.float32)
    assert len(packed(losses.astype(np.float64))) < 4.2 * 1000  # of 8 bytes each
    assert len(packed(np.full(1000, 0.1))) < 100
    assert len(packed(0.1 * Cosine(steps=1000)(np.arange(1000)))) < 7.5 * 1000
