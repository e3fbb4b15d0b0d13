"""An in-memory disk for the sequencer that fails where it is told to, in both ways."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Literal

from msgspec import Struct

from tocsin.canonical import b64decode
from tocsin.errors import ChainError, ConflictError, StoreError, TocsinError
from tocsin.policy import Audience
from tocsin.record import checkpoint as cp
from tocsin.record import keys, merkle
from tocsin.record.envelope import Verified, open_statement, sign, statement_id
from tocsin.record.keys import LogSigner, Signer
from tocsin.record.seal import VerifiedSeal
from tocsin.record.sequencer import HeadLike, Keeping, Opened, Sequencer, Witnesses
from tocsin.record.statement import compose

ORIGIN = "cert.northland.example/log"
LOG = LogSigner.from_seeds(ORIGIN, b"\x01" * 32, b"\x02" * 32)
AUTHOR = Signer.from_seed(b"\x05" * 32, "cert.northland.example")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

Way = Literal["failed", "failed but persisted"]
NO_AUDIENCES: Mapping[str, Audience] = {}


class Head(Struct, frozen=True, kw_only=True):
    origin: str
    size: int
    root: bytes
    checkpoint: bytes


class Row(Struct, frozen=True, kw_only=True):
    id: str
    raw: bytes
    kind: str = "say"


class Disk:
    """What survives a crash. `fail_at` counts the writes from the next one on."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.waiting: list[Row] = []
        self.logged: list[Row] = []
        self.heads: list[Head] = []
        self.edges: list[list[bytes]] = []
        self.files: dict[str, bytes] = {}
        self.guard: Head | None = None
        self.shown: list[bytes] = []
        self.cosigned: dict[int, bytes] = {}
        self.refuse: set[str] = set()
        """Statements that `keep_pending_many` does not take."""
        self.writes: list[str] = []
        self.fail_at: int | None = None
        self.way: Way = "failed"

    def begin(self, step: str) -> bool:
        """Count a write. Raises where it is to fail; True where it fails after it was done."""
        self.writes.append(step)
        if self.fail_at is None:
            return False
        self.fail_at -= 1
        if self.fail_at >= 0:
            return False
        self.fail_at = None
        if self.way == "failed":
            raise StoreError(f"the disk failed at {step}", remedy="-")
        return True

    @staticmethod
    def end(failing: bool, step: str) -> None:
        if failing:
            raise StoreError(f"the disk failed after {step}", remedy="-")


class FakeLog:
    def __init__(self, disk: Disk) -> None:
        self.disk = disk

    def keep_pending(
        self,
        verified: Verified | VerifiedSeal,
        objects: Sequence[Any],
        audience: Audience,
        object_audiences: Mapping[str, Audience] = NO_AUDIENCES,
    ) -> None:
        with self.disk.lock:
            if any(row.id == verified.id for row in (*self.disk.waiting, *self.disk.logged)):
                return
            failing = self.disk.begin("keep")
            self.disk.waiting.append(Row(id=verified.id, raw=verified.raw))
            self.disk.end(failing, "keep")

    def keep_pending_many(self, items: Sequence[Keeping]) -> list[TocsinError | None]:
        with self.disk.lock:
            here = {row.id for row in (*self.disk.waiting, *self.disk.logged)}
            new = [verified for verified, *_ in items if verified.id not in here]
            wrong = {id: ChainError("taken", remedy="-", seq=1, head="") for id in self.disk.refuse}
            failing = self.disk.begin("keep")
            for verified in new:
                if verified.id not in wrong:
                    self.disk.waiting.append(Row(id=verified.id, raw=verified.raw))
            self.disk.end(failing, "keep")
        return [wrong.get(verified.id) for verified, *_ in items]

    def pending(self) -> list[Row]:
        with self.disk.lock:
            return list(self.disk.waiting)

    def waiting(self) -> list[Row]:
        return self.pending()

    def append(
        self,
        batch: Sequence[str],
        edge: Sequence[bytes],
        checkpoint: bytes,
        expected: HeadLike | None,
    ) -> None:
        with self.disk.lock:
            old = self.disk.heads[-1] if self.disk.heads else None
            said = (expected.origin, expected.size, expected.root) if expected else None
            if said != ((old.origin, old.size, old.root) if old else None):
                raise ConflictError("another head", remedy="-")
            by_id = {row.id: row for row in self.disk.waiting}
            if any(id not in by_id for id in batch):
                raise ConflictError("not pending", remedy="-")
            failing = self.disk.begin("commit")
            origin, size, root = checkpoint.decode().split("\n")[:3]
            head = Head(origin=origin, size=int(size), root=b64decode(root), checkpoint=checkpoint)
            self.disk.logged += [by_id[id] for id in batch]
            self.disk.waiting = [row for row in self.disk.waiting if row.id not in batch]
            self.disk.heads.append(head)
            self.disk.edges.append(list(edge))
            assert len(self.disk.logged) == head.size
            self.disk.end(failing, "commit")

    def head(self) -> Head | None:
        return self.disk.heads[-1] if self.disk.heads else None

    def entries(self, start: int, count: int) -> list[bytes]:
        return [bytes.fromhex(row.id) for row in self.disk.logged[start : start + count]]

    def edge(self) -> list[bytes]:
        return list(self.disk.edges[-1]) if self.disk.edges else []

    def place(self, statement: str) -> int | None:
        with self.disk.lock:
            ids = [row.id for row in self.disk.logged]
        return ids.index(statement) if statement in ids else None

    def keep_checkpoint(self, size: int, note: bytes) -> None:
        with self.disk.lock:
            failing = self.disk.begin("keep checkpoint")
            self.disk.cosigned[size] = note
            self.disk.end(failing, "keep checkpoint")

    def checkpoints(self) -> list[tuple[int, bytes]]:
        with self.disk.lock:
            return sorted(self.disk.cosigned.items())


