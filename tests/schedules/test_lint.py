"""lint: each problem found where it is, and not where it is not."""

import pytest

from etastar import schedules as es
from etastar.schedules import compat

SOUND = es.Cosine(steps=100, peak=0.1, warmup_steps=10)


def codes(schedule, **run) -> list[str]:
    return [problem.code for problem in es.lint(schedule, **run)]


@pytest.mark.parametrize(
    ("schedule", "run", "expected"),
    [
        (SOUND, {}, []),
        (SOUND, {"steps": 100, "ranks": 4, "edge": 0.1}, []),
        (compat.torch.CosineAnnealingLR(lr=0.1, T_max=100), {}, ["rises-after-end"]),
        (
            compat.transformers.get_scheduler("cosine", num_warmup_steps=5, num_training_steps=50),
            {},
            ["rises-after-end", "starts-at-zero"],
        ),
        (
            compat.torch.CosineAnnealingLR(lr=0.1, T_max=100).clip(0.0, 0.05),
            {},
            ["rises-after-end"],
        ),
        (compat.torch.OneCycleLR(max_lr=0.1, total_steps=50), {}, []),
        (
            compat.transformers.get_scheduler("linear", num_warmup_steps=5, num_training_steps=50),
            {},
            ["starts-at-zero"],
        ),
        (es.Cyclic(steps=100, up_steps=10), {}, ["starts-at-zero"]),
        (SOUND, {"steps": 120}, ["other-horizon"]),
        (SOUND, {"steps": 80}, ["other-horizon"]),
        (SOUND, {"steps": 400, "ranks": 4}, ["per-rank-steps"]),
        (SOUND, {"steps": 25, "ranks": 4}, ["per-rank-steps"]),
        (SOUND, {"edge": 0.05}, ["above-edge"]),
        (
            compat.timm.CosineLRScheduler(lr=1.0, t_initial=100, warmup_t=20, warmup_lr_init=0.1),
            {},
            ["warmup-short-of-peak"],
        ),
        (es.ExponentialWarmup(steps=10, tau_steps=20), {}, ["warmup-short-of-peak"]),
        (es.LinearWarmup(steps=50) * es.Linear(steps=100), {}, ["warmup-short-of-peak"]),
        (es.LinearWarmup(steps=50) >> es.Linear(steps=100), {}, []),
        (es.Constant(steps=100) * 0.0, {}, []),
    ],
)
def test_problems_are_found_and_only_they(schedule, run, expected):
    assert codes(schedule, **run) == expected


def test_a_problem_says_where_and_what_to_do():
    (problem,) = es.lint(SOUND, steps=400, ranks=4)
    assert problem.step == 100
    assert "give steps=400" in problem.message
    (above,) = es.lint(SOUND, edge=0.05)
    assert above.step == 5


def test_long_runs_are_looked_at_quickly():
    assert codes(es.Cosine(steps=10**12, warmup_steps=10**9)) == []
