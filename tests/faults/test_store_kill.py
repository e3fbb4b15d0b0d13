"""Kill -9 at any statement of SQL, and at any moment: nothing acknowledged is lost, nothing is
half there, and what was pending can be finished.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from tests.unit.fakes import EVERYBODY, Author, claim, enter, seen_by, thing

from tocsin.errors import NodeBusyError
from tocsin.record.envelope import Verified
from tocsin.store.interface import Attachment, Purge, Store
from tocsin.store.sqlite import SqliteStore
from tocsin.store.writer import INDEX_AFTER

ROOT = Path(__file__).resolve().parents[2]
NORTHLAND = "cert.northland.example"
PAIRS = 4


def pair(n: int) -> tuple[Attachment, Attachment]:
    return thing("tool", n, name=f"tool{n}"), claim(n, content=f"claim{n}")


def child(act: Callable[[SqliteStore, int], None], folder: Path, n: int = 0) -> Popen[str]:
    """Another process that opens the store and does one of the acts below."""
    code = f"from {__name__} import *; run({act.__name__}, sys.argv)"
    return Popen(
        [sys.executable, "-c", code, str(folder), str(n)],
        cwd=ROOT,
        stdout=PIPE,
        stderr=PIPE,
        text=True,
    )


def rest(process: Popen[str]) -> tuple[str, str]:
    """What a killed process had still said.

    `communicate` reads past what `readline` has fetched ahead: lines would be lost, and one would
    lack its beginning.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    said = process.stdout.read(), process.stderr.read()
    process.wait(60)
    return said


def run(act: Callable[[SqliteStore, int], None], argv: list[str]) -> None:
    act(SqliteStore.open(Path(argv[1])), int(argv[2]))


def killed_at(
    act: Callable[[SqliteStore, int], None], folder: Path, points: range
) -> dict[int, list[str]]:
    """Do the act in a process for each point, in a folder of its own; what each said before.

    A point that the act does not reach has "alive" as its last word.
    """
    code = f"from {__name__} import *; fork_at({act.__name__}, sys.argv)"
    words = [str(folder), str(points.start), str(points.stop)]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said: dict[int, list[str]] = {point: [] for point in points}
    for line in done.stdout.splitlines():
        point, _, word = line.partition(" ")
        said[int(point)].append(word)
    return said


def fork_at(act: Callable[[SqliteStore, int], None], argv: list[str]) -> None:
    for point in range(int(argv[2]), int(argv[3])):
        pid = os.fork()
        if pid == 0:
            act(SqliteStore.open(Path(argv[1]) / str(point)), point)
            say(point, "alive")
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0


