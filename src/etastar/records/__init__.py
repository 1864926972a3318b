"""Results as frozen, validated records with versioned JSON; no torch needed to read them."""

from etastar.records.arrays import FloatArray
from etastar.records.axis import AxisFinding, AxisName, AxisValue
from etastar.records.base import Record
from etastar.records.curve import LossCurve
from etastar.records.finding import Finding, Prediction, Regime, RegimeBand, TaskSummary, Verdict
from etastar.records.range_test import CyclicBounds, RangeRun, RangeTest, Suggestion
from etastar.records.sweep import Axis, Contender, Sweep
from etastar.records.trial import Terms, Trial, TrialStatus

__all__ = [
    "Axis",
    "AxisFinding",
    "AxisName",
    "AxisValue",
    "Contender",
    "CyclicBounds",
    "Finding",
    "FloatArray",
    "LossCurve",
    "Prediction",
    "RangeRun",
    "RangeTest",
    "Record",
    "Regime",
    "RegimeBand",
    "Suggestion",
    "Sweep",
    "TaskSummary",
    "Terms",
    "Trial",
    "TrialStatus",
    "Verdict",
]
