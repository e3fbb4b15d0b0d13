"""The PostgreSQL store's part of the exchange: outboxes, places in chains, quarantine."""

from __future__ import annotations

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
from tocsin.store.postgres_open import Db, ask
from tocsin.store.rules import Row, digest

_COLUMNS = """
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
"""
_FROM_OUTBOX = """
FROM outbox o CROSS JOIN LATERAL (SELECT * FROM statement t WHERE t.n = o.statement OFFSET 0) s
WHERE o.peer = %(peer)s AND o.n > %(after)s AND (%(kind)s::text IS NULL OR s.kind = %(kind)s)
ORDER BY o.n LIMIT %(limit)s
"""
_OUTBOX = _COLUMNS + _FROM_OUTBOX
# From the id to the outbox: an outbox may be long.
_FROM_ID = """
FROM unnest(%(firsts)s::bytea[], %(lasts)s::bytea[]) k(first, last)
CROSS JOIN LATERAL (
  SELECT t.* FROM statement t JOIN outbox b ON b.statement = t.n AND b.peer = %(peer)s
  WHERE t.id BETWEEN k.first AND k.last LIMIT 4) s
JOIN outbox o ON o.statement = s.n AND o.peer = %(peer)s
"""
_WANTED = _COLUMNS + _FROM_ID

_IN_WINDOW = """
SELECT n FROM statement
WHERE log_index >= %(first)s AND log_index < %(end)s
  AND audience + 0 = ANY(%(allowed)s::bigint[])
ORDER BY log_index
"""

# Whoever was given a statement hears that its author takes it back, in the audience or not.
_UNSAID_IN_WINDOW = """
SELECT w.n FROM statement w
WHERE w.kind = 'withdraw' AND w.log_index >= %(first)s AND w.log_index < %(end)s
  AND EXISTS (
    SELECT 1 FROM ref r CROSS JOIN LATERAL (
      SELECT t.n, t.author FROM statement t WHERE t.id = r.ref AND t.inside IS NULL
      UNION ALL SELECT t.n, t.author FROM statement t WHERE t.inside = r.ref) s
    JOIN outbox o ON o.statement = s.n
    WHERE r.statement = w.n AND s.author = w.author AND o.peer = %(peer)s)
ORDER BY w.log_index
"""

_UNSAYING = """
SELECT w.n FROM unnest(%(rows)s::bigint[]) i(n)
  CROSS JOIN LATERAL (SELECT * FROM statement t WHERE t.n = i.n OFFSET 0) s
  CROSS JOIN LATERAL (SELECT * FROM ref q WHERE q.ref = coalesce(s.inside, s.id) OFFSET 0) r
  CROSS JOIN LATERAL (SELECT * FROM statement t WHERE t.n = r.statement OFFSET 0) w
WHERE w.kind = 'withdraw' AND w.author = s.author AND w.log_index IS NOT NULL
GROUP BY w.n, w.log_index ORDER BY w.log_index
"""

_ADD = """
INSERT INTO outbox(peer, n, statement, came, at)
SELECT %(peer)s, %(last)s + row_number() OVER (ORDER BY k.i), k.n,
  EXISTS (SELECT 1 FROM came c WHERE c.peer = %(peer)s AND c.statement = k.n), ''
FROM unnest(%(rows)s::bigint[]) WITH ORDINALITY k(n, i)
WHERE NOT EXISTS (SELECT 1 FROM outbox q WHERE q.statement = k.n AND q.peer = %(peer)s)
"""

_EXCHANGED = """
SELECT s.id FROM outbox o JOIN statement s ON s.n = o.statement WHERE o.peer = %(peer)s
"""
_THEIRS = """
 AND (o.at <> '' OR o.came)
UNION SELECT s.id FROM came c JOIN statement s ON s.n = c.statement WHERE c.peer = %(peer)s
"""

