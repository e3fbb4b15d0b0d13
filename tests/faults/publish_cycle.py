"""Publish cycles of the real store, files and sequencer, as a child process does them.

The child says what it promised as it goes (`Told`), so that whoever cuts it off, by a signal or by
the power, can ask afterwards whether the promise was kept. A story is a list of words:

    open | close | exit      the node starts; ends in good order; ends without closing anything
    say N | say N xB         N statements one after the other, each with an object of B bytes
    batch N                  N statements in one commit of the log
    keep N                   N statements kept and left pending

Run by itself: `python -m tests.faults.publish_cycle FOLDER FILE STORY FIRST [NORMAL|OFF]`: FILE
receives what was told, FIRST is the number of the first statement.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from msgspec import Struct
from tests.faults.sequencer_disk import AUTHOR, CLEAR, LOG, NOON, Clock

from tocsin.canonical import b64decode, b64encode
from tocsin.record.envelope import Verified, open_statement, sign, statement_id
from tocsin.record.sequencer import Sequencer, Waiting
from tocsin.record.statement import ObjectRef, compose
from tocsin.store import sqlite, writer
from tocsin.store.files import TileFiles
from tocsin.store.interface import Attachment
from tocsin.store.sqlite import SqliteStore

Tell = Callable[[bytes], None]


class Told(Struct, kw_only=True):
    """What a process said before it was cut off."""

    kept: list[str] = []
    """Ids whose keeping had returned: durable, even if not logged."""
    logged: list[tuple[str, int]] = []
    """Id and index of what was acknowledged."""
    shown: list[bytes] = []
    """Checkpoints that a reader could have taken."""

    def add(self, line: bytes) -> None:
        """One line of a report; what was cut off in the middle was not said."""
        word, _, rest = line.partition(b" ")
        if word == b"kept":
            self.kept.append(rest.decode())
        elif word == b"logged":
            id, _, index = rest.decode().partition(" ")
            self.logged.append((id, int(index)))
        elif word == b"shown":
            self.shown.append(b64decode(rest.decode()))

    @classmethod
    def of(cls, report: bytes) -> Told:
        told = cls(kept=[], logged=[], shown=[])
        for line in report.split(b"\n")[:-1]:
            told.add(line)
        return told


class Files(TileFiles):
    """Real files that tell what is shown once it is."""

    tell: Tell = staticmethod(lambda _: None)
    settle: Callable[[], None] = staticmethod(lambda: None)
    """Called before the guard, the first thing that the sequencer's own thread writes."""

    def write_guard(self, origin: str, size: int, root: bytes) -> None:
        self.settle()
        super().write_guard(origin, size, root)

    def write_checkpoint(self, data: bytes) -> None:
        super().write_checkpoint(data)
        self.tell(b"shown " + b64encode(data).encode() + b"\n")


@cache
def saying(number: int, size: int = 0) -> tuple[Verified, tuple[Attachment, ...]]:
    """The statement of this number, with an object of `size` bytes; always the same bytes."""
    objects: tuple[Attachment, ...] = ()
    if size:
        raw = random.Random(number).randbytes(size)
        objects = (Attachment.of(raw, "application/octet-stream"),)
    payload = compose(
        author=AUTHOR.party,
        key=AUTHOR.keyid,
        kind="say",
        seq=1,
        prev="",
        time=NOON,
        salt=f"{number:032x}",
        tlp="CLEAR",
        body={},
        case=f"case-{number}",  # each a chain of its own
        objects=[ObjectRef(id=o.id, sha256=o.sha256, type=o.type) for o in objects],
    )
    raw_envelope = sign(payload, [AUTHOR])
    _, opened = open_statement(raw_envelope)
    id = statement_id(raw_envelope)
    return Verified(id=id, raw=raw_envelope, statement=opened), objects


