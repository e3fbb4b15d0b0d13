"""The SQLite store's collections: rows given where a statement becomes visible, read by date.

A slice takes the first rows of each allowed audience from an index: what the reader may not see
costs nothing. What makes a page of slices is the same for every store: `feeds`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tocsin.store import feeds, rules, schema
from tocsin.store.interface import Page
from tocsin.store.sqlite_open import insert


def enter(db: sqlite3.Connection, start: int, now: int) -> None:
    """Give what the statements from log index `start` on opened its rows, all later than before."""
    given = {"start": start}
    db.execute(schema.NEW_FEEDS, given)
    new = [feeds.New(*row) for row in db.execute(schema.NEW_IN_FEEDS, given)]
    if new:
        insert(db, schema.ENTER_FEEDS, feeds.dated(new, now))
        db.execute(schema.LAST_OF_FEEDS, given)


def page(db: sqlite3.Connection, collection: str, allowed: str, wanted: feeds.Wanted) -> Page:
    """See `Exchange.page`; `allowed` as `sqlite_reads.numbers` gives them."""
    row = db.execute("SELECT id FROM feed WHERE name = ?", (collection,)).fetchone()
    if row is None:
        return Page(entries=(), position=wanted.after, more=False)
    return feeds.page(_Rows(db, row[0], allowed, wanted), wanted)


def glance(
    db: sqlite3.Connection, collection: str, allowed: str, wanted: feeds.Wanted
) -> Page | None:
    """See `Exchange.glance`."""
    [id] = wanted.ids or ()
    if allowed.count(",") >= schema.FEW:
        return None
    given = {
        "feed": collection,
        "allowed": allowed,
        "id": id,
        "bytes": feeds.GLANCE_BYTES,
        "most": feeds.GLANCE_ROWS,
    }
    rows = db.execute(schema.GLANCE, given).fetchall()
    if len(rows) == feeds.GLANCE_ROWS or len({row[0] for row in rows}) != 1:
        return None
    return feeds.alone(rows[0], wanted)


class _Rows:
    """`feeds.Rows` on one connection."""

    def __init__(
        self, db: sqlite3.Connection, feed: int, allowed: str, wanted: feeds.Wanted
    ) -> None:
        self._db = db
        self._given: dict[str, Any] = {"feed": feed, "allowed": allowed}
        self._sql = schema.PAGE
        numbers = json.loads(allowed)
        self._audiences = len(numbers)
        few = 0 < len(numbers) <= schema.FEW
        if wanted.ids is not None:
            self._sql = schema.PAGE_OF_IDS_FOR_FEW if few else schema.PAGE_OF_IDS
            self._given["ids"] = json.dumps(sorted(set(wanted.ids)))
        elif wanted.types is not None:
            self._sql = schema.PAGE_OF_TYPES_FOR_FEW if few else schema.PAGE_OF_TYPES
            self._given["types"] = json.dumps(sorted(set(wanted.types)))
        elif few:
            self._sql = schema.page_of(len(numbers))
            self._given |= {f"a{n}": number for n, number in enumerate(numbers)}

    def slice(self, after: int, limit: int) -> Iterable[feeds.Row]:
        return self._db.execute(self._sql, {**self._given, "after": after, "limit": limit})

    def versions(self, ids: Sequence[str]) -> Iterable[feeds.Row]:
        several = len(ids) * self._audiences > rules.MOST_STRETCHES
        sql = schema.FEED_VERSIONS_OF_MANY if several else schema.FEED_VERSIONS
        return self._db.execute(sql, {**self._given, "ids": json.dumps(ids)})

    def raws(self, numbers: Sequence[int]) -> Mapping[int, bytes]:
        return dict(self._db.execute(schema.RAWS, {"keys": json.dumps(numbers)}))
