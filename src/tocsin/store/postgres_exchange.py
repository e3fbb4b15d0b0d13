"""The PostgreSQL store's collections: rows given where a statement becomes visible, read by date.

A slice takes the first rows of each allowed audience from an index: what the reader may not see
costs nothing. What makes a page of slices is the same for every store: `feeds`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tocsin.store import feeds, rules
from tocsin.store.interface import Page
from tocsin.store.postgres_open import Db, ask, copy

_NEW_FEEDS = """
INSERT INTO feed(name, last)
SELECT case_id, 0 FROM statement WHERE log_index >= %(start)s AND case_id <> ''
UNION SELECT p.feed, 0 FROM statement t JOIN put p ON p.statement = t.n
WHERE t.log_index >= %(start)s
ON CONFLICT DO NOTHING
"""

# What was opened comes into its collections, but for what its audience was given there before.
# Sums and an OFFSET keep the server from the indexes of all that is live, and of a whole feed: as
# long as it has no statistics of them it takes either for one row.
_NEW_IN_FEEDS = """
SELECT feed, last, audience, object, type
FROM (
  SELECT DISTINCT ON (f.id, s.object, s.audience) f.id AS feed, f.last AS last, s.object,
    s.audience, s.type, s.id, t.log_index AS place
  FROM statement t CROSS JOIN LATERAL (
      SELECT * FROM said o WHERE o.statement = t.n AND o.live + 0 = 1 OFFSET 0) s
    LEFT JOIN put p ON p.statement = t.n
    JOIN feed f ON f.name = ANY(ARRAY['', s.case_id, p.feed])
  WHERE t.log_index >= %(start)s AND left(s.id, 11) <> 'urn:sha256:'
    AND NOT EXISTS (SELECT 1 FROM entry e
      WHERE e.object = s.object AND e.feed + 0 = f.id AND e.audience + 0 = s.audience OFFSET 0)
  ORDER BY f.id, s.object, s.audience, t.log_index) new
ORDER BY place, id
"""
_LAST_OF_FEEDS = """
UPDATE feed f SET last = greatest(f.last,
  coalesce((SELECT e.added FROM entry e WHERE e.feed = f.id ORDER BY e.added DESC LIMIT 1), 0))
WHERE f.name = ANY(ARRAY(
  SELECT '' UNION SELECT case_id FROM statement WHERE log_index >= %(start)s
  UNION SELECT p.feed FROM statement t JOIN put p ON p.statement = t.n
  WHERE t.log_index >= %(start)s))
"""
_LEAVE_FEEDS = """
DELETE FROM entry
WHERE object IN (SELECT s.object FROM said s WHERE s.statement = %(n)s) AND NOT EXISTS (
  SELECT 1 FROM said s LEFT JOIN put p ON p.statement = s.statement
  WHERE s.object = entry.object AND s.audience = entry.audience AND s.live + 0 = 1
    AND (SELECT f.name FROM feed f WHERE f.id = entry.feed) = ANY(ARRAY['', s.case_id, p.feed])
  OFFSET 0)
"""
_PURGED_LEAVES = """
DELETE FROM entry WHERE object IN (SELECT n FROM object WHERE sha256 = %(id)s)
"""

_FEED = "(SELECT f.id FROM feed f WHERE f.name = %(name)s)"

# The first rows of each allowed audience, then the first of those. `again`: an earlier row has
# given the reader the object; who reads for one audience is given nothing twice. The bytes come
# along as far as the page can hold them.
_ENTRY = """
SELECT e.added, o.n, o.sha256, o.stix_id, o.type, o.spec_version, o.created, o.modified,
  o.version, octet_length(o.raw), cardinality(%(allowed)s::bigint[]) > 1 AND EXISTS (
    SELECT 1 FROM entry d WHERE d.object = e.object AND d.feed + 0 = {feed} AND d.added < e.added
      AND d.audience + 0 = ANY(%(allowed)s::bigint[])),
  EXISTS ({several}),
  CASE WHEN sum(octet_length(o.raw)) OVER (ORDER BY e.added ROWS UNBOUNDED PRECEDING)
    <= %(most)s THEN o.raw END
""".replace("{feed}", _FEED)
_SEVERAL = "SELECT 1 FROM object x WHERE x.stix_id = o.stix_id AND x.n <> o.n"
# What others were given under the id is not looked at. A stretch of an index for each audience.
_SEVERAL_OF_FEW = """
  SELECT 1 FROM unnest(%(allowed)s::bigint[]) y(id) CROSS JOIN LATERAL (
    SELECT 1 FROM said v WHERE v.audience = y.id AND v.type = o.type AND v.id = o.stix_id
      AND v.live IN (1, 2) AND v.object <> o.n OFFSET 0) w"""
_CHOSEN = """
WITH chosen AS MATERIALIZED (
  SELECT p.added, p.object FROM {each} CROSS JOIN LATERAL (
    SELECT i.added, i.object FROM entry i
    WHERE i.feed = {feed} AND i.audience = a.id AND {behind}
    ORDER BY i.added LIMIT %(limit)s) p
  ORDER BY p.added LIMIT %(limit)s)
