"""All rates at once, in one batched pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Literal

from etastar.engine.contract import (
    Lost,
    Work,
    announce,
    is_finite,
    is_whole,
    shape_of,
    train_abreast,
)
from etastar.engine.progress import Observer
from etastar.engine.sequential import Path
from etastar.engine.vectorized.memory import SHARE, free_bytes
from etastar.engine.vectorized.proof import Proof, prove
from etastar.engine.vectorized.seeds import ApartError, starts, workers_read
from etastar.engine.vectorized.slices import quiet
from etastar.engine.vectorized.training import APART, Plan, Row, SideBySide
from etastar.errors import InputError
from etastar.records import Trial
from etastar.schedules import Schedule
from etastar.tasks import Task
from etastar.training.live import LiveTask, living

BATCHES = 0.25
"""How much of the memory may be taken by batches that are read beforehand."""

PROBED = 8
"""So many steps' batches are looked at to find out whether seeds go together."""

Randomness = Literal["shared", "independent"]
"""Whether the slices of a seed draw the same random numbers, or each its own."""


class Vectorized:
    """Trains rates and seeds side by side: one model whose weights are stacked K times.

    Every slice has its own weights, buffers, optimizer state and rate; those of one seed see the
    same batches and random numbers. Seeds share the pass where training draws no random numbers,
    and are trained in turns where it does. The arithmetic is that of the sequential engine up to
    rounding. See `Engine` for the contract.

    Args:
        memory: bytes it may use; half of what is free on the task's device by default. Trials
            that do not fit together are trained in turns.
        width: trials trained together at most; by default as many as fit. Beyond some number a
            large model gains nothing from more.
        randomness: "shared" (default) or "independent". Shared: the slices of a seed drop and
            draw the same, as the sequential engine's trials of one seed do, so that rates are
            compared on common random numbers. Independent: every slice draws its own in
            training; batches and initial weights stay common, and so does what validation
            draws. For models with dropout or noise the losses are then not those of the
            sequential engine, and depend on the rates trained along; for others they are the
            same. Use it to see what the noise alone does.

    Raises:
        InputError: one of them is something else.

    Examples:
        >>> from etastar.tasks import load_task
        >>> trials = Vectorized().train(load_task("line"), lrs=[0.1, 2.0], seeds=[0], steps=50)
        >>> [trial.status for trial in trials]
        ['finished', 'diverged']
        >>> round(trials[0].final_loss, 4)
        0.006
    """

    name = "vectorized"

    def __init__(
        self,
        *,
        memory: float | None = None,
        width: int | None = None,
        randomness: Randomness = "shared",
    ) -> None:
        if memory is not None and not (is_finite(memory) and memory > 0):
            raise InputError(f"memory={memory!r}: pass a positive number of bytes, or None.")
        if width is not None and not (is_whole(width) and width >= 1):
            raise InputError(f"width={width!r}: pass a positive number of trials, or None.")
        if randomness not in ("shared", "independent"):
            raise InputError(f"randomness={randomness!r}: pass 'shared' or 'independent'.")
        self._memory = memory
        self._independent = randomness == "independent"
        self._width = None if width is None else int(width)

    def train(
        self,
        task: Task,
        lrs: Sequence[float],
        seeds: Sequence[int],
        steps: int,
        *,
        schedule: Schedule | None = None,
        lost: Lost | None = None,
        observer: Observer | None = None,
    ) -> list[Trial]:
        """Train the task at every rate with every seed; see `Engine.train`.

        Returns:
            One trial per rate and seed: rates in the order given, seeds within each.

        Raises:
            InputError: the task cannot be batched; `why_not` says so beforehand.
        """
        shape = shape_of(task, lrs, seeds, steps, schedule)
        works = [Work(task, lrs, seeds, steps)]
        return self.train_group(works, shape, lost, observer or Observer())[0]

    def train_all(
        self, works: Sequence[Work], *, observer: Observer | None = None
    ) -> list[list[Trial]]:
        """Train several works, those of one task with one horizon side by side.

        Each trial follows the settings of its own work. See `TrainsTogether`.

        Returns:
            The trials of each.

        Raises:
            InputError: a task cannot be batched; `why_not` says so beforehand.
            TaskError: settings that an optimizer does not have, or cannot take.
        """
        watching = observer or Observer()

        def train(group: Sequence[Work], shape: Schedule) -> list[list[Trial]]:
            announce(group, watching)
            return self.train_group(group, shape, None, watching)

        return train_abreast(works, train)

    def train_group(
        self, works: Sequence[Work], shape: Schedule, lost: Lost | None, observer: Observer
    ) -> list[list[Trial]]:
        """Train works that may share a pass, in as few as there is room for.

        Args:
            works: of one task, with the same seeds and horizon.
            shape: the schedule of all their trials, over that horizon.
            lost: asked after every step; a trial it answers True for is stopped.
            observer: told what happens.

        Returns:
            The trials of each.

        Raises:
            InputError: the task cannot be batched; `why_not` says so beforehand.
        """
        task, seeds = works[0].task, [int(seed) for seed in works[0].seeds]
        rows = [Row(float(lr), work.tuned) for work in works for lr in work.lrs]
        if not rows:
            return [[] for _ in works]
        proof = prove(task)
        if proof.reason is not None:
            raise InputError(
                f"the vectorized engine cannot train this task, because {proof.reason}: use the "
                f"engine 'sequential', or 'auto', which chooses."
            )
        columns: list[list[Trial]] = []  # one per seed
        left = seeds
        with quiet(), living(task) as live:
            while left:
                live.begin(left[0])
                free = _free(live, self._memory)
                plan = Plan(
                    task=task,
                    path=Path.of(shape),
                    moving=proof.moving,
                    width=_fitting(free, proof.judged_bytes),
                    memory=BATCHES * free,
                    lost=lost,
                    observer=observer,
                    independent=self._independent,
                )
                each = proof.bytes_under(row.task.settings for row in rows)
                most = chunk(live, each, len(rows) * len(left), self._memory, self._width)
                together = max(1, most // len(rows)) if _joinable(task, proof) else 1
                group, left = left[:together], left[together:]
                found: list[list[Trial]] = [[] for _ in group]
                most = chunk(live, each, len(rows), self._memory, self._width)
                for part in _chunks(rows, most):
                    trials = SideBySide(live, plan, part, group, len(found[0])).run()
                    count = len(part)
                    for place, column in enumerate(found):
                        column.extend(trials[place * count : (place + 1) * count])
                columns += found
        table = iter([[column[index] for column in columns] for index in range(len(rows))])
        return [[trial for _ in work.lrs for trial in next(table)] for work in works]


def go_together(
    live: LiveTask, proof: Proof, seeds: Sequence[int], steps: int, memory: float | None
) -> bool:
    """Whether several seeds will train together: the first steps of two of them are looked at.

    Args:
        live: the task.
        proof: what is known of it.
        seeds: to be trained.
        steps: of each of them.
        memory: bytes that may be used; None for half of what is free.

    Returns:
        False for a single seed.
    """
    if len(seeds) < 2 or not _joinable(live.task, proof):
        return False
    read = min(steps, PROBED)
    live.begin(seeds[0])
    room = BATCHES * _free(live, memory) * 2 / len(seeds) * read / steps
    try:
        with ExitStack() as held:
            starts(live, seeds[:2], steps, room, held, read=read)
    except ApartError as error:
        if error.lasts:
            APART.add(live.task)
        return False
    return True


def _joinable(task: Task, proof: Proof) -> bool:
    """Whether seeds may be trained together, as far as it shows beforehand."""
    return not (proof.draws or task in APART or workers_read(task))


def chunk(
    live: LiveTask, each: float, count: int, memory: float | None, width: int | None = None
) -> int:
    """How many of `count` trials are trained at once.

    Args:
        live: the task, whose trial has begun.
        each: bytes that one of them takes.
        count: trials.
        memory: bytes that may be used; None for half of what is free.
        width: trials wanted at most; None for all that fit.

    Returns:
        From 1 to `count`.
    """
    most = min(_fitting(_free(live, memory), each), width or count)
    groups = -(-count // most)
    return -(-count // groups)


def _free(live: LiveTask, memory: float | None) -> float:
    if memory is not None:
        return memory
    return SHARE * free_bytes(next(live.parts.parameters()).device)


def _fitting(memory: float, each: float) -> int:
    """How many slices fit.

    Returns:
        At least 1.
    """
    return int(min(max(1.0, memory / max(each, 1.0)), 1e9))


def _chunks(rows: list[Row], most: int) -> Iterator[list[Row]]:
    """Rows in as few groups of nearly equal size as fit."""
    groups = -(-len(rows) // most)
    for group in range(groups):
        yield rows[group * len(rows) // groups : (group + 1) * len(rows) // groups]
