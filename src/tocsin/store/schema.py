"""The SQL of the SQLite store: its tables, their version, and how to get from one to the next.

Ids and digests are 32-byte blobs here. `said` says which statement gives whom which object:
every read of objects starts from it, and its indexes lead with the audience, so that a read's
time does not grow with rows the reader may not see.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

APPLICATION_ID = 0x746F6373
"""'tocs': tells our files from other people's SQLite databases."""

_FIRST = """
CREATE TABLE meta(
  key TEXT PRIMARY KEY, value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('indexed', 0), ('local', 0);

CREATE TABLE audience(
  id INTEGER PRIMARY KEY, canonical BLOB NOT NULL UNIQUE
) STRICT;

CREATE TABLE object(
  n INTEGER PRIMARY KEY,
  sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
  stix_id TEXT NOT NULL,
  type TEXT NOT NULL,
  spec_version TEXT,
  created TEXT,
  modified TEXT,
  version TEXT NOT NULL,
  on_record INTEGER NOT NULL,
  raw BLOB NOT NULL,
  UNIQUE (sha256, stix_id)
) STRICT;

CREATE TABLE statement(
  n INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE CHECK (length(id) = 32),
  log_index INTEGER UNIQUE,
  kind TEXT NOT NULL,
  author TEXT NOT NULL,
  case_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  audience INTEGER NOT NULL REFERENCES audience(id),
  withdrawn INTEGER NOT NULL DEFAULT 0,
  envelope BLOB NOT NULL,
  UNIQUE (author, case_id, seq)
) STRICT;
CREATE INDEX statement_pending ON statement(n) WHERE log_index IS NULL;
CREATE INDEX statement_read ON statement(audience, log_index) WHERE log_index IS NOT NULL;
CREATE INDEX statement_case ON statement(case_id, audience, log_index)
  WHERE log_index IS NOT NULL AND case_id <> '';

CREATE TABLE ref(
  ref BLOB NOT NULL,
  statement INTEGER NOT NULL REFERENCES statement(n),
  PRIMARY KEY (ref, statement)
) STRICT, WITHOUT ROWID;
CREATE INDEX ref_statement ON ref(statement);

CREATE TABLE taken_back(
  statement INTEGER NOT NULL REFERENCES statement(n),
  sha256 BLOB NOT NULL,
  PRIMARY KEY (statement, sha256)
) STRICT, WITHOUT ROWID;

CREATE TABLE said(
  statement INTEGER NOT NULL REFERENCES statement(n),
  object INTEGER NOT NULL REFERENCES object(n),
  audience INTEGER NOT NULL REFERENCES audience(id),
  live INTEGER NOT NULL,
  type TEXT NOT NULL,
  id TEXT NOT NULL,
  case_id TEXT NOT NULL,
  PRIMARY KEY (statement, object)
) STRICT, WITHOUT ROWID;
CREATE INDEX said_read ON said(audience, type, id) WHERE live IN (1, 2);
CREATE INDEX said_case ON said(case_id, audience, type, id)
  WHERE live IN (1, 2) AND case_id <> '';
CREATE INDEX said_id ON said(id, audience) WHERE live IN (1, 2);
CREATE INDEX said_object ON said(object, audience);

CREATE TABLE head(
  one INTEGER PRIMARY KEY CHECK (one = 1),
  origin TEXT NOT NULL,
  size INTEGER NOT NULL,
  root BLOB NOT NULL CHECK (length(root) = 32),
  checkpoint BLOB NOT NULL,
  edge BLOB NOT NULL
) STRICT;

CREATE TABLE local(
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  version INTEGER NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (kind, key)
) STRICT;

CREATE TABLE audit(
  n INTEGER PRIMARY KEY,
  time TEXT NOT NULL,
  actor TEXT NOT NULL,
  act TEXT NOT NULL,
  ref TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;

CREATE VIRTUAL TABLE word USING fts5(
  words, content='', detail=none, columnsize=0,
  tokenize="ascii tokenchars '!""#$%&''()*+,-./:;<=>?@[\\]^_`{|}~'"
);
"""

