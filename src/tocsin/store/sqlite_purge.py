"""Purging in the SQLite store: the bytes go, from rows, words, free pages and write-ahead log.

Two steps. A transaction takes them out of reach and notes who did it and why; then the file is
written anew, because SQLite leaves deleted bytes in free pages and in the gaps of pages. `meta`
says between the two that the second is due: a store that opens then does it first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from tocsin.errors import NotFoundError
from tocsin.policy import Audience
from tocsin.store import schema, words
from tocsin.store.interface import Attachment, Holding, Purge, Purged, Saying, What
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
        dropped = db.execute(schema.DROP_OBJECT, (id,)).rowcount
    if not held:
        raise NotFoundError(
            f"{one.what} {one.id} is not in the log of this node", remedy="check the id"
        )
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
    append_audit(db, one.time, one.actor, act, f"{one.what} {one.id}: {one.why}")


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
    digest = bytes.fromhex(id) if len(id) == 64 and not set(id) - set("0123456789abcdef") else b""
    found: list[Holding] = []
    for row in db.execute(schema.HELD_STATEMENT, {"id": digest, "allowed": allowed}).fetchall():
        author, kind, size, withdrawn = row
        found.append(
            Holding(
                what="statement",
                id=id,
                name=id,
                type=kind,
                size=size,
                said_by=(Saying(statement=id, author=author, live=not withdrawn),),
                purge=standing(db, "statement", digest),
            )
        )
    rows = db.execute(
        schema.HELD_OBJECT, {"sha256": digest, "id": id, "allowed": allowed}
    ).fetchall()
    objects: dict[int, tuple[bytes, str, str, int, list[Saying]]] = {}
    for n, sha256, name, type, size, statement, author, live in rows:
        one = objects.setdefault(n, (sha256, name, type, size, []))
        one[4].append(Saying(statement=statement.hex(), author=author, live=live == schema.LIVE))
    for sha256, name, type, size, sayings in objects.values():
        found.append(
            Holding(
                what="object",
                id=sha256.hex(),
                name=name,
                type=type,
                size=size,
                said_by=tuple(sayings),
                purge=standing(db, "object", sha256),
            )
        )
    return found


def purged(
    db: sqlite3.Connection, case: str | None, allowed: str, audiences: Mapping[int, Audience]
) -> list[Purged]:
    """See `Purges.purged`."""
    rows = db.execute(schema.PURGED_STATEMENTS, {"case": case, "allowed": allowed})
    return [
        Purged(
            id=id.hex(),
            index=index,
            kind=kind,
            author=author,
            case=of or None,
            seq=seq,
            audience=audiences[number],
            purge=Purge(what="statement", id=id.hex(), time=time, actor=actor, why=why),
        )
        for id, index, kind, author, of, seq, number, time, actor, why in rows
    ]
