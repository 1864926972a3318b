"""Trials and studies as rows, each with a checksum of all it says."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from etastar.errors import RecordError, StoreError
from etastar.records import LossCurve, TaskSummary, Trial
from etastar.store.arrays import packed, unpacked

_LATER = {"shape": "", "settings": "{}"}
"""Columns that came after version 1. At these values they are no part of the checksum, so that
rows from before keep theirs."""

_PLAIN = ("lr", "seed", "steps", "status", "final_loss", "length", "sample_gradients", "seconds")


def settings_key(settings: Mapping[str, float]) -> str:
    """Settings as the text they are found by.

    Returns:
        JSON in order of name; numbers keep every digit.
    """
    return json.dumps(
        {name: float(value) for name, value in settings.items()},
        sort_keys=True,
        separators=(",", ":"),
    )


def trial_row(trial: Trial, fingerprint: str) -> dict[str, Any]:
    """A trial as the columns of its row, its study's number aside.

    Args:
        trial: any.
        fingerprint: its study's, which the checksum covers.

    Returns:
        Values by column.
    """
    row: dict[str, Any] = {
        "lr": trial.lr,
        "seed": str(trial.seed),
        "steps": trial.steps,
        "status": trial.status,
        "final_loss": None if math.isnan(trial.final_loss) else trial.final_loss,
        "length": len(trial.curve),
        "sample_gradients": trial.sample_gradients,
        "seconds": trial.seconds,
        "lrs": packed(trial.curve.lrs),
        "losses": packed(trial.curve.losses),
        "shape": trial.shape,
        "settings": settings_key(trial.settings),
    }
    return row | {"checksum": _trial_checksum(row, fingerprint)}


def read_trial(row: Mapping[str, Any], fingerprint: str, where: str) -> Trial:
    """The trial of a row.

    Args:
        row: values by column.
        fingerprint: the study's.
        where: what to call the study in a message.

    Returns:
        The trial, equal to the one that was kept.

    Raises:
        StoreError: the row is damaged.
    """
    try:
        _compare(row, _trial_checksum(row, fingerprint))
        final = row["final_loss"]
        return Trial(
            lr=row["lr"],
            seed=int(row["seed"]),
            steps=row["steps"],
            status=row["status"],
            final_loss=math.nan if final is None else final,
            curve=LossCurve(lrs=unpacked(row["lrs"]), losses=unpacked(row["losses"])),
            sample_gradients=row["sample_gradients"],
            seconds=row["seconds"],
            settings=json.loads(row["settings"]),
            shape=row["shape"],
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{where} holds a damaged trial (learning rate {row['lr']!r}, seed {row['seed']!r}: "
            f"{str(error).splitlines()[0]}); `etastar store check --delete-damaged` deletes it, "
            f"to be trained again; a copy of the store brings it back."
        ) from error


def study_row(name: str, fingerprint: str, summary: TaskSummary) -> dict[str, Any]:
    """A study as the columns of its row.

    Returns:
        Values by column.
    """
    text = summary.to_json()
    return {
        "name": name,
        "fingerprint": fingerprint,
        "summary": text,
        "checksum": _study_checksum(name, fingerprint, text),
    }


def read_summary(row: Mapping[str, Any], where: str) -> TaskSummary:
    """The summary in a study's row.

    Args:
        row: values by column.
        where: what to call the study in a message.

    Returns:
        The summary.

    Raises:
        StoreError: the row is damaged.
    """
    try:
        _compare(row, _study_checksum(row["name"], row["fingerprint"], row["summary"]))
        return TaskSummary.from_json(row["summary"])
    except (RecordError, ValueError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{where} is damaged ({error}); `etastar store check` lists what is, and a copy of the "
            f"store brings it back."
        ) from error


def _compare(row: Mapping[str, Any], checksum: bytes) -> None:
    if bytes(row["checksum"]) != checksum:
        raise ValueError("its checksum does not fit")


def _trial_checksum(row: Mapping[str, Any], fingerprint: str) -> bytes:
    told = [fingerprint, *(repr(row[name]) for name in _PLAIN)]
    told += [f"{name}={row[name]}" for name, usual in _LATER.items() if row[name] != usual]
    digest = blake2b(json.dumps(told).encode(), digest_size=16)
    for name in ("lrs", "losses"):
        data = bytes(row[name])
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()


def _study_checksum(name: str, fingerprint: str, summary: str) -> bytes:
    told = json.dumps([name, fingerprint, summary])
    return blake2b(told.encode(), digest_size=16).digest()