# The key history in a chain of its own (decisions/0021). SQLite cannot change a UNIQUE in place.
_KEY_CHAIN = """
CREATE TABLE statement_2(
  n INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE CHECK (length(id) = 32),
  log_index INTEGER UNIQUE,
  kind TEXT NOT NULL,
  author TEXT NOT NULL,
  case_id TEXT NOT NULL,
  chain TEXT NOT NULL,
  seq INTEGER NOT NULL,
  audience INTEGER NOT NULL REFERENCES audience(id),
  withdrawn INTEGER NOT NULL DEFAULT 0,
  envelope BLOB NOT NULL,
  UNIQUE (author, chain, seq)
) STRICT;
INSERT INTO statement_2
  SELECT n, id, log_index, kind, author, case_id,
    CASE WHEN kind IN ('directory', 'key', 'revoke') AND case_id = '' THEN ' keys' ELSE case_id END,
    seq, audience, withdrawn, envelope
  FROM statement;
DROP TABLE statement;
ALTER TABLE statement_2 RENAME TO statement;
CREATE INDEX statement_pending ON statement(n) WHERE log_index IS NULL;
CREATE INDEX statement_read ON statement(audience, log_index) WHERE log_index IS NOT NULL;
CREATE INDEX statement_case ON statement(case_id, audience, log_index)
  WHERE log_index IS NOT NULL AND case_id <> '';
"""

# Envelopes in a table of their own: entering a statement in the log rewrites its row, and a row
# of 150 bytes is written several times faster than one of 1,500.
_ENVELOPES = """
CREATE TABLE envelope(
  n INTEGER PRIMARY KEY REFERENCES statement(n), raw BLOB NOT NULL
) STRICT;
INSERT INTO envelope SELECT n, envelope FROM statement;
ALTER TABLE statement DROP COLUMN envelope;

CREATE TABLE checkpoint(
  origin TEXT NOT NULL,
  size INTEGER NOT NULL,
  note BLOB NOT NULL,
  PRIMARY KEY (origin, size)
) STRICT, WITHOUT ROWID;

CREATE TABLE again(
  statement INTEGER PRIMARY KEY REFERENCES statement(n), place INTEGER NOT NULL
) STRICT;
"""

_PURGE = """
CREATE TABLE purged(
  what TEXT NOT NULL,
  id BLOB NOT NULL CHECK (length(id) = 32),
  time TEXT NOT NULL,
  actor TEXT NOT NULL,
  why TEXT NOT NULL,
  lifted TEXT NOT NULL,
  PRIMARY KEY (what, id)
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('scrub', 0);
CREATE INDEX object_id ON object(stix_id);
"""

_WORDS = """
INSERT INTO meta VALUES ('words', 1);
"""

# A sealed statement has a row here and none in `envelope`: so no read hands out what it is not.
_SEALED = """
CREATE TABLE sealed(
  n INTEGER PRIMARY KEY REFERENCES statement(n), tlp TEXT NOT NULL, raw BLOB NOT NULL
) STRICT;
CREATE INDEX statement_sealed ON statement(case_id, log_index)
  WHERE kind = 'sealed' AND log_index IS NOT NULL;
"""

# What is fetched by date (`interface.Exchange`). Feed 1 is everything; the others are named by a
# case or by who put it in. A row goes when no live saying holds it any more.
_FEEDS = """
CREATE TABLE feed(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, last INTEGER NOT NULL
) STRICT;
INSERT INTO feed VALUES (1, '', 0);
CREATE TABLE put(
  statement INTEGER PRIMARY KEY REFERENCES statement(n), feed TEXT NOT NULL
) STRICT;
CREATE TABLE entry(
  feed INTEGER NOT NULL REFERENCES feed(id),
  added INTEGER NOT NULL,
  object INTEGER NOT NULL REFERENCES object(n),
  audience INTEGER NOT NULL REFERENCES audience(id),
  type TEXT NOT NULL,
  PRIMARY KEY (feed, added)
) STRICT, WITHOUT ROWID;
INSERT INTO feed(name, last)
  SELECT DISTINCT case_id, 0 FROM said WHERE live = 1 AND case_id <> '';
INSERT INTO entry(feed, added, object, audience, type)
SELECT feed, unixepoch() * 1000000 + row_number() OVER (PARTITION BY feed ORDER BY place, id),
  object, audience, type
FROM (
  SELECT f.id AS feed, s.object, s.audience, s.type, s.id, min(t.log_index) AS place
  FROM said s JOIN statement t ON t.n = s.statement JOIN feed f ON f.name IN ('', s.case_id)
  WHERE s.live = 1 AND substr(s.id, 1, 11) <> 'urn:sha256:'
  GROUP BY f.id, s.object, s.audience);
UPDATE feed SET last = coalesce((SELECT max(added) FROM entry WHERE feed = feed.id), 0);
CREATE INDEX entry_read ON entry(feed, audience, added);
CREATE INDEX entry_type ON entry(feed, audience, type, added);
CREATE UNIQUE INDEX entry_object ON entry(object, feed, audience);
"""

