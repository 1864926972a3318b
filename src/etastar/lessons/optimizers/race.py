"""All optimizers over a loss of two weights, each at the best of a dense grid of rates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from etastar.lessons.optimizers.rivals import RIVALS
from etastar.records.lessons.optimizers import Place, Race, Racer, Terrain

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from etastar.records.lessons.optimizers import Optimizer

    Floats = NDArray[np.float64]

STEPS = 100
TAIL = 10
"""The last steps, whose mean loss is the score: one lucky step does not win."""

LRS = np.geomspace(3e-4, 3e2, 73)
"""12 per decade: neighbours differ by 21 %."""

SEEDS = 64
TURN = math.pi / 6
"""The axes of the loss are turned against those of the weights, as they are in any network."""

_DIGITS = 6
"""Significant digits of what is drawn."""


@dataclass(frozen=True)
class Course:
    """A terrain and where on it the race begins, as distances along its axes from its centre."""

    terrain: Terrain
    begin: tuple[float, float]
    noise: float = 0.0

    @property
    def start(self) -> tuple[float, float]:
        """The weights at the start."""
        return self.terrain.at(*self.begin)

    @property
    def seeds(self) -> int:
        """How many choose the rate, and how many others score it."""
        return SEEDS if self.noise else 1


COURSES: dict[Place, Course] = {
    "valley": Course(Terrain(along=1, across=50, angle=TURN, centre=(1, 1)), (-2.2, 0.5)),
    "aligned": Course(Terrain(along=1, across=50, angle=0, centre=(1, 1)), (-2.2, 0.5)),
    "saddle": Course(
        Terrain(along=4, across=-1, quartic=1, angle=TURN, centre=(1, 1)), (-1.5, 0.001)
    ),
    "bowl": Course(Terrain(along=1, across=4, angle=TURN, centre=(1, 1)), (-2.2, 1.2), noise=1.0),
}


def race(
    place: Place,
    *,
    seed: int = 0,
    steps: int = STEPS,
    lrs: Floats = LRS,
    course: Course | None = None,
) -> Race:
    """Train every optimizer at every rate, and keep its best.

    Args:
        place: which of `COURSES`.
        seed: of the noise.
        steps: of every run.
        lrs: rates to try, rising.
        course: another one than that of the place.

    Returns:
        What happened.
    """
    chosen = course or COURSES[place]
    return Race(
        place=place,
        terrain=chosen.terrain,
        start=chosen.start,
        steps=steps,
        noise=chosen.noise,
        seeds=chosen.seeds,
        lrs=lrs,
        racers=tuple(_racer(name, chosen, lrs, steps, seed) for name in RIVALS),
    )


def _racer(name: Optimizer, course: Course, lrs: Floats, steps: int, seed: int) -> Racer:
    terrain, count = course.terrain, course.seeds
    path = walk(RIVALS[name], course, lrs, steps, seed)
    with np.errstate(over="ignore", invalid="ignore"):
        losses = terrain.height(path[..., 0], path[..., 1])  # (steps + 1, R, seeds)
        measure = _steps_to_escape if terrain.across < 0 else _final_excess
        every = measure(losses, terrain.lowest)  # (R, seeds)
        scores = every[:, :count].mean(axis=-1)  # by half of the seeds
        ends = losses[-1, :, :count].mean(axis=-1)
    best = int(np.lexsort((np.nan_to_num(ends, nan=np.inf), scores))[0])
    fresh = every[best, -count:]
    return Racer(
        optimizer=name,
        lr=float(lrs[best]),
        score=float(fresh.mean()),
        error=float(fresh.std(ddof=1) / math.sqrt(count)) if count > 1 else 0.0,
        x=_rounded(path[:, best, -1, 0]),
        y=_rounded(path[:, best, -1, 1]),
        losses=_rounded(losses[:, best, -count:].mean(axis=-1)),
        scores=_rounded(scores),
    )


def walk(
    make: Callable[[Any], torch.optim.Optimizer],
    course: Course,
    lrs: Floats,
    steps: int,
    seed: int = 0,
) -> Floats:
    """Train at all rates together, one parameter group each, under the same noise.

    Args:
        make: the optimizer of parameter groups.
        course: where, and from where.
        lrs: (R,).
        steps: of every run.
        seed: of the noise.

    Returns:
        The weights before every step and after the last, (steps + 1, R, seeds, 2); twice
        `course.seeds` where there is noise.
    """
    seeds = 2 * course.seeds if course.noise else 1
    begin = torch.tensor(course.start, dtype=torch.float64).repeat(seeds, 1)
    weights: list[torch.Tensor] = [torch.nn.Parameter(begin.clone()) for _ in lrs]
    optimizer = make([{"params": [w], "lr": float(lr)} for w, lr in zip(weights, lrs, strict=True)])
    random = torch.Generator().manual_seed(seed)
    path: list[torch.Tensor] = []
    for _ in range(steps):
        together = torch.stack([weight.detach() for weight in weights]).requires_grad_()
        path.append(together.detach())
        loss = course.terrain.height(together[..., 0], together[..., 1]).sum()
        (gradients,) = torch.autograd.grad(loss, together)
        if course.noise:
            gradients = gradients + course.noise * torch.randn(
                seeds, 2, generator=random, dtype=torch.float64
            )
        for weight, gradient in zip(weights, gradients.unbind(), strict=True):
            weight.grad = gradient
        optimizer.step()
    path.append(torch.stack(weights).detach())
    return torch.stack(path).numpy()


def _final_excess(losses: Floats, lowest: float) -> Floats:
    """The loss above the lowest in the last steps, (R, seeds); infinite where it diverged."""
    excess = losses[-TAIL:].mean(axis=0) - lowest
    return np.where(np.isfinite(losses).all(axis=0), excess, np.inf)


def _steps_to_escape(losses: Floats, lowest: float) -> Floats:
    """Steps until half way down from the saddle, never above it again, (R, seeds)."""
    out = losses <= lowest / 2
    above = ~(losses < 0)  # NaN too
    # from each step on, whether the loss is above the saddle ever again
    again = np.logical_or.accumulate(above[::-1], axis=0)[::-1]
    gone = out & ~again
    return np.where(gone.any(axis=0), gone.argmax(axis=0), np.inf)


def _rounded(values: Floats) -> Floats:
    return np.array([float(f"{value:.{_DIGITS}g}") for value in values])
