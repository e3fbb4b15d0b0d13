"""The default store: one SQLite file, one writer thread, one process.

Writes queue up and commit together, so that many share one fsync; each has a savepoint of its
own. Readers take a connection from a pool and see one snapshot each. SQLite >= 3.40.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from tocsin.errors import (
    StorageFullError,
    StoreError,
    TocsinError,
)
from tocsin.policy import Audience
from tocsin.record.ports import NO_AUDIENCES, Awaiting, HeadLike, Keepable, Keeping, PendingPort
from tocsin.record.statement import ROOT_KINDS
from tocsin.store import feeds, rules, schema, words
from tocsin.store import sqlite_exchange as exchange
from tocsin.store import sqlite_federation as federation
from tocsin.store import sqlite_local as own
from tocsin.store import sqlite_log as log
from tocsin.store import sqlite_purge as purging
from tocsin.store import sqlite_reads as reads
from tocsin.store.federation import Absent, Given, HeldBack, Outgoing, Quarantined
from tocsin.store.files import cannot_write, lock_folder, sync_file, sync_folder
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
from tocsin.store.sqlite_open import connect, is_full, upgrade
from tocsin.store.writer import Writer, closed

if TYPE_CHECKING:
    from tocsin.record.envelope import Verified
    from tocsin.record.seal import VerifiedSeal

T = TypeVar("T")
Row = tuple[Any, ...]

WAL_BYTES = 16 * 1024 * 1024
"""Past this the writer moves the write-ahead log into the database."""
CACHE_KIB = 32 * 1024
"""Of pages, for the writer: ids and digests land anywhere in an index, and what does not fit is
written twice."""
IDLE_READERS = 8


def _utc() -> datetime:
    return datetime.now(UTC)


class SqliteStore:
    """`Store` on one folder, which no other process can open at the same time."""

    @classmethod
    def open(cls, folder: Path, *, clock: Callable[[], datetime] = _utc) -> SqliteStore:
        """Open the store in `folder`; make both where there are none.

        Args:
            clock: dates what comes into a collection (`Exchange`).

        Raises:
            NodeBusyError: another process has it open.
            StoreError: a newer version, damaged, or not ours.
            StorageFullError: no room, or no right to write.
        """
        held = lock_folder(folder)
        try:
            return cls(folder, held, clock)
        except BaseException:
            held.close()
            raise

    def __init__(self, folder: Path, lock: IO[str], clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.folder = folder
        self.path = folder / "tocsin.sqlite"
        self._lock = lock
        self._idle: list[sqlite3.Connection] = []
        self._guard = threading.Lock()  # of _idle, _closed
        self._pulse: sqlite3.Connection | None = None
        self._pulses = 0  # how many there have been: each counts anew
        self._pulse_guard = threading.Lock()  # of these two; taken before _guard
        self._closed = False
        self._writer = self._connect_writer()  # only the writes touch it once they run
        # The generation they were read at, and they: replaced together, never changed.
        self._audiences: tuple[int, dict[int, Audience]] = -1, {}
        self._writes: Writer[sqlite3.Connection] = Writer(_Hand(self), str(self.path))
        self._writes.start()

    def close(self) -> None:
        """Finish what is queued, then let go of the files and the lock. Twice does no harm."""
        with self._guard:
            self._closed = True
        if not self._writes.close():
            return
        self._close_idle()
        if self._writes.broken is None:
            with contextlib.suppress(sqlite3.Error):  # the next start does it just as well
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._writer.close()
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
        audiences = self.audiences()
        with self._reading() as db:
            rows = db.execute(schema.PENDING_STATEMENTS).fetchall()
        return [rules.pending(row, lambda n: self._audience(audiences, n)) for row in rows]

    def waiting(self) -> Sequence[PendingPort]:
        """See `Log.waiting`."""
        with self._reading(together=False) as db:
            found, again = db.execute(schema.WAITING).fetchone()
        if found is None:
            return []
        listed = [tuple(line.split(" ")) for line in found.split(";")]
        if again or any(kind in ROOT_KINDS for _, _, kind in listed):
            return self.pending()
        listed.sort(key=lambda one: int(one[0]))
        return [Awaiting(id=id.lower(), kind=kind) for _, id, kind in listed]

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
        with self._reading(together=False) as db:
            row = db.execute("SELECT origin, size, root, checkpoint FROM head").fetchone()
        if row is None:
            return None
        origin, size, root, checkpoint = row
        return Head(origin=origin, size=size, root=root, checkpoint=checkpoint)

    def entries(self, start: int, count: int) -> list[bytes]:
        """See `Log.entries`."""
        with self._reading(together=False) as db:
            rows = db.execute(schema.ENTRIES, (max(start, 0), max(count, 0)))
            return [rules.entry(*row) for row in rows]

    def edge(self) -> list[bytes]:
        """See `Log.edge`."""
        with self._reading(together=False) as db:
            row = db.execute("SELECT edge FROM head").fetchone()
        edge: bytes = row[0] if row else b""
        return [edge[i : i + 32] for i in range(0, len(edge), 32)]

    def chain(self, author: str, chain: str) -> Chain | None:
        """See `History.chain`."""
        with self._reading(together=False) as db:
            return log.chain(db, author, chain)

    def place(self, statement: str) -> int | None:
        """See `Log.place`."""
        with self._reading(together=False) as db:
            row = db.execute(
                "SELECT log_index FROM statement WHERE id = ?", (rules.digest(statement),)
            ).fetchone()
        return row[0] if row else None

    def restart_log(self) -> None:
        """See `History.restart_log`."""
        self._write(log.restart)

    def keep_checkpoint(self, size: int, note: bytes) -> None:
        """See `History.keep_checkpoint`."""
        self._write(lambda db: log.keep_checkpoint(db, size, note))

    def checkpoints(self) -> list[tuple[int, bytes]]:
        """See `History.checkpoints`."""
        with self._reading() as db:
            return db.execute(
                "SELECT size, note FROM checkpoint WHERE origin = (SELECT origin FROM head)"
                " ORDER BY size"
            ).fetchall()

    # --- Reads --------------------------------------------------------------------------------

    def generation(self) -> int:
        """See `Reads.generation`."""
        with self._pulse_guard:
            with self._guard:
                if self._closed:
                    raise closed(str(self.path))
            try:
                if self._pulse is None:
                    self._pulse = connect(self.path)
                    self._pulses += 1
                # Another one after whatever any other connection commits: nothing is written here.
                [row] = self._pulse.execute("PRAGMA data_version").fetchall()
            except sqlite3.Error as wrong:
                raise self._typed(wrong) from wrong
            version: int = row[0]
            return self._pulses << 32 | version

    def audiences(self) -> dict[int, Audience]:
        """See `Reads.audiences`. The same dictionary as long as there are no others."""
        now = self.generation()  # before the read: what it misses shows in the next one
        read_at, known = self._audiences
        if now == read_at:
            return known
        with self._reading(together=False) as db:
            rows = db.execute(
                "SELECT id, canonical FROM audience WHERE id > ?", (max(known, default=0),)
            ).fetchall()
        if rows:
            known = known | {n: open_audience(key) for n, key in rows}
        self._audiences = now, known
        return known

    def statement(self, id: str, allowed: frozenset[int]) -> Kept | None:
        """See `Reads.statement`."""
        with self._reading(together=False) as db:
            row = db.execute(
                schema.ONE_STATEMENT, {"id": rules.digest(id), "allowed": reads.numbers(allowed)}
            ).fetchone()
        return rules.kept(row, self._audience_of) if row else None

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
        sql = schema.STATEMENTS.format(filters=reads.filters(given))
        with self._reading() as db:
            rows = reads.merged(db, sql, {**given, "after": after_index}, allowed, itemgetter(1))
            found = list(islice(rows, rules.limited(limit)))
        return [rules.kept(row, self._audience_of) for row in found]

    def sealed(self, id: str, allowed: frozenset[int]) -> tuple[KeptSealed, bytes] | None:
        """See `Reads.sealed`."""
        audiences = self.audiences()
        with self._reading() as db:
            row = db.execute(
                schema.ONE_SEALED, {"id": rules.digest(id), "allowed": reads.numbers(allowed)}
            ).fetchone()
        if row is None:
            return None
        kept = rules.kept_sealed(row[:-1], audiences)
        rules.check_sealed(kept, row[-1])
        return kept, row[-1]

    def sealed_in(
        self, allowed: frozenset[int], *, case: str | None = None, inside: str | None = None
    ) -> list[KeptSealed]:
        """See `Reads.sealed_in`."""
        given = {"case": case, "inside": None if inside is None else rules.digest(inside)}
        audiences = self.audiences()
        with self._reading() as db:
            rows = db.execute(
                schema.SEALED.format(
                    index="statement_sealed" if inside is None else "statement_inside",
                    filters=reads.filters(given),
                ),
                {**given, "allowed": reads.numbers(allowed)},
            )
            return [rules.kept_sealed(row, audiences) for row in rows]

    def object(self, sha256: str, allowed: frozenset[int]) -> KeptObject | None:
        """See `Reads.object`."""
        with self._reading() as db:
            rows = db.execute(
                schema.SAYINGS_BY_SHA256,
                {"sha256": rules.digest(sha256), "allowed": reads.numbers(allowed)},
            ).fetchall()
            # The same bytes can be said as an object and as an attachment: the object it is.
            versions = sorted(rules.versions_of(rows), key=lambda v: v.id.startswith("urn:sha256:"))
            return next(iter(reads.opened(db, versions[:1], self._audience_of)), None)

    def versions(self, stix_id: str, allowed: frozenset[int]) -> list[KeptObject]:
        """See `Reads.versions`."""
        with self._reading() as db:
            found = reads.said(db, [stix_id], allowed)
            return reads.opened(
                db, sorted(found, key=rules.Version.age, reverse=True), self._audience_of
            )

    def held(self, stix_ids: Sequence[str], allowed: frozenset[int]) -> frozenset[str]:
        """See `Reads.held`."""
        with self._reading() as db:
            return frozenset(v.id for v in reads.said(db, list(stix_ids), allowed))

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
        with self._reading() as db:
            page = list(islice(reads.places(db, allowed, types, case, after), rules.limited(limit)))
            said = reads.sayings(db, rules.ranges(page), allowed, case)
            newest = reads.newest(db, rules.versions_of(said))
            return reads.opened(db, [newest[place] for place in page], self._audience_of)

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
            given = {"case": case, "types": json.dumps(list(types))}
        sql = schema.PLACES_COUNT.format(filters=reads.filters(given))
        with self._reading() as db:
            row = db.execute(sql, {**given, "allowed": reads.numbers(allowed)}).fetchone()
        count: int = row[0]
        return count

    def search(self, words_: str, allowed: frozenset[int], limit: int = 100) -> list[KeptObject]:
        """See `Reads.search`. Cuts what has not been cut yet, so it finds what was just said."""
        wanted = words.asked(words_)
        if not wanted or not allowed:
            return []
        self._index_all()
        match = " AND ".join(f'"{word}"' for word in wanted)
        with self._reading() as db:
            rows = db.execute(
                schema.FOUND, {"match": match, "allowed": reads.numbers(allowed)}
            ).fetchall()
            hits = {n for n, _ in rows}
            newest = reads.newest(db, reads.said(db, sorted({id for _, id in rows}), allowed))
            found = [newest[place] for place in sorted(newest) if newest[place].n in hits]
            found.sort(key=lambda v: v.version, reverse=True)
            return reads.opened(db, found[:limit], self._audience_of)

    # --- Exchange -----------------------------------------------------------------------------

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
        with self._reading() as db:
            return exchange.page(db, collection, reads.numbers(allowed), wanted)

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
        """See `Exchange.glance`."""
        wanted = feeds.Wanted(
            after=after,
            limit=1,
            ids=[id],
            types=None,
            spec_versions=spec_versions,
            versions=versions,
            most_bytes=feeds.PAGE_BYTES,
        )
        with self._reading(together=False) as db:
            return exchange.glance(db, collection, reads.numbers(allowed), wanted)

    # --- Purges -------------------------------------------------------------------------------

    def holdings(self, id: str, allowed: frozenset[int]) -> list[Holding]:
        """See `Purges.holdings`."""
        with self._reading() as db:
            return purging.holdings(db, id, reads.numbers(allowed))

    def purge(self, one: Purge, rows: Sequence[tuple[str, str]] = ()) -> bool:
        """See `Purges.purge`."""
        dropped = self._write(lambda db: purging.purge(db, one, rows))
        self._close_idle()
        if not self._writes.alone(self._scrub):
            raise StoreError(
                f"{one.id} is out of reach, and its bytes are still in the files of {self.folder}:"
                " somebody has been reading for too long",
                remedy="purge it again, or restart the node: it is done first then",
            )
        return dropped

    def lift(self, one: Purge) -> bool:
        """See `Purges.lift`."""
        return self._write(lambda db: purging.lift(db, one))

    def purge_of(self, what: What, id: str) -> Purge | None:
        """See `Purges.purge_of`."""
        with self._reading(together=False) as db:
            return purging.standing(db, what, rules.digest(id))

    def purged(self, allowed: frozenset[int], *, case: str | None = None) -> list[Purged]:
        """See `Purges.purged`."""
        audiences = self.audiences()
        with self._reading() as db:
            return purging.purged(db, case, reads.numbers(allowed), audiences.__getitem__)

    # --- Federation ---------------------------------------------------------------------------

    def fill(self, peer: str, allowed: frozenset[int], limit: int = 1_000) -> bool:
        """See `Outboxes.fill`."""
        with self._reading() as db:
            if federation.is_filled(db, peer, allowed):
                return False
        return self._write(lambda db: federation.fill(db, peer, allowed, limit))

    def outbox(
        self, peer: str, after: int = 0, limit: int = 1_000, *, kind: str | None = None
    ) -> list[Outgoing]:
        """See `Outboxes.outbox`."""
        with self._reading() as db:
            return federation.outbox(db, peer, after, limit, kind)

    def outbox_end(self, peer: str) -> tuple[int, str]:
        """See `Outboxes.outbox_end`."""
        with self._reading() as db:
            return federation.outbox_end(db, peer)

    def outbox_lag(self, peer: str) -> int:
        """See `Outboxes.outbox_lag`."""
        with self._reading() as db:
            return federation.outbox_lag(db, peer)

    def wanted(self, peer: str, prefixes: Sequence[bytes]) -> list[Outgoing]:
        """See `Outboxes.wanted`."""
        with self._reading() as db:
            return federation.wanted(db, peer, prefixes)

    def receipt(self, peer: str, n: int, time: str) -> None:
        """See `Outboxes.receipt`."""
        self._write(lambda db: federation.receipt(db, peer, n, time))

    def given(self, statement: str) -> list[Given]:
        """See `Outboxes.given`."""
        with self._reading() as db:
            return federation.given(db, statement)

    def exchanged(self, peer: str, *, theirs: bool) -> list[bytes]:
        """See `Outboxes.exchanged`."""
        with self._reading() as db:
            return federation.exchanged(db, peer, theirs=theirs)

    def came(self, peer: str, statements: Sequence[str]) -> None:
        """See `Inboxes.came`."""
        self._write(lambda db: federation.came(db, peer, statements))

    def absent(self, statement: str) -> list[Absent]:
        """See `Inboxes.absent`."""
        with self._reading() as db:
            return federation.absent(db, statement)

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
        with self._reading() as db:
            return federation.places(db, author, chain, first, last)

    def withhold(self, peer: str, author: str, chain: str, named: Mapping[int, str]) -> None:
        """See `Inboxes.withhold`."""
        self._write(lambda db: federation.withhold(db, peer, author, chain, named))

    def named(self, author: str, chain: str, first: int, last: int) -> dict[int, dict[str, str]]:
        """See `Inboxes.named`."""
        with self._reading() as db:
            return federation.named(db, author, chain, first, last)

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
        with self._reading() as db:
            return federation.quarantined(db, peer, waiting, ids)

    def held_back(
        self, peer: str | None = None, *, waiting: Sequence[str] | None = None
    ) -> list[HeldBack]:
        """See `Inboxes.held_back`."""
        with self._reading() as db:
            return federation.held_back(db, peer, waiting)

    def held_back_counts(self) -> dict[str, int]:
        """See `Inboxes.held_back_counts`."""
        with self._reading() as db:
            return federation.held_back_counts(db)

    def expire(self, before: str) -> list[str]:
        """See `Inboxes.expire`."""
        return self._write(lambda db: federation.expire(db, before))

    def release(self, peer: str, ids: Sequence[str]) -> None:
        """See `Inboxes.release`."""
        self._write(lambda db: federation.release(db, peer, ids))

    # --- Local --------------------------------------------------------------------------------

    def local(self, kind: str, key: str) -> LocalRow | None:
        """See `Local.local`."""
        with self._reading(together=False) as db:
            return own.local(db, kind, key)

    def keep_local(self, kind: str, key: str, value: bytes | None, expected: int | None) -> int:
        """See `Local.keep_local`."""
        return self._write(lambda db: own.keep(db, kind, key, value, expected))

    def list_local(self, kind: str, prefix: str = "") -> list[LocalRow]:
        """See `Local.list_local`."""
        with self._reading(together=False) as db:
            return own.listed(db, kind, prefix)

    def append_audit(self, time: str, actor: str, act: str, ref: str) -> AuditRow:
        """See `Local.append_audit`."""
        return self._write(lambda db: own.append_audit(db, time, actor, act, ref))

    def keep_noted(
        self, kind: str, key: str, value: bytes, *, time: str, actor: str, act: str, ref: str
    ) -> int:
        """See `Local.keep_noted`."""

        def work(db: sqlite3.Connection) -> int:
            version = own.keep(db, kind, key, value, None)
            own.append_audit(db, time, actor, act, ref)
            return version

        return self._write(work)

    def audit(self, limit: int | None = None) -> list[AuditRow]:
        """See `Local.audit`."""
        with self._reading() as db:
            return own.audit(db, limit)

    # --- the writes ---------------------------------------------------------------------------

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Have the writer do `work` in a transaction; back when that is on disk."""
        return self._writes.write(work)

    def _undo(self, wrong: BaseException) -> None:
        """Roll back. After a failed sync nothing more is written: see `store/files.py`."""
        if isinstance(wrong, sqlite3.Error) and not is_full(wrong) and _is_disk(wrong):
            self._writes.broken = StoreError(
                f"{self.path} takes no writes after a disk failure: {wrong}",
                remedy="check the disk, then restart the node: it recovers from what is on disk",
            )
        try:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        except sqlite3.Error as worse:
            self._writes.broken = self._typed(worse)

    def _scrub(self) -> bool:
        """Write the file anew, if that is due."""
        return not purging.is_due(self._writer) or purging.scrub(self._writer)

    def _shorten_wal(self) -> None:
        # Not left to SQLite: its own checkpoint hides a failed sync and tries again.
        try:
            size = self.path.with_name(self.path.name + "-wal").stat().st_size
            if size > WAL_BYTES:
                self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except OSError:
            return
        except sqlite3.Error as wrong:
            if not is_full(wrong):  # full: the log keeps everything, and it is tried later
                self._undo(wrong)

    def _index_all(self) -> None:
        with self._reading() as db:
            [behind] = db.execute(
                "SELECT (SELECT max(n) FROM object) > (SELECT value FROM meta WHERE key='indexed')"
            ).fetchone()
        if behind:
            self._writes.index_all()

    # --- connections --------------------------------------------------------------------------

    def _connect_writer(self) -> sqlite3.Connection:
        if sqlite3.sqlite_version_info < (3, 40):
            raise StoreError(
                f"SQLite {sqlite3.sqlite_version} is older than 3.40",
                remedy="use a Python built with SQLite 3.40 or newer",
            )
        db: sqlite3.Connection | None = None
        try:
            # The write-ahead log takes over the mode of the database.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            # What a killed process wrote and did not sync would be read as kept, and published
            # (decisions/0025).
            sync_file(self.path)
            sync_file(self.path.with_name(self.path.name + "-wal"))
            sync_folder(self.folder)
            db = connect(self.path)
            db.execute("PRAGMA synchronous = FULL")
            upgrade(db, self.path)
            db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            db.execute("PRAGMA wal_autocheckpoint = 0")
            db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
            purging.cut_anew(db)
            purging.finish(db)
        except OSError as wrong:
            raise cannot_write(self.path, wrong) from wrong
        except (sqlite3.Error, UnicodeDecodeError) as wrong:
            if db is not None:
                db.close()
            raise self._typed(wrong) from wrong
        except BaseException:
            if db is not None:
                db.close()
            raise
        return db

    @contextlib.contextmanager
    def _reading(self, *, together: bool = True) -> Iterator[sqlite3.Connection]:
        """A connection for one read, which sees one state of the store throughout.

        Args:
            together: it is several questions; one alone sees one state by itself.
        """
        with self._guard:
            if self._closed:
                raise closed(str(self.path))
            db = self._idle.pop() if self._idle else None
        try:
            if db is None:
                db = connect(self.path)
                db.execute("PRAGMA query_only = 1")
            if together:
                db.execute("BEGIN")
            yield db
        except (sqlite3.Error, UnicodeDecodeError) as wrong:
            raise self._typed(wrong) from wrong
        finally:
            if db is not None:
                self._give_back(db)

    def _close_idle(self) -> None:
        with self._guard:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        with self._pulse_guard:
            if self._pulse is not None:
                self._pulse.close()
                self._pulse = None

    def _give_back(self, db: sqlite3.Connection) -> None:
        try:
            db.rollback()
        except sqlite3.Error:
            db.close()
            return
        with self._guard:
            if not self._closed and len(self._idle) < IDLE_READERS:
                self._idle.append(db)
                return
        db.close()

    # --- small things -------------------------------------------------------------------------

    def _audience_of(self, number: int) -> Audience:
        return self._audience(self._audiences[1], number)

    def _audience(self, known: Mapping[int, Audience], number: int) -> Audience:
        return known[number] if number in known else self.audiences()[number]

    def _typed(self, wrong: BaseException) -> BaseException:
        """What the caller is told instead of SQLite's own error. Others pass as they are."""
        if not isinstance(wrong, sqlite3.Error | UnicodeDecodeError):
            return wrong
        name = getattr(wrong, "sqlite_errorname", "")
        if isinstance(wrong, UnicodeDecodeError):  # SQLite's own words, with a damaged name in them
            name = "SQLITE_CORRUPT"
        if is_full(wrong) or name.startswith("SQLITE_READONLY"):
            return StorageFullError(
                f"{self.path} cannot grow: {wrong}; nothing of this write is kept",
                remedy=f"make room on the disk of {self.folder}, or make it writable",
            )
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return StoreError(
                f"{self.path} is damaged or no database: {wrong}",
                remedy="keep a copy of the folder as it is, then restore it from a backup",
            )
        return StoreError(
            f"{self.path}: {wrong}", remedy="check the disk and its rights, then restart the node"
        )