# What each peer may get and has brought (federation.py). `complete` holds the audiences whose
# statements below `filled` are in the outbox; those `behind` are being caught up, from `caught` on.
_FEDERATION = """
CREATE TABLE peer(
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  filled INTEGER NOT NULL DEFAULT 0,
  complete TEXT NOT NULL DEFAULT '[]',
  behind TEXT NOT NULL DEFAULT '[]',
  caught INTEGER NOT NULL DEFAULT 0,
  last INTEGER NOT NULL DEFAULT 0,
  receipt INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE outbox(
  peer INTEGER NOT NULL REFERENCES peer(n),
  n INTEGER NOT NULL,
  statement INTEGER NOT NULL REFERENCES statement(n),
  came INTEGER NOT NULL,
  at TEXT NOT NULL,
  PRIMARY KEY (peer, n)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX outbox_statement ON outbox(statement, peer);

CREATE TABLE came(
  peer INTEGER NOT NULL REFERENCES peer(n),
  statement INTEGER NOT NULL REFERENCES statement(n),
  PRIMARY KEY (peer, statement)
) STRICT, WITHOUT ROWID;

CREATE TABLE bound(
  author TEXT NOT NULL,
  chain TEXT NOT NULL,
  seq INTEGER NOT NULL,
  id BLOB NOT NULL CHECK (length(id) = 32),
  PRIMARY KEY (author, chain, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE named(
  author TEXT NOT NULL,
  chain TEXT NOT NULL,
  seq INTEGER NOT NULL,
  peer INTEGER NOT NULL REFERENCES peer(n),
  id BLOB NOT NULL CHECK (length(id) = 32),
  PRIMARY KEY (author, chain, seq, peer)
) STRICT, WITHOUT ROWID;

CREATE TABLE absent(
  statement INTEGER NOT NULL REFERENCES statement(n),
  sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
  id TEXT NOT NULL,
  type TEXT NOT NULL,
  PRIMARY KEY (statement, sha256, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE quarantine(
  peer INTEGER NOT NULL REFERENCES peer(n),
  id BLOB NOT NULL CHECK (length(id) = 32),
  author TEXT NOT NULL,
  chain TEXT NOT NULL,
  seq INTEGER NOT NULL,
  reason TEXT NOT NULL,
  message TEXT NOT NULL,
  since TEXT NOT NULL,
  item BLOB NOT NULL,
  PRIMARY KEY (peer, id)
) STRICT;

CREATE INDEX statement_withdraw ON statement(log_index)
  WHERE kind = 'withdraw' AND log_index IS NOT NULL;
"""

# `id` is what the log holds. Of a sealed statement that is made of its author and the id that it
# gives what is inside, `inside` (decisions/0036).
_INSIDE = """
ALTER TABLE statement ADD COLUMN inside BLOB CHECK (length(inside) = 32);
CREATE INDEX statement_inside ON statement(inside) WHERE inside IS NOT NULL;
"""

# What could let in a statement that waits, so that an arrival looks at no other.
_WAITS = """
CREATE TABLE waits(
  key TEXT NOT NULL,
  peer INTEGER NOT NULL,
  id BLOB NOT NULL,
  PRIMARY KEY (key, peer, id),
  FOREIGN KEY (peer, id) REFERENCES quarantine(peer, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX waits_row ON waits(peer, id);
"""

# Sealed statements are found by who may read them, as all others are.
_SEALED_FOR = """
DROP INDEX statement_sealed;
CREATE INDEX statement_sealed ON statement(audience, case_id, log_index)
  WHERE kind = 'sealed' AND log_index IS NOT NULL;
DROP INDEX statement_inside;
CREATE INDEX statement_inside ON statement(inside, audience) WHERE inside IS NOT NULL;
"""

SCRIPTS: tuple[str, ...] = (
    _FIRST,
    _KEY_CHAIN,
    _ENVELOPES,
    _PURGE,
    _WORDS,
    _SEALED,
    _FEEDS,
    _FEDERATION,
    _INSIDE,
    _WAITS,
    _SEALED_FOR,
)
"""Script n takes a store from version n to n + 1. Never edit one that has been released."""

VERSION = len(SCRIPTS)

SEALED_BEFORE = "SELECT count(*) FROM statement WHERE kind = 'sealed'"
STOPS: Mapping[str, str] = {_INSIDE: SEALED_BEFORE}
"""Script → what counts the rows that it cannot take along (`rules.left_behind`)."""

# --- reads ------------------------------------------------------------------------------------
# Every value is bound. `{filters}` is one of the fixed lines of FILTERS, nothing else ever.

