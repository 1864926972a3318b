"""`etastar report`: a saved answer, told and drawn again, without torch."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from etastar.cli.files import read_record, writable_page, writable_picture
from etastar.cli.options import AsJson, Plot
from etastar.errors import InputError

if TYPE_CHECKING:
    from etastar.records import TaskSummary, Trial
    from etastar.records.lessons import Lesson


def report(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY",
            help="A finding, range test, sweep or lesson as JSON; or the name of a stored study.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page: one .html file.", show_default=False),
    ] = None,
    lang: Annotated[str, typer.Option(help="Of the page: en or ko.")] = "en",
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where the study is: a file or postgresql://...  [default: .etastar/store.db]",
            show_default=False,
        ),
    ] = None,
    plot: Plot = None,
    as_json: AsJson = False,
) -> None:
    """Tell and draw a saved answer, or the trials of a study; needs no torch."""
    from etastar.cli.training import tell
    from etastar.records import RangeTest
    from etastar.records.lessons import Lesson
    from etastar.report.page.words import catalogue

    catalogue(lang)  # refused before any work
    store = store or _usual_store(study)
    page = None if out is None else writable_page(out)
    if store is not None:
        if plot is not None or as_json:
            raise InputError(
                "--plot and --json are for a saved record, and --store names a study: give --out "
                "for its page."
            )
        _study(study, store, page, lang)
        return
    picture = None if plot is None else writable_picture(plot)
    record = read_record(Path(study))
    if isinstance(record, Lesson):
        _lesson(record, page, picture, lang, as_json=as_json)
        return
    if page is not None:
        if isinstance(record, RangeTest):
            raise InputError(
                f"{study} is a range test, which has no page: give --plot for its picture, or a "
                f"finding or a sweep."
            )
        record.report(page, lang="ko" if lang == "ko" else "en")
    tell(record, as_json=as_json, plot=picture, written=() if page is None else (page,))


def _usual_store(study: str) -> str | None:
    """Where a study lies whose name alone was given: no file is called so, nor could be meant."""
    from etastar.store import DEFAULT

    path = Path(study)
    named = not path.exists() and not path.suffix and path.name == study
    return str(DEFAULT) if named and Path(DEFAULT).exists() else None


def _lesson(
    lesson: "Lesson", page: Path | None, picture: Path | None, lang: str, *, as_json: bool
) -> None:
    from etastar.cli.show import show_lesson

    show_lesson(lesson, lang, as_json=as_json)
    written: list[Path] = []
    if page is not None:
        written.append(lesson.report(page, lang=lang))
    if picture is not None:
        lesson.plot(lang=lang).savefig(picture, dpi=150)
        written.append(picture)
    for path in written:
        print(f"\nWritten: {path}", file=sys.stderr if as_json else sys.stdout)


def _study(name: str, store: str, page: Path | None, lang: str) -> None:
    from etastar.cli.show import show
    from etastar.report.study_answer import study_answer

    task, trials = _read(name, store)
    show(study_answer(name, task, trials))
    if page is not None:
        from etastar.report.page import study_report

        study_report(name, task, trials, path=page, lang=lang)
        print(f"\nWritten: {page}")


def _read(name: str, store: str) -> "tuple[TaskSummary, list[Trial]]":
    from etastar.store import open_store

    with open_store(store, create=False) as opened:
        study = opened.open(name)
        return study.summary, study.trials()
