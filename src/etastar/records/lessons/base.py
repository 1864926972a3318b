"""What every lesson shares: a record of what happened that draws, tells and saves itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from etastar.records.base import Record
from etastar.records.views import viewed

if TYPE_CHECKING:
    from collections.abc import Callable


class Lesson(Record):
    """What happened in a lesson; the pictures are made from it, now or later.

    A concrete lesson names itself (`name`) and its kind (`lesson_...`), and adds its fields.
    """

    name: ClassVar[str]
    """What `etastar explain` calls it."""

    task: str | None = None  # on which task; None where the lesson brings its own problem
    seed: int = 0
    seconds: float = Field(ge=0)
    environment: dict[str, str]

    def plot(self, picture: str | None = None, *, lang: str = "en") -> Any:
        """Draw one of the lesson's pictures.

        Args:
            picture: its name, without a suffix; the first one by default.
            lang: `en` or `ko`.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            InputError: the lesson has no such picture; those it has are named.
        """
        return viewed("lesson_figure", self, picture=picture, lang=lang)

    def save(
        self,
        folder: str | Path,
        *,
        lang: str = "en",
        told: Callable[[str, int, int], None] | None = None,
    ) -> list[Path]:
        """Write the record, its pictures, its moving pictures and its page.

        Args:
            folder: where to; made if needed.
            lang: `en` or `ko`.
            told: called before each file is made, with its name, its place and how many there
                are.

        Returns:
            The files: lesson.json, PNGs, GIFs and page.html.

        Raises:
            InputError: no such language, or a folder that cannot be written.
        """
        return viewed("lesson_files", self, folder=Path(folder), lang=lang, told=told)

    def report(self, path: str | Path, *, lang: str = "en") -> Path:
        """Write the page alone: one HTML file that holds all pictures.

        Args:
            path: the file; its folder is made if needed.
            lang: `en` or `ko`.

        Returns:
            The path.

        Raises:
            InputError: no page in that language, or a place that cannot be written.
        """
        return viewed("lesson_report", self, path=path, lang=lang)

    def _repr_html_(self) -> str:
        return viewed("lesson_html", self)

    def __str__(self) -> str:
        return viewed("lesson_text", self)
