"""The SQLite store's part of the exchange: outboxes, places in chains, quarantine."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tocsin.store.federation import (
    MAX_QUARANTINED,
    MAX_QUARANTINED_BYTES,
    Absent,
    Given,
    HeldBack,
    Outgoing,
    Quarantined,
)
from tocsin.store.rules import digest
from tocsin.store.sqlite_reads import numbers

_ROW = """
SELECT o.n, s.id, s.kind, s.author, s.chain, s.seq, o.came,
  EXISTS (SELECT 1 FROM envelope e WHERE e.n = s.n)
    OR EXISTS (SELECT 1 FROM sealed x WHERE x.n = s.n),
  coalesce((
    SELECT p.seq FROM statement p
    WHERE p.author = s.author AND p.chain = s.chain AND p.seq < s.seq
      AND EXISTS (SELECT 1 FROM outbox q WHERE q.statement = p.n AND q.peer = o.peer)
      AND (EXISTS (SELECT 1 FROM envelope e WHERE e.n = p.n)
           OR EXISTS (SELECT 1 FROM sealed x WHERE x.n = p.n))
    ORDER BY p.seq DESC LIMIT 1), 0)
FROM outbox o CROSS JOIN statement s ON s.n = o.statement
WHERE o.peer = :peer
"""

_IN_WINDOW = """
SELECT n FROM statement
WHERE log_index >= :first AND log_index < :end
  AND +audience IN (SELECT value FROM json_each(:allowed))
ORDER BY log_index
"""

# Whoever was given a statement hears that its author takes it back, in the audience or not.
_UNSAID_IN_WINDOW = """
SELECT w.n FROM statement w
WHERE w.kind = 'withdraw' AND w.log_index >= :first AND w.log_index < :end
  AND EXISTS (
    SELECT 1 FROM ref r CROSS JOIN statement s CROSS JOIN outbox o ON o.statement = s.n
    WHERE r.statement = w.n AND s.author = w.author AND o.peer = :peer AND s.n IN (
      SELECT n FROM statement WHERE id = r.ref AND inside IS NULL
      UNION ALL SELECT n FROM statement WHERE inside = r.ref))
ORDER BY w.log_index
"""

_UNSAYING = """
SELECT DISTINCT w.n FROM json_each(:rows) i CROSS JOIN statement s ON s.n = i.value
  CROSS JOIN ref r ON r.ref = coalesce(s.inside, s.id) CROSS JOIN statement w ON w.n = r.statement
