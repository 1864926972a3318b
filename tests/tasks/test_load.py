"""Tasks by name: files run as programs do, and what goes wrong is said in a sentence."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import etastar as es
from etastar.errors import TaskError, TaskFailedError, UnknownTaskError

HEAD = """
import torch, etastar as es
x = torch.linspace(-1, 1, 8).unsqueeze(1)
def make(**changes):
    model = torch.nn.Linear(1, 1)
    return es.Task(model, torch.optim.SGD(model.parameters(), lr=0.1), train=[(x, 2 * x)],
                   criterion=torch.nn.functional.mse_loss, steps=5, **changes)
"""


@pytest.fixture(autouse=True)
def _imports_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    known = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in set(sys.modules) - known:
        if name.startswith(("written_", "_etastar_task_")):
            del sys.modules[name]


def write(folder: Path, body: str, name: str = "written_task.py") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(HEAD + body, encoding="utf-8")
    return path


def test_a_variable_and_a_function_of_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, "task = make()\ndef build(count=3): return make(name='own')\n")
    assert es.load_task(f"{path}:task").horizon == 5
    assert es.load_task(f"{path}:build").name == "own"


def test_a_task_without_a_name_gets_its_variables_or_its_files(tmp_path: Path) -> None:
    path = write(tmp_path, "task = small = make()\nnamed = make(name='mine')\n")
    names = [es.load_task(f"{path}:{name}").name for name in ("task", "small", "named")]
    assert names == ["written_task", "small", "mine"]


def test_a_module_beside_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "written_package", "task = make()\n", "inner.py")
    monkeypatch.chdir(tmp_path)
    assert es.load_task("written_package.inner:task").name == "inner"


def test_built_in_tasks_by_name() -> None:
    assert es.load_task("line").name == "line"


def test_a_file_imports_its_neighbours_early_and_late(tmp_path: Path) -> None:
    (tmp_path / "written_early.py").write_text("rate = 0.1\n", encoding="utf-8")
    (tmp_path / "written_late.py").write_text("steps = 5\n", encoding="utf-8")
    path = write(
        tmp_path,
        "import written_early\ndef build():\n    import written_late\n    return make()\n",
    )
    assert es.load_task(f"{path}:build").horizon == 5


def test_what_a_file_defines_can_be_found_by_other_processes(tmp_path: Path) -> None:
    """Loaders whose workers do not fork send them the data set, by its class's name."""
    path = write(tmp_path, "class Data:\n    kind = 'mine'\ntask = make(state=())\ndata = Data()\n")
    es.load_task(f"{path}:task")
    pickled = pickle.dumps(sys.modules["written_task"].data)
    code = f"import sys, pickle; sys.path[:] = {sys.path!r}; print(pickle.loads({pickled!r}).kind)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "mine\n"


def test_a_file_hides_no_module_of_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, "task = make()\n", "torch.py")
    assert es.load_task(f"{path}:task").horizon == 5
    assert sys.modules["torch"] is torch


def test_two_files_of_one_name_and_a_file_that_changed(tmp_path: Path) -> None:
    one = write(tmp_path / "one", "task = make(name='one')\n")
    two = write(tmp_path / "two", "task = make(name='two')\n")
    assert [es.load_task(f"{path}:task").name for path in (one, two, one)] == ["one", "two", "one"]
    write(tmp_path / "one", "task = make(name='changed later')\n")
    assert es.load_task(f"{one}:task").name == "changed later"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("digit-mlp", r"no built-in task is called 'digit-mlp'; did you mean 'digits-mlp'\?"),
        ("zzz", r"no built-in task is called 'zzz'\. Built in are line, .*file\.py:name or module"),
        ("", r"no built-in task is called ''"),
        (":task", r"no built-in task is called ':task'"),
        ("written_task.py:", r"no built-in task is called"),
        ("written_task.py", r"'written_task.py' names a file but no task in it: say written_task"),
        ("writen_task.py:task", r"no file writen_task\.py; did you mean 'written_task\.py'\?"),
        ("absent/written.py:task", r"there is no file absent/written\.py\."),
        (".:task", r"'\.' is no module's name: give its file.py:name"),
        ("written_task.py:tsak", r"there is no 'tsak' in it; did you mean 'task'\?"),
        ("written_task.py:zzzzz", r"there is no 'zzzzz' in it\."),
        ("written_task.py:x", r"is a Tensor: it must be an etastar\.Task, or a function without"),
        ("written_task.py:net", r"is a Linear: it must be an etastar\.Task"),
        ("written_task.py:nothing", r"is a NoneType: it must be an etastar\.Task"),
        ("written_task.py:three", r"is a int: it must be an etastar\.Task"),
        ("written_task.py:needs", r"is a function: it must be .* a function without arguments"),
        ("no_such_module:task", r"no module is called 'no_such_module': run where"),
        ("no_such.module:task", r"no module is called 'no_such\.module'"),
        ("json.absent:task", r"no module is called 'json\.absent'"),
        ("folder/written:task", r"'folder/written' is no module's name: did you mean folder/wr"),
        ("folder/absent:task", r"'folder/absent' is no module's name: give its file\.py:name"),
        ("json:dumps", r"is a function: it must be"),
    ],
)
def test_a_name_of_nothing(
    spec: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        tmp_path,
        "task = make()\nnet = torch.nn.Linear(1, 1)\nnothing = None\n"
        "def three(): return 3\ndef needs(argument): return make()\n",
    )
    write(tmp_path / "folder", "task = make()\n", "written.py")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownTaskError, match=words) as caught:
        es.load_task(spec)
    assert "\n" not in str(caught.value)


RAISES = {
    "raises": ("raise LookupError('lost')", LookupError, r"raised LookupError: lost"),
    "syntax": ("def (:", SyntaxError, r"raised SyntaxError: "),
    "absent import": ("import no_such_module", ModuleNotFoundError, r"No module named 'no_such"),
    "exits": ("raise SystemExit(3)", SystemExit, r"ended with SystemExit\(3\): keep what runs"),
    "recursion": ("def f(): f()\nf()", RecursionError, r"raised RecursionError"),
}


@pytest.mark.parametrize(("body", "cause", "words"), RAISES.values(), ids=RAISES.keys())
@pytest.mark.parametrize("form", ["file", "module", "function"])
def test_code_that_raises_is_the_cause(
    form: str,
    body: str,
    cause: type[BaseException],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if form == "function":
        if cause is SyntaxError:
            body = "exec('def (:')"
        body = "def task():\n" + "".join(f"    {line}\n" for line in body.splitlines())
    path = write(tmp_path, body)
    spec = "written_task:task" if form == "module" else f"{path}:task"
    with pytest.raises(TaskFailedError, match=words) as caught:
        es.load_task(spec)
    assert isinstance(caught.value.__cause__, cause)
    if form != "function":
        assert "written_task" not in sys.modules


@pytest.mark.parametrize("body", ["task = make(clip_norm=-1)", "def task(): return make(epochs=1)"])
def test_a_refusal_of_ours_is_passed_on(body: str, tmp_path: Path) -> None:
    with pytest.raises(TaskError) as caught:
        es.load_task(f"{write(tmp_path, body)}:task")
    assert caught.type is TaskError


def test_ctrl_c_while_loading_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        es.load_task(f"{write(tmp_path, 'raise KeyboardInterrupt')}:task")
    assert "written_task" not in sys.modules
