"""Pages: whole, escaped, in two languages, of bounded size, and right about what they show."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import string
import subprocess
import sys
import time
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.records.strategies import findings
from tests.report import made, pages

from etastar.errors import InputError
from etastar.records import AxisFinding, AxisValue, Finding, LossCurve, Sweep
from etastar.report.page.code import find_again, sweep_again
from etastar.report.page.finding import finding_page
from etastar.report.page.names import isolated, plain
from etastar.report.page.study import study_page
from etastar.report.page.sweep import sweep_page
from etastar.report.page.trials import MOST_CURVES, MOST_POINTS, chosen, thinned
from etastar.report.page.what_if import what_if
from etastar.report.page.words import LANGUAGES, catalogue

PACKAGE = files("etastar.report")


def texts_of(folder: str, suffix: str) -> dict[str, str]:
    places = PACKAGE.joinpath("page", folder).iterdir()
    return {p.name: p.read_text(encoding="utf-8") for p in places if p.name.endswith(suffix)}


class Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._in: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in.append(tag)
        if tag in {"script", "style"}:
            self.texts.setdefault(tag, []).append("")

    def handle_data(self, data: str) -> None:
        if self._in and self._in[-1] in {"script", "style"}:
            self.texts[self._in[-1]][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._in.append("")

    def data(self) -> dict[str, Any]:
        kinds = [attributes.get("type") for tag, attributes in self.tags if tag == "script"]
        return json.loads(self.texts["script"][kinds.index("application/json")])


@pytest.mark.parametrize("lang", LANGUAGES)
def test_both_languages_say_everything_with_the_same_blanks(lang: str) -> None:
    english, other = catalogue("en"), catalogue(lang)
    assert english.keys() == other.keys()
    for key, text in other.items():
        blanks = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
        expected = {n for _, n, _, _ in string.Formatter().parse(english[key]) if n is not None}
        assert text.strip(), key
        assert blanks == expected, key
    assert lang == "en" or sum(bool(re.search("[가-힣]", text)) for text in other.values()) > 100


COMPOSED = ("count.", "verdict.", "advice.", "finding.sentence.", "what_if.", "regime.", "status.")
"""Families whose texts are chosen by a record's word."""


def test_every_text_is_used() -> None:
    folders = (("templates", ".html"), ("assets", ".js"), ("", ".py"), ("../lessons", ".py"))
    sources = "".join(text for place in folders for text in texts_of(*place).values())
    for key in catalogue("en"):
        name = key.removeprefix("js.")
        named = re.search(f"[\"'`]{re.escape(key)}[\"'`]|[\"'`]{re.escape(name)}[\"'`]", sources)
        composed = f"{name.rpartition('.')[0]}.{{" in sources
        assert named or composed or name.startswith((*COMPOSED, "objective.", "toy.outcome.")), key


def test_templates_and_scripts_hold_no_prose() -> None:
    for name, text in texts_of("templates", ".html").items():
        bare = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL)
        for attribute in re.findall(r'(?:aria-label|title|alt|placeholder)="([^"]*)"', bare):
            assert not re.search(r"[^\W\d_]", attribute), (name, attribute)
        words = re.findall(r"[^\W\d_]+", re.sub(r"<[^>]*>", " ", bare))
        assert set(words) <= {"η", "etastar"}, (name, words)
    for name, text in texts_of("assets", ".js").items():
        code = re.sub(r"^\s*//.*$|\s// .*$|class: \"[^\"]*\"", "", text, flags=re.MULTILINE)
        prose = [
            s for s in re.findall(r'"([^"\n]*)"', code) if re.search(r"[a-z]{2,} [a-z]{2,}", s)
        ]
        assert {text for text in prose if "sans-serif" not in text} <= {"use strict"}, (name, prose)


@pytest.mark.parametrize("page", [finding_page(pages.finding()), sweep_page(pages.sweep())])
def test_the_policy_allows_exactly_what_the_page_holds(page: str) -> None:
    reader = Reader(page)
    (policy,) = [a["content"] for tag, a in reader.tags if a.get("http-equiv")]
    assert policy is not None
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    assert rules["default-src"] == ["'none'"]
    for kind, rule in (("script", "script-src"), ("style", "style-src")):
        kinds = [a.get("type") for tag, a in reader.tags if tag == kind]
        inline = [t for t, k in zip(reader.texts[kind], kinds, strict=True) if k is None]
        digests = [base64.b64encode(hashlib.sha256(t.encode()).digest()).decode() for t in inline]
        assert sorted(rules[rule]) == sorted(f"'sha256-{digest}'" for digest in digests)
    assert not [a for _, a in reader.tags if "style" in a or any(n.startswith("on") for n in a)]
    outward = [a for _, a in reader.tags if (a.get("src") or a.get("href") or "#")[0] not in "#d"]
    assert outward == []


