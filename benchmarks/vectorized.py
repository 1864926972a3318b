"""What batching rates gains: the vectorized engine over the sequential one, and what auto takes.

    python benchmarks/vectorized.py [--quick] [--device cuda] [--out benchmarks/vectorized.json]
    python benchmarks/vectorized.py --rates 4 --seeds 8
    python benchmarks/vectorized.py --settings

Both engines and `auto` train the same rates of the same task in one process with torch's default
threads, in turns. Whatever else runs slows down what is measured then, so only neighbours in time
are compared: every turn gives a ratio of two times, a row the median of its ratios, and in
brackets where that median lies with 90 % confidence, from the ranks of the ratios alone. After a
few turns of everything only `auto` and the better engine go on, until that range is `--precision`
wide to either side or the turns are used up.

`again` is what `auto` reaches of the speed of the better engine once it has chosen, `first` the
same in its first call of a task, where it times both engines before.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.stats import binom
from torch import Tensor, nn

from etastar.engine import Engine, Observer, Sequential, Work, train_all
from etastar.engine.auto import Auto, Choice
from etastar.engine.vectorized import Vectorized, why_not
from etastar.tasks import Task
from etastar.tasks.builtin.shakespeare import GPT

GOAL = {"small MLP": {"cpu": 4.0, "cuda": 20.0}, "small GPT": {"cuda": 5.0}}
"""Speedup hoped for at 32 rates."""

AUTO_GOAL = 0.95
"""Of the better engine's speed, which `auto` is never to fall below."""

FIRST_TURNS = 5
"""Of everything, before only `auto` and the better engine go on."""


@dataclass(frozen=True)
class Ratio:
    """The median of the ratios of neighbouring times, and where it lies with 90 % confidence."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, over: Sequence[float], under: Sequence[float]) -> Ratio:
        """The ratios of the times of some turns; see `ranks`."""
        ratios = sorted(one / two for one, two in zip(over, under, strict=True))
        low, high = ranks(len(ratios))
        return cls(float(np.median(ratios)), ratios[low], ratios[high])

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def ranks(count: int, confidence: float = 0.9) -> tuple[int, int]:
    """Which of `count` ordered values bound their distribution's median.

    Each lies below it as often as above, whatever their distribution: the number that do is
    binomial. A few values bound it with less confidence than asked; all of them are then taken.
    """
    low = int(binom.ppf((1 - confidence) / 2, count, 0.5)) - 1
    low = max(0, min(low, (count - 1) // 2))
    return low, count - 1 - low


@dataclass(frozen=True)
class Row:
    """One task at one number of rates; times in milliseconds per step of a trial."""

    task: str
    rates: int
    seeds: int
    settings: bool  # whether each rate has its own
    steps: int
    turns: int
    sequential: float
    vectorized: float
    speedup: Ratio
    taken: str  # by auto
    auto_again: Ratio  # speed over that of the better engine, once it has chosen
    choosing: float  # the time that takes, over that of training by the better engine

    @property
    def auto_first(self) -> float:
        """Speed of `auto` over that of the better engine, its choosing included."""
        return 1 / (1 / self.auto_again.median + self.choosing)


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
    """What is trained: all rates with all seeds, at the task's settings or each at its own."""

    lrs: list[float]
    seeds: list[int]
    steps: int
    settings: bool

    def train(self, engine: Engine, task: Task, observer: Observer | None = None) -> None:
        """Train them."""
        works = [Work(task, self.lrs, self.seeds, self.steps)]
        if self.settings:
            works = [
                Work(task, [lr], self.seeds, self.steps, settings=drawn(task, place))
                for place, lr in enumerate(self.lrs)
            ]
        train_all(engine, works, observer=observer)


def drawn(task: Task, place: int) -> dict[str, float]:
    """Weight decay and momentum as random search draws them for one of its points."""
    rng = np.random.default_rng(place)
    momentum = "momentum" if task.optimizer.func is torch.optim.SGD else "beta1"
    return {"weight_decay": 10 ** rng.uniform(-5, -2), momentum: rng.uniform(0.5, 0.99)}


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


