"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

TaskSpec = Annotated[
    str,
    typer.Argument(
        metavar="TASK",
        help="A built-in name (see `etastar tasks`), file.py:name or module:name.",
        show_default=False,
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the record as JSON on stdout, and nothing else there.")
]
Plot = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Draw the picture: .png, .svg or .pdf.", show_default=False),
]
Seed = Annotated[int, typer.Option(help="Covers data order, initial weights, all randomness.")]
Progress = Annotated[
    bool | None,
    typer.Option(
        "--progress/--no-progress",
        help="Show what is running, on stderr.  [default: on a terminal]",
        show_default=False,
    ),
]
