"""A study as one file of JSON lines: a head, a trial per line, and an end that seals them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from etastar.errors import RecordError, StoreError
from etastar.records import TaskSummary, Trial
from etastar.store.study import Store, Study

VERSION = 1
_HEAD = 2**20
"""Characters that a head may have."""

_REMEDY = "give a file that `etastar store export` wrote."


def export_study(study: Study) -> Iterator[str]:
    """The study as lines of JSON, without their line ends.

    Args:
        study: as it is at this moment; other processes may go on.

    Yields:
        The head with name, fingerprint and summary; each trial; the end with their number and
        the SHA-256 of all lines before it.
    """
    head = {
        "etastar": "study",
        "version": VERSION,
        "name": study.name,
        "fingerprint": study.fingerprint,
        "task": json.loads(study.summary.to_json()),
    }
    trials = study.trials()  # all are read before the first line is out
    digest = sha256()
    for line in (json.dumps(head), *(trial.to_json() for trial in trials)):
        digest.update(f"{line}\n".encode())
        yield line
    yield json.dumps({"etastar": "end", "trials": len(trials), "sha256": digest.hexdigest()})


def is_export(path: Path) -> bool:
    """Whether a file begins as `export_study` does.

    Args:
        path: of a file.

    Returns:
        False also where it cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return json.loads(file.readline(_HEAD)).get("etastar") == "study"
    except (OSError, ValueError, AttributeError):  # no text, no JSON, no object
        return False


def import_study(
    store: Store, lines: Iterable[str], *, where: str = "the text", name: str | None = None
) -> Study:
    """Read an exported study into a store; what is there already stays as it is.

    Args:
        store: to read it into.
        lines: what `export_study` gave.
        where: what to call it in a message.
        name: what to call the study; by default as it was.

    Returns:
        The study, with all its trials or, where this raises, none of them.

    Raises:
        StoreError: the lines are no study or were cut or changed, or the store holds another
            task's study of that name.
    """
    content = [line.rstrip("\r\n") for line in lines]
    while content and not content[-1]:
        content.pop()
    head = _object(content[0] if content else "", where)
    if head.get("etastar") != "study":
        raise StoreError(f"{where} holds no study; {_REMEDY}")
    version = head.get("version")
    if type(version) is not int or version < 1:
        raise StoreError(f"{where} is a damaged study: its version is {version!r}; {_REMEDY}")
    if version > VERSION:
        raise StoreError(
            f"{where} is a study of version {version}, newer than the {VERSION} this etastar "
            f"reads; upgrade with `pip install --upgrade etastar`."
        )
    end = _object(content[-1], where)
    if end.get("etastar") != "end" or end.get("trials") != len(content) - 2:
        raise StoreError(
            f"{where} was cut off after {len(content) - 1} trials; export the study again."
        )
    body = "".join(f"{line}\n" for line in content[:-1])
    if end.get("sha256") != sha256(body.encode()).hexdigest():
        raise StoreError(f"{where} was changed since it was written; export the study again.")
    try:
        trials = [Trial.from_json(line) for line in content[1:-1]]
        summary = TaskSummary.from_json(json.dumps(head.get("task")))
    except RecordError as error:
        raise StoreError(f"{where} cannot be read: {error}") from error
    study = store.study(name or str(head.get("name")), str(head.get("fingerprint")), summary)
    study.add_all(trials)
    return study


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{where} is not JSON lines ({error}); {_REMEDY}") from error
    if not isinstance(content, dict):
        raise StoreError(f"{where} holds no study; {_REMEDY}")
    return content