WHERE w.kind = 'withdraw' AND w.author = s.author AND w.log_index IS NOT NULL
ORDER BY w.log_index
"""


def _number(db: sqlite3.Connection, peer: str) -> int:
    """The number of a peer; the first time that anything is written for it, a new one."""
    found = _known(db, peer)
    if found is None:
        [found] = db.execute("INSERT INTO peer(id) VALUES (?) RETURNING n", (peer,)).fetchone()
    return found


def _known(db: sqlite3.Connection, peer: str) -> int | None:
    row = db.execute("SELECT n FROM peer WHERE id = ?", (peer,)).fetchone()
    return None if row is None else int(row[0])


# --- outboxes -------------------------------------------------------------------------------


def is_filled(db: sqlite3.Connection, peer: str, allowed: frozenset[int]) -> bool:
    """Whether `fill` has nothing to do: what a request without news should cost."""
    row = db.execute(
        "SELECT p.filled = coalesce((SELECT size FROM head), 0), p.complete, p.behind"
        " FROM peer p WHERE p.id = ?",
        (peer,),
    ).fetchone()
    return row is not None and bool(row[0]) and row[2] == "[]" and row[1] == _text(allowed)


def fill(db: sqlite3.Connection, peer: str, allowed: frozenset[int], limit: int) -> bool:
    """See `Outboxes.fill`."""
    number = _number(db, peer)
    filled, was_complete, was_behind, caught = db.execute(
        "SELECT filled, complete, behind, caught FROM peer WHERE n = ?", (number,)
    ).fetchone()
    [size] = db.execute("SELECT coalesce((SELECT size FROM head), 0)").fetchone()
    complete, behind = _set(was_complete) & allowed, _set(was_behind) & allowed
    for audience in sorted(allowed - complete - behind):
        [first] = db.execute(
            "SELECT min(log_index) FROM statement WHERE audience = ? AND log_index IS NOT NULL",
            (audience,),
        ).fetchone()
        if first is None or first >= filled:
            complete |= {audience}
        else:
            caught = min(caught, first) if behind else first
            behind |= {audience}
    if behind:
        first, end = caught, min(caught + limit, filled)
        _put(db, number, first, end, behind)
        caught = end
        if caught == filled:
            complete, behind = complete | behind, frozenset()
    else:
        first, end = filled, min(filled + limit, size)
        _put(db, number, first, end, complete)
        filled = end
    db.execute(
        "UPDATE peer SET filled = ?, complete = ?, behind = ?, caught = ? WHERE n = ?",
        (filled, _text(complete), _text(behind), caught, number),
    )
    return bool(behind) or filled < size


def _put(db: sqlite3.Connection, peer: int, first: int, end: int, allowed: frozenset[int]) -> None:
    given: dict[str, Any] = {
        "peer": peer, "first": first, "end": end, "allowed": numbers(allowed)
    }  # fmt: skip
    rows = [n for [n] in db.execute(_IN_WINDOW, given)]
    _add(db, peer, rows)
    _add(db, peer, (n for [n] in db.execute(_UNSAID_IN_WINDOW, given).fetchall()))
    if rows:
        found = db.execute(_UNSAYING, {"rows": json.dumps(rows)}).fetchall()
        _add(db, peer, (n for [n] in found))


def _add(db: sqlite3.Connection, peer: int, statements: Iterable[int]) -> None:
    [last] = db.execute("SELECT last FROM peer WHERE n = ?", (peer,)).fetchone()
    before = last
    for statement in statements:
        last += db.execute(
            "INSERT OR IGNORE INTO outbox SELECT ?, ?, ?,"
            " EXISTS (SELECT 1 FROM came WHERE peer = ? AND statement = ?), ''",
            (peer, last + 1, statement, peer, statement),
        ).rowcount
    if last != before:
        db.execute("UPDATE peer SET last = ? WHERE n = ?", (last, peer))


def outbox(
    db: sqlite3.Connection, peer: str, after: int, limit: int, kind: str | None
) -> list[Outgoing]:
    """See `Outboxes.outbox`."""
    number = _known(db, peer)
    sql = _ROW + " AND o.n > :after"
    if kind is not None:
        sql += " AND s.kind = :kind"
    given = {"peer": number, "after": after, "limit": limit, "kind": kind}
    rows = db.execute(sql + " ORDER BY o.n LIMIT :limit", given).fetchall()
    return [_outgoing(row) for row in rows]


def outbox_end(db: sqlite3.Connection, peer: str) -> tuple[int, str]:
    """See `Outboxes.outbox_end`."""
    row = db.execute(
        "SELECT o.n, s.id FROM peer p JOIN outbox o ON o.peer = p.n AND o.n = p.last"
        " JOIN statement s ON s.n = o.statement WHERE p.id = ?",
        (peer,),
    ).fetchone()
    return (row[0], row[1].hex()) if row else (0, "")


def outbox_lag(db: sqlite3.Connection, peer: str) -> int:
    """See `Outboxes.outbox_lag`."""
    [lag] = db.execute(
        "SELECT count(*) FROM peer p JOIN outbox o ON o.peer = p.n AND o.n > p.receipt"
        " WHERE p.id = ? AND NOT o.came",
        (peer,),
    ).fetchone()
    return int(lag)


def wanted(db: sqlite3.Connection, peer: str, prefixes: Sequence[bytes]) -> list[Outgoing]:
    """See `Outboxes.wanted`."""
    number = _known(db, peer)
    found: dict[int, Outgoing] = {}
    for prefix in prefixes:
        given = {
            "peer": number,
            "first": prefix.ljust(32, b"\x00"),
            "last": prefix.ljust(32, b"\xff"),
        }
        # From the id to the outbox: an outbox may be long.
        sql = _ROW.replace(
            "FROM outbox o CROSS JOIN statement s ON s.n = o.statement",
            "FROM statement s CROSS JOIN outbox o ON o.statement = s.n",
        )
        for row in db.execute(sql + " AND s.id BETWEEN :first AND :last LIMIT 4", given):
            found[row[0]] = _outgoing(row)
    return [found[n] for n in sorted(found)]


def _outgoing(row: tuple[Any, ...]) -> Outgoing:
    n, id, kind, author, chain, seq, came, present, behind = row
    return Outgoing(
        n=n,
        id=id.hex(),
        kind=kind,
        author=author,
        chain=chain,
        seq=seq,
        behind=behind,
        came=bool(came),
        present=bool(present),
    )


def receipt(db: sqlite3.Connection, peer: str, n: int, time: str) -> None:
    """See `Outboxes.receipt`."""
    number = _number(db, peer)
    [last] = db.execute("SELECT receipt FROM peer WHERE n = ?", (number,)).fetchone()
    if n > last:
        db.execute(
            "UPDATE outbox SET at = ? WHERE peer = ? AND n > ? AND n <= ? AND at = ''",
            (time, number, last, n),
        )
        db.execute("UPDATE peer SET receipt = min(?, last) WHERE n = ?", (n, number))


def given(db: sqlite3.Connection, statement: str) -> list[Given]:
    """See `Outboxes.given`."""
    rows = db.execute(
        "SELECT p.id, o.n, o.at, o.came FROM statement s JOIN outbox o ON o.statement = s.n"
        " JOIN peer p ON p.n = o.peer WHERE s.id = ? ORDER BY p.id",
        (digest(statement),),
    )
    return [Given(peer=peer, n=n, at=at, came=bool(came)) for peer, n, at, came in rows]


def exchanged(db: sqlite3.Connection, peer: str, *, theirs: bool) -> list[bytes]:
    """See `Outboxes.exchanged`."""
    number = _known(db, peer)
    sql = "SELECT s.id FROM outbox o JOIN statement s ON s.n = o.statement WHERE o.peer = :peer"
    if theirs:
        sql += (
            " AND (o.at <> '' OR o.came) UNION SELECT s.id FROM came c"
            " JOIN statement s ON s.n = c.statement WHERE c.peer = :peer ORDER BY 1"
        )
    else:
        sql += " ORDER BY o.n"
    return [id for [id] in db.execute(sql, {"peer": number})]


# --- what came --------------------------------------------------------------------------------


def came(db: sqlite3.Connection, peer: str, statements: Sequence[str]) -> None:
    """See `Inboxes.came`."""
    number = _number(db, peer)
    for statement in statements:
        row = db.execute("SELECT n FROM statement WHERE id = ?", (digest(statement),)).fetchone()
        if row is not None:
            db.execute("INSERT OR IGNORE INTO came VALUES (?, ?)", (number, row[0]))
            db.execute(
                "UPDATE outbox SET came = 1 WHERE peer = ? AND statement = ?", (number, row[0])
            )


def absent(db: sqlite3.Connection, statement: str) -> list[Absent]:
    """See `Inboxes.absent`."""
    rows = db.execute(
        "SELECT a.sha256, a.id, a.type FROM absent a JOIN statement s ON s.n = a.statement"
        " WHERE s.id = ? ORDER BY a.id, a.sha256",
        (digest(statement),),
    )
    return [Absent(sha256=sha256.hex(), id=id, type=type) for sha256, id, type in rows]


def places(
    db: sqlite3.Connection, author: str, chain: str, first: int, last: int
) -> dict[int, str]:
    """See `Inboxes.places`."""
    rows = db.execute(
        "SELECT seq, id FROM bound WHERE author = ?1 AND chain = ?2 AND seq BETWEEN ?3 AND ?4"
        " UNION ALL"
        " SELECT seq, coalesce(inside, id) FROM statement"
        " WHERE author = ?1 AND chain = ?2 AND seq BETWEEN ?3 AND ?4",
        (author, chain, first, last),
    )
    return {seq: id.hex() for seq, id in rows}


def withhold(
    db: sqlite3.Connection, peer: str, author: str, chain: str, named: Mapping[int, str]
) -> None:
    """See `Inboxes.withhold`."""
    for seq, id in sorted(named.items()):
        if peer:
            db.execute(
                "INSERT INTO named VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET id=excluded.id",
                (author, chain, seq, _number(db, peer), digest(id)),
            )
        else:
            db.execute(
                "INSERT OR IGNORE INTO bound SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS ("
                "SELECT 1 FROM statement WHERE author = ?1 AND chain = ?2 AND seq = ?3)",
                (author, chain, seq, digest(id)),
            )


def named(
    db: sqlite3.Connection, author: str, chain: str, first: int, last: int
) -> dict[int, dict[str, str]]:
    """See `Inboxes.named`."""
    found: dict[int, dict[str, str]] = {}
    rows = db.execute(
        "SELECT w.seq, p.id, w.id FROM named w JOIN peer p ON p.n = w.peer"
        " WHERE w.author = ? AND w.chain = ? AND w.seq BETWEEN ? AND ?",
        (author, chain, first, last),
    )
    for seq, peer, id in rows:
        found.setdefault(seq, {})[peer] = id.hex()
    return found


def quarantine(db: sqlite3.Connection, one: Quarantined) -> bool:
    """See `Inboxes.quarantine`."""
    number, id = _number(db, one.peer), digest(one.id)
    count, size = db.execute(
        "SELECT count(*), coalesce(sum(length(item)), 0) FROM quarantine"
        " WHERE peer = ? AND id <> ?",
        (number, id),
    ).fetchone()
    if count >= MAX_QUARANTINED or size + len(one.item) > MAX_QUARANTINED_BYTES:
        return False
    db.execute(
        "INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " reason = excluded.reason, message = excluded.message, item = excluded.item",
        (number, id, one.author, one.chain, one.seq, one.reason, one.message, one.since, one.item),
    )
    db.execute("DELETE FROM waits WHERE peer = ? AND id = ?", (number, id))
    db.executemany(
        "INSERT OR IGNORE INTO waits VALUES (?, ?, ?)", [(key, number, id) for key in one.waits]
    )
    return True


_HELD_BACK = """
SELECT p.id, q.id, q.author, q.chain, q.seq, q.reason, q.message, q.since,
  (SELECT json_group_array(key) FROM (
    SELECT key FROM waits w WHERE w.peer = q.peer AND w.id = q.id ORDER BY key))
