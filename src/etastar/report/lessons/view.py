"""What a lesson shows, in words and pictures-to-be, before anything is drawn or laid out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matplotlib.figure import Figure

    from etastar.report.lessons.film import Film
    from etastar.report.page.view import Fact, Table


@dataclass(frozen=True)
class Still:
    """A picture, drawn when asked for."""

    name: str  # of its file, without the suffix
    title: str
    alt: str
    draw: Callable[[], Figure]
    note: str = ""


@dataclass(frozen=True)
class Movie:
    """A moving picture, drawn when asked for."""

    name: str
    title: str
    alt: str
    draw: Callable[[], Film]
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A heading, what is said under it, and what is shown."""

    title: str
    text: tuple[str, ...] = ()  # paragraphs
    pictures: tuple[Still | Movie, ...] = ()
    table: Table | None = None


@dataclass(frozen=True)
class LessonView:
    """A lesson from its first line to its last.

    All text comes from the catalogue of one language. The words inside the pictures come from
    `etastar.report.lessons.lettering.picture_words`: a machine may have no font for them.
    """

    title: str
    sentence: str  # what was seen, in one
    facts: tuple[Fact, ...]
    sections: tuple[Section, ...]
    advice: str  # what to do next
    code: str = ""  # the line that does it
    warnings: tuple[str, ...] = ()
    toy: bool = False  # whether the page ends with the toy

    def pictures(self) -> Iterator[Still | Movie]:
        """All pictures, in the order of the page.

        Yields:
            Each once.
        """
        for section in self.sections:
            yield from section.pictures