_PLACES = """
SELECT seq, id FROM bound
WHERE author = %(author)s AND chain = %(chain)s AND seq BETWEEN %(first)s AND %(last)s
UNION ALL SELECT seq, coalesce(inside, id) FROM statement
WHERE author = %(author)s AND chain = %(chain)s AND seq BETWEEN %(first)s AND %(last)s
"""
_NAMED = """
SELECT w.seq, p.id, w.id FROM named w JOIN peer p ON p.n = w.peer
WHERE w.author = %(author)s AND w.chain = %(chain)s AND w.seq BETWEEN %(first)s AND %(last)s
"""
_NAME = """
INSERT INTO named VALUES (%(author)s, %(chain)s, %(seq)s, %(peer)s, %(id)s)
ON CONFLICT (author, chain, seq, peer) DO UPDATE SET id = excluded.id
"""
_BIND = """
INSERT INTO bound SELECT %(author)s, %(chain)s, %(seq)s, %(id)s
WHERE NOT EXISTS (
  SELECT 1 FROM statement WHERE author = %(author)s AND chain = %(chain)s AND seq = %(seq)s)
ON CONFLICT DO NOTHING
"""
_QUARANTINE = """
INSERT INTO quarantine VALUES (%(peer)s, %(id)s, %(author)s, %(chain)s, %(seq)s, %(reason)s,
  %(message)s, %(since)s, %(item)s)
ON CONFLICT (peer, id) DO UPDATE SET
  reason = excluded.reason, message = excluded.message, item = excluded.item
"""
_WAITS = "INSERT INTO waits SELECT DISTINCT k, %(peer)s, %(id)s FROM unnest(%(waits)s::text[]) k"
_HELD_BACK = """
SELECT p.id, q.id, q.author, q.chain, q.seq, q.reason, q.message, q.since,
  ARRAY(SELECT w.key FROM waits w WHERE w.peer = q.peer AND w.id = q.id ORDER BY w.key)
FROM quarantine q JOIN peer p ON p.n = q.peer
WHERE (%(peer)s::text IS NULL OR p.id = %(peer)s)
  AND (%(waiting)s::text[] IS NULL OR (q.peer, q.id) IN (
    SELECT w.peer, w.id FROM waits w WHERE w.key = ANY(%(waiting)s::text[])))
ORDER BY q.since, q.author, q.chain, q.seq, q.id, p.id
"""
_QUARANTINED = """
SELECT p.id, q.id, q.author, q.chain, q.seq, q.reason, q.message, q.since,
  ARRAY(SELECT w.key FROM waits w WHERE w.peer = q.peer AND w.id = q.id ORDER BY w.key),
  q.item
FROM quarantine q JOIN peer p ON p.n = q.peer
WHERE (%(peer)s::text IS NULL OR p.id = %(peer)s)
  AND (%(waiting)s::text[] IS NULL OR (q.peer, q.id) IN (
    SELECT w.peer, w.id FROM waits w WHERE w.key = ANY(%(waiting)s::text[])))
  AND (%(ids)s::bytea[] IS NULL OR q.id = ANY(%(ids)s::bytea[]))
ORDER BY q.since, q.author, q.chain, q.seq, q.id, p.id
"""


def _only(db: Db, sql: str, given: Mapping[str, Any]) -> Row:
    """The one row of a question that always has one."""
    row = ask(db, sql, given).fetchone()
    assert row is not None
    return row


def _number(db: Db, peer: str) -> int:
    """The number of a peer; the first time that anything is written for it, a new one."""
    found = _known(db, peer)
    if found is None:
        [found] = _only(db, "INSERT INTO peer(id) VALUES (%(id)s) RETURNING n", {"id": peer})
    return int(found)


def _known(db: Db, peer: str) -> int | None:
    row = ask(db, "SELECT n FROM peer WHERE id = %(id)s", {"id": peer}).fetchone()
    return None if row is None else int(row[0])


# --- outboxes -------------------------------------------------------------------------------


def is_filled(db: Db, peer: str, allowed: frozenset[int]) -> bool:
    """Whether `fill` has nothing to do: what a request without news should cost."""
    row = ask(
        db,
        "SELECT p.filled = coalesce((SELECT size FROM head), 0), p.complete, p.behind"
        " FROM peer p WHERE p.id = %(id)s",
        {"id": peer},
    ).fetchone()
    return row is not None and bool(row[0]) and not row[2] and frozenset(row[1]) == allowed


def fill(db: Db, peer: str, allowed: frozenset[int], limit: int) -> bool:
    """See `Outboxes.fill`."""
    number = _number(db, peer)
    filled, was_complete, was_behind, caught, size = _only(
        db,
        "SELECT filled, complete, behind, caught, coalesce((SELECT size FROM head), 0)"
        " FROM peer WHERE n = %(peer)s",
        {"peer": number},
    )
    complete, behind = frozenset(was_complete) & allowed, frozenset(was_behind) & allowed
    for audience in sorted(allowed - complete - behind):
        [first] = _only(
            db,
            "SELECT min(log_index) FROM statement"
            " WHERE audience = %(audience)s AND log_index IS NOT NULL",
            {"audience": audience},
        )
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
    ask(
        db,
        "UPDATE peer SET filled = %(filled)s, complete = %(complete)s::bigint[],"
        " behind = %(behind)s::bigint[], caught = %(caught)s WHERE n = %(peer)s",
        {
            "filled": filled,
            "complete": sorted(complete),
            "behind": sorted(behind),
            "caught": caught,
            "peer": number,
        },
    )
    return bool(behind) or filled < size


