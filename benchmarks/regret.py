"""How far from the best learning rate does `find` end, and what does it cost?

    python benchmarks/regret.py --tasks digits
    python benchmarks/regret.py --tasks digits-mlp,cancer-mlp --budget thorough --seeds 5

Each task's dense grid of full runs (`truth.py`, stored under `benchmarks/truth/`) names the
best rate; `find` runs with its own seeds, none of them the grid's; its rate is then trained in
full with the grid's seeds and scored against the grid's best.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import etastar as es
from truth import Truth

GROUPS = {"digits": ("digits-mlp", "digits-cnn")}
FIND_SEEDS = 100  # the first of find's own seeds
GOAL = 0.10


@dataclass(frozen=True)
class Score:
    """One answer of `find`, judged."""

    task: str
    seed: int
    verdict: str
    lr: float | None
    best: float
    regret: float
    noise: float
    cost: float
    covered: bool
    seconds: float


def score(truth: Truth, seed: int, budget: str | float) -> Score:
    finding = es.find(truth.task, budget=budget, seed=FIND_SEEDS + seed, progress=False)
    best = truth.best()
    covered = finding.interval is not None and finding.interval[0] <= best <= finding.interval[1]
    return Score(
        task=truth.name,
        seed=FIND_SEEDS + seed,
        verdict=finding.verdict,
        lr=finding.lr,
        best=best,
        regret=float("nan") if finding.lr is None else truth.regret(finding.lr),
        noise=truth.noise(),
        cost=finding.cost,
        covered=covered,
        seconds=finding.seconds,
    )


def table(scores: list[Score]) -> Table:
    shown = Table(title="find against a dense grid")
    for column in ("task", "verdict"):
        shown.add_column(column, no_wrap=True)
    for column in ("seed", "rate", "best", "regret", "noise", "cost", "s"):
        shown.add_column(column, justify="right")
    for s in scores:
        rate = "none" if s.lr is None else f"{s.lr:.3g}"
        shown.add_row(
            *(s.task, s.verdict, str(s.seed), rate, f"{s.best:.3g}", f"{s.regret:+.1%}"),
            *(f"{s.noise:.1%}", f"{s.cost:.2f}", f"{s.seconds:.0f}"),
        )
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default="digits", help="a group or built-in names, by comma")
    parser.add_argument("--seeds", type=int, default=3, help="how many answers per task")
    parser.add_argument("--budget", default="standard", help="of find: a name or full runs")
    options = parser.parse_args()
    names = GROUPS.get(options.tasks) or tuple(options.tasks.split(","))
    named = options.budget in ("quick", "standard", "thorough")
    budget = options.budget if named else float(options.budget)
    console = Console()
    scores: list[Score] = []
    with Progress(console=console, transient=True) as progress:
        for name in names:
            truth = Truth(name)
            truth.fill(progress)
            job = progress.add_task(f"find on {name}", total=options.seeds)
            for seed in range(options.seeds):
                scores.append(score(truth, seed, budget))
                progress.advance(job)
    console.print(table(scores))
    regrets = np.array([s.regret for s in scores])
    answered = np.isfinite(regrets)
    console.print(
        f"median regret {np.median(regrets[answered]):+.1%}, worst {regrets[answered].max():+.1%}, "
        f"{answered.mean():.0%} answered, mean cost {np.mean([s.cost for s in scores]):.2f} full "
        f"runs, interval holds the grid's best in {np.mean([s.covered for s in scores]):.0%}"
    )
    return 0 if answered.all() and (regrets <= GOAL).all() else 1


if __name__ == "__main__":
    sys.exit(main())