def measure(name: str, rates: int, seeds: int, options: argparse.Namespace) -> Row:
    make, total = TASKS[name]
    count = rates * seeds
    lrs = np.geomspace(1e-5, 1e-3, rates).tolist()
    task, trials = (
        make(options.device),
        Trials(lrs, list(range(seeds)), total // count, options.settings),
    )
    seconds(Vectorized(), task, replace(trials, steps=2))  # which proves the task
    auto = Auto()
    trials.train(auto, task)
    assert auto.choice is not None
    ways: dict[str, Callable[[], float]] = {
        "sequential": lambda: seconds(Sequential(), task, trials),
        "vectorized": lambda: seconds(Vectorized(), task, trials),
        "auto": lambda: seconds(auto, task, trials),
        "choosing": lambda: choosing(make(options.device), trials),
    }
    times = in_turns(ways, min(FIRST_TURNS, options.turns))
    speedup = Ratio.of(times["sequential"], times["vectorized"])
    better = "vectorized" if speedup.median > 1 else "sequential"
    again = Ratio.of(times[better], times["auto"])
    choice = float(np.median(times["choosing"])) / float(np.median(times[better]))
    pair = {way: ways[way] for way in (better, "auto")}
    while len(times["auto"]) < options.turns and not precise(again, options.precision):
        for way, found in in_turns(pair, 2).items():
            times[way] += found
        again = Ratio.of(times[better], times["auto"])
    each = 1e3 / count / trials.steps
    return Row(
        task=name,
        rates=rates,
        seeds=seeds,
        settings=options.settings,
        steps=trials.steps,
        turns=len(times["auto"]),
        sequential=each * float(np.median(times["sequential"])),
        vectorized=each * float(np.median(times["vectorized"])),
        speedup=speedup,
        taken=words(auto.choice),
        auto_again=again,
        choosing=choice,
    )


def in_turns(ways: Mapping[str, Callable[[], float]], turns: int) -> dict[str, list[float]]:
    """Times of every way, one a turn; each turn begins with another, so that none is favoured."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(turns):
        order = deque(ways)
        order.rotate(turn)
        for way in order:
            times[way].append(ways[way]())
    return times


def precise(ratio: Ratio, precision: float) -> bool:
    return max(ratio.high - ratio.median, ratio.median - ratio.low) <= precision


def words(choice: Choice) -> str:
    return f"{choice.width} at once" if choice.engine == Vectorized.name else choice.engine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="up to 32 rates")
    parser.add_argument("--rates", default="8,32,128", help="numbers of rates, by commas")
    parser.add_argument("--seeds", type=int, default=1, help="of each rate")
    parser.add_argument("--settings", action="store_true", help="other ones at every rate")
    parser.add_argument("--tasks", default=",".join(TASKS), help="names, separated by commas")
    parser.add_argument("--turns", type=int, default=40, help="at most")
    parser.add_argument("--precision", type=float, default=0.03, help="wanted of auto's ratio")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="where to write the numbers as JSON")
    options = parser.parse_args()
    threads = torch.get_num_threads()
    machine = torch.cuda.get_device_name() if options.device == "cuda" else f"{threads} CPU threads"
    print(f"torch {torch.__version__}, {machine}; ms per step of a trial\n")
    columns = ("task", "rates × seeds", "sequential", "vectorized", "times", "auto", "again")
    print(f"| {' | '.join(columns)} | turns | first |")
    print("|" + "---|" * 9)
    rows: list[Row] = []
    numbers = [int(number) for number in options.rates.split(",")]
    for name in options.tasks.split(","):
        for rates in numbers[:2] if options.quick else numbers:
            row = measure(name, rates, options.seeds, options)
            rows.append(row)
            print(
                f"| {name} | {rates} × {row.seeds} | {row.sequential:.3f} | {row.vectorized:.3f} "
                f"| {row.speedup} | {row.taken} | {row.auto_again} | {row.turns} "
                f"| {row.auto_first:.2f} |",
                flush=True,
            )
    print()
    for row in rows:
        goal = GOAL.get(row.task, {}).get(options.device)
        if goal is not None and (row.rates, row.seeds, row.settings) == (32, 1, False):
            met = "met" if row.speedup.median >= goal else "missed"
            print(f"{row.task}, 32 rates: {row.speedup} times, goal {goal:g}: {met}")
    worst = min(rows, key=lambda row: row.auto_again.median)
    met = "met" if worst.auto_again.median >= AUTO_GOAL else "missed"
    print(
        f"auto at its worst, once it has chosen: {worst.auto_again} of the better engine, "
        f"goal {AUTO_GOAL:g}: {met}"
    )
    print(f"the same with its choosing: {min(row.auto_first for row in rows):.2f}")
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
