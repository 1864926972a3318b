"""`etastar find`: the learning rate of a task."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from etastar.cli.engine import Address, Cpus, Gpus, engine_for
from etastar.cli.exits import leave
from etastar.cli.files import draw, writable_folder, writable_picture
from etastar.cli.options import AsJson, Plot, Progress, Seed, TaskSpec
from etastar.errors import InputError

if TYPE_CHECKING:
    from etastar.finder.find import Budget
    from etastar.records import Finding


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
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=VALUES]",
            help="Another setting to find with the rate: momentum, weight_decay, warmup or "
            "batch_size, with values such as momentum=0.8,0.9 or without. Give it again for more.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Find the rate for a run of so many updates.  [default: the task's]",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    engine: Annotated[
        str, typer.Option(help="sequential, auto, vectorized, or ray.")
    ] = "sequential",
    address: Address = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where pilots are kept: a file or postgresql://.... What is there is not trained "
            "again.  [default: nowhere]",
            show_default=False,
        ),
    ] = None,
    known: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A finding.json of the same task: its pilots are not paid for again.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write finding.json, finding.png and report.html there.",
            show_default=False,
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
    further = _also(also)
    picture = None if plot is None else writable_picture(plot)
    folder = None if out is None else writable_folder(out)
    search = etastar.find  # without torch, it ends here
    with (
        running(progress, as_json=as_json) as observer,
        engine_for(task, engine, address, cpus, gpus) as trainer,
    ):
        loaded = etastar.load_task(task)
        finding = search(
            loaded if steps is None else loaded.with_steps(steps),
            budget=allowed,
            also=further,
            seed=seed,
            engine=trainer,
            store=store,
            known=known,
            observer=observer,
        )
    written: tuple[Path, ...] = ()
    if folder is not None:
        written = (folder / "finding.json", folder / "finding.png")
        finding.to_json(written[0])
        draw(finding, written[1])
        written += (finding.report(folder / "report.html"), *_draw_also(finding, folder))
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


def _also(given: list[str] | None) -> dict[str, list[float] | None] | None:
    """Further settings with their values, None for those by default.

    Returns:
        None where none were asked for.

    Raises:
        InputError: values that are no numbers, or a name given twice.
    """
    found: dict[str, list[float] | None] = {}
    for text in given or []:
        name, equals, values = text.partition("=")
        if name in found:
            raise InputError(f"--also {text}: {name} is given twice; give it once.")
        try:
            found[name] = [float(value) for value in values.split(",")] if equals else None
        except ValueError:
            raise InputError(
                f"--also {text}: write NAME or NAME=VALUES, such as momentum=0.8,0.9."
            ) from None
    return found or None


def _draw_also(finding: "Finding", folder: Path) -> tuple[Path, ...]:
    if not finding.also:
        return ()
    from etastar.report import axes_figure

    path = folder / "finding-also.png"
    figure = axes_figure(finding)
    if figure is not None:
        figure.savefig(path, dpi=150)
    return (path,)


def _use_file(path: Path) -> tuple[str, ...]:
    return (
        f"finding = etastar.records.Finding.from_json(pathlib.Path({str(path)!r}))",
        "scheduler = etastar.attach(optimizer, lr=finding.schedule)",
        "scheduler.step()  # after every optimizer.step()",
    )
