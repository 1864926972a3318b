"""From the trials to the best of them: how sure, what else is as good, what to be warned of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from etastar.records import Axis, Contender, TaskSummary, Trial
from etastar.sweeps.importance import importance

LEVEL = 0.05
"""A setting is told apart from the best where they would differ so much by chance this rarely."""

EDGE = 0.02
"""So near an end of an axis, as a share of it, counts as on the edge."""

LEARNED = 0.02
"""A loss that fell by a smaller share of what it was untrained tells nothing of rates."""

_ENDS_BY_NATURE = {"weight_decay": 0.0, "momentum": 0.0, "dampening": 0.0, "beta1": 0.0}
"""Below these there is nothing to try."""


def contenders(trials: Sequence[Trial]) -> list[Contender]:
    """The settings that ended the longest horizon with every seed, lowest mean loss first.

    Returns:
        One for each; none where nothing was measured. A rate that one seed lost is unsafe, and
        none of them.
    """
    groups = _groups(trials)
    seeds = max((len(same) for same in groups), default=0)
    whole = [same for same in groups if len(same) == seeds and all(t.measured for t in same)]
    return sorted((_contender(same) for same in whole), key=lambda one: one.mean)


def indistinct(trials: Sequence[Trial], best: Contender) -> tuple[Contender, ...]:
    """What the seeds cannot tell apart from the best.

    Every seed begins from the same weights and batches whatever the setting, so losses are
    compared seed by seed: a paired t-test, one-sided at 5 %, not corrected for the number of
    settings; on the logarithms of losses that are positive, as those of high losses vary more.
    The best itself is not among them.

    Returns:
        Contenders, lowest mean first; none with a single seed, which tells nothing.
    """
    by_settings = {_key(same[0]): _losses(same) for same in _groups(trials)}
    top = by_settings[best.lr, tuple(sorted(best.settings.items()))]
    if len(top) < 2:
        return ()
    from scipy.stats import t

    reach = float(t.ppf(1 - LEVEL, len(top) - 1))
    found: list[Contender] = []
    for other in contenders(trials):
        losses = by_settings[other.lr, tuple(sorted(other.settings.items()))]
        if losses is top:
            continue
        gaps = np.log(losses / top) if min(losses.min(), top.min()) > 0 else losses - top
        if gaps.mean() <= reach * gaps.std(ddof=1) / math.sqrt(len(gaps)):
            found.append(other)
    return tuple(found)


def shares_of(axes: Mapping[str, Axis], trials: Sequence[Trial]) -> dict[str, float]:
    """The importance of each setting, over all points at the longest horizon they reached.

    Returns:
        Shares by name; empty where nothing can be said.
    """
    reached: dict[tuple[float, tuple[tuple[str, float], ...]], list[Trial]] = {}
    for trial in sorted(trials, key=lambda one: one.steps):
        same = reached.setdefault(_key(trial), [])
        if same and same[0].steps < trial.steps:
            same.clear()
        same.append(trial)
    groups = list(reached.values())
    points = [{name: _value(same[0], name) for name in axes} for same in groups]
    ranks = [(-same[0].steps, _mean_or_inf(same)) for same in groups]
    return importance(axes, points, sorted(range(len(groups)), key=ranks.__getitem__))


def warnings_of(
    axes: Mapping[str, Axis],
    trials: Sequence[Trial],
    best: Contender | None,
    summary: TaskSummary,
    seeds: Sequence[int],
    *,
    start: float | None,
    whole: bool,
) -> list[str]:
    """What the reader should know before trusting the best.

    Args:
        axes: of the space.
        trials: all of them.
        best: of these.
        summary: of the task.
        seeds: of every full run.
        start: the loss of the task untrained, with the first seed; None where it is not known.
        whole: whether the strategy came to its end: else an edge is where it was cut.

    Returns:
        Sentences, the gravest first.
    """
    found: list[str] = []
    if best is None:
        if trials:
            found.append("no setting finished with every seed: try lower rates")
        return found
    if start is not None:
        lowest = min(t.final_loss for t in trials if t.seed == seeds[0] and t.measured)
        if start - lowest < LEARNED * abs(start):
            found.append(
                f"nothing was learned, or hardly anything: from the loss of {start:.4g} untrained "
                f"the lowest came to {lowest:.4g}; try higher rates, or a longer run"
            )
    for name, axis in axes.items() if whole else ():
        found += _edge(name, axis, _value(best, name))
    longest = max(trial.steps for trial in trials)
    if longest < summary.steps:
        found.append(
            f"no run of all {summary.steps} steps was made: the best is that of {longest} steps"
        )
    if len(seeds) == 1:
        found.append(
            "one seed says nothing about chance, so near ones may be as good; give three or more"
        )
    if best.seeds > 1 and all(one.standard_error == 0 for one in contenders(trials)):
        found.append(
            "every seed ended alike: the task's weights and batches do not depend on it, so the "
            "seeds say nothing about chance"
        )
    if summary.objective == "training loss":
        found.append(
            "judged by the training loss, which cannot see overfitting; give valid= to judge by "
            "held-out data"
        )
    return found


def _edge(name: str, axis: Axis, value: float) -> list[str]:
    if not axis.varies:
        return []
    share = axis.share(value)
    if axis.scale == "choice" and len(set(axis.values)) < 3:
        return []  # of two values, both are ends
    if share <= EDGE and value > _ENDS_BY_NATURE.get(name, -math.inf):
        return [f"the best {name}, {value:.3g}, is on the lower edge of the space: try lower"]
    if share >= 1 - EDGE:
        return [f"the best {name}, {value:.3g}, is on the upper edge of the space: try higher"]
    return []


def _groups(trials: Sequence[Trial]) -> list[list[Trial]]:
    """The trials of the longest horizon anything was measured at, by their settings."""
    longest = max((trial.steps for trial in trials if trial.measured), default=0)
    groups: dict[object, list[Trial]] = {}
    for trial in trials:
        if trial.steps == longest:
            groups.setdefault(_key(trial), []).append(trial)
    return list(groups.values())


def _contender(same: Sequence[Trial]) -> Contender:
    losses = _losses(same)
    error = float(losses.std(ddof=1) / math.sqrt(len(losses))) if len(losses) > 1 else None
    return Contender(
        lr=same[0].lr,
        settings=same[0].settings,
        mean=float(losses.mean()),
        standard_error=error,
        seeds=len(losses),
    )


def _losses(same: Sequence[Trial]) -> np.ndarray:
    """Final losses in the order of their seeds, shape (R,)."""
    return np.array([trial.final_loss for trial in sorted(same, key=lambda one: one.seed)])


def _mean_or_inf(same: Sequence[Trial]) -> float:
    mean = float(np.mean([trial.final_loss for trial in same]))
    return mean if math.isfinite(mean) else math.inf


def _key(trial: Trial) -> tuple[float, tuple[tuple[str, float], ...]]:
    return trial.lr, tuple(sorted(trial.settings.items()))


def _value(one: Trial | Contender, name: str) -> float:
    return one.lr if name == "lr" else one.settings[name]
