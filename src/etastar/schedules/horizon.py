"""Units of a run: steps, epochs, samples, tokens, or a share of it; resolved against a horizon.

A step is one applied update of the whole job, whatever the number of ranks and accumulated
batches: `samples_per_step` and `tokens_per_step` count what all of them consume together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from etastar.errors import ScheduleError

Unit = Literal["steps", "epochs", "samples", "tokens", "run"]

_DURATION = re.compile(r"\s*([0-9][0-9_.]*(?:e[+-]?[0-9]+)?)\s*(%|[a-z]+)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Duration:
    """An amount of training in a unit; `run` is the share of the whole run.

    Raises:
        ScheduleError: A negative amount, or a unit that is none.

    >>> str(Duration(0.05, "run")), str(Duration(3, "epochs"))
    ('5%', '3 epochs')
    """

    amount: float
    unit: Unit

    def __post_init__(self) -> None:
        if self.unit not in get_args(Unit):
            raise ScheduleError(
                f"the unit {self.unit!r} was given: choose one of {', '.join(get_args(Unit))}."
            )
        if not 0 <= self.amount < float("inf"):
            raise ScheduleError(f"{self.amount} {self.unit} was given: give 0 or more.")

    def __str__(self) -> str:
        if self.unit == "run":
            return f"{float(Fraction(str(self.amount)) * 100):g}%"
        return f"{self.amount:.12g} {self.unit}"


def epochs(amount: float) -> Duration:
    """So many passes over the data."""
    return Duration(amount, "epochs")


def samples(amount: float) -> Duration:
    """So many samples."""
    return Duration(amount, "samples")


def tokens(amount: float) -> Duration:
    """So many tokens."""
    return Duration(amount, "tokens")


def fraction(amount: float) -> Duration:
    """A share of the whole run; 1 is all of it."""
    return Duration(amount, "run")


def parse_duration(text: str) -> Duration:
    """A duration from its words.

    Returns:
        The duration.

    Raises:
        ScheduleError: The text is no amount and unit.

    >>> parse_duration("5%"), parse_duration("2e9 tokens")
    (Duration(amount=0.05, unit='run'), Duration(amount=2000000000.0, unit='tokens'))
    """
    match = _DURATION.fullmatch(text)
    unit = match[2].lower() if match else ""
    unit = unit if unit.endswith(("s", "%")) or unit == "run" else f"{unit}s"
    if match is None or unit not in {*get_args(Unit), "%"}:
        raise ScheduleError(
            f"{text!r} was given as a duration: write an amount and its unit, such as '5%', "
            "'3 epochs', '1e6 samples', '2e9 tokens' or '500 steps'."
        )
    amount = float(match[1])
    if unit == "%":
        return Duration(float(Fraction(match[1].replace("_", "")) / 100), "run")
    return Duration(amount, unit)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True, kw_only=True)
class Horizon:
    """The length of a run, and how its other units convert to steps.

    Give the length once: as steps, epochs, samples or tokens.

    Args:
        steps: Applied updates of the run.
        epochs: Passes over the data; needs `steps_per_epoch`.
        samples: Samples seen; needs `samples_per_step`.
        tokens: Tokens seen; needs `tokens_per_step`.
        steps_per_epoch: Applied updates in a pass: loader length / accumulated batches.
        samples_per_step: Samples in an update, of all ranks and accumulated batches.
        tokens_per_step: Tokens in an update, of all ranks and accumulated batches.

    Raises:
        ScheduleError: No length or two of them, a rate that is missing or not above 0.

    >>> horizon = Horizon(epochs=10, steps_per_epoch=50, samples_per_step=64)
    >>> horizon.total, horizon.count(fraction(0.05)), horizon.count(samples(640))
    (500, 25, 10)
    """

    steps: int | None = None
    epochs: float | None = None
    samples: float | None = None
    tokens: float | None = None
    steps_per_epoch: float | None = None
    samples_per_step: float | None = None
    tokens_per_step: float | None = None

    def __post_init__(self) -> None:
        for name in ("steps_per_epoch", "samples_per_step", "tokens_per_step"):
            rate = getattr(self, name)
            if rate is not None and not 0 < rate < float("inf"):
                raise ScheduleError(f"Horizon was given {name}={rate}: give a number above 0.")
        lengths = [self.steps, self.epochs, self.samples, self.tokens]
        if sum(length is not None for length in lengths) != 1:
            raise ScheduleError(
                f"Horizon was given steps={self.steps}, epochs={self.epochs}, "
                f"samples={self.samples} and tokens={self.tokens}: give the length once."
            )
        if self.total < 1:
            raise ScheduleError(f"Horizon was given a run of {self.total} steps: give 1 or more.")

    @property
    def total(self) -> int:
        """The length of the run in steps."""
        for unit in ("steps", "epochs", "samples", "tokens"):
            amount = getattr(self, unit)
            if amount is not None:
                return round(self.exact(Duration(amount, unit)))
        return 0

    def exact(self, duration: Duration) -> Fraction:
        """The steps in a duration, not rounded.

        Returns:
            An exact fraction.

        Raises:
            ScheduleError: The unit's rate is not known.
        """
        amount = Fraction(str(duration.amount))
        if duration.unit == "steps":
            return amount
        if duration.unit == "run":
            return amount * self.total
        name = {
            "epochs": "steps_per_epoch",
            "samples": "samples_per_step",
            "tokens": "tokens_per_step",
        }[duration.unit]
        rate = getattr(self, name)
        if rate is None:
            raise ScheduleError(
                f"{duration} was given and the horizon has no {name}: add {name}=… to it."
            )
        rate = Fraction(str(rate))
        return amount * rate if duration.unit == "epochs" else amount / rate

    def count(self, duration: Duration) -> int:
        """The whole steps in a duration: rounded, and at least 1 of what is not nothing."""
        exact = self.exact(duration)
        return max(round(exact), 1) if exact > 0 else 0
