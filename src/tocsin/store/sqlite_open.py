"""The SQLite store's file: opened, brought up to this schema, filled by many rows at once."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tocsin.errors import StoreError
from tocsin.store import rules, schema

_FULL = frozenset({"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"})


def connect(path: Path) -> sqlite3.Connection:
    """A connection to the file there is. Raises sqlite3.Error."""
    db = sqlite3.connect(
        path.absolute().as_uri() + "?mode=rw",  # never makes an empty one in its place
        uri=True,
        timeout=10,
        isolation_level=None,
        check_same_thread=False,  # the pool hands a connection to one thread at a time
    )
    db.execute("PRAGMA foreign_keys = 1")
    return db


def upgrade(db: sqlite3.Connection, path: Path) -> None:
    """Bring the schema to the version this code knows, one numbered script after the other."""
    [ours] = db.execute("PRAGMA application_id").fetchone()
    [version] = db.execute("PRAGMA user_version").fetchone()
    [tables] = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (ours or tables or version) and ours != schema.APPLICATION_ID:
        raise StoreError(
            f"{path} is another program's database",
            remedy="use another data folder, or move the file away",
        )
    if version > schema.VERSION:
        raise StoreError(
            f"{path} has schema version {version}, and this tocsin knows {schema.VERSION}",
            remedy="start the newer tocsin that wrote it; a schema never goes back",
        )
    db.execute("PRAGMA journal_mode = WAL").fetchone()
    # A script may build a table anew that others refer to; it cannot be set within a transaction.
    db.execute("PRAGMA foreign_keys = 0")
    for number in range(version, schema.VERSION):
        db.execute("BEGIN IMMEDIATE")
        try:
            [left] = db.execute(schema.STOPS.get(schema.SCRIPTS[number], "SELECT 0")).fetchone()
            if left:
                raise rules.left_behind(str(path), left)
            for statement in _statements(schema.SCRIPTS[number]):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {number + 1}")
            db.execute("COMMIT")
        except (sqlite3.Error, StoreError):
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    db.execute("PRAGMA foreign_keys = 1")


def _statements(script: str) -> Iterator[str]:
    # Not executescript: it commits first, and a script must be done wholly or not at all.
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def is_full(wrong: BaseException) -> bool:
    """Whether the disk had no room for it."""
    return getattr(wrong, "sqlite_errorname", "") in _FULL


ROWS = 100
"""Rows that are inserted by one call."""


def insert(db: sqlite3.Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """`executemany` of an `INSERT … VALUES (?, …)`, many rows by one call."""
    # SQLite is called without the interpreter's lock, and `executemany` calls it for every row:
    # each time whoever else has something to do comes first.
    whole = len(rows) - len(rows) % ROWS
    if whole:
        head, _, marks = sql.partition(" VALUES ")
        many = f"{head} VALUES {','.join([marks] * ROWS)}"
        for start in range(0, whole, ROWS):
            db.execute(many, list(itertools.chain.from_iterable(rows[start : start + ROWS])))
    db.executemany(sql, rows[whole:])
