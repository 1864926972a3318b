"""What long work tells whoever watches it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etastar.records import Trial


class Observer:
    """Hears what is running; every method does nothing here. Override what you show.

    Observers look and never steer: the numbers are the same whoever watches.
    """

    def stage(self, name: str, lrs: Sequence[float], steps: int) -> None:
        """A stage begins: `lrs` will each be trained for `steps` updates (a range test: one)."""

    def engine_chosen(self, engine: str, reason: str) -> None:
        """What trains next was chosen: the engine's name, and why in words."""

    def trial_started(self, lr: float, seed: int, steps: int) -> None:
        """A trial begins."""

    def stepped(self, lr: float, step: int, loss: float) -> None:
        """Step `step` of the current trial measured `loss` at rate `lr`."""

    def trial_ended(self, trial: Trial) -> None:
        """A trial ended: finished, diverged or stopped."""

    def waiting(self, trials: int) -> None:
        """Nothing is left to do but wait for so many trials that other processes are training."""

    def spent(self, cost: float, budget: float) -> None:
        """So much is spent so far, and may be spent in all, in full runs."""

    def finished(self) -> None:
        """The work is over, however it ended."""
