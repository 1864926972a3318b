"""Dense grids: what the best learning rate of a task really is, stored with how it was made.

A grid spans `WIDE_OCTAVES` to either side of the optimizer's own rate at half octaves with one
seed, then quarter octaves within `NEAR_OCTAVES` of the best with all `SEEDS`. Every trial is the
full run of the task. Means over seeds are smoothed over neighbouring rates, the best rate is
chosen on one half of the seeds and judged on the other, and the halves then change places, so
that no rate wins by the luck of its seeds.
"""

from __future__ import annotations

import functools
import json
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress

import etastar as es
from etastar.engine import Sequential
from etastar.finder.opening import open_task
from etastar.tasks import load_task

FOLDER = Path(__file__).parent / "truth"
SEEDS = tuple(range(10))
HALVES = (SEEDS[::2], SEEDS[1::2])
WIDE_OCTAVES = 7.0  # to either side of the optimizer's own rate
NEAR_OCTAVES = 1.5


class Truth:
    """The trials of a task's dense grid, kept in a JSON file as they end."""

    def __init__(self, name: str, folder: Path = FOLDER) -> None:
        self.name = name
        self.task = load_task(name)
        self._path = folder / f"{name}.json"
        self._losses: dict[tuple[float, int], float] = {}
        if self._path.exists():
            stored = json.loads(self._path.read_text())
            self._losses = {
                (trial["lr"], trial["seed"]): float(trial["loss"]) for trial in stored["trials"]
            }

    def loss(self, lr: float, seed: int, *, store: bool = True) -> float:
        """The final loss of the full run; trained only where it is not known. Lost runs: inf."""
        key = (float(f"{lr:.6g}"), seed)
        if key not in self._losses:
            trial = Sequential().train(self.task, [key[0]], [seed], self.task.horizon)[0]
            self._losses[key] = trial.final_loss if trial.measured else math.inf
            if store:
                self._save()
        return self._losses[key]

    def mean(self, lr: float, seeds: tuple[int, ...]) -> float:
        """The mean final loss over seeds."""
        return float(np.mean([self.loss(lr, seed, store=False) for seed in seeds]))

    def fill(self, progress: Progress) -> None:
        """Train whatever the dense grid still lacks."""
        centre = self._default_rate()
        halves = int(2 * WIDE_OCTAVES)
        wide = [centre * 2 ** (k / 2) for k in range(-halves, halves + 1)]
        job = progress.add_task(f"truth of {self.name}", total=len(wide))
        for lr in wide:
            self.loss(lr, SEEDS[0])
            progress.advance(job)
        best = min(wide, key=lambda lr: self.loss(lr, SEEDS[0]))
        quarters = range(-int(4 * NEAR_OCTAVES), int(4 * NEAR_OCTAVES) + 1)
        near = [best * 2 ** (k / 4) for k in quarters]
        progress.update(job, total=len(wide) + len(near) * len(SEEDS))
        for lr in near:
            for seed in SEEDS:
                self.loss(lr, seed)
                progress.advance(job)

    def best(self, seeds: tuple[int, ...] = SEEDS) -> float:
        """The rate whose smoothed mean loss over `seeds` is lowest."""
        rates = self._complete()
        return rates[int(np.argmin(self._smoothed(rates, seeds)))]

    def noise(self) -> float:
        """Relative standard deviation of one final loss at the best rate."""
        losses = [self.loss(self.best(), seed) for seed in SEEDS]
        return float(np.std(losses, ddof=1) / np.mean(losses))

    def regret(self, lr: float) -> float:
        """Excess mean final loss of `lr` over the best of the grid, relative to it.

        Negative where `lr` did better on the judging seeds than the rate chosen on the others.
        """
        rates = self._complete()
        regrets: list[float] = []
        for chosen_on, judged_on in (HALVES, HALVES[::-1]):
            index = rates.index(self.best(chosen_on))
            reference = self._smoothed(rates, judged_on)[index]
            regrets.append(self.mean(lr, judged_on) / reference - 1)
        return float(np.mean(regrets))

    def _complete(self) -> list[float]:
        return sorted(lr for lr, runs in self._by_rate().items() if self._on_grid(lr, runs))

    def _on_grid(self, lr: float, runs: dict[int, float]) -> bool:
        octaves = 4 * math.log2(lr / self._default_rate())
        return len(runs) == len(SEEDS) and abs(octaves - round(octaves)) < 1e-3

    def _smoothed(self, rates: list[float], seeds: tuple[int, ...]) -> np.ndarray:
        means = np.array([self.mean(lr, seeds) for lr in rates])
        padded = np.pad(means, 1, mode="edge")
        return (padded[:-2] + 2 * means + padded[2:]) / 4

    def _by_rate(self) -> dict[float, dict[int, float]]:
        table: dict[float, dict[int, float]] = defaultdict(dict)
        for (lr, seed), loss in self._losses.items():
            table[lr][seed] = loss
        return table

    @functools.cache  # noqa: B019  # one truth per task and process
    def _default_rate(self) -> float:
        return open_task(self.task, 0).summary.default_lr or 1e-3

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        trials = [
            {"lr": lr, "seed": seed, "loss": loss if math.isfinite(loss) else "inf"}
            for (lr, seed), loss in sorted(self._losses.items())
        ]
        header = {
            "task": self.name,
            "steps": self.task.horizon,
            "made_by": "benchmarks/truth.py",
            "etastar": es.__version__,
            "torch": torch.__version__,
        }
        lines = ",\n".join(json.dumps(trial) for trial in trials)
        text = json.dumps(header)[:-1] + ', "trials": [\n' + lines + "\n]}\n"
        temporary = self._path.with_suffix(".part")
        temporary.write_text(text)
        temporary.replace(self._path)