class _Hand:
    """`writer.Hand` of this store."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def begin(self) -> sqlite3.Connection:
        db = self._store._writer
        db.execute("BEGIN IMMEDIATE")
        return db

    def commit(self, db: sqlite3.Connection) -> None:
        db.execute("COMMIT")

    def undo(self, wrong: BaseException) -> None:
        self._store._undo(wrong)

    def stands(self, db: sqlite3.Connection, wrong: BaseException) -> bool:
        return db.in_transaction  # else SQLite has undone everybody's work

    def told(self, wrong: BaseException) -> tuple[BaseException, bool]:
        return self._store._typed(wrong), is_full(wrong)

    def keep_all(
        self, db: sqlite3.Connection, arrivals: Sequence[rules.Arrival]
    ) -> list[TocsinError | None]:
        return log.keep_all(db, arrivals)

    def index(self, db: sqlite3.Connection, limit: int) -> int:
        return _index(db, limit)

    def rest(self) -> bool:
        self._store._shorten_wal()
        return True


# --- words ----------------------------------------------------------------------------------


def _index(db: sqlite3.Connection, limit: int) -> int:
    """Cut the next few objects into words; how many there were."""
    rows = db.execute(
        "SELECT n, raw, stix_id, type FROM object"
        " WHERE n > (SELECT value FROM meta WHERE key = 'indexed') ORDER BY n LIMIT ?",
        (limit,),
    ).fetchall()
    for n, raw, id, type in rows:
        if not raw:  # what was purged has no words; it is cut when its bytes come back
            continue
        item = Attachment(raw=raw, sha256="", id=id, type=type)
        db.execute(
            "INSERT INTO word(rowid, words) VALUES (?, ?)",
            (n, words.line_of(item)),
        )
    if rows:
        db.execute("UPDATE meta SET value = ? WHERE key = 'indexed'", (rows[-1][0],))
    return len(rows)


# --- failures -------------------------------------------------------------------------------


def _is_disk(wrong: sqlite3.Error) -> bool:
    name = getattr(wrong, "sqlite_errorname", "")
    return name.startswith(("SQLITE_IOERR", "SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CANTOPEN"))
