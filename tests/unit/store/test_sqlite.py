"""The SQLite store where it is SQLite: its files, its lock, its plans, its threads."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.unit.fakes import EVERYBODY, Author, claim, enter, publish, seen_by, thing

from tocsin.errors import NodeBusyError, RollbackError, StorageFullError, StoreError
from tocsin.policy import Audience
from tocsin.record.envelope import Verified
from tocsin.record.statement import KEY_CHAIN
from tocsin.store import schema, sqlite, sqlite_purge, sqlite_reads, words
from tocsin.store.interface import EVERYTHING, Attachment, Purge, audience_key
from tocsin.store.sqlite import SqliteStore
from tocsin.store.writer import INDEX_SLICE

OPEN_TO_ALL = audience_key(Audience(author="x.example", tlp="CLEAR"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore.open(tmp_path / "node")
    yield store
    store.close()


def test_the_database_and_its_folder_are_for_their_owner_only(store: SqliteStore) -> None:
    store.append_audit("2026-11-22T08:30:00Z", "ada", "start", "")
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    for name in ("tocsin.sqlite", "tocsin.sqlite-wal", "tocsin.sqlite-shm"):
        assert stat.S_IMODE((store.folder / name).stat().st_mode) == 0o600


def test_a_commit_is_synced_to_the_disk(store: SqliteStore) -> None:
    assert store._writer.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    # SQLite's own checkpoint would swallow a failed sync; the writer calls it and looks.
    assert store._writer.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)


def test_tables_are_strict(store: SqliteStore) -> None:
    rows = store._writer.execute("SELECT name, strict FROM pragma_table_list WHERE type='table'")
    loose = [
        name for name, strict in rows if not strict and not name.startswith(("sqlite", "word"))
    ]
    assert loose == []


def test_a_second_open_names_the_process_that_holds_the_folder(store: SqliteStore) -> None:
    with pytest.raises(NodeBusyError, match=rf"process {os.getpid()}\b") as refused:
        SqliteStore.open(store.folder)
    assert str(os.getpid()) in refused.value.remedy
    store.append_audit("2026-11-22T08:30:00Z", "ada", "still", "alive")


def test_another_process_is_refused_and_told_the_holder(store: SqliteStore) -> None:
    code = (
        "import sys; from pathlib import Path; from tocsin.errors import NodeBusyError\n"
        "from tocsin.store.sqlite import SqliteStore\n"
        "try: SqliteStore.open(Path(sys.argv[1]))\n"
        "except NodeBusyError as e: print(e.message); sys.exit(7)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(store.folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 7, done.stderr
    assert f"process {os.getpid()}" in done.stdout


@pytest.mark.parametrize("left", ["", "999999\n", "not a pid", "1\n"])
def test_a_lock_file_left_behind_stops_nobody(tmp_path: Path, left: str) -> None:
    (tmp_path / "lock").write_text(left)
    store = SqliteStore.open(tmp_path)
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    store.close()


def test_a_closed_store_gives_the_folder_free_and_refuses_work(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.head()
    with pytest.raises(StoreError, match="closed"):
        store.keep_local("draft", "a", b"", None)
    SqliteStore.open(tmp_path).close()


def test_close_leaves_one_file_with_everything(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path)
    store.keep_local("draft", "a", b"v", None)
    store.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lock", "tocsin.sqlite"]
    store = SqliteStore.open(tmp_path)
    assert store.local("draft", "a") is not None
    store.close()


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    SqliteStore.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "tocsin.sqlite") as db:
        db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    db.close()
    before = (tmp_path / "tocsin.sqlite").read_bytes()
    with pytest.raises(StoreError, match=rf"version {schema.VERSION + 1}.*knows {schema.VERSION}"):
        SqliteStore.open(tmp_path)
    assert (tmp_path / "tocsin.sqlite").read_bytes() == before


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "tocsin.sqlite") as db:
        db.execute("CREATE TABLE recipes(name TEXT)")
    db.close()
    before = (tmp_path / "tocsin.sqlite").read_bytes()
    with pytest.raises(StoreError, match="another program"):
        SqliteStore.open(tmp_path)
    assert (tmp_path / "tocsin.sqlite").read_bytes() == before


def test_an_upgrade_that_fails_half_way_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SqliteStore.open(tmp_path).close()
    script = "CREATE TABLE more(x TEXT) STRICT;\nCREATE TABLE meta(x TEXT) STRICT;\n"
    with monkeypatch.context() as patch:
        patch.setattr(schema, "SCRIPTS", (*schema.SCRIPTS, script))
        patch.setattr(schema, "VERSION", schema.VERSION + 1)
        with pytest.raises(StoreError, match="meta"):
            SqliteStore.open(tmp_path)
    store = SqliteStore.open(tmp_path)
    tables = {name for [name] in store._writer.execute("SELECT name FROM sqlite_master")}
    assert "more" not in tables
    store.close()


def test_an_older_folder_gets_its_key_chains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = thing("tool", 1, name="wiper")
    author = Author("cert.northland.example")
    with monkeypatch.context() as patch:
        patch.setattr(schema, "SCRIPTS", schema.SCRIPTS[:1])
        patch.setattr(schema, "VERSION", 1)
        SqliteStore.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "tocsin.sqlite") as db:
        db.execute("INSERT INTO audience(id, canonical) VALUES (1, ?)", (OPEN_TO_ALL,))
        for n, kind, case in ((1, "directory", ""), (2, "say", ""), (3, "say", "case--1")):
            db.execute(
                "INSERT INTO statement(n, id, kind, author, case_id, seq, audience, envelope)"
                " VALUES (?, ?, ?, ?, ?, ?, 1, x'')",
                (n, bytes([n]) * 32, kind, author.party, case, n),
            )
        db.execute("INSERT INTO ref VALUES (?, 3)", (bytes([2]) * 32,))
    db.close()
    store = SqliteStore.open(tmp_path)
    chains = [store.chain(author.party, name) for name in (KEY_CHAIN, "", "case--1")]
    assert [c.seq for c in chains if c] == [1, 2, 3]
    assert store._writer.execute("PRAGMA foreign_key_check").fetchall() == []
    assert store._writer.execute("PRAGMA foreign_keys").fetchone() == (1,)
    publish(store, Author("cert.eastmere.example").say(tool), tool)
    store.close()


def test_an_older_folder_gets_its_collections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if it were the last: what came after it needs nothing of it.
    others = [script for script in schema.SCRIPTS if script != schema._FEEDS]
    monkeypatch.setattr(schema, "SCRIPTS", (*others, schema._FEEDS))
    before = len(others)
    store = SqliteStore.open(tmp_path)
    author = Author("cert.northland.example")
    a, b, gone = thing("tool", 1), thing("tool", 2), thing("tool", 3)
    publish(store, author.say(a), a)
    publish(store, author.say(b, case="case--1", tlp="GREEN"), b)
    publish(store, author.withdraw(publish(store, author.say(gone), gone)))
    everybody = seen_by(store, EVERYBODY)
    store.close()
    with sqlite3.connect(tmp_path / "tocsin.sqlite") as db:
        # As the version before had it: a store that has never heard of collections.
        for table in ("entry", "put", "feed"):
            db.execute(f"DROP TABLE {table}")
        db.execute(f"PRAGMA user_version = {before}")
    db.close()
    store = SqliteStore.open(tmp_path)
    one, two = store.page(EVERYTHING, everybody).entries
    assert (one.id, two.id) == (a.id, b.id)
    assert 0 < one.added < two.added
    assert [e.id for e in store.page("case--1", everybody).entries] == [b.id]
    later = thing("tool", 4)
    publish(store, author.say(later, case="case--1"), later)
    assert store.page("case--1", seen_by(store, EVERYBODY)).entries[-1].id == later.id
    store.close()


def test_a_fault_in_one_write_does_not_touch_the_others_of_its_group(store: SqliteStore) -> None:
    gate = threading.Event()
    holder = threading.Thread(target=lambda: store._write(lambda _: gate.wait()))
    holder.start()
    outcomes: dict[int, BaseException | None] = {}

    def write(n: int) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute("INSERT INTO local VALUES ('t', ?, 1, x'')", (str(n),))
            if n == 3:
                raise ZeroDivisionError("a fault of ours")

        try:
            store._write(work)
            outcomes[n] = None
        except ZeroDivisionError as wrong:
            outcomes[n] = wrong

    writers = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for writer in writers:
        writer.start()
    time.sleep(0.05)  # let them queue up behind the gate, so that they make one group
    gate.set()
    for thread in (*writers, holder):
        thread.join()
    assert [n for n, wrong in outcomes.items() if wrong] == [3]
    assert [r.key for r in store.list_local("t")] == ["0", "1", "2", "4", "5"]


def test_nobody_waits_for_ever_for_a_writer_that_stopped(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault() -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(store, "_shorten_wal", fault)
    store.keep_local("t", "a", b"", None)
    for _ in range(3):
        with pytest.raises(StoreError, match=r"the writer of .* stopped"):
            store.keep_local("t", "b", b"", None)
    assert store.local("t", "a") is not None


def test_a_read_sees_one_state_while_others_write(store: SqliteStore) -> None:
    author = Author("cert.northland.example")
    stop = threading.Event()
    wrong: list[str] = []

    def read() -> None:
        while not stop.is_set():
            all_ = seen_by(store, EVERYBODY)
            found = store.select(all_)
            # Each statement says a pair: seeing one without the other is a torn read.
            if len(found) % 2 or any(len(o.said_by) != 1 for o in found):
                wrong.append(str(len(found)))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for n in range(40):
        pair = thing("tool", 2 * n), thing("malware", 2 * n + 1)
        publish(store, author.say(*pair, tlp=("GREEN", "CLEAR")[n % 2]), *pair)
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert store.count(seen_by(store, EVERYBODY)) == 80


def test_words_are_cut_off_the_answers_path(store: SqliteStore) -> None:
    author = Author("cert.northland.example")
    items = [thing("tool", n, name=f"word{n}") for n in range(INDEX_SLICE + 10)]
    publish(store, author.say(*items), *items)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with store._reading() as db:
            [done] = db.execute("SELECT value FROM meta WHERE key = 'indexed'").fetchone()
        if done == len(items):
            break
        time.sleep(0.02)
    assert done == len(items)


def test_search_finds_what_was_said_just_now(store: SqliteStore) -> None:
    author = Author("cert.northland.example")
    for n in range(5):
        items = [thing("tool", 1000 * n + m, name=f"word{n}x{m}") for m in range(300)]
        publish(store, author.say(*items), *items)
        assert len(store.search(f"word{n}x299", seen_by(store, EVERYBODY))) == 1


def test_the_write_ahead_log_does_not_grow_for_ever(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "WAL_BYTES", 100_000)
    for n in range(60):
        store.keep_local("t", str(n), os.urandom(20_000), None)
    wal = store.path.with_name(store.path.name + "-wal")
    assert wal.stat().st_size < 500_000
    assert len(store.list_local("t")) == 60


@pytest.mark.parametrize(
    ("sql", "given", "index"),
    [
        (schema.STATEMENTS, [], "statement_read (audience=?"),
        (schema.STATEMENTS, ["case"], "(case_id=? AND audience=?"),
        (schema.PLACES, ["stix"], "said_read (audience=?"),
        (schema.PLACES, ["stix", "after"], "said_read (audience=? AND (type,id)>"),
        (schema.PLACES, ["type"], "said_read (audience=? AND type=?"),
        (schema.PLACES, ["type", "behind"], "said_read (audience=? AND type=? AND id>?"),
        (schema.PLACES, ["case", "type"], "said_case (case_id=? AND audience=? AND type=?"),
        (schema.PLACES, ["case", "stix"], "said_case (case_id=? AND audience=?"),
    ],
)
def test_a_page_comes_in_order_from_an_index_that_leads_with_the_audience(
    store: SqliteStore, sql: str, given: list[str], index: str
) -> None:
    sql = sql.format(filters="".join(schema.FILTERS[name] for name in given))
    names = ("audience", "after", "after_id", "behind", "case", "type")
    plan = store._writer.execute("EXPLAIN QUERY PLAN " + sql, dict.fromkeys(names, "x")).fetchall()
    text = "; ".join(row[3] for row in plan)
    assert index in text
    assert "B-TREE" not in text
    assert "SCAN" not in text


@pytest.mark.parametrize(
    "sql",
    [
        schema.ONE_STATEMENT,
        schema.PLACES_COUNT.format(filters=""),
        schema.SAYINGS.format(filters=""),
        schema.SAYINGS.format(filters=schema.FILTERS["case"]),
        schema.SAYINGS_BY_ID,
        schema.SAYINGS_BY_SHA256,
        schema.BYTES,
        schema.TAKE_BACK,
        schema.MARK_WITHDRAWN,
        schema.FORGET_WIDER,
        schema.WITHDRAWALS_OF,
        schema.TARGETS_OF,
        schema.OPEN,
        schema.OF_MORE_EFFECT,
        schema.OBJECT_HELD,
        schema.OBJECT_SAID_BY,
        schema.HELD_STATEMENT,
        schema.HELD_OBJECT,
    ],
)
def test_no_statement_walks_a_whole_table(store: SqliteStore, sql: str) -> None:
    names = (
        "id",
        "allowed",
        "keys",
        "ranges",
        "case",
        "sha256",
        "n",
        "author",
        "withdrawal",
        "start",
    )
    given = dict.fromkeys(names, "[]")
    plan = [r[3] for r in store._writer.execute("EXPLAIN QUERY PLAN " + sql, given)]
    scans = [
        step
        for step in plan
        if step.startswith("SCAN") and "VIRTUAL" not in step and "(subquery" not in step
    ]
    assert scans == []


def test_what_is_hidden_does_not_slow_a_page(store: SqliteStore) -> None:
    """Steps of SQLite's machine, not seconds: the same with 0 and with 3,000 hidden rows."""
    author, hidden = Author("cert.northland.example"), Author("cert.eastmere.example")
    items = [thing("tool", n) for n in range(20)]
    publish(store, author.say(*items), *items)
    mine = seen_by(store, "gridco.example")

    def steps() -> int:
        counted = 0

        def count() -> int:
            nonlocal counted
            counted += 1
            return 0

        store._idle.clear()
        with store._reading() as db:
            db.set_progress_handler(count, 10)
            assert len(list(sqlite_reads.places(db, mine, None, None, None))) == 20
            assert len(sqlite_reads.said(db, [o.id for o in items], mine)) == 20
        return counted

    alone = steps()
    for part in range(8):
        secret = [thing("tool", 1000 * (part + 1) + n) for n in range(400)]
        said = hidden.say(*secret, tlp="AMBER", to=["portco.example"])
        publish(store, said, *secret)
    assert seen_by(store, "gridco.example") == mine
    assert steps() <= alone * 1.2


