"""diff in numbers; convert: the equivalent, the code, and what is not the same."""

import ast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etastar import schedules as es
from etastar.errors import ScheduleError
from etastar.testing.schedules import schedules

LIBRARIES = ("torch", "transformers", "timm", "keras", "optax")


def test_a_schedule_is_the_same_as_itself():
    found = es.diff(es.Cosine(steps=100), es.Cosine(steps=100))
    assert found.same
    assert found.largest == 0
    assert found.area_ratio == 1.0
    assert found.exact


def test_the_difference_in_numbers():
    found = es.diff(es.Constant(steps=10), es.Constant(steps=5) >> es.Constant(steps=5, peak=0.5))
    assert (found.first, found.largest, found.largest_at) == (5, 0.5, 5)
    assert found.area_ratio == pytest.approx(0.75)
    assert found.ends == (1.0, 0.5)
    long = es.diff(es.Cosine(steps=10**7), es.Linear(steps=10**7))
    assert not long.exact
    assert long.largest == pytest.approx(0.1053, abs=1e-3)


def test_a_schedule_that_raises_past_its_end_is_compared_up_to_it():
    torch_like = es.compat.torch.OneCycleLR(max_lr=1.0, total_steps=50)
    found = es.diff(torch_like, es.OneCycle(steps=50))
    assert found.first is not None


EQUIVALENTS = {
    es.Constant(steps=100, peak=0.3): {*LIBRARIES} - {"timm", "keras"},
    es.Linear(steps=100, peak=0.3): {*LIBRARIES},
    es.Cosine(steps=100, peak=0.3): {*LIBRARIES},
    es.Polynomial(steps=100, peak=0.3): {*LIBRARIES},
    es.MultiStep(steps=100, peak=0.3, milestones=(30, 60)): {"torch", "timm", "optax"},
    es.StepDecay(steps=100, every_steps=30): {"torch", "timm"},
    es.Exponential(steps=100, gamma=0.5, every_steps=20): {"torch", "keras", "optax"},
    es.InverseTime(steps=100, decay=0.5): {"keras"},
    es.Piecewise(steps=100, milestones=(50,), values=(1.0, 0.5)): {"keras"},
    es.KDecay(steps=100): {"timm"},
    es.CosineRestarts(steps=75, cycle_steps=25): {"torch", "transformers", "timm", "keras"},
    es.Cyclic(steps=100, floor=0.1, up_steps=10): {"torch"},
    es.WarmupStableDecay(steps=100, decay_steps=20): {"transformers", "timm"},
    es.InverseSqrt(steps=100, timescale_steps=10): {"transformers"},
    es.Rex(steps=100): set(),
    es.Linear(steps=10) >> es.Constant(steps=10): set(),
}


@pytest.mark.parametrize("schedule", EQUIVALENTS, ids=lambda s: s.kind)
@pytest.mark.parametrize("library", LIBRARIES)
def test_equivalents_without_a_warmup_give_the_same_run(schedule, library):
    done = es.convert(schedule, library)
    ast.parse(done.code)
    assert (done.schedule is not None) == (library in EQUIVALENTS[schedule])
    if done.schedule is None:
        assert "no equivalent" in done.notes[0]
        assert "schedule" in done.code
    else:
        steps = np.arange(schedule.steps)
        np.testing.assert_allclose(done.schedule(steps), schedule(steps), rtol=0, atol=1e-12)


def test_what_differs_is_said():
    cosine = es.Cosine(steps=100, peak=0.1, warmup_steps=10)
    notes = {library: " ".join(es.convert(cosine, library).notes) for library in LIBRARIES}
    assert notes["torch"] == "past step 100 it rises again, where ours holds"
    assert "the first update is made at 0, where ours uses 0.01" in notes["transformers"]
    assert "rises again" in notes["transformers"]
    assert "first update" not in notes["optax"]
    assert es.convert(es.Cosine(steps=100), "optax").notes == ()
    cycle = es.convert(es.OneCycle(steps=100), "torch").notes
    assert "raises when stepped past step 100" in cycle[-1]
    with pytest.raises(ScheduleError, match="choose one of torch"):
        es.convert(cosine, "tensorflow")


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(schedules(), st.sampled_from(LIBRARIES))
def test_any_schedule_is_converted_or_has_no_equivalent(schedule, library):
    done = es.convert(schedule, library)
    ast.parse(done.code)
    if done.schedule is not None:
        assert done.difference is not None
        assert done.schedule.steps >= 1
        assert done.notes or np.allclose(
            done.schedule(np.arange(schedule.steps)), schedule(np.arange(schedule.steps)), atol=1e-8
        )


def test_the_code_for_torch_makes_the_same_rates():
    import torch

    schedule = es.Cosine(steps=50, peak=0.1, warmup_steps=10)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = eval(es.convert(schedule, "torch").code, {"torch": torch, "optimizer": optimizer})
    for step in range(50):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(schedule(step), abs=1e-12)
        optimizer.step()
        scheduler.step()
