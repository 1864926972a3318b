"""What every baseline says of a task, and what it costs.

python benchmarks/baselines/check.py digits-mlp
python benchmarks/baselines/check.py text-gpt --only fastai --seed 3
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table


def main() -> None:
    sys.path[0] = str(Path(__file__).parents[1])  # this folder's files are one package
    from baselines import METHODS, TRAINERS
    from tasks import chosen

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", help="a task of the benchmark, a built-in one or file.py:name")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--only", default="", help="methods whose name holds this")
    options = parser.parse_args()
    task = chosen(options.task)[0].load()
    shown = Table(title=f"{task.name}, {task.horizon} steps, seed {options.seed}")
    for column in ("method", "rate", "loss", "cost", "s", "note"):
        shown.add_column(column)
    for method in METHODS:
        if options.only.lower() in method.name.lower():
            said = method.suggest(task, options.seed)
            rate = "none" if said.lr is None else f"{said.lr:.3g}"
            shown.add_row(
                method.name, rate, "", f"{said.cost:.2f}", f"{said.seconds:.1f}", said.note
            )
    for trainer in TRAINERS:
        if options.only.lower() in trainer.name.lower():
            came = trainer.train(task, options.seed)
            shown.add_row(
                *(trainer.name, "", f"{came.loss:.4g}", f"{came.cost:.2f}"),
                *(f"{came.seconds:.1f}", came.note),
            )
    Console().print(shown)


if __name__ == "__main__":
    main()