def test_a_claim_among_many_statements_is_withdrawn_alone(store: SqliteStore) -> None:
    author = Author("cert.northland.example")
    said = [author.say(claim(n)) for n in range(50)]
    for n, one in enumerate(said):
        store.keep_pending(one, [claim(n)], one.audience)
    gone = author.withdraw(said[25])
    store.keep_pending(gone, [], gone.audience)
    enter(store, *(one.id for one in said), gone.id)
    marked = [o.id for o in store.select(seen_by(store, EVERYBODY)) if o.withdrawn]
    assert marked == [claim(25).id]


def test_bytes_changed_in_the_store_show_where_the_log_is_read(store: SqliteStore) -> None:
    """The log is read whole at every start."""
    northland = Author("cert.northland.example")
    for n in range(2):
        item = thing("tool", n)
        publish(store, northland.say(item), item)
    assert len(store.entries(0, 2)) == 2
    with sqlite3.connect(store.folder / "tocsin.sqlite") as db:
        longer = "CAST(raw || ' ' AS BLOB)"
        db.execute(f"UPDATE envelope SET raw = {longer} WHERE n = 2")
    assert len(store.entries(0, 1)) == 1
    with pytest.raises(RollbackError, match="other bytes at index 1"):
        store.entries(0, 2)


def altered(store: SqliteStore, sql: str) -> None:
    """Change the file as any other program could."""
    with sqlite3.connect(store.folder / "tocsin.sqlite") as db:
        db.execute(sql)
    db.close()


