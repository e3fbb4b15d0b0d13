"""A log in memory, with every tree it ever was, and what a witness remembers, without a disk."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from tocsin.errors import ConflictError
from tocsin.record import checkpoint as notes
from tocsin.record import fork, merkle
from tocsin.record.keys import LogSigner, WitnessSigner
from tocsin.record.witness import EMPTY_ROOT, Held

TIME = 1_795_334_400


class GrowingLog:
    """Leaves, the perfect subtrees over them, and signed checkpoints of any size so far."""

    def __init__(self, signer: LogSigner, leaves: Sequence[bytes] = (), *, both: bool = True):
        self.signer = signer
        self.origin = signer.name
        self.both = both
        """Sign with both keys; else only with Ed25519, which is quick and always the same."""
        self._levels: list[list[bytes]] = [[]]
        self._notes: dict[int, bytes] = {}
        for leaf in leaves:
            self.append(leaf)

    @property
    def size(self) -> int:
        return len(self._levels[0])

    @property
    def leaves(self) -> list[bytes]:
        return self._levels[0]

    @property
    def keys(self) -> list[notes.VerifierKey]:
        return [notes.open_vkey(text) for text in self.signer.vkeys()]

    def append(self, leaf: bytes) -> int:
        """Add a leaf hash; its index."""
        self._levels[0].append(leaf)
        for level, row in enumerate(self._levels):
            if len(row) % 2:
                break
            if level + 1 == len(self._levels):
                self._levels.append([])
            self._levels[level + 1].append(merkle.node_hash(row[-2], row[-1]))
        return self.size - 1

    def grow(self, count: int, word: str = "leaf") -> GrowingLog:
        """Add so many leaves, each another for another word or place."""
        for _ in range(count):
            self.append(merkle.leaf_hash(f"{word} {self.size}".encode()))
        return self

    def copy(self, size: int | None = None) -> GrowingLog:
        """Another history of the same log, equal up to `size`."""
        return GrowingLog(self.signer, self.leaves[:size], both=self.both)

    def get_hash(self, level: int, index: int) -> bytes:
        return self._levels[level][index]

    def root(self, size: int | None = None) -> bytes:
        size = self.size if size is None else size
        return merkle.range_root(0, size, self.get_hash) if size else EMPTY_ROOT

    def head(self, size: int | None = None) -> notes.Checkpoint:
        size = self.size if size is None else size
        return notes.Checkpoint(origin=self.origin, size=size, root=self.root(size))

    def note(self, size: int | None = None) -> bytes:
        """The signed checkpoint; signed once for each size."""
        size = self.size if size is None else size
        if size not in self._notes:
            self._notes[size] = self.sign(self.head(size))
        return self._notes[size]

    def sign(self, head: notes.Checkpoint) -> bytes:
        if self.both:
            return notes.sign_checkpoint(head, self.signer, TIME)
        key = notes.VerifierKey(name=self.origin, kind=notes.ED25519, public=self.signer.public)
        blob = self.signer.sign_ed25519(head.text.encode())
        line = notes.NoteLine(name=self.origin, keyid=key.keyid, blob=blob)
        return notes.write_note(head.text, [line])

    def path(self, old: int, new: int | None = None) -> list[bytes]:
        """The consistency proof as a witness request holds it."""
        new = self.size if new is None else new
        return merkle.consistency_path(old, new, self.get_hash) if old else []

    def fork_path(self, old: int, new: int | None = None) -> list[bytes]:
        return fork.fork_path(self.get_hash, old, self.size if new is None else new)


class MemoryState:
    """A `WitnessState` that keeps its word but not over a restart."""

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}
        self._lock = threading.Lock()

    def read(self, origin: str) -> Held | None:
        return self.held.get(origin)

    def advance(self, new: Held, expected: Held | None) -> None:
        with self._lock:
            if self.held.get(new.origin) != expected:
                raise ConflictError(f"{new.origin} has moved on", remedy="read it again")
            self.held[new.origin] = new


class QuickSigner:
    """A witness's keys whose ML-DSA line is blank: no rule here looks at it, and it costs most."""

    def __init__(self, signer: WitnessSigner) -> None:
        self.name, self.public = signer.name, signer.public
        self.mldsa_public = signer.mldsa_public
        self.sign_ed25519 = signer.sign_ed25519

    def sign_mldsa(self, message: bytes) -> bytes:
        return bytes(2420)
