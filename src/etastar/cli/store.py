"""`etastar store check|export|import`: studies kept, looked after, and carried elsewhere."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from etastar.cli.options import AsJson
from etastar.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Generator

    from etastar.store import Store

DAMAGED = 3

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Check, export and import stored studies.",
)

Place = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="A file, or postgresql://user:password@host/database.  [default: .etastar/store.db]",
        show_default=False,
    ),
]


@app.command(epilog="Exit codes: 0 sound; 2 no store there, or it cannot be opened; 3 damaged.")
def check(
    *,
    store: Place = None,
    delete_damaged: Annotated[
        bool,
        typer.Option(
            "--delete-damaged",
            help="Delete trials that cannot be read; the command that trained them does so again.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read every record of a store and hold it against its checksum."""
    from etastar.store import check as check_store

    with _opened(store, create=False, repair=True) as opened:
        found = check_store(opened, delete_damaged=delete_damaged)
    if as_json:
        told = {"store": found.store, "studies": found.studies, "problems": found.problems}
        print(json.dumps({**told, "deleted": found.deleted}))
    else:
        for name, count in found.studies.items():
            print(f"{name}: {_trials(count)}")
        for gone in found.deleted:
            print(f"deleted: {gone.split('; `etastar')[0]}.")
        for problem in found.problems:
            print(f"damaged: {problem}")
        if not found.problems:
            print(f"{found.store} is sound.")
    raise typer.Exit(DAMAGED if found.problems else 0)


@app.command("export", epilog="Exit codes: 0 written; 2 no such study, or it cannot be read.")
def export_(
    study: Annotated[str, typer.Argument(help="The study's name; `check` lists them.")],
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to; - is stdout.")] = "-",
    *,
    store: Place = None,
    as_json: AsJson = False,
) -> None:
    """Write a study as JSON lines, for `etastar store import`; over an older export, if need be."""
    from etastar.store import export_study, is_export

    path = None if file == "-" else Path(file)
    if path is not None and path.exists() and not is_export(path):
        raise StoreError(
            f"{path} is there, and is no exported study: give another name, or delete it."
        )
    with _opened(store, create=False) as opened:
        lines = list(export_study(opened.open(study)))
    text = "".join(f"{line}\n" for line in lines)
    if path is None:
        sys.stdout.write(text)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror}); give another file."
        ) from error
    _tell(study, len(lines) - 2, str(path), as_json=as_json, done="written to")


@app.command("import", epilog="Exit codes: 0 all is there; 2 the file or the store is refused.")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What export wrote; - is stdin.")],
    *,
    name: Annotated[
        str | None,
        typer.Option(help="Call the study so.  [default: as it was]", show_default=False),
    ] = None,
    store: Place = None,
    as_json: AsJson = False,
) -> None:
    """Read an exported study into a store, each trial once."""
    from etastar.store import import_study

    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise StoreError(
            f"{file} cannot be read ({why}); give a file that `etastar store export` wrote."
        ) from error
    with _opened(store, create=True) as opened:
        study = import_study(opened, text.split("\n"), where=file, name=name)
        _tell(study.name, study.count, opened.where, as_json=as_json, done="in")


@contextmanager
def _opened(place: str | None, *, create: bool, repair: bool = False) -> Generator[Store]:
    from etastar.store import open_store

    with open_store(place, create=create, repair=repair) as store:
        yield store


def _tell(study: str, count: int, place: str, *, as_json: bool, done: str) -> None:
    if as_json:
        print(json.dumps({"study": study, "trials": count, "place": place}))
    else:
        print(f"{study}: {_trials(count)} {done} {place}")


def _trials(count: int) -> str:
    return f"{count} trial{'' if count == 1 else 's'}"
