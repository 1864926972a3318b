"""What batching rates gains: the vectorized engine over the sequential one, and what auto takes.

    python benchmarks/vectorized.py [--quick] [--device cuda] [--out benchmarks/vectorized.json]
    python benchmarks/vectorized.py --rates 4 --seeds 8

Both engines and `auto` train the same rates of the same task in one process with torch's default
threads, in turns that begin with each of them once. Speeds are compared by the best times, since
whatever else runs only makes any of them slower. `again` is what `auto` reaches of the speed of the
better engine once it has chosen, `first` the same in its first call of a task, where it times both
engines. `scatter` is an engine against itself: the best time of its earlier turns and that of its
later ones, the better over the worse, for the engine where they differ most.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from etastar.engine import Engine, Observer, Sequential
from etastar.engine.auto import Auto, Choice
from etastar.engine.vectorized import Vectorized, why_not
from etastar.tasks import Task
from etastar.tasks.builtin.shakespeare import GPT

GOAL = {"small MLP": {"cpu": 4.0, "cuda": 20.0}, "small GPT": {"cuda": 5.0}}
"""Speedup hoped for at 32 rates."""


@dataclass(frozen=True)
class Row:
    """One task at one number of rates; times in milliseconds per step of a trial."""

    task: str
    rates: int
    seeds: int
    steps: int
    sequential: float
    vectorized: float
    speedup: float
    taken: str  # by auto
    auto_first: float  # speed over that of the better engine, its choosing included
    auto_again: float  # the same once it has chosen
    scatter: float  # speed of an engine over its own, at the worst


def batches(make: Callable[[torch.Generator], Tensor], targets: int, device: str) -> list[object]:
    """Sixteen batches of random inputs and classes: what they mean does not change the speed."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(16):
        inputs = make(generator)
        classes = torch.randint(0, targets, inputs.shape[:1], generator=generator)
        found.append((inputs.to(device), classes.to(device)))
    return found


def mlp(width: int, inputs: int, device: str) -> Task:
    def model() -> nn.Module:
        return nn.Sequential(
            nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, 10),
        )  # fmt: skip

    return Task(
        model,
        partial(torch.optim.SGD, lr=0.01, momentum=0.9),
        criterion=nn.functional.cross_entropy,
        train=batches(lambda g: torch.randn(32, inputs, generator=g), 10, device),
        steps=1000,
        device=device,
    )


def cnn(device: str) -> Task:
    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(128, 10),
        )  # fmt: skip

    return Task(
        model,
        partial(torch.optim.AdamW, lr=1e-3),
        criterion=nn.functional.cross_entropy,
        train=batches(lambda g: torch.randn(32, 1, 8, 8, generator=g), 10, device),
        steps=1000,
        device=device,
    )


def gpt(device: str) -> Task:
    def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        codes = batch[0]
        return nn.functional.cross_entropy(
            model(codes[:, :-1]).flatten(0, 1), codes[:, 1:].flatten()
        )

    return Task(
        partial(GPT, alphabet=64),
        partial(torch.optim.AdamW, lr=1e-3, betas=(0.9, 0.95)),
        loss,
        batches(lambda g: torch.randint(0, 64, (8, 33), generator=g), 10, device),
        steps=1000,
        clip_norm=1.0,
        device=device,
    )


TASKS: dict[str, tuple[Callable[[str], Task], int]] = {
    "small MLP": (lambda device: mlp(32, 16, device), 9600),
    "wide MLP": (lambda device: mlp(512, 256, device), 1920),
    "small CNN": (cnn, 2560),
    "small GPT": (gpt, 960),
}
"""Maker, and steps of all rates together: those of 32 rates in 300, 60, 80 and 30 steps."""


@dataclass(frozen=True)
class Trials:
    """What is trained of a task: all rates with all seeds."""

    lrs: list[float]
    seeds: list[int]
    steps: int

    def train(self, engine: Engine, task: Task, **options: Any) -> None:
        """Train them."""
        engine.train(task, self.lrs, self.seeds, self.steps, **options)


def seconds(engine: Engine, task: Task, trials: Trials) -> float:
    began = time.perf_counter()
    trials.train(engine, task)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


class ChosenError(Exception):
    """What ends a training that is not to be gone on with."""


class Choosing(Observer):
    """Waits for the choice only."""

    def engine_chosen(self, engine: str, reason: str) -> None:
        """End it."""
        raise ChosenError(engine, reason)


def choosing(task: Task, trials: Trials) -> float:
    """Seconds that `auto` takes to choose, for a task it was never given."""
    assert why_not(task) is None  # which the vectorized engine has to know as well
    began = time.perf_counter()
    try:
        trials.train(Auto(), task, observer=Choosing())
    except ChosenError:
        return time.perf_counter() - began
    raise AssertionError("no engine was chosen")