FILTERS = {
    "inside": " AND s.inside = :inside",
    "case": " AND s.case_id = :case AND s.case_id <> ''",
    "author": " AND s.author = :author",
    "kind": " AND s.kind = :kind",
    "types": " AND s.type IN (SELECT value FROM json_each(:types))",
    "type": " AND s.type = :type",
    "stix": " AND substr(s.id, 1, 11) <> 'urn:sha256:'",
    "after": " AND (s.type, s.id) > (:after, :after_id)",
    "behind": " AND s.id > :behind",
}

PENDING_STATEMENTS = """
SELECT s.id, e.raw, s.kind, s.author, s.case_id, s.seq, s.audience
FROM statement s LEFT JOIN envelope e ON e.n = s.n LEFT JOIN again a ON a.statement = s.n
WHERE s.log_index IS NULL ORDER BY a.place NULLS LAST, s.n
"""

# In one row: a row is a call, before and after which the interpreter's lock changes hands.
WAITING = """
SELECT group_concat(s.n || ' ' || hex(s.id) || ' ' || s.kind, ';'), count(a.place)
FROM statement s LEFT JOIN again a ON a.statement = s.n WHERE s.log_index IS NULL
"""

IDS_WAITING = """
SELECT group_concat(hex(id), '') FROM (
  SELECT id FROM statement WHERE n BETWEEN :first AND :last AND log_index IS NULL ORDER BY n)
"""

ONE_STATEMENT = """
SELECT s.id, s.log_index, e.raw, s.kind, s.author, s.case_id, s.seq, s.audience, s.withdrawn
FROM statement s JOIN envelope e ON e.n = s.n
WHERE s.id = :id AND s.log_index IS NOT NULL
  AND s.audience IN (SELECT value FROM json_each(:allowed))
"""

# One audience's rows in order, straight from an index. A page merges one such stream for each
# allowed audience and steps each only as far as it needs: hidden rows are never touched.
STATEMENTS = """
SELECT s.id, s.log_index, e.raw, s.kind, s.author, s.case_id, s.seq, s.audience, s.withdrawn
FROM statement s CROSS JOIN envelope e ON e.n = s.n
WHERE s.audience = :audience AND s.log_index > :after AND s.log_index IS NOT NULL {filters}
ORDER BY s.log_index
"""

PLACES = """
SELECT s.type, s.id FROM said s
WHERE s.audience = :audience AND s.live IN (1, 2) {filters}
ORDER BY s.type, s.id
"""

PLACES_COUNT = """
SELECT count(*) FROM (
  SELECT DISTINCT s.type, s.id
  FROM json_each(:allowed) a CROSS JOIN said s ON s.audience = a.value
  WHERE s.live IN (1, 2) {filters})
"""

_SAYING = """
SELECT o.n, o.sha256, s.id, s.type, o.version, t.log_index, t.id, s.live, s.audience, t.audience
FROM {said} JOIN statement t ON t.n = s.statement
WHERE {key} AND s.live IN (1, 2) {filters}
ORDER BY t.log_index
"""
# For each range of ids of one type, [type, first id, last id], and each audience a stretch of an
# index: what others were given under the same ids is never touched.
SAYINGS = _SAYING.format(
    said="json_each(:ranges) k CROSS JOIN json_each(:allowed) a CROSS JOIN said s"
    " ON s.audience = a.value AND s.type = json_extract(k.value, '$[0]')"
    " AND s.id BETWEEN json_extract(k.value, '$[1]') AND json_extract(k.value, '$[2]')"
    " CROSS JOIN object o",
    key="o.n = s.object",
    filters="{filters}",
)
# Where so many ids and audiences come together that those would be too many stretches.
SAYINGS_BY_ID = _SAYING.format(
    said="json_each(:keys) k CROSS JOIN said s ON s.id = k.value CROSS JOIN object o",
    # `+` keeps SQLite from seeking once for each audience of each key.
    key="o.n = s.object AND +s.audience IN (SELECT value FROM json_each(:allowed))",
    filters="",
)
SAYINGS_BY_SHA256 = _SAYING.format(
    said="object o CROSS JOIN json_each(:allowed) a"
    " CROSS JOIN said s ON s.object = o.n AND s.audience = a.value",
    key="o.sha256 = :sha256",
    filters="",
)

BYTES = """
SELECT o.n, o.raw, o.spec_version, o.created, o.modified
FROM json_each(:keys) k CROSS JOIN object o ON o.n = k.value
"""

FOUND = """
SELECT DISTINCT s.object, s.id FROM word CROSS JOIN said s ON s.object = word.rowid
WHERE word MATCH :match AND s.live IN (1, 2)
  AND +s.audience IN (SELECT value FROM json_each(:allowed))
"""

