"""What a log asks of the rooms above it, and what it answers: `store/` and `peers.py` fit in here.

Spec: record.md, "Sequencer": its ports are arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from msgspec import Struct

from tocsin.errors import TocsinError
from tocsin.policy import Audience
from tocsin.record.envelope import Verified

if TYPE_CHECKING:
    from tocsin.record.seal import VerifiedSeal

NO_AUDIENCES: Mapping[str, Audience] = {}
Keeping: TypeAlias = (
    "tuple[Verified | VerifiedSeal, Sequence[Any], Audience, Mapping[str, Audience]]"
)
"""A statement to keep: verified, objects, audience, object_audiences."""


class GuardPort(Protocol):
    """The newest head that this node has begun to show to others."""

    @property
    def origin(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def root(self) -> bytes: ...


class HeadPort(GuardPort, Protocol):
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


class Log(Protocol):
    """What the sequencer asks of a store; `store.interface.Log` is one, and says what it owes."""

    def keep_pending(
        self,
        verified: Verified | VerifiedSeal,
        objects: Sequence[Any],
        audience: Audience,
        object_audiences: Mapping[str, Audience] = ...,
    ) -> None:
        """Keep durably, unseen. What is held already stays as it is."""

    def keep_pending_many(self, items: Sequence[Keeping]) -> Sequence[TocsinError | None]:
        """`keep_pending` of several in one transaction; for each what kept it out, or None."""

    def pending(self) -> Sequence[PendingPort]:
        """In the order in which they came."""

    def append(
        self,
        batch: Sequence[str],
        edge: Sequence[bytes],
        checkpoint: bytes,
        expected: HeadPort | None,
    ) -> None:
        """One transaction: pending → logged, edge, checkpoint; refused if the head is another."""

    def head(self) -> HeadPort | None:
        """None before the first append."""

    def entries(self, start: int, count: int) -> list[bytes]:
        """Commitments, 32 bytes each."""

    def edge(self) -> list[bytes]:
        """As the last append gave it."""

    def place(self, statement: str) -> int | None:
        """Log index; None if pending or unknown."""

    def keep_checkpoint(self, size: int, note: bytes) -> None:
        """Keep a cosigned checkpoint durably, in place of one with the same size."""

    def checkpoints(self) -> list[tuple[int, bytes]]:
        """The cosigned checkpoints kept, by size."""


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

    def read_guard(self) -> GuardPort | None:
        """None before the first write."""

    def write_guard(self, origin: str, size: int, root: bytes) -> None:
        """Replace the guard, durably. It lies on another path than the store."""


class Receipt(Struct, frozen=True, kw_only=True):
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


class Opened(Struct, frozen=True, kw_only=True):
    """A statement that has just become visible."""

    index: int
    id: str
    kind: str
    raw: bytes
