"""The SQL of the PostgreSQL store: its tables, their version, and how to get from one to the next.

Everything is in a schema of its own, `tocsin`. Text is ordered by its bytes (`COLLATE "C"`),
whatever the database's own order. Ids and digests are `bytea` of 32 bytes. Indexes lead with the
audience, so that a read's time does not grow with rows the reader may not see.
"""

from __future__ import annotations

APPLICATION = 0x746F6373
"""'tocs': stands in `meta`, and is the first half of the lock that one node holds."""
LOCK = 1

_FIRST = """
CREATE TABLE meta(
  key text COLLATE "C" PRIMARY KEY, value bigint NOT NULL
);
INSERT INTO meta VALUES
  ('application', 1953457011), ('indexed', 0), ('local', 0), ('scrub', 0), ('words', 1);

-- The lock of a session is lost with it, and a pooler may lose it unseen. What counts is this row:
-- every write raises `commits` where `epoch` is still its own.
CREATE TABLE writer(
  one integer PRIMARY KEY CHECK (one = 1), epoch bigint NOT NULL, commits bigint NOT NULL,
  owner text COLLATE "C" NOT NULL
) WITH (fillfactor = 10);
INSERT INTO writer VALUES (1, 0, 0, '');

CREATE TABLE audience(
  id bigint PRIMARY KEY, canonical bytea NOT NULL UNIQUE
);

CREATE TABLE object(
  n bigint PRIMARY KEY,
  sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
  stix_id text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  spec_version text COLLATE "C",
  created text COLLATE "C",
  modified text COLLATE "C",
  version text COLLATE "C" NOT NULL,
  on_record boolean NOT NULL,
  raw bytea NOT NULL,
  UNIQUE (sha256, stix_id)
);
CREATE INDEX object_id ON object(stix_id);

CREATE TABLE statement(
  n bigint PRIMARY KEY,
  id bytea NOT NULL UNIQUE CHECK (octet_length(id) = 32),
  log_index bigint UNIQUE,
  kind text COLLATE "C" NOT NULL,
  author text COLLATE "C" NOT NULL,
  case_id text COLLATE "C" NOT NULL,
  chain text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  audience bigint NOT NULL REFERENCES audience(id),
  withdrawn boolean NOT NULL DEFAULT false,
  UNIQUE (author, chain, seq)
);
CREATE INDEX statement_pending ON statement(n) WHERE log_index IS NULL;
CREATE INDEX statement_read ON statement(audience, log_index) WHERE log_index IS NOT NULL;
CREATE INDEX statement_case ON statement(case_id, audience, log_index)
  WHERE log_index IS NOT NULL AND case_id <> '';
CREATE INDEX statement_sealed ON statement(case_id, log_index)
  WHERE kind = 'sealed' AND log_index IS NOT NULL;

CREATE TABLE envelope(
  n bigint PRIMARY KEY REFERENCES statement(n), raw bytea NOT NULL
);

-- A sealed statement has a row here and none in `envelope`: no read hands out what it is not.
CREATE TABLE sealed(
  n bigint PRIMARY KEY REFERENCES statement(n), tlp text COLLATE "C" NOT NULL, raw bytea NOT NULL
);

CREATE TABLE ref(
  ref bytea NOT NULL,
  statement bigint NOT NULL REFERENCES statement(n),
  PRIMARY KEY (ref, statement)
);
CREATE INDEX ref_statement ON ref(statement);

CREATE TABLE taken_back(
  statement bigint NOT NULL REFERENCES statement(n),
  sha256 bytea NOT NULL,
  PRIMARY KEY (statement, sha256)
);

-- No foreign keys: each would lock and write the rows it points to at every saying.
CREATE TABLE said(
  statement bigint NOT NULL,
  object bigint NOT NULL,
  audience bigint NOT NULL,
  live smallint NOT NULL,
  type text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  case_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (statement, object)
);
CREATE INDEX said_read ON said(audience, type, id) WHERE live IN (1, 2);
CREATE INDEX said_case ON said(case_id, audience, type, id)
  WHERE live IN (1, 2) AND case_id <> '';
CREATE INDEX said_id ON said(id) WHERE live IN (1, 2);
CREATE INDEX said_object ON said(object);

CREATE TABLE head(
  one integer PRIMARY KEY CHECK (one = 1),
  origin text COLLATE "C" NOT NULL,
  size bigint NOT NULL,
  root bytea NOT NULL CHECK (octet_length(root) = 32),
  checkpoint bytea NOT NULL,
  edge bytea NOT NULL
);

CREATE TABLE checkpoint(
  origin text COLLATE "C" NOT NULL,
  size bigint NOT NULL,
  note bytea NOT NULL,
  PRIMARY KEY (origin, size)
);

CREATE TABLE again(
  statement bigint PRIMARY KEY REFERENCES statement(n), place bigint NOT NULL
);

CREATE TABLE purged(
  what text COLLATE "C" NOT NULL,
  id bytea NOT NULL CHECK (octet_length(id) = 32),
  time text COLLATE "C" NOT NULL,
  actor text COLLATE "C" NOT NULL,
  why text COLLATE "C" NOT NULL,
  lifted text COLLATE "C" NOT NULL,
  PRIMARY KEY (what, id)
);

CREATE TABLE local(
  kind text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  value bytea NOT NULL,
  PRIMARY KEY (kind, key)
);

CREATE TABLE audit(
  n bigint PRIMARY KEY,
  time text COLLATE "C" NOT NULL,
  actor text COLLATE "C" NOT NULL,
  act text COLLATE "C" NOT NULL,
  ref text COLLATE "C" NOT NULL,
  hash text COLLATE "C" NOT NULL
);

-- What is fetched by date (`interface.Exchange`). Feed 1 is everything; the others are named by a
-- case or by who put it in. A row goes when no live saying holds it any more.
CREATE TABLE feed(
  id bigint GENERATED BY DEFAULT AS IDENTITY (START WITH 2) PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  last bigint NOT NULL
);
INSERT INTO feed VALUES (1, '', 0);
CREATE TABLE put(
  statement bigint PRIMARY KEY REFERENCES statement(n), feed text COLLATE "C" NOT NULL
);
CREATE TABLE entry(
  feed bigint NOT NULL,
  added bigint NOT NULL,
  object bigint NOT NULL,
  audience bigint NOT NULL,
  type text COLLATE "C" NOT NULL,
  PRIMARY KEY (feed, added)
);
CREATE INDEX entry_read ON entry(feed, audience, added);
CREATE INDEX entry_type ON entry(feed, audience, type, added);
CREATE UNIQUE INDEX entry_object ON entry(object, feed, audience);

-- What each peer may get and has brought (federation.py). `complete` holds the audiences of
-- which all below `filled` is in the outbox; those `behind` are being caught up, from `caught` on.
CREATE TABLE peer(
  n bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  id text COLLATE "C" NOT NULL UNIQUE,
  filled bigint NOT NULL DEFAULT 0,
  complete bigint[] NOT NULL DEFAULT '{}',
  behind bigint[] NOT NULL DEFAULT '{}',
  caught bigint NOT NULL DEFAULT 0,
  last bigint NOT NULL DEFAULT 0,
  receipt bigint NOT NULL DEFAULT 0
);
CREATE TABLE outbox(
  peer bigint NOT NULL REFERENCES peer(n),
  n bigint NOT NULL,
  statement bigint NOT NULL REFERENCES statement(n),
  came boolean NOT NULL,
  at text COLLATE "C" NOT NULL,
  PRIMARY KEY (peer, n)
);
CREATE UNIQUE INDEX outbox_statement ON outbox(statement, peer);
CREATE TABLE came(
  peer bigint NOT NULL REFERENCES peer(n),
  statement bigint NOT NULL REFERENCES statement(n),
  PRIMARY KEY (peer, statement)
);
CREATE TABLE bound(
  author text COLLATE "C" NOT NULL,
  chain text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  id bytea NOT NULL CHECK (octet_length(id) = 32),
  PRIMARY KEY (author, chain, seq)
);
CREATE TABLE named(
  author text COLLATE "C" NOT NULL,
  chain text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  peer bigint NOT NULL REFERENCES peer(n),
  id bytea NOT NULL CHECK (octet_length(id) = 32),
  PRIMARY KEY (author, chain, seq, peer)
);
CREATE TABLE absent(
  statement bigint NOT NULL REFERENCES statement(n),
  sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
  id text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  PRIMARY KEY (statement, sha256, id)
);
CREATE TABLE quarantine(
  peer bigint NOT NULL REFERENCES peer(n),
  id bytea NOT NULL CHECK (octet_length(id) = 32),
  author text COLLATE "C" NOT NULL,
  chain text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  reason text COLLATE "C" NOT NULL,
  message text COLLATE "C" NOT NULL,
  since text COLLATE "C" NOT NULL,
  item bytea NOT NULL,
  PRIMARY KEY (peer, id)
);
CREATE INDEX statement_withdraw ON statement(log_index)
  WHERE kind = 'withdraw' AND log_index IS NOT NULL;

CREATE TABLE word(
  n bigint PRIMARY KEY, words text[] COLLATE "C" NOT NULL
);
CREATE INDEX word_words ON word USING gin(words);

-- The server's statistics keep samples of what is in a column. What is purged must not be there.
ALTER TABLE object ALTER raw SET STATISTICS 0;
ALTER TABLE envelope ALTER raw SET STATISTICS 0;
ALTER TABLE sealed ALTER raw SET STATISTICS 0;
ALTER TABLE local ALTER value SET STATISTICS 0;
ALTER TABLE word ALTER words SET STATISTICS 0;

-- Entering a statement in the log rewrites its rows: what they were is to be reused soon.
ALTER TABLE said SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE statement SET (autovacuum_vacuum_scale_factor = 0.05);
"""

