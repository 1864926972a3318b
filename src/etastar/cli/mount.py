"""Groups of commands that are imported when one of them runs, not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Callable


def mount(app: typer.Typer, name: str, load: Callable[[], typer.Typer], summary: str) -> None:
    """Add a group of commands to `app` without importing it.

    Args:
        app: what it is added to.
        name: what it is called.
        load: imports the group and returns it.
        summary: its line in the help of `app`.
    """
    # every word, `--help` too, goes to the group once it is there
    words = {"allow_extra_args": True, "ignore_unknown_options": True}

    @app.command(name, help=summary, add_help_option=False, context_settings=words)
    def run(ctx: typer.Context) -> None:  # pyright: ignore[reportUnusedFunction] - registered
        group = typer.main.get_command(load())
        with group.make_context(name, ctx.args, parent=ctx.parent) as inner:
            group.invoke(inner)
