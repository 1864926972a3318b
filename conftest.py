"""Settings every test shares: one thread per process, and the documents' code blocks as tests."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

# Two pytest workers with two torch threads each on two cores would wait for each other.
# Set before torch is imported, here and in every process a test starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("MPLBACKEND", "agg")

from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

ROOT = Path(__file__).parent


class ShellBlocks(CodeBlockParser):
    """Runs the `bash` blocks of a document, a line at a time, from the repository's root."""

    language = "bash"

    def evaluate(self, example: Example) -> None:
        for line in str(example.parsed).splitlines():
            command = shlex.split(line, comments=True)
            if command:
                self._run(command)

    @staticmethod
    def _run(command: list[str]) -> None:
        if command[:2] == ["make", "test"]:
            command = ["make", "--dry-run", "test"]  # this very run
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        uncertain = command[0] == "etastar" and done.returncode == 3
        assert done.returncode == 0 or uncertain, (
            f"{shlex.join(command)} exited with {done.returncode}:\n{done.stdout}{done.stderr}"
        )


_documents = Sybil(
    parsers=[PythonCodeBlockParser(), ShellBlocks()],
    patterns=["README.md", "README.ko.md", "docs/*.md"],
)
pytest_collect_file = _documents.pytest()