# `id` is what the log holds. Of a sealed statement that is made of its author and the id that it
# gives what is inside, `inside` (decisions/0036).
_INSIDE = """
ALTER TABLE statement ADD COLUMN inside bytea CHECK (octet_length(inside) = 32);
CREATE INDEX statement_inside ON statement(inside) WHERE inside IS NOT NULL;
"""

# What is said waits in one row a statement until that is in the log: its rows in `said` are then
# written once, and no dead ones stay behind. Ids and digests that are only ever looked up are in
# hash indexes, a quarter of the size; the writer alone sees to it that an object stands here once.
# A word is a number here (`words.number_of`), and what is found by it is looked into.
_LEAN = """
CREATE TABLE waiting(
  statement bigint PRIMARY KEY,
  objects bigint[] NOT NULL,
  audiences bigint[] NOT NULL,
  types text[] COLLATE "C" NOT NULL
);
DROP INDEX said_id;
DROP INDEX object_id;
ALTER TABLE object DROP CONSTRAINT object_sha256_stix_id_key;
CREATE INDEX object_id ON object USING hash (stix_id);
CREATE INDEX object_sha256 ON object USING hash (sha256);
DROP TABLE word;
CREATE TABLE word(
  n bigint PRIMARY KEY, words integer[] NOT NULL
);
CREATE INDEX word_words ON word USING gin(words);
ALTER TABLE word ALTER words SET STATISTICS 0;
UPDATE meta SET value = 0 WHERE key = 'words';
"""