ENTRIES = """
SELECT s.id, e.raw, s.log_index, p.id IS NOT NULL OR x.n IS NOT NULL, s.author,
  CASE s.kind WHEN 'sealed' THEN coalesce(s.inside, x'') ELSE s.inside END
FROM statement s LEFT JOIN envelope e ON e.n = s.n LEFT JOIN sealed x ON x.n = s.n
  LEFT JOIN purged p ON p.what = 'statement' AND p.id = s.id
WHERE s.log_index >= ? ORDER BY s.log_index LIMIT ?
"""

PURGED_STATEMENTS = """
SELECT s.id, s.log_index, s.kind, s.author, s.case_id, s.seq, s.audience, p.time, p.actor, p.why
FROM purged p CROSS JOIN statement s ON s.id = p.id
WHERE p.what = 'statement' AND s.log_index IS NOT NULL AND (:case IS NULL OR s.case_id = :case)
  AND s.audience IN (SELECT value FROM json_each(:allowed))
ORDER BY s.log_index
"""

SEALED = """
SELECT s.id, s.inside, s.log_index, s.author, s.case_id, s.seq, x.tlp, s.audience, s.withdrawn
FROM json_each(:allowed) a CROSS JOIN statement s INDEXED BY {index} ON s.audience = a.value
  CROSS JOIN sealed x ON x.n = s.n
WHERE s.kind = 'sealed' AND s.log_index IS NOT NULL {filters}
ORDER BY s.log_index
"""

ONE_SEALED = """
SELECT s.id, s.inside, s.log_index, s.author, s.case_id, s.seq, x.tlp, s.audience, s.withdrawn,
  x.raw
FROM statement s CROSS JOIN sealed x ON x.n = s.n
WHERE s.id = :id AND s.log_index IS NOT NULL
  AND s.audience IN (SELECT value FROM json_each(:allowed))
"""

HELD_STATEMENT = """
SELECT s.id, s.inside, s.author, s.kind, coalesce(length(e.raw), length(x.raw), 0), s.withdrawn
FROM statement s LEFT JOIN envelope e ON e.n = s.n LEFT JOIN sealed x ON x.n = s.n
WHERE (s.id = :id OR s.inside = :id) AND s.log_index IS NOT NULL
  AND s.audience IN (SELECT value FROM json_each(:allowed))
"""

# Whether it still counts does not matter here: what was withdrawn can be purged.
HELD_OBJECT = """
SELECT o.n, o.sha256, o.stix_id, o.type, length(o.raw), t.id, t.author, s.live
FROM object o CROSS JOIN said s ON s.object = o.n CROSS JOIN statement t ON t.n = s.statement
WHERE o.n IN (SELECT n FROM object WHERE sha256 = :sha256
              UNION SELECT n FROM object WHERE stix_id = :id)
  AND t.log_index IS NOT NULL AND +s.audience IN (SELECT value FROM json_each(:allowed))
ORDER BY o.n, t.log_index
"""

# The first rows of each allowed audience, straight from an index, then the first of those: what
# the reader may not see is never touched. `again`: an earlier row has given the reader the object.
_CHOSEN = """
WITH chosen(added) AS MATERIALIZED (
  SELECT e.added FROM {each} CROSS JOIN entry e
  WHERE e.feed = :feed AND e.added IN (
    SELECT i.added FROM entry i
    WHERE i.feed = :feed AND i.audience = a.value AND i.added > :after {type}
    ORDER BY i.added LIMIT :limit)
  ORDER BY e.added LIMIT :limit)
"""
_ENTRY = """
SELECT e.added, o.n, o.sha256, o.stix_id, o.type, o.spec_version, o.created, o.modified,
  o.version, length(o.raw), EXISTS (
    SELECT 1 FROM entry d WHERE d.object = e.object AND d.feed = e.feed AND d.added < e.added
      AND d.audience IN (SELECT value FROM json_each(:allowed))),
  EXISTS ({several})
"""
_SEVERAL = "SELECT 1 FROM object x WHERE x.stix_id = o.stix_id AND x.n <> o.n"
# What others were given under the id is not looked at. A stretch of an index for each audience.
_SEVERAL_OF_FEW = """
  SELECT 1 FROM said v WHERE v.id = o.stix_id
    AND v.audience IN (SELECT value FROM json_each(:allowed))
    AND v.live IN (1, 2) AND v.object <> o.n"""