FROM quarantine q JOIN peer p ON p.n = q.peer
WHERE (:peer IS NULL OR p.id = :peer)
  AND (:waiting IS NULL OR q.rowid IN (
    SELECT x.rowid FROM json_each(:waiting) k CROSS JOIN waits w ON w.key = k.value
    CROSS JOIN quarantine x ON x.peer = w.peer AND x.id = w.id))
ORDER BY q.since, q.author, q.chain, q.seq, q.id, p.id
"""
_QUARANTINED = """
SELECT p.id, q.id, q.author, q.chain, q.seq, q.reason, q.message, q.since,
  (SELECT json_group_array(key) FROM (
    SELECT key FROM waits w WHERE w.peer = q.peer AND w.id = q.id ORDER BY key)),
  q.item
FROM quarantine q JOIN peer p ON p.n = q.peer
WHERE (:peer IS NULL OR p.id = :peer)
  AND (:waiting IS NULL OR q.rowid IN (
    SELECT x.rowid FROM json_each(:waiting) k CROSS JOIN waits w ON w.key = k.value
    CROSS JOIN quarantine x ON x.peer = w.peer AND x.id = w.id))
  AND (:ids IS NULL OR hex(q.id) IN (SELECT upper(value) FROM json_each(:ids)))
ORDER BY q.since, q.author, q.chain, q.seq, q.id, p.id
"""


def quarantined(
    db: sqlite3.Connection,
    peer: str | None,
    waiting: Sequence[str] | None,
    ids: Sequence[str] | None,
) -> list[Quarantined]:
    """See `Inboxes.quarantined`."""
    rows = db.execute(
        _QUARANTINED,
        {
            "peer": peer,
            "waiting": None if waiting is None else json.dumps(list(waiting)),
            "ids": None if ids is None else json.dumps(list(ids)),
        },
    )
    return [Quarantined(**_held_back(row), item=row[-1]) for row in rows]


def held_back(
    db: sqlite3.Connection, peer: str | None, waiting: Sequence[str] | None
) -> list[HeldBack]:
    """See `Inboxes.held_back`."""
    rows = db.execute(
        _HELD_BACK,
        {"peer": peer, "waiting": None if waiting is None else json.dumps(list(waiting))},
    )
    return [HeldBack(**_held_back(row)) for row in rows]


def _held_back(row: Sequence[Any]) -> dict[str, Any]:
    peer, id, author, chain, seq, reason, message, since, waits = row[:9]
    return {
        "peer": peer,
        "id": id.hex(),
        "author": author,
        "chain": chain,
        "seq": seq,
        "reason": reason,
        "message": message,
        "since": since,
        "waits": tuple(json.loads(waits)),
    }


def held_back_counts(db: sqlite3.Connection) -> dict[str, int]:
    """See `Inboxes.held_back_counts`."""
    return dict(
        db.execute(
            "SELECT p.id, count(*) FROM quarantine q JOIN peer p ON p.n = q.peer GROUP BY p.id"
        ).fetchall()
    )


def expire(db: sqlite3.Connection, before: str) -> list[str]:
    """See `Inboxes.expire`."""
    rows = db.execute("DELETE FROM quarantine WHERE since < ? RETURNING peer", (before,))
    gone = {peer for [peer] in rows.fetchall()}
    return sorted(
        id for number, id in db.execute("SELECT n, id FROM peer").fetchall() if number in gone
    )


def release(db: sqlite3.Connection, peer: str, ids: Sequence[str]) -> None:
    """See `Inboxes.release`."""
    number = _number(db, peer)
    db.executemany(
        "DELETE FROM quarantine WHERE peer = ? AND id = ?", [(number, digest(id)) for id in ids]
    )


def _set(text: str) -> frozenset[int]:
    return frozenset(json.loads(text))


def _text(audiences: frozenset[int]) -> str:
    return json.dumps(sorted(audiences), separators=(",", ":"))
