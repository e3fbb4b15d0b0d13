"""The PostgreSQL store's log: keeping statements, entering them, inside the writer's transaction.

What is asked about many statements is asked for all of them at once, and their rows are copied in
table by table. What is checked of one is checked before any row of it is collected: a bad one
leaves no trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tocsin.errors import TocsinError
from tocsin.policy import Audience
from tocsin.record.ports import HeadLike, Keepable
from tocsin.record.statement import ObjectRef
from tocsin.store import postgres_exchange as exchange
from tocsin.store import postgres_schema as schema
from tocsin.store import words
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
from tocsin.store.postgres_open import Db, ask, copy
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

if TYPE_CHECKING:
    from tocsin.record.envelope import Verified
    from tocsin.record.seal import Sealed, VerifiedSeal
    from tocsin.record.statement import Statement


# --- keeping --------------------------------------------------------------------------------


def keep_all(db: Db, arrivals: Sequence[Arrival]) -> list[TocsinError | None]:
    """Keep each statement that can be kept; for each what kept it out, or None."""
    batch = _Batch(db, arrivals)
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

    def __init__(self, db: Db, arrivals: Sequence[Arrival]) -> None:
        self._db = db
        row = ask(db, schema.LAST_NUMBERS).fetchone()
        assert row is not None
        self._last, self._last_object, self._last_audience = row
        statements = [one.verified.statement for one in arrivals]
        self._heads = self._known_heads(statements)
        self._bound = self._known_bounds()  # the last bound place of each chain
        self._new_bounds: list[tuple[str, str, int, bytes]] = []
        ids = [bytes.fromhex(one.verified.id) for one in arrivals]
        self._names: dict[str, tuple[str, str, int] | None] = {
            id.hex(): (kind, author, seq)
            for id, kind, author, seq in ask(db, schema.NAMED, {"ids": ids})
        }
        self._numbers = self._known_audiences(arrivals)
        digests = list(
            {bytes.fromhex(o.sha256) for s in statements if s.kind != "withdraw" for o in s.objects}
        )
        self._objects: dict[Place, int] = {}
        self._empty: set[Place] = set()
        self._purged: set[str] = set()
        self._lifted: set[str] = set()
        if digests:
            self._learn_objects(digests)
        self._said_by: set[tuple[str, Place]] = set()
        self._rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in schema.COLUMNS}

    def _known_heads(
        self, statements: Iterable[Statement | Sealed]
    ) -> dict[tuple[str, str], tuple[int, str] | None]:
        heads: dict[tuple[str, str], tuple[int, str] | None] = dict.fromkeys(
            (s.author, s.chain) for s in statements
        )
        given = {"authors": [a for a, _ in heads], "chains": [c for _, c in heads]}
        for author, name, seq, id in ask(self._db, schema.LAST_OF_CHAINS, given):
            heads[author, name] = seq, id.hex()
        return heads

    def _known_bounds(self) -> dict[tuple[str, str], int]:
        given = {"authors": [a for a, _ in self._heads], "chains": [c for _, c in self._heads]}
        rows = ask(self._db, schema.LAST_BOUND, given)
        return dict.fromkeys(self._heads, 0) | {(author, name): seq for author, name, seq in rows}

    def _known_audiences(self, arrivals: Iterable[Arrival]) -> dict[Audience, int]:
        keys = {
            audience_key(audience): audience
            for one in arrivals
            for audience in (one.audience, *one.object_audiences.values())
        }
        rows = ask(self._db, schema.INTERNED, {"keys": list(keys)})
        return {keys[key]: number for key, number in rows}

    def _learn_objects(self, digests: list[bytes]) -> None:
        given = {"digests": digests}
        for sha256, id, n, empty in ask(self._db, schema.OBJECTS_HELD, given):
            place = sha256.hex(), id
            self._objects[place] = n
            if empty:
                self._empty.add(place)
        for id, lifted in ask(self._db, schema.PURGED_OBJECTS, given):
            (self._lifted if lifted else self._purged).add(id.hex())

    def take(self, one: Arrival) -> None:
        """Check one statement against the store and the batch, and collect its rows."""
        s = one.verified.statement
        place = s.author, s.chain
        if not self._is_next(place, s) and self._is_held(one.verified):
            return
        if one.verified.id in self._names:
            raise name_taken(one.verified, self._names[one.verified.id])
        says = () if s.kind == "withdraw" else s.objects
        objects = [
            (ref, self._object(s.author, ref, one.brought))
            for ref in says
            if not isinstance(one.brought.get((ref.sha256, ref.id)), Absent)
        ]
        n = self._last = self._last + 1
        rows, own, case = self._rows, self._intern(one.audience), s.case or ""
        self._names[one.verified.id] = None
        inside = one.verified.inside
        rows["statement"].append(
            (
                *(n, bytes.fromhex(one.verified.id), bytes.fromhex(inside) if inside else None),
                *(s.kind, s.author, case, place[1], s.seq, own),
            )
        )
        rows["put"] += [(n, feed) for feed in collections_of(s) if feed not in (EVERYTHING, case)]
        if s.kind == "sealed":
            rows["sealed"].append((n, s.tlp, one.verified.raw))
        else:
            rows["envelope"].append((n, one.verified.raw))
        rows["ref"] += [(bytes.fromhex(ref), n) for ref in s.refs]
        if s.kind == "withdraw":
            rows["taken_back"] += [(n, bytes.fromhex(d)) for d in {o.sha256 for o in s.objects}]
        rows["absent"] += [
            (n, bytes.fromhex(item.sha256), item.id, item.type)
            for item in one.brought.values()
            if isinstance(item, Absent)
        ]
        said: list[tuple[int, int, str]] = []
        for ref, held in objects:
            number = held if held is not None else self._new(one.brought[ref.sha256, ref.id])
            if ref.sha256 in self._lifted and (ref.sha256, ref.id) in one.brought:
                self._fill(number, one.brought[ref.sha256, ref.id])
            narrowed = one.object_audiences.get(ref.sha256)
            audience = own if narrowed is None else self._intern(narrowed)
            said.append((number, audience, ref.type))
            self._said_by.add((s.author, (ref.sha256, ref.id)))
        if said:
            rows["waiting"].append((n, *(list(column) for column in zip(*said, strict=True))))
        last = self._heads[place]
        if s.seq > 1 and (last is None or last[0] != s.seq - 1):
            # Most likely nothing is held before it: from now on only what it names is kept there.
            self._new_bounds.append((*place, s.seq - 1, bytes.fromhex(s.prev)))
            self._bound[place] = max(self._bound[place], s.seq - 1)
        if last is None or last[0] < s.seq:
            self._heads[place] = s.seq, inside or one.verified.id

    def complete(
        self, id: bytes, objects: Sequence[Keepable], object_audiences: Mapping[str, Audience]
    ) -> tuple[int, int | None, str] | None:
        """Collect the rows of objects that come late; (n, log index, author) of their statement.

        None: there is nothing to do.
        """
        row = ask(self._db, schema.LATE_FOR, {"id": id}).fetchone()
        assert row is not None
        n, index, author, case, own = row
        lacking = {
            (sha256.hex(), name): (sha256, name)
            for sha256, name in ask(self._db, schema.LACKING, {"n": n})
        }
        came = {(item.sha256, item.id): item for item in objects}
        late = sorted(lacking.keys() & came.keys())
        if late:
            self._learn_objects([lacking[place][0] for place in late])
        keys = {audience_key(audience): audience for audience in object_audiences.values()}
        for key, number in ask(self._db, schema.INTERNED, {"keys": list(keys)}):
            self._numbers[keys[key]] = number
        for place in late:
            item = came[place]
            held = self._object(
                author, ObjectRef(id=item.id, sha256=item.sha256, type=item.type), came
            )
            number = held if held is not None else self._new(item)
            if held is not None:
                self._fill(number, item)
            narrowed = object_audiences.get(item.sha256)
            audience = own if narrowed is None else self._intern(narrowed)
            self._rows["said"].append((n, number, audience, PENDING, item.type, item.id, case))
            sha256, name = lacking[place]
            ask(self._db, schema.NO_LONGER_ABSENT, {"n": n, "sha256": sha256, "id": name})
        self.write()
        return (n, index, author) if late else None

    def write(self) -> None:
        """Write what is collected, parents before children."""
        for table, rows in self._rows.items():
            if rows:
                copy(self._db, table, rows)
                rows.clear()
        if self._new_bounds:
            names = ("authors", "chains", "seqs", "ids")
            columns = [list(column) for column in zip(*self._new_bounds, strict=True)]
            ask(self._db, schema.BIND, dict(zip(names, columns, strict=True)))
            self._new_bounds.clear()

    def _is_next(self, place: tuple[str, str], s: Statement | Sealed) -> bool:
        """Whether it follows the last of its chain, or is the first we see of it."""
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
        given = {
            "id": bytes.fromhex(verified.id),
            "author": s.author,
            "chain": s.chain,
            "seq": s.seq,
        }
        if ask(db, schema.IS_HELD, given).fetchone():
            return True
        around = {seq: id.hex() for seq, id in ask(db, schema.AROUND, given)}
        bound = {seq: id.hex() for seq, id in ask(db, schema.BOUND_AROUND, given)}
        before = around.get(s.seq - 1, bound.get(s.seq - 1, s.prev))
        name = verified.inside or verified.id
        if s.seq in around or bound.get(s.seq, name) != name or before != s.prev:
            last = chain(db, s.author, s.chain) or Chain(seq=s.seq - 1, head=before)
            raise place_taken(s, last)
        return False

    def _intern(self, audience: Audience) -> int:
        number = self._numbers.get(audience)
        if number is None:
            number = self._numbers[audience] = self._last_audience = self._last_audience + 1
            self._rows["audience"].append((number, audience_key(audience)))
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
        number = self._objects.get(place)
        if place in brought:
            return number
        if number is None or not self._has_said(author, place, number):
            raise not_brought(ref)
        if place in self._empty and ref.sha256 in self._lifted:
            raise purged_error(f"object {ref.id} ({ref.sha256[:12]}…)")
        return number

    def _has_said(self, author: str, place: Place, number: int) -> bool:
        if (author, place) in self._said_by:
            return True
        given = {"object": number, "author": author}
        if not any(
            ask(self._db, sql, given).fetchone() for sql in (schema.SAID_BY, schema.WILL_SAY)
        ):
            return False
        self._said_by.add((author, place))
        return True

    def _fill(self, number: int, item: Keepable) -> None:
        """Give an object that was purged, and is allowed again, its bytes back."""
        self.write()
        if ask(self._db, schema.FILL, {"n": number, "raw": item.raw}).rowcount:
            self._empty.discard((item.sha256, item.id))
            given = {"n": number, "words": words.numbers_of(item)}
            ask(self._db, schema.INDEX_AGAIN, given)

    def _new(self, item: Keepable) -> int:
        place = item.sha256, item.id
        if place in self._objects:  # brought twice in one statement
            return self._objects[place]
        n: int
        n = self._objects[place] = self._last_object = self._last_object + 1
        self._rows["object"].append(
            (
                *(n, bytes.fromhex(item.sha256), item.id, item.type),
                *(item.spec_version, item.created, item.modified),
                *(version_key(item), stays_on_record(item), item.raw),
            )
        )
        return n


def chain(db: Db, author: str, name: str) -> Chain | None:
    """The last statement of this author in the chain of this name."""
    row = ask(db, schema.CHAIN, {"author": author, "chain": name}).fetchone()
    return Chain(seq=row[0], head=row[1].hex()) if row else None


# --- entering -------------------------------------------------------------------------------


def append(
    db: Db, ids: list[bytes], edge: bytes, new: Head, expected: HeadLike | None, now: int
) -> None:
    """See `Log.append`. `now`: microseconds, for `Exchange`."""
    row = ask(db, "SELECT origin, size, root FROM head").fetchone()
    size = check_growth(row, new, len(ids), expected)
    if ids:
        given = {"ids": ids, "places": list(range(size, size + len(ids)))}
        entered = ask(db, schema.ENTER, given).rowcount
        if entered != len(ids):
            raise not_pending(ids, entered)
        _take_effect(db, size, now)
    ask(
        db,
        schema.SET_HEAD,
        {
            "origin": new.origin,
            "size": new.size,
            "root": new.root,
            "checkpoint": new.checkpoint,
            "edge": edge,
        },
    )


def _take_effect(db: Db, start: int, now: int) -> None:
    """Open what the statements from log index `start` on say, and stop what they take back.

    The order of a statement and its withdrawal makes no difference to what is left.
    """
    ask(db, schema.OPEN_WAITING, {"start": start})
    ask(db, schema.OPEN, {"start": start})
    for n, id, kind, author in ask(db, schema.OF_MORE_EFFECT, {"start": start}).fetchall():
        if kind == "withdraw":
            targets = ask(db, schema.TARGETS_OF, {"n": n, "author": author}).fetchall()
            for target, target_id in targets:
                _take_back(db, target, target_id, author, n)
            continue
        if kind == "say":
            ask(db, schema.FORGET_WIDER, {"n": n, "author": author})
        # A withdrawal may have come first, by another way.
        earlier = ask(db, schema.WITHDRAWALS_OF, {"id": id, "author": author}).fetchall()
        for [withdrawal] in earlier:
            _take_back(db, n, id, author, withdrawal)
    exchange.enter(db, start, now)


def complete(
    db: Db,
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
    ask(db, schema.OPEN_ONE, {"n": n})
    ask(db, schema.FORGET_WIDER, {"n": n, "author": author})
    earlier = ask(db, schema.WITHDRAWALS_OF, {"id": id, "author": author}).fetchall()
    for [withdrawal] in earlier:
        _take_back(db, n, id, author, withdrawal)
    exchange.enter(db, index, now)


def _take_back(db: Db, n: int, id: bytes, author: str, withdrawal: int) -> None:
    given = {"n": n, "id": id, "author": author, "withdrawal": withdrawal}
    ask(db, schema.TAKE_BACK, given)
    ask(db, schema.MARK_WITHDRAWN, given)
    exchange.leave(db, n)


def restart(db: Db) -> None:
    """See `History.restart_log`."""
    for sql in schema.RESTART:
        db.execute(sql)


def keep_checkpoint(db: Db, size: int, note: bytes) -> None:
    """See `History.keep_checkpoint`."""
    origin = note.split(b"\n", 1)[0].decode()
    ask(db, schema.KEEP_CHECKPOINT, {"origin": origin, "size": size, "note": note})
