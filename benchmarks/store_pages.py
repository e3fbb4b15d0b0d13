"""B1–B4: durable ingest, a page of 1,000, the size of a store, and what hidden rows cost.

python -m benchmarks.store_pages [OBJECTS] [HIDDEN]

For SQLite and, where a server is at hand, PostgreSQL. B1 is of this process's processor, and says
the wall clock beside it: the server's own work is not in it. B2 and B4 are wall clock.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from benchmarks.figures import figure
from tests.postgres_server import NoServer, Server
from tests.unit.fakes import Author, enter, seen_by, thing

from tocsin.record.ports import Keeping
from tocsin.store.interface import EVERYTHING, Attachment, Store
from tocsin.store.postgres import PostgresStore
from tocsin.store.sqlite import SqliteStore

PER_STATEMENT = 100
PER_COMMIT = 20
PAGE = 1_000
TRIES = 40
BUFFERS = "256MB"
"""`shared_buffers` of a server that is started for this: a quarter of a small machine's memory, as
its manual has it. All else is as PostgreSQL ships it; its files are in memory where there is room,
so that a sync costs next to nothing."""


def main() -> None:
    """Print the figures of this file."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    hidden = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _measure(
            "SQLite", lambda part: SqliteStore.open(folder / part), _file_size(folder), size, hidden
        )
    try:
        server = Server(buffers=BUFFERS)
    except NoServer as wrong:
        print(f"PostgreSQL skipped: {wrong}", file=sys.stderr)
        return
    try:
        with tempfile.TemporaryDirectory() as name, _database(server) as url:
            folder = Path(name)
            _measure(
                "PostgreSQL",
                lambda part: PostgresStore.open(url(part), folder / part),
                lambda part: _database_size(url(part)),
                size,
                hidden,
            )
    finally:
        server.close()


@contextmanager
def _database(server: Server) -> Iterator[Callable[[str], str]]:
    names: dict[str, str] = {}

    def url(part: str) -> str:
        if part not in names:
            names[part] = server.take()
        return server.url(names[part])

    yield url


def _file_size(folder: Path) -> Callable[[str], int]:
    return lambda part: sum(p.stat().st_size for p in (folder / part).iterdir())


