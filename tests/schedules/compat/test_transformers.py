"""compat.transformers equals the installed transformers, over the run and 20 % past its end."""

import math

import numpy as np
import pytest
import torch

from etastar.errors import ScheduleError
from etastar.schedules import compat

get_scheduler = pytest.importorskip("transformers.optimization").get_scheduler

LR = 0.3
BOTH = {"num_warmup_steps": 30, "num_training_steps": 200}
CASES = [
    ("constant", {}, {}),
    ("constant_with_warmup", {"num_warmup_steps": 30}, {}),
    ("linear", BOTH, {}),
    ("linear", {"num_warmup_steps": 0, "num_training_steps": 50}, {}),
    ("cosine", BOTH, {}),
    ("cosine", BOTH, {"num_cycles": 1.7}),
    ("cosine_with_restarts", BOTH, {"num_cycles": 3}),
    ("polynomial", BOTH, {"lr_end": 0.01, "power": 2.5}),
    ("polynomial", BOTH, {}),
    ("inverse_sqrt", {"num_warmup_steps": 30}, {}),
    ("inverse_sqrt", {"num_warmup_steps": 0}, {}),
    ("inverse_sqrt", {"num_warmup_steps": 30}, {"timescale": 100}),
    ("cosine_with_min_lr", BOTH, {"min_lr_rate": 0.1}),
    ("cosine_warmup_with_min_lr", BOTH, {"min_lr_rate": 0.1}),
    ("cosine_warmup_with_min_lr", BOTH, {"min_lr_rate": 0.1, "warmup_lr_rate": 0.02}),
    *(
        (
            "warmup_stable_decay",
            {"num_warmup_steps": 30},
            {
                "num_stable_steps": 100,
                "num_decay_steps": 70,
                "warmup_type": shape,
                "decay_type": shape,
                "min_lr_ratio": 0.05,
            },
        )
        for shape in ("linear", "cosine", "1-sqrt")
    ),
]


def theirs(name: str, counts: dict, specific: dict, steps: int) -> np.ndarray:
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = get_scheduler(name, opt, **counts, scheduler_specific_kwargs=specific)
    values = []
    for _ in range(steps):
        values.append(opt.param_groups[0]["lr"])
        opt.step()
        scheduler.step()
    return np.array(values)


@pytest.mark.parametrize(("name", "counts", "specific"), CASES)
def test_equals_transformers_at_every_step(name, counts, specific):
    length = {} if "num_training_steps" in counts or "stable" in name else {"steps": 200}
    ours = compat.transformers.get_scheduler(name, lr=LR, **counts, **specific, **length)
    expected = theirs(name, counts, specific, math.ceil(1.2 * ours.steps))
    np.testing.assert_allclose(ours(np.arange(len(expected))), expected, rtol=0, atol=1e-12)


def test_every_name_is_covered_or_follows_the_loss():
    from transformers.trainer_utils import SchedulerType

    for name in (kind.value for kind in SchedulerType):
        if name in {"reduce_lr_on_plateau", "greedy"}:
            with pytest.raises(ScheduleError, match="follows the loss"):
                compat.transformers.get_scheduler(name)
        else:
            assert name in {case for case, _, _ in CASES}


def test_a_mistyped_name_is_answered_with_the_nearest():
    with pytest.raises(ScheduleError, match="did you mean 'cosine'"):
        compat.transformers.get_scheduler("cosin")
