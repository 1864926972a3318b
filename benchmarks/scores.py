"""Scores: what every answer's regret is, kept in a file and summed up."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from methods import Answer
from truth import Grid

FOLDER = Path(__file__).parent / "scores"
CATASTROPHE = 0.15  # a regret above it, or a run that diverged


@dataclass(frozen=True)
class Score:
    """One answer of one method, judged by the grid."""

    task: str
    method: str
    seed: int
    answer: Answer
    regret: float  # inf where the rate diverges; NaN without an answer
    covered: bool | None  # whether the interval holds the grid's best

    @classmethod
    def of(cls, grid: Grid, method: str, seed: int, answer: Answer) -> Score:
        """Judge an answer."""
        regret = math.nan
        if answer.loss is not None:
            regret = answer.loss / grid.reference() - 1
        elif answer.lr is not None:
            regret = grid.regret(answer.lr)
        covered = None
        if answer.interval is not None:
            covered = answer.interval[0] <= grid.best() <= answer.interval[1]
        return cls(grid.name, method, seed, answer, regret, covered)

    def line(self) -> str:
        """As a line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, line: str) -> Score:
        """From a line of JSON."""
        parts = json.loads(line)
        parts["answer"]["interval"] = parts["answer"]["interval"] and tuple(
            parts["answer"]["interval"]
        )
        return cls(**parts | {"answer": Answer(**parts["answer"])})


@dataclass(frozen=True)
class Summary:
    """A method over all tasks and seeds."""

    method: str
    answers: int
    answered: float
    median: float
    p90: float
    worst: float
    below_1: float
    below_5: float
    catastrophic: float
    cost: float
    seconds: float
    covered: float | None

    @classmethod
    def of(cls, scores: list[Score]) -> Summary:
        """Sum up the scores of one method. No answer counts in `answered` alone."""
        regrets = np.array([s.regret for s in scores if not math.isnan(s.regret)])
        known = len(regrets) > 0
        covered = [s.covered for s in scores if s.covered is not None]
        return cls(
            method=scores[0].method,
            answers=len(scores),
            answered=len(regrets) / len(scores),
            median=float(np.median(regrets)) if known else math.nan,
            p90=float(np.sort(regrets)[math.ceil(0.9 * len(regrets)) - 1]) if known else math.nan,
            worst=float(regrets.max()) if known else math.nan,
            below_1=float(np.mean(regrets < 0.01)) if known else 0.0,
            below_5=float(np.mean(regrets < 0.05)) if known else 0.0,
            catastrophic=float(np.mean(regrets > CATASTROPHE)) if known else 0.0,
            cost=float(np.mean([s.answer.cost for s in scores])),
            seconds=float(np.mean([s.answer.seconds for s in scores])),
            covered=float(np.mean(covered)) if covered else None,
        )


def stored(path: Path) -> list[Score]:
    """The scores kept in a file; none where there is none."""
    if not path.exists():
        return []
    return [Score.read(line) for line in path.read_text().splitlines()]


def by_method(scores: list[Score]) -> dict[str, list[Score]]:
    """Scores in the order methods first appear."""
    groups: dict[str, list[Score]] = {}
    for score in scores:
        groups.setdefault(score.method, []).append(score)
    return groups
