"""The `etastar` command. Nothing heavier than typer loads before a command runs."""

from __future__ import annotations

import io
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from etastar.cli.exits import IN_WORDS, exit_codes
from etastar.cli.explain import explain
from etastar.cli.find import find
from etastar.cli.mount import mount
from etastar.cli.range_test import range_test
from etastar.cli.report import report
from etastar.cli.sweep import sweep
from etastar.cli.tasks import tasks


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
app.command(short_help="Train many rates and settings side by side.")(sweep)
app.command(short_help="Show what a learning rate does.")(explain)
app.command(short_help="Tell and draw a saved answer again.")(report)
app.command(short_help="List the built-in tasks.")(tasks)


def _schedule() -> typer.Typer:
    from etastar.cli.schedule import app as schedule

    return schedule


def _store() -> typer.Typer:
    from etastar.cli.store import app as store

    return store


mount(app, "schedule", _schedule, "Show, check, compare and convert schedules.")
mount(app, "store", _store, "Check, export and import stored studies.")


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without η still gets its answer
    app()
