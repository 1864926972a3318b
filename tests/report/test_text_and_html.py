"""The words: complete, aligned, and escaped in HTML."""

from __future__ import annotations

import base64
import math
import re
from html.parser import HTMLParser

import pytest
from tests.report import made

from etastar.report import finding_html, finding_text, range_test_html, range_test_text
from etastar.report.answer import schedule_code
from etastar.schedules import Cosine, Schedule

HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)>\"'"


def test_a_finding_says_verdict_rate_interval_cost_and_how_to_use_it() -> None:
    text = finding_text(made.finding(warnings=("the final losses are noisy",)))
    assert text.splitlines()[0] == "digits-mlp: learning rate 0.018 (confident)"
    assert "0.0125 to 0.031 holds the best rate with probability 80 %" in text
    assert "93 % that it ends within 5 %" in text
    assert "1.31 full runs of the 1.5 allowed, 12 s" in text
    assert "20 trials, 2 diverged" in text
    assert "warning: the final losses are noisy" in text
    assert "etastar.attach(optimizer, lr=finding.schedule)" in text
    assert str(made.finding()) == finding_text(made.finding())


def test_no_answer_offers_no_rate_and_says_what_to_do() -> None:
    text = finding_text(made.no_answer())
    assert text.splitlines()[0] == "digits-mlp: no answer"
    assert "attach" not in text
    assert "check that the loss can fall" in text.replace("\n", " ")


def test_the_table_has_a_row_per_rate_and_a_column_per_horizon() -> None:
    text = finding_text(made.finding())
    (head,) = re.findall(r"^ +lr .*$", text, re.MULTILINE)
    assert re.split(r"\s{2,}", head.strip()) == ["lr", "75 steps", "150 steps", "300 steps"]
    (row,) = re.findall(r"^ +0\.003 .*$", text, re.MULTILINE)
    assert row.split() == ["0.003", "0.4475", "0.3125"]
    assert re.search(r"^ +1 +diverged$", text, re.MULTILINE)


def test_seeds_share_a_cell_and_lost_ones_are_counted() -> None:
    trials = (
        made.trial(0.1, 75, final_loss=1.0),
        made.trial(0.1, 75, seed=1, final_loss=2.0),
        made.trial(0.1, 75, "diverged", seed=2),
    )
    assert "1.5 ± 0.71, 1 of 3 diverged" in finding_text(made.finding(trials=trials))


def test_lines_fit_a_terminal_but_for_code() -> None:
    long = made.finding(reason="because " * 60, warnings=("mind " * 60,))
    for line in finding_text(long).splitlines():
        assert len(line) <= 88 or "etastar." in line


@pytest.mark.parametrize(
    "schedule",
    [Cosine(steps=600, peak=0.0123456789), Cosine(steps=9, peak=1.0, warmup_steps=3, floor=0.1)],
    ids=str,
)
def test_schedule_code_makes_the_schedule_again(schedule: Schedule) -> None:
    import etastar

    assert eval(schedule_code(schedule), {"etastar": etastar}) == schedule


def test_schedule_code_of_a_composite_goes_through_json() -> None:
    import etastar

    extended = Cosine(steps=600, peak=0.01).extend(900, at=300)
    assert "from_json" in schedule_code(extended)
    assert eval(schedule_code(extended), {"etastar": etastar}) == extended


def test_a_range_test_says_every_suggestion_and_that_it_is_no_answer() -> None:
    text = range_test_text(made.range_test())
    assert re.search(r"^ +steepest +0\.009 +falls 1\.2 per decade$", text, re.MULTILINE)
    assert re.search(r"^ +slide +none", text, re.MULTILINE)
    assert "0.004 to 0.3" in text
    assert "lost its footing at a rate of 1.1" in text
    assert "not final quality" in text


class Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_well_formed_and_holds_picture_words_and_table() -> None:
    html = finding_html(made.finding(warnings=("mind the noise",)))
    page = Reader(html)
    assert page.open == []
    assert {"img", "table", "code"} <= set(page.tags)
    assert made.finding()._repr_html_().startswith('<div class="etastar"')
    (source,) = [value for name, value in page.attributes if name == "src"]
    assert source is not None
    assert base64.b64decode(source.removeprefix("data:image/png;base64,"))[:4] == b"\x89PNG"
    (alt,) = [value for name, value in page.attributes if name == "alt"]
    assert alt is not None
    assert "learning rate 0.018" in alt
    assert "mind the noise" in html


@pytest.mark.parametrize(
    "html",
    [
        finding_html(
            made.finding(
                task=made.summary(name=HOSTILE, optimizer=HOSTILE),
                reason=HOSTILE,
                warnings=(HOSTILE,),
            )
        ),
        range_test_html(
            made.range_test(
                task=HOSTILE,
                warnings=(HOSTILE,),
                suggestions={HOSTILE: {"lr": 0.1, "reason": HOSTILE}},
            )
        ),
    ],
    ids=["finding", "range test"],
)
def test_hostile_names_come_out_as_text(html: str) -> None:
    page = Reader(html)
    assert "script" not in page.tags
    assert page.tags.count("img") == 1
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert "&lt;/script&gt;" in html


def test_nothing_is_fetched() -> None:
    for html in (finding_html(made.finding()), range_test_html(made.range_test())):
        assert not re.search(r"https?://|<link|<script", html)


def test_losses_that_are_no_numbers_never_look_like_numbers() -> None:
    stopped = made.trial(0.2, 75, "stopped", final_loss=math.nan)
    text = finding_text(made.no_answer(trials=(stopped,)))
    assert "nan" not in text
    assert "stopped" in text
