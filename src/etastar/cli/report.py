"""`etastar report`: a saved answer, told and drawn again, without torch."""

from pathlib import Path
from typing import Annotated

import typer

from etastar.cli.files import read_record, writable_picture
from etastar.cli.options import AsJson, Plot


def report(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A finding, range test or sweep as JSON.", show_default=False
        ),
    ],
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """Tell and draw a saved finding, range test or sweep; needs no torch."""
    from etastar.cli.training import tell

    picture = None if plot is None else writable_picture(plot)
    tell(read_record(file), as_json=as_json, plot=picture)
