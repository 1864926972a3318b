"""`etastar find`: the learning rate of a task."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from etastar.cli.exits import leave
from etastar.cli.files import draw, writable_folder, writable_picture
from etastar.cli.options import AsJson, Plot, Progress, Seed, TaskSpec
from etastar.errors import InputError

if TYPE_CHECKING:
    from etastar.finder.find import Budget


_BUDGETS: "dict[str, Budget]" = {
    "quick": "quick",
    "standard": "standard",
    "thorough": "thorough",
}


def find(
    task: TaskSpec,
    *,
    budget: Annotated[
        str, typer.Option(help="quick, standard, thorough, or a number of full runs.")
    ] = "standard",
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Find the rate for a run of so many updates.  [default: the task's]",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write finding.json and finding.png there.", show_default=False
        ),
    ] = None,
    plot: Plot = None,
    as_json: AsJson = False,
    progress: Progress = None,
) -> None:
    """Find the learning rate TASK wants, how sure that is, and what the answer cost.

    Exits with 0 where the answer is confident, with 3 where it is not.
    """
    import etastar
    from etastar.cli.training import running, tell

    allowed = _budget(budget)
    picture = None if plot is None else writable_picture(plot)
    folder = None if out is None else writable_folder(out)
    search = etastar.find  # without torch, it ends here
    with running(progress, as_json=as_json) as observer:
        loaded = etastar.load_task(task)
        finding = search(
            loaded if steps is None else loaded.with_steps(steps),
            budget=allowed,
            seed=seed,
            observer=observer,
        )
    written: tuple[Path, ...] = ()
    if folder is not None:
        written = (folder / "finding.json", folder / "finding.png")
        finding.to_json(written[0])
        draw(finding, written[1])
    code = _use_file(written[0]) if written else None
    tell(finding, as_json=as_json, plot=picture, written=written, code=code)
    leave(confident=finding.verdict == "confident")


def _budget(text: str) -> "Budget | float":
    if text in _BUDGETS:
        return _BUDGETS[text]
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise InputError(
            f"--budget {text}: give quick, standard, thorough, or a positive number of full runs."
        )
    return number


def _use_file(path: Path) -> tuple[str, ...]:
    return (
        f"finding = etastar.records.Finding.from_json(pathlib.Path({str(path)!r}))",
        "scheduler = etastar.attach(optimizer, lr=finding.schedule)",
        "scheduler.step()  # after every optimizer.step()",
    )