# Small objects come with their row; of the others `RAWS` is asked.
_WITH_BYTES = ", CASE WHEN length(o.raw) <= 4096 THEN o.raw END "
_FROM_CHOSEN = """
FROM chosen c CROSS JOIN entry e ON e.feed = :feed AND e.added = c.added
  CROSS JOIN object o ON o.n = e.object ORDER BY e.added
"""
_OF_CHOSEN = _ENTRY.format(several=_SEVERAL) + _WITH_BYTES + _FROM_CHOSEN
_OF_CHOSEN_FOR_FEW = _ENTRY.format(several=_SEVERAL_OF_FEW) + _WITH_BYTES + _FROM_CHOSEN
PAGE = _CHOSEN.format(each="json_each(:allowed) a", type="") + _OF_CHOSEN
FEW = 16
"""Audiences of which each is a scan of its own, straight from the index, in `page_of`."""


_SCAN = """
  SELECT added FROM (
    SELECT i.added FROM entry i WHERE i.feed = :feed AND i.audience = :a{n} AND i.added > :after
    ORDER BY i.added LIMIT :limit)
"""
_CHOSEN_OF_FEW = """
WITH chosen(added) AS MATERIALIZED (SELECT added FROM ({scans}) ORDER BY added LIMIT :limit)
"""


@lru_cache(maxsize=FEW + 1)
def page_of(audiences: int) -> str:
    """`PAGE` for so many audiences, named :a0, :a1 …: no row is looked up to be chosen."""
    scans = " UNION ALL ".join(_SCAN.format(n=n) for n in range(audiences))
    return _CHOSEN_OF_FEW.format(scans=scans) + _OF_CHOSEN_FOR_FEW


_CHOSEN_OF_TYPES = _CHOSEN.format(
    each="json_each(:allowed) a CROSS JOIN json_each(:types) y", type="AND i.type = y.value"
)
PAGE_OF_TYPES = _CHOSEN_OF_TYPES + _OF_CHOSEN
PAGE_OF_TYPES_FOR_FEW = _CHOSEN_OF_TYPES + _OF_CHOSEN_FOR_FEW
# By what each audience was given under an id: what others were given there is never touched.
_GIVEN = """
json_each(:allowed) a CROSS JOIN said s ON s.id = {id} AND s.audience = a.value
  CROSS JOIN entry e ON e.object = s.object AND e.feed = {feed} AND e.audience = a.value
"""
_CHOSEN_OF_IDS = """
WITH chosen(added) AS MATERIALIZED (
  SELECT DISTINCT e.added
  FROM json_each(:ids) k CROSS JOIN {given}
  WHERE s.live IN (1, 2) AND e.added > :after
  ORDER BY e.added LIMIT :limit)
""".replace("{given}", _GIVEN.format(id="k.value", feed=":feed"))
PAGE_OF_IDS = _CHOSEN_OF_IDS + _OF_CHOSEN
PAGE_OF_IDS_FOR_FEW = _CHOSEN_OF_IDS + _OF_CHOSEN_FOR_FEW
# One object under an id for one reader of few audiences. What else was given under it is counted
# up to a bound: more is left to `PAGE_OF_IDS`.
GLANCE = """
SELECT e.added, o.n, o.sha256, o.stix_id, o.type, o.spec_version, o.created, o.modified,
  o.version, length(o.raw), 0, 0, CASE WHEN length(o.raw) <= :bytes THEN o.raw END
FROM {given} CROSS JOIN object o ON o.n = e.object
WHERE s.live IN (1, 2) LIMIT :most
""".format(given=_GIVEN.format(id=":id", feed="(SELECT id FROM feed WHERE name = :feed)"))
FEED_VERSIONS = """
SELECT o.n, o.stix_id, o.version, min(e.added), o.raw
FROM json_each(:ids) k CROSS JOIN {given} CROSS JOIN object o ON o.n = e.object
WHERE s.live IN (1, 2) GROUP BY o.n
""".format(given=_GIVEN.format(id="k.value", feed=":feed"))
# Where so many ids and audiences come together that those would be too many stretches.
FEED_VERSIONS_OF_MANY = """
SELECT o.n, o.stix_id, o.version, min(e.added), o.raw
FROM json_each(:ids) k CROSS JOIN object o ON o.stix_id = k.value
  CROSS JOIN entry e ON e.object = o.n AND e.feed = :feed
WHERE e.audience IN (SELECT value FROM json_each(:allowed))
GROUP BY o.n
"""

RAWS = "SELECT o.n, o.raw FROM json_each(:keys) k CROSS JOIN object o ON o.n = k.value"

# --- writes -----------------------------------------------------------------------------------

