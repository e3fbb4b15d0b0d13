"""The PostgreSQL store where it is PostgreSQL: its lock, its server, its text, its plans."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.postgres_server import Server
from tests.unit.fakes import EVERYBODY, Author, claim, enter, publish, seen_by, thing

from tocsin.errors import (
    ConfigError,
    NodeBusyError,
    RollbackError,
    StorageFullError,
    StoreError,
    StoreLostError,
    TocsinError,
)
from tocsin.store import (
    postgres,
    postgres_exchange,
    postgres_federation,
    postgres_reads,
    words,
)
from tocsin.store import postgres_schema as schema
from tocsin.store.interface import Attachment, Purge
from tocsin.store.postgres import PostgresStore
from tocsin.store.postgres_local import following
from tocsin.store.postgres_open import Db, check_url, connect, escaped, lock, shown, unescaped
from tocsin.store.postgres_open import _parameters as parameters

NORTHLAND = "cert.northland.example"
TEXTS = st.text(alphabet=st.sampled_from("\x00\x01\x02aé\ud7ff\ue000\U0010ffff"), max_size=6)


@pytest.fixture
def store(postgres: str, tmp_path: Path) -> Iterator[PostgresStore]:
    store = PostgresStore.open(postgres, tmp_path / "node")
    yield store
    store.close()


def as_another(store: PostgresStore, sql: str) -> None:
    """Do something in the database behind the node's back."""
    with psycopg.connect(store.url, autocommit=True, options="-c search_path=tocsin") as db:
        db.execute(sql)


CUT_OFF = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


# --- text -------------------------------------------------------------------------------------


@given(TEXTS, TEXTS)
def test_any_text_comes_back_and_keeps_its_order(a: str, b: str) -> None:
    assert "\x00" not in escaped(a)
    assert unescaped(escaped(a)) == a
    assert (a.encode() < b.encode()) == (escaped(a).encode() < escaped(b).encode())
    assert escaped(a + b).startswith(escaped(a))


@given(TEXTS, TEXTS)
def test_the_text_behind_a_prefix_is_behind_all_that_begins_with_it(prefix: str, rest: str) -> None:
    end = following(prefix)
    if end is not None:
        assert prefix <= prefix + rest < end
        assert not end.startswith(prefix)


def test_what_postgresql_calls_no_text_is_kept_and_found(store: PostgresStore) -> None:
    """STIX strings may hold U+0000; what is said must never be refused for it."""
    name = "x-acme--00000000-0000-4000-8000-000000000001"
    raw = b'{"type":"x-acme","name":"wiper\\u0000grid"}'
    item = Attachment.of(raw, "x-acme")
    item = replace(item, id=name, created="\x00", modified="2026\x00", spec_version="\x01")
    said = Author(NORTHLAND).say(item, body={"reason": "\x00"})
    publish(store, said, item)
    all_ = seen_by(store, EVERYBODY)
    [kept] = store.select(all_)
    assert (kept.id, kept.created, kept.modified) == (name, "\x00", "2026\x00")
    assert (kept.spec_version, kept.raw) == ("\x01", raw)
    assert store.versions(name, all_) == store.search("grid", all_) == [kept]
    for key in ("a\x00", "a\x01", "a", "a\x02", "b"):
        store.keep_local("\x00", key, b"", None)
    assert [row.key for row in store.list_local("\x00")] == ["a", "a\x00", "a\x01", "a\x02", "b"]
    assert [row.key for row in store.list_local("\x00", "a\x00")] == ["a\x00"]
    assert store.append_audit("", "a\x00b", "", "\x01").actor == "a\x00b"
    assert [(row.actor, row.ref) for row in store.audit()] == [("a\x00b", "\x01")]


