"""One log as one dossier shows it: its checkpoints, from when they were cosigned, and its paths.

Spec: record.md, "Dossier": *not after* is the earliest quorum time that covers an index.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from hashlib import sha256

from msgspec import Struct

from tocsin.canonical import b64encode
from tocsin.record import checkpoint as notes
from tocsin.record import merkle
from tocsin.record.checkpoint import Checkpoint, Policy
from tocsin.record.directory import KeyRing
from tocsin.record.verdict import LogVerdict, log_verdict


class Point(Struct, frozen=True, kw_only=True):
    """A checkpoint that verified, and when a quorum had cosigned it."""

    checkpoint: Checkpoint
    note: bytes
    quorum: bool
    time: int | None
    """Seconds since 1970; None where no witness tells the time."""


class ShownLog:
    """One log of one file: its newest checkpoint, its older ones, its key ring."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.newest: Point | None = None
        self.older: list[Point] = []
        self.lines: tuple[notes.SignedLine, ...] = ()
        self.witnesses: tuple[tuple[str, int], ...] = ()
        self.ring: KeyRing | None = None
        self.times: dict[tuple[int, str], int] = {}
        """(size, root) of a checkpoint → when a quorum had cosigned it."""
        self._bounds: list[tuple[int, int]] = []
        """(size, earliest time of that and every larger checkpoint), smallest size first."""

    def points(self) -> list[Point]:
        """All checkpoints that verified, smallest first."""
        return [*self.older, *([self.newest] if self.newest else [])]

    def settle(self) -> None:
        """All checkpoints are in: note from when on which of them were cosigned, for each once."""
        earliest: int | None = None
        for point in sorted(self.points(), key=lambda p: -p.checkpoint.size):
            if point.time is not None:
                earliest = point.time if earliest is None else min(earliest, point.time)
                self._bounds.append((point.checkpoint.size, earliest))
                head = point.checkpoint
                self.times[head.size, b64encode(head.root)] = point.time
        self._bounds.reverse()

    def not_after(self, index: int) -> int | None:
        """The earliest time by which a quorum had cosigned this index."""
        at = bisect_right(self._bounds, index, key=lambda bound: bound[0])
        return self._bounds[at][1] if at < len(self._bounds) else None

    def verdict(self) -> LogVerdict:
        """What a reader is told of it."""
        newest = self.newest
        return log_verdict(
            self.origin,
            newest.checkpoint if newest else None,
            self.lines,
            newest is not None and newest.quorum,
            self.witnesses,
        )


def quorum_time(policy: Policy, witnesses: Sequence[tuple[str, int]]) -> int | None:
    """The earliest time by which the quorum was there; None if it needs no witness."""
    if policy.satisfied(()):
        return None
    counted: list[str] = []
    for name, time in sorted(witnesses, key=lambda pair: pair[1]):
        counted.append(name)
        if policy.satisfied(counted):
            return time
    return None


class Inclusions:
    """Checks paths to one root, one after the other; neighbours share most of their hashing.

    Two paths that agree in every hash from some node up, and reach that node with one hash, lead
    to one root: the second need not be hashed further. Every hash of it has still been compared.
    """

    __slots__ = ("_head", "_path", "_steps")

    def __init__(self, head: Checkpoint) -> None:
        self._head = head
        self._path: tuple[bytes, ...] = ()
        self._steps: list[tuple[int, int, bytes]] = []
        """Of the last path that led to the root: (place, last place, hash) before each step."""

    def check(self, leaf: bytes, index: int, path: tuple[bytes, ...]) -> None:
        """Return if the leaf is at `index` under the root.

        Raises:
            ProofError: it is not, or something has the wrong shape.

        Spec: RFC 9162 §2.1.3.2.
        """
        head = self._head
        if not 0 <= index < head.size or len(path) > merkle.MAX_PATH:
            merkle.verify_inclusion(leaf, index, head.size, path, head.root)
        place, last, root = index, head.size - 1, leaf
        before, tail = self._steps, self._path
        same = len(path) == len(tail)
        steps: list[tuple[int, int, bytes]] = []
        for number, sibling in enumerate(path):
            step = (place, last, root)
            if same and step == before[number] and path[number:] == tail[number:]:
                self._steps, self._path = [*steps, *before[number:]], path
                return
            if last == 0:
                break
            steps.append(step)
            if place & 1 or place == last:
                root = sha256(b"\x01" + sibling + root).digest()
                while not place & 1 and place:
                    place >>= 1
                    last >>= 1
            else:
                root = sha256(b"\x01" + root + sibling).digest()
            place >>= 1
            last >>= 1
        if last or root != head.root or len(steps) != len(path):
            merkle.verify_inclusion(leaf, index, head.size, path, head.root)  # says what is wrong
        self._steps, self._path = steps, path
