"""What a range test costs beyond the training steps it makes.

    python benchmarks/range_test_overhead.py

Per task, pairs of a range test and a bare loop of the same steps, in the same process, order
alternating; the ratio of each pair's times, and their median. The bare loop is what a user
would write: set the rate, forward, backward, step, read the loss.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import etastar as es
from etastar.tasks import load_task

TASKS = ("digits-mlp", "digits-cnn", "digits-autoencoder")
STEPS = 400
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


def ratios(task: es.Task, pairs: int) -> np.ndarray:
    low, high = 1e-6, 1e-3  # stable throughout, so that every step is made
    lrs = np.geomspace(low, high, STEPS).tolist()

    def tested() -> object:
        return es.range_test(task, low=low, high=high, steps=STEPS)

    def bare() -> object:
        return bare_loop(task, lrs)

    tested(), bare()  # warm up
    found: list[float] = []
    for pair in range(pairs):
        if pair % 2:
            below = timed(bare)
            above = timed(tested)
        else:
            above = timed(tested)
            below = timed(bare)
        found.append(above / below)
    return np.array(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=21)
    options = parser.parse_args()
    torch.set_num_threads(1)
    shown = Table(title=f"time of a range test over a bare loop of the same {STEPS} steps")
    for column in ("task", "median", "quartiles"):
        shown.add_column(column)
    medians: list[float] = []
    for name in TASKS:
        found = ratios(load_task(name), options.pairs)
        low, middle, high = np.quantile(found, [0.25, 0.5, 0.75])
        medians.append(float(middle))
        shown.add_row(name, f"{middle:.3f}", f"{low:.3f} to {high:.3f}")
    Console().print(shown)
    return 0 if max(medians) <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
