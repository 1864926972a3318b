"""What a scheduler's step costs, in microseconds: etastar against torch and transformers.

    python benchmarks/schedule_step.py [--steps 20000] [--json]

Every scheduler is timed in the same run, in turns, and its best turn counts: on a shared
machine the best is what the code costs, and the turns share the weather. A second row for
etastar adds the two hooks by which the optimizer reports its updates; the wrapper that torch's
schedulers put around `optimizer.step` for the same end is not counted.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable

import torch
from torch.optim import lr_scheduler

from etastar import schedules
from etastar.training.attach import attach

HORIZON = 10_000_000  # no scheduler may reach its end while it is timed


def optimizer(groups: int, tensors: bool) -> torch.optim.SGD:
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(groups)]
    lr = [torch.tensor(0.1) if tensors else 0.1 for _ in parameters]
    cells = [{"params": [p], "lr": rate} for p, rate in zip(parameters, lr, strict=True)]
    return torch.optim.SGD(cells, lr=0.1, momentum=0.9)


def ours(opt: torch.optim.SGD) -> Callable[[], None]:
    """The scheduler's step; it counts its own calls, or it would stand still here."""
    return attach(opt, lr=schedules.Cosine(steps=HORIZON, peak=0.1), counts="calls").step


def ours_with_hooks(opt: torch.optim.SGD) -> Callable[[], None]:
    """A step and what precedes it: the two hooks by which the optimizer reports updates."""
    scheduler = attach(opt, lr=schedules.Cosine(steps=HORIZON, peak=0.1))
    (before,) = opt._optimizer_step_pre_hooks.values()
    (after,) = opt._optimizer_step_post_hooks.values()
    step = scheduler.step

    def update() -> None:
        before(opt, (), {})
        after(opt, (), {})
        step()

    return update


def contenders() -> dict[str, Callable[[torch.optim.SGD], Callable[[], None]]]:
    rows: dict[str, Callable[[torch.optim.SGD], Callable[[], None]]] = {
        "etastar": ours,
        "etastar and its hooks": ours_with_hooks,
        "torch StepLR": lambda opt: lr_scheduler.StepLR(opt, 1000).step,
        "torch CosineAnnealingLR": lambda opt: lr_scheduler.CosineAnnealingLR(opt, HORIZON).step,
        "torch OneCycleLR": lambda opt: lr_scheduler.OneCycleLR(opt, 0.1, HORIZON).step,
    }
    try:
        from transformers import get_cosine_schedule_with_warmup
    except ImportError:
        print("transformers is not installed; its row is left out", file=sys.stderr)
    else:
        rows["transformers cosine"] = lambda opt: (
            get_cosine_schedule_with_warmup(opt, 100, HORIZON).step
        )
    return rows


def microseconds(step: Callable[[], None], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        step()
    return (time.perf_counter() - start) / times * 1e6


def measure(groups: int, tensors: bool, steps: int, turns: int = 7) -> dict[str, float]:
    times = max(steps // groups // (10 if tensors else 1), 50)
    made = {name: make(optimizer(groups, tensors)) for name, make in contenders().items()}
    for step in made.values():
        microseconds(step, 10)
    best = dict.fromkeys(made, float("inf"))
    for _ in range(turns):
        for name, step in made.items():
            best[name] = min(best[name], microseconds(step, times))
    return best


def empty_call() -> float:
    """A call that does nothing, timed the same way: the part of every figure that is Python."""
    return min(microseconds(lambda: None, 20_000) for _ in range(7))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20_000, help="steps per turn for one group")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # torch warns that no optimizer is stepped, as intended
    torch.set_num_threads(1)
    table = {
        f"{groups} group{'s' * (groups > 1)}, {'tensor' if tensors else 'float'} rates": measure(
            groups, tensors, options.steps
        )
        for groups in (1, 100)
        for tensors in (False, True)
    }
    empty = empty_call()
    if options.json:
        print(json.dumps({"microseconds per step": table, "an empty call": empty}, indent=2))
        return
    cases = list(table)
    print(f"{'microseconds per step':28}" + "".join(f"{case:>25}" for case in cases))
    for name in table[cases[0]]:
        print(f"{name:28}" + "".join(f"{table[case][name]:>25.2f}" for case in cases))
    for name in ("etastar", "etastar and its hooks"):
        ratios = [table[case]["torch CosineAnnealingLR"] / table[case][name] for case in cases]
        label = f"torch cosine / {name}"
        print(f"{label:36}" + f"{ratios[0]:>16.1f}×" + "".join(f"{r:>24.1f}×" for r in ratios[1:]))
    print(f"an empty call of Python, timed the same way: {empty:.3f}")


if __name__ == "__main__":
    main()