def _put(db: Db, peer: int, first: int, end: int, allowed: frozenset[int]) -> None:
    given = {"peer": peer, "first": first, "end": end, "allowed": sorted(allowed)}
    rows = [n for [n] in ask(db, _IN_WINDOW, given)]
    _add(db, peer, rows)
    _add(db, peer, (n for [n] in ask(db, _UNSAID_IN_WINDOW, given)))
    if rows:
        _add(db, peer, (n for [n] in ask(db, _UNSAYING, {"rows": rows})))


def _add(db: Db, peer: int, statements: Iterable[int]) -> None:
    rows = list(statements)
    if not rows:
        return
    [last] = _only(db, "SELECT last FROM peer WHERE n = %(peer)s", {"peer": peer})
    added = ask(db, _ADD, {"peer": peer, "last": last, "rows": rows}).rowcount
    if added:
        given = {"last": last + added, "peer": peer}
        ask(db, "UPDATE peer SET last = %(last)s WHERE n = %(peer)s", given)


def outbox(db: Db, peer: str, after: int, limit: int, kind: str | None) -> list[Outgoing]:
    """See `Outboxes.outbox`."""
    given = {"peer": _known(db, peer), "after": after, "limit": limit, "kind": kind}
    return [_outgoing(row) for row in ask(db, _OUTBOX, given)]


def outbox_end(db: Db, peer: str) -> tuple[int, str]:
    """See `Outboxes.outbox_end`."""
    row = ask(
        db,
        "SELECT o.n, s.id FROM peer p JOIN outbox o ON o.peer = p.n AND o.n = p.last"
        " JOIN statement s ON s.n = o.statement WHERE p.id = %(id)s",
        {"id": peer},
    ).fetchone()
    return (row[0], row[1].hex()) if row else (0, "")


def outbox_lag(db: Db, peer: str) -> int:
    """See `Outboxes.outbox_lag`."""
    [lag] = _only(
        db,
        "SELECT count(*) FROM peer p JOIN outbox o ON o.peer = p.n AND o.n > p.receipt"
        " WHERE p.id = %(id)s AND NOT o.came",
        {"id": peer},
    )
    return int(lag)


def wanted(db: Db, peer: str, prefixes: Sequence[bytes]) -> list[Outgoing]:
    """See `Outboxes.wanted`."""
    given = {
        "peer": _known(db, peer),
        "firsts": [prefix.ljust(32, b"\x00") for prefix in prefixes],
        "lasts": [prefix.ljust(32, b"\xff") for prefix in prefixes],
    }
    found = {row[0]: _outgoing(row) for row in ask(db, _WANTED, given)}
    return [found[n] for n in sorted(found)]


def _outgoing(row: Row) -> Outgoing:
    n, id, kind, author, chain, seq, came, present, behind = row
    return Outgoing(
        n=n,
        id=id.hex(),
        kind=kind,
        author=author,
        chain=chain,
        seq=seq,
        behind=behind,
        came=came,
        present=present,
    )


def receipt(db: Db, peer: str, n: int, time: str) -> None:
    """See `Outboxes.receipt`."""
    number = _number(db, peer)
    [last] = _only(db, "SELECT receipt FROM peer WHERE n = %(peer)s", {"peer": number})
    if n > last:
        given = {"peer": number, "n": n, "last": last, "time": time}
        ask(
            db,
            "UPDATE outbox SET at = %(time)s"
            " WHERE peer = %(peer)s AND n > %(last)s AND n <= %(n)s AND at = ''",
            given,
        )
        ask(db, "UPDATE peer SET receipt = least(%(n)s, last) WHERE n = %(peer)s", given)


def given(db: Db, statement: str) -> list[Given]:
    """See `Outboxes.given`."""
    rows = ask(
        db,
        "SELECT p.id, o.n, o.at, o.came FROM statement s JOIN outbox o ON o.statement = s.n"
        " JOIN peer p ON p.n = o.peer WHERE s.id = %(id)s ORDER BY p.id",
        {"id": digest(statement)},
    )
    return [Given(peer=peer, n=n, at=at, came=came) for peer, n, at, came in rows]


def exchanged(db: Db, peer: str, *, theirs: bool) -> list[bytes]:
    """See `Outboxes.exchanged`."""
    sql = _EXCHANGED + (f"{_THEIRS} ORDER BY 1" if theirs else " ORDER BY o.n")
    return [id for [id] in ask(db, sql, {"peer": _known(db, peer)})]


# --- what came --------------------------------------------------------------------------------


def came(db: Db, peer: str, statements: Sequence[str]) -> None:
    """See `Inboxes.came`."""
    given = {"peer": _number(db, peer), "ids": [digest(statement) for statement in statements]}
    ask(
        db,
        "INSERT INTO came SELECT %(peer)s, n FROM statement WHERE id = ANY(%(ids)s::bytea[])"
        " ON CONFLICT DO NOTHING",
        given,
    )
    ask(
        db,
        "UPDATE outbox o SET came = true FROM statement s"
        " WHERE s.id = ANY(%(ids)s::bytea[]) AND o.statement = s.n AND o.peer = %(peer)s",
        given,
    )


