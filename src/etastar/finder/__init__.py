"""The finder: range test, pilots, surrogate, decision."""

from etastar.finder.find import find
from etastar.finder.range_test import range_test

__all__ = ["find", "range_test"]
