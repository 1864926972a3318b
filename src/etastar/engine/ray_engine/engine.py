"""The engine that trains on Ray."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path as File
from typing import Any, Self

from etastar.engine.contract import Lost, Work, announce, is_finite, is_whole, shape_of
from etastar.engine.progress import Observer
from etastar.engine.ray_engine.cluster import Cluster, check_room, load_ray
from etastar.engine.ray_engine.driver import Driver, Errand, Terms
from etastar.engine.ray_engine.transport import uses_gpu
from etastar.engine.ray_engine.worker import Parcel, Way
from etastar.engine.sequential import Path
from etastar.errors import InputError
from etastar.records import Trial
from etastar.schedules import Schedule
from etastar.tasks import Task
from etastar.training.preserved import RandomState

_LEAST = 0.0001
"""The smallest share of a machine that Ray counts."""


class RayEngine:
    """Trains every trial as a Ray task, on this machine or on a cluster. See `Engine`.

    The numbers are those of `Sequential`, bit for bit, on machines of one kind: a trial begins
    from a copy of the task, with the driver's torch settings, its number of threads among them.
    A trial that loses its worker, or its machine, begins again; the result is the same.
    Everything is told and written by the driver, as trials end.

    `lost` and the observer are called in the driver. Losses arrive in blocks, so a trial may go
    on for a moment after the step at which `lost` stopped it; what it does then is thrown away.

    Use it as a context manager, or call `close`, to stop the Ray that it started. A `ray.init`
    of your own is used and left running.

    Args:
        address: of a running cluster, `"auto"` for the one on this machine. By default the one
            this process is connected to, else the one `RAY_ADDRESS` names, else Ray is started
            here for as long as the engine is open.
        cpus: reserved for each trial; decides how many run at once.
        gpus: reserved for each trial; 0.25 puts four trials on one.
        retries: how often a trial may lose its worker before it is given up.
        task: the name of the task that will be trained, `file.py:name` for instance: workers
            load it where it cannot be sent.

    Raises:
        InputError: a number that cannot be.
        MissingDependencyError: Ray is not installed.
    """

    name = "ray"

    def __init__(
        self,
        address: str | None = None,
        cpus: float = 1,
        gpus: float = 0.0,
        retries: int = 3,
        task: str | None = None,
    ) -> None:
        for what, value in (("cpus", cpus), ("gpus", gpus)):
            if not (is_finite(value) and value >= 0):
                raise InputError(f"{what}={value!r}: pass a finite number of at least 0.")
            if value > 1 and value != int(value):
                raise InputError(f"{what}={value!r}: above 1, Ray gives whole ones only.")
            if 0 < value < _LEAST:
                raise InputError(f"{what}={value!r}: Ray gives {_LEAST} at least.")
        if cpus == 0 and gpus == 0:
            raise InputError("cpus and gpus are both 0: reserve something for each trial.")
        if isinstance(retries, bool) or not is_whole(retries) or retries < 0:
            raise InputError(f"retries={retries!r}: pass a whole number of at least 0.")
        load_ray()
        self._terms = Terms(cpus, gpus, int(retries))
        self._spec = None if task is None else _absolute(task)
        self._cluster = Cluster(address)

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
            InputError: also where no machine has room for a trial.
            TaskError: also where the task cannot be sent to a worker.
            WorkerLostError: a trial lost its worker more often than `retries` allow.
        """
        shape = shape_of(task, lrs, seeds, steps, schedule)
        work = Work(task, lrs, seeds, steps)
        (trials,) = self._trained([(work, shape)], lost, observer or Observer())
        return trials

    def train_all(
        self, works: Sequence[Work], *, observer: Observer | None = None
    ) -> list[list[Trial]]:
        """Train several works side by side; see `TrainsTogether`.

        A task is sent once, whatever settings its works have.

        Returns:
            The trials of each.
        """
        asked = [(w, shape_of(w.task, w.lrs, w.seeds, w.steps, None)) for w in works]
        if not asked:
            return []
        watching = observer or Observer()
        announce(works, watching)
        return self._trained(asked, None, watching)

    def _trained(
        self, asked: Sequence[tuple[Work, Schedule]], lost: Lost | None, observer: Observer
    ) -> list[list[Trial]]:
        terms = self._terms
        for work, _ in asked:
            gpu = uses_gpu(work.task)
            if gpu is not None and not terms.gpus:
                raise InputError(
                    f"the task is on {gpu} but its trials get no GPU: pass RayEngine(gpus=1), or a "
                    f"fraction of one."
                )
        random = RandomState()
        try:
            tasks = {id(work.task): work.task for work, _ in asked}
            one_gpu = 0 < terms.gpus <= 1
            parcels = {
                key: Parcel.of(task, self._spec, one_gpu=one_gpu) for key, task in tasks.items()
            }
            ray: Any = self._cluster.connect()
            check_room(ray, terms.cpus, terms.gpus)
            sent = {key: ray.put(parcel) for key, parcel in parcels.items()}
            errands = [
                Errand(
                    task=work.tuned,
                    parcel=sent[id(work.task)],
                    way=Way(Path.of(shape), work.tuned.settings),
                    pairs=work.pairs,
                )
                for work, shape in asked
            ]
            trials = iter(Driver(ray, errands, terms, lost=lost, observer=observer).trials())
            return [list(islice(trials, len(errand.pairs))) for errand in errands]
        finally:
            random.restore()

    def close(self) -> None:
        """Stop the Ray that was started here, unless another engine still uses it."""
        self._cluster.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _absolute(spec: str) -> str:
    """A file's task from wherever it is loaded."""
    place, separator, name = spec.rpartition(":")
    if separator and place.endswith(".py"):
        return f"{File(place).resolve()}:{name}"
    return spec