def test_an_object_whose_bytes_were_changed_in_the_file_is_never_handed_out(
    store: SqliteStore,
) -> None:
    tool, other = thing("tool", 1, name="wiper"), thing("tool", 2)
    publish(store, Author("cert.northland.example").say(tool, other), tool, other)
    all_ = seen_by(store, EVERYBODY)
    assert len(store.search("wiper", all_)) == 1
    altered(store, "UPDATE object SET raw = CAST(replace(raw, 'wiper', 'paper') AS BLOB)")
    reads: list[Callable[[], object]] = [
        lambda: store.object(tool.sha256, all_),
        lambda: store.versions(tool.id, all_),
        lambda: store.select(all_),
        lambda: store.search("wiper", all_),
    ]
    for read in reads:
        with pytest.raises(StoreError, match=tool.id) as refused:
            read()
        assert "backup" in refused.value.remedy
    assert store.object(other.sha256, all_) is not None


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE envelope SET raw = CAST(raw || ' ' AS BLOB)",
        "UPDATE statement SET kind = 'act'",
        "UPDATE statement SET author = 'gridco.example'",
        "UPDATE statement SET case_id = 'case--2'",
        "UPDATE statement SET seq = 9",
        "UPDATE audience SET canonical = CAST(replace(canonical, 'AMBER', 'CLEAR') AS BLOB)",
        "INSERT INTO envelope SELECT n, x'7b7d' FROM statement WHERE 1 ON CONFLICT DO"
        " UPDATE SET raw = excluded.raw",
    ],
)
@pytest.mark.parametrize("logged", [True, False])
def test_a_statement_whose_row_was_changed_in_the_file_is_never_handed_out(
    tmp_path: Path, change: str, logged: bool
) -> None:
    store = SqliteStore.open(tmp_path)
    said = Author("cert.northland.example").say(case="case--1", tlp="AMBER")
    store.keep_pending(said, [], said.audience)
    if logged:
        enter(store, said.id)
    altered(store, change)
    store.close()
    store = SqliteStore.open(tmp_path)
    all_ = seen_by(store, EVERYBODY)
    reads: list[Callable[[], object]] = [
        lambda: store.statement(said.id, all_),
        lambda: store.statements(all_),
    ]
    if not logged:
        reads = [store.pending] if "envelope" in change else []
    for read in reads:
        with pytest.raises(StoreError, match=said.id):
            read()
    store.close()


