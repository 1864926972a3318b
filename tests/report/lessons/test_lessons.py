"""What holds for every lesson: it saves, reads, tells and draws itself, without torch."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from tests.report.lessons.lessons import MADE, lesson

from etastar.errors import InputError, RecordError
from etastar.records.lessons import Lesson, read_lesson
from etastar.report.lessons import lesson_view
from etastar.report.lessons.film import gif
from etastar.report.lessons.view import LessonView, Movie
from etastar.report.page.words import LANGUAGES, Words

MOST_BYTES = 1_000_000
EVERY = sorted(MADE)


def view(made: Lesson, lang: str = "en") -> LessonView:
    return lesson_view(made, Words(lang))


@pytest.mark.parametrize("name", EVERY)
def test_a_lesson_is_saved_whole_and_reads_back(name: str, tmp_path: Path) -> None:
    made = lesson(name)
    told: list[tuple[str, int, int]] = []
    files = made.save(tmp_path, told=lambda *heard: told.append(heard))
    pictures = list(view(made).pictures())
    assert pictures
    assert [file.name for file in files[1:-1]] == [
        f"{shown.name}.{'gif' if isinstance(shown, Movie) else 'png'}" for shown in pictures
    ]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert [heard[0] for heard in told] == [file.name for file in files]
    assert read_lesson(files[0]) == made
    for file in files[1:-1]:
        assert file.stat().st_size < MOST_BYTES, file.name
        with Image.open(file) as picture:
            picture.load()
            assert picture.width >= 600
    page = files[-1].read_text(encoding="utf-8")
    assert page.count("data:image/") >= len(pictures)


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_films_move_and_are_small_files(name: str) -> None:
    for shown in view(lesson(name)).pictures():
        if not isinstance(shown, Movie):
            continue
        film = shown.draw()
        content = gif(film)
        assert len(content) < MOST_BYTES
        with Image.open(io.BytesIO(content)) as made:
            frames = []
            for place in range(made.n_frames):
                made.seek(place)
                frames.append(made.convert("RGB").tobytes())
            assert made.n_frames > 0.8 * film.frames  # equal neighbours are joined
        assert len(set(frames)) > 0.8 * len(frames)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", EVERY)
def test_every_picture_says_what_it_shows(name: str, lang: str) -> None:
    shown = view(lesson(name), lang)
    names = [picture.name for picture in shown.pictures()]
    assert len(set(names)) == len(names)
    for picture in shown.pictures():
        assert len(picture.alt) > 30
        assert picture.title
    assert shown.sentence
    assert shown.advice


@pytest.mark.parametrize("name", EVERY)
def test_notebooks_and_terminals_are_told(name: str) -> None:
    made = lesson(name)
    text, html = str(made), made._repr_html_()
    assert view(made).title.translate({0x2068: None, 0x2069: None}) in text
    assert all(len(line) <= 100 for line in text.splitlines())
    assert html.count("<img") == len(list(view(made).pictures()))
    assert "<script" not in html
    assert made.plot()._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="its pictures are"):
        made.plot("no such")


DRAWN = """
import sys
from pathlib import Path
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from etastar.records.lessons import read_lesson
lesson = read_lesson(Path(sys.argv[1]))
assert str(lesson)
print(*lesson.save(Path(sys.argv[2]), lang="ko"), sep="\\n")
assert "torch" not in sys.modules
"""


@pytest.mark.parametrize("name", EVERY)
def test_a_saved_lesson_is_drawn_without_torch(name: str, tmp_path: Path) -> None:
    saved = tmp_path / "lesson.json"
    lesson(name).to_json(saved)
    command = [sys.executable, "-W", "error", "-c", DRAWN, str(saved), str(tmp_path / "ko")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    assert all(Path(line).stat().st_size > 0 for line in done.stdout.splitlines())
    assert (tmp_path / "ko" / "page.html").exists()


def test_what_is_no_lesson_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lesson.json"
    for content, said in (("{}", "no record"), ("[1]", "no record"), ("{", "cannot be read")):
        path.write_text(content)
        with pytest.raises(RecordError, match=said):
            read_lesson(path)
    path.write_text('{"etastar": "finding"}')
    with pytest.raises(RecordError, match="a 'finding'"):
        read_lesson(path)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="give another folder"):
        lesson("regimes").save(tmp_path / "file" / "out")
