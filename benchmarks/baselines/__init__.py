"""Other methods on equal ground: what finds a learning rate, and what does without one.

Every method sees the same task and seed; nothing is tuned per task. Range tests and
learning-rate-free optimizers run by their own packages (`pip install --group bench`, see the
Makefile for those that must come without their dependencies).
"""

from __future__ import annotations

from .contract import Method, Outcome, Suggestion, Trainer
from .defaults import FolkDefault, TorchDefault
from .fastai_finder import FastaiFinder
from .free import DAdaptation, DoG, Prodigy, ScheduleFree
from .ignite_finder import IgniteFinder
from .lightning_tuner import LightningTuner
from .lr_finder import TorchLRFinder
from .optuna_search import OptunaHyperband, OptunaTPE
from .searches import CoarseGrid, RandomSearch, SuccessiveHalving

__all__ = ["METHODS", "TRAINERS", "Method", "Outcome", "Suggestion", "Trainer"]

METHODS: list[Method] = [
    TorchDefault(),
    FolkDefault(),
    TorchLRFinder(),
    LightningTuner(),
    FastaiFinder("valley"),
    FastaiFinder("minimum"),
    FastaiFinder("minimum/10"),
    IgniteFinder(),
    CoarseGrid(pilots=4, spacing=2, first=-0.5),
    CoarseGrid(pilots=12, spacing=1, first=0.5),
    CoarseGrid(pilots=3, spacing=1, first=-0.5),
    CoarseGrid(pilots=5, spacing=1, first=-0.5),
    SuccessiveHalving(0.5),
    SuccessiveHalving(5),
    RandomSearch(0.5),
    OptunaTPE(0.5, share=1 / 32),
    OptunaTPE(5, share=1 / 8),
    OptunaHyperband(0.5),
    OptunaHyperband(5),
]
TRAINERS: list[Trainer] = [Prodigy(), DAdaptation(), DAdaptation(adam=True), ScheduleFree(), DoG()]
