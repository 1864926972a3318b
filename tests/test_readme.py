"""The two READMEs say the same: same code, same pictures, same figures, and links that lead on."""

from __future__ import annotations

import ast
import re
import shlex
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
ENGLISH, KOREAN = "README.md", "README.ko.md"


class Document:
    """What a README holds, its words apart."""

    def __init__(self, name: str) -> None:
        text = (ROOT / name).read_text(encoding="utf-8")
        tokens = MarkdownIt("commonmark").enable("table").parse(text)
        inner = [child for token in tokens for child in token.children or []]
        fences = [(token.info, token.content) for token in tokens if token.type == "fence"]
        self.blocks = [(language, without_comments(language, code)) for language, code in fences]
        self.pictures = [str(t.attrs["src"]) for t in inner if t.type == "image"]
        self.links = [str(t.attrs["href"]) for t in inner if t.type == "link_open"]
        self.shape = [token.tag for token in tokens if re.fullmatch("h[1-6]|t[rhd]", token.tag)]
        prose = " ".join(t.content for t in tokens if t.type in {"inline", "html_block"})
        self.figures = Counter(re.findall(r"\d+(?:\.\d+)*", prose))


def without_comments(language: str, code: str) -> object:
    if language == "python":
        return ast.dump(ast.parse(code))
    return [words for line in code.splitlines() if (words := shlex.split(line, comments=True))]


@pytest.fixture(scope="module")
def english() -> Document:
    return Document(ENGLISH)


@pytest.fixture(scope="module")
def korean() -> Document:
    return Document(KOREAN)


def test_code_is_the_same_apart_from_comments(english: Document, korean: Document) -> None:
    assert len(english.blocks) > 4
    assert {language for language, _ in english.blocks} == {"bash", "python"}
    assert korean.blocks == english.blocks


def test_pictures_headings_tables_and_figures_are_the_same(
    english: Document, korean: Document
) -> None:
    assert english.pictures
    assert korean.pictures == english.pictures
    assert korean.shape == english.shape
    assert korean.figures == english.figures


def test_each_links_to_the_other_and_to_the_same_pages(english: Document, korean: Document) -> None:
    assert english.links.count(KOREAN) == korean.links.count(ENGLISH) == 1
    english_pages = Counter(link for link in english.links if link != KOREAN)
    assert Counter(link for link in korean.links if link != ENGLISH) == english_pages


@pytest.mark.parametrize("name", [ENGLISH, KOREAN])
def test_local_links_and_pictures_exist(name: str) -> None:
    document = Document(name)
    local = {urlsplit(at).path for at in document.links + document.pictures if "://" not in at}
    assert {link for link in local - {""} if not (ROOT / link).is_file()} == set()
