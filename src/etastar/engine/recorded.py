"""An engine that remembers: trials it has seen are answered, not trained again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from etastar.engine.contract import Engine, Lost, Work, shape_of, train_all
from etastar.engine.divided import Renewing, divide, one_by_one
from etastar.engine.memory import Claims, Memory, Shared
from etastar.engine.progress import Observer
from etastar.records import Terms, Trial
from etastar.schedules import Schedule
from etastar.tasks import Task


class Recorded:
    """Answers what its memory holds, trains the rest with another engine, and keeps that.

    Every trial is kept as it ends, before anyone is told, so a killed process loses the trial
    in hand alone, and the same call again goes on where it stopped. Observers hear of answered
    trials as of trained ones, with a start and an end but no steps between, so a search that
    resumes sees what it saw.

    A trial that diverged is a result like one that finished: both are answered. One that was
    stopped by `lost` is answered only where this call's `lost`, asked anew along the recorded
    losses, stops it at the same step; else it is trained. A trial that ran to its end is
    answered even where `lost` would have stopped it: more is known than was asked.

    Args:
        engine: trains what is missing.
        memory: holds the trials of the task that will be trained, and of no other.
    """

    def __init__(self, engine: Engine, memory: Memory) -> None:
        self._engine = engine
        self._memory = memory

    @property
    def name(self) -> str:
        """That of the engine that trains."""
        return self._engine.name

    @property
    def trainer(self) -> Engine:
        """The engine that trains; for trials of another task, which the memory must not hold."""
        return self._engine

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
        """Train the task at every rate with every seed, as far as it is not known; see `Engine`.

        Returns:
            One trial per rate and seed: rates in the order given, seeds within each.
        """
        shape = shape_of(task, lrs, seeds, steps, schedule)
        work = Work(task, lrs, seeds, steps)
        asked = _terms(work, shape)

        def train(engine: Engine, wanted: Sequence[Terms], hearing: Observer) -> dict[Terms, Trial]:
            trained: dict[Terms, Trial] = {}
            for block in _blocks(work, wanted):
                trials = engine.train(
                    task, block.lrs, block.seeds, steps, schedule=shape, lost=lost, observer=hearing
                )
                trained |= zip(_terms(block, shape), trials, strict=True)
            return trained

        watching = observer or Observer()
        found = self._found(dict.fromkeys(asked, work), train, lost, watching)
        return [found[terms] for terms in asked]

    def train_all(
        self, works: Sequence[Work], *, observer: Observer | None = None
    ) -> list[list[Trial]]:
        """Train several works, as far as they are not known; see `TrainsTogether`.

        Returns:
            The trials of each.
        """
        shapes = [shape_of(work.task, work.lrs, work.seeds, work.steps, None) for work in works]
        asked = [_terms(work, shape) for work, shape in zip(works, shapes, strict=True)]
        origin: dict[Terms, Work] = {}
        for work, each in zip(works, asked, strict=True):
            for terms in each:
                origin.setdefault(terms, work)

        def train(engine: Engine, wanted: Sequence[Terms], hearing: Observer) -> dict[Terms, Trial]:
            of_work: dict[int, list[Terms]] = {}
            for terms in wanted:
                of_work.setdefault(id(origin[terms]), []).append(terms)
            blocks = [
                (block, shape)
                for work, shape in zip(works, shapes, strict=True)
                for block in _blocks(work, of_work.pop(id(work), []))
            ]
            trained = train_all(engine, [block for block, _ in blocks], observer=hearing)
            found: dict[Terms, Trial] = {}
            for (block, shape), trials in zip(blocks, trained, strict=True):
                found |= zip(_terms(block, shape), trials, strict=True)
            return found

        found = self._found(origin, train, None, observer or Observer())
        return [[found[terms] for terms in each] for each in asked]

    def _found(
        self,
        origin: Mapping[Terms, Work],
        train: Callable[[Engine, Sequence[Terms], Observer], dict[Terms, Trial]],
        lost: Lost | None,
        observer: Observer,
    ) -> dict[Terms, Trial]:
        """All trials, those that the memory does not answer trained now."""

        def known(wanted: Iterable[Terms]) -> dict[Terms, Trial]:
            answers = recall(self._memory, wanted, lost)
            for trial in answers.values():
                observer.trial_started(trial.lr, trial.seed, trial.steps)
                observer.trial_ended(trial)
            return answers

        found = known(origin)
        missing = [terms for terms in origin if terms not in found]
        claims = self._memory.claims() if isinstance(self._memory, Shared) else None
        keeping = _Keeping(self._memory, observer, claims)

        if not missing:
            return found
        if claims is None:
            return found | train(self._engine, missing, keeping)
        works = list({id(origin[terms]): origin[terms] for terms in missing}.values())
        alone = one_by_one(self._engine, works, keeping)
        return found | divide(
            missing,
            None if alone is None else 1,
            claims,
            known=known,
            train=lambda wanted: train(alone or self._engine, wanted, keeping),
            observer=observer,
        )


def recall(memory: Memory, wanted: Iterable[Terms], lost: Lost | None = None) -> dict[Terms, Trial]:
    """What a memory answers.

    Args:
        memory: that holds trials.
        wanted: which of them.
        lost: what would stop a trial in training; see `Recorded`.

    Returns:
        The trials it answers.
    """
    held = {
        terms: memory.get(terms.lr, terms.seed, terms.steps, terms.shape, dict(terms.settings))
        for terms in wanted
    }
    return {terms: trial for terms, trial in held.items() if trial and _answers(trial, lost)}


class _Keeping(Observer):
    """Keeps every trial that ends, and tells the other observer all it hears."""

    def __init__(self, memory: Memory, observer: Observer, claims: Claims | None) -> None:
        self._memory = memory
        self._observer = observer
        self._renewing = Observer() if claims is None else Renewing(claims)

    def stage(self, name: str, lrs: Sequence[float], steps: int) -> None:
        self._observer.stage(name, lrs, steps)

    def engine_chosen(self, engine: str, reason: str) -> None:
        self._observer.engine_chosen(engine, reason)

    def trial_started(self, lr: float, seed: int, steps: int) -> None:
        self._observer.trial_started(lr, seed, steps)

    def stepped(self, lr: float, step: int, loss: float) -> None:
        self._renewing.stepped(lr, step, loss)
        self._observer.stepped(lr, step, loss)

    def trial_ended(self, trial: Trial) -> None:
        self._memory.add(trial)
        self._observer.trial_ended(trial)

    def waiting(self, trials: int) -> None:
        self._observer.waiting(trials)

    def spent(self, cost: float, budget: float) -> None:
        self._observer.spent(cost, budget)

    def finished(self) -> None:
        self._observer.finished()


def _answers(held: Trial, lost: Lost | None) -> bool:
    """Whether a recorded trial is what training would give.

    Returns:
        False for one stopped earlier than `lost` would, or later.
    """
    if held.status != "stopped":
        return True
    if lost is None:
        return False
    losses: list[float] = []
    for loss in held.curve.losses.tolist():
        losses.append(loss)
        if lost(losses, held.steps):
            return len(losses) == len(held.curve)
    return False


def _terms(work: Work, shape: Schedule) -> list[Terms]:
    """The terms of a work's trials, in their order."""
    settings = work.tuned.settings
    return [Terms.of(lr, seed, work.steps, shape.fingerprint, settings) for lr, seed in work.pairs]


def _blocks(work: Work, wanted: Sequence[Terms]) -> list[Work]:
    """A work's trials as few works as can be, so that an engine gets many at once.

    Returns:
        Works of rates that miss the same seeds.
    """
    missing: dict[float, dict[int, None]] = {}
    for terms in wanted:
        missing.setdefault(terms.lr, {})[terms.seed] = None
    blocks: dict[tuple[int, ...], list[float]] = {}
    for lr, seeds in missing.items():
        blocks.setdefault(tuple(seeds), []).append(lr)
    return [replace(work, lrs=lrs, seeds=list(seeds)) for seeds, lrs in blocks.items()]
