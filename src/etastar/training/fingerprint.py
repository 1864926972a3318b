"""The fingerprint of a task: what makes its trials what they are, in 32 digits.

Two tasks with one fingerprint give the same trials, so their trials may stand in one study.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from etastar.errors import EtastarError, TaskFailedError
from etastar.tasks import Data, Task
from etastar.training.batches import move, one_pass
from etastar.training.described import Plain, content, function, module, type_name
from etastar.training.live import living
from etastar.training.randomness import seed_task

SEED = 0
"""Covers the weights a factory makes and the order of shuffled data while they are looked at."""

_RATES = frozenset({"params", "lr", "initial_lr"})


def task_fingerprint(task: Task) -> str:
    """Digest everything that makes a trial of the task what it is, the trial's own terms aside.

    Those terms are rate, seed, horizon, schedule and settings: a study holds trials that differ
    in them. All else counts: the model's structure and weights (an instance's own; a factory's
    under a fixed seed), the optimizer's class, options and state, the ratios between its
    groups, loss and criterion with their code and the constants they refer to, the first batch
    of the training and of the validation data and how many there are, accumulation, clipping,
    precision, schedules of the optimizer's other numbers as they were given (they are resized to
    every trial), and a step task's state and code. Devices do not count, nor does the file a
    function lies in.

    It cannot see: batches after the first, where they differ; code that the loss, the step or a
    model's methods call; attributes of objects that are neither modules nor plain numbers. A
    change there needs a study of another name. The other way round, the weights of a factory
    that draws normal numbers, and bytecode where there is no source, may differ between kinds
    of processors and versions of Python, and so will the fingerprint.

    Args:
        task: to look at; left bit for bit as it was. Its factories are called once, and its
            first batches read.

    Returns:
        32 hexadecimal digits, the same in every process.

    Raises:
        TaskFailedError: the task's own code raised.
        TaskError: the parts do not fit together.

    Examples:
        >>> from dataclasses import replace
        >>> from etastar.tasks import load_task
        >>> task = load_task("line")
        >>> task_fingerprint(task) == task_fingerprint(replace(task, steps=7, schedule=None))
        True
        >>> task_fingerprint(task) == task_fingerprint(replace(task, clip_norm=1.0))
        False
    """
    bare = replace(task, settings={}, other_schedules={})
    with living(bare) as live:
        live.begin(SEED)
        told: dict[str, Plain] = {
            "version": 1,
            "model": None if live.model is None else module(live.model),
            "optimizers": [_optimizer(part, live.model) for part in live.optimizers],
            "ratios": [repr(ratio) for ratio in live.rates.ratios],
            "loss": _callable(task.loss),
            "criterion": _callable(task.criterion),
            "step": _callable(task.step),
            "evaluate": _callable(task.evaluate),
            "state": [_part(part) for part in task.state],
            "accumulate": task.accumulate,
            "clip": [repr(task.clip_norm), repr(task.clip_value)],
            "precision": [task.autocast, str(torch.get_default_dtype())],
            "scaler": None if task.scaler is None else content(task.scaler.state_dict()),
            "train": _data(task.train, "train", bare),
            "valid": _data(task.valid, "valid", bare),
        }
    if task.other_schedules:  # those without one keep the fingerprint they always had
        told["other_schedules"] = {n: s.fingerprint for n, s in task.other_schedules.items()}
    canonical = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def _callable(part: Any) -> Plain:
    return None if part is None else function(part)


def _part(part: Any) -> Plain:
    if isinstance(part, torch.nn.Module):
        return module(part)
    state = getattr(part, "state_dict", None)
    return [type_name(type(part)), content(state() if callable(state) else part)]


def _optimizer(optimizer: torch.optim.Optimizer, model: torch.nn.Module | None) -> Plain:
    """Class, options and state; parameters by their names in the model.

    Returns:
        Plain data. Options at the class's own defaults are left out, so that one which a later
        version of torch adds changes nothing.
    """
    names = {} if model is None else {id(p): name for name, p in model.named_parameters()}
    usual = {
        name: parameter.default
        for name, parameter in inspect.signature(type(optimizer).__init__).parameters.items()
    }
    groups: list[Plain] = [
        [_options(group, usual), [names.get(id(p), list(p.shape)) for p in group["params"]]]
        for group in optimizer.param_groups
    ]
    state: Any = optimizer.state_dict()["state"]
    return [type_name(type(optimizer)), _options(optimizer.defaults, usual), groups, content(state)]


def _options(group: Mapping[str, Any], usual: Mapping[str, Any]) -> Plain:
    told = {name: content(value) for name, value in group.items() if name not in _RATES}
    return {n: v for n, v in told.items() if n not in usual or v != content(usual[n])}


def _data(data: Data | None, role: str, task: Task) -> Plain:
    """The first batch of a pass, its shuffling drawn from the fixed seed, and how many there are.

    Returns:
        Plain data.

    Raises:
        TaskFailedError: reading it raised.
        EtastarError: it is no data after all.
    """
    if data is None:
        return None
    seed_task(task, SEED)
    length: int | None = None
    if isinstance(data, Sequence) or hasattr(data, "__len__"):
        try:
            length = len(data)  # type: ignore[arg-type]
        except (TypeError, NotImplementedError):  # an iterable data set behind a DataLoader
            length = None
    try:
        with one_pass(data, role) as batches:
            first = next(batches, None)
            return [length, content(move(first, torch.device("cpu")))]
    except EtastarError:
        raise
    except Exception as error:  # the user's data may raise anything
        raise TaskFailedError(
            f"reading the first batch of {role} raised {type(error).__name__}: {error}"
        ) from error
