"""Dense grids: what the best learning rate of a task really is, stored with how it was made.

    python benchmarks/truth.py --tasks development
    make truth

From the optimizer's own rate the grid goes outward in octaves until the loss has risen on both
sides; then come quarter octaves within `NEAR` octaves of the best, with more and more seeds until
the mean at the best is known to `WANTED_ERROR`. Every trial is the full run of the task, and the
files grow trial by trial: an interrupted run goes on where it was.

Means over seeds are smoothed over neighbouring rates; the best rate is chosen on one half of the
seeds and judged on the other, and the halves then change places, so that no rate wins by the luck
of its seeds.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "truth"
NEAR = 1.0  # octaves to either side of the best in which every quarter is tried
FEWEST_SEEDS, MOST_SEEDS = 6, 60
WANTED_ERROR = 0.015  # relative standard error of the mean loss at the best rate
RISES = 2  # octaves in a row that must be worse before the grid ends
WIDEST = 14  # octaves from the optimizer's own rate at most
WORSE = 1.02


@dataclass(frozen=True)
class Grid:
    """The final losses of a task's full runs, by rate and seed. Lost runs: inf."""

    name: str
    losses: dict[tuple[float, int], float]

    @classmethod
    def stored(cls, name: str, folder: Path = FOLDER) -> Grid:
        """Read what is stored of a task; an empty grid where nothing is."""
        path = folder / f"{name}.json"
        if not path.exists():
            return cls(name, {})
        trials = json.loads(path.read_text())["trials"]
        return cls(name, {(t["lr"], t["seed"]): float(t["loss"]) for t in trials})

    @cached_property
    def by_rate(self) -> dict[float, dict[int, float]]:
        """Losses by seed, for each rate from low to high."""
        table: dict[float, dict[int, float]] = defaultdict(dict)
        for (lr, seed), loss in sorted(self.losses.items()):
            table[lr][seed] = loss
        return dict(table)

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the rates near the best."""
        return max((tuple(runs) for runs in self.by_rate.values()), key=len)

    @cached_property
    def near(self) -> list[float]:
        """The rates trained with all seeds."""
        return [lr for lr, runs in self.by_rate.items() if len(runs) == len(self.seeds)]

    @property
    def halves(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The seeds in two halves."""
        return self.seeds[::2], self.seeds[1::2]

    def smoothed(self, seeds: tuple[int, ...]) -> np.ndarray:
        """Mean losses of the near rates, each with a share of its neighbours'."""
        means = np.array([np.mean([self.by_rate[lr][s] for s in seeds]) for lr in self.near])
        padded = np.pad(means, 1, mode="edge")
        mixed = (padded[:-2] + 2 * means + padded[2:]) / 4
        return np.where(np.isfinite(mixed), mixed, means)  # a lost neighbour is no neighbour

    def best(self, seeds: tuple[int, ...] | None = None) -> float:
        """The rate whose smoothed mean loss over `seeds`, all by default, is lowest."""
        return self.near[int(np.argmin(self.smoothed(seeds or self.seeds)))]

    def noise(self) -> float:
        """Relative standard deviation of one final loss at the best rate."""
        losses = list(self.by_rate[self.best()].values())
        return float(np.std(losses, ddof=1) / abs(np.mean(losses)))

    def error(self) -> float:
        """Relative standard error of the mean loss at the best rate."""
        return self.noise() / math.sqrt(len(self.seeds))

    def regret(self, lr: float) -> float:
        """Excess mean final loss of `lr` over the best of the grid, relative to it.

        Between rates of the grid the logarithm of the loss is interpolated. Infinite where the
        nearest rate of the grid did not survive with every seed. Negative where `lr` did better
        on the judging seeds than the rate chosen on the others.
        """
        regrets = [
            self._loss(lr, judging) / self.smoothed(judging)[self.near.index(self.best(choosing))]
            for choosing, judging in (self.halves, self.halves[::-1])
        ]
        return float(np.mean(regrets)) - 1

    def reference(self) -> float:
        """The mean final loss of the best rate, judged on the seeds it was not chosen on."""
        return float(
            np.mean(
                [
                    self.smoothed(judging)[self.near.index(self.best(choosing))]
                    for choosing, judging in (self.halves, self.halves[::-1])
                ]
            )
        )

    def _loss(self, lr: float, seeds: tuple[int, ...]) -> float:
        smoothed = dict(zip(self.near, self.smoothed(seeds), strict=True))
        middle = self.by_rate[self.best()]
        level = float(np.mean([middle[seed] for seed in seeds]))
        rates, values = [], []
        for rate, runs in self.by_rate.items():
            loss = smoothed.get(rate)
            if loss is None:  # few seeds: compared with the best on those very seeds
                loss = float(np.mean([runs[s] / middle[s] for s in runs])) * level
            rates.append(math.log2(rate))
            values.append(loss)
        x, losses = math.log2(lr), np.array(values)
        nearest = int(np.argmin(np.abs(np.array(rates) - x)))
        if not math.isfinite(losses[nearest]):
            return math.inf
        kept = np.isfinite(losses)
        return float(np.exp(np.interp(x, np.array(rates)[kept], np.log(losses[kept]))))