def _database_size(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("VACUUM")
        row = db.execute("SELECT pg_database_size(current_database())").fetchone()
        empty = db.execute("SELECT pg_database_size('template0')").fetchone()
    assert row is not None
    assert empty is not None
    return int(row[0]) - int(empty[0])


def _objects(first: int, count: int) -> list[Attachment]:
    return [
        thing(
            "indicator",
            n,
            name=f"indicator {n}",
            pattern=f"[domain-name:value = 'host{n}.bad{n % 977}.example']",
            pattern_type="stix",
            valid_from="2026-11-22T08:00:00Z",
            labels=["malicious-activity", f"campaign-{n % 31}"],
            description="Seen in the traffic of an operator; see the report for context. " * 3,
        )
        for n in range(first, first + count)
    ]


def _ingest(
    store: Store, author: Author, first: int, count: int, to: list[str] | None = None
) -> tuple[float, float, int]:
    """Seconds of processor, seconds by the clock, raw bytes."""
    processor = clock = 0.0
    raw = 0
    for start in range(first, first + count, PER_STATEMENT * PER_COMMIT):
        items: list[Keeping] = []
        ids = []
        for part in range(
            start, min(start + PER_STATEMENT * PER_COMMIT, first + count), PER_STATEMENT
        ):
            objects = _objects(part, min(PER_STATEMENT, first + count - part))
            said = author.say(*objects, tlp="AMBER" if to else "GREEN", to=to or [])
            items.append((said, objects, said.audience, {}))
            ids.append(said.id)
            raw += len(said.raw) + sum(len(o.raw) for o in objects)
        a, b = time.process_time(), time.perf_counter()
        refused = store.keep_pending_many(items)
        enter_batch(store, ids)
        processor += time.process_time() - a
        clock += time.perf_counter() - b
        assert not any(refused)
    return processor, clock, raw


def enter_batch(store: Store, ids: list[str]) -> None:
    """Append with a root that costs nothing: the tree is measured elsewhere (record_throughput)."""
    from tests.unit.fakes import ORIGIN, checkpoint

    head = store.head()
    size = (head.size if head else 0) + len(ids)
    store.append(ids, [b"\x07" * 32], checkpoint(ORIGIN, size, b"\x07" * 32), head)


def _measure(
    name: str,
    open_store: Callable[[str], Store],
    size_of: Callable[[str], int],
    size: int,
    hidden: int,
) -> None:
    rng = random.Random(7)
    store = open_store("many")
    author = Author("cert.northland.example")
    _, first, _ = _ingest(store, author, 0, size // 10)
    processor, clock, raw = _ingest(store, author, size // 10, size - size // 10)
    count = size - size // 10
    figure(
        "B1",
        f"{name}: durable ingest, {PER_STATEMENT} objects a statement, {count / clock:.0f}/s"
        f" by the clock; the first tenth {size // 10 / first:.0f}",
        ours=count / processor,
        goal=">= 5000, flat",
        unit="objects/s of processor",
        n=size,
        seed=7,
    )
    mine = seen_by(store, "gridco.example")
    store.search("nothing-of-this", mine)  # all words are cut: nothing else runs beside the pages
    begun = store.page(EVERYTHING, mine, limit=1).entries[0].added
    last = begun + size
    times = [
        _timed(
            lambda: store.page(
                EVERYTHING,
                mine,
                after=rng.randrange(begun, max(last - PAGE, begun + 1)),
                limit=PAGE,
            )
        )
        for _ in range(TRIES)
    ]
    figure(
        "B2",
        f"{name}: a page of {PAGE} by date, p95",
        ours=_p95(times) * 1e3,
        goal="<= 50",
        unit="ms",
        n=size,
        seed=7,
    )
    ids = [o.cursor for o in store.select(mine, limit=PAGE)]
    times = [
        _timed(lambda: store.select(mine, after=rng.choice(ids), limit=PAGE)) for _ in range(TRIES)
    ]
    figure(
        "B2",
        f"{name}: a page of {PAGE} by type and id, p95",
        ours=_p95(times) * 1e3,
        goal="<= 50",
        unit="ms",
        n=size,
        seed=7,
    )
    store.close()
    figure(
        "B3",
        f"{name}: the store beside its raw bytes, words and all",
        ours=size_of("many") / raw,
        goal="<= 3",
        unit="times",
        n=size,
    )
    store = open_store("hidden")
    [tool] = _objects(0, 1)
    said = Author("cert.eastmere.example").say(tool)
    store.keep_pending(said, [tool], said.audience)
    enter(store, said.id)
    mine = seen_by(store, "gridco.example")
    alone = _reads(store, mine)
    _ingest(store, Author("cert.southmark.example"), 1, hidden, ["portco.example"])
    among = _reads(store, seen_by(store, "gridco.example"))
    for what in alone:
        figure(
            "B4",
            f"{name}: {what} of one visible object, among {hidden} hidden and among none",
            ours=among[what] * 1e3,
            peer=alone[what] * 1e3,
            ratio=among[what] / alone[what],
            goal="<= 1.2 times",
            unit="ms",
            n=hidden,
        )
    store.close()


def _reads(store: Store, mine: frozenset[int]) -> dict[str, float]:
    """Medians."""
    store.search("nothing-of-this", mine)  # all words are cut: nothing else runs beside the reads
    [id] = [one.id for one in store.select(mine)]
    calls: dict[str, Callable[[], object]] = {
        "select": lambda: store.select(mine),
        "page": lambda: store.page(EVERYTHING, mine),
        "count": lambda: store.count(mine),
        "versions": lambda: store.versions(id, mine),
        "statements": lambda: store.statements(mine),
    }
    return {
        name: statistics.median(_timed(call) for _ in range(5 * TRIES))
        for name, call in calls.items()
    }


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]


if __name__ == "__main__":
    main()
