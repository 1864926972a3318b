"""The Ray engine: the contract, and what travelling adds to it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from etastar.engine.ray_engine import RayEngine
from etastar.testing.engines import EngineContract

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module", autouse=True)
def _ray() -> Iterator[None]:
    """One Ray of the caller's own for all tests of a process: engines use it and leave it."""
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    yield
    assert ray.is_initialized()
    ray.shutdown()


class TestRay(EngineContract):
    def engine(self) -> RayEngine:
        return RayEngine()
