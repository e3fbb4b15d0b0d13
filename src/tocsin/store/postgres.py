"""The second store: a PostgreSQL database (14 or newer) that one node writes to.

As in the SQLite store writes queue up for one thread and commit together, each under a savepoint
of its own, and readers take a connection from a small pool and see one snapshot each. What a
server adds: it can go away. Then writes and reads are refused; when it is back, the node goes on,
unless the server has lost something that it had acknowledged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import psycopg

from tocsin.errors import StoreError, TocsinError
from tocsin.policy import Audience
from tocsin.record.ports import NO_AUDIENCES, HeadLike, Keepable, Keeping
from tocsin.store import feeds, rules, words
from tocsin.store import postgres_exchange as exchange
from tocsin.store import postgres_federation as federation
from tocsin.store import postgres_local as own
from tocsin.store import postgres_log as log
from tocsin.store import postgres_purge as purging
from tocsin.store import postgres_reads as reads
from tocsin.store import postgres_schema as schema
from tocsin.store.federation import Absent, Given, HeldBack, Outgoing, Quarantined
from tocsin.store.files import lock_folder
from tocsin.store.interface import (
    Attachment,
    AuditRow,
    Chain,
    Head,
    Holding,
    Kept,
    KeptObject,
    KeptSealed,
    LocalRow,
    Page,
    Pending,
    Purge,
    Purged,
    What,
    microseconds,
    new_head,
    open_audience,
)
from tocsin.store.peek import KeyRows
from tocsin.store.postgres_open import (
    OURS,
    Db,
    ask,
    check_server,
    check_url,
    connect,
    is_lost,
    lock,
    shown,
    told,
    typed,
)
from tocsin.store.postgres_writer import PostgresHand
from tocsin.store.writer import Writer, closed

if TYPE_CHECKING:
    from tocsin.record.envelope import Verified
    from tocsin.record.seal import VerifiedSeal

T = TypeVar("T")

READERS = 8
"""Connections that read, at most; whoever comes next waits for one."""

_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


def _utc() -> datetime:
    return datetime.now(UTC)


class PostgresStore:
    """`Store` in one database, which no other node writes to at the same time."""

    @classmethod
    def open(
        cls, url: str, folder: Path, *, owner: str = "", clock: Callable[[], datetime] = _utc
    ) -> PostgresStore:
        """Open the store at `url`; make it where the database is empty.

        Args:
            folder: the node's data folder, with tiles and lock; made where there is none.
            owner: the party whose node it is; the database remembers it.
            clock: dates what comes into a collection (`Exchange`).

        Raises:
            NodeBusyError: another node writes to it, or another process holds the folder.
            StoreLostError: the server does not answer.
            StoreError: a newer version, too old a server, or another program's database.
            ConfigError: the address is none.
        """
        check_url(url, open_to_others=False)
        held = lock_folder(folder)
        try:
            return cls(url, held, owner, clock)
        except BaseException:
            held.close()
            raise

    def __init__(self, url: str, lock: IO[str], owner: str, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.url = url
        self._lock = lock
        self._guard = threading.Lock()  # of _idle, _closed, _audiences
        self._idle: list[Db] = []
        self._readers = threading.BoundedSemaphore(READERS)
        self._closed = False
        self._audiences: dict[int, Audience] = {}  # replaced, never changed
        self._hand = PostgresHand(url, owner, self._close_idle)
        self._writes: Writer[Db] = Writer(self._hand, OURS)
        self._hand.open(self._writes)
        self._writes.start()

    def close(self) -> None:
        """Finish what is queued, then let go of database and folder. Twice does no harm."""
        with self._guard:
            self._closed = True
        if not self._writes.close():
            return
        self._close_idle()
        self._hand.close()
        self._lock.close()

    # --- Log ----------------------------------------------------------------------------------

    def keep_pending(
        self,
        verified: Verified | VerifiedSeal,
        objects: Sequence[Keepable],
        audience: Audience,
        object_audiences: Mapping[str, Audience] = NO_AUDIENCES,
    ) -> None:
        """See `Log.keep_pending`."""
        [wrong] = self.keep_pending_many([(verified, objects, audience, object_audiences)])
        if wrong is not None:
            raise wrong

    def keep_pending_many(self, items: Sequence[Keeping]) -> list[TocsinError | None]:
        """See `Log.keep_pending_many`."""
        outcomes: list[TocsinError | None] = []
        arrivals: list[rules.Arrival] = []
        for verified, objects, audience, object_audiences in items:
            try:
                came = rules.brought(verified.statement, objects)
            except TocsinError as wrong:
                outcomes.append(wrong)
            else:
                outcomes.append(None)
                arrivals.append(rules.Arrival(verified, came, audience, object_audiences))
        if arrivals:
            found = iter(self._writes.keep_all(arrivals))
            return [next(found) if outcome is None else outcome for outcome in outcomes]
        return outcomes

    def pending(self) -> list[Pending]:
        """See `Log.pending`."""

        def work(db: Db) -> list[Pending]:
            audience_of = self._audience_of(db)
            rows = ask(db, schema.PENDING_STATEMENTS).fetchall()
            return [rules.pending(row, audience_of) for row in rows]

        return self._read(work)

    def waiting(self) -> list[Pending]:
        """See `Log.waiting`."""
        return self.pending()

    def append(
        self,
        batch: Sequence[str],
        edge: Sequence[bytes],
        checkpoint: bytes,
        expected: HeadLike | None,
    ) -> None:
        """See `Log.append`."""
        head = new_head(checkpoint)
        ids = [bytes.fromhex(id) for id in batch]
        # The time is taken when the writer comes to it, so that it is not before the last one.
        self._write(
            lambda db: log.append(
                db, ids, b"".join(edge), head, expected, microseconds(self._clock())
            )
        )

    def head(self) -> Head | None:
        """See `Log.head`."""
        row = self._one(schema.HEAD)
        if row is None:
            return None
        origin, size, root, checkpoint = row
        return Head(origin=origin, size=size, root=root, checkpoint=checkpoint)

    def entries(self, start: int, count: int) -> list[bytes]:
        """See `Log.entries`."""
        given = {"start": max(start, 0), "count": max(count, 0)}
        rows = self._rows(schema.ENTRIES, given)
        return [rules.entry(*row) for row in rows]

    def edge(self) -> list[bytes]:
        """See `Log.edge`."""
        row = self._one(schema.EDGE)
        edge: bytes = row[0] if row else b""
        return [edge[i : i + 32] for i in range(0, len(edge), 32)]

    def chain(self, author: str, chain: str) -> Chain | None:
        """See `History.chain`."""
        return self._read(lambda db: log.chain(db, author, chain), one=True)

    def place(self, statement: str) -> int | None:
        """See `Log.place`."""
        row = self._one(schema.PLACE, {"id": rules.digest(statement)})
        return row[0] if row else None

    def restart_log(self) -> None:
        """See `History.restart_log`."""
        self._write(log.restart)

    def keep_checkpoint(self, size: int, note: bytes) -> None:
        """See `History.keep_checkpoint`."""
        self._write(lambda db: log.keep_checkpoint(db, size, note))

    def checkpoints(self) -> list[tuple[int, bytes]]:
        """See `History.checkpoints`."""
        return [(size, note) for size, note in self._rows(schema.CHECKPOINTS)]

    # --- Reads --------------------------------------------------------------------------------

    def generation(self) -> int | None:
        """See `Reads.generation`: a server elsewhere would have to be asked."""
        return None

    def audiences(self) -> dict[int, Audience]:
        """See `Reads.audiences`."""
        return self._read(self._learn_audiences, one=True)

    def statement(self, id: str, allowed: frozenset[int]) -> Kept | None:
        """See `Reads.statement`."""
        given = {"id": rules.digest(id), "allowed": sorted(allowed)}

        def work(db: Db) -> Kept | None:
            row = ask(db, schema.ONE_STATEMENT, given).fetchone()
            return rules.kept(row, self._audience_of(db)) if row else None

        return self._read(work)

    def statements(
        self,
        allowed: frozenset[int],
        *,
        case: str | None = None,
        author: str | None = None,
        kind: str | None = None,
        after_index: int = -1,
        limit: int | None = None,
    ) -> list[Kept]:
        """See `Reads.statements`."""
        given = {"case": case, "author": author, "kind": kind}
        most = rules.limited(limit)

        def work(db: Db) -> list[Kept]:
            at = reads.places_in_log(db, allowed, given, after_index, most)
            rows = ask(db, schema.STATEMENTS_AT, {"at": at}).fetchall() if at else []
            audience_of = self._audience_of(db)
            return [rules.kept(row, audience_of) for row in rows]

        return self._read(work)

    def sealed(self, id: str, allowed: frozenset[int]) -> tuple[KeptSealed, bytes] | None:
        """See `Reads.sealed`."""
        given = {"id": rules.digest(id), "allowed": sorted(allowed)}

        def work(db: Db) -> tuple[KeptSealed, bytes] | None:
            row = ask(db, schema.ONE_SEALED, given).fetchone()
            if row is None:
                return None
            return rules.kept_sealed(row[:-1], self._all_audiences(db)), row[-1]

        found = self._read(work)
        if found is not None:
            rules.check_sealed(*found)
        return found

    def sealed_in(
        self, allowed: frozenset[int], *, case: str | None = None, inside: str | None = None
    ) -> list[KeptSealed]:
        """See `Reads.sealed_in`."""
        given = {"case": case, "inside": None if inside is None else rules.digest(inside)}
        sql = schema.SEALED.format(filters=reads.filters(given))

        def work(db: Db) -> list[KeptSealed]:
            rows = ask(db, sql, {**given, "allowed": sorted(allowed)}).fetchall()
            audiences = self._all_audiences(db) if rows else {}
            return [rules.kept_sealed(row, audiences) for row in rows]

        return self._read(work)

    def object(self, sha256: str, allowed: frozenset[int]) -> KeptObject | None:
        """See `Reads.object`."""
        given = {"digests": [rules.digest(sha256)], "allowed": sorted(allowed)}

        def work(db: Db) -> KeptObject | None:
            found = rules.versions_of(ask(db, schema.SAYINGS_BY_SHA256, given))
            # The same bytes can be said as an object and as an attachment: the object it is.
            versions = sorted(found, key=lambda v: v.id.startswith("urn:sha256:"))
            return next(iter(reads.opened(db, versions[:1], self._audience_of(db))), None)

        return self._read(work)

    def versions(self, stix_id: str, allowed: frozenset[int]) -> list[KeptObject]:
        """See `Reads.versions`."""

        def work(db: Db) -> list[KeptObject]:
            found = reads.said(db, [stix_id], allowed)
            found.sort(key=rules.Version.age, reverse=True)
            return reads.opened(db, found, self._audience_of(db))

        return self._read(work)

    def held(self, stix_ids: Sequence[str], allowed: frozenset[int]) -> frozenset[str]:
        """See `Reads.held`."""
        ids = list(stix_ids)
        return self._read(lambda db: frozenset(v.id for v in reads.said(db, ids, allowed)))

    def select(
        self,
        allowed: frozenset[int],
        *,
        types: Sequence[str] | None = None,
        case: str | None = None,
        after: tuple[str, str] | None = None,
        limit: int | None = None,
    ) -> list[KeptObject]:
        """See `Reads.select`."""
        most = rules.limited(limit)

        def work(db: Db) -> list[KeptObject]:
            page = reads.places(db, allowed, types, case, after, most)
            said = reads.sayings(db, rules.ranges(page), allowed, case)
            newest = reads.newest(db, rules.versions_of(said))
            return reads.opened(db, [newest[place] for place in page], self._audience_of(db))

        return self._read(work)

    def count(
        self,
        allowed: frozenset[int],
        *,
        types: Sequence[str] | None = None,
        case: str | None = None,
    ) -> int:
        """See `Reads.count`."""
        given: dict[str, Any] = {"case": case, "stix": True}
        if types is not None:
            given = {"case": case, "types": list(types)}
        sql = schema.PLACES_COUNT.format(filters=reads.filters(given))
        row = self._one(sql, {**given, "allowed": sorted(allowed)})
        return int(row[0]) if row else 0

    def search(self, words_: str, allowed: frozenset[int], limit: int = 100) -> list[KeptObject]:
        """See `Reads.search`. Cuts what has not been cut yet, so it finds what was just said."""
        wanted = words.asked(words_)
        if not wanted or not allowed:
            return []
        self._index_all()
        numbers = [words.number_of(word) for word in wanted]

        def work(db: Db) -> list[KeptObject]:
            db.execute("SET LOCAL enable_bitmapscan = on")
            rows = ask(db, schema.FOUND, {"words": numbers, "allowed": sorted(allowed)}).fetchall()
            db.execute("SET LOCAL enable_bitmapscan = off")
            hits = {n for n, _ in rows}
            newest = reads.newest(db, reads.said(db, sorted({id for _, id in rows}), allowed))
            found = [newest[place] for place in sorted(newest) if newest[place].n in hits]
            found.sort(key=lambda v: v.version, reverse=True)
            kept: list[KeptObject] = []
            while found and len(kept) < limit:  # a word's number may be another's too
                some, found = found[:limit], found[limit:]
                for one in reads.opened(db, some, self._audience_of(db)):
                    item = Attachment(raw=one.raw, sha256=one.sha256, id=one.id, type=one.type)
                    if words.has(item, wanted):
                        kept.append(one)
            return kept[:limit]

        return self._read(work)

    # --- Exchange -----------------------------------------------------------------------------

    def glance(
        self,
        collection: str,
        allowed: frozenset[int],
        id: str,
        *,
        after: int = -1,
        spec_versions: Sequence[str] | None = None,
        versions: Sequence[str] = ("last",),
    ) -> Page | None:
        """See `Exchange.glance`: every read of this store waits for a server."""
        return None

    def page(
        self,
        collection: str,
        allowed: frozenset[int],
        *,
        after: int = -1,
        limit: int = 100,
        ids: Sequence[str] | None = None,
        types: Sequence[str] | None = None,
        spec_versions: Sequence[str] | None = None,
        versions: Sequence[str] = ("last",),
        most_bytes: int = feeds.PAGE_BYTES,
    ) -> Page:
        """See `Exchange.page`."""
        wanted = feeds.Wanted(
            after=after,
            limit=limit,
            ids=ids,
            types=types,
            spec_versions=spec_versions,
            versions=versions,
            most_bytes=most_bytes,
        )
        return self._read(lambda db: exchange.page(db, collection, allowed, wanted))

    # --- Purges -------------------------------------------------------------------------------

    def holdings(self, id: str, allowed: frozenset[int]) -> list[Holding]:
        """See `Purges.holdings`."""
        return self._read(lambda db: purging.holdings(db, id, allowed))

    def purge(self, one: Purge, rows: Sequence[tuple[str, str]] = ()) -> bool:
        """See `Purges.purge`. The server's write-ahead log, archive and backups are not ours."""
        dropped = self._write(lambda db: purging.purge(db, one, rows))
        self._close_idle()
        if not self._writes.alone(self._hand.scrub):
            raise StoreError(
                f"{one.id} is out of reach, and its bytes are still in the tables of {OURS}:"
                " somebody has been reading for too long",
                remedy="purge it again, or restart the node: it is done first then",
            )
        return dropped

    def lift(self, one: Purge) -> bool:
        """See `Purges.lift`."""
        return self._write(lambda db: purging.lift(db, one))

    def purge_of(self, what: What, id: str) -> Purge | None:
        """See `Purges.purge_of`."""
        return self._read(lambda db: purging.standing(db, what, rules.digest(id)), one=True)

    def purged(self, allowed: frozenset[int], *, case: str | None = None) -> list[Purged]:
        """See `Purges.purged`."""
        sql = schema.PURGED_STATEMENTS.format(filters=reads.filters({"case": case}))

        def work(db: Db) -> list[Purged]:
            rows = ask(db, sql, {"case": case, "allowed": sorted(allowed)}).fetchall()
            audience_of = self._audience_of(db)
            return [rules.purged(row, audience_of) for row in rows]

        return self._read(work)

    # --- Federation ---------------------------------------------------------------------------

    def fill(self, peer: str, allowed: frozenset[int], limit: int = 1_000) -> bool:
        """See `Outboxes.fill`."""
        if self._read(lambda db: federation.is_filled(db, peer, allowed), one=True):
            return False
        return self._write(lambda db: federation.fill(db, peer, allowed, limit))

    def outbox(
        self, peer: str, after: int = 0, limit: int = 1_000, *, kind: str | None = None
    ) -> list[Outgoing]:
        """See `Outboxes.outbox`."""
        return self._read(lambda db: federation.outbox(db, peer, after, limit, kind))

    def outbox_end(self, peer: str) -> tuple[int, str]:
        """See `Outboxes.outbox_end`."""
        return self._read(lambda db: federation.outbox_end(db, peer), one=True)

    def outbox_lag(self, peer: str) -> int:
        """See `Outboxes.outbox_lag`."""
        return self._read(lambda db: federation.outbox_lag(db, peer), one=True)

    def wanted(self, peer: str, prefixes: Sequence[bytes]) -> list[Outgoing]:
        """See `Outboxes.wanted`."""
        return self._read(lambda db: federation.wanted(db, peer, prefixes))

    def receipt(self, peer: str, n: int, time: str) -> None:
        """See `Outboxes.receipt`."""
        self._write(lambda db: federation.receipt(db, peer, n, time))

    def given(self, statement: str) -> list[Given]:
        """See `Outboxes.given`."""
        return self._read(lambda db: federation.given(db, statement))

    def exchanged(self, peer: str, *, theirs: bool) -> list[bytes]:
        """See `Outboxes.exchanged`."""
        return self._read(lambda db: federation.exchanged(db, peer, theirs=theirs))

    def came(self, peer: str, statements: Sequence[str]) -> None:
        """See `Inboxes.came`."""
        self._write(lambda db: federation.came(db, peer, statements))

    def absent(self, statement: str) -> list[Absent]:
        """See `Inboxes.absent`."""
        return self._read(lambda db: federation.absent(db, statement))

    def complete(
        self,
        statement: str,
        objects: Sequence[Keepable],
        object_audiences: Mapping[str, Audience] = NO_AUDIENCES,
    ) -> None:
        """See `Inboxes.complete`."""
        id = bytes.fromhex(statement)
        self._write(
            lambda db: log.complete(db, id, objects, object_audiences, microseconds(self._clock()))
        )

    def places(self, author: str, chain: str, first: int, last: int) -> dict[int, str]:
        """See `Inboxes.places`."""
        return self._read(lambda db: federation.places(db, author, chain, first, last))

    def withhold(self, peer: str, author: str, chain: str, named: Mapping[int, str]) -> None:
        """See `Inboxes.withhold`."""
        self._write(lambda db: federation.withhold(db, peer, author, chain, named))

    def named(self, author: str, chain: str, first: int, last: int) -> dict[int, dict[str, str]]:
        """See `Inboxes.named`."""
        return self._read(lambda db: federation.named(db, author, chain, first, last))

    def quarantine(self, one: Quarantined) -> bool:
        """See `Inboxes.quarantine`."""
        return self._write(lambda db: federation.quarantine(db, one))

    def quarantined(
        self,
        peer: str | None = None,
        *,
        waiting: Sequence[str] | None = None,
        ids: Sequence[str] | None = None,
    ) -> list[Quarantined]:
        """See `Inboxes.quarantined`."""
        return self._read(lambda db: federation.quarantined(db, peer, waiting, ids))

    def held_back(
        self, peer: str | None = None, *, waiting: Sequence[str] | None = None
    ) -> list[HeldBack]:
        """See `Inboxes.held_back`."""
        return self._read(lambda db: federation.held_back(db, peer, waiting))

    def held_back_counts(self) -> dict[str, int]:
        """See `Inboxes.held_back_counts`."""
        return self._read(federation.held_back_counts)

    def expire(self, before: str) -> list[str]:
        """See `Inboxes.expire`."""
        return self._write(lambda db: federation.expire(db, before))

    def release(self, peer: str, ids: Sequence[str]) -> None:
        """See `Inboxes.release`."""
        self._write(lambda db: federation.release(db, peer, ids))

    # --- Local --------------------------------------------------------------------------------

    def local(self, kind: str, key: str) -> LocalRow | None:
        """See `Local.local`."""
        return self._read(lambda db: own.local(db, kind, key), one=True)

    def keep_local(self, kind: str, key: str, value: bytes | None, expected: int | None) -> int:
        """See `Local.keep_local`."""
        return self._write(lambda db: own.keep(db, kind, key, value, expected))

    def list_local(self, kind: str, prefix: str = "") -> list[LocalRow]:
        """See `Local.list_local`."""
        return self._read(lambda db: own.listed(db, kind, prefix), one=True)

    def append_audit(self, time: str, actor: str, act: str, ref: str) -> AuditRow:
        """See `Local.append_audit`."""
        return self._write(lambda db: own.append_audit(db, time, actor, act, ref))

    def keep_noted(
        self, kind: str, key: str, value: bytes, *, time: str, actor: str, act: str, ref: str
    ) -> int:
        """See `Local.keep_noted`."""

        def work(db: Db) -> int:
            version = own.keep(db, kind, key, value, None)
            own.append_audit(db, time, actor, act, ref)
            return version

        return self._write(work)

    def audit(self, limit: int | None = None) -> list[AuditRow]:
        """See `Local.audit`."""
        return self._read(lambda db: own.audit(db, limit), one=True)

    # --- the writes ---------------------------------------------------------------------------

    def _write(self, work: Callable[[Db], T]) -> T:
        """Have the writer do `work` in a transaction; back when the server has it on disk."""
        return self._writes.write(work)

    def _index_all(self) -> None:
        if self._one(schema.BEHIND) == (True,):
            self._writes.index_all()

    # --- connections --------------------------------------------------------------------------

    def _read(self, work: Callable[[Db], T], *, one: bool = False) -> T:
        """Do `work` with a connection of its own, which sees one state of the store throughout.

        Args:
            one: it asks a single question, which is of one state by itself.
        """
        while True:
            with self._readers:
                db, used = self._borrow()
                try:
                    if not one:
                        db.execute(_SNAPSHOT)
                    result = work(db)
                    if not one:
                        db.execute("COMMIT")
                except psycopg.Error as wrong:
                    if used and is_lost(wrong):
                        # It had died since its last use; a new one shows whether the server has.
                        db.close()
                        self._close_idle()
                        continue
                    self._give_back(db)
                    raise told(wrong, self.url) from wrong
                except BaseException:
                    self._give_back(db)
                    raise
                self._give_back(db)
                return result

    def _borrow(self) -> tuple[Db, bool]:
        """A connection, and whether it has been used before."""
        with self._guard:
            if self._closed:
                raise closed(OURS)
            while self._idle:
                db = self._idle.pop()
                if not db.closed:
                    return db, True
        known = self._hand.known
        try:
            db = connect(self.url, "reader")
            row = ask(db, "SELECT epoch, commits FROM writer").fetchone()
        except psycopg.Error as wrong:
            raise told(wrong, self.url) from wrong
        # Numbers of audiences are given out in order: in an older state they could be another's.
        if row is None or tuple(row) < known:
            db.close()
            raise StoreError(
                f"{OURS} came back older than this node knows it",
                remedy="put the newest state back, then restart the node",
            )
        return db, False

    def _give_back(self, db: Db) -> None:
        try:
            if not db.closed and db.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                db.execute("ROLLBACK")
        except psycopg.Error:
            db.close()
        with self._guard:
            if not self._closed and not db.closed and len(self._idle) < READERS:
                self._idle.append(db)
                return
        db.close()

    def _close_idle(self) -> None:
        with self._guard:
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()

    # --- small things -------------------------------------------------------------------------

    def _one(self, sql: str, given: Mapping[str, Any] | None = None) -> rules.Row | None:
        return self._read(lambda db: ask(db, sql, given).fetchone(), one=True)

    def _rows(self, sql: str, given: Mapping[str, Any] | None = None) -> list[rules.Row]:
        return self._read(lambda db: ask(db, sql, given).fetchall(), one=True)

    def _learn_audiences(self, db: Db) -> dict[int, Audience]:
        known = self._audiences
        rows = ask(db, schema.AUDIENCES, {"known": max(known, default=0)}).fetchall()
        if rows:
            known = self._audiences = known | {n: open_audience(key) for n, key in rows}
        return known

    def _all_audiences(self, db: Db) -> Mapping[int, Audience]:
        return self._learn_audiences(db)

    def _audience_of(self, db: Db) -> Callable[[int], Audience]:
        def audience_of(number: int) -> Audience:
            known = self._audiences
            return known[number] if number in known else self._learn_audiences(db)[number]

        return audience_of