# What could let in a statement that waits, so that an arrival looks at no other.
_WAITS = """
CREATE TABLE waits(
  key text COLLATE "C" NOT NULL,
  peer bigint NOT NULL,
  id bytea NOT NULL,
  PRIMARY KEY (key, peer, id),
  FOREIGN KEY (peer, id) REFERENCES quarantine(peer, id) ON DELETE CASCADE
);
CREATE INDEX waits_row ON waits(peer, id);
"""

# What is said of an object, and sealed statements, are found by who may read them, as all else is.
_AUDIENCES = """
DROP INDEX said_object;
CREATE INDEX said_object ON said(object, audience);
DROP INDEX statement_sealed;
CREATE INDEX statement_sealed ON statement(audience, case_id, log_index)
  WHERE kind = 'sealed' AND log_index IS NOT NULL;
DROP INDEX statement_inside;
CREATE INDEX statement_inside ON statement(inside, audience) WHERE inside IS NOT NULL;
"""

SCRIPTS: tuple[str, ...] = (_FIRST, _INSIDE, _LEAN, _WAITS, _AUDIENCES)
"""Script n takes a store from version n to n + 1. Never edit one that has been released."""

VERSION = len(SCRIPTS)

STOPS = {_INSIDE: "SELECT count(*) FROM statement WHERE kind = 'sealed'"}
"""Script → what counts the rows that it cannot take along (`rules.left_behind`)."""

HOLDING_CONTENT = ("object", "envelope", "sealed", "local", "word")
"""Tables that hold what a purge drops."""

# --- reads ------------------------------------------------------------------------------------
# Every value is bound. `{filters}` is one of the fixed lines of FILTERS, nothing else ever.
# Audiences are compared with a sum, so that no index is sought once for each of them; OFFSET 0
# has what stands before it asked row by row, so that no table is walked beside a list of keys.

FILTERS = {
    "inside": " AND s.inside = %(inside)s",
    "case": " AND s.case_id = %(case)s AND s.case_id <> ''",
    "author": " AND s.author = %(author)s",
    "kind": " AND s.kind = %(kind)s",
    "types": " AND s.type = ANY(%(types)s::text[])",
    "stix": " AND left(s.id, 11) <> 'urn:sha256:'",
}

HEAD = "SELECT origin, size, root, checkpoint FROM head"
EDGE = "SELECT edge FROM head"
PLACE = "SELECT log_index FROM statement WHERE id = %(id)s"
CHECKPOINTS = """
SELECT size, note FROM checkpoint WHERE origin = (SELECT origin FROM head) ORDER BY size
"""
AUDIENCES = "SELECT id, canonical FROM audience WHERE id > %(known)s ORDER BY id"

PENDING_STATEMENTS = """
SELECT s.id, e.raw, s.kind, s.author, s.case_id, s.seq, s.audience
FROM statement s LEFT JOIN envelope e ON e.n = s.n LEFT JOIN again a ON a.statement = s.n
WHERE s.log_index IS NULL ORDER BY a.place NULLS LAST, s.n
"""

ONE_STATEMENT = """
SELECT s.id, s.log_index, e.raw, s.kind, s.author, s.case_id, s.seq, s.audience, s.withdrawn
FROM statement s JOIN envelope e ON e.n = s.n
WHERE s.id = %(id)s AND s.log_index IS NOT NULL AND s.audience + 0 = ANY(%(allowed)s::bigint[])
"""

