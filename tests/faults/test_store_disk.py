"""Disks that are full, read-only or damaged: a typed error, a remedy, nothing half there."""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.fakes import EVERYBODY, Author, enter, publish, seen_by, thing

from tocsin.errors import StorageFullError, StoreError
from tocsin.store.files import TileFiles
from tocsin.store.interface import Attachment
from tocsin.store.sqlite import SqliteStore

ROOT = Path(__file__).resolve().parents[2]
MIB = 1024 * 1024


def mounted(folder: Path, options: str) -> bool:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A real disk of 4 MiB; None where we have no right to mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or not mounted(folder, "size=4m"):
        yield None
        return
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def big(n: int) -> Attachment:
    return Attachment.of(f"{n} ".encode() + os.urandom(200_000), "application/octet-stream")


def fill(store: SqliteStore, author: Author) -> int:
    """Keep statements with large attachments until the disk is full; how many were kept."""
    for n in range(200):
        item = big(n)
        chain = store.chain(author.party, "")
        said = author.say(item)
        try:
            store.keep_pending(said, [item], said.audience)
        except StorageFullError as wrong:
            full = wrong
            author.goes_on(chain)
            break
    assert "nothing of this write is kept" in full.message
    assert full.remedy
    check_kept(store, n)
    return n


def check_kept(store: SqliteStore, n: int) -> None:
    """Exactly the `n` acknowledged statements, each with its object; and reads work."""
    assert len(store.pending()) == n
    with store._reading() as db:
        for sql in (
            "SELECT count(*) FROM statement WHERE log_index IS NULL",
            "SELECT count(*) FROM said WHERE live = 0",
            "SELECT count(*) FROM object WHERE type = 'application/octet-stream'",
        ):
            assert db.execute(sql).fetchone() == (n,)
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def story(folder: Path, make_full: Any, make_room: Any) -> None:
    """A disk fills up, then there is room again; `make_*` are the two acts of the disk."""
    store = SqliteStore.open(folder)
    author = Author("cert.northland.example")
    tool = thing("tool", 1)
    publish(store, author.say(tool), tool)
    make_full()
    kept = fill(store, author)
    assert kept >= 1
    head = store.head()

    # The log cannot grow either, and says so; nothing of the append is there.
    waiting = [p.id for p in store.pending()]
    for size in (3000, 0):
        with contextlib.suppress(StorageFullError):
            for n in range(3000):
                store.keep_local("ballast", f"{size} {n}", os.urandom(size), None)
            raise AssertionError("the disk never filled up")
    with pytest.raises(StorageFullError):
        enter(store, *waiting)
    assert store.head() == head
    assert [p.id for p in store.pending()] == waiting
    assert store.count(seen_by(store, EVERYBODY)) == 1

    make_room()
    enter(store, *waiting)
    assert store.pending() == []
    assert len(store.statements(seen_by(store, EVERYBODY))) == kept + 1
    item = big(999)
    publish(store, author.say(item), item)
    store.close()
    store = SqliteStore.open(folder)
    assert len(store.statements(seen_by(store, EVERYBODY))) == kept + 2
    store.close()


def test_a_full_disk_refuses_and_goes_on_when_there_is_room(
    small_disk: Path | None,
) -> None:
    if small_disk is None:  # the next test comes nearest
        pytest.skip("no right to mount a small disk here")
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\1" * (2 * MIB))
    story(small_disk / "node", lambda: None, ballast.unlink)


def test_a_limit_on_file_size_refuses_and_goes_on_without_it(tmp_path: Path) -> None:
    code = "from tests.faults.test_store_disk import *\nlimited(Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "node")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def limited(folder: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    story(
        folder,
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, hard)),
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard)),
    )


def test_a_database_at_its_largest_refuses_whole_writes(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path)
    [pages] = store._writer.execute("PRAGMA page_count").fetchone()
    store._writer.execute(f"PRAGMA max_page_count = {pages + 160}")
    author = Author("cert.northland.example")
    kept = fill(store, author)
    assert kept >= 1
    store._writer.execute("PRAGMA max_page_count = 1000000")
    enter(store, *(p.id for p in store.pending()))
    assert len(store.statements(seen_by(store, EVERYBODY))) == kept
    store.close()


def test_a_write_that_fits_goes_through_beside_one_that_does_not(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path)
    [pages] = store._writer.execute("PRAGMA page_count").fetchone()
    gate = threading.Event()
    holder = threading.Thread(target=lambda: store._write(lambda _: gate.wait()))
    holder.start()
    store._writer.execute(f"PRAGMA max_page_count = {pages + 20}")
    outcome: dict[str, str] = {}

    def keep(key: str, size: int) -> None:
        try:
            store.keep_local("t", key, b"x" * size, None)
            outcome[key] = "kept"
        except StorageFullError:
            outcome[key] = "full"

    threads = [
        threading.Thread(target=keep, args=args)
        for args in (("a", 10), ("huge", 400_000), ("b", 10))
    ]
    for thread in threads:
        thread.start()
        time.sleep(0.02)
    gate.set()
    for thread in (*threads, holder):
        thread.join()
    assert outcome == {"a": "kept", "huge": "full", "b": "kept"}
    assert [r.key for r in store.list_local("t")] == ["a", "b"]
    store.close()


