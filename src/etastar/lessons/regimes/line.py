"""A line fitted by full-batch gradient descent: the problem whose every number is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etastar.lessons.regimes.rule import MARK, epochs_to_converge, regime_of
from etastar.records.lessons import Descent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etastar.records import Regime

    Floats = NDArray[np.float64]

RATES = (0.01, 0.1, 0.7, 0.99, 1.01)
EPOCHS = 100
LONGEST = 20_000
"""Epochs after which a descent that has not converged is said never to."""

_POINTS = 48
_SCATTER = 0.25
_MINIMUM = (1.2, 1.8)


@dataclass(frozen=True)
class Line:
    """Points around a line, and the loss mean((intercept + slope·x − y)²) over (intercept, slope).

    As mean(x) = 0 the loss is lowest + ½·Σ curvature·distance², one distance per weight.
    """

    x: Floats  # (N,)
    y: Floats  # (N,)
    minimum: Floats  # (2,)
    curvatures: Floats  # (2,)
    lowest: float

    @property
    def edge(self) -> float:
        """The rate above which every descent diverges."""
        return float(2 / self.curvatures.max())

    @property
    def best(self) -> float:
        """The constant rate whose slowest weight is fastest."""
        return float(2 / (self.curvatures.min() + self.curvatures.max()))

    def loss(self, weights: Floats) -> Floats:
        """The mean squared error at `weights` (..., 2), computed from the points."""
        return np.mean(self._errors(weights) ** 2, axis=-1)

    def gradient(self, weights: Floats) -> Floats:
        """Its gradient, computed from the points, (..., 2)."""
        errors = self._errors(weights)
        return 2 * np.stack([errors.mean(axis=-1), (errors * self.x).mean(axis=-1)], axis=-1)

    def _errors(self, weights: Floats) -> Floats:
        return weights[..., :1] + weights[..., 1:] * self.x - self.y


def line(seed: int = 0) -> Line:
    """Points in the middles of equal cells of [-1, 1], so that mean(x) = 0 and mean(x²) ≈ 1/3.

    Their scatter is made orthogonal to both weights: the least-squares line is known exactly.

    Args:
        seed: of the scatter, which neither curvature nor path depends on.

    Returns:
        The problem.
    """
    x = (2 * np.arange(_POINTS) + 1) / _POINTS - 1
    scatter = np.random.default_rng(seed).normal(0.0, _SCATTER, _POINTS)
    scatter -= scatter.mean()
    scatter -= x * (scatter @ x) / (x @ x)
    return Line(
        x=x,
        y=_MINIMUM[0] + _MINIMUM[1] * x + scatter,
        minimum=np.array(_MINIMUM),
        curvatures=np.array([2.0, 2.0 * float(np.mean(x**2))]),
        lowest=float(np.mean(scatter**2)),
    )


def descend(problem: Line, lr: float, epochs: int = EPOCHS) -> Descent:
    """Fit the line from (0, 0), one step of gradient descent per epoch.

    Args:
        problem: the points.
        lr: the rate.
        epochs: how many are recorded; the descent goes on beyond, up to `LONGEST`, to see
            whether it ever converges.

    Returns:
        What happened.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        path, losses = (part[:, 0] for part in walk(problem, np.array([lr]), epochs))
        regime = regime_of(losses, problem.lowest)
        observed = epochs_to_converge(losses[::2], problem.lowest)
        if observed is None and regime != "diverging":
            observed = _further(problem, lr, path[-1], epochs, MARK * (losses[0] - problem.lowest))
    return Descent(
        lr=lr,
        regime=regime,
        intercepts=path[:, 0],
        slopes=path[:, 1],
        losses=losses,
        predicted_epochs=predicted_epochs(problem, lr),
        observed_epochs=observed,
    )


def regimes_at(problem: Line, lrs: Floats, epochs: int = EPOCHS) -> list[Regime]:
    """Descend at every rate, and name each by its curve.

    Returns:
        A regime per rate.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        _, losses = walk(problem, lrs, epochs)
        return [regime_of(curve, problem.lowest) for curve in losses.T]


def walk(problem: Line, lrs: Floats, epochs: int) -> tuple[Floats, Floats]:
    """Descend at all rates at once.

    Returns:
        The weights at every epoch, (E+1, R, 2), and the losses at every half epoch, (2E+1, R).
    """
    weights = np.zeros((len(lrs), 2))
    path, losses = [weights], [problem.loss(weights)]
    for _ in range(epochs):
        step = -lrs[:, None] * problem.gradient(weights)
        losses += [problem.loss(weights + step / 2), problem.loss(weights + step)]
        weights = weights + step
        path.append(weights)
    return np.array(path), np.array(losses)


def predicted_epochs(problem: Line, lr: float) -> int | None:
    """Epochs to converge from (0, 0), foretold without a step.

    Every step multiplies the distance along each weight by 1 − lr·curvature, so the loss above
    the lowest is a sum of two geometric sequences.

    Returns:
        The number; None at and above the edge, where it never converges.
    """
    factors = (1 - lr * problem.curvatures) ** 2
    if factors.max() >= 1:
        return None
    shares = problem.curvatures * problem.minimum**2
    shares = shares / shares.sum()
    epochs = np.arange(LONGEST + 1)[:, None]
    there = (shares * factors**epochs).sum(axis=1) <= MARK
    return int(there.argmax()) if there[-1] else None


def _further(problem: Line, lr: float, weights: Floats, epochs: int, allowed: float) -> int | None:
    for epoch in range(epochs + 1, LONGEST + 1):
        weights = weights - lr * problem.gradient(weights)
        if float(problem.loss(weights)) - problem.lowest <= allowed:
            return epoch
    return None
