"""The `etastar` command. Nothing heavier than typer loads before a command runs."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from etastar.cli.exits import IN_WORDS, exit_codes
from etastar.cli.find import find
from etastar.cli.range_test import range_test
from etastar.cli.report import report
from etastar.cli.tasks import tasks

if TYPE_CHECKING:
    from collections.abc import Callable


class Commands(TyperGroup):
    """The commands; what etastar raises in any of them becomes an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with exit_codes():
            return super().invoke(ctx)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help opens twice as fast
    pretty_exceptions_enable=False,  # a bug of ours shows as Python shows it
    epilog=IN_WORDS,
)


def _version(wanted: bool) -> None:
    if wanted:
        import etastar

        print(f"etastar {etastar.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """η★: the learning rate your run wants, how sure it is, and what the answer cost.

    Try it on real data: etastar find digits-mlp
    """
    del version


app.command(short_help="Find the learning rate a task wants.")(find)
app.command("range-test", short_help="See where a task's training is stable.")(range_test)
app.command(short_help="Tell and draw a saved answer again.")(report)
app.command(short_help="List the built-in tasks.")(tasks)


def mount(name: str, load: Callable[[], typer.Typer], summary: str) -> None:
    """Add a group of commands that is imported when one of them runs.

    Args:
        name: what it is called.
        load: imports and returns it.
        summary: its line in `etastar --help`.
    """

    @app.command(
        name,
        help=summary,
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def run(ctx: typer.Context) -> None:
        command = typer.main.get_command(load())
        with command.make_context(name, ctx.args, parent=ctx.parent) as inner:
            command.invoke(inner)


def _schedule() -> typer.Typer:
    from etastar.cli.schedule import app as schedule

    return schedule


mount("schedule", _schedule, "Show, check, compare and convert schedules.")


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without η still gets its answer
    app()