STATEMENTS_AT = """
SELECT s.id, s.log_index, e.raw, s.kind, s.author, s.case_id, s.seq, s.audience, s.withdrawn
FROM unnest(%(at)s::bigint[]) k(at)
  CROSS JOIN LATERAL (SELECT * FROM statement t WHERE t.log_index = k.at OFFSET 0) s
  CROSS JOIN LATERAL (SELECT * FROM envelope v WHERE v.n = s.n OFFSET 0) e
ORDER BY s.log_index
"""

# The first rows of each audience, in order, straight from an index. A page merges them and asks
# on only for those that ended too soon: hidden rows are never touched.
PLACES_IN_LOG = """
SELECT q.i, p.log_index
FROM unnest(%(audiences)s::bigint[], %(behind)s::bigint[]) WITH ORDINALITY q(audience, behind, i)
CROSS JOIN LATERAL (
  SELECT s.log_index FROM statement s
  WHERE s.audience = q.audience AND s.log_index > q.behind AND s.log_index IS NOT NULL
    AND EXISTS (SELECT 1 FROM envelope e WHERE e.n = s.n) {filters}
  ORDER BY s.log_index LIMIT %(limit)s) p
"""

PLACES = """
SELECT q.i, p.type, p.id
FROM unnest(%(audiences)s::bigint[], %(types)s::text[], %(behind)s::text[])
  WITH ORDINALITY q(audience, type, behind, i)
CROSS JOIN LATERAL (
  SELECT DISTINCT s.type, s.id FROM said s
  WHERE s.audience = q.audience AND s.live IN (1, 2)
    AND (s.type, s.id) > (q.type COLLATE "C", q.behind COLLATE "C") {filters}
  ORDER BY s.type, s.id LIMIT %(limit)s) p
"""

PLACES_OF_TYPE = """
SELECT q.i, p.type, p.id
FROM unnest(%(audiences)s::bigint[], %(types)s::text[], %(behind)s::text[])
  WITH ORDINALITY q(audience, type, behind, i)
CROSS JOIN LATERAL (
  SELECT DISTINCT s.type, s.id FROM said s
  WHERE s.audience = q.audience AND s.live IN (1, 2)
    AND s.type = q.type COLLATE "C" AND s.id > q.behind COLLATE "C" {filters}
  ORDER BY s.type, s.id LIMIT %(limit)s) p
"""

PLACES_COUNT = """
SELECT count(*) FROM (
  SELECT DISTINCT r.type, r.id
  FROM unnest(%(allowed)s::bigint[]) a(id) CROSS JOIN LATERAL (
    SELECT s.type, s.id FROM said s
    WHERE s.audience = a.id AND s.live IN (1, 2) {filters} OFFSET 0) r) found
"""

_SAYING = """
SELECT o.n, o.sha256, s.id, s.type, o.version, t.log_index, t.id, s.live, s.audience, t.audience
FROM {said} CROSS JOIN LATERAL (SELECT * FROM statement i WHERE i.n = s.statement OFFSET 0) t
WHERE s.live IN (1, 2) {filters}
ORDER BY t.log_index
"""
# For each range of ids of one type, and each audience, a stretch of an index: what others were
# given under the same ids is never touched.
SAYINGS = """
SELECT o.n, o.sha256, s.id, s.type, o.version, t.log_index, t.id, s.live, s.audience, t.audience
FROM unnest(%(types)s::text[], %(lows)s::text[], %(highs)s::text[]) k(type, low, high)
  CROSS JOIN unnest(%(allowed)s::bigint[]) a(id)
  CROSS JOIN LATERAL (
    SELECT * FROM said s
    WHERE s.audience = a.id AND s.type = k.type COLLATE "C" AND s.id >= k.low COLLATE "C"
      AND s.id <= k.high COLLATE "C" AND s.live IN (1, 2) {filters} OFFSET 0) s
  CROSS JOIN LATERAL (SELECT * FROM object i WHERE i.n = s.object OFFSET 0) o
  CROSS JOIN LATERAL (SELECT * FROM statement i WHERE i.n = s.statement OFFSET 0) t
ORDER BY t.log_index
"""
# Where so many ids and audiences come together that those would be too many stretches.
SAYINGS_BY_ID = _SAYING.format(
    said="unnest(%(keys)s::text[]) k(id) CROSS JOIN LATERAL ("
    'SELECT * FROM object i WHERE i.stix_id = k.id COLLATE "C" OFFSET 0) o'
    " CROSS JOIN LATERAL (SELECT * FROM said i WHERE i.object = o.n OFFSET 0) s",
    filters="AND s.audience + 0 = ANY(%(allowed)s::bigint[])",
)
SAYINGS_BY_SHA256 = _SAYING.format(
    said="unnest(%(digests)s::bytea[]) k(id) CROSS JOIN LATERAL ("
    "SELECT * FROM object i WHERE i.sha256 = k.id OFFSET 0) o"
    " CROSS JOIN unnest(%(allowed)s::bigint[]) a(id) CROSS JOIN LATERAL ("
    "SELECT * FROM said i WHERE i.object = o.n AND i.audience = a.id OFFSET 0) s",
    filters="",
)

