"""Sealed statements in the SQLite store: what is altered there is never handed out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.fakes import EVERYBODY, Author, publish, seen_by

from tocsin.errors import RollbackError, StoreError
from tocsin.record.seal import VerifiedSeal
from tocsin.store import schema
from tocsin.store.sqlite import SqliteStore

NORTHLAND, GRIDCO, PORTCO = "cert.northland.example", "gridco.example", "portco.example"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "node"


@pytest.fixture
def sealed(folder: Path) -> VerifiedSeal:
    """A sealed statement in the log of a store that is closed."""
    store = SqliteStore.open(folder)
    found = publish(store, Author(NORTHLAND).seals(GRIDCO, case="case--1"))
    store.close()
    return found


@pytest.fixture
def opened(folder: Path) -> Iterator[list[SqliteStore]]:
    """Stores opened by `altered`, to be closed."""
    found: list[SqliteStore] = []
    yield found
    for store in found:
        store.close()


def altered(folder: Path, opened: list[SqliteStore], sql: str, *values: object) -> SqliteStore:
    """The store after somebody has been at its file."""
    db = sqlite3.connect(folder / "tocsin.sqlite")
    db.execute(sql, values)
    db.commit()
    db.close()
    store = SqliteStore.open(folder)
    opened.append(store)
    return store


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE sealed SET raw = CAST(replace(raw, 'payloadType', 'payloadTypo') AS BLOB)",
        "UPDATE sealed SET raw = x''",
        "UPDATE sealed SET tlp = 'RED'",
        "UPDATE statement SET author = 'eve.example'",
        "UPDATE statement SET case_id = 'case--2'",
        "UPDATE statement SET seq = 2",
        "UPDATE statement SET inside = zeroblob(32)",
        "UPDATE statement SET inside = NULL",
    ],
)
def test_a_file_that_is_not_what_its_row_says_is_not_handed_out(
    folder: Path, sealed: VerifiedSeal, opened: list[SqliteStore], sql: str
) -> None:
    store = altered(folder, opened, sql)
    with pytest.raises(StoreError, match=sealed.id):
        store.sealed(sealed.id, seen_by(store, EVERYBODY))


def test_nobody_becomes_a_reader_by_an_altered_audience(
    folder: Path, sealed: VerifiedSeal, opened: list[SqliteStore]
) -> None:
    sql = "UPDATE audience SET canonical = CAST(replace(canonical, ?, ?) AS BLOB)"
    store = altered(folder, opened, sql, GRIDCO, PORTCO)
    with pytest.raises(StoreError, match=sealed.id):
        store.sealed(sealed.id, seen_by(store, PORTCO))


def test_a_file_that_was_taken_out_stops_the_log(
    folder: Path, sealed: VerifiedSeal, opened: list[SqliteStore]
) -> None:
    """A purge says who and why; this is none."""
    store = altered(folder, opened, "DELETE FROM sealed")
    with pytest.raises(RollbackError, match="index 0"):
        store.entries(0, 9)


@pytest.mark.parametrize(
    "sql", ["inside = zeroblob(32)", "inside = NULL", "author = 'eve.example'"]
)
def test_a_row_that_does_not_lead_to_its_entry_stops_the_log(
    folder: Path, sealed: VerifiedSeal, opened: list[SqliteStore], sql: str
) -> None:
    """Its author would be given another head of its chain to follow."""
    store = altered(folder, opened, f"UPDATE statement SET {sql}")
    with pytest.raises(RollbackError, match="index 0"):
        store.entries(0, 9)


def test_a_store_whose_sealed_statements_were_logged_by_their_inside_is_refused(
    folder: Path, sealed: VerifiedSeal
) -> None:
    """What is in a log stays as it is; the store keeps its version, for whoever wrote it."""
    db = sqlite3.connect(folder / "tocsin.sqlite")
    before = schema.SCRIPTS.index(schema._INSIDE)
    db.executescript(
        "DROP TABLE waits; DROP INDEX statement_inside; UPDATE statement SET id = inside;"
        f"ALTER TABLE statement DROP COLUMN inside; PRAGMA user_version = {before};"
    )
    db.close()
    for _ in range(2):
        with pytest.raises(StoreError, match="written by an older tocsin"):
            SqliteStore.open(folder)
    db = sqlite3.connect(folder / "tocsin.sqlite")
    assert db.execute("PRAGMA user_version").fetchone() == (before,)
    db.execute("DELETE FROM sealed")
    db.execute("DELETE FROM statement")
    db.commit()
    db.close()
    SqliteStore.open(folder).close()


def test_a_case_is_asked_for_what_is_sealed_in_it_by_an_index(folder: Path) -> None:
    store = SqliteStore.open(folder)
    store.close()
    db = sqlite3.connect(folder / "tocsin.sqlite")
    given = {"case": "case--1", "allowed": "[1]"}
    sql = schema.SEALED.format(index="statement_sealed", filters=schema.FILTERS["case"])
    plan = " ".join(row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql, given))
    sql = schema.SEALED.format(index="statement_inside", filters=schema.FILTERS["inside"])
    given |= {"inside": "", "id": ""}
    one = " ".join(row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql, given))
    held = " ".join(
        row[3] for row in db.execute("EXPLAIN QUERY PLAN " + schema.HELD_STATEMENT, given)
    )
    taken = " ".join(
        row[3]
        for row in db.execute("EXPLAIN QUERY PLAN " + schema.TARGETS_OF, {"n": 1, "author": ""})
    )
    db.close()
    assert "statement_sealed (audience=? AND case_id=?" in plan
    assert "statement_inside (inside=? AND audience=?)" in one
    for found in (held, taken):
        assert "statement_inside (inside=?" in found
        assert "(id=?)" in found
        assert "SCAN s" not in found
