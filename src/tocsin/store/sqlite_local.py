"""The SQLite store's rows of this node's own: local ones, compared and set, and the audit chain."""

from __future__ import annotations

import sqlite3
from typing import Any

from tocsin.store.interface import AuditRow, LocalRow, audit_hash
from tocsin.store.rules import row_changed

Row = tuple[Any, ...]


def local(db: sqlite3.Connection, kind: str, key: str) -> LocalRow | None:
    """See `Local.local`."""
    row = db.execute(
        "SELECT key, value, version FROM local WHERE kind = ? AND key = ?", (kind, key)
    ).fetchone()
    return _row(row) if row else None


def listed(db: sqlite3.Connection, kind: str, prefix: str) -> list[LocalRow]:
    """See `Local.list_local`."""
    rows = db.execute(
        # Text is compared byte by byte, and no UTF-8 holds 0xFF: a range of the index.
        "SELECT key, value, version FROM local WHERE kind = ? AND key >= ?"
        " AND key < CAST(? AS TEXT) ORDER BY key",
        (kind, prefix, prefix.encode() + b"\xff"),
    )
    return [_row(row) for row in rows]


def keep(
    db: sqlite3.Connection, kind: str, key: str, value: bytes | None, expected: int | None
) -> int:
    """See `Local.keep_local`."""
    row = db.execute("SELECT version FROM local WHERE kind = ? AND key = ?", (kind, key)).fetchone()
    found: int | None = row[0] if row else None
    if found != expected:
        raise row_changed(kind, key, found, expected)
    [version] = db.execute(
        "UPDATE meta SET value = value + 1 WHERE key = 'local' RETURNING value"
    ).fetchone()
    if value is None:
        db.execute("DELETE FROM local WHERE kind = ? AND key = ?", (kind, key))
    else:
        db.execute(
            "INSERT INTO local(kind, key, version, value) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (kind, key) DO UPDATE SET version = excluded.version,"
            " value = excluded.value",
            (kind, key, version, value),
        )
    number: int = version
    return number


def append_audit(db: sqlite3.Connection, time: str, actor: str, act: str, ref: str) -> AuditRow:
    """See `Local.append_audit`."""
    last = db.execute("SELECT n, hash FROM audit ORDER BY n DESC LIMIT 1").fetchone()
    n, before = last or (0, "")
    row = (n + 1, time, actor, act, ref, audit_hash(before, time, actor, act, ref))
    db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?)", row)
    return _audit_row(row)


def audit(db: sqlite3.Connection, limit: int | None) -> list[AuditRow]:
    """See `Local.audit`."""
    rows = db.execute(
        "SELECT n, time, actor, act, ref, hash FROM audit ORDER BY n DESC LIMIT ?",
        (-1 if limit is None else max(limit, 0),),
    ).fetchall()
    return [_audit_row(row) for row in reversed(rows)]


def _row(row: Row) -> LocalRow:
    return LocalRow(key=row[0], value=row[1], version=row[2])


def _audit_row(row: Row) -> AuditRow:
    n, time, actor, act, ref, hash = row
    return AuditRow(n=n, time=time, actor=actor, act=act, ref=ref, hash=hash)
