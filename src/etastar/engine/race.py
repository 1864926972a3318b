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
"""Looks after a first one, which warms up. The best counts, since whatever else runs only makes a
step slower; a look takes `LARGE` steps of a slice at least, or short ones would be luckier."""

ENOUGH_ALONE = 1
"""The same for the single step, unless it comes out close: it may be the dearest by far."""

CLOSE = 2.0
"""Where the two ways come out closer than this factor, both are timed once more."""

AFFORDABLE = 1 / 25
"""The share of the training that all timing may take, in steps and in time; the first look at each
way is taken in any case."""

SHARE = 1 / 8
"""The share of that which one size may take, beyond a first step."""


@dataclass
class Timings:
    """What is known of a task's steps.

    Attributes:
        seconds: the shortest step by the number of slices; see `ALONE`.
        looks: how often each was looked at.
    """

    seconds: dict[int, float] = field(default_factory=dict[int, float])
    looks: Counter[int] = field(default_factory=Counter[int])

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

    def note(self, size: int, seconds: float, looks: int) -> None:
        """Add what was timed.

        Args:
            size: slices.
            seconds: of the shortest step.
            looks: how often it was looked at.
        """
        self.seconds[size] = min(seconds, self.seconds.get(size, seconds))
        self.looks[size] += looks


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
        each = self._proof.bytes_under(self._settings)
        fits = chunk(self._live, each, count, memory)
        alone = self._seconds(ALONE)
        width, each = self._widest(fits)
        if 1 / CLOSE < alone / each < CLOSE:
            tried = width if width in self._timings.seconds else min(LARGE, fits)
            before = self._seconds(tried)
            self._look_again(tried)
            alone, each = self._seconds(ALONE), each * self._seconds(tried) / before
        return alone / each, width

    def _widest(self, fits: int) -> tuple[int, float]:
        """Go to more slices as long as each of them gains.

        Args:
            fits: the most there is room for.

        Returns:
            The number of slices, and the seconds of a step for each.
        """
        width = min(LARGE, fits)
        each = self._seconds(width) / width
        while width < fits:
            wider = min(WIDER * width, fits)
            if self._timings.of(wider) is None and 2 * _cost(wider) > self._left:
                promised = self._extrapolated(width, fits)
                return (fits, promised) if promised * BOLD < each else (width, each)
            found = self._seconds(wider) / wider
            if found * GAIN > each:
                break
            width, each = wider, found
        return width, each

    def _extrapolated(self, large: int, width: int) -> float:
        """Seconds of a step for each of `width` slices, from fewer.

        Returns:
            Seconds.
        """
        sizes = [size for size in self._timings.seconds if ALONE < size < large]
        small = max(sizes, default=SMALL)
        seconds = self._seconds(large)
        slope = max(seconds - self._seconds(small), 0.0) / (large - small)
        return (seconds + slope * (width - large)) / width

    def _seconds(self, size: int) -> float:
        """Seconds of a step, timed if they are not known."""
        known = self._timings.of(size)
        if known is None:
            self._look(size, ENOUGH_ALONE if size == ALONE else ENOUGH)
        return self._timings.seconds[size] if known is None else known

    def _look_again(self, size: int) -> None:
        """Time a batched step and a single one once more, unless that was done or is dear."""
        dear = _cost(size) + _cost(ALONE) > self._left
        if self._timings.looks[size] <= 1 + ENOUGH and not dear:
            self._look(size, ENOUGH)
            self._look(ALONE, ENOUGH)

    def _look(self, size: int, most: int) -> None:
        """Time the first step, and up to so many more as long as they are cheap."""
        more = int(min(most, SHARE * self._allowance / _cost(size)))
        began = time.perf_counter()
        self._live.begin(0)
        step = self._together(size) if size else self._alone
        times = [_timed(step, _cost(size) // max(size, 1)) for _ in range(1 + more)]
        self._timings.note(size, min(times), len(times))
        # what it took, its preparation included, in steps of the usual loop
        taken = (time.perf_counter() - began) / self._timings.seconds[ALONE]
        self._left -= max(taken, _cost(size) * (1 + more))

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
    """Seconds of a step, the mean of some in a row."""
    _finish()
    began = time.perf_counter()
    for _ in range(times):
        step()
    _finish()
    return (time.perf_counter() - began) / times


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
