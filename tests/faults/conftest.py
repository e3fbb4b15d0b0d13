"""What a fault test changes of the store's own pace is put back behind it."""

from __future__ import annotations

import pytest

from tocsin.store import sqlite, writer


@pytest.fixture(autouse=True)
def _own_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """`be_steady` sets these for the whole process: other tests want the store as it is."""
    monkeypatch.setattr(writer, "INDEX_AFTER", writer.INDEX_AFTER)
    monkeypatch.setattr(sqlite, "WAL_BYTES", sqlite.WAL_BYTES)