class FakeFiles:
    def __init__(self, disk: Disk) -> None:
        self.disk = disk

    def write(self, path: str, data: bytes) -> None:
        held = self.disk.files.get(path)
        if held is not None:
            if held != data:
                raise ConflictError(f"other bytes at {path}", remedy="-")
            return
        failing = self.disk.begin("tile")
        self.disk.files[path] = data
        self.disk.end(failing, "tile")

    def write_all(self, items: Sequence[tuple[str, bytes]]) -> None:
        for path, data in items:
            self.write(path, data)

    def read(self, path: str) -> bytes | None:
        return self.disk.files.get(path)

    def write_checkpoint(self, data: bytes) -> None:
        failing = self.disk.begin("publish")
        self.disk.shown.append(data)
        self.disk.end(failing, "publish")

    def read_guard(self) -> Head | None:
        return self.disk.guard

    def read_checkpoint(self) -> bytes | None:
        return self.disk.shown[-1] if self.disk.shown else None

    def write_guard(self, origin: str, size: int, root: bytes) -> None:
        failing = self.disk.begin("guard")
        self.disk.guard = Head(origin=origin, size=size, root=root, checkpoint=b"")
        self.disk.end(failing, "guard")


class Clock:
    """Goes on a second at each look, or wherever it is set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def start(
    disk: Disk,
    *,
    max_batch: int = 1000,
    opened: list[Opened] | None = None,
    witnesses: Witnesses | None = None,
    wait_s: float = 2.0,
) -> Sequencer:
    """A sequencer on this disk, not yet recovered."""
    return Sequencer(
        store=FakeLog(disk),
        files=FakeFiles(disk),
        signer=LOG,
        clock=Clock(),
        max_batch=max_batch,
        opened=None if opened is None else opened.extend,
        witnesses=witnesses,
        wait_s=wait_s,
        retry_s=0.5,
    )


@cache
def statement(number: int) -> Verified:
    """The statement of this number; the same for the same number."""
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
    )
    raw = sign(payload, [AUTHOR])
    _, opened = open_statement(raw)
    return Verified(id=statement_id(raw), raw=raw, statement=opened)


CLEAR = Audience(author=AUTHOR.party, tlp="CLEAR")


WITNESSES = {
    name: Signer.from_seed(bytes([n]) * 32, name)
    for n, name in ((7, "portco.example"), (8, "gridco.example"), (9, "westwater.example"))
}


def policy(quorum: str) -> cp.Policy:
    """All three witnesses; `quorum`: `two`, `all` or `none`."""
    rows = [f"log {LOG.vkeys()[0]}"]
    for name, signer in WITNESSES.items():
        rows.append(f"witness {name} {keys.vkey(name + '/witness', cp.COSIGNATURE, signer.public)}")
    if quorum != "none":
        rows.append(f"group {quorum} {quorum.replace('two', '2')} {' '.join(WITNESSES)}")
    rows.append(f"quorum {quorum}")
    return cp.open_policy(("\n".join(rows) + "\n").encode())


class FakeWitnesses:
    """Three witnesses in memory that check what they cosign, and fail where they are told to.

    Args:
        quorum: as `policy`.
    """

    def __init__(self, quorum: str = "two") -> None:
        self.policy = policy(quorum)
        self.lock = threading.Lock()
        self.held_by: dict[str, cp.Checkpoint] = {}
        self.notes: dict[str, bytes] = {}
        self.away: set[str] = set()
        self.asked: list[int] = []
        self.hang: threading.Event | None = None
        """Every call waits for it, whatever limit it was given."""
        self.before_answer: Callable[[], None] = lambda: None
        self.extra: list[cp.NoteLine] = []
        self.time = 1_700_000_000

    def cosign(
        self, checkpoint: bytes, consistency: Callable[[int], list[bytes]], wait_s: float
    ) -> tuple[cp.NoteLine, ...]:
        if self.hang:
            self.hang.wait(30)
        new = cp.open_checkpoint(cp.open_note(checkpoint).text)
        lines = []
        with self.lock:
            self.asked.append(new.size)
            for name, signer in WITNESSES.items():
                if name in self.away:
                    continue
                old = self.held_by.get(name)
                size = old.size if old else 0
                path = consistency(size)
                if old is not None:
                    merkle.verify_consistency(old.size, new.size, old.root, new.root, path)
                self.held_by[name], self.notes[name] = new, checkpoint
                self.time += 1
                lines.append(
                    cp.cosign_ed25519(new, name + "/witness", signer.public, signer.sign, self.time)
                )
        self.before_answer()
        return (*lines, *self.extra)

    def held(self, origin: str, wait_s: float) -> list[tuple[str, bytes | None]]:
        if self.hang:
            self.hang.wait(30)
        return [(name, self.notes.get(name)) for name in WITNESSES if name not in self.away]
