"""The SQLite store's log: keeping statements, entering them, all inside the writer's transaction.

Many statements come at once, so their rows are collected and written table by table. What is
checked of one is checked before any row of it is collected: a bad one leaves no trace.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tocsin.errors import (
    TocsinError,
)
from tocsin.policy import Audience
from tocsin.record.ports import HeadLike, Keepable
from tocsin.record.statement import ObjectRef
from tocsin.store import schema, words
from tocsin.store import sqlite_exchange as exchange
from tocsin.store.federation import Absent
from tocsin.store.interface import (
    EVERYTHING,
    Chain,
    Head,
    audience_key,
    collections_of,
    stays_on_record,
    version_key,
)
from tocsin.store.rules import (
    PENDING,
    Arrival,
    Place,
    check_growth,
    name_taken,
    not_brought,
    not_pending,
    place_taken,
    purged_error,
)
from tocsin.store.sqlite_open import insert

if TYPE_CHECKING:
    from tocsin.record.envelope import Verified
    from tocsin.record.seal import Sealed, VerifiedSeal
    from tocsin.record.statement import Statement

LOOKED_UP = 250
"""Objects that are asked for by one question."""

# --- keeping --------------------------------------------------------------------------------


def _held(db: sqlite3.Connection, ids: Sequence[str]) -> dict[str, tuple[str, str, int]]:
    """(kind, author, seq) of those that are held: one question for many, not one for each."""
    found: dict[str, tuple[str, str, int]] = {}
    for start in range(0, len(ids), 1_000):
        asked = [bytes.fromhex(id) for id in ids[start : start + 1_000]]
        rows = db.execute(schema.NAMED.format(marks=",".join("?" * len(asked))), asked)
        found.update((id.hex(), (kind, author, seq)) for id, kind, author, seq in rows)
    return found


def keep_all(db: sqlite3.Connection, arrivals: Sequence[Arrival]) -> list[TocsinError | None]:
    """Keep each statement that can be kept; for each what kept it out, or None."""
    batch = _Batch(db, [one.verified.id for one in arrivals])
    batch.look_up([sha256 for one in arrivals for sha256, _ in one.brought])
    outcomes: list[TocsinError | None] = []
    for one in arrivals:
        try:
            batch.take(one)
        except TocsinError as wrong:
            outcomes.append(wrong)
        else:
            outcomes.append(None)
    batch.write()
    return outcomes


class _Batch:
    """Rows that wait to be written, and what is known of the store meanwhile."""

    def __init__(self, db: sqlite3.Connection, ids: Sequence[str]) -> None:
        self._db = db
        self._held = _held(db, ids)
        [self._last] = db.execute("SELECT coalesce(max(n), 0) FROM statement").fetchone()
        self._last_object: int | None = None
        self._heads: dict[tuple[str, str], tuple[int, str] | None] = {}
        self._bound: dict[tuple[str, str], int] = {}  # the last bound place of each chain
        self._numbers: dict[Audience, int] = {}
        self._objects: dict[Place, int] = {}
        self._asked: frozenset[str] = frozenset()
        self._found: dict[Place, tuple[int, int]] = {}  # of those asked for, that were held
        self._said_by: set[tuple[str, Place]] = set()
        self._names: set[str] = set()
        rows = db.execute("SELECT id, lifted FROM purged WHERE what = 'object'").fetchall()
        self._purged = {id.hex() for id, lifted in rows if not lifted}
        self._lifted = {id.hex() for id, lifted in rows if lifted}
        self._rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in schema.INSERTS}

    def look_up(self, digests: Sequence[str]) -> None:
        """Ask for many objects at once what `_object` else asks for each."""
        asked = sorted({bytes.fromhex(sha256) for sha256 in digests})
        for start in range(0, len(asked), LOOKED_UP):
            some = asked[start : start + LOOKED_UP]
            rows = self._db.execute(
                schema.OBJECTS_HELD.format(marks=",".join("?" * len(some))), some
            )
            for sha256, id, number, empty in rows:
                self._found[sha256.hex(), id] = number, empty
        self._asked = frozenset(digests)

    def take(self, one: Arrival) -> None:
        """Check one statement against the store and the batch, and collect its rows."""
        s = one.verified.statement
        place = s.author, s.chain
        if not self._is_next(place, s) and self._is_held(one.verified):
            return
        self._check_name(one.verified)
        says = () if s.kind == "withdraw" else s.objects
        objects = [
            (ref, self._object(s.author, ref, one.brought))
            for ref in says
            if not isinstance(one.brought.get((ref.sha256, ref.id)), Absent)
        ]
        n = self._last = self._last + 1
        rows, own, case = self._rows, self._intern(one.audience), s.case or ""
        self._names.add(one.verified.id)
        inside = one.verified.inside
        rows["statement"].append(
            (
                *(n, bytes.fromhex(one.verified.id), bytes.fromhex(inside) if inside else None),
                *(s.kind, s.author, case, place[1], s.seq, own),
            )
        )
        for feed in collections_of(s):
            if feed not in (EVERYTHING, case):
                rows["put"].append((n, feed))
        if s.kind == "sealed":
            rows["sealed"].append((n, s.tlp, one.verified.raw))
        else:
            rows["envelope"].append((n, one.verified.raw))
        if s.refs:
            rows["ref"] += [(bytes.fromhex(ref), n) for ref in s.refs]
        if s.kind == "withdraw":
            rows["taken_back"] += [(n, bytes.fromhex(o.sha256)) for o in s.objects]
        if one.brought:
            rows["absent"] += [
                (n, bytes.fromhex(item.sha256), item.id, item.type)
                for item in one.brought.values()
                if isinstance(item, Absent)
            ]
        for ref, held in objects:
            number = held if held is not None else self._new(one.brought[ref.sha256, ref.id])
            if ref.sha256 in self._lifted and (ref.sha256, ref.id) in one.brought:
                self._fill(number, one.brought[ref.sha256, ref.id])
            narrowed = one.object_audiences.get(ref.sha256)
            audience = own if narrowed is None else self._intern(narrowed)
            rows["said"].append((n, number, audience, PENDING, ref.type, ref.id, case))
            self._said_by.add((s.author, (ref.sha256, ref.id)))
        last = self._heads[place]
        if s.seq > 1 and (last is None or last[0] != s.seq - 1):
            # Most likely nothing is held before it: from now on only what it names is kept there.
            rows["bound"].append((*place, s.seq - 1, bytes.fromhex(s.prev)))
            self._bound[place] = max(self._bound[place], s.seq - 1)
        if last is None or last[0] < s.seq:
            self._heads[place] = s.seq, inside or one.verified.id

    def complete(
        self, id: bytes, objects: Sequence[Keepable], object_audiences: Mapping[str, Audience]
    ) -> tuple[int, int | None, str] | None:
        """Collect the rows of objects that come late; (n, log index, author) of their statement.

        None: there is nothing to do.
        """
        n, index, author, case, own = self._db.execute(
            "SELECT n, log_index, author, case_id, audience FROM statement WHERE id = ?", (id,)
        ).fetchone()
        lacking = {
            (sha256.hex(), name): (sha256, name)
            for sha256, name in self._db.execute(
                "SELECT sha256, id FROM absent WHERE statement = ?", (n,)
            )
        }
        came = {(item.sha256, item.id): item for item in objects}
        for place in lacking.keys() & came.keys():
            item = came[place]
            ref = ObjectRef(id=item.id, sha256=item.sha256, type=item.type)
            held = self._object(author, ref, came)
            number = held if held is not None else self._new(item)
            if held is not None:
                self._fill(number, item)
            narrowed = object_audiences.get(item.sha256)
            audience = own if narrowed is None else self._intern(narrowed)
            self._rows["said"].append((n, number, audience, PENDING, item.type, item.id, case))
            self._db.execute(
                "DELETE FROM absent WHERE statement = ? AND sha256 = ? AND id = ?",
                (n, *lacking[place]),
            )
        self.write()
        return (n, index, author) if lacking.keys() & came.keys() else None

    def write(self) -> None:
        """Write what is collected, parents before children."""
        for table, rows in self._rows.items():
            if rows:
                insert(self._db, schema.INSERTS[table], rows)
                rows.clear()

    def _is_next(self, place: tuple[str, str], s: Statement | Sealed) -> bool:
        """Whether it follows the last of its chain, or is the first we see of it."""
        if place not in self._heads:
            last = chain(self._db, *place)
            self._heads[place] = (last.seq, last.head) if last else None
            [self._bound[place]] = self._db.execute(
                "SELECT coalesce(max(seq), 0) FROM bound WHERE author = ? AND chain = ?", place
            ).fetchone()
        head = self._heads[place]
        if self._bound[place] and s.seq - 1 <= self._bound[place]:
            return False
        return head is None or head == (s.seq - 1, s.prev)

    def _is_held(self, verified: Verified | VerifiedSeal) -> bool:
        """Whether it is kept already. If not, its place must be free and fit what is around it.

        Two statements at one place of a chain would make their author equivocate.

        Raises:
            ChainError: the place is another's.
        """
        self.write()
        db, s = self._db, verified.statement
        id = bytes.fromhex(verified.id)
        place = (s.author, s.chain, s.seq)
        sql = "SELECT 1 FROM statement WHERE id = ? AND author = ? AND chain = ? AND seq = ?"
        if db.execute(sql, (id, *place)).fetchone():
            return True
        around = {seq: held.hex() for seq, held in db.execute(schema.AROUND, place)}
        bound = {seq: held.hex() for seq, held in db.execute(schema.BOUND_AROUND, place)}
        before = around.get(s.seq - 1, bound.get(s.seq - 1, s.prev))
        name = verified.inside or verified.id
        if s.seq in around or bound.get(s.seq, name) != name or before != s.prev:
            last = chain(db, s.author, s.chain) or Chain(seq=s.seq - 1, head=before)
            raise place_taken(s, last)
        return False

    def _check_name(self, verified: Verified | VerifiedSeal) -> None:
        """Return if nothing here has this id.

        An author can give two sealed statements, at different places, one id inside.

        Raises:
            ConflictError: something else of its author is kept under it.
        """
        row = self._held.get(verified.id)
        if row is None and verified.id not in self._names:
            return
        raise name_taken(verified, row)

    def _intern(self, audience: Audience) -> int:
        number = self._numbers.get(audience)
        if number is None:
            number = self._numbers[audience] = _intern(self._db, audience)
        return number

    def _object(self, author: str, ref: ObjectRef, brought: Mapping[Place, Keepable]) -> int | None:
        """The number of an object that is held; None: it is new, and was brought.

        Raises:
            StatementError: it was not brought, and this author has not said it before. Another's,
                named by its digest alone, would open it.
            PurgedError: it was purged here.
        """
        if ref.sha256 in self._purged:
            raise purged_error(f"object {ref.id} ({ref.sha256[:12]}…)")
        place = ref.sha256, ref.id
        came = place in brought
        if place in self._objects and (came or (author, place) in self._said_by):
            return self._objects[place]
        if came and ref.sha256 in self._asked:
            row = self._found.get(place)
        else:
            sql = schema.OBJECT_HELD if came else schema.OBJECT_SAID_BY
            row = self._db.execute(
                sql, {"sha256": bytes.fromhex(ref.sha256), "id": ref.id, "author": author}
            ).fetchone()
        if row is None and not came:
            raise not_brought(ref)
        if row is None:
            return None
        number, empty = row
        if empty and not came and ref.sha256 in self._lifted:
            raise purged_error(f"object {ref.id} ({ref.sha256[:12]}…)")
        self._objects[place] = number
        return int(number)

    def _fill(self, number: int, item: Keepable) -> None:
        """Give an object that was purged, and is allowed again, its bytes back."""
        self.write()
        sql = "UPDATE object SET raw = ? WHERE n = ? AND raw = x''"
        if self._db.execute(sql, (item.raw, number)).rowcount:
            self._db.execute(schema.INDEX_AGAIN, (number, words.line_of(item), number))

    def _new(self, item: Keepable) -> int:
        place = item.sha256, item.id
        if place in self._objects:
            return self._objects[place]
        if self._last_object is None:
            [self._last_object] = self._db.execute(
                "SELECT coalesce(max(n), 0) FROM object"
            ).fetchone()
        n = self._last_object = self._last_object + 1
        self._objects[place] = n
        self._rows["object"].append(
            (
                n,
                bytes.fromhex(item.sha256),
                item.id,
                item.type,
                item.spec_version,
                item.created,
                item.modified,
                version_key(item),
                int(stays_on_record(item)),
                item.raw,
            )
        )
        return n


def chain(db: sqlite3.Connection, author: str, name: str) -> Chain | None:
    """The last statement of this author in the chain of this name."""
    row = db.execute(
        "SELECT seq, coalesce(inside, id) FROM statement WHERE author = ? AND chain = ?"
        " ORDER BY seq DESC LIMIT 1",
        (author, name),
    ).fetchone()
    return Chain(seq=row[0], head=row[1].hex()) if row else None


def _intern(db: sqlite3.Connection, audience: Audience) -> int:
    key = audience_key(audience)
    row = db.execute("SELECT id FROM audience WHERE canonical = ?", (key,)).fetchone()
    if row is None:
        row = db.execute(
            "INSERT INTO audience(canonical) VALUES (?) RETURNING id", (key,)
        ).fetchone()
    number: int = row[0]
    return number


# --- entering -------------------------------------------------------------------------------


def append(
    db: sqlite3.Connection,
    ids: list[bytes],
    edge: bytes,
    new: Head,
    expected: HeadLike | None,
    now: int,
) -> None:
    """See `Log.append`. `now`: microseconds, for `Exchange`."""
    row = db.execute("SELECT origin, size, root FROM head").fetchone()
    size = check_growth(row, new, len(ids), expected)
    if ids:
        entered = _enter(db, ids, size)
        if entered != len(ids):
            raise not_pending(ids, entered)
        _take_effect(db, size, now)
    db.execute(
        "INSERT INTO head VALUES (1, ?, ?, ?, ?, ?) ON CONFLICT (one) DO UPDATE SET"
        " origin = excluded.origin, size = excluded.size, root = excluded.root,"
        " checkpoint = excluded.checkpoint, edge = excluded.edge",
        (new.origin, new.size, new.root, new.checkpoint, edge),
    )


def _enter(db: sqlite3.Connection, ids: list[bytes], start: int) -> int:
    """Give the statements their places from `start` on; how many were waiting for one."""
    row = db.execute("SELECT n FROM statement WHERE id = ?", ids[:1]).fetchone()
    if row is not None:
        # Nearly always they are those that came one after the other: then one call does it.
        given = {"first": row[0], "last": row[0] + len(ids) - 1, "start": start}
        [found] = db.execute(schema.IDS_WAITING, given).fetchone()
        if found == b"".join(ids).hex().upper():
            return db.execute(schema.ENTER_RANGE, given).rowcount
    return db.executemany(schema.ENTER, enumerate(ids, start=start)).rowcount


def _take_effect(db: sqlite3.Connection, start: int, now: int) -> None:
    """Open what the statements from log index `start` on say, and stop what they take back.

    The order of a statement and its withdrawal makes no difference to what is left.
    """
    db.execute(schema.OPEN, {"start": start})
    for n, id, kind, author in db.execute(schema.OF_MORE_EFFECT, {"start": start}).fetchall():
        if kind == "withdraw":
            targets = db.execute(schema.TARGETS_OF, {"n": n, "author": author}).fetchall()
            for target, target_id in targets:
                _take_back(db, target, target_id, author, n)
            continue
        if kind == "say":
            db.execute(schema.FORGET_WIDER, {"n": n, "author": author})
        # A withdrawal may have come first, by another way.
        earlier = db.execute(schema.WITHDRAWALS_OF, {"id": id, "author": author}).fetchall()
        for [withdrawal] in earlier:
            _take_back(db, n, id, author, withdrawal)
    exchange.enter(db, start, now)


def complete(
    db: sqlite3.Connection,
    id: bytes,
    objects: Sequence[Keepable],
    object_audiences: Mapping[str, Audience],
    now: int,
) -> None:
    """See `Inboxes.complete`."""
    done = _Batch(db, ()).complete(id, objects, object_audiences)
    if done is None:
        return
    n, index, author = done
    if index is None:  # it opens with its statement
        return
    db.execute("UPDATE said SET live = 1 WHERE live = 0 AND statement = ?", (n,))
    db.execute(schema.FORGET_WIDER, {"n": n, "author": author})
    earlier = db.execute(schema.WITHDRAWALS_OF, {"id": id, "author": author}).fetchall()
    for [withdrawal] in earlier:
        _take_back(db, n, id, author, withdrawal)
    exchange.enter(db, index, now)


def _take_back(db: sqlite3.Connection, n: int, id: bytes, author: str, withdrawal: int) -> None:
    given = {"n": n, "id": id, "author": author, "withdrawal": withdrawal}
    db.execute(schema.TAKE_BACK, given)
    db.execute(schema.MARK_WITHDRAWN, given)
    db.execute(schema.LEAVE_FEEDS, given)


def restart(db: sqlite3.Connection) -> None:
    """See `History.restart_log`."""
    for sql in schema.RESTART:
        db.execute(sql)


def keep_checkpoint(db: sqlite3.Connection, size: int, note: bytes) -> None:
    """See `History.keep_checkpoint`."""
    origin = note.split(b"\n", 1)[0].decode()
    db.execute(
        "INSERT INTO checkpoint VALUES (?, ?, ?)"
        " ON CONFLICT (origin, size) DO UPDATE SET note = excluded.note",
        (origin, size, note),
    )