# --- purging: the bytes are gone from the files ------------------------------------------------

SPILT = "jane-doe-of-ward-7"


def spill(store: SqliteStore) -> tuple[list[Attachment], Verified, Purge]:
    """A store in which the spilt word has been moved about, and the purge to come."""
    author = Author("cert.northland.example")
    items = [
        Attachment.of(f"{n} {SPILT} ".encode() * (1, 3, 900)[n], "text/plain") for n in range(3)
    ]
    others = [thing("tool", n, name=f"other{n}" * 30) for n in range(300)]
    publish(store, author.say(*others[:150]), *others[:150])
    said = author.say(*items, body={"reason": SPILT})
    publish(store, said, *items)
    store.keep_local("report", "r", SPILT.encode() * 400, None)
    publish(store, author.say(*others[150:]), *others[150:])
    assert len(store.search(SPILT, seen_by(store, EVERYBODY))) == 3
    one = Purge(
        what="object", id=items[0].sha256, time="2026-11-22T09:00:00Z", actor="ada", why="spilt"
    )
    return items, said, one


def holding(folder: Path, needle: bytes) -> list[str]:
    """The files that hold these bytes."""
    files = [p for p in folder.rglob("*") if p.is_file()]
    return [p.name for p in files if needle in p.read_bytes()]


