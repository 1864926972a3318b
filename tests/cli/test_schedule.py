"""etastar schedule show, lint, diff, convert."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from etastar import schedules as es
from etastar.cli.main import app

SPEC = "cosine(peak=1e-3, steps=10000, warmup=500)"


def run(*arguments: str):
    return CliRunner().invoke(app, ["schedule", *arguments], prog_name="etastar")


def test_show_draws_and_tells(tmp_path):
    picture = tmp_path / "cosine.png"
    shown = run("show", SPEC, "--at", "499", "--plot", str(picture))
    assert shown.exit_code == 0, shown.output
    assert "peak 0.001 at step 499" in shown.output
    assert "step 499: 0.001" in shown.output
    assert "then 0." in shown.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert any(0x2800 < ord(letter) < 0x2900 for letter in shown.output)


def test_show_as_json_and_from_json():
    answer = json.loads(run("show", SPEC, "--json", "--at", "0").output)
    schedule = es.Cosine(steps=10_000, peak=1e-3, warmup_steps=500)
    assert es.from_spec(answer["spec"]) == schedule
    assert answer["fingerprint"] == schedule.fingerprint
    assert answer["landmarks"]["peak_step"] == 499
    assert answer["at"] == {"0": 2e-06}
    assert json.loads(run("show", schedule.to_json(), "--json").output)["spec"] == answer["spec"]


def test_a_plan_needs_the_length_of_the_run():
    spec = 'wsd(decay="20%", warmup="2 epochs")'
    assert run("show", spec).exit_code == 2
    assert "add --steps" in run("show", spec).stderr
    answer = run("show", spec, "--steps", "300", "--steps-per-epoch", "10", "--json")
    assert json.loads(answer.output)["spec"]["decay_steps"] == 60
    refused = run("show", SPEC, "--steps", "300")
    assert refused.exit_code == 2
    assert "leave --steps out" in refused.stderr


def test_lint_exits_with_3_when_it_finds_something():
    assert run("lint", SPEC, "--steps", "10000").exit_code == 0
    found = run(
        "lint", "torch.CosineAnnealingLR(lr=0.1, T_max=100)", "--steps", "400", "--ranks", "4"
    )
    assert found.exit_code == 3
    assert found.output.startswith("per-rank-steps:")
    answer = json.loads(run("lint", SPEC, "--edge", "1e-4", "--json").output)
    assert [problem["code"] for problem in answer["problems"]] == ["above-edge"]


def test_diff_in_numbers_and_a_picture(tmp_path):
    picture = tmp_path / "diff.png"
    shown = run("diff", "cosine(steps=100)", "linear(steps=120)", "--plot", str(picture))
    assert shown.exit_code == 0
    assert "first differ at step 1" in shown.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "the same numbers" in run("diff", SPEC, SPEC).output
    assert json.loads(run("diff", SPEC, SPEC, "--json").output)["same"] is True
    unwritable = run("diff", SPEC, SPEC, "--plot", str(tmp_path / "absent" / "x.png"))
    assert unwritable.exit_code == 2


def test_convert_gives_code_and_says_what_has_no_equivalent():
    answer = run("convert", SPEC)
    assert "transformers.get_scheduler('cosine'" in answer.output
    assert "the first update is made at 0" in answer.output
    only = json.loads(run("convert", "rex(steps=10)", "--to", "torch", "--json").output)
    assert only["torch"]["equivalent"] is None
    assert "no equivalent" in only["torch"]["notes"][0]
    assert run("convert", SPEC, "--to", "tensorflow").exit_code == 2


@pytest.mark.parametrize("spec", ["cosin(steps=3)", "{", "cosine(steps=-1)", "__import__('os')"])
def test_bad_input_is_one_sentence_and_exit_code_2(spec):
    answer = run("show", spec)
    assert answer.exit_code == 2
    assert answer.stderr.count("\n") == 1
    assert "Traceback" not in answer.stderr


def test_help_and_show_load_no_torch():
    code = (
        "import sys; from etastar.cli.schedule import app; import etastar.schedules;"
        "from typer.testing import CliRunner;"
        "r = CliRunner().invoke(app, ['show', 'linear(steps=9)']); assert r.exit_code == 0;"
        "print({'torch', 'matplotlib', 'scipy'} & {*sys.modules})"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "set()"


def test_terminals_without_unicode_get_stars():
    code = "from etastar.cli.schedule import app; app(['show', 'linear(steps=9)'])"
    seen = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
    )
    assert b"*" in seen.stdout
