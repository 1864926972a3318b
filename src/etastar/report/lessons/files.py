"""A lesson as files: the record, PNGs, GIFs and one page that holds them all."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from etastar.errors import InputError
from etastar.report.lessons.film import gif, last_frame
from etastar.report.lessons.lettering import lettering
from etastar.report.lessons.view import Movie

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.figure import Figure

    from etastar.records.lessons import Lesson
    from etastar.report.lessons.view import LessonView, Still
    from etastar.report.page.words import Words

PNG_DPI = 130


def lesson_files(
    lesson: Lesson,
    *,
    folder: Path,
    lang: str = "en",
    told: Callable[[str, int, int], None] | None = None,
) -> list[Path]:
    """Write the record, the pictures and the page.

    Args:
        lesson: what happened.
        folder: where to; made if needed.
        lang: `en` or `ko`.
        told: called before each file is made, with its name, its place and how many there are.

    Returns:
        The files.

    Raises:
        InputError: no such language, or a folder that cannot be written.
    """
    from etastar.report.lessons import lesson_view
    from etastar.report.lessons.page import lesson_page
    from etastar.report.page.words import Words

    words = Words(lang)
    view = lesson_view(lesson, words)
    names = [f"{shown.name}.{_suffix(shown)}" for shown in view.pictures()]
    names = ["lesson.json", *names, "page.html"]
    written: list[Path] = []

    def write(content: bytes) -> None:
        path = folder / names[len(written)]
        path.write_bytes(content)
        written.append(path)

    def begin(place: int) -> None:
        if told is not None:
            told(names[place], place, len(names))

    try:
        folder.mkdir(parents=True, exist_ok=True)
        begin(0)
        write((lesson.to_json() + "\n").encode())
        drawn: dict[str, bytes] = {}
        for place, shown in enumerate(view.pictures(), start=1):
            begin(place)
            drawn[shown.name] = picture_bytes(shown, words)
            write(drawn[shown.name])
        begin(len(names) - 1)
        write(lesson_page(lesson, view, words, drawn).encode("utf-8", errors="replace"))
    except OSError as error:
        raise InputError(
            f"the lesson cannot be written to {folder} ({error.strerror}); give another folder."
        ) from error
    return written


def lesson_report(lesson: Lesson, *, path: str | Path, lang: str = "en") -> Path:
    """Write the page alone.

    Args:
        lesson: what happened.
        path: the file; its folder is made if needed.
        lang: `en` or `ko`.

    Returns:
        The path.

    Raises:
        InputError: no page in that language, or a place that cannot be written.
    """
    from etastar.report.lessons import lesson_view
    from etastar.report.lessons.page import lesson_page
    from etastar.report.page.document import saved
    from etastar.report.page.words import Words

    words = Words(lang)
    view = lesson_view(lesson, words)
    drawn = {shown.name: picture_bytes(shown, words) for shown in view.pictures()}
    return saved(lesson_page(lesson, view, words, drawn), path)


def picture_bytes(shown: Still | Movie, words: Words) -> bytes:
    """Draw a picture.

    Returns:
        A GIF if it moves, else a PNG.
    """
    with lettering(words):
        if isinstance(shown, Movie):
            return gif(shown.draw())
        return png(shown.draw())


def poster(shown: Movie, words: Words) -> bytes:
    """How a moving picture ends, for those who want it still.

    Returns:
        A PNG.
    """
    with lettering(words):
        return png(last_frame(shown.draw()), dpi=96)


def png(figure: Figure, dpi: int = PNG_DPI) -> bytes:
    """A figure as PNG, with a palette: drawings have few colours."""
    from PIL import Image

    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=dpi)
    full = Image.open(io.BytesIO(target.getvalue())).convert("RGB")
    small = io.BytesIO()
    full.quantize(256, dither=Image.Dither.NONE).save(small, format="PNG", optimize=True)
    return small.getvalue()


def figure_of(view: LessonView, picture: str | None, words: Words) -> Figure:
    """One picture of a lesson as a figure; of a moving one its last frame.

    Returns:
        The figure.

    Raises:
        InputError: no picture of that name.
    """
    named = {shown.name: shown for shown in view.pictures()}
    shown = next(iter(named.values())) if picture is None else named.get(picture)
    if shown is None:
        raise InputError(
            f"the lesson has no picture {picture!r}; its pictures are {', '.join(named)}."
        )
    with lettering(words):
        return last_frame(shown.draw()) if isinstance(shown, Movie) else shown.draw()


def _suffix(shown: Still | Movie) -> str:
    return "gif" if isinstance(shown, Movie) else "png"