def terms(store: SqliteStore) -> set[str]:
    """Every word the index knows."""
    with sqlite3.connect(store.path) as db:
        db.execute("CREATE VIRTUAL TABLE temp.term USING fts5vocab(main, word, row)")
        found = {term for [term] in db.execute("SELECT term FROM temp.term")}
    db.close()
    return found


def purge_all(store: SqliteStore) -> Verified:
    items, said, one = spill(store)
    for item in items:
        store.purge(replace(one, id=item.sha256))
    store.purge(replace(one, what="statement", id=said.id), [("report", "r")])
    return said


def test_after_a_purge_no_file_holds_the_bytes(store: SqliteStore) -> None:
    all_ = frozenset(range(1, 9))
    reader = threading.Thread(target=lambda: store.select(all_))
    reader.start()
    said = purge_all(store)
    reader.join()
    assert holding(store.folder, SPILT.encode()) == []
    assert holding(store.folder, said.raw[100:160]) == []
    everybody = seen_by(store, EVERYBODY)
    assert store.search(SPILT, everybody) == []
    assert len(store.search("other7" * 30, everybody)) == 1
    assert SPILT not in terms(store)
    assert "jane" not in terms(store)
    assert holding(store.folder, SPILT.encode()) == []
    assert store.entries(0, 9)[1].hex() in {p.id for p in store.purged(everybody)}


def test_a_purge_cut_off_before_its_bytes_were_overwritten_is_finished_by_the_next_start(
    store: SqliteStore,
) -> None:
    items, said, one = spill(store)
    for what, id in [*(("object", i.sha256) for i in items), ("statement", said.id)]:
        due = replace(one, what=what, id=id)
        store._write(partial(sqlite_purge.purge, one=due, rows=[("report", "r")]))
    assert holding(store.folder, SPILT.encode()) != []
    store.close()
    store = SqliteStore.open(store.folder)
    assert holding(store.folder, SPILT.encode()) == []
    assert store.purge(one) is False
    store.close()


