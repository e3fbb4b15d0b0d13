"""What a read costs follows what its reader sees, not what is hidden from it (exchange.md §4).

Work is counted, not time: steps of SQLite's machine, rows that PostgreSQL's plans have touched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.contracts.test_any_store import opener_of
from tests.unit.fakes import Author, publish, seen_by, thing

from tocsin.store.interface import EVERYTHING, Attachment, Store
from tocsin.store.postgres import PostgresStore
from tocsin.store.sqlite import SqliteStore

NORTHLAND, EASTMERE, GRIDCO = "cert.northland.example", "cert.eastmere.example", "gridco.example"
PORTCO = "portco.example"
CASE = "case--1"
VISIBLE = 5
HIDDEN = 400
# Where a table has a few hundred rows and the server knows it, reading all of them in order is its
# cheapest plan; whether it gets to know within this test is a matter of its leisure.
UNANALYSED = """
DO $$ DECLARE one regclass; BEGIN
  FOR one IN SELECT c.oid FROM pg_class c WHERE c.relkind = 'r'
    AND c.relnamespace = 'tocsin'::regnamespace
  LOOP EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = false)', one); END LOOP;
END $$
"""
LETTER = Attachment.of(b"a letter about the lantern", "text/plain")


def items() -> list[Attachment]:
    return [thing("tool", n, name=f"lantern {n}") for n in range(VISIBLE)]


class Work:
    """What the reads of one store have cost since it was asked last."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._count = 0

    def of(self, read: Callable[[], object]) -> int:
        read()  # whatever is done once: words that are cut, audiences that are learnt
        self._count = 0
        with self._counting():
            read()
        return self._count

    def _counting(self) -> Any:
        return self._sqlite() if isinstance(self._store, SqliteStore) else self._postgres()

    def _sqlite(self) -> Any:
        store = self._store
        assert isinstance(store, SqliteStore)

        def step() -> int:
            self._count += 1
            return 0

        @contextmanager
        def counting() -> Iterator[None]:
            assert store._idle
            for db in store._idle:
                db.set_progress_handler(step, 1)
            yield
            for db in store._idle:
                db.set_progress_handler(None, 0)

        return counting()

    def _postgres(self) -> Any:
        store = self._store
        assert isinstance(store, PostgresStore)

        @contextmanager
        def counting() -> Iterator[None]:
            store._close_idle()
            db, _ = store._borrow()
            try:
                db.execute("LOAD 'auto_explain'")
            except psycopg.Error as wrong:
                pytest.skip(f"this server cannot say what a plan has done: {wrong}")
            for name, value in (
                ("log_min_duration", "0"),
                ("log_analyze", "on"),
                ("log_timing", "off"),
                ("log_format", "json"),
                ("log_level", "notice"),
            ):
                db.execute(f"SET auto_explain.{name} = {value}")
            db.add_notice_handler(self._plan)
            store._give_back(db)
            yield
            store._close_idle()

        return counting()

    def _plan(self, said: psycopg.errors.Diagnostic) -> None:
        text = said.message_primary or ""
        if "plan:" in text:
            self._count += touched(json.loads(text.partition("plan:")[2])["Plan"])


def touched(node: dict[str, Any]) -> int:
    """Rows that a plan has had in its hands, given on or not."""
    own = node["Actual Rows"] + sum(
        count for name, count in node.items() if name.startswith("Rows Removed by")
    )
    return int(own * node["Actual Loops"]) + sum(map(touched, node.get("Plans", ())))


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opener = opener_of(request, tmp_path)
    if isinstance(opener.store, PostgresStore):
        db, _ = opener.store._borrow()
        db.execute(UNANALYSED)
        opener.store._give_back(db)
    yield opener.store
    opener.store.close()


def reads(store: Store, mine: frozenset[int], said: str, seal: str) -> dict[str, Any]:
    """Every read that is told what its reader may see."""
    tool, *_ = items()
    inside = store.sealed_in(mine)[0].inside
    return {
        "select": lambda: store.select(mine),
        "select, of a type": lambda: store.select(mine, types=["tool"]),
        "select, of a case": lambda: store.select(mine, case=CASE),
        "count": lambda: store.count(mine),
        "count, of a type": lambda: store.count(mine, types=["tool"]),
        "count, of a case": lambda: store.count(mine, case=CASE),
        "object": lambda: store.object(tool.sha256, mine),
        "versions": lambda: store.versions(tool.id, mine),
        "versions, of an attachment": lambda: store.versions(LETTER.id, mine),
        "held": lambda: store.held([one.id for one in items()], mine),
        "statement": lambda: store.statement(said, mine),
        "statements": lambda: store.statements(mine),
        "statements, of a case": lambda: store.statements(mine, case=CASE),
        "statements, of an author": lambda: store.statements(mine, author=NORTHLAND),
        "sealed": lambda: store.sealed(seal, mine),
        "sealed in": lambda: store.sealed_in(mine),
        "sealed in a case": lambda: store.sealed_in(mine, case=CASE),
        "sealed, by what is inside": lambda: store.sealed_in(mine, inside=inside),
        "page": lambda: store.page(EVERYTHING, mine),
        "page, of a case": lambda: store.page(CASE, mine),
        "page, of a type": lambda: store.page(EVERYTHING, mine, types=["tool"]),
        "page, of an id": lambda: store.page(EVERYTHING, mine, ids=[tool.id]),
        "page, all versions": lambda: store.page(EVERYTHING, mine, versions=("all",)),
        "glance": lambda: store.glance(EVERYTHING, mine, tool.id),
    }


def hide(store: Store) -> None:
    """What the reader may not see, as near to what it sees as can be: the same types, words and
    case; other versions under the same ids; the same bytes, said to others."""
    author = Author(EASTMERE)
    things = [thing("tool", 1000 + n, name=f"lantern {n}") for n in range(HIDDEN)]
    versions = [
        thing("tool", n % VISIBLE, name=f"lantern {n}", modified=f"2026-11-22T09:00:{n:02d}.000Z")
        for n in range(60)
    ]
    for said in (things[: HIDDEN // 2], things[HIDDEN // 2 :], versions):
        publish(store, author.say(*said, tlp="AMBER", to=[PORTCO], case=CASE), *said)
    for _ in range(40):
        said = [*items(), LETTER]
        publish(store, author.say(*said, tlp="AMBER", to=[PORTCO], case=CASE), *said)
        publish(store, author.seals(PORTCO, case=CASE))


def test_what_is_hidden_costs_no_read_a_step(store: Store) -> None:
    northland = Author(NORTHLAND)
    things = [*items(), LETTER]
    said = publish(store, northland.say(*things, case=CASE), *things).id
    seal = publish(store, northland.seals(GRIDCO, case=CASE)).id
    mine = seen_by(store, GRIDCO)
    work = Work(store)

    alone = {name: work.of(read) for name, read in reads(store, mine, said, seal).items()}
    # PostgreSQL is not glanced at: it is always asked.
    assert [name for name, count in alone.items() if not count and name != "glance"] == []
    hide(store)
    assert seen_by(store, GRIDCO) == mine
    among = {name: work.of(read) for name, read in reads(store, mine, said, seal).items()}

    dearer = {name: (alone[name], among[name]) for name in alone if among[name] > alone[name] * 1.2}
    assert dearer == {}
