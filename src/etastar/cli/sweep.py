"""`etastar sweep`: many rates and settings of a task, side by side."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from etastar.cli.engine import Address, Cpus, Gpus, engine_for
from etastar.cli.exits import leave
from etastar.cli.files import draw, writable_folder, writable_picture
from etastar.cli.options import AsJson, Plot, Progress, TaskSpec
from etastar.errors import InputError, InterruptedRunError

if TYPE_CHECKING:
    from etastar.records import Sweep

NO_STORE = "none"


def sweep(
    task: TaskSpec,
    *,
    lr: Annotated[
        str | None,
        typer.Option(
            metavar="VALUES",
            help="Rates: low:high:log, low:high:log:points, a,b,c, or decade: a decade on each "
            "side of the optimizer's own.  [default: decade]",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUES",
            help="A setting of the optimizer, such as weight_decay=0,1e-4,1e-3 or "
            "beta1=0.8:0.99:linear:4. Give it again for more.",
            show_default=False,
        ),
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(
            help="grid, random, sobol, halving, hyperband, asha, tpe, cmaes, or find: how "
            "`etastar find` looks."
        ),
    ] = "grid",
    engine: Annotated[str, typer.Option(help="auto, sequential, vectorized, or ray.")] = "auto",
    address: Address = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    store: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Where trials are kept: a file, postgresql://..., or none. What is there is not "
            "trained again.",
        ),
    ] = ".etastar/store.db",
    seeds: Annotated[int, typer.Option(min=1, help="So many seeds for each full run.")] = 1,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1, help="Updates of a full run.  [default: the task's]", show_default=False
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Points to try, for strategies that draw them.  [default: 16]",
            show_default=False,
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(help="What may be spent, in full runs.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the strategy's own randomness.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write sweep.json, its pictures and report.html there.",
            show_default=False,
        ),
    ] = None,
    plot: Plot = None,
    as_json: AsJson = False,
    progress: Progress = None,
) -> None:
    """Train TASK at many rates and settings, and say which is best and how sure that is.

    Interrupted or killed, the same command goes on where it stopped. Exits with 0 where there
    is a best, with 3 where nothing finished.
    """
    import etastar
    from etastar.cli.training import running, tell

    picture = None if plot is None else writable_picture(plot)
    folder = None if out is None else writable_folder(out)
    search = etastar.sweep  # without torch, it ends here
    from etastar.sweeps.display import default_observer

    space = _space(lr, settings or [], strategy)
    kept = None if store == NO_STORE else store
    with (
        running(progress, as_json=as_json, display=default_observer) as observer,
        _Resumable(kept),
        engine_for(task, engine, address, cpus, gpus) as trainer,
    ):
        found = search(
            etastar.load_task(task),
            space or None,
            strategy,
            trainer,
            kept,
            seeds=seeds,
            steps=steps,
            trials=trials,
            budget=budget,
            seed=seed,
            observer=observer,
        )
    written = () if folder is None else _write(found, folder)
    tell(found, as_json=as_json, plot=picture, written=written)
    leave(confident=found.best is not None)


def _space(lr: str | None, settings: list[str], strategy: str) -> dict[str, str]:
    """The space, in words that `etastar.sweep` reads; `find` brackets the rate by itself.

    Returns:
        Values by name.

    Raises:
        InputError: a setting without values, or named twice.
    """
    rates = "decade" if lr is None and strategy != "find" else lr
    space = {} if rates is None else {"lr": rates}
    for given in settings:
        name, equals, values = given.partition("=")
        if not equals or not name or not values:
            raise InputError(f"--set {given}: write NAME=VALUES, such as weight_decay=0,1e-4,1e-3.")
        if name in space or name == "lr":
            raise InputError(f"--set {given}: {name} is given twice, or is --lr; give it once.")
        space[name] = values
    return space


class _Resumable:
    """Adds to an interruption the command that goes on."""

    def __init__(self, store: str | None) -> None:
        self._store = store

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Say it.

        Raises:
            InterruptedRunError: the same, with the command.
        """
        if not isinstance(error, InterruptedRunError):
            return
        if self._store is None:
            rest = "Nothing is kept with --store none: the command begins anew."
        else:
            command = shlex.join(["etastar", *sys.argv[1:]])
            rest = f"To go on where it stopped: {command}"
        raise InterruptedRunError(f"{error} {rest}", known=error.known) from error


def _write(found: "Sweep", folder: Path) -> tuple[Path, ...]:
    record, pictures = folder / "sweep.json", {"rate": folder / "sweep.png"}
    found.to_json(record)
    draw(found, pictures["rate"])
    if any(axis.varies for name, axis in found.space.items() if name != "lr"):
        for kind in ("parallel", "importance"):
            pictures[kind] = folder / f"sweep-{kind}.png"
            found.plot(kind).savefig(pictures[kind], dpi=150)
    return (record, *pictures.values(), found.report(folder / "report.html"))
