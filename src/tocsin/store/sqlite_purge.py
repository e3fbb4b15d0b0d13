"""Purging in the SQLite store: the bytes go, from rows, words, free pages and write-ahead log.

Two steps. A transaction takes them out of reach and notes who did it and why; then the file is
written anew, because SQLite leaves deleted bytes in free pages and in the gaps of pages. `meta`
says between the two that the second is due: a store that opens then does it first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from tocsin.policy import Audience
from tocsin.store import rules, schema, words
from tocsin.store.interface import Attachment, Holding, Purge, Purged, What
from tocsin.store.sqlite_local import append_audit
from tocsin.store.sqlite_open import is_full


def purge(db: sqlite3.Connection, one: Purge, rows: Sequence[tuple[str, str]]) -> bool:
    """See `Purges.purge`; whether anything was dropped now."""
    id = bytes.fromhex(one.id)
    known = db.execute(
        "SELECT 1 FROM purged WHERE what = ? AND id = ? AND lifted = ''", (one.what, id)
    ).fetchone()
    if one.what == "statement":
        held = db.execute(
            "SELECT 1 FROM statement WHERE id = ? AND log_index IS NOT NULL", (id,)
        ).fetchone()
        dropped = 0
        for sql in (schema.DROP_ENVELOPE, schema.DROP_SEALED) if held else ():
            dropped += db.execute(sql, (id,)).rowcount
    else:
        held = db.execute("SELECT 1 FROM object WHERE sha256 = ?", (id,)).fetchone()
        _forget_words(db, id)
        db.execute(schema.HIDE_OBJECT, (id,))
        db.execute(schema.PURGED_LEAVES, (id,))
        dropped = db.execute(schema.DROP_OBJECT, (id,)).rowcount
    if not held:
        raise rules.not_logged(one)
    for kind, key in rows:
        dropped += db.execute("DELETE FROM local WHERE kind = ? AND key = ?", (kind, key)).rowcount
    if known and not dropped:
        return False
    db.execute(
        "INSERT INTO purged VALUES (?, ?, ?, ?, ?, '') ON CONFLICT (what, id) DO UPDATE SET"
        " time = excluded.time, actor = excluded.actor, why = excluded.why, lifted = ''",
        (one.what, id, one.time, one.actor, one.why),
    )
    _note(db, one, "purge")
    db.execute("UPDATE meta SET value = 1 WHERE key = 'scrub'")
    return True


def lift(db: sqlite3.Connection, one: Purge) -> bool:
    """See `Purges.lift`."""
    lifted = db.execute(
        "UPDATE purged SET lifted = ? WHERE what = ? AND id = ? AND lifted = ''",
        (one.time, one.what, bytes.fromhex(one.id)),
    ).rowcount
    if lifted:
        _note(db, one, "purge.lift")
    return bool(lifted)


def _note(db: sqlite3.Connection, one: Purge, act: str) -> None:
    append_audit(db, one.time, one.actor, act, rules.purge_note(one))


def _forget_words(db: sqlite3.Connection, sha256: bytes) -> None:
    """Take an object's words out of the index. They are in its file until it is optimised."""
    rows = db.execute(
        "SELECT n, raw, stix_id, type FROM object WHERE sha256 = ? AND raw <> x''"
        " AND n <= (SELECT value FROM meta WHERE key = 'indexed')",
        (sha256,),
    ).fetchall()
    for n, raw, id, type in rows:
        # A contentless index forgets a row only if it is given the very words.
        item = Attachment(raw=raw, sha256="", id=id, type=type)
        db.execute(
            "INSERT INTO word(word, rowid, words) VALUES ('delete', ?, ?)", (n, words.line_of(item))
        )


def cut_anew(db: sqlite3.Connection) -> None:
    """Start the word index from nothing if its words were cut by another rule."""
    if db.execute("SELECT value FROM meta WHERE key = 'words'").fetchone() == (words.CUT,):
        return
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO word(word) VALUES ('delete-all')")
    db.execute("UPDATE meta SET value = 0 WHERE key = 'indexed'")
    db.execute("UPDATE meta SET value = ? WHERE key = 'words'", (words.CUT,))
    db.execute("COMMIT")


def is_due(db: sqlite3.Connection) -> bool:
    """Whether bytes of something purged may still be in the files."""
    row = db.execute("SELECT value FROM meta WHERE key = 'scrub'").fetchone()
    return bool(row and row[0])


def scrub(db: sqlite3.Connection) -> bool:
    """Write the file anew without what was deleted, and empty the write-ahead log.

    Takes room for a second copy, and about a second of one core for 150 MB.

    Returns:
        False: somebody still reads the old state; it is due until it succeeds.
    """
    db.execute("INSERT INTO word(word) VALUES ('optimize')")  # drops the words of what is gone
    db.execute("VACUUM")
    if not _empty_wal(db):
        return False
    db.execute("UPDATE meta SET value = 0 WHERE key = 'scrub'")
    return _empty_wal(db)


def finish(db: sqlite3.Connection) -> None:
    """Write the file anew if a purge was cut off before that; without room for it, later."""
    if not is_due(db):
        return
    try:
        scrub(db)
    except sqlite3.Error as wrong:
        if not is_full(wrong):
            raise
        if db.in_transaction:
            db.execute("ROLLBACK")


def _empty_wal(db: sqlite3.Connection) -> bool:
    busy: int = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return busy == 0


def standing(db: sqlite3.Connection, what: What, id: bytes) -> Purge | None:
    """The purge of this thing that is in force."""
    row = db.execute(
        "SELECT time, actor, why FROM purged WHERE what = ? AND id = ? AND lifted = ''", (what, id)
    ).fetchone()
    if row is None:
        return None
    time, actor, why = row
    return Purge(what=what, id=id.hex(), time=time, actor=actor, why=why)


def holdings(db: sqlite3.Connection, id: str, allowed: str) -> list[Holding]:
    """See `Purges.holdings`."""
    digest = rules.digest(id)
    given = {"sha256": digest, "id": id, "allowed": allowed}
    return rules.holdings(
        digest,
        db.execute(schema.HELD_STATEMENT, {"id": digest, "allowed": allowed}).fetchall(),
        db.execute(schema.HELD_OBJECT, given).fetchall(),
        lambda what, of: standing(db, what, of),
    )


def purged(
    db: sqlite3.Connection,
    case: str | None,
    allowed: str,
    audience_of: Callable[[int], Audience],
) -> list[Purged]:
    """See `Purges.purged`."""
    rows = db.execute(schema.PURGED_STATEMENTS, {"case": case, "allowed": allowed})
    return [rules.purged(row, audience_of) for row in rows]
