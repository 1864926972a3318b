"""The driver's side of a call: hands out trials, hears them, and alone tells what comes."""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from etastar.engine.contract import Lost
from etastar.engine.progress import Observer
from etastar.engine.ray_engine.cluster import slots
from etastar.engine.ray_engine.transport import unpack
from etastar.engine.ray_engine.worker import Block, Ended, Failed, Way, run_trial
from etastar.engine.sequential import recorded
from etastar.errors import WorkerLostError
from etastar.records import Trial
from etastar.tasks import Task

_LOOK = 5.0
"""Seconds between two looks at the machines, which come and go."""

_ENDING = 10.0
"""Seconds to wait for killed trials to be gone."""


@dataclass(frozen=True)
class Terms:
    """What every trial of an engine is given.

    Args:
        cpus: reserved for it.
        gpus: reserved for it, fractions allowed.
        retries: how often it may lose its worker.
    """

    cpus: float
    gpus: float
    retries: int


@dataclass(frozen=True)
class Errand:
    """Trials of one task: every pair of rate and seed.

    Args:
        task: to record trials of.
        parcel: the same, as Ray's reference to what was sent.
        way: of all its trials.
        pairs: rates and seeds, in order.
    """

    task: Task
    parcel: Any
    way: Way
    pairs: Sequence[tuple[float, int]]

    @property
    def horizon(self) -> int:
        """Steps of a trial."""
        return len(self.way.path.multipliers)


@dataclass(eq=False)
class _Job:
    """A trial on its way."""

    errand: Errand
    lr: float
    seed: int
    stream: Any = None  # Ray's generator of references, while it runs
    losses: list[float] = field(default_factory=list[float])
    spent: list[float] = field(default_factory=list[float])
    told: int = 0  # steps the observer has heard of, in whichever attempt
    started: bool = False
    attempts: int = 0
    began: float = 0.0
    trial: Trial | None = None
    error: BaseException | None = None

    @property
    def over(self) -> bool:
        return self.trial is not None or self.error is not None


