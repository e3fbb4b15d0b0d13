"""The SQLite store's reads: pages merged from one index stream per audience."""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from tocsin.policy import Audience
from tocsin.store import rules, schema
from tocsin.store.interface import KeptObject, maker_of
from tocsin.store.rules import Row, Version, versions_of


def said(db: sqlite3.Connection, ids: Sequence[str], allowed: frozenset[int]) -> list[Version]:
    """What is readable under these ids."""
    found = rules.looked_up(ids, len(allowed))
    if found is not None:
        ranges, digests = found
        rows = sayings(db, ranges, allowed, None)
        for sha256 in digests:
            rows += db.execute(
                schema.SAYINGS_BY_SHA256, {"sha256": sha256, "allowed": numbers(allowed)}
            ).fetchall()
        named = frozenset(ids)  # the bytes of an attachment can be said as an object too
        return [version for version in versions_of(rows) if version.id in named]
    keys = json.dumps(list(dict.fromkeys(ids)))
    given = {"keys": keys, "allowed": numbers(allowed)}
    return versions_of(db.execute(schema.SAYINGS_BY_ID, given))


def sayings(
    db: sqlite3.Connection,
    ranges: Sequence[tuple[str, str, str]],
    allowed: frozenset[int],
    case: str | None,
) -> list[Row]:
    """The rows of what is readable of each type from one id to another, both included."""
    given = {"case": case}
    return db.execute(
        schema.SAYINGS.format(filters=filters(given)),
        {**given, "ranges": json.dumps(ranges), "allowed": numbers(allowed)},
    ).fetchall()


def newest(db: sqlite3.Connection, versions: Iterable[Version]) -> dict[tuple[str, str], Version]:
    return rules.newest(versions, lambda several: _makers(db, several))


def _makers(db: sqlite3.Connection, versions: Sequence[Version]) -> dict[int, str]:
    """Number of a version → its `created_by_ref`; not there where it names nobody."""
    rows = db.execute(schema.BYTES, {"keys": json.dumps([v.n for v in versions])})
    return {row[0]: maker for row in rows if (maker := maker_of(row[1]))}


def opened(
    db: sqlite3.Connection, versions: Sequence[Version], audience_of: Callable[[int], Audience]
) -> list[KeptObject]:
    """These versions with their bytes, which are what they are named by."""
    rows = db.execute(schema.BYTES, {"keys": json.dumps([v.n for v in versions])})
    return rules.opened(versions, {row[0]: row[1:] for row in rows}, audience_of)


def places(
    db: sqlite3.Connection,
    allowed: frozenset[int],
    types: Sequence[str] | None,
    case: str | None,
    after: tuple[str, str] | None,
) -> Iterator[Row]:
    """The (type, id) of everything readable behind `after`, in order, one by one."""
    pages: list[dict[str, Any]] = []
    if types is None:
        of_all = {"after": after[0], "after_id": after[1]} if after else {}
        pages = [{"stix": True, **of_all}]
    else:
        # Type by type: each keeps the order of an index, which a list of types would not.
        for type in sorted(set(types)):
            if after is None or type > after[0]:
                pages.append({"type": type})
            elif type == after[0]:
                pages.append({"type": type, "behind": after[1]})
    for page in pages:
        given = {"case": case, **page}
        sql = schema.PLACES.format(filters=filters(given))
        yield from _distinct(merged(db, sql, given, allowed, lambda row: row))


def merged(
    db: sqlite3.Connection,
    sql: str,
    given: Mapping[str, Any],
    allowed: frozenset[int],
    key: Callable[[Row], Any],
) -> Iterator[Row]:
    """The rows of every allowed audience in one order, each stepped only as far as needed."""
    streams = [db.execute(sql, {**given, "audience": number}) for number in sorted(allowed)]
    return heapq.merge(*streams, key=key)


def _distinct(rows: Iterable[Row]) -> Iterator[Row]:
    before: Row | None = None
    for row in rows:
        if row != before:
            yield row
        before = row


def filters(given: Mapping[str, Any]) -> str:
    return "".join(sql for name, sql in schema.FILTERS.items() if given.get(name) is not None)


@lru_cache(maxsize=64)
def numbers(allowed: frozenset[int]) -> str:
    return json.dumps(sorted(allowed))
