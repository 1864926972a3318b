"""A grid of rates by one command, against as many separate full runs.

    python benchmarks/grid.py --rates 32 --separate 4

The one command is `etastar sweep`. A separate run is what one does by hand: a process that
trains the task once at one rate, by a plain loop without an engine of ours. They run one after
another; with `--separate` only so many are run, evenly over the grid, and the total is their mean
times the number of rates, which is said. Seconds of the processor, summed over cores, are told
beside those on the clock: on a machine that others use they are what can be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

BY_HAND = """
import sys
import torch
import etastar as es

task, lr = es.load_task(sys.argv[1]), float(sys.argv[2])
torch.manual_seed(0)
model = task.model()
optimizer = task.optimizer(model.parameters())
step = 0
while step < task.horizon:
    for batch in task.train() if callable(task.train) else task.train:
        if step == task.horizon:
            break
        for group in optimizer.param_groups:
            group["lr"] = lr * float(task.shape(step))
        optimizer.zero_grad()
        loss = task.loss(model, batch) if task.loss else task.criterion(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        step += 1
model.eval()
with torch.no_grad():
    valid = task.valid() if callable(task.valid) else task.valid
    judged = [
        (task.loss(model, b) if task.loss else task.criterion(model(b[0]), b[1])).item()
        for b in valid
    ]
print(sum(judged) / len(judged))
"""


def timed(*command: str) -> tuple[float, float, str]:
    """Seconds a command takes, its start included, those of the processor, and what it prints."""
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, after = time.perf_counter() - began, os.times()
    busy = sum(after[2:4]) - sum(before[2:4])  # of children that ended
    return seconds, busy, done.stdout


def side_by_side(command: tuple[str, ...], count: int) -> tuple[float, int]:
    """Seconds until all of so many processes are done, and how many trials they had of another."""
    began = time.perf_counter()
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in range(count)
    ]
    printed = [process.communicate()[0] for process in running]
    seconds = time.perf_counter() - began
    if any(process.returncode for process in running):
        raise SystemExit("one of the processes failed")
    return seconds, sum(json.loads(text)["known"] for text in printed)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--task", default="digits-mlp")
    words.add_argument("--rates", type=int, default=32)
    words.add_argument("--separate", type=int, help="so many of the separate runs")
    words.add_argument("--engines", default="auto,sequential")
    words.add_argument("--processes", type=int, default=2, help="that share a study")
    given = words.parse_args()
    low, high = 1e-3, 1.0
    rates = np.geomspace(low, high, given.rates)
    count = given.separate or given.rates
    chosen = rates[np.linspace(0, given.rates - 1, count).round().astype(int)]
    space = f"{low}:{high}:log:{given.rates}"
    by_hand: list[tuple[float, float]] = []
    for lr in chosen:
        seconds, busy, loss = timed(sys.executable, "-c", BY_HAND, given.task, repr(float(lr)))
        by_hand.append((seconds, busy))
        print(
            f"separate run at {lr:.4g}: {seconds:.1f} s, {busy:.1f} s of the processor, loss "
            f"{float(loss):.4f}",
            flush=True,
        )
    total, work = np.mean(by_hand, axis=0) * given.rates
    counted = "all run" if count == given.rates else f"mean of {count} times {given.rates}"
    print(f"\n| {given.rates} rates of {given.task} | seconds | of the processor | faster |")
    print("|---|---|---|---|")
    print(f"| separate full runs ({counted}) | {total:.1f} | {work:.1f} | 1.0 |", flush=True)
    for engine in given.engines.split(","):
        with tempfile.TemporaryDirectory() as folder:
            store = str(Path(folder) / "s.db")
            command = (sys.executable, "-m", "etastar", "sweep", given.task, "--lr", space)
            rest = ("--engine", engine, "--store", store, "--json")
            seconds, busy, printed = timed(*command, *rest)
            again, busy_again, _ = timed(*command, *rest)
            shared = str(Path(folder) / "shared.db")
            at_once = (*command, "--engine", engine, "--store", shared, "--json")
            together, known = side_by_side(at_once, given.processes)
        record = json.loads(printed)
        best = record["best"]
        print(
            f"| etastar sweep --engine {engine} ({record['engine']}): best {best['lr']:.3g}, loss "
            f"{best['mean']:.4f} | {seconds:.1f} | {busy:.1f} | {total / seconds:.1f} |"
        )
        print(f"| the same command again | {again:.1f} | {busy_again:.1f} | {total / again:.1f} |")
        print(
            f"| the command in {given.processes} processes at once, on one study ({known} of "
            f"their answers trained by another) | {together:.1f} | | {total / together:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
