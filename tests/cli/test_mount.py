"""A mounted group behaves like any other, and is imported only when it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from etastar.cli.main import Commands
from etastar.cli.mount import mount
from etastar.errors import ScheduleError

if TYPE_CHECKING:
    from click.testing import Result


class Outer:
    """A command line with a mounted group, which notes when it is loaded."""

    def __init__(self) -> None:
        self.loaded = 0
        self.app = typer.Typer(cls=Commands, rich_markup_mode=None)
        self.app.command("other")(lambda: None)
        mount(self.app, "group", self.load, "A group of commands.")

    def load(self) -> typer.Typer:
        self.loaded += 1
        group = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

        @group.command()
        def show(spec: str, steps: int = 3) -> None:
            """Show it."""
            print(spec, steps)

        @group.command()
        def fail(code: int) -> None:
            """Fail."""
            if code:
                raise typer.Exit(code)
            raise ScheduleError("the warmup is too long; shorten it.")

        return group

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(self.app, list(words), prog_name="outer")


@pytest.fixture
def outer() -> Outer:
    return Outer()


def test_help_of_the_whole_names_the_group_and_does_not_load_it(outer: Outer) -> None:
    assert "A group of commands." in outer.run("--help").stdout
    assert outer.loaded == 0


def test_its_commands_take_their_own_options(outer: Outer) -> None:
    assert outer.run("group", "show", "cosine", "--steps", "7").stdout == "cosine 7\n"
    assert outer.loaded == 1


def test_its_help_is_its_own(outer: Outer) -> None:
    assert "outer group [OPTIONS] COMMAND" in outer.run("group", "--help").stdout
    assert "Usage: outer group show" in outer.run("group", "show", "--help").stdout


def test_its_exit_codes_and_errors_come_through(outer: Outer) -> None:
    assert outer.run("group", "fail", "3").exit_code == 3
    failed = outer.run("group", "fail", "0")
    assert failed.exit_code == 2
    assert failed.stderr == "etastar: the warmup is too long; shorten it.\n"
    assert outer.run("group", "show").exit_code == 2
    assert outer.run("group", "shw").exit_code == 2