# --- without a store --------------------------------------------------------------------------


def key_rows(url: str) -> KeyRows | None:
    """What the store at `url` holds of keys, without its lock; None where there is nothing yet.

    Raises:
        StoreError: it does not answer, or is not of this version.
    """

    def look(db: Db) -> KeyRows | None:
        db.execute(_SNAPSHOT)  # the three answers are of one moment
        head = ask(db, "SELECT origin FROM head").fetchone()
        if head is None:
            return None
        rows = [(index, raw) for index, raw in ask(db, schema.KEY_ROWS)]
        notes = [(size, note) for size, note in ask(db, schema.CHECKPOINTS)]
        return KeyRows(origin=head[0], rows=rows, checkpoints=notes)

    return _looked(url, look, None)


def is_used(url: str) -> bool:
    """Whether a node has kept anything in this database."""
    return _looked(
        url, lambda db: ask(db, "SELECT 1 FROM statement LIMIT 1").fetchone() is not None, False
    )


def state(url: str) -> str:
    """The server and how it is reached, in words."""

    def look(db: Db) -> str:
        check_server(db, url)
        row = ask(
            db,
            "SELECT current_setting('server_version'), pg_database_size(current_database()),"
            " (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()),"
            " inet_server_addr() IS NULL",
        ).fetchone()
        assert row is not None
        version, size, tls, local = row
        way = tls or ("a socket of this machine" if local else "no TLS")
        return f"{shown(url)}: PostgreSQL {version}, {size // 2**20} MiB, by {way}"

    return _looked(url, look, "")


def remove(url: str, owner: str) -> None:
    """Drop everything that a node of `owner` has kept in this database.

    Raises:
        StoreError: it is another party's.
        NodeBusyError: a node runs on it.
    """

    def drop(db: Db) -> None:
        lock(db, url)
        row = ask(db, "SELECT owner FROM writer").fetchone()
        if row not in ((owner,), ("",)):
            raise StoreError(
                f"{shown(url)} is the store of another party, not of {owner}",
                remedy="look at [store] in tocsin.toml",
            )
        db.execute("DROP SCHEMA tocsin CASCADE")

    _looked(url, drop, None)


def _looked(url: str, look: Callable[[Db], T], empty: T) -> T:
    """What `look` finds with a connection of its own; `empty` where no node has been."""
    try:
        with connect(url, "look") as db:
            return look(db)
    except psycopg.errors.UndefinedTable:
        return empty
    except psycopg.Error as wrong:
        raise typed(wrong, url) from wrong
