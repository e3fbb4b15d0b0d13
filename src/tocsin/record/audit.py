"""The audit of a whole log from what it publishes: every entry, every tile, up to the signed root.

An inclusion proof speaks of one entry. An auditor reads them all: then no entry can be shown to
one reader and hidden from another under the same checkpoint, and a log that has grown since the
last audit is seen to have kept what it had. Nothing here says what an entry means: the log holds
commitments only. Spec: record.md, "Log"; C2SP tlog-tiles v0.1.0; RFC 6962 §2.1.

    1 checkpoint  signed by the log's keys
    2 entries     each bundle of the right width, each entry 0x01 and 32 bytes, none twice
    3 leaves      the level-0 tile beside each bundle holds the hashes of its entries
    4 tiles       every higher tile holds the roots of those below
    5 root        the right edge leads to the root in the checkpoint
    6 older       each checkpoint kept from before has the root that this tree had at its size
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256

from msgspec import Struct

from tocsin.canonical import b64encode
from tocsin.errors import NoteError, ProofError
from tocsin.record import checkpoint as notes
from tocsin.record import merkle, tiles
from tocsin.record.checkpoint import Checkpoint, VerifierKey

Read = Callable[[str], bytes | None]
"""A path of tlog-tiles (`tile/0/000`) → its bytes, or None where there is none."""

MAX_PROBLEMS = 100
"""Of a damaged log the first are told; the rest is counted."""

_STEP = tiles.ENTRY_BYTES + 2
_PREFIX = b"\x00\x21\x01"
_KEEP = "keep a copy of both; ask the log's owner, and compare with what its witnesses hold"


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that does not hold."""

    step: str
    """checkpoint, entries, leaves, tiles, root or older."""
    where: str
    """The path, with the entry's index where one entry is at fault."""
    detail: str
    """With both hashes, in hex, where two differ."""
    remedy: str
    index: int | None = None
    """Of the entry at fault."""


class Audit(Struct, frozen=True, kw_only=True):
    """What an audit found. It is good if and only if there is no problem."""

    origin: str
    size: int
    root: str
    """Standard base64; "" where no checkpoint could be read."""
    signatures: tuple[str, ...]
    """Kinds of the log's own lines that verified."""
    entries: int
    """Read and hashed."""
    tiles: int
    """Hash tiles compared."""
    older: tuple[int, ...]
    """Sizes of the earlier checkpoints that this tree extends."""
    problems: tuple[Finding, ...]
    more: int = 0
    """Problems beyond those listed."""

    @property
    def ok(self) -> bool:
        """Whether all of it holds."""
        return not self.problems


