"""`etastar explain`: what a learning rate does, shown."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from etastar.cli.files import writable_folder
from etastar.cli.options import AsJson, Progress, Seed
from etastar.errors import InputError

if TYPE_CHECKING:
    from etastar.records.lessons import Lesson
    from etastar.report.page.words import Words


def explain(
    lesson: Annotated[
        str | None,
        typer.Argument(metavar="[LESSON]", help="Which; without one, they are listed."),
    ] = None,
    *,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="TASK",
            help="On which task: a built-in name, file.py:name or module:name.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write pictures, moving ones too, and a page.", show_default=False
        ),
    ] = None,
    lang: Annotated[str, typer.Option(help="Of words, pictures and page: en or ko.")] = "en",
    seed: Seed = 0,
    as_json: AsJson = False,
    progress: Progress = None,
) -> None:
    """Show what a learning rate does, in words, pictures and moving pictures."""
    from etastar.cli.show import show_lesson
    from etastar.report.page.words import Words

    words = Words(lang)  # an unknown language is refused before any work
    if lesson is None:
        if task is not None or out is not None:
            raise InputError("--task and --out are for one lesson: name it.")
        _listed(words, as_json=as_json)
        return
    folder = None if out is None else writable_folder(out)
    told = _run(lesson, task, seed, progress, as_json=as_json)
    show_lesson(told, lang, as_json=as_json)
    if folder is not None:
        written = _save(told, folder, lang, progress)
        names = ", ".join(path.name for path in written)
        print(f"\nWritten to {folder}: {names}", file=sys.stderr if as_json else sys.stdout)


def _run(
    name: str, task: str | None, seed: int, progress: bool | None, *, as_json: bool
) -> "Lesson":
    import etastar
    from etastar.cli.training import running

    run = etastar.explain  # without torch, it ends here
    with running(progress, as_json=as_json) as observer:
        return run(name, task=task, seed=seed, observer=observer)


def _save(lesson: "Lesson", folder: Path, lang: str, progress: bool | None) -> list[Path]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    shown = console.is_terminal if progress is None else progress
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not shown) as bar:
        drawing = bar.add_task("lesson.json", total=None)

        def told(name: str, place: int, count: int) -> None:
            bar.update(drawing, description=name, completed=place, total=count)

        return lesson.save(folder, lang=lang, told=told)


def _listed(words: "Words", *, as_json: bool) -> None:
    from etastar.lessons import LESSONS
    from etastar.report.lessons.text import listed, summary

    if as_json:
        told = [{"name": name, "summary": summary(name, words)} for name in LESSONS]
        print(json.dumps(told))
        return
    print("\n".join(listed(LESSONS, words)))
