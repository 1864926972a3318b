"""Schedules as pictures: one or several on an axis, two compared, the gallery of all families.

Only matplotlib's object interface is used: no pyplot, no global state, no display, no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from etastar import schedules as es
from etastar.errors import ScheduleError
from etastar.schedules.diff import diff, sampled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

INK, SOFT, BLUE, RED = "#1a1a1a", "#6b6b6b", "#1f4e79", "#b3261e"
_COLORS = (BLUE, RED, "#2e7d32", "#8e5ea2", "#b26a00", "#00796b")
_DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (2, 2)), (0, (6, 2, 1, 2)))
_LOOKS = 2001


def schedule_figure(schedules: Mapping[str, es.Schedule], past: float = 0.1) -> Figure:
    """The schedules on one axis, over the longest run and some steps past it.

    Args:
        schedules: Label -> schedule.
        past: How far past the end to look, as a share of the run.

    Returns:
        The figure; save it with `savefig`.
    """
    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    axes = figure.add_subplot()
    steps = sampled(*schedules.values(), past=past, most=_LOOKS)
    for index, (label, schedule) in enumerate(schedules.items()):
        axes.plot(
            steps,
            schedule(steps),
            color=_COLORS[index % len(_COLORS)],
            linewidth=max(3.4 - 0.8 * index, 1.6) if len(schedules) > 1 else 1.8,
            linestyle=_DASHES[index % len(_DASHES)],  # where curves coincide, all are seen
            label=label,
        )
    for end in {schedule.steps for schedule in schedules.values()}:
        axes.axvline(end, color=SOFT, linewidth=0.8, linestyle=(0, (3, 3)))
    _plain(axes)
    axes.set_xlabel("step (applied updates; dashed: the end of the schedule)", color=SOFT)
    axes.set_ylabel("value", color=SOFT)
    if len(schedules) > 1:
        axes.legend(frameon=False, fontsize=9)
    else:
        axes.set_title(next(iter(schedules)), loc="left", fontsize=10, color=INK)
    return figure


def diff_figure(left: es.Schedule, right: es.Schedule, names: tuple[str, str]) -> Figure:
    """Two schedules on one axis, and their difference below.

    Args:
        left: One schedule.
        right: The other.
        names: Their labels.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(8.0, 5.4), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=(3, 1.3))
    above = figure.add_subplot(grid[0])
    below = figure.add_subplot(grid[1], sharex=above)
    steps = sampled(left, right, most=_LOOKS)
    a, b = left(steps), right(steps)
    above.plot(steps, a, color=BLUE, linewidth=1.8, label=names[0])
    above.plot(steps, b, color=RED, linewidth=1.8, linestyle=(0, (5, 2)), label=names[1])
    above.legend(frameon=False, fontsize=9)
    below.axhline(0, color=SOFT, linewidth=0.8)
    below.plot(steps, b - a, color=INK, linewidth=1.3)
    found = diff(left, right)
    if found.largest_at is not None:
        at = float(found.largest_at)
        below.plot([at], [right(at) - left(at)], "o", color=RED, markersize=4)
        below.set_title(
            f"difference: up to {found.largest:.3g}, at step {found.largest_at}",
            loc="left",
            fontsize=9,
            color=INK,
        )
    for axes in (above, below):
        for end in {left.steps, right.steps}:
            axes.axvline(end, color=SOFT, linewidth=0.8, linestyle=(0, (3, 3)))
    _plain(above)
    _plain(below)
    below.set_ylim(*_padded(b - a))
    above.tick_params(labelbottom=False)
    below.set_xlabel("step (dashed: the ends)", color=SOFT)
    return figure


