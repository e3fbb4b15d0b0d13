"""The hand that writes to the PostgreSQL store: its connection, lock and epoch, lost and found.

A server can go away. Then writes are refused; when it is back, the node goes on, unless the server
has lost something that it had acknowledged, or another node has written meanwhile: a row counts
the node's starts and its commits.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence

import psycopg

from tocsin.errors import NodeBusyError, StoreError, StoreLostError, TocsinError
from tocsin.store import postgres_log, rules
from tocsin.store import postgres_purge as purging
from tocsin.store.postgres_open import (
    OURS,
    WRITE_MS,
    Db,
    ask,
    check_server,
    connect,
    is_full,
    is_lost,
    lock,
    log,
    shown,
    told,
    typed,
    upgrade,
)
from tocsin.store.writer import Writer

TRY_AGAIN_S = 0.5
"""Between two attempts to reach a server that is gone: nobody waits for each anew."""


class PostgresHand:
    """`writer.Hand` of the PostgreSQL store. Once it is open only the writer's thread uses it."""

    def __init__(self, url: str, owner: str, lost: Callable[[], None]) -> None:
        """Connects to nothing yet.

        Args:
            owner: the party whose database it is.
            lost: called when the connection is given up: those of the readers are worth no more.
        """
        self._url = url
        self._at = shown(url)
        self._owner = owner
        self._lost = lost
        self._epoch = 0
        self._commits = 0
        self._unsure = False
        """The last commit was not answered: it may have happened."""
        self._tried = 0.0
        self._db: Db | None = None
        self._writes: Writer[Db] | None = None

    @property
    def known(self) -> tuple[int, int]:
        """(epoch, commits): a server that is behind them came back older. Read by any thread."""
        return self._epoch, self._commits

    def open(self, writes: Writer[Db]) -> None:
        """Connect, check the server, take the lock, bring the schema up to date.

        Raises:
            StoreError, NodeBusyError: see `PostgresStore.open`.
        """
        self._writes = writes
        try:
            db = self._db = connect(self._url, "writer", timeout_ms=WRITE_MS)
            check_server(db, self._url)
            lock(db, self._url)
            upgrade(db, self._url)
            self._begin_epoch(db)
            purging.cut_anew(db)
            purging.finish(db)
        except BaseException as wrong:
            self._drop()
            if isinstance(wrong, psycopg.Error):
                raise typed(wrong, self._url) from wrong
            raise

    def close(self) -> None:
        """Let go of the connection, and so of the lock."""
        if self._db is not None:
            self._db.close()

    # --- Hand ---------------------------------------------------------------------------------

    def begin(self) -> Db:
        """Begin, and let the database see that it is still this node that writes."""
        db = self._reached()
        db.execute("BEGIN")
        row = ask(
            db,
            "UPDATE writer SET commits = commits + 1 WHERE epoch = %(epoch)s RETURNING commits",
            {"epoch": self._epoch},
        ).fetchone()
        if row != (self._commits + 1,):
            raise self._break(
                f"another node has written to {OURS}",
                remedy="stop one of the two: a database is one node's",
            )
        return db

    def commit(self, db: Db) -> None:
        """Commit, and count it."""
        self._unsure = True
        # An aborted transaction "commits" without an error: it says ROLLBACK.
        if db.execute("COMMIT").statusmessage != "COMMIT":
            raise StoreError(f"{OURS} did not commit", remedy="see the database server's own log")
        self._commits += 1
        self._unsure = False

    def undo(self, wrong: BaseException) -> None:
        """Roll back; without a server to do it, let go of the connection: it does it then."""
        db = self._db
        if db is None:
            return
        if not is_lost(wrong) and not db.closed:
            try:
                db.execute("ROLLBACK")
                self._unsure = False
                return
            except psycopg.Error:
                pass
        self._drop()

    def stands(self, db: Db, wrong: BaseException) -> bool:
        """Whether there is a server to go on with."""
        return not is_lost(wrong) and not db.closed

    def told(self, wrong: BaseException) -> tuple[BaseException, bool]:
        """See `Hand.told`."""
        return told(wrong, self._url), is_full(wrong)

    def keep_all(self, db: Db, arrivals: Sequence[rules.Arrival]) -> list[TocsinError | None]:
        """See `Hand.keep_all`."""
        return postgres_log.keep_all(db, arrivals)

    def index(self, db: Db, limit: int) -> int:
        """See `Hand.index`."""
        return purging.index(db, limit)

    def rest(self) -> bool:
        """Without a server no words are cut: whoever writes next finds out whether it is back."""
        return self._db is not None

    def scrub(self) -> bool:
        """Write tables anew, outside any transaction, if that is due."""
        db = self._reached()
        return not purging.is_due(db) or purging.scrub(db)

    # --- the connection -----------------------------------------------------------------------

    def _begin_epoch(self, db: Db) -> None:
        """Begin an epoch: whoever wrote before is refused from now on."""
        row = ask(
            db,
            "UPDATE writer SET epoch = epoch + 1,"
            " owner = CASE WHEN owner = '' THEN %(owner)s ELSE owner END"
            " WHERE owner IN ('', %(owner)s) OR %(owner)s = '' RETURNING epoch, commits",
            {"owner": self._owner},
        ).fetchone()
        if row is None:
            raise StoreError(
                f"{self._at} is the store of another party, not of {self._owner}",
                remedy="give each party a database of its own",
            )
        self._epoch, self._commits = row

    def _reached(self) -> Db:
        """The connection; a new one, if the server was gone and is back.

        Raises:
            StoreLostError: it is not.
            StoreError: it has lost what it had acknowledged, or another node has written.
        """
        if self._db is not None and not self._db.closed:
            return self._db
        self._drop()
        if time.monotonic() - self._tried < TRY_AGAIN_S:
            raise StoreLostError(
                f"{OURS} does not answer; it was asked just now",
                remedy="start the database server, or mend the way to it;"
                " the node goes on by itself",
            )
        try:
            db = self._db = connect(self._url, "writer", timeout_ms=WRITE_MS)
            check_server(db, self._url)
            lock(db, self._url)
            self._check_kept(db)
        except BaseException as wrong:
            self._tried = time.monotonic()
            self._drop()
            if not isinstance(wrong, StoreError | NodeBusyError) or wrong is self._broken:
                raise
            log.warning("%s", wrong)  # it says where, and who holds it
            raise type(wrong)(
                f"{OURS} cannot be gone on with",
                remedy="whoever runs the node finds the reason in its log, or with: tocsin doctor",
            ) from wrong
        return db

    @property
    def _broken(self) -> BaseException | None:
        return self._writes.broken if self._writes is not None else None

    def _check_kept(self, db: Db) -> None:
        """Return if a server that was gone still holds all that it had acknowledged."""
        row = ask(db, "SELECT epoch, commits FROM writer").fetchone()
        found = row or (0, 0)
        wanted = {self.known}
        if self._unsure:
            wanted.add((self._epoch, self._commits + 1))
        if tuple(found) not in wanted:
            raise self._break(
                f"{OURS} came back as another: at write {found[1]} of node start {found[0]}, "
                f"and this node knows of {self._commits} of {self._epoch}",
                remedy="it was restored from a backup, a standby that had not all of it took over,"
                " or another node wrote to it: put the newest back, then restart the node",
            )
        self._commits, self._unsure = found[1], False

    def _break(self, why: str, remedy: str) -> StoreError:
        """Nothing is written from now on; the error that says why."""
        wrong = StoreError(why, remedy=remedy)
        log.warning("%s: %s", self._at, why)
        if self._writes is not None:
            self._writes.broken = wrong
        return wrong

    def _drop(self) -> None:
        if self._db is not None:
            with contextlib.suppress(Exception):
                self._db.close()
            self._db = None
        self._lost()