BYTES = """
SELECT o.n, o.raw, o.spec_version, o.created, o.modified
FROM unnest(%(keys)s::bigint[]) k(n)
  CROSS JOIN LATERAL (SELECT * FROM object i WHERE i.n = k.n OFFSET 0) o
"""

# Only this read may use a bitmap: there is no other way into the index of words.
FOUND = """
WITH hit AS MATERIALIZED (SELECT n FROM word WHERE words @> %(words)s::integer[])
SELECT DISTINCT s.object, s.id FROM hit
  CROSS JOIN LATERAL (SELECT * FROM said i WHERE i.object = hit.n OFFSET 0) s
WHERE s.live IN (1, 2) AND s.audience + 0 = ANY(%(allowed)s::bigint[])
"""

ENTRIES = """
SELECT s.id, e.raw, s.log_index, p.id IS NOT NULL OR x.n IS NOT NULL, s.author,
  CASE s.kind WHEN 'sealed' THEN coalesce(s.inside, ''::bytea) ELSE s.inside END
FROM statement s LEFT JOIN envelope e ON e.n = s.n LEFT JOIN sealed x ON x.n = s.n
  LEFT JOIN purged p ON p.what = 'statement' AND p.id = s.id
WHERE s.log_index >= %(start)s ORDER BY s.log_index LIMIT %(count)s
"""

PURGED_STATEMENTS = """
SELECT s.id, s.log_index, s.kind, s.author, s.case_id, s.seq, s.audience, p.time, p.actor, p.why
FROM purged p JOIN statement s ON s.id = p.id
WHERE p.what = 'statement' AND s.log_index IS NOT NULL
  AND s.audience + 0 = ANY(%(allowed)s::bigint[]) {filters}
ORDER BY s.log_index
"""

SEALED = """
SELECT s.id, s.inside, s.log_index, s.author, s.case_id, s.seq, x.tlp, s.audience, s.withdrawn
FROM unnest(%(allowed)s::bigint[]) a(id) CROSS JOIN LATERAL (
    SELECT * FROM statement s
    WHERE s.audience = a.id AND s.kind = 'sealed' AND s.log_index IS NOT NULL {filters} OFFSET 0) s
  JOIN sealed x ON x.n = s.n
ORDER BY s.log_index
"""

ONE_SEALED = """
SELECT s.id, s.inside, s.log_index, s.author, s.case_id, s.seq, x.tlp, s.audience, s.withdrawn,
  x.raw
FROM statement s JOIN sealed x ON x.n = s.n
WHERE s.id = %(id)s AND s.log_index IS NOT NULL AND s.audience + 0 = ANY(%(allowed)s::bigint[])
"""

HELD_STATEMENT = """
SELECT s.id, s.inside, s.author, s.kind,
  coalesce(octet_length(e.raw), octet_length(x.raw), 0), s.withdrawn
FROM (SELECT * FROM statement t WHERE t.id = %(digest)s
      UNION ALL SELECT * FROM statement t
      WHERE t.inside = %(digest)s AND t.id <> %(digest)s) s
  LEFT JOIN envelope e ON e.n = s.n LEFT JOIN sealed x ON x.n = s.n
WHERE s.log_index IS NOT NULL AND s.audience + 0 = ANY(%(allowed)s::bigint[])
"""

# Whether it still counts does not matter here: what was withdrawn can be purged.
HELD_OBJECT = """
SELECT o.n, o.sha256, o.stix_id, o.type, octet_length(o.raw), t.id, t.author, s.live
FROM (SELECT n FROM object WHERE sha256 = %(digest)s
      UNION SELECT n FROM object WHERE stix_id = %(id)s) k
  JOIN object o ON o.n = k.n
  CROSS JOIN LATERAL (SELECT * FROM said i WHERE i.object = o.n OFFSET 0) s
  JOIN statement t ON t.n = s.statement
WHERE t.log_index IS NOT NULL AND s.audience + 0 = ANY(%(allowed)s::bigint[])
ORDER BY o.n, t.log_index
"""

CHAIN = """
SELECT seq, coalesce(inside, id) FROM statement WHERE author = %(author)s AND chain = %(chain)s
ORDER BY seq DESC LIMIT 1
"""

KEY_ROWS = """
SELECT s.log_index, e.raw FROM statement s JOIN envelope e ON e.n = s.n
WHERE s.log_index IS NOT NULL AND s.kind IN ('directory', 'key', 'revoke')
ORDER BY s.log_index
"""

# --- writes -----------------------------------------------------------------------------------

COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "audience": (("id", "int8"), ("canonical", "bytea")),
    "statement": (
        *(
            ("n", "int8"),
            ("id", "bytea"),
            ("inside", "bytea"),
            ("kind", "text"),
            ("author", "text"),
        ),
        *(("case_id", "text"), ("chain", "text"), ("seq", "int8"), ("audience", "int8")),
    ),
    "envelope": (("n", "int8"), ("raw", "bytea")),
    "sealed": (("n", "int8"), ("tlp", "text"), ("raw", "bytea")),
    "put": (("statement", "int8"), ("feed", "text")),
    "ref": (("ref", "bytea"), ("statement", "int8")),
    "taken_back": (("statement", "int8"), ("sha256", "bytea")),
    "absent": (("statement", "int8"), ("sha256", "bytea"), ("id", "text"), ("type", "text")),
    "object": (
        *(("n", "int8"), ("sha256", "bytea"), ("stix_id", "text"), ("type", "text")),
        *(("spec_version", "text"), ("created", "text"), ("modified", "text")),
        *(("version", "text"), ("on_record", "bool"), ("raw", "bytea")),
    ),
    "said": (
        *(("statement", "int8"), ("object", "int8"), ("audience", "int8"), ("live", "int2")),
        *(("type", "text"), ("id", "text"), ("case_id", "text")),
    ),
    "waiting": (
        *(("statement", "int8"), ("objects", "int8[]"), ("audiences", "int8[]")),
        ("types", "text[]"),
    ),
    "entry": (
        *(("feed", "int8"), ("added", "int8"), ("object", "int8"), ("audience", "int8")),
        ("type", "text"),
    ),
    "word": (("n", "int8"), ("words", "int4[]")),
}
"""(column, type) of what is copied in, parents first."""

LAST_NUMBERS = """
SELECT (SELECT coalesce(max(n), 0) FROM statement), (SELECT coalesce(max(n), 0) FROM object),
  (SELECT coalesce(max(id), 0) FROM audience)
"""

LAST_OF_CHAINS = """
SELECT k.author, k.chain, t.seq, t.id
FROM unnest(%(authors)s::text[], %(chains)s::text[]) k(author, chain)
CROSS JOIN LATERAL (
  SELECT s.seq, coalesce(s.inside, s.id) AS id FROM statement s
  WHERE s.author = k.author COLLATE "C" AND s.chain = k.chain COLLATE "C"
  ORDER BY s.seq DESC LIMIT 1) t
"""

LAST_BOUND = """
SELECT k.author, k.chain, max(b.seq)
FROM unnest(%(authors)s::text[], %(chains)s::text[]) k(author, chain)
  JOIN bound b ON b.author = k.author COLLATE "C" AND b.chain = k.chain COLLATE "C"
GROUP BY k.author, k.chain
"""

NAMED = "SELECT id, kind, author, seq FROM statement WHERE id = ANY(%(ids)s::bytea[])"

INTERNED = "SELECT canonical, id FROM audience WHERE canonical = ANY(%(keys)s::bytea[])"

OBJECTS_HELD = """
SELECT o.sha256, o.stix_id, o.n, octet_length(o.raw) = 0 FROM unnest(%(digests)s::bytea[]) k(id)
  CROSS JOIN LATERAL (SELECT * FROM object i WHERE i.sha256 = k.id OFFSET 0) o
"""

PURGED_OBJECTS = """
SELECT id, lifted FROM purged WHERE what = 'object' AND id = ANY(%(digests)s::bytea[])
"""

IS_HELD = """
SELECT 1 FROM statement
WHERE id = %(id)s AND author = %(author)s AND chain = %(chain)s AND seq = %(seq)s
"""

AROUND = """
SELECT seq, coalesce(inside, id) FROM statement
WHERE author = %(author)s AND chain = %(chain)s AND seq IN (%(seq)s, %(seq)s - 1)
"""

BOUND_AROUND = """
SELECT seq, id FROM bound
WHERE author = %(author)s AND chain = %(chain)s AND seq IN (%(seq)s, %(seq)s - 1)
"""

BIND = """
INSERT INTO bound SELECT * FROM unnest(
  %(authors)s::text[], %(chains)s::text[], %(seqs)s::bigint[], %(ids)s::bytea[])
ON CONFLICT DO NOTHING
"""

SAID_BY = """
SELECT 1 FROM said s JOIN statement t ON t.n = s.statement
WHERE s.object = %(object)s AND t.author = %(author)s LIMIT 1
"""

# Of what waits all is looked at: seldom asked, and never many.
WILL_SAY = """
SELECT 1 FROM waiting w JOIN statement t ON t.n = w.statement
WHERE w.objects @> ARRAY[%(object)s::bigint] AND t.author = %(author)s LIMIT 1
"""

FILL = "UPDATE object SET raw = %(raw)s WHERE n = %(n)s AND octet_length(raw) = 0"
INDEX_AGAIN = """
INSERT INTO word SELECT %(n)s::bigint, %(words)s::integer[]
WHERE %(n)s::bigint <= (SELECT value FROM meta WHERE key = 'indexed')
"""

