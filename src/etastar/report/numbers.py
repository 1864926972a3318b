"""Numbers as people read them."""

from __future__ import annotations

import math


def rate(lr: float) -> str:
    """A learning rate with three digits.

    Returns:
        Its text.

    >>> rate(0.0123456), rate(1e-5), rate(2.0)
    ('0.0123', '1e-05', '2')
    """
    return f"{lr:.3g}"


def curvature(value: float) -> str:
    """A sharpness, which may span many decades.

    Returns:
        Its text.

    >>> curvature(0.3581), curvature(2136.9), curvature(4e15)
    ('0.358', '2,137', '4e+15')
    """
    return f"{value:,.0f}" if 1e3 <= value < 1e7 else f"{value:.3g}"


def span(low: float, high: float) -> str:
    """A stretch of learning rates.

    Returns:
        Its text.

    >>> span(0.01, 0.03)
    '0.01 to 0.03'
    """
    return f"{rate(low)} to {rate(high)}"


def loss(value: float) -> str:
    """A loss with four digits, or the word for what is no number.

    Returns:
        Its text.

    >>> loss(0.123456), loss(float("nan")), loss(float("inf"))
    ('0.1235', 'not finite', 'not finite')
    """
    return f"{value:.4g}" if math.isfinite(value) else "not finite"


def runs(cost: float) -> str:
    """A cost in full runs.

    Returns:
        Its text.

    >>> runs(1.314), runs(1.0), runs(1440.0)
    ('1.31 full runs', '1 full run', '1,440 full runs')
    """
    number = f"{cost:.3g}" if cost < 999.5 else f"{cost:,.0f}"
    return f"{number} full run{'' if number == '1' else 's'}"


def duration(seconds: float) -> str:
    """A time in the unit that suits it.

    Returns:
        Its text.

    >>> duration(0.25), duration(12.4), duration(190), duration(7500)
    ('0.25 s', '12 s', '3 min 10 s', '2 h 5 min')
    """
    if seconds < 10:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def count(number: int, thing: str) -> str:
    """A number of things.

    Returns:
        Its text.

    >>> count(1, "trial"), count(12345, "step")
    ('1 trial', '12,345 steps')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
