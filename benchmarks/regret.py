"""How far from the best learning rate does a method end, and what does it cost?

    python benchmarks/regret.py --tasks development
    python benchmarks/regret.py --tasks held-out --methods all
    make bench

Each task's dense grid of full runs (`truth.py`, stored under `truth/`) names the best rate. Every
method sees the task with seeds of its own, none of them the grid's; the rate it names is scored by
the grid: the excess of its final loss over the best's. Methods that set their own rate are scored
by their own full run. Scores are kept in `scores/` as they come: an interrupted run goes on where
it was, `--fresh` begins anew.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from methods import methods
from scores import FOLDER, Score, Summary, by_method, stored
from tasks import chosen
from truth import Grid

FIRST_SEED = 100  # none of the grid's


def score(task_name: str, method: str, seed: int) -> Score:
    """Ask one method once, and judge what it says."""
    import warnings

    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    (bench,) = chosen(task_name)
    answer = methods(method)[method](bench.load(), seed)
    return Score.of(Grid.stored(task_name), method, seed, answer)


def percent(value: float) -> str:
    """A share in per cent, as it is read."""
    return "diverged" if np.isinf(value) else "–" if np.isnan(value) else f"{value:+.1%}"


def answers_table(scores: list[Score]) -> Table:
    """Every answer of `find`."""
    shown = Table(title="find, answer by answer")
    for column in ("task", "seed", "verdict", "rate", "best", "regret", "P<5%", "P<1%", "cost"):
        shown.add_column(column, justify="left" if column in {"task", "verdict"} else "right")
    for s in scores:
        said = s.answer
        shown.add_row(
            *(s.task, str(s.seed), said.verdict, "none" if said.lr is None else f"{said.lr:.3g}"),
            *(f"{Grid.stored(s.task).best():.3g}", percent(s.regret)),
            *(f"{said.confidence or 0:.2f}", f"{said.confidence_tight or 0:.2f}"),
            f"{said.cost:.2f}",
        )
    return shown


def markdown(summaries: list[Summary]) -> str:
    """The table of all methods; `lost` are regrets above 15 % and runs that diverge."""
    heads = ("method", "answers", "median", "p90", "worst", "< 1 %", "< 5 %", "lost", "cost", "s")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for s in summaries:
        line = (
            f"| {s.method} | {s.answered:.0%} of {s.answers} | {percent(s.median)} | "
            f"{percent(s.p90)} | {percent(s.worst)} | {s.below_1:.0%} | {s.below_5:.0%} | "
            f"{s.catastrophic:.0%} | {s.cost:.2f} | {s.seconds:.1f} |"
        )
        lines.append(line)
    return "\n".join(lines)


def verdicts(scores: list[Score]) -> str:
    """What `confident` and `uncertain` are worth."""
    lines: list[str] = []
    for verdict in ("confident", "uncertain", "no_answer"):
        regrets = np.array([s.regret for s in scores if s.answer.verdict == verdict])
        if verdict == "no_answer" or not len(regrets):
            lines.append(f"{verdict}: {len(regrets)} answers")
        else:
            lines.append(
                f"{verdict}: {len(regrets)} answers, median {percent(float(np.median(regrets)))}, "
                f"worst {percent(float(regrets.max()))}, {np.mean(regrets < 0.05):.0%} below 5 %"
            )
    return "\n".join(lines)


def run(names: list[str], wanted: list[str], seeds: int, jobs: int, path: Path) -> list[Score]:
    """Score what is not scored yet; every score is kept as it comes."""
    kept = stored(path)
    done = {(s.task, s.method, s.seed) for s in kept}
    todo = [
        (task, method, FIRST_SEED + seed)
        for method in wanted
        for task in names
        for seed in range(seeds)
        if (task, method, FIRST_SEED + seed) not in done
    ]
    path.parent.mkdir(exist_ok=True)
    with (
        ProcessPoolExecutor(jobs) as pool,
        Progress(console=Console(stderr=True)) as progress,
        path.open("a") as file,
    ):
        bar = progress.add_task("scores", total=len(todo))
        for future in as_completed([pool.submit(score, *job) for job in todo]):
            kept.append(future.result())
            file.write(kept[-1].line() + "\n")
            file.flush()
            progress.advance(bar)
    of = {(s.task, s.method, s.seed): s for s in kept}
    order = [(t, m, FIRST_SEED + k) for m in wanted for t in names for k in range(seeds)]
    return [of[key] for key in order]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default="development", help="a half, or names by comma")
    parser.add_argument("--methods", default="find", help="find, ablations, baselines, all, names")
    parser.add_argument("--seeds", type=int, default=3, help="answers per task and method")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument(
        "--fresh", action="store_true", help="forget the scores kept of these tasks"
    )
    parser.add_argument("--picture", action="store_true", help="draw regret against cost")
    parser.add_argument("--summary", action="store_true", help="only sum up the scores kept")
    options = parser.parse_args()
    names = [task.name for task in chosen(options.tasks)]
    missing = [name for name in names if not Grid.stored(name).losses]
    if missing:
        print(f"no grid is stored of {', '.join(missing)}: make it with benchmarks/truth.py.")
        return 2
    path = FOLDER / f"{options.tasks.replace(',', '+')}.jsonl"
    if options.summary:
        return summed_up(stored(path), options.tasks, draw=options.picture)
    wanted = list(methods(options.methods))
    if options.fresh:
        kept = [s.line() for s in stored(path) if s.method not in wanted]
        path.write_text("".join(line + "\n" for line in kept))
    scores = run(names, wanted, options.seeds, options.jobs, path)
    return summed_up(scores, options.tasks, draw=options.picture)


def summed_up(scores: list[Score], half: str, *, draw: bool) -> int:
    """Print every answer of find, and every method in one line."""
    console = Console(width=140)
    own = [s for s in scores if s.method == "find"]
    if own:
        console.print(answers_table(own))
        console.print(verdicts(own))
    summaries = [Summary.of(group) for group in by_method(scores).values()]
    print(markdown(summaries))
    covered = next((s.covered for s in summaries if s.method == "find"), None)
    if covered is not None:
        console.print(f"find's interval holds the grid's best in {covered:.0%}")
    if draw:
        from regret_picture import draw as drawn

        console.print(f"picture: {drawn(summaries, half)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
