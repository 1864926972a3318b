"""`etastar range-test`: where training is stable."""

from typing import Annotated

import typer

from etastar.cli.exits import leave
from etastar.cli.files import writable_picture
from etastar.cli.options import AsJson, Plot, Progress, Seed, TaskSpec


def range_test(
    task: TaskSpec,
    *,
    low: Annotated[
        float | None,
        typer.Option(
            help="First rate.  [default: a thousandth of the optimizer's]", show_default=False
        ),
    ] = None,
    high: Annotated[
        float | None,
        typer.Option(
            help="Last rate.  [default: as far as training keeps its footing]", show_default=False
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            help="Updates from low to high.  [default: 20 per decade]", show_default=False
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(help="Passes, each with its own seed.")] = 1,
    valid: Annotated[
        bool, typer.Option("--valid", help="Measure the validation loss instead.")
    ] = False,
    linear: Annotated[bool, typer.Option("--linear", help="Let the rate grow linearly.")] = False,
    seed: Seed = 0,
    plot: Plot = None,
    as_json: AsJson = False,
    progress: Progress = None,
) -> None:
    """Train TASK while its rate grows: where the loss falls, and where training breaks.

    Exits with 0 where any rule suggests a rate, with 3 where none does.
    """
    import etastar
    from etastar.cli.training import running, tell
    from etastar.report.answer import has_suggestion

    picture = None if plot is None else writable_picture(plot)
    measure = etastar.range_test  # without torch, it ends here
    with running(progress, as_json=as_json) as observer:
        result = measure(
            etastar.load_task(task),
            low=low,
            high=high,
            steps=steps,
            rise="linear" if linear else "exponential",
            valid=valid,
            repeats=repeats,
            seed=seed,
            observer=observer,
        )
    tell(result, as_json=as_json, plot=picture)
    leave(confident=has_suggestion(result))
