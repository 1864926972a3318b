"""compat.timm equals the installed timm, over the run and 20 % past its end."""

import importlib
import importlib.util
import math
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from etastar.schedules import compat

LR = 0.3


@pytest.fixture(scope="module")
def timm_scheduler():
    """timm's real scheduler package, under a bare parent.

    `import timm` needs torchvision, of which PyPI has no build for a CPU torch; the schedulers
    need only torch. The bare parent has timm's path and none of its imports.
    """
    found = importlib.util.find_spec("timm")
    if found is None or found.origin is None:
        pytest.skip("timm is not installed: pip install --no-deps timm")
    before = {name: module for name, module in sys.modules.items() if name.startswith("timm")}
    for name in before:
        del sys.modules[name]
    parent = types.ModuleType("timm")
    parent.__path__ = [str(Path(found.origin).parent)]
    sys.modules["timm"] = parent
    try:
        yield importlib.import_module("timm.scheduler")
    finally:
        for name in [name for name in sys.modules if name.startswith("timm")]:
            del sys.modules[name]
        sys.modules.update(before)


WARM = {"warmup_t": 20, "warmup_lr_init": 0.001}
CASES = [
    ("CosineLRScheduler", {"t_initial": 100}, 0),
    ("CosineLRScheduler", {"t_initial": 100, "lr_min": 0.01, **WARM}, 0),
    ("CosineLRScheduler", {"t_initial": 100, "warmup_prefix": True, **WARM}, 0),
    ("CosineLRScheduler", {"t_initial": 30, "cycle_limit": 3, "cycle_decay": 0.5}, 0),
    (
        "CosineLRScheduler",
        {"t_initial": 20, "cycle_mul": 2.0, "cycle_limit": 4, "cycle_decay": 0.7, "k_decay": 1.5},
        0,
    ),
    ("CosineLRScheduler", {"t_initial": 25, "cycle_mul": 1.5, "cycle_limit": 3, **WARM}, 0),
    ("TanhLRScheduler", {"t_initial": 100}, 0),
    ("TanhLRScheduler", {"t_initial": 100, "lb": -6.0, "ub": 4.0, "lr_min": 0.01, **WARM}, 0),
    ("TanhLRScheduler", {"t_initial": 40, "cycle_limit": 2, "warmup_prefix": True, **WARM}, 0),
    ("PolyLRScheduler", {"t_initial": 100, "power": 0.9, "lr_min": 0.01}, 0),
    ("PolyLRScheduler", {"t_initial": 50, "cycle_limit": 2, "k_decay": 2.0, **WARM}, 0),
    ("StepLRScheduler", {"decay_t": 30, "decay_rate": 0.5}, 100),
    ("StepLRScheduler", {"decay_t": 12.5, "decay_rate": 0.5, **WARM}, 100),
    ("StepLRScheduler", {"decay_t": 30, "decay_rate": 0.5, "warmup_prefix": False, **WARM}, 100),
    ("MultiStepLRScheduler", {"decay_t": [30, 60], "decay_rate": 0.5}, 100),
    ("MultiStepLRScheduler", {"decay_t": [30, 60], "decay_rate": 0.5, **WARM}, 100),
    *(
        ("WSDLRScheduler", {"t_initial": 100, "decay_t": 30, "decay_fn": fn, "lr_min": 0.01}, 0)
        for fn in ("linear", "1-sqrt", "cosine", "power", "exp")
    ),
    *(
        (
            "WSDLRScheduler",
            {"t_initial": 100, "decay_t": 30, "stable_fn": fn, "stable_timescale": 15.0, **WARM},
            0,
        )
        for fn in ("constant", "rsqrt", "power")
    ),
]


@pytest.mark.parametrize(("name", "arguments", "steps"), CASES)
def test_equals_timm_at_every_step(timm_scheduler, name, arguments, steps):
    ours = getattr(compat.timm, name)(lr=LR, steps=steps, **arguments)
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = getattr(timm_scheduler, name)(opt, t_in_epochs=False, **arguments)
    theirs = []
    for step in range(math.ceil(1.2 * ours.steps)):
        scheduler.step_update(step)
        theirs.append(opt.param_groups[0]["lr"])
    np.testing.assert_allclose(ours(np.arange(len(theirs))), theirs, rtol=0, atol=1e-12)
    if hasattr(scheduler, "get_cycle_length"):
        assert ours.steps == scheduler.get_cycle_length()


def test_every_scheduler_that_is_a_function_of_the_step_is_covered(timm_scheduler):
    names = {name for name in vars(timm_scheduler) if name.endswith("LRScheduler")}
    assert names
    assert names - {"PlateauLRScheduler"} <= {name for name, _, _ in CASES}