ENTER = """
UPDATE statement s SET log_index = b.place
FROM unnest(%(ids)s::bytea[], %(places)s::bigint[]) b(id, place)
WHERE s.id = b.id AND s.log_index IS NULL
"""

SET_HEAD = """
INSERT INTO head VALUES (1, %(origin)s, %(size)s, %(root)s, %(checkpoint)s, %(edge)s)
ON CONFLICT (one) DO UPDATE SET origin = excluded.origin, size = excluded.size,
  root = excluded.root, checkpoint = excluded.checkpoint, edge = excluded.edge
"""

_UNPACK = """
WITH gone AS (DELETE FROM waiting WHERE {which} RETURNING *)
INSERT INTO said(statement, object, audience, live, type, id, case_id)
SELECT g.statement, u.object, u.audience, {live}, u.type, o.stix_id, t.case_id
FROM gone g CROSS JOIN LATERAL (SELECT * FROM statement i WHERE i.n = g.statement OFFSET 0) t
  CROSS JOIN LATERAL unnest(g.objects, g.audiences, g.types) u(object, audience, type)
  CROSS JOIN LATERAL (SELECT * FROM object i WHERE i.n = u.object OFFSET 0) o
"""
OPEN_WAITING = _UNPACK.format(
    which="statement = ANY(ARRAY(SELECT n FROM statement WHERE log_index >= %(start)s))", live=1
)
UNPACK = _UNPACK.format(
    which="objects && ARRAY(SELECT n FROM object WHERE sha256 = %(id)s)", live=0
)
"""Has what waits and says this object wait row by row, so that it can be hidden."""

# What waits row by row: after a log was begun anew, and what was purged or came late.
OPEN = """
UPDATE said SET live = 1
WHERE live = 0 AND statement = ANY(ARRAY(SELECT n FROM statement WHERE log_index >= %(start)s))
"""

LATE_FOR = "SELECT n, log_index, author, case_id, audience FROM statement WHERE id = %(id)s"
LACKING = "SELECT sha256, id FROM absent WHERE statement = %(n)s"
NO_LONGER_ABSENT = """
DELETE FROM absent WHERE statement = %(n)s AND sha256 = %(sha256)s AND id = %(id)s
"""
OPEN_ONE = "UPDATE said SET live = 1 WHERE live = 0 AND statement = %(n)s"

# Of most statements nothing more is to be done. These take back, are taken back, or may be what
# their author says again, narrower. OFFSET keeps the server from reading all of `ref` for it.
OF_MORE_EFFECT = """
SELECT s.n, coalesce(s.inside, s.id), s.kind, s.author FROM statement s
WHERE s.log_index >= %(start)s AND (
  s.kind = 'withdraw'
  OR (s.kind = 'say' AND EXISTS (SELECT 1 FROM ref r WHERE r.statement = s.n OFFSET 0))
  OR EXISTS (SELECT 1 FROM ref r WHERE r.ref = coalesce(s.inside, s.id) OFFSET 0))
ORDER BY s.log_index
"""

# What this statement takes back: the objects its withdrawal names, or all where it names none.
# Said again narrower by the same author (a later `say` that refers to it), it is not kept on
# record for those who were cut off.
TAKE_BACK = """
UPDATE said SET live = CASE WHEN live = 4 THEN 5
  WHEN (SELECT o.on_record FROM object o WHERE o.n = said.object) AND NOT EXISTS (
    SELECT 1 FROM ref r JOIN statement again ON again.n = r.statement
    JOIN said s2 ON s2.statement = again.n AND s2.object = said.object
    WHERE r.ref = %(id)s AND again.kind = 'say' AND again.author = %(author)s
      AND again.log_index IS NOT NULL)
  THEN 2 ELSE 3 END
WHERE statement = %(n)s AND live IN (1, 4) AND (
  NOT EXISTS (SELECT 1 FROM taken_back b WHERE b.statement = %(withdrawal)s)
  OR (SELECT o.sha256 FROM object o WHERE o.n = said.object)
     IN (SELECT b.sha256 FROM taken_back b WHERE b.statement = %(withdrawal)s))
"""

MARK_WITHDRAWN = """
UPDATE statement SET withdrawn = true WHERE n = %(n)s AND (
  NOT EXISTS (SELECT 1 FROM taken_back b WHERE b.statement = %(withdrawal)s)
  OR (EXISTS (SELECT 1 FROM said s WHERE s.statement = %(n)s)
      AND NOT EXISTS (SELECT 1 FROM said s WHERE s.statement = %(n)s AND s.live IN (1, 4))
      AND NOT EXISTS (SELECT 1 FROM absent a WHERE a.statement = %(n)s AND a.sha256 NOT IN (
        SELECT b.sha256 FROM taken_back b WHERE b.statement = %(withdrawal)s))))
"""

