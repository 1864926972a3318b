"""The ledger of a sweep: its trials in the order they were asked for, and what they cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

from etastar.engine import Engine, Lost, Observer, Recorded, Work, train_all
from etastar.engine.memory import Counted, Memory
from etastar.records import Terms, Trial
from etastar.schedules import Schedule
from etastar.sweeps.strategies import Outcome, Run, cost_of
from etastar.tasks import Task


class Ledger(Observer):
    """Trains what a strategy asks for, and keeps every trial once.

    Passes on what it hears, but for the end, which is the sweep's to tell.

    Args:
        task: at the full horizon.
        engine: trains what the memory does not hold.
        memory: answers and keeps trials.
        observer: told what happens.
        expected: what all of it may cost, in full runs; None where nobody knows.
    """

    def __init__(
        self,
        task: Task,
        engine: Engine,
        memory: Memory,
        observer: Observer,
        expected: float | None = None,
    ) -> None:
        self.expected = expected
        self._task = task
        self._trained = Counted(memory)
        self._engine = Recorded(engine, self._trained)
        self._observer = observer
        self._trials: dict[Terms, Trial] = {}
        self._ended: dict[Terms, Trial] = {}  # of a call under way, as they end
        self._asked = 0.0  # full runs
        self._chosen: dict[str, str] = {}  # engines taken by one that chooses, and why
        self._told = ""  # the engine chosen last
        self.in_hand = 0  # trials in training

    @property
    def name(self) -> str:
        """That of the engine that trains."""
        return self._engine.name

    @property
    def engine(self) -> str:
        """The engine in words: where it chooses among others, which it took and why."""
        chosen = "; ".join(f"{name}: {reason}" for name, reason in self._chosen.items())
        return f"{self.name} ({chosen})" if chosen else self.name

    @property
    def trials(self) -> list[Trial]:
        """All so far, in the order they were asked for."""
        return list({**self._trials, **self._ended}.values())

    @property
    def known(self) -> int:
        """How many of the trials were not trained now."""
        return max(0, len(self.trials) - self._trained.count)

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
        """The ledger as an engine, for whoever trains in the sweep's name; see `Engine`.

        Returns:
            One trial per rate and seed.
        """
        trials = self._engine.train(
            task, lrs, seeds, steps, schedule=schedule, lost=lost, observer=observer
        )
        self._keep(trials)
        return trials

    def _keep(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            self._trials.setdefault(trial.terms, trial)
        self._ended.clear()

    def outcomes(self, runs: Sequence[Run]) -> list[Outcome]:
        """Train runs: the rates of one setting and horizon together, settings as the engine can.

        Returns:
            What came of each, in their order.
        """
        groups: dict[tuple[object, ...], list[Run]] = {}
        for run in runs:
            groups.setdefault((run.point.settings, run.steps, run.seeds), []).append(run)
        works = [self._work(same) for same in groups.values()]
        losses: dict[Run, float] = {}
        trained = train_all(self._engine, works, observer=self)
        for same, trials in zip(groups.values(), trained, strict=True):
            self._keep(trials)
            for run in same:
                ended = [trial.final_loss for trial in trials if trial.lr == run.point.lr]
                losses[run] = _mean(ended)
        self._asked += cost_of(runs, self._task.horizon)
        return [Outcome(run, losses[run]) for run in runs]

    def _work(self, runs: Sequence[Run]) -> Work:
        first = runs[0]
        return Work(
            task=self._task,  # what engines know of a task they know of the object
            lrs=list(dict.fromkeys(run.point.lr for run in runs)),
            seeds=first.seeds,
            steps=first.steps,
            name=_stage_name(first),
            settings=dict(first.point.settings),
        )

    @property
    def asked(self) -> float:
        """What was asked for so far, in full runs, had all of it gone to its end."""
        return self._asked

    def stage(self, name: str, lrs: Sequence[float], steps: int) -> None:
        """A stage begins."""
        self._observer.stage(name, lrs, steps)

    def engine_chosen(self, engine: str, reason: str) -> None:
        """An engine was chosen; said again only where it is another than before."""
        self.in_hand = 0  # where batching was given up, all begin anew
        self._chosen.setdefault(engine, reason)
        if engine != self._told:
            self._told = engine
            self._observer.engine_chosen(engine, reason)

    def waiting(self, trials: int) -> None:
        """Others train what is left."""
        self._observer.waiting(trials)

    def trial_started(self, lr: float, seed: int, steps: int) -> None:
        """A trial begins."""
        self.in_hand += 1
        self._observer.trial_started(lr, seed, steps)

    def stepped(self, lr: float, step: int, loss: float) -> None:
        """A step was made."""
        self._observer.stepped(lr, step, loss)

    def trial_ended(self, trial: Trial) -> None:
        """A trial ended: it is kept, so that an interruption loses only the one in hand."""
        self.in_hand -= 1
        self._ended[trial.terms] = trial
        self._observer.trial_ended(trial)
        if self.expected is not None:
            done = sum(known.steps for known in self.trials) / self._task.horizon
            self._observer.spent(min(done, self.expected), self.expected)


def _stage_name(run: Run) -> str:
    settings = ", ".join(f"{name} {value:g}" for name, value in run.point.settings)
    return settings or "trials"


def _mean(losses: Sequence[float]) -> float:
    """The mean; inf where a trial was lost: one seed that diverges makes a rate unsafe."""
    mean = math.fsum(losses) / len(losses)
    return mean if math.isfinite(mean) else math.inf
