"""The ledger: every trial that ended, and what all of it cost."""

from __future__ import annotations

from collections.abc import Sequence

from etastar.engine import Observer
from etastar.records import Trial


class Ledger(Observer):
    """Keeps trials as they end, so that an interruption loses only the one in hand.

    Passes everything on to the observer behind it.

    Args:
        observer: told what the ledger is told, and what is spent.
        budget: in full runs.
    """

    def __init__(self, observer: Observer, budget: float) -> None:
        self.budget = budget
        self.trials: list[Trial] = []
        self.full_run = float("inf")  # sample gradients of one full run; known after a first look
        self.again = 0  # trials that were known already
        self._spent = 0.0
        self._saved = 0.0
        self._observer = observer

    @property
    def cost(self) -> float:
        """What all of it takes, in full runs, whether it was trained now or known already.

        The budget is held against it, so that a search which goes on ends where it would have.
        """
        return self._spent / self.full_run

    @property
    def anew(self) -> float:
        """What was spent now, in full runs."""
        return (self._spent - self._saved) / self.full_run

    @property
    def left(self) -> float:
        """What may still be spent, in full runs."""
        return self.budget - self.cost

    def pay(self, sample_gradients: float, *, anew: bool = True) -> None:
        """Count work; not as spent now where it was known already."""
        self._spent += sample_gradients
        self._saved += 0.0 if anew else sample_gradients
        self._observer.spent(self.cost, self.budget)

    def recalled(self, trial: Trial) -> None:
        """Say of the trial that ended last that it was known already."""
        self.again += 1
        self._saved += trial.sample_gradients

    def stage(self, name: str, lrs: Sequence[float], steps: int) -> None:
        """A stage begins."""
        self._observer.stage(name, lrs, steps)

    def engine_chosen(self, engine: str, reason: str) -> None:
        """An engine was chosen."""
        self._observer.engine_chosen(engine, reason)

    def waiting(self, trials: int) -> None:
        """Others train what is left."""
        self._observer.waiting(trials)

    def trial_started(self, lr: float, seed: int, steps: int) -> None:
        """A trial begins."""
        self._observer.trial_started(lr, seed, steps)

    def stepped(self, lr: float, step: int, loss: float) -> None:
        """A step was made."""
        self._observer.stepped(lr, step, loss)

    def trial_ended(self, trial: Trial) -> None:
        """A trial ended: it is kept and paid for."""
        self.trials.append(trial)
        self._observer.trial_ended(trial)
        self.pay(trial.sample_gradients)

    def finished(self) -> None:
        """The work is over."""
        self._observer.finished()
