"""The engine that a command trains with, and what Ray gives each of its trials."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etastar.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Generator

    from etastar.engine import Engine

Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="With ray: the cluster, or auto for the one this machine belongs to.  [default: "
        "RAY_ADDRESS, else one on this machine alone]",
        show_default=False,
    ),
]
Cpus = Annotated[
    float | None,
    typer.Option(
        help="With ray: processors reserved for each trial.  [default: 1]", show_default=False
    ),
]
Gpus = Annotated[
    float | None,
    typer.Option(
        help="With ray: GPUs reserved for each trial; four share one at 0.25.  [default: 0]",
        show_default=False,
    ),
]


@contextmanager
def engine_for(
    task: str, name: str, address: str | None, cpus: float | None, gpus: float | None
) -> Generator[Engine]:
    """The engine of a name, closed at the end.

    Args:
        task: as named on the command line; Ray's workers may load it by that.
        name: of the engine.
        address: of Ray's cluster; None where nothing was said, as for the others.
        cpus: that Ray reserves for each trial.
        gpus: that Ray reserves for each trial.

    Yields:
        The engine.

    Raises:
        InputError: there is no such engine, or it reserves nothing.
    """
    from etastar.engine.choose import engine_named

    asked = {"address": address, "cpus": cpus, "gpus": gpus}
    given: dict[str, Any] = {key: value for key, value in asked.items() if value is not None}
    if given and name != "ray":
        words = ", ".join(f"--{key} {value}" for key, value in given.items())
        raise InputError(
            f"{words} with the engine {name}, which reserves nothing: add --engine ray, or leave "
            f"it out."
        )
    made: Any = engine_named(name, **({"task": task, **given} if name == "ray" else {}))
    with made if hasattr(made, "__exit__") else nullcontext():
        yield made