def gallery() -> dict[str, es.Schedule]:
    """One example of every family, by its short form's name."""
    n, w = 1000, 100
    warm: dict[str, Any] = {"steps": n, "warmup_steps": w}
    cycle = es.OneCycle(steps=n)
    return {
        "constant": es.Constant(**warm),
        "linear": es.Linear(**warm),
        "polynomial, power 2": es.Polynomial(**warm),
        "cosine": es.Cosine(**warm),
        "k_decay, k 2": es.KDecay(**warm),
        "rex": es.Rex(**warm),
        "tanh": es.Tanh(**warm),
        "wsd, sqrt": es.WarmupStableDecay(**warm, decay_steps=250),
        "wsd, linear": es.WarmupStableDecay(**warm, decay_steps=250, cooldown="linear"),
        "wsd, cosine": es.WarmupStableDecay(**warm, decay_steps=250, cooldown="cosine"),
        "wsd, exponential": es.WarmupStableDecay(
            **warm, decay_steps=250, cooldown="exponential", floor=0.01
        ),
        "inverse_time": es.InverseTime(**warm, decay=4.0, every_steps=n),
        "exponential": es.Exponential(**warm, gamma=0.1, every_steps=500),
        "exponential, staircase": es.Exponential(
            **warm, gamma=0.6, every_steps=150, staircase=True
        ),
        "inverse_sqrt": es.InverseSqrt(**warm),
        "noam": es.Noam(steps=n, width=512, warmup_steps=w),
        "step": es.StepDecay(**warm, every_steps=250, gamma=0.4),
        "multistep": es.MultiStep(**warm, milestones=(500, 750), gamma=0.3),
        "piecewise": es.Piecewise(steps=n, milestones=(150, 600), values=(0.5, 1.0, 0.2)),
        "sgdr": es.CosineRestarts(steps=n, cycle_steps=1000 / 7, multiplier=2.0, decay=0.8),
        "cyclic, triangular": es.Cyclic(steps=n, floor=0.1, up_steps=125),
        "cyclic, triangular2": es.Cyclic(steps=n, floor=0.1, up_steps=125, policy="triangular2"),
        "cyclic, exp_range": es.Cyclic(
            steps=n, floor=0.1, up_steps=125, policy="exp_range", gamma=0.998
        ),
        "one_cycle": cycle,
        "one_cycle, 3 linear phases": es.OneCycle(steps=n, phases=3, anneal="linear"),
        "cycled_momentum": cycle.momentum(),
        "chebyshev": es.Chebyshev(steps=64, block_steps=64, floor=0.02),
        "linear_warmup": es.LinearWarmup(steps=n),
        "exponential_warmup": es.ExponentialWarmup(steps=n, tau_steps=200),
        "radam_warmup": es.RAdamWarmup(steps=n, beta2=0.995),
        "points": es.Points(steps=n, at_steps=(0, 200, 500, 1000), values=(0.1, 1.0, 0.7, 0.0)),
        "join: a >> b >> c": es.LinearWarmup(steps=100)
        >> es.Constant(steps=500)
        >> es.Rex(steps=400),
        "product: a * b": es.CosineRestarts(steps=n, cycle_steps=250) * es.Linear(steps=n),
        "clip(0.2, 0.8)": es.Cosine(**warm).clip(0.2, 0.8),
        "repeat(3)": es.Linear(steps=333, warmup_steps=40).repeat(3),
        "shift(200)": es.Cosine(steps=800).shift(200),
        "extend(1300, at=500)": es.Cosine(**warm).extend(1300, at=500),
    }


def gallery_figure() -> Figure:
    """Every family on a small axis of its own."""
    examples = gallery()
    columns = 5
    rows = -(-len(examples) // columns)
    figure = Figure(figsize=(2.5 * columns, 1.65 * rows), layout="constrained")
    for index, (label, schedule) in enumerate(examples.items()):
        axes = figure.add_subplot(rows, columns, index + 1)
        if schedule.kind == "chebyshev":
            steps = np.arange(schedule.steps * 1.1)
            axes.vlines(steps, 0, schedule(steps), color=BLUE, linewidth=0.8)
        else:
            steps = np.arange(schedule.steps * 1.1)
            axes.plot(steps, schedule(steps), color=BLUE, linewidth=1.5)
        axes.axvline(schedule.steps, color=SOFT, linewidth=0.7, linestyle=(0, (3, 3)))
        axes.set_title(label, fontsize=8.5, loc="left", color=INK)
        axes.set_ylim(0, float(schedule(steps).max()) * 1.08)
        axes.set_xticks([0, schedule.steps])
        axes.set_yticks([])
        _plain(axes, small=True)
    return figure


def save(figure: Figure, path: str) -> None:
    """Write a figure as PNG, or as the type its name ends with.

    Args:
        figure: The figure.
        path: Where to.

    Raises:
        ScheduleError: The place cannot be written to, or the type is none.
    """
    try:
        figure.savefig(path, dpi=130)
    except (OSError, ValueError) as error:
        raise ScheduleError(f"the picture could not be written to {path}: {error}.") from error


def _padded(values: np.ndarray) -> tuple[float, float]:
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    margin = 0.12 * (high - low) or 1.0
    return low - margin, high + margin


def _plain(axes: Axes, *, small: bool = False) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(SOFT)
    axes.tick_params(colors=SOFT, labelsize=7 if small else 9, length=2 if small else 3)
    if not small:
        axes.set_ylim(bottom=min(axes.get_ylim()[0], 0))
        axes.grid(axis="y", color="#e6e6e6", linewidth=0.7)
        axes.set_axisbelow(True)
