"""How long the page of a large study takes, and how large it is.

    python benchmarks/report_size.py [TRIALS]

Trials are made, not trained: six decades of rates, curves of 1000 losses each.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from etastar.records import LossCurve, TaskSummary, Trial
from etastar.report.page.study import study_page
from etastar.schedules import Cosine

STEPS = 1000


def trials(count: int) -> list[Trial]:
    draws = np.random.default_rng(0)
    steady = np.linspace(2.3, 0.1, STEPS)
    return [
        Trial(
            lr=float(lr),
            seed=place,
            steps=STEPS,
            status="finished",
            final_loss=float(draws.lognormal()),
            curve=LossCurve(lrs=np.full(STEPS, lr), losses=steady + draws.normal(0, 0.1, STEPS)),
            sample_gradients=64.0 * STEPS,
            seconds=float(draws.uniform(1, 100)),
            settings={"weight_decay": float(10.0 ** draws.uniform(-5, -1)), "momentum": 0.9},
        )
        for place, lr in enumerate(10.0 ** draws.uniform(-5, 1, count))
    ]


def main(count: int) -> None:
    task = TaskSummary(
        name="made",
        steps=STEPS,
        schedule=Cosine(steps=STEPS),
        optimizer="SGD",
        parameters=1000,
        group_ratios=(1.0,),
        objective="validation loss",
        default_lr=0.1,
    )
    made = trials(count)
    study_page("made", task, made[:1])  # the templates are compiled once
    print("trials  seconds  CPU seconds  kilobytes")
    for size in sorted({10, 100, 1000, count}):
        wall, cpu = time.perf_counter(), time.process_time()
        page = study_page("made", task, made[:size])
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(f"{size:>6}  {wall:>7.2f}  {cpu:>11.2f}  {len(page.encode()) / 1000:>9.0f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
