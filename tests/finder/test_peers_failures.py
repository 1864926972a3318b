"""What other finders are known to get wrong, one test each."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.finder.tasks import batches, net, sgd, wave
from torch import nn

import etastar as es
from etastar.errors import InputError


def test_a_nan_in_the_curve_ends_it_and_is_never_suggested() -> None:
    # torch-lr-finder and ignite run on and suggest the rate one step before the NaN
    calls = iter(range(10**9))

    def loss(model: Any, batch: Any) -> torch.Tensor:
        value = nn.functional.cross_entropy(model(batch[0]), batch[1])
        return value * math.nan if next(calls) == 70 else value

    found = es.range_test(wave(loss=loss, criterion=None))
    curve = found.runs[0].curve
    assert found.runs[0].stopped == "non_finite"
    assert len(curve) == 71
    assert math.isnan(curve.losses[-1])
    for suggestion in found.suggestions.values():
        assert suggestion is None or suggestion.lr < curve.lrs[69]


def test_a_loss_that_starts_negative_runs_to_its_edge() -> None:
    # the rule "stop at 4 times the best" ends at once when the best is negative
    def loss(model: Any, batch: Any) -> torch.Tensor:
        return nn.functional.cross_entropy(model(batch[0]), batch[1]) - 5

    shifted = es.range_test(wave(loss=loss, criterion=None))
    plain = es.range_test(wave())
    assert shifted.fell
    assert shifted.edge is not None
    assert plain.edge is not None
    assert shifted.edge == pytest.approx(plain.edge, rel=1.0)
    assert shifted.suggestions["steepest"] is not None


def test_sixteen_batches_and_sixty_steps_wanted() -> None:
    # Lightning stops at 16 points, calls it divergence, and suggests 1.6e-7
    found = es.range_test(wave(), low=1e-4, high=1e-2, steps=60)
    assert len(found.runs[0].curve) == 60
    assert found.runs[0].stopped == "end"
    finding = es.find(wave(), progress=False)
    assert finding.lr is not None
    assert finding.lr > 1e-3


def test_in_mid_training_it_starts_from_the_present_weights() -> None:
    # Lightning's best loss is set only at global step 1, so it stops after one point
    torch.manual_seed(0)
    model = net()
    optimizer = sgd(model.parameters())
    task = wave(model=model, optimizer=optimizer)
    fresh = es.range_test(task).runs[0].curve
    for _ in range(8):
        for x, y in batches():
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    later = es.range_test(task).runs[0].curve
    assert len(later) > 20
    assert np.median(later.losses[:5]) < 0.9 * np.median(fresh.losses[:5])


def test_the_ratio_of_two_groups_is_kept() -> None:
    # others set every group to one rate
    model = net()
    seen: list[tuple[float, ...]] = []
    groups = [
        {"params": model[0].parameters(), "lr": 0.01},
        {"params": model[2].parameters(), "lr": 0.1},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    optimizer.register_step_pre_hook(
        lambda o, *_: seen.append(tuple(group["lr"] for group in o.param_groups))
    )
    found = es.range_test(wave(model=model, optimizer=optimizer))
    ratios = np.array([head / body for body, head in seen])
    np.testing.assert_allclose(ratios, 10, rtol=1e-12)
    np.testing.assert_allclose([body for body, _ in seen], found.runs[0].curve.lrs[: len(seen)])


def converged() -> tuple[nn.Module, torch.optim.Optimizer]:
    """A linear regression trained to its minimum, by a model that can do no better."""
    torch.manual_seed(0)
    model = nn.Linear(2, 1)
    x, y = regression()
    exact = torch.linalg.lstsq(torch.cat([x, torch.ones(len(x), 1)], dim=1), y).solution
    with torch.no_grad():
        model.weight.copy_(exact[:2].T)
        model.bias.copy_(exact[2])
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def regression() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(256, 2, generator=generator)
    noise = torch.randn(256, 1, generator=generator)
    return x, x @ torch.tensor([[1.0], [-2.0]]) + noise


@pytest.mark.parametrize("validated", [True, False])
def test_a_converged_model_gets_no_answer(*, validated: bool) -> None:
    # Lightning suggests 1e-7 or the like
    model, optimizer = converged()
    x, y = regression()
    pairs = list(zip(x.split(32), y.split(32), strict=True))
    task = es.Task(
        model,
        optimizer,
        train=pairs,
        valid=[(x, y)] if validated else None,
        criterion=nn.MSELoss(),
        steps=400,
    )
    finding = es.find(task, progress=False)
    assert finding.verdict == "no_answer"
    assert finding.lr is None
    assert finding.schedule is None
    assert "trained already" in finding.reason
    ranged = es.range_test(task)
    assert not ranged.fell
    assert not any(ranged.suggestions.values())
    assert ranged.cyclic is None


SCRIPT = """
import sys
from tests.finder.tasks import wave
import etastar as es
finding = es.find(wave(), budget=0.3, progress=False)
with es.preserved(wave().model(), on_disk=True):
    pass
print(finding.lr)
"""


def test_four_finders_at_once_in_a_read_only_folder(tmp_path: Path) -> None:
    # fastai writes a temporary checkpoint into the working directory, under one name
    root = Path(__file__).parents[2]
    tmp_path.chmod(0o555)
    command = [sys.executable, "-W", "error", "-c", SCRIPT]
    try:
        running = [
            subprocess.Popen(
                command,
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(root)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        outputs = [process.communicate(timeout=200) for process in running]
        assert [process.returncode for process in running] == [0] * 4, outputs
        assert len({out for out, _ in outputs}) == 1, "the same seed gives the same answer"
        assert list(tmp_path.iterdir()) == []
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"low": 1.0, "high": 0.1}, "low=1 is not below high=0.1"),
        ({"low": 0.1, "high": 0.1}, "is not below"),
        ({"low": math.nan}, "low=nan: pass a positive"),
        ({"high": math.inf}, "high=inf: pass a positive"),
        ({"low": -1e-3}, "low=-0.001: pass a positive"),
        ({"low": 0.0}, "low=0.0: pass a positive"),
        ({"steps": 3}, "at least 10 updates"),
        ({"repeats": 0}, "repeats=0"),
        ({"rise": "cubic"}, "rise='cubic'"),
    ],
)
def test_bad_bounds_are_refused_before_the_first_step(
    options: dict[str, Any], sentence: str
) -> None:
    def loss(model: Any, batch: Any) -> torch.Tensor:
        raise AssertionError("a step was made")

    with pytest.raises(InputError, match=sentence):
        es.range_test(wave(loss=loss, criterion=None), **options)


@pytest.mark.parametrize("budget", [0, -1, math.nan, math.inf, "generous", True])
def test_a_budget_that_is_none_is_refused(budget: Any) -> None:
    with pytest.raises(InputError, match="budget="):
        es.find(wave(), budget=budget, progress=False)


def test_validation_mode_without_validation_data_is_refused() -> None:
    with pytest.raises(InputError, match="no validation data"):
        es.range_test(wave(valid=None), valid=True)


def test_a_task_and_its_parts_at_once_are_refused() -> None:
    with pytest.raises(InputError, match="pass them to Task"):
        es.find(wave(), steps=100, progress=False)