def absent(db: Db, statement: str) -> list[Absent]:
    """See `Inboxes.absent`."""
    rows = ask(
        db,
        "SELECT a.sha256, a.id, a.type FROM absent a JOIN statement s ON s.n = a.statement"
        " WHERE s.id = %(id)s ORDER BY a.id, a.sha256",
        {"id": digest(statement)},
    )
    return [Absent(sha256=sha256.hex(), id=id, type=type) for sha256, id, type in rows]


def places(db: Db, author: str, chain: str, first: int, last: int) -> dict[int, str]:
    """See `Inboxes.places`."""
    given = {"author": author, "chain": chain, "first": first, "last": last}
    return {seq: id.hex() for seq, id in ask(db, _PLACES, given)}


def withhold(db: Db, peer: str, author: str, chain: str, named: Mapping[int, str]) -> None:
    """See `Inboxes.withhold`."""
    number = _number(db, peer) if peer and named else None
    for seq, id in sorted(named.items()):
        given = {"author": author, "chain": chain, "seq": seq, "peer": number, "id": digest(id)}
        ask(db, _NAME if peer else _BIND, given)


def named(db: Db, author: str, chain: str, first: int, last: int) -> dict[int, dict[str, str]]:
    """See `Inboxes.named`."""
    found: dict[int, dict[str, str]] = {}
    given = {"author": author, "chain": chain, "first": first, "last": last}
    for seq, peer, id in ask(db, _NAMED, given):
        found.setdefault(seq, {})[peer] = id.hex()
    return found


def quarantine(db: Db, one: Quarantined) -> bool:
    """See `Inboxes.quarantine`."""
    given = {
        "peer": _number(db, one.peer),
        "id": digest(one.id),
        "author": one.author,
        "chain": one.chain,
        "seq": one.seq,
        "reason": one.reason,
        "message": one.message,
        "since": one.since,
        "item": one.item,
        "waits": list(one.waits),
    }
    count, size = _only(
        db,
        "SELECT count(*), coalesce(sum(octet_length(item)), 0)::bigint FROM quarantine"
        " WHERE peer = %(peer)s AND id <> %(id)s",
        given,
    )
    if count >= MAX_QUARANTINED or size + len(one.item) > MAX_QUARANTINED_BYTES:
        return False
    ask(db, _QUARANTINE, given)
    ask(db, "DELETE FROM waits WHERE peer = %(peer)s AND id = %(id)s", given)
    ask(db, _WAITS, given)
    return True


def quarantined(
    db: Db, peer: str | None, waiting: Sequence[str] | None, ids: Sequence[str] | None
) -> list[Quarantined]:
    """See `Inboxes.quarantined`."""
    rows = ask(
        db,
        _QUARANTINED,
        {
            "peer": peer,
            "waiting": None if waiting is None else list(waiting),
            "ids": None if ids is None else [digest(id) for id in ids],
        },
    )
    return [Quarantined(**_held_back(row), item=row[-1]) for row in rows]


def held_back(db: Db, peer: str | None, waiting: Sequence[str] | None) -> list[HeldBack]:
    """See `Inboxes.held_back`."""
    given = {"peer": peer, "waiting": None if waiting is None else list(waiting)}
    return [HeldBack(**_held_back(row)) for row in ask(db, _HELD_BACK, given)]


def _held_back(row: Row) -> dict[str, Any]:
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
        "waits": tuple(waits),
    }


def held_back_counts(db: Db) -> dict[str, int]:
    """See `Inboxes.held_back_counts`."""
    rows = ask(
        db,
        "SELECT p.id, count(*) FROM quarantine q JOIN peer p ON p.n = q.peer GROUP BY p.id",
        {},
    )
    return dict(rows.fetchall())


def expire(db: Db, before: str) -> list[str]:
    """See `Inboxes.expire`."""
    rows = ask(
        db,
        "WITH gone AS (DELETE FROM quarantine WHERE since < %(before)s RETURNING peer)"
        " SELECT DISTINCT p.id FROM gone JOIN peer p ON p.n = gone.peer",
        {"before": before},
    )
    return sorted(peer for [peer] in rows)


def release(db: Db, peer: str, ids: Sequence[str]) -> None:
    """See `Inboxes.release`."""
    ask(
        db,
        "DELETE FROM quarantine WHERE peer = %(peer)s AND id = ANY(%(ids)s::bytea[])",
        {"peer": _number(db, peer), "ids": [digest(id) for id in ids]},
    )