def audit(
    note: bytes,
    read: Read,
    keys: Sequence[VerifierKey],
    *,
    older: Sequence[bytes] = (),
    commitments: Callable[[int, int], Sequence[bytes]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """Read a log whole and compare it with its checkpoint.

    Args:
        note: the checkpoint, as published.
        read: gives the log's tiles and entry bundles.
        keys: verifier keys the reader holds for this log; without any, nothing is anchored.
        older: checkpoints of the same log kept from earlier.
        commitments: (start, count) → what another source (the store) holds as entries, 32 bytes
            each; they must be the same.
        progress: called with (entries done, entries in all), at every bundle.
    """
    return _Auditing(read, commitments, progress).run(note, keys, older)


class _Auditing:
    def __init__(
        self,
        read: Read,
        commitments: Callable[[int, int], Sequence[bytes]] | None,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._read = read
        self._commitments = commitments
        self._progress = progress
        self._problems: list[Finding] = []
        self._more = 0
        self._tiles = 0
        self._entries = 0
        self._seen: dict[bytes, int] = {}

    def _say(
        self, step: str, where: str, detail: str, remedy: str = _KEEP, index: int | None = None
    ) -> None:
        if len(self._problems) >= MAX_PROBLEMS:
            self._more += 1
            return
        self._problems.append(
            Finding(step=step, where=where, detail=detail, remedy=remedy, index=index)
        )

    def run(self, note: bytes, keys: Sequence[VerifierKey], older: Sequence[bytes]) -> Audit:
        head, signatures = self._checkpoint(note, keys)
        if head is None:
            return self._result(head, signatures, ())
        marks = self._older(head, keys, older)
        if head.size == 0:
            if head.root != sha256(b"").digest():
                self._say("root", "checkpoint", "size 0 with a root that no empty tree has")
            return self._result(head, signatures, ())
        held: list[int] = []
        edge = merkle.Edge()
        row: list[bytes] = []
        broken = False
        for number, leaves in enumerate(self._leaves(head.size)):
            if leaves is None:
                broken = True
                if self._more:  # a log may say any size and show nothing of it
                    break
                continue
            start = number * tiles.WIDTH
            full = len(leaves) == tiles.WIDTH
            if full:
                row.append(merkle.perfect_root(leaves))
            if broken:
                continue
            if full and not any(start < mark < start + tiles.WIDTH for mark in marks):
                edge.append_subtree(tiles.HEIGHT, row[-1])
                self._mark(edge, marks, held)
            else:
                for leaf in leaves:
                    edge.append(leaf)
                    self._mark(edge, marks, held)
        if broken:
            return self._result(head, signatures, tuple(held))
        self._higher(row)
        root = edge.root()
        if root != head.root:
            self._say(
                "root",
                "checkpoint",
                f"its {head.size} entries lead to {root.hex()}, and it says {head.root.hex()}",
            )
        return self._result(head, signatures, tuple(held))

    def _result(
        self, head: Checkpoint | None, signatures: tuple[str, ...], older: tuple[int, ...]
    ) -> Audit:
        return Audit(
            origin=head.origin if head else "",
            size=head.size if head else 0,
            root=b64encode(head.root) if head else "",
            signatures=signatures,
            entries=self._entries,
            tiles=self._tiles,
            older=older,
            problems=tuple(self._problems),
            more=self._more,
        )

    # 1 checkpoint

    def _checkpoint(
        self, data: bytes, keys: Sequence[VerifierKey]
    ) -> tuple[Checkpoint | None, tuple[str, ...]]:
        try:
            note = notes.open_note(data)
            head = notes.open_checkpoint(note.text)
        except NoteError as wrong:
            self._say("checkpoint", "checkpoint", wrong.message, wrong.remedy)
            return None, ()
        mine = [key for key in keys if key.name == head.origin]
        try:
            lines = notes.verify_note(note, mine)
        except NoteError as wrong:
            self._say("checkpoint", "checkpoint", wrong.message, wrong.remedy)
            return head, ()
        return head, tuple(notes.KIND_NAMES[line.key.kind] for line in lines)

    def _older(
        self, head: Checkpoint, keys: Sequence[VerifierKey], older: Sequence[bytes]
    ) -> dict[int, bytes]:
        """Size → root of the earlier checkpoints that were rightly signed."""
        marks: dict[int, bytes] = {}
        for data in older:
            found, _ = self._checkpoint(data, keys)
            if found is None:
                continue
            if found.origin != head.origin:
                self._say("older", found.origin, f"a checkpoint of {found.origin}, not this log's")
            elif found.size > head.size:
                self._say(
                    "older",
                    f"size {found.size}",
                    f"size went from {found.size} to {head.size}",
                )
            elif marks.setdefault(found.size, found.root) != found.root:
                self._say("older", f"size {found.size}", "two checkpoints with two roots")
        return marks

    # 2 entries, 3 leaves

    def _leaves(self, size: int) -> Iterator[list[bytes] | None]:
        """The leaf hashes of each bundle in order; None for one that is not there or broken."""
        for number in range((size + tiles.WIDTH - 1) // tiles.WIDTH):
            start = number * tiles.WIDTH
            width = min(tiles.WIDTH, size - start)
            path = tiles.entries_path(number, width)
            entries = self._bundle(path, start, width)
            if entries is None:
                yield None
                continue
            self._entries += width
            self._unique(path, start, entries)
            if self._commitments is not None:
                self._same(path, start, entries)
            leaves = [sha256(b"\x00" + entry).digest() for entry in entries]
            self._compare(tiles.tile_path(0, number, width), leaves, start)
            if self._progress is not None:
                self._progress(start + width, size)
            yield leaves

    def _bundle(self, path: str, start: int, width: int) -> list[bytes] | None:
        data = self._read(path)
        if data is None:
            self._say("entries", path, f"missing; entries {start} to {start + width - 1}")
            return None
        if len(data) == width * _STEP:
            # Every entry has one length: cut them out, then see that each cut is where one is.
            entries = [data[at + 2 : at + _STEP] for at in range(0, len(data), _STEP)]
            if all(data[at : at + 3] == _PREFIX for at in range(0, len(data), _STEP)):
                return entries
        try:
            found = tiles.open_bundle(data)
        except ProofError as wrong:
            self._say("entries", path, wrong.message)
            return None
        at = next((i for i, e in enumerate(found) if len(e) != 33 or e[0] != 1), None)
        if at is None:
            self._say("entries", path, f"{len(found)} entries, and {width} belong here")
        else:
            self._say(
                "entries",
                f"{path} entry {start + at}",
                f"{found[at][:40].hex()} is no 0x01 and 32 bytes",
                index=start + at,
            )
        return None

    def _unique(self, path: str, start: int, entries: Sequence[bytes]) -> None:
        """A statement is logged once: a second time would give it a second place in time."""
        for number, entry in enumerate(entries, start):
            before = self._seen.setdefault(entry, number)
            if before != number:
                self._say(
                    "entries",
                    f"{path} entry {number}",
                    f"commitment {entry[1:].hex()} stands at {before} already",
                    index=number,
                )

    def _same(self, path: str, start: int, entries: Sequence[bytes]) -> None:
        if self._commitments is None:
            return
        held = list(self._commitments(start, len(entries)))
        for number, entry in enumerate(entries):
            other = held[number] if number < len(held) else b""
            if entry[1:] != other:
                self._say(
                    "entries",
                    f"{path} entry {start + number}",
                    f"published {entry[1:].hex()}, and the store holds {other.hex() or 'nothing'}",
                    index=start + number,
                )

    def _compare(self, path: str, hashes: Sequence[bytes], start: int | None = None) -> None:
        """Compare a tile with the hashes that belong in it; name the first that differs."""
        self._tiles += 1
        data = self._read(path)
        wanted = b"".join(hashes)
        if data == wanted:
            return
        step = "tiles" if start is None else "leaves"
        if data is None:
            self._say(step, path, "missing")
            return
        if len(data) != len(wanted):
            self._say(step, path, f"{len(data)} bytes, and {len(wanted)} belong here")
            return
        for number, right in enumerate(hashes):
            there = data[number * merkle.HASH_BYTES : (number + 1) * merkle.HASH_BYTES]
            if there != right:
                index = None if start is None else start + number
                self._say(
                    step,
                    path if index is None else f"{path} entry {index}",
                    f"the tile says {there.hex()}, and what is below gives {right.hex()}",
                    index=index,
                )
                return

    # 4 tiles

    def _higher(self, row: Sequence[bytes]) -> None:
        level = 1
        while row:
            above = []
            for number in range(0, len(row), tiles.WIDTH):
                tile = row[number : number + tiles.WIDTH]
                self._compare(tiles.tile_path(level, number // tiles.WIDTH, len(tile)), tile)
                if len(tile) == tiles.WIDTH:
                    above.append(merkle.perfect_root(tile))
            row = above
            level += 1

    # 6 older

    def _mark(self, edge: merkle.Edge, marks: Mapping[int, bytes], held: list[int]) -> None:
        """Look at the root wherever an earlier checkpoint had one."""
        then = marks.get(edge.size)
        if then is None:
            return
        root = edge.root()
        if root == then:
            held.append(edge.size)
        else:
            self._say(
                "older",
                f"size {edge.size}",
                f"then {then.hex()}, and now {root.hex()}: it does not append to what it had",
            )