class Node:
    """A data folder with its log open. The guard lies outside `data`, as in a real folder.

    Args:
        tell: hears every promise once it is made.
        how: SQLite's `synchronous`, where it is not to be what the store sets.
        steady: the store's writer thread rests before another thread goes on, so that all disk
            calls come in one order.
    """

    def __init__(
        self, folder: Path, tell: Tell = lambda _: None, how: str = "", *, steady: bool = False
    ) -> None:
        self.store = SqliteStore.open(folder / "data")
        try:
            if how:  # a mutant: the store asks for FULL
                with self.store._guard:
                    self.store._writer.execute(f"PRAGMA synchronous = {how}")
            self.files = Files(folder / "data", folder / "guard" / "head")
            self.files.tell = tell
            self._held = saying(0)[0] if self.store.head() else None
            self._steady = steady
            self.files.settle = self.settle
            self.log = Sequencer(store=self.store, files=self.files, signer=LOG, clock=Clock())
            self.tell = tell
            self.log.recover()
        except BaseException:
            self.store.close()
            raise

    def keep(self, number: int, size: int = 0) -> tuple[str, Waiting]:
        verified, objects = saying(number, size)
        waiting = self.log.keep(verified, objects, CLEAR)
        self._held = verified
        self.settle()
        self.tell(b"kept " + verified.id.encode() + b"\n")
        return verified.id, waiting

    def settle(self) -> None:
        """Return when the writer has nothing more to do for what was asked of it before."""
        if self._steady and self._held is not None:
            # What is held is not kept again, and its turn comes after everything else.
            self.store.keep_pending(self._held, (), CLEAR)

    def wait(self, id: str, waiting: Waiting) -> None:
        receipt = waiting.wait()
        self.tell(f"logged {id} {receipt.index}\n".encode())

    def close(self) -> None:
        self.store.close()


def play(
    folder: Path,
    story: Sequence[str],
    first: int,
    tell: Tell = lambda _: None,
    how: str = "",
    *,
    steady: bool = False,
) -> int:
    """Do what the story says, with statements numbered from `first`; the next free number.

    Args:
        tell, how, steady: as `Node` takes them.
    """
    node: Node | None = None
    number = first
    for act in story:
        word, *rest = act.split()
        count = int(rest[0]) if rest else 0
        size = int(rest[1][1:]) if len(rest) > 1 else 0
        if word == "exit":
            return number
        if word == "open":
            node = Node(folder, tell, how, steady=steady)
            continue
        assert node is not None, story
        if word == "close":
            node.close()
            continue
        if word == "say":
            for _ in range(count):
                node.wait(*node.keep(number, size))
                number += 1
            continue
        waiting = [node.keep(number + n, size) for n in range(count)]
        number += count
        if word == "batch":
            for id, one in waiting:
                node.wait(id, one)
    return number


def be_steady(wal_bytes: int = 60_000) -> None:
    """The same disk calls in the same order every time, and the WAL moved within a few writes.

    Without this the store's own pace decides when it cuts words, and no test gets to 4 MiB.
    """
    writer.INDEX_AFTER = 3600.0
    sqlite.WAL_BYTES = wal_bytes


def prepare(folder: Path, size: int) -> Path:
    """A closed data folder whose log has `size` statements, numbered from 0."""
    node = Node(folder)
    try:
        for start in range(0, size, 5000):
            numbers = range(start, min(start + 5000, size))
            refused = node.store.keep_pending_many([(saying(n)[0], (), CLEAR, {}) for n in numbers])
            assert not any(refused)
        node.log.recover()
    finally:
        node.close()
    return folder


def in_memory(room: int) -> Path | None:
    """A folder where a sync costs nothing and `room` bytes fit, if this machine has one: for what
    needs no disk. None: the usual place for temporary files."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        return None
    free = os.statvfs(memory)
    return memory if free.f_bavail * free.f_frsize >= room else None


def main(argv: Sequence[str]) -> None:
    folder, report, story, first, *how = argv
    be_steady()
    descriptor = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    play(
        Path(folder),
        story.split(","),
        int(first),
        lambda line: void(os.write(descriptor, line)),
        *how,
    )
    os._exit(0)  # nothing is closed in passing: what a story wants closed it says


def void(_: object) -> None:
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
