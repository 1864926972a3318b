"""How long a step takes, alone and batched: timed on the task itself, within an allowance."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from etastar.engine.vectorized.batched import BatchedTask
from etastar.engine.vectorized.engine import chunk
from etastar.engine.vectorized.optimizer import kind_of
from etastar.engine.vectorized.proof import Proof
from etastar.training.live import LiveTask

ALONE = 0
"""What the step of a single trial in the usual loop goes by, where others go by their slices."""

SMALL, LARGE = 2, 8
"""The larger number of slices is timed first; with the smaller it tells what still more would
take, since a batched step costs a fixed part and a part per slice."""

WIDER = 4
"""Then so many times more, as long as that is faster for each of them."""

GAIN = 1.05
"""What counts as faster; less is left to chance."""

BOLD = 1.25
"""Where more slices are dear to try, they are taken untried if they promise at least this."""

ENOUGH = 3
"""Times a look takes after a first step, which warms up. The best counts, since whatever else runs
only makes a step slower; each is the median of steps of `LARGE` slices together at least, or short
ones would be luckier."""

ROUNDS = ((4.0, 2), (2.0, 4))
"""How often two ways are looked at in turns where they come out within such a factor: what disturbs
one look shall not decide. Once where they are farther apart."""

AGAIN = 2
"""How often two numbers of slices are looked at, to tell which is better."""

AFFORDABLE = 1 / 25
"""The share of the training that all timing may take, in steps and in time; the first look at each
way is taken in any case."""

SHARE = 1 / 8
"""The share of that which one look may take, beyond a first step."""


@dataclass
class Timings:
    """What is known of a task's steps.

    Attributes:
        seconds: the shortest step by the number of slices; see `ALONE`.
        looks: how often each was looked at.
        warm: those of which not only first steps were timed.
    """

    seconds: dict[int, float] = field(default_factory=dict[int, float])
    looks: Counter[int] = field(default_factory=Counter[int])
    warm: set[int] = field(default_factory=set[int])

    def of(self, size: int) -> float | None:
        """Seconds of a step.

        Args:
            size: slices.

        Returns:
            As timed, or in line between a smaller number and a larger one; None outside them.
        """
        if size in self.seconds:
            return self.seconds[size]
        below = max((known for known in self.seconds if ALONE < known < size), default=None)
        above = min((known for known in self.seconds if known > size), default=None)
        if below is None or above is None:
            return None
        share = (size - below) / (above - below)
        return (1 - share) * self.seconds[below] + share * self.seconds[above]

    def note(self, size: int, seconds: float, *, warm: bool) -> None:
        """Add what a look found.

        Args:
            size: slices.
            seconds: of the shortest step.
            warm: whether it was not only the first.
        """
        self.warm |= {size} if warm else set()
        self.seconds[size] = min(seconds, self.seconds.get(size, seconds))
        self.looks[size] += 1


class Race:
    """Times steps of one live task in both ways.

    Args:
        live: the task.
        proof: that it can be batched.
        lr: the rate of all steps: a low one, since a diverged model may take other times.
        settings: of the optimizer, for every trial of a seed.
        timings: what is known of the task; more is noted there.
    """

    def __init__(
        self,
        live: LiveTask,
        proof: Proof,
        lr: float,
        settings: Sequence[Mapping[str, float]],
        timings: Timings,
    ) -> None:
        self._live = live
        self._proof = proof
        self._lr = lr
        self._settings = sorted(settings, key=kind_of)  # as they are trained
        self._timings = timings
        self._allowance = self._left = 0.0
        self._took: dict[int, float] = {}  # a look, by the number of slices

    def run(self, count: int, steps: int, memory: float | None) -> tuple[float, int]:
        """Find the best width, and what it gains.

        Args:
            count: trials to be trained.
            steps: of each of them.
            memory: bytes, as given to the engine.

        Returns:
            The time of the sequential engine over that of the vectorized one, and how many
            slices that one trains together.
        """
        self._allowance = self._left = AFFORDABLE * count * steps
        self._live.begin(0)
        fits = chunk(self._live, self._proof.bytes_under(self._settings), count, memory)
        first = min(LARGE, fits)
        self._ratio(ALONE, first, 1)
        if first not in self._timings.warm and 4 * _cost(first) <= self._allowance:
            self._look(first, least=1)  # so far a first step, which is slower
        width, each = self._widest(first, fits)
        tried = max(size for size in self._timings.seconds if size <= width)
        share = each / self._each(tried)
        gain = self._each(ALONE) / each
        for factor, rounds in ROUNDS:
            if 1 / factor < gain < factor:
                gain = self._ratio(ALONE, tried, rounds) / share
        return gain, width

    def _widest(self, width: int, fits: int) -> tuple[int, float]:
        """Go to more slices as long as each of them gains.

        Args:
            width: slices to begin with.
            fits: the most there is room for.

        Returns:
            The number of slices, and the seconds of a step for each.
        """
        while width < fits:
            wider = min(WIDER * width, fits)
            dear = 2 * _cost(wider) + _cost(ALONE) > self._left
            if dear and self._timings.of(wider) is None:
                promised = self._promised(width, fits)
                alone, each = self._each(ALONE), self._each(width)
                if promised * BOLD > each:
                    break
                if each < alone:
                    return fits, promised
                if promised > alone:
                    break
                wider = fits  # a promise alone does not decide between the two ways
            if self._ratio(wider, width, AGAIN) * GAIN > 1:
                break
            width = wider
        return width, self._each(width)

    def _promised(self, large: int, width: int) -> float:
        """Seconds of a step for each of `width` slices, in line with those of fewer.

        Args:
            large: the most that were timed.
            width: more than them.

        Returns:
            Seconds.
        """
        small = max((size for size in self._timings.seconds if ALONE < size < large), default=SMALL)
        promised = 0.0
        for looks in range(1, AGAIN + 1):  # a disturbed look at the smaller would promise much
            if promised * BOLD < self._each(large) and self._timings.looks[small] < looks:
                self._look(small)
            fewer, seconds = self._timings.seconds[small], self._timings.seconds[large]
            slope = max(seconds - fewer, 0.0) / (large - small)
            promised = (seconds + slope * (width - large)) / width
        return promised

    def _ratio(self, one: int, other: int, rounds: int) -> float:
        """Seconds of a slice's step at `one` number of slices over those at `other`.

        Args:
            one: looked at first in every round.
            other: looked at then.
            rounds: how often each is looked at, as far as that is affordable; once in any case,
                unless it is known.

        Returns:
            Their ratio.
        """
        for done in range(rounds):
            # one whose steps were all the first of a look needs another most
            for size in sorted((one, other), key=self._timings.warm.__contains__):
                if self._timings.looks[size] <= done and not self._spared(size):
                    self._look(size)
        return self._each(one) / self._each(other)

    def _spared(self, size: int) -> bool:
        """Whether steps of that size are known, and dear to time or in line with others."""
        known = self._timings.of(size) is not None
        between = size not in self._timings.seconds
        return known and (between or self._took.get(size, 2 * _cost(size)) > self._left)

    def _each(self, size: int) -> float:
        """Seconds of a step for each slice, of what is known."""
        seconds = self._timings.of(size)
        if seconds is None:
            raise RuntimeError(f"steps of {size} slices were not timed")
        return seconds / max(size, 1)

    def _look(self, size: int, least: int = 0) -> None:
        """Time a step a few times, as long as that is cheap, but so often after the first."""
        cost = _cost(size)
        more = max(least, int(min(ENOUGH, SHARE * self._allowance / cost)))
        began = time.perf_counter()
        self._live.begin(0)
        step = self._together(size) if size else self._alone
        ready = time.perf_counter()
        several = cost // max(size, 1)
        times = [_timed(step, 1 if more else several)]
        times += [_timed(step, several) for _ in range(more)]
        self._timings.note(size, min(times), warm=more > 0 or several > 1)
        # what it takes undisturbed, its preparation included, in steps of the usual loop
        steps = several * more + (1 if more else several)
        preparing = ready - began
        taken = (preparing + steps * min(times)) / self._timings.seconds[ALONE]
        self._took[size] = max(taken, steps * max(size, 1))
        self._left -= self._took[size]

    def _alone(self) -> None:
        self._live.step(self._lr)

    def _together(self, count: int) -> Callable[[], None]:
        given = self._settings
        spread = [given[place * len(given) // count] for place in range(count)]
        batched = BatchedTask(self._live, self._proof.moving, count, settings=spread)
        rates = np.full(count, self._lr)

        def step() -> None:
            _, gradients = batched.backward(batched.next_batches())
            batched.update(rates, gradients)

        return step


def _cost(size: int) -> int:
    """What a look takes.

    Args:
        size: slices.

    Returns:
        Steps of one slice.
    """
    return max(1, LARGE // max(size, 1)) * max(size, 1)


def _timed(step: Callable[[], None], times: int) -> float:
    """Seconds of a step, the median of some in a row."""
    found: list[float] = []
    _finish()
    for _ in range(times):
        began = time.perf_counter()
        step()
        _finish()
        found.append(time.perf_counter() - began)
    return float(np.median(found))


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
