"""From what the belief says to what may be promised.

The belief's probabilities are too low on the development tasks of `benchmarks/`: it holds its
noise and its drift for wider than they are. `benchmarks/calibrate.py` fits the powers below
there, leaving out one family of tasks at a time; those in use are more cautious than any fit.
What no pilot can see is doubted beside that: where the full run goes over its data many times,
its held-out loss may turn up late.
"""

from __future__ import annotations

from etastar.finder.prior import worn

WITHIN_POWER, TIGHT_POWER = 0.6, 0.8
"""Powers that turn the belief's P(regret < 5 %) and P(regret < 1 %) into how often it is so."""

MOST_TIGHT = 0.8
"""No pilot of a shorter horizon makes a regret below 1 % surer than this."""

MOST_DOUBT = 0.25
"""The chance that training turns to overfit unseen, where the full run makes many passes."""


def promised(within: float, tight: float, passes: float | None) -> tuple[float, float]:
    """Calibrate the belief's probabilities.

    Args:
        within: its P(regret < 5 %).
        tight: its P(regret < 1 %).
        passes: over the training data in the full run; None where that is unknown, or nothing
            is held out to see the loss rise.

    Returns:
        Both, as they may be promised.
    """
    seen = 1.0 - doubt(passes)
    return seen * within**WITHIN_POWER, seen * min(tight**TIGHT_POWER, MOST_TIGHT)


def doubt(passes: float | None) -> float:
    """The chance that late overfitting spoils an answer that no pilot could see it in.

    Returns:
        0 where the data are fresh, `MOST_DOUBT` where they are worn.
    """
    return MOST_DOUBT * worn(passes)