def test_a_purge_during_a_long_read_says_that_it_is_not_finished_and_is_finished_later(
    store: SqliteStore,
) -> None:
    items, _, one = spill(store)
    store._writer.execute("PRAGMA busy_timeout = 50")
    with store._reading() as db:
        db.execute("SELECT count(*) FROM object").fetchone()
        with pytest.raises(StoreError, match="still in the files"):
            store.purge(replace(one, id=items[2].sha256))
    assert store.object(items[2].sha256, seen_by(store, EVERYBODY)) is None
    assert store.purge(replace(one, id=items[2].sha256)) is False
    assert holding(store.folder, items[2].raw[:200]) == []


def test_others_write_on_while_something_is_purged(store: SqliteStore) -> None:
    items, _, one = spill(store)
    stop = threading.Event()
    wrong: list[BaseException] = []

    def write() -> None:
        author = Author("cert.eastmere.example")
        while not stop.is_set():
            try:
                said = author.say()
                store.keep_pending(said, [], said.audience)
                store.statements(seen_by(store, EVERYBODY))
            except BaseException as failed:
                wrong.append(failed)

    writers = [threading.Thread(target=write)]
    for writer in writers:
        writer.start()
    for item in items:
        assert store.purge(replace(one, id=item.sha256))
    stop.set()
    for writer in writers:
        writer.join()
    assert wrong == []
    assert len(store.pending()) > 0


def test_words_cut_by_an_older_rule_are_cut_anew_at_the_next_start(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = thing("tool", 1, name="wiper")
    publish(store, Author("cert.northland.example").say(tool), tool)
    store._index_all()
    store.close()
    altered(store, "INSERT INTO word(word) VALUES ('delete-all')")
    store = SqliteStore.open(store.folder)
    assert store.search("wiper", seen_by(store, EVERYBODY)) == []
    store.close()
    monkeypatch.setattr(words, "CUT", words.CUT + 1)
    for _ in range(2):
        store = SqliteStore.open(store.folder)
        assert len(store.search("wiper", seen_by(store, EVERYBODY))) == 1
        store.close()


def test_a_node_without_room_to_finish_a_purge_starts_and_finishes_it_when_there_is(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, _, one = spill(store)
    big = replace(one, id=items[2].sha256)
    store._write(partial(sqlite_purge.purge, one=big, rows=[]))
    store.close()

    def full(_: sqlite3.Connection) -> bool:
        wrong = sqlite3.OperationalError("database or disk is full")
        wrong.sqlite_errorname = "SQLITE_FULL"
        raise wrong

    with monkeypatch.context() as patch:
        patch.setattr(sqlite_purge, "scrub", full)
        store = SqliteStore.open(store.folder)
        with pytest.raises(StorageFullError):
            store.purge(big)
        store.keep_local("t", "a", b"", None)
    assert store.purge(big) is False
    assert holding(store.folder, items[2].raw[:200]) == []
    store.close()


def test_an_object_opened_to_more_readers_in_the_file_is_never_handed_out(
    store: SqliteStore,
) -> None:
    tool, fine = thing("tool", 1), thing("tool", 2)
    said = Author("cert.northland.example").say(tool, tlp="AMBER", to=["gridco.example"])
    publish(store, said, tool)
    publish(store, Author("cert.eastmere.example").say(fine, tlp="CLEAR"), fine)
    stranger = "portco.example"
    assert store.object(tool.sha256, seen_by(store, stranger)) is None
    altered(store, "UPDATE said SET audience = (SELECT max(id) FROM audience)")
    with pytest.raises(StoreError, match=tool.id):
        store.object(tool.sha256, seen_by(store, stranger))
    assert store.object(fine.sha256, seen_by(store, stranger)) is not None


def test_what_another_process_writes_is_another_generation(store: SqliteStore) -> None:
    before = store.generation()
    assert (store.generation(), store.audiences()) == (before, {})
    with contextlib.closing(sqlite3.connect(store.path)) as other:
        other.execute(
            "INSERT INTO audience(id, canonical) VALUES (1, ?)",
            (audience_key(Audience(author="cert.northland.example", tlp="GREEN")),),
        )
        other.commit()
    assert store.generation() != before
    assert set(store.audiences()) == {1}
    assert store.audiences() is store.audiences()


def test_a_connection_opened_anew_repeats_no_generation(store: SqliteStore) -> None:
    seen = {store.generation()}
    for n in range(3):
        store._close_idle()
        seen.add(store.generation())
        assert len(seen) == n + 2
