"""What batching rates gains: the vectorized engine over the sequential one, and what auto takes.

    python benchmarks/vectorized.py [--quick] [--device cuda] [--out benchmarks/vectorized.json]

Both engines train the same rates of the same task in one process with torch's default threads,
in turns; the speedup is the ratio of the two best times, since whatever else runs only makes either
slower. Sequential is timed on up to eight of the rates, and scaled: it trains them one by one.
`auto` is what it reaches of the better engine of its own turn, median over the turns: once it has
chosen, and in its first call of all, its timing of both engines included.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from etastar.engine import Engine, Sequential
from etastar.engine.auto import Auto
from etastar.engine.vectorized import Vectorized
from etastar.tasks import Task
from etastar.tasks.builtin.shakespeare import GPT

RATES = (8, 32, 128)
GOAL = {"small MLP": {"cpu": 4.0, "cuda": 20.0}, "small GPT": {"cuda": 5.0}}
"""Speedup hoped for at 32 rates."""


@dataclass(frozen=True)
class Row:
    """One task at one number of rates; times in milliseconds per step and rate."""

    task: str
    rates: int
    steps: int
    sequential: float
    vectorized: float
    speedup: float
    taken: str  # by auto
    auto_first: float  # speed over that of the better engine, its choosing included
    auto_again: float  # the same once it has chosen


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
    "small MLP": (lambda device: mlp(32, 16, device), 600),
    "wide MLP": (lambda device: mlp(512, 256, device), 120),
    "small CNN": (cnn, 160),
    "small GPT": (gpt, 60),
}
"""Maker and steps of a trial, for up to 32 rates; runs that users make are longer."""


def seconds(engine: Engine, task: Task, lrs: list[float], steps: int) -> float:
    began = time.perf_counter()
    engine.train(task, lrs, [0], steps)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def measure(name: str, rates: int, turns: int, device: str) -> Row:
    make, steps = TASKS[name]
    task = make(device)
    steps = min(steps, steps * 32 // rates)
    lrs = np.geomspace(1e-5, 1e-3, rates).tolist()
    some = lrs[:: max(1, rates // 8)]
    scale = rates / len(some)
    seconds(Vectorized(), task, lrs, 2)  # proof, imports and memory belong to no engine
    seconds(Sequential(), task, some, 2)
    first = seconds(Auto(), task, lrs, steps)
    alone, together, again = [], [], []
    auto = Auto()
    for _ in range(turns):
        alone.append(scale * seconds(Sequential(), task, some, steps))
        together.append(seconds(Vectorized(), task, lrs, steps))
        again.append(seconds(auto, task, lrs, steps))
    assert auto.choice is not None
    better = np.minimum(alone, together)
    return Row(
        task=name,
        rates=rates,
        steps=steps,
        sequential=1e3 * min(alone) / rates / steps,
        vectorized=1e3 * min(together) / rates / steps,
        speedup=min(alone) / min(together),
        taken=auto.choice.engine,
        auto_first=float(np.median(better)) / first,
        auto_again=float(np.median(better / np.array(again))),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="up to 32 rates, one turn")
    parser.add_argument("--tasks", default=",".join(TASKS), help="names, separated by commas")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="where to write the numbers as JSON")
    options = parser.parse_args()
    threads = torch.get_num_threads()
    machine = torch.cuda.get_device_name() if options.device == "cuda" else f"{threads} CPU threads"
    print(f"torch {torch.__version__}, {machine}; milliseconds per step and rate\n")
    print("| task | rates | sequential | vectorized | speedup | auto takes | first | again |")
    print("|---|---|---|---|---|---|---|---|")
    rows: list[Row] = []
    for name in options.tasks.split(","):
        for rates in RATES[:2] if options.quick else RATES:
            row = measure(name, rates, 1 if options.quick else options.turns, options.device)
            rows.append(row)
            print(
                f"| {name} | {rates} | {row.sequential:.3f} | {row.vectorized:.3f} "
                f"| {row.speedup:.2f} | {row.taken} | {row.auto_first:.2f} "
                f"| {row.auto_again:.2f} |",
                flush=True,
            )
    print()
    for row in rows:
        goal = GOAL.get(row.task, {}).get(options.device)
        if goal is not None and row.rates == 32:
            met = "met" if row.speedup >= goal else "missed"
            print(f"{row.task}, 32 rates: {row.speedup:.1f} times, goal {goal:g}: {met}")
    worst = min(rows, key=lambda row: row.auto_again)
    met = "met" if worst.auto_again >= 0.95 else "missed"
    print(f"auto at its worst: {worst.auto_again:.2f} of the better engine, goal 0.95: {met}")
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
