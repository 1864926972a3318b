"""Are the finder's probabilities honest, and which powers would make them so?

    python benchmarks/regret.py --tasks development && python benchmarks/calibrate.py
    python benchmarks/calibrate.py --tasks held-out

Prints how often regret was under 5 % and 1 % against what was promised; and, leaving out one family
of tasks at a time, the power of `etastar.finder.calibration` under which the others would have been
promised what they kept. Only fits on the development half may go into the finder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq

from etastar.finder.calibration import TIGHT_POWER, WITHIN_POWER, doubt
from scores import FOLDER, Score, stored
from tasks import BY_NAME

BINS = (0.0, 0.4, 0.6, 0.8, 1.01)
POWERS = (0.05, 5.0)


def belief(promised: float, power: float, score: Score, passes: dict[str, float | None]) -> float:
    """What the surrogate itself believed, before calibration."""
    seen = 1.0 - doubt(passes[score.task])
    return min(promised / seen, 1.0) ** (1 / power)


def passes_of(name: str) -> float | None:
    """Passes over the training data in a full run, as the finder counts them."""
    task = BY_NAME[name].load()
    if not task.has_validation or not hasattr(task.train, "__len__"):
        return None
    return task.horizon / len(task.train)  # type: ignore[arg-type]


def fitted(beliefs: Sequence[float], kept: Sequence[bool]) -> float:
    """The power under which the mean of the promises is the share kept."""
    share = float(np.mean(kept))

    def gap(power: float) -> float:
        return float(np.mean(np.power(beliefs, power))) - share

    low, high = POWERS
    if gap(low) <= 0:
        return low
    return high if gap(high) >= 0 else float(brentq(gap, low, high))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", default="development", help="whose scores: a half")
    options = parser.parse_args()
    scores = [s for s in stored(FOLDER / f"{options.tasks}.jsonl") if s.method == "find"]
    scores = [s for s in scores if s.answer.lr is not None]
    if not scores:
        print("no scores of find are kept: run benchmarks/regret.py first.")
        return 2
    passes = {name: passes_of(name) for name in {s.task for s in scores}}
    for bound, power, field in (
        (0.05, WITHIN_POWER, "confidence"),
        (0.01, TIGHT_POWER, "confidence_tight"),
    ):
        promises = np.array([getattr(s.answer, field) for s in scores])
        kept = np.array([s.regret < bound for s in scores])
        print(f"P(regret < {bound:.0%}): promised {promises.mean():.2f}, kept {kept.mean():.2f}")
        for low, high in pairwise(BINS):
            inside = (promises >= low) & (promises < high)
            if inside.any():
                print(
                    f"  promised {promises[inside].mean():.2f}: kept {kept[inside].mean():.2f} "
                    f"of {inside.sum()}"
                )
        for family in sorted({BY_NAME[s.task].family for s in scores}):
            rest = [s for s in scores if BY_NAME[s.task].family != family]
            beliefs = [belief(getattr(s.answer, field), power, s, passes) for s in rest]
            best = fitted(beliefs, [s.regret < bound for s in rest])
            print(f"  without {family}: power {best:.2f} (in use: {power})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
