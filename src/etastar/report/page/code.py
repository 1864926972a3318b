"""Code to copy: how to train with an answer, in three frameworks, and how to reach it again."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etastar.report.answer import schedule_code, settings_code

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etastar.records import Axis, Finding, Sweep
    from etastar.report.page.words import Words
    from etastar.schedules import Schedule


_WIDTH = 60
"""Columns that a page shows beside its picture."""


@dataclass(frozen=True)
class Snippet:
    """A piece of code under a name."""

    id: str
    name: str
    code: str


def snippets(
    schedule: Schedule, words: Words, settings: Mapping[str, float] | None = None
) -> tuple[Snippet, ...]:
    """How to train under a schedule.

    Args:
        schedule: what the rate follows.
        words: the language of the comments.
        settings: of the optimizer, beside the rate.

    Returns:
        For plain PyTorch, Lightning and the Trainer of transformers. `...` stands for what the
        reader has already.
    """
    given = _given(schedule)
    yours = f"optimizer = ...  # {words('code.optimizer')}"
    needed, tuned = map(_wrapped, settings_code(settings)) if settings else ([], [])
    plain = [
        "import etastar",
        *needed,
        "",
        *given,
        *tuned,
        "scheduler = etastar.attach(optimizer, lr=schedule)",
        "for batch in train:",
        f"    ...  # {words('code.update')}",
        f"    scheduler.step()  # {words('code.after')}",
    ]
    lightning = [
        "import etastar",
        *needed,
        "",
        *given,
        "",
        f"def configure_optimizers(self):  # {words('code.module')}",
        f"    {yours}",
        *(f"    {line}" for line in tuned),
        "    scheduler = etastar.attach(optimizer, lr=schedule)",
        '    each_step = {"scheduler": scheduler, "interval": "step"}',
        '    return {"optimizer": optimizer, "lr_scheduler": each_step}',
    ]
    trainer = [
        "import etastar",
        *needed,
        "from transformers import Trainer",
        "",
        *given,
        yours,
        *tuned,
        "scheduler = etastar.attach(optimizer, lr=schedule)",
        f"# {words('code.steps', steps=schedule.steps)}",
        "trainer = Trainer(model=model, args=args, train_dataset=train,",
        "                  optimizers=(optimizer, scheduler))",
    ]
    return (
        Snippet("torch", "PyTorch", "\n".join(plain)),
        Snippet("lightning", "Lightning", "\n".join(lightning)),
        Snippet("trainer", "Trainer", "\n".join(trainer)),
    )


def _given(schedule: Schedule) -> list[str]:
    return _wrapped(f"schedule = {schedule_code(schedule)}")


def _wrapped(code: str) -> list[str]:
    """A call on one line where the page shows all of it, else on three."""
    if len(code) <= _WIDTH:
        return [code]
    call, _, arguments = code.removesuffix(")").partition("(")
    return [f"{call}(", f"    {arguments}", ")"]


def find_again(finding: Finding) -> str:
    """What gives the same finding again.

    Returns:
        A command for a built-in task; a line of Python for a task of the reader's own, whose
        file the record does not know.
    """
    from etastar.tasks.builtin import BUILTIN

    task = finding.task
    budget = f"{finding.budget:g}"
    if task.name in BUILTIN:
        words = ["etastar", "find", task.name, "--steps", str(task.steps)]
        return shlex.join([*words, "--budget", budget, "--seed", str(finding.seed)])
    return f"etastar.find({own_task(task.name)}, budget={budget}, seed={finding.seed})"


def own_task(name: str) -> str:
    """What a task of the reader's own is called in code.

    Returns:
        Its name where that is one of Python's, else `task`.
    """
    return name if re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) else "task"


def sweep_again(sweep: Sweep) -> str:
    """What gives the same sweep again.

    Returns:
        A command for a built-in task, or a line of Python; see `find_again`.
    """
    from etastar.tasks.builtin import BUILTIN

    points = len({(trial.lr, *trial.settings.items()) for trial in sweep.trials})
    drawn = {} if sweep.strategy in {"grid", "find"} else {"trials": points}
    budget = {} if sweep.budget is None else {"budget": sweep.budget}
    more = {"steps": sweep.task.steps, **drawn, **budget, "seed": sweep.seed}
    space = {name: _values(axis) for name, axis in sweep.space.items()}
    in_order = sweep.seeds == tuple(range(len(sweep.seeds)))
    if sweep.task.name in BUILTIN and in_order:
        words = ["etastar", "sweep", sweep.task.name, "--strategy", sweep.strategy]
        words += [f"--lr={space.pop('lr')}"] if "lr" in space else []
        for name, values in space.items():
            words += ["--set", f"{name}={values}"]
        words += ["--seeds", str(len(sweep.seeds))]
        return shlex.join([*words, *(f"--{name}={value}" for name, value in more.items())])
    rest = "".join(f", {name}={value!r}" for name, value in more.items())
    task = own_task(sweep.task.name)
    return f"etastar.sweep({task}, {space!r}, {sweep.strategy!r}, seeds={sweep.seeds!r}{rest})"


def _values(axis: Axis) -> str:
    if axis.scale == "choice" or not axis.varies:
        return ",".join(repr(value) for value in axis.values)
    return f"{axis.low!r}:{axis.high!r}:{axis.scale}:{len(axis.values)}"
