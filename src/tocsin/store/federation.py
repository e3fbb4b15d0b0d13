"""What a store owes for the exchange with other nodes: what each may get, and what each brought.

A *peer* is the directory id of the party whose node it is. Who may read there is not the store's
business: `allowed` arrives as for every other read.
Spec: exchange.md §5; decisions/0032.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from tocsin.record.ports import NO_AUDIENCES

if TYPE_CHECKING:
    from tocsin.policy import Audience
    from tocsin.record.ports import Keepable


MAX_QUARANTINED = 1_000
MAX_QUARANTINED_BYTES = 64 << 20
"""Of one peer, together."""


class Absent(Struct, frozen=True, kw_only=True):
    """Stands among the objects of a statement for one that its bringer may not have, or not give.

    The statement is kept without it: no read shows it until it comes (`Inboxes.complete`).
    """

    sha256: str
    id: str
    type: str
    raw: bytes = b""
    spec_version: str | None = None
    created: str | None = None
    modified: str | None = None


class Outgoing(Struct, frozen=True, kw_only=True):
    """One row of a peer's outbox."""

    n: int
    """1, 2, … for this peer, without a hole: it tells nothing of what others get."""
    id: str
    """As the log holds it: of a sealed statement made of its author and the id inside, so that it
    is the same at every node."""
    kind: str
    """`sealed` where it is a sealed statement."""
    author: str
    chain: str
    """`Statement.chain`."""
    seq: int
    behind: int
    """The `seq` of the statement before it in this chain that is in this outbox; 0: none is."""
    came: bool
    """The peer has brought it itself."""
    present: bool
    """Its bytes are here; False: purged."""


class Given(Struct, frozen=True, kw_only=True):
    """That a statement is in a peer's outbox."""

    peer: str
    n: int
    at: str
    """When the peer said that it has it durably; "" while it has not."""
    came: bool
    """It has brought it itself."""


class HeldBack(Struct, frozen=True, kw_only=True):
    """What a peer brought and is not let in yet: unseen, never passed on, tried again."""

    peer: str
    id: str
    """Of the statement."""
    author: str
    chain: str
    seq: int
    reason: str
    """Name of the error."""
    message: str
    since: str
    """When it came first (20 characters)."""
    waits: tuple[str, ...] = ()
    """What could let it in, sorted: names given by whoever keeps it."""


class Quarantined(HeldBack, frozen=True, kw_only=True):
    """The same with its bytes, of which one peer's may be 64 MiB together."""

    item: bytes
    """As it came in the page."""


class Outboxes(Protocol):
    """What each peer may get, in an order of its own."""

    def fill(self, peer: str, allowed: frozenset[int], limit: int = 1_000) -> bool:
        """Put logged statements of these audiences into a peer's outbox, in log order.

        Also, of whatever audience, the withdrawals by its author of what the outbox holds. What an
        audience holds that was not among `allowed` before is put behind what is there. Nothing is
        ever taken out, and nothing stands in it twice.

        Args:
            limit: statements that are looked at in this transaction, about.

        Returns:
            Whether there is more: ask again.
        """
        ...

    def outbox(
        self, peer: str, after: int = 0, limit: int = 1_000, *, kind: str | None = None
    ) -> list[Outgoing]:
        """The rows behind number `after`, by number; of one kind where `kind` is given."""
        ...

    def outbox_end(self, peer: str) -> tuple[int, str]:
        """The last number of an outbox and the id there; (0, "") while it is empty."""
        ...

    def outbox_lag(self, peer: str) -> int:
        """How many rows of an outbox the peer has neither brought nor said to have."""
        ...

    def wanted(self, peer: str, prefixes: Sequence[bytes]) -> list[Outgoing]:
        """The rows whose statement's id begins with one of these (6 bytes or more), by number."""
        ...

    def receipt(self, peer: str, n: int, time: str) -> None:
        """The peer has everything up to number `n` durably. Earlier receipts stay as they are."""
        ...

    def given(self, statement: str) -> list[Given]:
        """The peers in whose outbox a statement is, by peer."""
        ...

    def exchanged(self, peer: str, *, theirs: bool) -> list[bytes]:
        """Ids (32 bytes), for finding what one of two nodes has lost.

        Args:
            theirs: False: everything in this peer's outbox, by number: the first is number 1.
                True: what this peer brought, and what of its outbox it has, sorted; the peer's own
                answer to False should hold the same.
        """
        ...


class Inboxes(Protocol):
    """What each peer brought, and what is known of chains beyond what is held."""

    def came(self, peer: str, statements: Sequence[str]) -> None:
        """Note that the peer has these statements itself. Those not held are passed over."""
        ...

    def absent(self, statement: str) -> list[Absent]:
        """What a statement says and was kept without, as far as it has not come since."""
        ...

    def complete(
        self,
        statement: str,
        objects: Sequence[Keepable],
        object_audiences: Mapping[str, Audience] = NO_AUDIENCES,
    ) -> None:
        """Give a statement objects that it was kept without, as if they had come with it.

        What is not among its `absent` is passed over; bytes that do not fit are the caller's to
        refuse. What has been taken back meanwhile comes taken back.
        """
        ...

    def places(self, author: str, chain: str, first: int, last: int) -> dict[int, str]:
        """seq → id in this chain, first ≤ seq ≤ last: held (pending too), or signed for.

        Of a sealed statement the id inside, as what follows it names that.
        Signed for is the place before every statement that is held or was noted by `withhold`
        with no peer: each names the one before it.
        """
        ...

    def withhold(self, peer: str, author: str, chain: str, named: Mapping[int, str]) -> None:
        """Note which statements stand at places of a chain that are not held.

        Args:
            peer: whose word this is. It binds nobody, and is kept as what that peer said. "": the
                author's own signature says so: nothing else is kept at that place from now on.
                A place that is held, or bound already, stays as it is.
        """
        ...

    def named(self, author: str, chain: str, first: int, last: int) -> dict[int, dict[str, str]]:
        """seq → {peer: id}: what peers have said by `withhold` of these places."""
        ...

    def quarantine(self, one: Quarantined) -> bool:
        """Keep something that cannot be let in yet; False: this peer's room is full.

        The same statement again takes the place of what was kept of it from this peer, and keeps
        its `since`.
        """
        ...

    def quarantined(
        self,
        peer: str | None = None,
        *,
        waiting: Sequence[str] | None = None,
        ids: Sequence[str] | None = None,
    ) -> list[Quarantined]:
        """What is kept so, of one peer or of all, oldest first.

        Args:
            waiting: only what waits for any of these. It costs no more for what waits for others.
            ids: only these statements.
        """
        ...

    def held_back(
        self, peer: str | None = None, *, waiting: Sequence[str] | None = None
    ) -> list[HeldBack]:
        """As `quarantined`, in the same order, and no bytes are read."""
        ...

    def held_back_counts(self) -> dict[str, int]:
        """Peer → how many statements that it brought are in quarantine; only where there are."""
        ...

    def expire(self, before: str) -> list[str]:
        """Drop what has been in quarantine since before this time; the peers of whom there was
        something, sorted."""
        ...

    def release(self, peer: str, ids: Sequence[str]) -> None:
        """Drop these from the quarantine."""
        ...


class Federation(Outboxes, Inboxes, Protocol):
    """Both."""
