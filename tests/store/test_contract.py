"""The contract of stores, over both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from etastar.testing.stores import StoreContract


class TestSqlite(StoreContract):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self._place = tmp_path / "deep" / "store.db"

    def place(self) -> Path:
        return self._place


class TestPostgres(StoreContract):
    @pytest.fixture(autouse=True)
    def _database(self, postgres: str) -> None:
        self._place = postgres

    def place(self) -> str:
        return self._place
