"""Regret against cost: one dot per method, both axes logarithmic."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scores import Summary

FOLDER = Path(__file__).parent.parent / "docs" / "images"
LEAST = 1e-3  # a regret below it is drawn there
LEAST_COST = 3e-3
MOST = 10.0  # and one that diverged, here


def draw(summaries: list[Summary], half: str) -> Path:
    """Draw the median regret of every method, with a thin line up to its 90th percentile."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.add_subplot()
    taken: list[tuple[float, float]] = []
    for s in summaries:
        if np.isnan(s.median):
            continue
        own = s.method.startswith("find")
        altered = own and s.method not in {"find", "find (quick)", "find (thorough)"}
        cost = max(s.cost, LEAST_COST)
        median, p90 = (min(max(v, LEAST), MOST) for v in (s.median, s.p90))
        colour = "#b3261e" if own else "#4a5568"
        axes.plot([cost, cost], [median, p90], color=colour, linewidth=1, alpha=0.5)
        axes.plot(
            *(cost, median),
            marker="*" if own else "o",
            color=colour,
            markerfacecolor="white" if altered else colour,  # its ablations are hollow
            markersize=14 if own else 7,
        )
        place = (np.log10(cost), np.log10(median))
        crowd = sum(abs(x - place[0]) < 0.5 and abs(y - place[1]) < 0.05 for x, y in taken)
        taken.append(place)
        axes.annotate(
            s.method,
            (cost, median),
            xytext=(8, 2 - 10 * crowd),  # below those that stand close
            textcoords="offset points",
            fontsize=8,
        )
    axes.set_xscale("log")
    axes.set_xlim(LEAST_COST / 1.5, 40)  # room for the names
    axes.set_yscale("log")
    axes.axhline(0.01, color="black", linewidth=0.8, linestyle=":")
    axes.text(LEAST_COST, 0.0105, "1 % above the best of the grid", fontsize=8)
    axes.set_xlabel("cost, in full runs of the task")
    axes.set_ylabel(
        "regret: final loss above the grid's best (median; line to the 90th percentile)"
    )
    axes.set_title(f"Regret against cost, {half} tasks")
    path = FOLDER / f"regret-{half}.png"
    figure.savefig(path, dpi=130)
    return path
