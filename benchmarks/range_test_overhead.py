"""What a range test costs beyond the training steps it makes.

    python benchmarks/range_test_overhead.py

Per task, pairs of a range test and a bare loop of the same steps, in the same process, order
alternating; the ratio of each pair's times, and their median. The bare loop is what a user
would write: set the rate, forward, backward, step, read the loss. What a range test adds is some
10 microseconds per step and 2.5 milliseconds per test, so the smaller the step the larger its
share; digits-mlp, at half a millisecond per step on one core, is about the worst case.

cifar10-cnn takes part where ETASTAR_DATA names the data.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import etastar as es
from etastar.tasks import load_task

TASKS = {"cifar10-cnn": 60, "digits-cnn": 400, "digits-autoencoder": 400, "digits-mlp": 400}
GOAL = 1.05


def bare_loop(task: es.Task, lrs: list[float]) -> None:
    torch.manual_seed(0)
    model = task.model()
    optimizer = task.optimizer(model.parameters())
    losses: list[float] = []
    batches = iter(task.train)
    for lr in lrs:
        try:
            batch = next(batches)
        except StopIteration:
            batches = iter(task.train)
            batch = next(batches)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad()
        loss = task.loss(model, batch) if task.loss else task.criterion(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def pairs_of(task: es.Task, steps: int, pairs: int) -> np.ndarray:
    """Times of a range test and of the bare loop, in seconds: (pairs, 2)."""
    low, high = 1e-6, 1e-3  # stable throughout, so that every step is made
    lrs = np.geomspace(low, high, steps).tolist()

    def tested() -> object:
        return es.range_test(task, low=low, high=high, steps=steps)

    def bare() -> object:
        return bare_loop(task, lrs)

    tested(), bare()  # warm up
    found: list[tuple[float, float]] = []
    for pair in range(pairs):
        if pair % 2:
            below = timed(bare)
            above = timed(tested)
        else:
            above = timed(tested)
            below = timed(bare)
        found.append((above, below))
    return np.array(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=21)
    options = parser.parse_args()
    torch.set_num_threads(1)
    shown = Table(title="time of a range test over a bare loop of the same steps")
    for column in ("task", "ms per step", "median ratio", "quartiles", f"goal {GOAL}"):
        shown.add_column(column)
    for name, steps in TASKS.items():
        if name.startswith("cifar10") and "ETASTAR_DATA" not in os.environ:
            continue
        times = pairs_of(load_task(name), steps, options.pairs)
        low, middle, high = np.quantile(times[:, 0] / times[:, 1], [0.25, 0.5, 0.75])
        shown.add_row(
            *(name, f"{1e3 * np.median(times[:, 1]) / steps:.2f}", f"{middle:.3f}"),
            *(f"{low:.3f} to {high:.3f}", "met" if middle <= GOAL else "missed"),
        )
    Console().print(shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