def measure(name: str, rates: int, seeds: int, turns: int, device: str) -> Row:
    make, total = TASKS[name]
    count = rates * seeds
    lrs = np.geomspace(1e-5, 1e-3, rates).tolist()
    task, trials = make(device), Trials(lrs, list(range(seeds)), total // count)
    seconds(Vectorized(), task, replace(trials, steps=2))  # which proves the task
    auto = Auto()
    trials.train(auto, task)
    assert auto.choice is not None
    ways: dict[str, Callable[[], float]] = {
        "sequential": lambda: seconds(Sequential(), task, trials),
        "vectorized": lambda: seconds(Vectorized(), task, trials),
        "auto": lambda: seconds(auto, task, trials),
        "choosing": lambda: choosing(make(device), trials),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(turns):
        order = deque(ways)
        order.rotate(turn)
        for way in order:
            times[way].append(ways[way]())
    best = {way: min(found) for way, found in times.items()}
    better = min(best["sequential"], best["vectorized"])
    return Row(
        task=name,
        rates=rates,
        seeds=seeds,
        steps=trials.steps,
        sequential=1e3 * best["sequential"] / count / trials.steps,
        vectorized=1e3 * best["vectorized"] / count / trials.steps,
        speedup=best["sequential"] / best["vectorized"],
        taken=f"{auto.choice.width} at once"
        if auto.choice.engine == "vectorized"
        else "sequential",
        auto_first=better / (best["auto"] + best["choosing"]),
        auto_again=better / best["auto"],
        scatter=min(scatter(times[way]) for way in ("sequential", "vectorized", "auto")),
    )


def taken(choice: Choice) -> str:
    return f"{choice.width} at once" if choice.engine == Vectorized.name else choice.engine


def scatter(times: list[float]) -> float:
    """The ratio of the best times of both halves, at most 1; 1 for a single time."""
    half = len(times) // 2
    if half == 0:
        return 1.0
    early, late = min(times[:half]), min(times[half:])
    return min(early, late) / max(early, late)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="up to 32 rates, two turns")
    parser.add_argument("--rates", default="8,32,128", help="numbers of rates, by commas")
    parser.add_argument("--seeds", type=int, default=1, help="of each rate")
    parser.add_argument("--tasks", default=",".join(TASKS), help="names, separated by commas")
    parser.add_argument("--turns", type=int, default=8, help="of each engine")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="where to write the numbers as JSON")
    options = parser.parse_args()
    threads = torch.get_num_threads()
    machine = torch.cuda.get_device_name() if options.device == "cuda" else f"{threads} CPU threads"
    print(f"torch {torch.__version__}, {machine}; ms per step of a trial\n")
    columns = ("task", "rates × seeds", "sequential", "vectorized", "times", "auto", "first")
    print(f"| {' | '.join(columns)} | again | scatter |")
    print("|" + "---|" * 9)
    rows: list[Row] = []
    numbers = [int(number) for number in options.rates.split(",")]
    for name in options.tasks.split(","):
        for rates in numbers[:2] if options.quick else numbers:
            turns = 2 if options.quick else options.turns
            row = measure(name, rates, options.seeds, turns, options.device)
            rows.append(row)
            print(
                f"| {name} | {rates} × {row.seeds} | {row.sequential:.3f} | {row.vectorized:.3f} "
                f"| {row.speedup:.2f} | {row.taken} | {row.auto_first:.2f} "
                f"| {row.auto_again:.2f} | {row.scatter:.2f} |",
                flush=True,
            )
    print()
    for row in rows:
        goal = GOAL.get(row.task, {}).get(options.device)
        if goal is not None and (row.rates, row.seeds) == (32, 1):
            met = "met" if row.speedup >= goal else "missed"
            print(f"{row.task}, 32 rates: {row.speedup:.1f} times, goal {goal:g}: {met}")
    for when, reached in (
        ("once it has chosen", min(row.auto_again for row in rows)),
        ("choosing included", min(row.auto_first for row in rows)),
    ):
        met = "met" if reached >= 0.95 else "missed"
        print(f"auto at its worst, {when}: {reached:.2f} of the better engine, goal 0.95: {met}")
    print(f"an engine against itself, at its worst: {min(row.scatter for row in rows):.2f}")
    if options.out is not None:
        record = {
            "torch": torch.__version__,
            "machine": platform.machine(),
            "device": machine,
            "threads": threads,
            "rows": [asdict(row) for row in rows],
        }
        options.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