DROP_ENVELOPE = "DELETE FROM envelope WHERE n = (SELECT n FROM statement WHERE id = ?)"
DROP_SEALED = "DELETE FROM sealed WHERE n = (SELECT n FROM statement WHERE id = ?)"
HIDE_OBJECT = """
UPDATE said SET live = CASE WHEN live IN (2, 3, 5) THEN 5 ELSE 4 END
WHERE object IN (SELECT n FROM object WHERE sha256 = ?)
"""
INDEX_AGAIN = """
INSERT INTO word(rowid, words)
SELECT ?, ? WHERE ? <= (SELECT value FROM meta WHERE key = 'indexed')
"""
DROP_OBJECT = "UPDATE object SET raw = x'' WHERE sha256 = ? AND raw <> x''"

INSERTS = {
    "statement": "INSERT INTO statement(n, id, inside, kind, author, case_id, chain, seq, audience)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "envelope": "INSERT INTO envelope VALUES (?, ?)",
    "sealed": "INSERT INTO sealed VALUES (?, ?, ?)",
    "put": "INSERT INTO put VALUES (?, ?)",
    "ref": "INSERT INTO ref VALUES (?, ?)",
    "taken_back": "INSERT OR IGNORE INTO taken_back VALUES (?, ?)",
    "object": "INSERT INTO object(n, sha256, stix_id, type, spec_version, created, modified,"
    " version, on_record, raw) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "said": "INSERT INTO said VALUES (?, ?, ?, ?, ?, ?, ?)",
    "bound": "INSERT OR IGNORE INTO bound VALUES (?, ?, ?, ?)",
    "absent": "INSERT INTO absent VALUES (?, ?, ?, ?)",
}
"""One line for each table a statement fills, parents first."""

ENTER = "UPDATE statement SET log_index = ? WHERE id = ? AND log_index IS NULL"
ENTER_RANGE = """
UPDATE statement SET log_index = n - :first + :start
WHERE n BETWEEN :first AND :last AND log_index IS NULL
"""

AROUND = """
SELECT seq, coalesce(inside, id) FROM statement
WHERE author = ?1 AND chain = ?2 AND seq IN (?3, ?3 - 1)
"""
BOUND_AROUND = """
SELECT seq, id FROM bound WHERE author = ?1 AND chain = ?2 AND seq IN (?3, ?3 - 1)
"""

NAMED = "SELECT id, kind, author, seq FROM statement WHERE id IN ({marks})"

OBJECT_HELD = "SELECT n, raw = x'' FROM object WHERE sha256 = :sha256 AND stix_id = :id"

OBJECTS_HELD = "SELECT sha256, stix_id, n, raw = x'' FROM object WHERE sha256 IN ({marks})"

OBJECT_SAID_BY = """
SELECT o.n, o.raw = x''
FROM object o JOIN said s ON s.object = o.n JOIN statement t ON t.n = s.statement
WHERE o.sha256 = :sha256 AND o.stix_id = :id AND t.author = :author
LIMIT 1
"""

OPEN = """
UPDATE said SET live = 1
WHERE live = 0 AND statement IN (SELECT n FROM statement WHERE log_index >= :start)
"""

NEW_FEEDS = """
INSERT OR IGNORE INTO feed(name, last)
SELECT case_id, 0 FROM statement WHERE log_index >= :start AND case_id <> ''
UNION SELECT p.feed, 0 FROM put p CROSS JOIN statement t ON t.n = p.statement
WHERE t.log_index >= :start
"""

# What was opened comes into its collections, but for what its audience was given there before.
NEW_IN_FEEDS = """
SELECT feed, last, audience, object, type
FROM (
  SELECT f.id AS feed, f.last AS last, s.object, s.audience, s.type, s.id,
    min(t.log_index) AS place
  FROM statement t CROSS JOIN said s ON s.statement = t.n LEFT JOIN put p ON p.statement = t.n
    CROSS JOIN feed f ON f.name IN ('', s.case_id, p.feed)
  WHERE t.log_index >= :start AND s.live = 1 AND substr(s.id, 1, 11) <> 'urn:sha256:'
    AND NOT EXISTS (SELECT 1 FROM entry e
      WHERE e.object = s.object AND e.feed = f.id AND e.audience = s.audience)
  GROUP BY f.id, s.object, s.audience)
ORDER BY place, id
"""
ENTER_FEEDS = "INSERT INTO entry(feed, added, object, audience, type) VALUES (?, ?, ?, ?, ?)"
LAST_OF_FEEDS = """
UPDATE feed SET last = max(last, coalesce((SELECT max(added) FROM entry WHERE feed = feed.id), 0))
WHERE id = 1 OR name IN (
  SELECT case_id FROM statement WHERE log_index >= :start
  UNION SELECT p.feed FROM put p CROSS JOIN statement t ON t.n = p.statement
  WHERE t.log_index >= :start)
"""
LEAVE_FEEDS = """
DELETE FROM entry
WHERE object IN (SELECT object FROM said WHERE statement = :n) AND NOT EXISTS (
  SELECT 1 FROM said s LEFT JOIN put p ON p.statement = s.statement
  WHERE s.object = entry.object AND s.audience = entry.audience AND s.live = 1
    AND (SELECT name FROM feed WHERE id = entry.feed) IN ('', s.case_id, p.feed))
"""
PURGED_LEAVES = "DELETE FROM entry WHERE object IN (SELECT n FROM object WHERE sha256 = ?)"

