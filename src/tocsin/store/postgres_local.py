"""The PostgreSQL store's rows of this node's own: local ones, compared and set, and the audit."""

from __future__ import annotations

from msgspec import to_builtins

from tocsin.store import postgres_schema as schema
from tocsin.store import rules
from tocsin.store.interface import AuditRow, LocalRow, audit_hash
from tocsin.store.postgres_open import Db, ask
from tocsin.store.rules import Row, row_changed

_LAST = 0x10FFFF


def local(db: Db, kind: str, key: str) -> LocalRow | None:
    """See `Local.local`."""
    row = ask(db, schema.LOCAL, {"kind": kind, "key": key}).fetchone()
    return _row(row) if row else None


def listed(db: Db, kind: str, prefix: str) -> list[LocalRow]:
    """See `Local.list_local`."""
    given = {"kind": kind, "start": prefix, "end": following(prefix)}
    return [_row(row) for row in ask(db, schema.LOCAL_FROM, given)]


def following(prefix: str) -> str | None:
    """The first text behind all that begin with `prefix`; None: there is none."""
    rest = prefix.rstrip(chr(_LAST))
    if not rest:
        return None
    after = ord(rest[-1]) + 1
    return rest[:-1] + chr(0xE000 if 0xD800 <= after < 0xE000 else after)


def keep(db: Db, kind: str, key: str, value: bytes | None, expected: int | None) -> int:
    """See `Local.keep_local`."""
    given = {"kind": kind, "key": key, "value": value}
    held = local(db, kind, key)
    found = held.version if held else None
    if found != expected:
        raise row_changed(kind, key, found, expected)
    row = ask(db, schema.NEXT_VERSION).fetchone()
    assert row is not None
    version: int = row[0]
    if value is None:
        ask(db, schema.DROP_LOCAL, given)
    else:
        ask(db, schema.KEEP_LOCAL, {**given, "version": version})
    return version


def append_audit(db: Db, time: str, actor: str, act: str, ref: str) -> AuditRow:
    """See `Local.append_audit`."""
    last = ask(db, schema.AUDIT, {"limit": 1}).fetchone()
    n, before = (last[0], last[-1]) if last else (0, "")
    hash = audit_hash(before, time, actor, act, ref)
    row = AuditRow(n=n + 1, time=time, actor=actor, act=act, ref=ref, hash=hash)
    ask(db, schema.KEEP_AUDIT, to_builtins(row))
    return row


def audit(db: Db, limit: int | None) -> list[AuditRow]:
    """See `Local.audit`."""
    rows = ask(db, schema.AUDIT, {"limit": rules.limited(limit)}).fetchall()
    return [_audit_row(row) for row in reversed(rows)]


def _row(row: Row) -> LocalRow:
    return LocalRow(key=row[0], value=row[1], version=row[2])


def _audit_row(row: Row) -> AuditRow:
    n, time, actor, act, ref, hash = row
    return AuditRow(n=n, time=time, actor=actor, act=act, ref=ref, hash=hash)