"""
_FROM_CHOSEN = """
FROM chosen e CROSS JOIN LATERAL (SELECT * FROM object i WHERE i.n = e.object OFFSET 0) o
ORDER BY e.added
"""
_ALL = _CHOSEN.format(
    each="unnest(%(allowed)s::bigint[]) a(id)", behind="i.added > %(after)s", feed=_FEED
)
_OF_TYPES = _CHOSEN.format(
    each="unnest(%(allowed)s::bigint[]) a(id) CROSS JOIN unnest(%(types)s::text[]) y(type)",
    # Compared together, so that no other index will do.
    behind='i.type = y.type COLLATE "C"'
    ' AND (i.type, i.added) > (y.type COLLATE "C", %(after)s::bigint)',
    feed=_FEED,
)
# By what each audience was given under an id: what others were given there is never touched.
_GIVEN = """
unnest(%(ids)s::text[]) k(id) CROSS JOIN unnest(%(allowed)s::bigint[]) a(id)
  CROSS JOIN LATERAL (
    SELECT DISTINCT i.object FROM said i
    WHERE i.audience = a.id AND i.type = split_part(k.id, '--', 1) COLLATE "C"
      AND i.id = k.id COLLATE "C" AND i.live IN (1, 2)) s
  CROSS JOIN LATERAL (
    SELECT i.added, i.object FROM entry i
    WHERE i.object = s.object AND i.feed = {feed} AND i.audience = a.id OFFSET 0) e
""".replace("{feed}", _FEED)
_OF_IDS = """
WITH chosen AS MATERIALIZED (
  SELECT e.added, e.object FROM {given} WHERE e.added > %(after)s
  ORDER BY e.added LIMIT %(limit)s)
""".replace("{given}", _GIVEN)
_ROWS = _ENTRY.replace("{several}", _SEVERAL) + _FROM_CHOSEN
_ROWS_FOR_FEW = _ENTRY.replace("{several}", _SEVERAL_OF_FEW) + _FROM_CHOSEN
PAGE, PAGE_FOR_FEW = _ALL + _ROWS, _ALL + _ROWS_FOR_FEW
PAGE_OF_TYPES, PAGE_OF_TYPES_FOR_FEW = _OF_TYPES + _ROWS, _OF_TYPES + _ROWS_FOR_FEW
PAGE_OF_IDS, PAGE_OF_IDS_FOR_FEW = _OF_IDS + _ROWS, _OF_IDS + _ROWS_FOR_FEW
FEW = 16
"""Audiences of which each may cost a row of a page a stretch of an index."""
FEED_VERSIONS = """
SELECT o.n, o.stix_id, o.version, e.added, o.raw
FROM (SELECT e.object, min(e.added) AS added FROM {given} GROUP BY e.object) e
  CROSS JOIN LATERAL (SELECT * FROM object i WHERE i.n = e.object OFFSET 0) o
""".replace("{given}", _GIVEN)
# Where so many ids and audiences come together that those would be too many stretches.
FEED_VERSIONS_OF_MANY = """
SELECT o.n, o.stix_id, o.version, e.added, o.raw
FROM unnest(%(ids)s::text[]) k(id) CROSS JOIN LATERAL (
    SELECT * FROM object i WHERE i.stix_id = k.id COLLATE "C" OFFSET 0) o
  CROSS JOIN LATERAL (
    SELECT min(d.added) AS added FROM entry d
    WHERE d.object = o.n AND d.feed + 0 = {feed}
      AND d.audience + 0 = ANY(%(allowed)s::bigint[])) e
WHERE e.added IS NOT NULL
""".replace("{feed}", _FEED)
RAWS = """
SELECT o.n, o.raw FROM unnest(%(keys)s::bigint[]) k(n)
  CROSS JOIN LATERAL (SELECT * FROM object i WHERE i.n = k.n OFFSET 0) o
"""


def enter(db: Db, start: int, now: int) -> None:
    """Give what the statements from log index `start` on opened its rows, all later than before."""
    given = {"start": start}
    ask(db, _NEW_FEEDS, given)
    new = [feeds.New(*row) for row in ask(db, _NEW_IN_FEEDS, given)]
    if new:
        copy(db, "entry", feeds.dated(new, now))
        ask(db, _LAST_OF_FEEDS, given)


def leave(db: Db, n: int) -> None:
    """Take out what nobody says any more of what statement number `n` said."""
    ask(db, _LEAVE_FEEDS, {"n": n})


def leave_purged(db: Db, id: bytes) -> None:
    """Take out an object whose bytes go."""
    ask(db, _PURGED_LEAVES, {"id": id})


def page(db: Db, collection: str, allowed: frozenset[int], wanted: feeds.Wanted) -> Page:
    """See `Exchange.page`."""
    return feeds.page(_Rows(db, collection, allowed, wanted), wanted)


class _Rows:
    """`feeds.Rows` on one connection."""

    def __init__(self, db: Db, name: str, allowed: frozenset[int], wanted: feeds.Wanted) -> None:
        self._db = db
        self._most = wanted.most_bytes
        self._given: dict[str, Any] = {"name": name, "allowed": sorted(allowed)}
        few = 0 < len(allowed) <= FEW
        self._sql = PAGE_FOR_FEW if few else PAGE
        if wanted.ids is not None:
            self._sql = PAGE_OF_IDS_FOR_FEW if few else PAGE_OF_IDS
            self._given["ids"] = sorted(set(wanted.ids))
        elif wanted.types is not None:
            self._sql = PAGE_OF_TYPES_FOR_FEW if few else PAGE_OF_TYPES
            self._given["types"] = sorted(set(wanted.types))

    def slice(self, after: int, limit: int) -> Iterable[feeds.Row]:
        given = {**self._given, "after": after, "limit": limit, "most": self._most}
        return ask(self._db, self._sql, given).fetchall()

    def versions(self, ids: Sequence[str]) -> Iterable[feeds.Row]:
        several = len(ids) * len(self._given["allowed"]) > rules.MOST_STRETCHES
        sql = FEED_VERSIONS_OF_MANY if several else FEED_VERSIONS
        return ask(self._db, sql, {**self._given, "ids": list(ids)}).fetchall()

    def raws(self, numbers: Sequence[int]) -> Mapping[int, bytes]:
        return dict(ask(self._db, RAWS, {"keys": list(numbers)}).fetchall())