# --- the address ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret@db.example/tocsin",
        "postgresql://me@db.example/tocsin?password=secret",
    ],
)
def test_a_password_is_refused_where_others_read_and_never_shown(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_url(url, open_to_others=True)
    assert "secret" not in refused.value.message + refused.value.remedy + shown(url)
    assert check_url(url, open_to_others=False) == url


@pytest.mark.parametrize("url", ["", "tocsin", "sqlite:///x", "host=db"])
def test_what_is_no_address_is_refused_with_one_that_is(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_url(url, open_to_others=True)
    assert "postgresql://" in refused.value.remedy


def test_a_server_elsewhere_must_show_who_it_is_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PGSSLMODE", raising=False)
    monkeypatch.delenv("PGHOST", raising=False)
    assert parameters("postgresql://me@db.example/x", "w")["sslmode"] == "verify-full"
    assert parameters("postgresql://me@db.example/x?sslmode=require", "w")["sslmode"] == "require"
    for near in ("postgresql:///x", "postgresql://localhost/x", "postgresql:///x?host=/run"):
        assert "sslmode" not in parameters(near, "w")
    monkeypatch.setenv("PGHOST", "db.example")
    assert parameters("postgresql:///x", "w")["sslmode"] == "verify-full"


# --- what is opened ---------------------------------------------------------------------------


def test_another_programs_database_is_refused_and_left_alone(postgres: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres, autocommit=True) as db:
        db.execute("DROP SCHEMA IF EXISTS tocsin CASCADE")
        db.execute("CREATE TABLE recipes(name text)")
    with pytest.raises(StoreError, match="another program"):
        PostgresStore.open(postgres, tmp_path)
    with psycopg.connect(postgres) as db:
        assert db.execute("SELECT to_regnamespace('tocsin')").fetchone() == (None,)


def test_a_newer_schema_is_refused_and_left_alone(store: PostgresStore, tmp_path: Path) -> None:
    store.close()
    newer = schema.VERSION + 1
    as_another(store, f"UPDATE meta SET value = {newer} WHERE key = 'schema'")
    with pytest.raises(StoreError, match=rf"version {newer}.*knows {schema.VERSION}"):
        PostgresStore.open(store.url, tmp_path / "node")
    as_another(store, "UPDATE meta SET value = 1 WHERE key = 'application'")
    with pytest.raises(StoreError, match="another program"):
        PostgresStore.open(store.url, tmp_path / "node")


def test_an_upgrade_that_fails_half_way_is_undone(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        script = "CREATE TABLE more(x text); CREATE TABLE meta(x text);"
        patch.setattr(schema, "SCRIPTS", (*schema.SCRIPTS, script))
        patch.setattr(schema, "VERSION", schema.VERSION + 1)
        with pytest.raises(StoreError, match="meta"):
            PostgresStore.open(postgres, tmp_path)
    with psycopg.connect(postgres) as db:
        assert db.execute("SELECT to_regclass('tocsin.more')").fetchone() == (None,)
    PostgresStore.open(postgres, tmp_path).close()


def test_a_database_in_another_encoding_is_refused(postgres_server: Server, tmp_path: Path) -> None:
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as db:
        db.execute("DROP DATABASE IF EXISTS tocsin_latin")
        db.execute("CREATE DATABASE tocsin_latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(StoreError, match="LATIN1"):
        PostgresStore.open(postgres_server.url("tocsin_latin"), tmp_path)
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as db:
        db.execute("DROP DATABASE tocsin_latin")


def test_a_database_that_is_not_there_is_said_with_how_to_make_it(
    postgres_server: Server, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="does not exist") as refused:
        PostgresStore.open(postgres_server.url("nowhere"), tmp_path)
    assert "createdb" in refused.value.remedy


def test_a_server_that_is_not_there_is_lost(tmp_path: Path) -> None:
    with pytest.raises(StoreLostError):
        PostgresStore.open(f"postgresql:///x?host={tmp_path}", tmp_path / "node")


def test_commits_wait_for_the_disk_whatever_the_database_says(store: PostgresStore) -> None:
    store.close()
    name = urlsplit(store.url).path[1:]
    as_another(store, f"ALTER DATABASE {name} SET synchronous_commit = off")
    again = PostgresStore.open(store.url, store_folder(store))
    found = again._write(lambda db: db.execute("SHOW synchronous_commit").fetchone())
    again.close()
    as_another(store, f"ALTER DATABASE {name} RESET synchronous_commit")
    assert found == ("on",)


def store_folder(store: PostgresStore) -> Path:
    return Path(store._lock.name).parent


# --- one writer -------------------------------------------------------------------------------


def test_a_second_node_is_refused_and_told_the_first(store: PostgresStore, tmp_path: Path) -> None:
    with pytest.raises(NodeBusyError, match="tocsin writer") as refused:
        PostgresStore.open(store.url, tmp_path / "other")
    assert "pg_terminate_backend" in refused.value.remedy
    store.append_audit("2026-11-22T08:30:00Z", "ada", "still", "alive")
    store.close()
    PostgresStore.open(store.url, tmp_path / "other").close()


def test_a_database_is_one_partys(store: PostgresStore, tmp_path: Path) -> None:
    store.close()
    PostgresStore.open(store.url, tmp_path / "node", owner=NORTHLAND).close()
    with pytest.raises(StoreError, match=r"another party, not of gridco"):
        PostgresStore.open(store.url, tmp_path / "node", owner="gridco.example")
    PostgresStore.open(store.url, tmp_path / "node", owner=NORTHLAND).close()


def test_whoever_lost_the_lock_unseen_writes_nothing_more(store: PostgresStore) -> None:
    store.keep_local("t", "a", b"", None)
    as_another(store, "UPDATE writer SET epoch = epoch + 1")
    for _ in range(2):
        with pytest.raises(StoreError, match="another node has written"):
            store.keep_local("t", "b", b"", None)
    assert [row.key for row in store.list_local("t")] == ["a"]


# --- a server that goes and comes back ------------------------------------------------------


def until(work: Callable[[], object]) -> None:
    """Try again until it is done, as a node does."""
    end = time.monotonic() + 20
    while True:
        try:
            work()
        except StoreLostError:
            assert time.monotonic() < end
            time.sleep(0.05)
        else:
            return


def test_a_cut_connection_is_made_anew_and_nothing_is_lost(store: PostgresStore) -> None:
    author = Author(NORTHLAND)
    said = []
    for n in range(4):
        tool = thing("tool", n)
        said.append(publish(store, author.say(tool), tool).id)
        as_another(store, CUT_OFF)
        assert [k.id for k in store.statements(seen_by(store, EVERYBODY))] == said
        until(lambda n=n: store.append_audit("", "", "", str(n)))  # type: ignore[misc]
    assert [row.ref for row in store.audit()] == ["0", "1", "2", "3"]


def test_a_server_that_has_lost_what_it_acknowledged_is_not_written_to(
    store: PostgresStore,
) -> None:
    for n in range(3):
        store.append_audit("", "", "", str(n))
    as_another(store, "UPDATE writer SET commits = commits - 1")  # as an older state has it
    as_another(store, CUT_OFF)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"came back|another node"):
            until(lambda: store.append_audit("", "", "", "more"))
    with pytest.raises(StoreError, match="came back older"):
        store.audit()


def test_what_was_acknowledged_outlives_a_crash_of_the_server(tmp_path: Path) -> None:
    server = Server(own=True)
    try:
        url = server.url(server.take())
        store = PostgresStore.open(url, tmp_path)
        for n in range(5):
            store.append_audit("", "", "", str(n))
        server.kill()
        with pytest.raises(StoreLostError):
            store.append_audit("", "", "", "lost")
        with pytest.raises(StoreLostError):
            store.audit()
        server.start()
        until(lambda: store.append_audit("", "", "", "after"))
        refs = [row.ref for row in store.audit()]
        assert [ref for ref in refs if ref != "lost"] == ["0", "1", "2", "3", "4", "after"]
        store.close()
    finally:
        server.close()


# --- what others are told ---------------------------------------------------------------------


def told_to_others(wrong: TocsinError, store: PostgresStore) -> str:
    """The words of a refusal, in which nothing of the database's whereabouts may be."""
    words = f"{wrong} {wrong.remedy}"
    parts = urlsplit(store.url)
    for secret in ("postgresql:", f"{parts.username}@", parts.path.strip("/"), "host=", "socket"):
        assert secret not in words
    return words


FULL = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file "base/1/2"' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER no_room BEFORE INSERT ON local FOR EACH ROW WHEN (NEW.key = 'big')
EXECUTE FUNCTION no_room()
"""


def test_a_full_disk_of_the_server_refuses_what_does_not_fit_and_keeps_the_rest(
    store: PostgresStore, caplog: pytest.LogCaptureFixture
) -> None:
    as_another(store, FULL)
    try:
        with pytest.raises(StorageFullError) as refused:
            store.keep_local("t", "big", b"", None)
        assert "cannot grow" in told_to_others(refused.value, store)
        assert 'could not extend file "base/1/2"' in caplog.text
        assert shown(store.url) in caplog.text
        store.keep_local("t", "small", b"", None)
        assert [row.key for row in store.list_local("t")] == ["small"]
    finally:
        as_another(store, "DROP TRIGGER no_room ON local; DROP FUNCTION no_room()")


def test_a_statement_that_takes_too_long_is_cut_off_and_the_next_is_answered(
    store: PostgresStore, caplog: pytest.LogCaptureFixture
) -> None:
    def slow(db: Db) -> None:
        db.execute("SET LOCAL statement_timeout = 20")
        db.execute("SELECT pg_sleep(20)")

    for ask in (store._read, store._write):
        with pytest.raises(StoreError, match="took too long") as refused:
            ask(slow)
        assert not isinstance(refused.value, StoreLostError)
        told_to_others(refused.value, store)
    assert "statement timeout" in caplog.text
    store.append_audit("", "", "", "after")
    assert [row.ref for row in store.audit()] == ["after"]


def test_who_asks_while_the_server_is_away_is_not_told_where_it_is(tmp_path: Path) -> None:
    server = Server(own=True)
    try:
        store = PostgresStore.open(server.url(server.take()), tmp_path)
        server.kill()
        for refused in (lambda: store.append_audit("", "", "", "lost"), store.audit):
            with pytest.raises(StoreLostError, match="does not answer") as wrong:
                refused()
            told_to_others(wrong.value, store)
        store.close()
    finally:
        server.close()


def test_a_database_that_another_node_took_meanwhile_is_not_described(
    store: PostgresStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.append_audit("", "", "", "before")
    # The lock goes with the connection: another is quicker.
    with connect(store.url, "thief") as db:
        as_another(
            store,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'tocsin writer%'",
        )
        until(lambda: lock(db, store.url))
        with pytest.raises(TocsinError):  # whoever cuts words may have been here first
            store.append_audit("", "", "", "lost")
        with pytest.raises(TocsinError) as refused:
            until(lambda: store.append_audit("", "", "", "again"))
        told_to_others(refused.value, store)
        assert "thief" not in str(refused.value)
    assert "tocsin thief" in caplog.text


AS_IT_WAS = """
DROP TABLE waiting;
DROP TABLE waits;
DROP INDEX object_id, object_sha256;
ALTER TABLE object ADD CONSTRAINT object_sha256_stix_id_key UNIQUE (sha256, stix_id);
CREATE INDEX object_id ON object(stix_id);
CREATE INDEX said_id ON said(id) WHERE live IN (1, 2);
DROP TABLE word;
CREATE TABLE word(n bigint PRIMARY KEY, words text[] COLLATE "C" NOT NULL);
CREATE INDEX word_words ON word USING gin(words);
DROP INDEX said_object;
CREATE INDEX said_object ON said(object);
DROP INDEX statement_sealed;
CREATE INDEX statement_sealed ON statement(case_id, log_index)
  WHERE kind = 'sealed' AND log_index IS NOT NULL;
DROP INDEX statement_inside;
CREATE INDEX statement_inside ON statement(inside) WHERE inside IS NOT NULL;
UPDATE meta SET value = 2 WHERE key = 'schema';
UPDATE meta SET value = 1 WHERE key = 'words';
"""


def test_a_store_of_the_version_before_is_taken_along(postgres: str, tmp_path: Path) -> None:
    store = PostgresStore.open(postgres, tmp_path)
    author, tool, waits = Author(NORTHLAND), thing("tool", 1, name="lantern"), thing("malware", 2)
    publish(store, author.say(tool), tool)
    pending = author.say(waits)
    store.keep_pending(pending, [waits], pending.audience)
    # In the version before what waited had its rows in `said`.
    as_another(store, schema.UNPACK.replace("%(id)s", f"'\\x{waits.sha256}'::bytea"))
    as_another(store, AS_IT_WAS)
    store.close()
    store = PostgresStore.open(postgres, tmp_path)
    all_ = seen_by(store, EVERYBODY)
    assert [o.id for o in store.search("lantern", all_)] == [tool.id]
    assert [o.id for o in store.versions(tool.id, all_)] == [tool.id]
    enter(store, pending.id)
    assert [o.id for o in store.versions(waits.id, all_)] == [waits.id]
    store.close()


def test_a_word_that_shares_its_number_with_another_finds_only_itself(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "number_of", lambda word: len(word))
    author = Author(NORTHLAND)
    lantern, candles = thing("tool", 1, name="lantern"), thing("tool", 2, name="candles")
    publish(store, author.say(lantern, candles), lantern, candles)
    all_ = seen_by(store, EVERYBODY)
    assert [o.id for o in store.search("candles", all_, limit=1)] == [candles.id]
    assert store.search("sextant", all_) == []


# --- plans ------------------------------------------------------------------------------------


NUMBERS = (
    "n",
    "start",
    "after",
    "limit",
    "feed",
    "withdrawal",
    "object",
    "now",
    "peer",
    "first",
    "end",
    "most",
)


def plan(store: PostgresStore, sql: str) -> str:
    values: dict[str, Any] = {
        **{name: [1] for name in ("allowed", "audiences", "rows", "at")},
        **{name: [b""] for name in ("ids", "digests", "firsts", "lasts")},
        **dict.fromkeys(("id", "digest", "sha256"), b""),
        **dict.fromkeys(("author", "case", "kind", "name"), "x"),
        **dict.fromkeys(NUMBERS, 1),
        **{name: ["x"] for name in ("types", "lows", "highs")},
    }
    text_ids = sql == schema.SAYINGS_BY_ID
    values["keys"] = ["x"] if text_ids else [1]
    values["behind"] = ["x"] if "types" in sql else [1]
    if "(%(ids)s::text[])" in sql:
        values["ids"] = ["x"]
    if sql == schema.HELD_OBJECT:
        values["id"] = "x"
    with connect(store.url, "plan") as db:
        rows = db.execute(f"EXPLAIN {sql}", values).fetchall()
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (schema.PLACES_IN_LOG.format(filters=""), "statement_read"),
        (schema.PLACES_IN_LOG.format(filters=schema.FILTERS["case"]), "statement_case"),
        (schema.PLACES.format(filters=schema.FILTERS["stix"]), "said_read"),
        (schema.PLACES_OF_TYPE.format(filters=""), "said_read"),
        (schema.PLACES_OF_TYPE.format(filters=schema.FILTERS["case"]), "said_case"),
        (postgres_exchange.PAGE, "entry_read"),
        (postgres_exchange.PAGE_FOR_FEW, "entry_read"),
        (postgres_exchange.PAGE_OF_TYPES, "entry_type"),
        (postgres_exchange.PAGE_OF_TYPES_FOR_FEW, "entry_type"),
        (schema.SAYINGS.format(filters=""), "said_read"),
        (schema.SAYINGS.format(filters=schema.FILTERS["case"]), "said_case"),
    ],
)
def test_a_page_comes_from_an_index_that_leads_with_the_audience(
    store: PostgresStore, sql: str, index: str
) -> None:
    found = plan(store, sql)
    assert f"using {index} on" in found
    assert "Seq Scan" not in found


@pytest.mark.parametrize(
    "sql",
    [
        schema.ONE_STATEMENT,
        schema.ONE_SEALED,
        schema.STATEMENTS_AT,
        schema.PLACES_COUNT.format(filters=""),
        schema.SAYINGS.format(filters=""),
        schema.SAYINGS.format(filters=schema.FILTERS["case"]),
        schema.SEALED.format(filters=""),
        schema.SEALED.format(filters=schema.FILTERS["case"]),
        schema.SAYINGS_BY_ID,
        schema.SAYINGS_BY_SHA256,
        schema.BYTES,
        schema.TAKE_BACK,
        schema.MARK_WITHDRAWN,
        schema.FORGET_WIDER,
        schema.WITHDRAWALS_OF,
        schema.TARGETS_OF,
        schema.OPEN,
        schema.OPEN_WAITING,
        postgres_exchange.RAWS,
        schema.OF_MORE_EFFECT,
        schema.OBJECTS_HELD,
        schema.SAID_BY,
        schema.HELD_STATEMENT,
        schema.HELD_OBJECT,
        postgres_exchange.PAGE_OF_IDS,
        postgres_exchange.PAGE_OF_IDS_FOR_FEW,
        postgres_exchange.FEED_VERSIONS,
        postgres_exchange.FEED_VERSIONS_OF_MANY,
        postgres_exchange._NEW_FEEDS,
        postgres_exchange._NEW_IN_FEEDS,
        postgres_exchange._LAST_OF_FEEDS,
        postgres_exchange._LEAVE_FEEDS,
        postgres_exchange._PURGED_LEAVES,
        postgres_federation._OUTBOX,
        postgres_federation._WANTED,
        postgres_federation._IN_WINDOW,
        postgres_federation._UNSAID_IN_WINDOW,
        postgres_federation._UNSAYING,
    ],
)
def test_no_statement_walks_a_whole_table(store: PostgresStore, sql: str) -> None:
    found = plan(store, sql)
    walks = [line for line in found.splitlines() if "Seq Scan" in line or "Hash Join" in line]
    assert walks == []
    # An index that is walked from end to end has no condition under it.
    lines = found.splitlines()
    for at, line in enumerate(lines):
        if "Index Scan using" in line or "Index Only Scan using" in line:
            assert "Index Cond" in lines[at + 1], found


def test_a_word_is_looked_up_and_not_looked_for(store: PostgresStore) -> None:
    with connect(store.url, "plan") as db:
        db.execute("SET enable_bitmapscan = on")
        rows = db.execute("EXPLAIN " + schema.FOUND, {"words": [1], "allowed": [1]})
        assert "Bitmap Index Scan on word_words" in "\n".join(row[0] for row in rows)


@given(
    st.lists(st.lists(st.integers(0, 40), max_size=40), max_size=6),
    st.integers(0, 12),
    st.integers(1, 5),
)
def test_a_merged_page_is_the_beginning_of_everything(
    streams: list[list[int]], limit: int, at_once: int
) -> None:
    rows = [sorted(set(stream)) for stream in streams]

    def ask(wanted: list[tuple[int, tuple[int]]], each: int | None) -> Iterator[tuple[int, int]]:
        for place, (stream, (behind,)) in enumerate(wanted, start=1):
            for value in [v for v in rows[stream] if v > behind][:each]:
                yield place, value

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres_reads, "ROWS_AT_ONCE", at_once)
        patch.setattr(postgres_reads, "FEWEST", 1)
        patch.setattr(postgres_reads, "MORE", 2)
        asked = [(n, (-1,)) for n in range(len(rows))]
        found = postgres_reads.first(ask, asked, limit)
    assert found == sorted({(v,) for stream in rows for v in stream})[:limit]


# --- what is altered --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE envelope SET raw = raw || ' '::bytea",
        "UPDATE statement SET kind = 'act'",
        "UPDATE statement SET author = 'gridco.example'",
        "UPDATE statement SET seq = 9",
    ],
)
def test_a_statement_whose_row_was_changed_is_never_handed_out(
    store: PostgresStore, change: str
) -> None:
    said = publish(store, Author(NORTHLAND).say(case="case--1", tlp="AMBER"))
    as_another(store, change)
    with pytest.raises(StoreError, match=said.id):
        store.statements(seen_by(store, EVERYBODY))
    if "envelope" in change:
        with pytest.raises(RollbackError, match="index 0"):
            store.entries(0, 9)


def test_an_object_whose_bytes_were_changed_is_never_handed_out(store: PostgresStore) -> None:
    tool = thing("tool", 1, name="wiper")
    publish(store, Author(NORTHLAND).say(tool), tool)
    as_another(store, "UPDATE object SET raw = overlay(raw placing 'paper'::bytea from 20)")
    with pytest.raises(StoreError, match=tool.id):
        store.select(seen_by(store, EVERYBODY))


# --- purging ----------------------------------------------------------------------------------

SPILT = "jane-doe-of-ward-7"


def test_after_a_purge_no_table_holds_the_bytes(
    store: PostgresStore, postgres_server: Server
) -> None:
    items = [
        Attachment.of(f"{n} {SPILT} ".encode() * (1, 3, 900)[n], "text/plain") for n in range(3)
    ]
    author = Author(NORTHLAND)
    said = author.say(*items)
    publish(store, said, *items)
    other = thing("tool", 1, name="wiper")
    publish(store, author.say(other), other)
    all_ = seen_by(store, EVERYBODY)
    assert len(store.search(SPILT, all_)) == 3
    store.keep_local("report", "r", SPILT.encode() * 400, None)
    as_another(store, "ANALYZE")
    for item in items:
        one = Purge(
            what="object", id=item.sha256, time="2026-11-22T09:00:00Z", actor="ada", why="spilt"
        )
        assert store.purge(one, [("report", "r")]) is True
    assert store.search(SPILT, all_) == []
    assert len(store.search("wiper", all_)) == 1
    as_another(store, "CHECKPOINT")
    if postgres_server.folder is None:
        return  # a named server's files are not ours to read
    files = [path for path in (postgres_server.data / "base").rglob("*") if path.is_file()]
    assert [path.name for path in files if SPILT.encode() in path.read_bytes()] == []


def test_a_purge_during_a_long_read_says_so_and_is_finished_at_the_next_start(
    store: PostgresStore, tmp_path: Path
) -> None:
    note = claim(1, content=SPILT)
    publish(store, Author(NORTHLAND).say(note), note)
    one = Purge(what="object", id=note.sha256, time="2026-11-22T09:00:00Z", actor="a", why="b")
    with psycopg.connect(store.url) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT 1")  # an old state, of no table of ours
        with pytest.raises(StoreError, match="reading for too long"):
            store.purge(one)
    assert store.object(note.sha256, seen_by(store, EVERYBODY)) is None
    store.close()
    again = PostgresStore.open(store.url, tmp_path / "node")
    with connect(again.url, "look") as db:
        assert db.execute("SELECT value FROM meta WHERE key = 'scrub'").fetchone() == (0,)
    assert again.purge(one) is False
    again.close()


# --- without a store --------------------------------------------------------------------------


def test_a_database_is_looked_at_while_its_node_runs(store: PostgresStore) -> None:
    assert postgres.is_used(store.url) is False
    assert postgres.key_rows(store.url) is None
    publish(store, Author(NORTHLAND).say())
    assert postgres.is_used(store.url) is True
    found = postgres.key_rows(store.url)
    assert found is not None
    assert found.rows == []
    assert "PostgreSQL" in postgres.state(store.url)
    with pytest.raises(NodeBusyError):
        postgres.remove(store.url, NORTHLAND)
    store.close()
    postgres.remove(store.url, NORTHLAND)
    assert postgres.is_used(store.url) is False