def test_our_own_scripts_cannot_end_their_element() -> None:
    vendored = PACKAGE.joinpath("vendor", "uplot", "uPlot.iife.min.js").read_text(encoding="utf-8")
    for text in (
        *texts_of("assets", ".js").values(),
        *texts_of("assets", ".css").values(),
        vendored,
    ):
        assert not re.search("</(script|style)", text, re.IGNORECASE)
        assert "<!--" not in text


plain_tags = [tag for tag, _ in Reader(finding_page(pages.hostile_finding("name"))).tags]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    text=st.one_of(
        st.sampled_from(pages.HOSTILE),
        st.text(max_size=30),
        st.lists(
            st.sampled_from([*"<>&\"'/{}%\\`=", "script", "img ", "onerror=", "--", "\u2028"]),
            max_size=12,
        ).map("".join),
    )
)
def test_no_name_becomes_markup_or_breaks_the_data(text: str) -> None:
    reader = Reader(finding_page(pages.hostile_finding(text)))
    assert [tag for tag, _ in reader.tags] == plain_tags
    (setting,) = reader.data()["trials"]["settings"]
    assert setting["name"] == plain(text)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(finding=findings())
def test_any_finding_has_a_page(finding: Finding) -> None:
    assert Reader(finding_page(finding)).data()["trials"]["lr"] is not None


def test_names_cannot_turn_a_sentence_around() -> None:
    assert plain("\u202ea\u2066b") == "\ufffda\ufffdb"
    assert plain("two\nlines") == "two lines"
    assert plain("학습률 αβ שלום") == "학습률 αβ שלום"
    assert isolated("x\u2069y") == "\u2068x\ufffdy\u2069"


def test_the_first_screen_says_the_verdict_in_each_language() -> None:
    english = finding_page(pages.finding())
    assert "93\u00a0%" in english
    assert "0.0125 to 0.031" in english
    korean = finding_page(pages.finding(), "ko")
    assert '<html lang="ko"' in korean
    assert "확신" in korean
    assert "0.0125 ~ 0.031" in korean
    assert "no answer" in finding_page(made.no_answer()).lower()


def test_no_answer_shows_no_rate_and_no_code() -> None:
    page = finding_page(made.no_answer(range_test=made.range_test()))
    assert "attach" not in page.partition("<main")[2].partition("application/json")[0]
    assert 'data-plot="range"' in page


@pytest.mark.parametrize(("factor", "excess"), [(3.0, 4.0), (1 / 3, 1.0)])
def test_what_if_reads_the_prediction(factor: float, excess: float) -> None:
    lrs = np.geomspace(0.001, 1, 91)
    octaves = np.log(lrs / 0.03) / np.log(3)
    losses = 0.1 * (1 + np.where(octaves > 0, 4.0, 1.0) * octaves**2)
    prediction = made.prediction().model_copy(
        update={"lrs": lrs, "losses": losses, "low": losses / 2, "high": losses * 2}
    )
    found = what_if(made.finding(lr=0.03, interval=(0.02, 0.04), prediction=prediction), factor)
    assert found is not None
    assert found.excess is not None
    assert found.excess.relative
    assert found.excess.middle == pytest.approx(excess, rel=0.03)
    assert found.excess.low == pytest.approx((1 + excess) / 2 - 1, rel=0.05, abs=0.01)


def test_what_if_is_silent_outside_what_was_predicted() -> None:
    far = what_if(made.finding(), 1e6)
    assert far is not None
    assert far.excess is None
    assert far.regime == "diverging"
    assert what_if(made.no_answer(), 3.0) is None


@given(st.lists(st.floats(), min_size=MOST_POINTS + 1, max_size=600))
@settings(max_examples=30, deadline=None)
def test_thinning_keeps_ends_and_extremes(values: list[float]) -> None:
    losses = np.array(values)
    curve = LossCurve(lrs=np.ones(len(losses)), losses=losses)
    steps, kept = thinned(curve, MOST_POINTS)
    assert len(steps) <= MOST_POINTS + 4
    assert (steps[0], steps[-1]) == (0, len(losses) - 1)
    assert np.all(np.diff(steps) > 0)
    finite = losses[np.isfinite(losses)]
    if finite.size:
        assert {finite.min(), finite.max()} <= set(kept)
    if curve.finite_steps < len(losses):
        assert curve.finite_steps in steps


def test_many_curves_are_chosen_evenly_with_the_best_of_the_longest() -> None:
    trials = [made.trial(lr, 75) for lr in np.geomspace(1e-4, 1, 300)]
    trials.insert(77, made.trial(0.013, 600, final_loss=0.001))
    kept = chosen(trials, MOST_CURVES)
    assert len(kept) <= MOST_CURVES
    assert 77 in kept
    assert [trials[i].lr for i in kept] == sorted(trials[i].lr for i in kept)