def test_tiles_on_a_full_disk_are_whole_or_absent(small_disk: Path | None) -> None:
    if small_disk is None:
        pytest.skip("no right to mount a small disk here")
    files = TileFiles(small_disk / "tlog", small_disk / "guard")
    written = 0
    with contextlib.suppress(StorageFullError):
        for n in range(10_000):
            files.write(f"tile/0/{n:03d}", bytes(8192))
            written = n + 1
    assert written > 100
    whole = [p for p in (small_disk / "tlog").rglob("*") if p.is_file()]
    assert [p.stat().st_size for p in whole] == [8192] * written
    whole[0].unlink()
    files.write(f"tile/0/{written:03d}", bytes(8192))


# --- read-only --------------------------------------------------------------------------------


@pytest.mark.parametrize("there_before", [True, False])
def test_a_read_only_folder_is_a_typed_error_with_a_remedy(
    tmp_path: Path, there_before: bool
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    as_root = os.geteuid() == 0
    if as_root and not mounted(folder, "size=4m"):
        pytest.skip("root may write everywhere, and mounts nothing here")
    if there_before:
        SqliteStore.open(folder / "node").close()
    try:
        if as_root:
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        else:
            folder.chmod(0o500)
            if there_before:
                (folder / "node").chmod(0o500)
                (folder / "node" / "lock").chmod(0o400)
                (folder / "node" / "tocsin.sqlite").chmod(0o400)
        with pytest.raises(StorageFullError) as refused:
            SqliteStore.open(folder / "node")
        assert str(folder) in refused.value.message
        assert "writable" in refused.value.remedy
    finally:
        if as_root:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        else:
            for path in (folder, folder / "node"):
                if path.exists():
                    path.chmod(0o700)


# --- damaged ----------------------------------------------------------------------------------


def full_store(folder: Path) -> Path:
    store = SqliteStore.open(folder)
    author = Author("cert.northland.example")
    for n in range(60):
        item = thing("tool", n, name="x" * 3000)
        publish(store, author.say(item), item)
    store.close()
    return folder / "tocsin.sqlite"


def read_all(folder: Path) -> None:
    with contextlib.closing(SqliteStore.open(folder)) as store:
        all_ = seen_by(store, EVERYBODY)
        assert store.head() is not None
        store.statements(all_)
        store.select(all_)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"this is no database " * 500, id="other bytes"),
        pytest.param(lambda data: b"\0" * 100 + data[100:], id="zeroed header"),
        pytest.param(lambda data: data[:4096], id="cut off after a page"),
        pytest.param(lambda data: data[:4096] + bytes(len(data) - 4096), id="zeroed pages"),
        pytest.param(lambda data: data[:4096] + os.urandom(len(data) - 4096), id="random pages"),
    ],
)
def test_a_damaged_database_is_a_typed_error_with_a_remedy(tmp_path: Path, damage: Any) -> None:
    path = full_store(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(StoreError) as refused:
        read_all(tmp_path)
    assert str(path) in refused.value.message
    assert "backup" in refused.value.remedy
    assert path.read_bytes() == before
    # The folder is not held by the attempt.
    path.unlink()
    SqliteStore.open(tmp_path).close()


# --- a disk that fails ------------------------------------------------------------------------


class FailingCommit:
    """A connection whose COMMIT says that the disk failed."""

    def __init__(self, db: sqlite3.Connection, name: str, *, after: bool) -> None:
        self._db, self._name, self._after = db, name, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def execute(self, sql: str, *given: Any) -> Any:
        if sql != "COMMIT":
            return self._db.execute(sql, *given)
        if self._after:
            self._db.execute(sql)
        wrong = sqlite3.OperationalError("disk I/O error")
        wrong.sqlite_errorname = self._name
        raise wrong


@pytest.mark.parametrize("persisted", [False, True])
def test_after_a_failed_sync_nothing_more_is_written_until_a_restart(
    tmp_path: Path, persisted: bool
) -> None:
    """Failed, and failed but persisted: a second sync would call lost pages safe."""
    store = SqliteStore.open(tmp_path)
    store.keep_local("t", "before", b"", None)
    real = store._writer
    failing: Any = FailingCommit(real, "SQLITE_IOERR_FSYNC", after=persisted)
    store._writer = failing
    with pytest.raises(StoreError, match="disk I/O error") as refused:
        store.keep_local("t", "during", b"", None)
    assert not isinstance(refused.value, StorageFullError)
    store._writer = real
    with pytest.raises(StoreError, match="takes no writes after a disk failure"):
        store.keep_local("t", "after", b"", None)
    assert store.local("t", "before") is not None
    store.close()
    store = SqliteStore.open(tmp_path)
    keys = [r.key for r in store.list_local("t")]
    assert keys == (["before", "during"] if persisted else ["before"])
    store.keep_local("t", "after", b"", None)
    store.close()
