"""What a log asks of the rooms above it, and what it answers: `store/` and `peers.py` fit in here.

Spec: record.md, "Sequencer": its ports are arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from msgspec import Struct

from tocsin.errors import TocsinError
from tocsin.policy import Audience
from tocsin.record.envelope import Verified

if TYPE_CHECKING:
    from tocsin.record.seal import VerifiedSeal

NO_AUDIENCES: Mapping[str, Audience] = {}


class Keepable(Protocol):
    """Bytes that a statement names: an object as it arrived, or an attachment."""

    @property
    def raw(self) -> bytes: ...
    @property
    def sha256(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def spec_version(self) -> str | None: ...
    @property
    def created(self) -> str | None: ...
    @property
    def modified(self) -> str | None: ...


Keeping: TypeAlias = (
    "tuple[Verified | VerifiedSeal, Sequence[Keepable], Audience, Mapping[str, Audience]]"
)
"""A statement to keep: verified, objects, audience, object_audiences (`Log.keep_pending`)."""


class HeadLike(Protocol):
    """What is compared before a log grows: its newest head, or the guard's."""

    @property
    def origin(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def root(self) -> bytes: ...


class HeadPort(HeadLike, Protocol):
    """The log as the store holds it."""

    @property
    def checkpoint(self) -> bytes: ...


class PendingPort(Protocol):
    """A statement that is kept and not yet logged."""

    @property
    def id(self) -> str: ...
    @property
    def raw(self) -> bytes: ...
    @property
    def kind(self) -> str: ...


class Awaiting(Struct, frozen=True, kw_only=True, gc=False):
    """A `PendingPort` of an ordinary kind, without its envelope: the log holds the id alone."""

    id: str
    kind: str
    raw: bytes = b""


class Log(Protocol):
    """What the sequencer asks of a store. An error in any of these leaves the store as it was."""

    def keep_pending(
        self,
        verified: Verified | VerifiedSeal,
        objects: Sequence[Keepable],
        audience: Audience,
        object_audiences: Mapping[str, Audience] = NO_AUDIENCES,
    ) -> None:
        """Keep a statement and the objects it names, durably, and invisible to every read.

        A statement that is held already, pending or logged, is left as it is.

        Args:
            verified: only `record` makes one. Of a sealed statement the sealed file is kept, and
                no envelope: of all reads only `sealed`, `sealed_in` and `holdings` show it. It is
                named by what the log holds, `id`; what follows it in its chain and what takes it
                back name the id of what is `inside`.
            objects: the bytes of everything `statement.objects` names, but what the same author
                has said before. A `withdraw` takes back and brings nothing. For one that does not
                come stands `store.federation.Absent`: the statement is kept without it.
            audience: of the statement.
            object_audiences: sha256 → who may read that object by this statement, where its own
                marking makes that stricter (`policy.strictest`). Default: `audience`.

        A statement may stand behind a gap. The place before it is bound then: only what it names
        is kept there (`store.federation.Inboxes.places`).

        Raises:
            ChainError: its author has another statement at this place of this chain, or the one
                before it is not the one it names; also where such a place is bound.
            ConflictError: its author has sealed something else under the same id.
            StatementError: an object is named and not brought, or brought and not named.
            PurgedError: an object was purged here.
            StorageFullError: the disk is full; nothing of it is kept.
        """
        ...

    def keep_pending_many(self, items: Sequence[Keeping]) -> Sequence[TocsinError | None]:
        """Keep several statements in one transaction, in this order: much faster than singly.

        Args:
            items: (verified, objects, audience, object_audiences) of each, as `keep_pending`
                takes them.

        Returns:
            For each what kept it out, as `keep_pending` would raise it; None: it is kept. One
            that is refused leaves no trace, and does not hinder the others.

        Raises:
            StorageFullError: the disk is full; nothing of all this is kept.
        """
        ...

    def pending(self) -> Sequence[PendingPort]:
        """What is kept and not yet logged, in the order in which it came.

        After a log begins anew, first what was logged, in the order of that log.
        """
        ...

    def waiting(self) -> Sequence[PendingPort]:
        """`pending`; the envelopes of ordinary kinds may be left out (`Awaiting`)."""

    def append(
        self,
        batch: Sequence[str],
        edge: Sequence[bytes],
        checkpoint: bytes,
        expected: HeadLike | None,
    ) -> None:
        """Enter pending statements in the log, in one transaction, and open them to readers.

        They get the indexes size, size + 1, …; withdrawals among them take effect at once.

        Args:
            batch: ids of pending statements, in log order. May be empty, to renew a checkpoint.
            edge: the right edge of the tree after them, 32 bytes each.
            checkpoint: the signed note whose first lines are the new origin, size and root.
            expected: the head this was computed from; None for a log that has none yet.

        Raises:
            ConflictError: the store's (origin, size, root) is another, or a statement is not
                pending. Nothing has changed.
            StorageFullError: the disk is full. Nothing has changed.
        """
        ...

    def head(self) -> HeadPort | None:
        """The newest head; None before the first append."""
        ...

    def entries(self, start: int, count: int) -> list[bytes]:
        """Ids (32 bytes) of the statements at start, …, at most `count` of them."""
        ...

    def edge(self) -> list[bytes]:
        """The right edge, as the last append gave it."""
        ...

    def place(self, statement: str) -> int | None:
        """The log index of a statement; None if it is pending or unknown."""
        ...

    def keep_checkpoint(self, size: int, note: bytes) -> None:
        """Keep a checkpoint with a quorum of cosignatures, in place of one of the same size.

        Args:
            size: as the note says it.
            note: its first line is the origin.
        """
        ...

    def checkpoints(self) -> list[tuple[int, bytes]]:
        """(size, note) of what `keep_checkpoint` kept of the head's origin, by size."""
        ...


class TileFiles(Protocol):
    """Files beside the store; a write is durable when it returns."""

    def write(self, path: str, data: bytes) -> None:
        """Keep a tile. The same bytes again are nothing new; other bytes there are an error."""

    def write_all(self, items: Sequence[tuple[str, bytes]]) -> None:
        """`write` of each, in any order."""

    def read(self, path: str) -> bytes | None:
        """The tile's bytes; None where there is none."""

    def write_checkpoint(self, data: bytes) -> None:
        """Replace the published checkpoint, durably."""

    def read_checkpoint(self) -> bytes | None:
        """The published checkpoint; None before the first."""

    def read_guard(self) -> HeadLike | None:
        """None before the first write."""

    def write_guard(self, origin: str, size: int, root: bytes) -> None:
        """Replace the guard, durably. It lies on another path than the store."""


class Receipt(Struct, frozen=True, kw_only=True, gc=False):
    """Where a statement is in the log."""

    id: str
    index: int
    """Zero-based, below `size`."""
    size: int
    """Of the published checkpoint that covers it."""
    held: bool = False
    """It was in the log before."""
    quorum: bool = True
    """As many witnesses have cosigned it as this node's policy asks for; it may ask for none."""


class Opened(Struct, frozen=True, kw_only=True, gc=False):
    """A statement that has just become visible."""

    index: int
    id: str
    kind: str
    raw: bytes
    """Of an ordinary kind it may be left out."""
