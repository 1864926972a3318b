"""Engines: train one task at many learning rates, with the same numbers whichever one runs."""

from etastar.engine.contract import Engine, Lost, Work, train_all
from etastar.engine.memory import Memory
from etastar.engine.progress import Observer
from etastar.engine.recorded import Recorded
from etastar.engine.sequential import Sequential

__all__ = ["Engine", "Lost", "Memory", "Observer", "Recorded", "Sequential", "Work", "train_all"]