def test_ten_thousand_trials_are_quick_small_and_say_what_is_left_out() -> None:
    trials = pages.many_trials(10_000, steps=300)
    study_page("warm", made.summary(), trials[:5])
    began = time.process_time()
    page = study_page("large", made.summary(), trials)
    assert time.process_time() - began < 2.0
    assert len(page.encode()) < 2_000_000
    assert "60 of 10,000 curves" in page
    assert f"at most about {MOST_POINTS} points" in page
    assert len(Reader(page).data()["trials"]["lr"]) == 10_000


def test_an_ordinary_page_is_small() -> None:
    for page in (finding_page(pages.finding()), sweep_page(pages.sweep())):
        assert len(page.encode()) < 500_000


def test_commands_reach_the_same_again() -> None:
    from etastar.sweeps.space import axes_of

    again = "etastar find digits-mlp --steps 600 --budget 1.5 --seed 0"
    assert find_again(made.finding()) == again
    own = made.finding(task=made.summary(name="x; rm -rf /"))
    assert find_again(own) == "etastar.find(task, budget=1.5, seed=0)"
    swept = pages.sweep("mine")
    called: dict[str, Any] = {}

    def sweep(task: object, space: Any, strategy: str, **rest: Any) -> None:
        called.update(rest, space=axes_of(space, {"lr": 0.1}), strategy=strategy)

    etastar = type("etastar", (), {"sweep": staticmethod(sweep)})
    eval(sweep_again(swept), {"etastar": etastar, "mine": None})
    assert called == {
        "space": swept.space,
        "strategy": "grid",
        "seeds": (0, 1),
        "steps": 600,
        "seed": 0,
    }
    command = sweep_again(pages.sweep())
    assert command.startswith("etastar sweep digits-mlp --strategy grid --lr=0.01:1.0:log:3 --set ")


def test_a_page_is_written_where_asked_and_refused_where_it_cannot_be(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "report.html"
    assert made.finding().report(target) == target
    assert target.read_text(encoding="utf-8") == finding_page(made.finding())
    assert pages.sweep().report(str(target), lang="ko") == target
    assert 'lang="ko"' in target.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="cannot be written"):
        made.finding().report(tmp_path)
    with pytest.raises(InputError, match="pages are written in en or ko"):
        made.finding().report(target, lang="xx")  # type: ignore[arg-type]


def test_what_was_found_beside_the_rate_is_a_table_with_the_value_to_take() -> None:
    def value(at: float, lr: float | None, excess: float | None, better: float) -> AxisValue:
        known = lr is not None
        return AxisValue(
            value=at,
            lr=lr,
            interval=(lr / 2, lr * 2) if lr is not None else None,
            excess=excess,
            error=0.012 if known else None,
            better=better,
            expected_lr=lr,
            cost=0.25,
            trials=(),
        )

    found = AxisFinding(
        name="momentum",
        setting="momentum",
        own=0.9,
        value=0.95,
        values=(
            value(0.9, 0.04, 0.0, 0.5),
            value(0.95, 0.02, -0.034, 0.87),
            value(1, None, None, 0),
        ),
        rule="as 1 − momentum",
        reason="it is better",
        cost=0.5,
    )
    page = finding_page(made.finding(also=(found,), confidence_tight=0.61))
    text = re.sub(r"<[^>]+>", "|", page).replace("\N{NO-BREAK SPACE}", " ")
    assert "Beside the rate: momentum" in text
    assert "Take 0.95. The task&#39;s own value is 0.9." in text
    for cell in ("0.95 ★", "0.01 to 0.04", "−3.4 % ± 1.2 %", "87 %", "–", "within 1 %: 61 %"):
        assert cell in text, cell
    assert "momentum" in finding_page(made.finding(also=(found,)), "ko")
    assert "within 1 %" not in finding_page(made.finding(confidence_tight=0.0))


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # importing it raises
from pathlib import Path
from etastar.records import Finding, Sweep
folder = Path(sys.argv[1])
Finding.from_json(folder / "finding.json").report(folder / "finding.html")
Sweep.from_json(folder / "sweep.json").report(folder / "sweep.html", lang="ko")
assert "matplotlib" not in sys.modules
"""


def test_pages_are_drawn_from_saved_json_where_torch_is_absent(tmp_path: Path) -> None:
    pages.finding().to_json(tmp_path / "finding.json")
    pages.sweep().to_json(tmp_path / "sweep.json")
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH, str(tmp_path)], check=True)
    written = (tmp_path / "finding.html").read_text(encoding="utf-8")
    assert written == finding_page(pages.finding())
    assert Sweep.from_json(tmp_path / "sweep.json") == pages.sweep()
