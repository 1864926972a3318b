"""Sweeps: many rates and settings side by side, by strategy, on any engine, kept in a store."""

from etastar.sweeps.space import Choice, Linear, Log
from etastar.sweeps.sweep import sweep

__all__ = ["Choice", "Linear", "Log", "sweep"]
