"""The course of a search: which pilot comes next, given all that was seen."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from etastar.engine import Lost
from etastar.finder.answer import FEWEST
from etastar.finder.belief import Belief
from etastar.finder.calibration import doubt
from etastar.finder.decide import SURE, decide
from etastar.finder.ladder import Rung, ladder
from etastar.finder.pilots import next_rate
from etastar.finder.prior import Prior
from etastar.finder.scale import Scale, trained
from etastar.finder.slow import too_slow
from etastar.finder.surrogate import believe
from etastar.records import Trial

ALIKE = 1.2
"""Evidence stands for a rung's pilots from this factor below the rung's horizon on."""

SURE_TIGHT = 0.6
"""P(regret < 1 %) from which nothing more is spent, where nothing unseen is doubted."""

LONGER = 2.0
"""A pilot that is to show the drift is so many times as long as the longest before."""

WORTHWHILE = 1.4
"""Where the budget does not pay for that, it must pay for this at least."""

CLOSE = 1.5
"""The two best are told apart by noise where they differ by fewer standard deviations."""


@dataclass(frozen=True)
class Pilot:
    """What is to be trained next."""

    lr: float
    seed: int
    steps: int
    lost: Lost | None  # stops it where it is clearly too slow


@dataclass(frozen=True)
class Setting:
    """What a search knows of its task before any pilot."""

    horizon: int
    seed: int
    start: float  # the loss before any training
    edge: float  # where the range test lost its footing, or the highest rate it tried
    prior: Prior
    passes: float | None  # over the training data, see `calibration.promised`
    evaluation: float  # what judging one pilot costs, in steps
    full_run: float  # sample gradients of one


class Course:
    """The pilots of one search, one after another.

    What comes next follows from what was seen alone, so a search that is repeated over recorded
    trials asks for the same ones.

    Args:
        setting: of the search.
        budget: what the pilots may cost, in full runs.
        evidence: trials from before; they cost nothing.
        trials: those asked for so far; whoever runs the course adds to them.
    """

    def __init__(
        self, setting: Setting, budget: float, evidence: Sequence[Trial], trials: list[Trial]
    ) -> None:
        self._known = setting
        self._budget = budget
        self._evidence = list(evidence)
        self._trials = trials

    def pilots(self) -> Generator[Pilot]:
        """Climb the ladder, then spend where it is unsure.

        Yields:
            A pilot to be trained, and its trial added, before the next is asked for.
        """
        rungs = ladder(self._known.horizon, self._budget, self._known.evaluation)
        for rung in rungs:
            yield from self._climb(rung, longest=rung is rungs[-1])
        while (pilot := self._unsure()) is not None:
            yield pilot

    @property
    def seen(self) -> list[Trial]:
        """The evidence and the trials so far."""
        return [*self._evidence, *self._trials]

    @property
    def _left(self) -> float:
        """Steps the budget still pays for."""
        spent = sum(trial.sample_gradients for trial in self._trials) / self._known.full_run
        return (self._budget - spent) * self._known.horizon

    def _pays(self, steps: float, pilots: int = 1) -> bool:
        return pilots * (steps + self._known.evaluation) <= self._left

    def _climb(self, rung: Rung, *, longest: bool) -> Generator[Pilot]:
        """The pilots of one rung, as far as the budget goes and the evidence does not.

        Evidence of any seed stands for them, but on the longest rung that of this seed alone.

        Yields:
            Each.
        """
        known = [
            trial
            for trial in self._evidence
            if trial.measured
            and trial.steps * ALIKE >= rung.steps
            and (trial.seed == self._known.seed or not longest)
        ]
        for _ in range(rung.pilots - len(known)):
            pilot = self._at(rung.steps) if self._pays(rung.steps) else None
            if pilot is None:
                return
            yield pilot

    def _unsure(self) -> Pilot | None:
        """The pilot that tells most where the answer is not sure yet.

        Where most of the doubt is in how the optimum drifts beyond the longest pilots, a longer
        one; where noise hides which of the two best is better, another seed of both; else one
        more at the longest horizon.

        Returns:
            None once it is sure, or where the budget pays for none of them.
        """
        known, seen = self._known, self.seen
        belief = believe(seen, known.horizon, known.start, known.edge, known.prior)
        if belief is None or self._sure(belief):
            return None
        longest = belief.longest
        drift = belief.spread(known.horizon) ** 2 - belief.spread(longest) ** 2
        if longest < known.horizon and drift > belief.spread(longest) ** 2:
            affordable = int(self._left / 2 - known.evaluation)  # one alone shows no bottom
            longer = min(int(LONGER * longest), known.horizon, affordable)
            if longer >= min(WORTHWHILE * longest, known.horizon):
                pilot = self._at(longer)
                if pilot is not None:
                    return pilot
        return self._second_seed(belief) or (self._at(longest) if self._pays(longest) else None)

    def _sure(self, belief: Belief) -> bool:
        useful = [t.lr for t in self.seen if trained(t, self._known.start)]
        decision = decide(belief, useful, self._known.passes)
        enough = SURE_TIGHT * (1 - doubt(self._known.passes))
        return (
            len(useful) >= FEWEST
            and decision.confidence >= SURE
            and decision.confidence_tight >= enough
        )

    def _second_seed(self, belief: Belief) -> Pilot | None:
        """Another seed at the two best rates of the longest horizon, where noise decides.

        Returns:
            The first of them that is still to be trained.
        """
        known, longest = self._known, belief.longest
        own = [t for t in self.seen if t.steps == longest and t.seed == known.seed and t.measured]
        if len(own) < 3:
            return None
        scale = Scale.of(self.seen, known.start)
        best = sorted(own, key=lambda trial: trial.final_loss)[:2]
        apart = float(scale.forward(best[1].final_loss) - scale.forward(best[0].final_loss))
        if apart > CLOSE * float(belief.mean(belief.noise)):
            return None
        other = known.seed + 1
        held = {t.lr for t in self.seen if t.steps == longest and t.seed == other}
        missing = [trial.lr for trial in best if trial.lr not in held]
        if not missing or not self._pays(longest, len(missing)):
            return None
        return self._pilot(missing[0], other, longest)

    def _at(self, steps: int) -> Pilot | None:
        known = self._known
        lr = next_rate(
            self.seen,
            steps,
            horizon=known.horizon,
            start=known.start,
            edge=known.edge,
            prior=known.prior,
        )
        return None if lr is None else self._pilot(lr, known.seed, steps)

    def _pilot(self, lr: float, seed: int, steps: int) -> Pilot:
        return Pilot(lr, seed, steps, too_slow(self.seen, lr, seed, steps))