# The reverse order of the same: the narrower `say` comes after the withdrawal.
FORGET_WIDER = """
UPDATE said SET live = 3
WHERE live + 0 = 2
  AND statement = ANY(ARRAY(
    SELECT old.n FROM ref r JOIN statement old ON old.id = r.ref
    WHERE r.statement = %(n)s AND old.author = %(author)s))
  AND object = ANY(ARRAY(SELECT s.object FROM said s WHERE s.statement = %(n)s))
"""

WITHDRAWALS_OF = """
SELECT w.n FROM ref r JOIN statement w ON w.n = r.statement
WHERE r.ref = %(id)s AND w.kind = 'withdraw' AND w.author = %(author)s
  AND w.log_index + 0 IS NOT NULL
ORDER BY w.log_index
"""

# A sealed statement is referred to by the id of what is inside.
TARGETS_OF = """
SELECT s.n, r.ref FROM ref r CROSS JOIN LATERAL (
  SELECT * FROM statement t WHERE t.id = r.ref AND t.inside IS NULL
  UNION ALL SELECT * FROM statement t WHERE t.inside = r.ref) s
WHERE r.statement = %(n)s AND s.author = %(author)s AND s.log_index IS NOT NULL
  AND s.kind <> 'withdraw'
"""

RESTART = (
    "DELETE FROM again",
    "INSERT INTO again SELECT n, log_index FROM statement WHERE log_index IS NOT NULL",
    "UPDATE said SET live = CASE live WHEN 5 THEN 4 ELSE 0 END WHERE live IN (1, 2, 3, 5)",
    "UPDATE statement SET log_index = NULL, withdrawn = false WHERE log_index IS NOT NULL",
    "DELETE FROM entry",
    "DELETE FROM head",
    "UPDATE peer SET filled = 0, complete = '{}', behind = '{}', caught = 0",
)
"""Every statement waits again, in the order of the log it was in."""

KEEP_CHECKPOINT = """
INSERT INTO checkpoint VALUES (%(origin)s, %(size)s, %(note)s)
ON CONFLICT (origin, size) DO UPDATE SET note = excluded.note
"""

LOCAL = "SELECT key, value, version FROM local WHERE kind = %(kind)s AND key = %(key)s"
LOCAL_FROM = """
SELECT key, value, version FROM local
WHERE kind = %(kind)s AND key >= %(start)s AND (%(end)s::text IS NULL OR key < %(end)s)
ORDER BY key
"""
NEXT_VERSION = "UPDATE meta SET value = value + 1 WHERE key = 'local' RETURNING value"
KEEP_LOCAL = """
INSERT INTO local VALUES (%(kind)s, %(key)s, %(version)s, %(value)s)
ON CONFLICT (kind, key) DO UPDATE SET version = excluded.version, value = excluded.value
"""
DROP_LOCAL = "DELETE FROM local WHERE kind = %(kind)s AND key = %(key)s"
KEEP_AUDIT = """
INSERT INTO audit VALUES (%(n)s, %(time)s, %(actor)s, %(act)s, %(ref)s, %(hash)s)
"""
AUDIT = "SELECT n, time, actor, act, ref, hash FROM audit ORDER BY n DESC LIMIT %(limit)s"

# --- purging ----------------------------------------------------------------------------------

DROP_ENVELOPE = (
    "DELETE FROM envelope WHERE n = (SELECT n FROM statement WHERE id = %(id)s)",
    "DELETE FROM sealed WHERE n = (SELECT n FROM statement WHERE id = %(id)s)",
)
DROP_WORDS = "DELETE FROM word WHERE n IN (SELECT n FROM object WHERE sha256 = %(id)s)"
HIDE_OBJECT = """
UPDATE said SET live = CASE WHEN live IN (2, 3, 5) THEN 5 ELSE 4 END
WHERE object IN (SELECT n FROM object WHERE sha256 = %(id)s)
"""
DROP_OBJECT = "UPDATE object SET raw = '' WHERE sha256 = %(id)s AND octet_length(raw) > 0"
NOTE_PURGE = """
INSERT INTO purged VALUES (%(what)s, %(id)s, %(time)s, %(actor)s, %(why)s, '')
ON CONFLICT (what, id) DO UPDATE SET
  time = excluded.time, actor = excluded.actor, why = excluded.why, lifted = ''
"""
STANDING_PURGE = """
SELECT time, actor, why FROM purged WHERE what = %(what)s AND id = %(id)s AND lifted = ''
"""
LIFT = """
UPDATE purged SET lifted = %(time)s WHERE what = %(what)s AND id = %(id)s AND lifted = ''
"""

# --- words ------------------------------------------------------------------------------------

UNCUT = """
SELECT n, raw, stix_id, type FROM object
WHERE n > (SELECT value FROM meta WHERE key = 'indexed') ORDER BY n LIMIT %(limit)s
"""
BEHIND = """
SELECT (SELECT coalesce(max(n), 0) FROM object) > (SELECT value FROM meta WHERE key = 'indexed')
"""
