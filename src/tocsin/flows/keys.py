"""Directories, keys and revocations from node to node: what one holds, all come to hold.

Every item carries its own authority (root or registrar signatures), so that it does not matter
who brings it, and the home operator of a party cannot keep its revocation from the others.
Spec: record.md, "Directory and keys".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from tocsin.canonical import b64decode, b64encode
from tocsin.errors import CanonicalError, ConflictError, RecordError, UnreachableError
from tocsin.flows import intake
from tocsin.flows.node import Node
from tocsin.record.envelope import statement_id
from tocsin.record.history import Refused, settle
from tocsin.record.statement import ROOT_KINDS
from tocsin.store.interface import Kept

PAGE = 500
"""Statements in one answer, at most."""
PAGE_BYTES = 4 << 20
"""Bytes of envelopes in one answer; a larger single one (1.5 MiB at most) goes alone."""


class FeedItem(Struct, frozen=True, kw_only=True):
    """One root-kind statement of this node's log."""

    index: int
    envelope: str
    """Base64 of its bytes."""


class Feed(Struct, frozen=True, kw_only=True):
    """One page of `GET /api/v1/directory`."""

    items: list[FeedItem]
    next: int | None
    """`after` of the next page; None: this was the last."""


class Followed(Struct, frozen=True, kw_only=True):
    """What came of another node's feed."""

    entered: list[intake.Done]
    refused: list[Refused]


def feed(node: Node, after: int = -1) -> Feed:
    """The `directory`, `key` and `revoke` statements behind index `after`, in log order.

    They are CLEAR, and open to whoever asks.
    """
    # One more of each than a page holds: so a full page knows that it is not the last.
    found: list[Kept] = [
        kept
        for kind in sorted(ROOT_KINDS)
        for kept in node.store.statements(
            node.everything(), kind=kind, after_index=after, limit=PAGE + 1
        )
    ]
    found.sort(key=lambda kept: kept.index)
    page: list[Kept] = []
    size = 0
    for kept in found[:PAGE]:
        size += len(kept.raw)
        if page and size > PAGE_BYTES:
            break
        page.append(kept)
    return Feed(
        items=[FeedItem(index=k.index, envelope=b64encode(k.raw)) for k in page],
        next=page[-1].index if len(page) < len(found) else None,
    )


def envelopes(page: Any) -> list[bytes]:
    """The envelopes of a page as another node gave it (decoded JSON).

    Raises:
        UnreachableError: it is no such page.
    """
    try:
        return [b64decode(str(item["envelope"])) for item in page["items"]]
    except (KeyError, TypeError, CanonicalError) as wrong:
        raise UnreachableError(
            f"what answered for the directory is no node of tocsin: {wrong!r}",
            remedy="check the address",
        ) from wrong


def follow(node: Node, items: Iterable[bytes]) -> Followed:
    """Enter another node's root-kind statements in this log, each judged here, as far as they go.

    What is held already is passed over. What is refused (a gap, a version that does not follow,
    a signature) is told and changes nothing: the next feed, or another node's, may mend it.

    Raises:
        LogHalted, StorageFullError: this node takes no statements now.
    """
    entered: list[intake.Done] = []

    def take(raw: bytes) -> None:
        if node.store.place(statement_id(raw)) is not None:
            return
        try:
            entered.append(intake.enter(node, raw))
        except ConflictError as wrong:  # entered by another thread meanwhile
            raise RecordError(wrong.message, remedy=wrong.remedy) from wrong

    refused = settle(items, take)
    return Followed(entered=entered, refused=refused)


def chain_of_trust(node: Node) -> list[bytes]:
    """Every root-kind envelope of this log, in log order: what a new node begins with."""
    kept = [
        k
        for kind in sorted(ROOT_KINDS)
        for k in node.store.statements(node.everything(), kind=kind)
    ]
    return [k.raw for k in sorted(kept, key=lambda k: k.index)]


class SignedWith(Struct, frozen=True, kw_only=True):
    """One statement of a party, and where it is."""

    id: str
    index: int
    kind: str
    case: str | None
    time: str


def signed_with(node: Node, party: str, keyid: str, since: str | None = None) -> list[SignedWith]:
    """What was said with a key of `party` from `since` (20 characters) on; without it, ever.

    For the party itself: so a stolen key is noticed, and what a revocation puts in doubt is known
    before it is said. Another party's key has signed nothing here.
    """
    found = []
    for kept in node.store.statements(node.allowed(node.reader(party)), author=party):
        s = intake.parse_kept(kept)
        if s.kind not in ROOT_KINDS and s.key == keyid and (since is None or s.time >= since):
            found.append(
                SignedWith(id=kept.id, index=kept.index, kind=s.kind, case=s.case, time=s.time)
            )
    return found