# Of most statements nothing more is to be done. These take back, are taken back, or may be what
# their author says again, narrower.
OF_MORE_EFFECT = """
SELECT s.n, coalesce(s.inside, s.id), s.kind, s.author FROM statement s
WHERE s.log_index >= :start AND (
  s.kind = 'withdraw'
  OR (s.kind = 'say' AND EXISTS (SELECT 1 FROM ref WHERE statement = s.n))
  OR EXISTS (SELECT 1 FROM ref WHERE ref = coalesce(s.inside, s.id)))
ORDER BY s.log_index
"""

RESTART = (
    "DELETE FROM again",
    "INSERT INTO again SELECT n, log_index FROM statement WHERE log_index IS NOT NULL",
    "UPDATE said SET live = CASE live WHEN 5 THEN 4 ELSE 0 END WHERE live IN (1, 2, 3, 5)",
    "UPDATE statement SET log_index = NULL, withdrawn = 0 WHERE log_index IS NOT NULL",
    "DELETE FROM entry",
    "DELETE FROM head",
    "UPDATE peer SET filled = 0, complete = '[]', behind = '[]', caught = 0",
)
"""Every statement waits again, in the order of the log it was in."""

# What this statement takes back: the objects its withdrawal names, or all where it names none.
# Said again narrower by the same author (a later `say` that refers to it), it is not kept on
# record for those who were cut off.
TAKE_BACK = """
UPDATE said SET live = CASE WHEN live = 4 THEN 5
  WHEN (SELECT on_record FROM object WHERE n = said.object) AND NOT EXISTS (
    SELECT 1 FROM ref r JOIN statement again ON again.n = r.statement
    JOIN said s2 ON s2.statement = again.n AND s2.object = said.object
    WHERE r.ref = :id AND again.kind = 'say' AND again.author = :author
      AND again.log_index IS NOT NULL)
  THEN 2 ELSE 3 END
WHERE statement = :n AND live IN (1, 4) AND (
  NOT EXISTS (SELECT 1 FROM taken_back WHERE statement = :withdrawal)
  OR (SELECT sha256 FROM object WHERE n = said.object)
     IN (SELECT sha256 FROM taken_back WHERE statement = :withdrawal))
"""

MARK_WITHDRAWN = """
UPDATE statement SET withdrawn = 1 WHERE n = :n AND (
  NOT EXISTS (SELECT 1 FROM taken_back WHERE statement = :withdrawal)
  OR (EXISTS (SELECT 1 FROM said WHERE statement = :n)
      AND NOT EXISTS (SELECT 1 FROM said WHERE statement = :n AND live IN (1, 4))
      AND NOT EXISTS (SELECT 1 FROM absent WHERE statement = :n AND sha256 NOT IN (
        SELECT sha256 FROM taken_back WHERE statement = :withdrawal))))
"""

# The reverse order of the same: the narrower `say` comes after the withdrawal.
FORGET_WIDER = """
UPDATE said SET live = 3
WHERE live = 2
  AND statement IN (
    SELECT old.n FROM ref r JOIN statement old ON old.id = r.ref
    WHERE r.statement = :n AND old.author = :author)
  AND object IN (SELECT object FROM said WHERE statement = :n)
"""

WITHDRAWALS_OF = """
SELECT w.n FROM ref r JOIN statement w ON w.n = r.statement
WHERE r.ref = :id AND w.kind = 'withdraw' AND w.author = :author AND w.log_index IS NOT NULL
ORDER BY w.log_index
"""

# A sealed statement is referred to by the id of what is inside.
TARGETS_OF = """
SELECT s.n, r.ref FROM ref r CROSS JOIN statement s ON s.n IN (
  SELECT n FROM statement WHERE id = r.ref AND inside IS NULL
  UNION ALL SELECT n FROM statement WHERE inside = r.ref)
WHERE r.statement = :n AND s.author = :author AND s.log_index IS NOT NULL
  AND s.kind <> 'withdraw'
"""