class Maker:
    """Trains what a task's grid still lacks, and stores every trial as it ends."""

    def __init__(self, name: str, folder: Path = FOLDER) -> None:
        from etastar.finder.opening import open_task
        from tasks import chosen

        (bench,) = chosen(name)
        self._task = bench.load()
        self._path = folder / f"{name}.json"
        self._default = open_task(self._task, 0).summary.default_lr or 1e-3
        self.grid = Grid.stored(name, folder)

    def fill(self) -> Grid:
        """Train until the best is known well enough."""
        octaves = self._wide()
        while True:
            best = min(octaves, key=lambda k: self._mean(k, [0]))
            self._near(best)
            if self.grid.error() <= WANTED_ERROR or len(self.grid.seeds) >= MOST_SEEDS:
                return self.grid

    def _wide(self) -> list[float]:
        """Octaves outward from the optimizer's own rate until the best lies inside."""
        tried: dict[int, float] = {0: self._mean(0, [0])}
        for side in (1, -1):
            for distance in range(1, WIDEST + 1):
                tried[side * distance] = self._mean(side * distance, [0])
                beyond = [tried[k] for k in sorted(tried, key=lambda k: -side * k)][:RISES]
                best = min(tried.values())
                learned = math.isfinite(best) and best < max(
                    (loss for loss in tried.values() if math.isfinite(loss)), default=best
                )
                if learned and len(tried) > RISES and all(loss > WORSE * best for loss in beyond):
                    break
        return [float(k) for k in tried]

    def _near(self, best: float) -> None:
        seeds = list(range(FEWEST_SEEDS))
        while True:
            quarters = [best + k / 4 for k in range(-int(4 * NEAR), int(4 * NEAR) + 1)]
            for octave in quarters:
                self._mean(octave, seeds)
            lowest = min(quarters, key=lambda k: self._mean(k, seeds))
            if abs(lowest - best) > NEAR - 0.3:  # on the edge: look beyond it
                best = lowest
                continue
            for side in (-NEAR - 1, NEAR + 1):
                self._mean(best + side, [0, 1])
            if self.grid.error() <= WANTED_ERROR or len(seeds) >= MOST_SEEDS:
                return
            seeds.extend([len(seeds), len(seeds) + 1])

    def _mean(self, octave: float, seeds: Iterable[int]) -> float:
        return float(np.mean([self._loss(octave, seed) for seed in seeds]))

    def _loss(self, octave: float, seed: int) -> float:
        from etastar.engine import Sequential

        key = (float(f"{self._default * 2**octave:.6g}"), seed)
        if key not in self.grid.losses:
            trial = Sequential().train(self._task, [key[0]], [seed], self._task.horizon)[0]
            loss = trial.final_loss if trial.measured else math.inf
            self.grid = Grid(self.grid.name, {**self.grid.losses, key: loss})
            self._save()
        return self.grid.losses[key]

    def _save(self) -> None:
        import torch

        import etastar

        header = {
            "task": self.grid.name,
            "steps": self._task.horizon,
            "made_by": "benchmarks/truth.py",
            "etastar": etastar.__version__,
            "torch": torch.__version__,
        }
        lines = ",\n".join(
            json.dumps({"lr": lr, "seed": seed, "loss": loss if math.isfinite(loss) else "inf"})
            for (lr, seed), loss in sorted(self.grid.losses.items())
        )
        text = json.dumps(header)[:-1] + ', "trials": [\n' + lines + "\n]}\n"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".part")
        temporary.write_text(text)
        temporary.replace(self._path)


def _made(name: str) -> Grid:
    import torch

    torch.set_num_threads(1)
    return Maker(name).fill()


def _all_made(names: list[str], jobs: int) -> Iterator[Grid]:
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(_made, names)


def main() -> int:
    from rich.console import Console
    from rich.progress import track

    from tasks import ALL, chosen

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default="all", help="a half, or names by comma")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    options = parser.parse_args()
    tasks = list(ALL) if options.tasks == "all" else chosen(options.tasks)
    names = [task.name for task in tasks]
    console = Console()
    for grid in track(_all_made(names, options.jobs), "grids", total=len(names), console=console):
        console.print(
            f"{grid.name:20} best {grid.best():9.4g}  loss {grid.reference():8.4g}  "
            f"noise {grid.noise():.1%}, of the mean {grid.error():.1%} ({len(grid.seeds)} seeds)"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