def say(point: int, word: str) -> None:
    os.write(1, f"{point} {word}\n".encode())


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(store: SqliteStore, n: int) -> None:
    """Have this process killed just before the n-th statement of SQL that the writer runs."""
    left = n

    def count(_: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            die()

    store._writer.set_trace_callback(count)


def check(store: Store) -> None:
    """What must hold in every state that a crash can leave."""
    all_ = seen_by(store, EVERYBODY)
    head = store.head()
    size = head.size if head else 0
    logged = store.statements(all_)
    assert [k.index for k in logged] == list(range(size))
    assert [bytes.fromhex(k.id) for k in logged] == store.entries(0, size + 1)
    assert {p.id for p in store.pending()}.isdisjoint(k.id for k in logged)
    gone = {k.seq for k in logged if k.withdrawn}
    says = [k for k in logged if k.kind == "say"]
    for kept in says:
        tool, note = (store.versions(o.id, all_) for o in pair(kept.seq))
        # Both objects of a logged statement are there, or withdrawn, together.
        assert [len(tool), len(note)] == [0 if kept.seq in gone else 1, 1]
        assert note[0].withdrawn is (kept.seq in gone)
        assert len(store.search(f"claim{kept.seq}", all_)) == 1
    assert store.count(all_) == 2 * len(says) - len(gone)


def finish(store: Store) -> None:
    """What a restart does with what is pending."""
    waiting = [p.id for p in store.pending()]
    enter(store, *waiting)
    assert store.pending() == []
    check(store)


# --- what a child does ------------------------------------------------------------------------


def keep(store: SqliteStore, author: Author, point: int) -> Verified:
    for n in range(1, PAIRS + 1):
        said = author.say(*pair(n))
        store.keep_pending(said, pair(n), said.audience)
        say(point, said.id)
    return said


def keep_and_die(store: SqliteStore, point: int) -> None:
    keep(store, Author(NORTHLAND), point)
    die()


def die_keeping(store: SqliteStore, point: int) -> None:
    die_at(store, point)
    keep(store, Author(NORTHLAND), point)


def die_appending(store: SqliteStore, point: int) -> None:
    author = Author(NORTHLAND)
    gone = author.withdraw(keep(store, author, point))
    store.keep_pending(gone, [], gone.audience)
    store._index_all()  # so that the writer does nothing but the append
    time.sleep(2 * INDEX_AFTER)
    waiting = [p.id for p in store.pending()]
    die_at(store, point)
    enter(store, *waiting)
    say(point, "appended")


def live(store: SqliteStore, _: int) -> None:
    """Keep and log without end, going on with the chain where the last life ended."""
    author = Author(NORTHLAND)
    print("up", flush=True)
    while True:
        chain = store.chain(NORTHLAND, "")
        seq = chain.seq if chain else 0
        author.goes_on(chain)
        said = author.say(*pair(seq + 1))
        store.keep_pending(said, pair(seq + 1), said.audience)
        print("kept", said.id, flush=True)
        waiting = [p.id for p in store.pending()]
        if len(waiting) >= 3:
            enter(store, *waiting)
            for id in waiting:
                print("logged", id, flush=True)


def hold(_: SqliteStore, seconds: int) -> None:
    print("up", flush=True)
    time.sleep(seconds)


# --- what must hold afterwards ----------------------------------------------------------------


def test_a_kill_between_keeping_and_logging_leaves_it_pending(tmp_path: Path) -> None:
    said = killed_at(keep_and_die, tmp_path, range(1))[0]
    store = SqliteStore.open(tmp_path / "0")
    assert [p.id for p in store.pending()] == said
    assert store.select(seen_by(store, EVERYBODY)) == []
    check(store)
    finish(store)
    assert store.count(seen_by(store, EVERYBODY)) == 2 * PAIRS
    store.close()


def test_a_kill_in_the_middle_of_an_append_undoes_all_of_it(tmp_path: Path) -> None:
    reached = 0
    for point, said in killed_at(die_appending, tmp_path, range(1, 41)).items():
        store = SqliteStore.open(tmp_path / str(point))
        check(store)
        if "alive" in said:
            assert store.pending() == []
        else:
            reached += 1
            assert "appended" not in said
            assert len(store.pending()) == PAIRS + 1
            assert store.head() is None
            finish(store)
        assert store.count(seen_by(store, EVERYBODY)) == 2 * PAIRS - 1
        store.close()
    assert 12 < reached < 40, reached  # every statement of the append, its COMMIT the last


def test_a_kill_while_keeping_keeps_whole_statements_only(tmp_path: Path) -> None:
    whole = set()
    # One takes some twenty statements, and the index may run in between: well past the second.
    for point, said in killed_at(die_keeping, tmp_path, range(1, 61)).items():
        store = SqliteStore.open(tmp_path / str(point))
        waiting = [p.id for p in store.pending()]
        assert waiting == said[:PAIRS]
        objects = store._writer.execute("SELECT count(*) FROM object").fetchone()
        assert objects == (2 * len(waiting),)
        whole.add(len(waiting))
        finish(store)
        store.close()
    assert whole >= {0, 1, 2}


@pytest.mark.parametrize("seed", range(3))
def test_a_kill_at_any_moment_loses_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    """Several lives of one store, each ended at a random moment; the next goes on from there."""
    rng = random.Random(seed)
    said: dict[str, set[str]] = {"kept": set(), "logged": set()}
    for _ in range(3):
        with child(live, tmp_path) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            time.sleep(rng.random() * 0.15)
            process.kill()
            out, err = rest(process)
        assert process.returncode == -signal.SIGKILL, err
        for line in out.splitlines():
            word, _, id = line.partition(" ")
            if len(id) == 64:  # the kill may cut a line off
                said[word].add(id)
        store = SqliteStore.open(tmp_path)
        check(store)
        held = {k.id for k in store.statements(seen_by(store, EVERYBODY))}
        assert held >= said["logged"]
        assert held | {p.id for p in store.pending()} >= said["kept"]
        store.close()
    assert said["kept"]
    store = SqliteStore.open(tmp_path)
    finish(store)
    store.close()


def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    with child(hold, tmp_path, 60) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        with pytest.raises(NodeBusyError, match=f"process {process.pid}"):
            SqliteStore.open(tmp_path)
        process.kill()
    SqliteStore.open(tmp_path).close()


# --- a purge cut off ----------------------------------------------------------------------------


SPILT = b"jane-doe-of-ward-7"


def purge_of_pair(store: SqliteStore) -> Purge:
    [note] = store.versions(pair(2)[1].id, seen_by(store, EVERYBODY))
    return Purge(
        what="object", id=note.sha256, time="2026-11-22T09:00:00Z", actor="ada", why="spilt"
    )


def die_purging(store: SqliteStore, point: int) -> None:
    keep(store, Author(NORTHLAND), point)
    enter(store, *(p.id for p in store.pending()))
    store.keep_local("report", "r", SPILT * 999, None)
    store._index_all()
    time.sleep(2 * INDEX_AFTER)
    one = purge_of_pair(store)
    die_at(store, point)
    store.purge(one, [("report", "r")])
    say(point, "purged")


def holding(folder: Path, needle: bytes) -> list[str]:
    return [p.name for p in folder.rglob("*") if p.is_file() and needle in p.read_bytes()]


def test_a_kill_in_the_middle_of_a_purge_leaves_all_of_it_or_nothing(tmp_path: Path) -> None:
    cut_off = set()
    for point, said in killed_at(die_purging, tmp_path, range(1, 41)).items():
        folder = tmp_path / str(point)
        store = SqliteStore.open(folder)
        note = pair(2)[1]
        all_ = seen_by(store, EVERYBODY)
        [held] = store.holdings(note.id, all_)
        if held.purge is None:
            assert "purged" not in said
            assert store.object(held.id, all_) is not None
            cut_off.add("before")
            store.purge(purge_of_pair(store), [("report", "r")])
        else:
            cut_off.add("purged" if "purged" in said else "after")
        # The start has finished what it found half done: nobody has to ask again.
        assert store.local("report", "r") is None
        assert holding(folder, SPILT) == []
        assert holding(folder, note.raw) == []
        assert store.search("claim2", all_) == []
        assert len(store.search("claim1", all_)) == 1
        store.close()
    assert cut_off == {"before", "after", "purged"}
