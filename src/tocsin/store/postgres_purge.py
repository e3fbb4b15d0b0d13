"""Purging in the PostgreSQL store: the bytes go, from rows, words, indexes and dead rows.

Two steps. A transaction takes them out of reach and notes who did it and why; then the tables that
held them are written anew, because a server leaves deleted rows where they were. `meta` says
between the two that the second is due: a store that opens then does it first.

The server's write-ahead log, its archive, its standbys and its backups are not ours to rewrite:
docs/guides/postgresql.md says what to do about them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import psycopg

from tocsin.store import postgres_schema as schema
from tocsin.store import rules, words
from tocsin.store.interface import Attachment, Holding, Purge, What
from tocsin.store.postgres_exchange import leave_purged
from tocsin.store.postgres_local import append_audit
from tocsin.store.postgres_open import WRITE_MS, Db, ask, copy, is_full


def purge(db: Db, one: Purge, rows: Sequence[tuple[str, str]]) -> bool:
    """See `Purges.purge`; whether anything was dropped now."""
    id = bytes.fromhex(one.id)
    given = {"what": one.what, "id": id}
    known = standing(db, one.what, id)
    dropped = 0
    if one.what == "statement":
        held = ask(
            db, "SELECT 1 FROM statement WHERE id = %(id)s AND log_index IS NOT NULL", given
        ).fetchone()
        for sql in schema.DROP_ENVELOPE if held else ():
            dropped += ask(db, sql, given).rowcount
    else:
        held = ask(db, "SELECT 1 FROM object WHERE sha256 = %(id)s", given).fetchone()
        ask(db, schema.DROP_WORDS, given)
        ask(db, schema.UNPACK, given)
        ask(db, schema.HIDE_OBJECT, given)
        leave_purged(db, id)
        dropped = ask(db, schema.DROP_OBJECT, given).rowcount
    if not held:
        raise rules.not_logged(one)
    for kind, key in rows:
        dropped += ask(db, schema.DROP_LOCAL, {"kind": kind, "key": key}).rowcount
    if known and not dropped:
        return False
    noted = {**given, "time": one.time, "actor": one.actor, "why": one.why}
    ask(db, schema.NOTE_PURGE, noted)
    append_audit(db, one.time, one.actor, "purge", rules.purge_note(one))
    ask(db, "UPDATE meta SET value = 1 WHERE key = 'scrub'")
    return True


def lift(db: Db, one: Purge) -> bool:
    """See `Purges.lift`."""
    given = {"what": one.what, "id": bytes.fromhex(one.id), "time": one.time}
    lifted = ask(db, schema.LIFT, given).rowcount
    if lifted:
        append_audit(db, one.time, one.actor, "purge.lift", rules.purge_note(one))
    return bool(lifted)


def standing(db: Db, what: What, id: bytes) -> Purge | None:
    """The purge of this thing that is in force."""
    row = ask(db, schema.STANDING_PURGE, {"what": what, "id": id}).fetchone()
    if row is None:
        return None
    time, actor, why = row
    return Purge(what=what, id=id.hex(), time=time, actor=actor, why=why)


def holdings(db: Db, id: str, allowed: frozenset[int]) -> list[Holding]:
    """See `Purges.holdings`."""
    given = {"digest": rules.digest(id), "id": id, "allowed": sorted(allowed)}
    return rules.holdings(
        rules.digest(id),
        ask(db, schema.HELD_STATEMENT, given).fetchall(),
        ask(db, schema.HELD_OBJECT, given).fetchall(),
        lambda what, of: standing(db, what, of),
    )


# --- written anew -----------------------------------------------------------------------------


def is_due(db: Db) -> bool:
    """Whether bytes of something purged may still be in the tables' files."""
    return ask(db, "SELECT value FROM meta WHERE key = 'scrub'").fetchone() != (0,)


def scrub(db: Db) -> bool:
    """Write the tables that held it anew, without what was deleted.

    Takes room for a second copy of them, and nobody reads them meanwhile.

    Returns:
        False: somebody still reads an old state; it is due until it succeeds.
    """
    left: list[int] = []

    def told(said: psycopg.errors.Diagnostic) -> None:
        # "DETAIL: 3 dead row versions cannot be removed yet." In any language the number is first.
        number = re.search(r"\d+", said.message_detail or "")
        if number is not None:
            left.append(int(number[0]))

    db.add_notice_handler(told)
    try:
        db.execute("SELECT set_config('statement_timeout', '0', false)")
        for table in schema.HOLDING_CONTENT:
            db.execute(f"VACUUM (FULL, VERBOSE) {table}")
    except psycopg.errors.LockNotAvailable:
        return False
    finally:
        db.remove_notice_handler(told)
        if not db.closed:
            db.execute("SELECT set_config('statement_timeout', %s, false)", [str(WRITE_MS)])
    if any(left):
        return False
    db.execute("UPDATE meta SET value = 0 WHERE key = 'scrub'")
    return True


def finish(db: Db) -> None:
    """Write the tables anew if a purge was cut off before that; without room for it, later."""
    if not is_due(db):
        return
    try:
        scrub(db)
    except psycopg.Error as wrong:
        if not is_full(wrong):
            raise


# --- words ------------------------------------------------------------------------------------


def index(db: Db, limit: int) -> int:
    """Cut the next few objects into words; how many there were."""
    rows = ask(db, schema.UNCUT, {"limit": limit}).fetchall()
    if rows:
        cut = [
            (n, words.numbers_of(Attachment(raw=raw, sha256="", id=id, type=type)))
            for n, raw, id, type in rows
            if raw  # what was purged has no words; it is cut when its bytes come back
        ]
        copy(db, "word", cut)
        ask(db, "UPDATE meta SET value = %(n)s WHERE key = 'indexed'", {"n": rows[-1][0]})
    return len(rows)


def cut_anew(db: Db) -> None:
    """Start the word index from nothing if its words were cut by another rule."""
    if ask(db, "SELECT value FROM meta WHERE key = 'words'").fetchone() == (words.CUT,):
        return
    db.execute("BEGIN")
    db.execute("TRUNCATE word")
    ask(db, "UPDATE meta SET value = 0 WHERE key = 'indexed'")
    ask(db, "UPDATE meta SET value = %(cut)s WHERE key = 'words'", {"cut": words.CUT})
    db.execute("COMMIT")
