"""The vectorized engine: the contract, and what batching adds to it."""

from __future__ import annotations

from etastar.engine.vectorized import Vectorized
from etastar.testing.engines import EngineContract


class TestVectorized(EngineContract):
    tolerance = 1e-5

    def engine(self) -> Vectorized:
        return Vectorized()
