"""The finder: range test, pilots, surrogate, decision."""

from etastar.finder.range_test import range_test

__all__ = ["range_test"]