class Driver:
    """One call of the engine.

    Trials are told as they go and end, each one's steps in order, once, also where a worker was
    lost and the trial began again. If one fails, those before it in order still end, and those
    after it are called off: what is told and raised is what the sequential engine would.

    Args:
        ray: the module, connected.
        errands: what to train, in order.
        terms: resources and retries.
        lost: asked here after every step told, and never of the same step twice.
        observer: told here.
    """

    def __init__(
        self,
        ray: Any,
        errands: Sequence[Errand],
        terms: Terms,
        *,
        lost: Lost | None,
        observer: Observer,
    ) -> None:
        self._ray = ray
        self._terms = terms
        self._lost = lost
        self._observer = observer
        self._jobs = [_Job(errand, lr, seed) for errand in errands for lr, seed in errand.pairs]
        self._killed: list[Any] = []
        self._window = 0
        self._looked = -math.inf
        self._remote = ray.remote(run_trial).options(
            num_cpus=terms.cpus,
            num_gpus=terms.gpus,
            max_retries=0,  # we begin again ourselves, and tell nothing twice
            num_returns="streaming",
            name="etastar trial",
        )

    def trials(self) -> list[Trial]:
        """Train them all.

        Returns:
            In order.

        Raises:
            BaseException: what ended the first one that failed.
            WorkerLostError: a trial lost its worker too often, or no machine is left for it.
        """
        try:
            while self._hand_out():
                self._listen()
        finally:
            self._call_off(self._running())
            self._wait_for_ends()
        failed = next((job.error for job in self._jobs if job.error is not None), None)
        if failed is not None:
            raise failed
        return [job.trial for job in self._jobs if job.trial is not None]

    def _wanted(self) -> Iterator[_Job]:
        """The trials not over, up to the first that failed."""
        for job in self._jobs:
            if job.error is not None:
                return
            if not job.over:
                yield job

    def _running(self) -> list[_Job]:
        return [job for job in self._jobs if job.stream is not None]

    def _hand_out(self) -> bool:
        """Give Ray as many trials as can soon run.

        Returns:
            Whether any is on its way.
        """
        self._look()
        running = len(self._running())
        for job in self._wanted():
            if running >= self._window:
                break
            if job.stream is None:
                job.attempts += 1
                job.losses, job.spent, job.began = [], [], time.perf_counter()
                errand = job.errand
                job.stream = self._remote.remote(errand.parcel, errand.way, job.lr, job.seed)
                running += 1
        return running > 0

    def _look(self) -> None:
        now = time.monotonic()
        if now < self._looked + _LOOK:
            return
        self._looked = now
        room = slots(self._ray, self._terms.cpus, self._terms.gpus)
        if room == 0:
            raise WorkerLostError(
                f"no machine is left that can run a trial (cpus={self._terms.cpus:g}, "
                f"gpus={self._terms.gpus:g}): bring one back and run the same again; trials that "
                f"ended were reported."
            )
        self._window = 2 * room  # one at work and one waiting on each

    def _listen(self) -> None:
        running = self._running()
        ready, _ = self._ray.wait([job.stream for job in running], num_returns=1, timeout=1.0)
        if ready:  # whoever else has something to say, in order
            streams = [job.stream for job in running]
            ready, _ = self._ray.wait(streams, num_returns=len(streams), timeout=0)
        for job in running:
            if any(job.stream is stream for stream in ready):
                self._hear(job)

    def _hear(self, job: _Job) -> None:
        errors = self._ray.exceptions
        try:
            said = self._ray.get(next(job.stream))
        except StopIteration:
            self._begin_again(job, "it said no more")
            return
        except errors.RayTaskError as error:  # the last line of a trace says what was raised
            self._begin_again(job, str(error).strip().splitlines()[-1])
            return
        except errors.RayError as error:
            self._begin_again(job, str(error).splitlines()[0])
            return
        if not job.started:
            job.started = True
            self._observer.trial_started(job.lr, job.seed, job.errand.horizon)
        if isinstance(said, Block):
            self._steps(job, said)
        elif isinstance(said, Ended):
            self._end(job, pickle.loads(said.trial))  # noqa: S301  from our own worker
        elif isinstance(said, Failed):
            self._fail(job, said)

    def _steps(self, job: _Job, block: Block) -> None:
        for loss, spent in zip(block.losses, block.spent, strict=True):
            job.losses.append(loss)
            job.spent.append(spent)
            if len(job.losses) <= job.told:
                continue
            job.told += 1
            self._observer.stepped(job.lr, job.told - 1, loss)
            if self._hopeless(job):
                self._call_off([job], kill=False)
                self._end(job, self._stopped(job))
                return

    def _hopeless(self, job: _Job) -> bool:
        finite = math.isfinite(job.losses[-1])
        return self._lost is not None and finite and self._lost(job.losses, job.errand.horizon)

    def _stopped(self, job: _Job) -> Trial:
        return recorded(
            job.errand.task,
            job.lr,
            job.seed,
            job.errand.way.path,
            job.losses,
            status="stopped",
            sample_gradients=job.spent[-1],
            seconds=time.perf_counter() - job.began,
        )

    def _end(self, job: _Job, trial: Trial) -> None:
        job.stream = None
        job.trial = trial
        self._observer.trial_ended(trial)

    def _fail(self, job: _Job, failed: Failed) -> None:
        job.stream = None
        error: BaseException = unpack(failed.error)
        error.__cause__ = unpack(failed.cause)
        (error.__cause__ or error).add_note(f"On Ray's worker:\n{failed.trace}")
        self._give_up(job, error)

    def _give_up(self, job: _Job, error: BaseException) -> None:
        job.error = error
        later = self._jobs[self._jobs.index(job) + 1 :]
        self._call_off([other for other in later if other.stream is not None])

    def _begin_again(self, job: _Job, reason: str) -> None:
        """Count an attempt that lost its worker; the next `_hand_out` makes another."""
        job.stream = None
        self._looked = -math.inf
        if job.attempts > self._terms.retries:
            self._give_up(
                job,
                WorkerLostError(
                    f"the trial at learning rate {job.lr:.3g}, seed {job.seed}, lost its worker "
                    f"{job.attempts} times, the last time at step {len(job.losses)} ({reason}): "
                    f"look for too little memory, a crash in the task's own code, or a machine "
                    f"without etastar."
                ),
            )

    def _call_off(self, jobs: Sequence[_Job], *, kill: bool = True) -> None:
        """End trials before their time.

        Killed, a trial ends at once, and its worker with it. Interrupted, as by Ctrl-C, it ends
        when Python's next instruction comes, and the worker goes on. Ray takes one of them only.
        """
        for job in jobs:
            stream, job.stream = job.stream, None
            with suppress(Exception):  # the worker, or all of Ray, may be gone
                self._ray.cancel(stream, force=kill)
                if kill:
                    self._killed.append(stream.completed())

    def _wait_for_ends(self) -> None:
        """Leave nothing running behind."""
        if self._killed and self._ray.is_initialized():
            self._ray.wait(
                self._killed, num_returns=len(self._killed), timeout=_ENDING, fetch_local=False
            )
