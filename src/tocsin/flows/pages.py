"""What this node gives another: who is at home there, what they may read, and pages of it.

Nothing here trusts the peer with more than its own parties may read; what it is given of a chain
beyond that are ids, so that it can tell a statement kept from it from one that was dropped.
Spec: exchange.md §5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress

import msgspec
from msgspec import Struct

from tocsin.canonical import b64encode
from tocsin.errors import ConflictError, InputError, NotFoundError
from tocsin.flows import before
from tocsin.flows.homes import Peer, anyone_may
from tocsin.flows.intake import parse_kept
from tocsin.flows.node import Node
from tocsin.store.federation import Outgoing

PAGE = 1_000
"""Statements in a page, at most."""
PAGE_BYTES = 1 << 20
"""Of a page; a larger statement goes alone."""
MAX_PAGE_BYTES = 24 << 20
"""What is taken as a page: a sealed statement of 8 MiB, as text, goes alone."""
OVERTAKING = 200
"""Withdrawals that a page carries ahead of their turn."""
MAX_NAMED = 1_000
"""Places of a chain that are named as withheld for one statement, the newest ones."""
INLINE_BYTES = 64 << 10
"""An object that is text of at most this size goes with its statement; others are asked for."""
BUCKETS = 1_024
PREFIX = 6
"""Bytes of an id by which it is named in a list of many, its number behind it in four."""
SLICES = 20
"""In which an outbox is filled for one answer: whoever asks has only so much patience."""
MAX_WANTED = 200
PASSED = "peer-passed"
"""Local rows, by party and statement: what was in an outbox and could not be given."""


class Item(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One statement of a page."""

    n: int
    envelope: str = ""
    """To the byte; it is ASCII."""
    sealed: str = ""
    """Instead, of a sealed statement, its sealed file."""
    objects: tuple[tuple[str, int], ...] = ()
    """SHA-256 and bytes of what it says and this peer may have."""
    texts: dict[str, str] = {}
    """SHA-256 → the object, where it is short and UTF-8; the rest is asked for by itself."""
    withheld: tuple[tuple[int, str], ...] = ()
    """(seq, id) of those before it in its chain that this peer may not have."""
    proofs: tuple[str, ...] = ()
    """Where its key has been revoked since: tlog-proofs of it and of the revocation, in the log of
    whoever gives the page."""


class Page(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Part of an outbox, in either direction."""

    epoch: str
    """Of the numbers. Another one: what was received by number says nothing about these."""
    items: tuple[Item, ...]
    next: int
    """`after` of the page that follows."""
    at: str
    """Id of the statement with number `next`: who goes on from here shows that it means the same
    list."""
    more: bool = False


class Mark(Struct, frozen=True, kw_only=True):
    """How far an outbox goes."""

    epoch: str
    n: int
    at: str


class Digest(Struct, frozen=True, kw_only=True):
    """All of an outbox in 8 KiB."""

    mark: Mark
    buckets: str
    """Base64: for each of 1,024 buckets 8 bytes of the SHA-256 over its ids."""


# --- pages ------------------------------------------------------------------------------------


class Pages:
    """What this node's outboxes hold, page by page. Several threads may use it.

    Args:
        node: whose they are.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._allowed: dict[tuple[str, ...], tuple[int, int, frozenset[int]]] = {}

    @property
    def epoch(self) -> str:
        """Another after this node has begun a log anew: its store may be an older one then."""
        return hashlib.sha256(self._node.log.origin.encode()).hexdigest()[:16]

    def allowed(self, peer: Peer) -> frozenset[int]:
        """The audiences to which anybody at home at the peer belongs."""
        directory, audiences = self._node.directory, self._node.store.audiences()
        known = self._allowed.get(peer.home)
        if known is not None and known[:2] == (directory.version, len(audiences)):
            return known[2]
        found = frozenset(n for n, a in audiences.items() if anyone_may(directory, peer.home, a))
        if len(self._allowed) > 1_000:
            self._allowed.clear()
        self._allowed[peer.home] = (directory.version, len(audiences), found)
        return found

    def mark(self, peer: Peer) -> Mark:
        """Where the peer's outbox ends now, filled as far as the log goes."""
        self._fill(peer)
        last = self._node.store.outbox_end(peer.party)
        return Mark(epoch=self.epoch, n=last[0], at=last[1])

    def lag(self, peer: Peer) -> int:
        """How many statements are for the peer that it has not said to have, or brought."""
        self._fill(peer)
        return self._node.store.outbox_lag(peer.party)

    def holds(self, peer: Peer, mark: Mark) -> bool:
        """Whether this is a place in the peer's outbox as it is: epoch, number and statement."""
        if mark.epoch != self.epoch or mark.n < 0:
            return False
        if mark.n == 0:
            return True
        row = self._node.store.outbox(peer.party, mark.n - 1, 1)
        return bool(row) and (row[0].n, row[0].id) == (mark.n, mark.at)

    def page(self, peer: Peer, after: int, limit: int = PAGE) -> Page | None:
        """What is behind number `after`, withdrawals first; None: nothing.

        A page in which everything came from the peer itself is empty, and moves it on.
        """
        more = self._fill(peer)
        store = self._node.store
        rows = store.outbox(peer.party, after, max(1, min(limit, PAGE)))
        while more and not rows:  # what was looked at so far is for others
            more = self._fill(peer)
            rows = store.outbox(peer.party, after, max(1, min(limit, PAGE)))
        if not rows:
            return None
        ahead = store.outbox(peer.party, rows[-1].n, OVERTAKING, kind="withdraw")
        first: list[Item] = []
        rest: list[Item] = []
        size = 0
        for row in ahead:
            item, bytes_ = self._item(peer, row, PAGE_BYTES // 4)
            if item is None or size + bytes_ > PAGE_BYTES // 4:
                continue
            first.append(item)
            size += bytes_
        done = rows[0]
        took = 0
        passed: list[str] = []
        for row in rows:
            item, bytes_ = self._item(peer, row, PAGE_BYTES - size)
            if took and size + bytes_ > PAGE_BYTES:
                break
            if item is None and not row.came:
                passed.append(row.id)
            if item is not None:
                (first if row.kind == "withdraw" else rest).append(item)
                size += bytes_
                took += 1
            done = row
        self._pass_over(peer, passed, [])
        end = store.outbox_end(peer.party)[0]
        return Page(
            epoch=self.epoch,
            items=(*first, *rest),
            next=done.n,
            at=done.id,
            more=more or done.n < end,
        )

    def wanted(self, peer: Peer, prefixes: Sequence[bytes]) -> Page:
        """Statements of the peer's outbox by the first bytes of their ids, as many as fit."""
        items: list[Item] = []
        given: list[str] = []
        size = 0
        for row in self._node.store.wanted(peer.party, prefixes[:MAX_WANTED]):
            item, bytes_ = self._item(peer, row, PAGE_BYTES - size, again=True)
            if items and size + bytes_ > PAGE_BYTES:
                break
            if item is not None:
                items.append(item)
                given.append(row.id)
                size += bytes_
        self._pass_over(peer, [], given)
        mark = self.mark(peer)
        return Page(epoch=mark.epoch, items=tuple(items), next=mark.n, at=mark.at)

    def object(self, peer: Peer, sha256: str) -> bytes:
        """An object that some live statement gives to somebody at home at the peer.

        Raises:
            NotFoundError: none does, or there is no such.
        """
        found = self._node.store.object(sha256, self.allowed(peer))
        if found is None:
            raise NotFoundError(f"no object {sha256[:80]}", remedy="ask its author")
        return found.raw

    def digest(self, peer: Peer) -> Digest:
        """The whole outbox, for finding what one side has lost."""
        mark = self.mark(peer)
        hashes = bucket_hashes(self._node.store.exchanged(peer.party, theirs=False))
        return Digest(mark=mark, buckets=b64encode(hashes))

    def buckets(self, peer: Peer, numbers: Sequence[int]) -> dict[int, bytes]:
        """The ids in some of the buckets, one behind the other: the first bytes of each, and its
        number in the outbox (4 bytes)."""
        found: dict[int, list[bytes]] = {n: [] for n in numbers}
        for at, id in enumerate(self._node.store.exchanged(peer.party, theirs=False), start=1):
            if (n := bucket(id)) in found:
                found[n].append(id[:PREFIX] + at.to_bytes(4, "big"))
        return {n: b"".join(ids) for n, ids in found.items()}

    def _fill(self, peer: Peer) -> bool:
        """Fill the peer's outbox further; whether more is left for the next time."""
        allowed = self.allowed(peer)
        return all(self._node.store.fill(peer.party, allowed) for _ in range(SLICES))

    def _pass_over(self, peer: Peer, passed: Sequence[str], given: Sequence[str]) -> None:
        """Note what could not be given, and what has been given after all."""
        store = self._node.store
        if not passed and not given:
            return
        noted = {row.key: row for row in store.list_local(PASSED, f"{peer.party} ")}
        for id in passed:
            if (key := f"{peer.party} {id}") not in noted:
                with suppress(ConflictError):  # another request of the same peer says the same
                    store.keep_local(PASSED, key, b"1", None)
        for id in given:
            if (row := noted.get(f"{peer.party} {id}")) is not None:
                with suppress(ConflictError):
                    store.keep_local(PASSED, row.key, None, row.version)

    def _item(
        self, peer: Peer, row: Outgoing, room: int, *, again: bool = False
    ) -> tuple[Item | None, int]:
        """A row as a page gives it, and about how many bytes that makes; None: it is left out."""
        store = self._node.store
        if not row.present or (row.came and not again):
            return None, 0
        allowed = self.allowed(peer)
        if row.kind == "sealed":
            found = store.sealed(row.id, allowed)
            if found is None:
                return None, 0
            text = found[1].decode("ascii")
            withheld = self._withheld(row, allowed)
            item = Item(n=row.n, sealed=text, withheld=withheld)
            return item, len(text) + 80 * len(withheld) + 64
        # Whoever was given something hears of its withdrawal. All else only goes to whom it is for
        # now: a guest may have moved away since, or a client, after the outbox was filled.
        told = self._node.everything() if row.kind == "withdraw" else allowed
        kept = store.statement(row.id, told)
        if kept is None:
            return None, 0
        withheld = self._withheld(row, allowed)
        text = kept.raw.decode("ascii")
        size = len(text) + 80 * len(withheld) + 128
        objects: list[tuple[str, int]] = []
        texts: dict[str, str] = {}
        s = parse_kept(kept)
        proofs = before.proofs(self._node, s.author, s.key, kept.index)
        size += sum(map(len, proofs))
        for ref in s.objects if s.kind != "withdraw" else ():
            held = store.object(ref.sha256, allowed)
            if held is None:
                continue
            objects.append((ref.sha256, len(held.raw)))
            size += 80
            if len(held.raw) <= INLINE_BYTES and size + len(held.raw) + 80 <= room:
                try:
                    texts[ref.sha256] = held.raw.decode("utf-8")
                except UnicodeDecodeError:
                    continue
                size += len(held.raw) + 80
        item = Item(
            n=row.n, envelope=text, objects=tuple(objects), texts=texts, withheld=withheld,
            proofs=proofs,
        )  # fmt: skip
        return item, size

    def _withheld(self, row: Outgoing, allowed: frozenset[int]) -> tuple[tuple[int, str], ...]:
        first = max(row.behind + 1, row.seq - MAX_NAMED, 1)
        if row.behind and not self._is_given(row, allowed):
            first = max(row.seq - MAX_NAMED, 1)
        if first >= row.seq:
            return ()
        found = self._node.store.places(row.author, row.chain, first, row.seq - 1)
        return tuple(sorted(found.items()))

    def _is_given(self, row: Outgoing, allowed: frozenset[int]) -> bool:
        """Whether the one before it in the outbox is still for this peer, as far as is known."""
        store = self._node.store
        before = store.places(row.author, row.chain, row.behind, row.behind).get(row.behind, "")
        return store.statement(before, allowed) is not None


def passed_over(node: Node, party: str, statement: str) -> bool:
    """Whether a statement of a peer's outbox was left out when its turn came, and not given since:
    a receipt counts it, and the peer has never had it."""
    return node.store.local(PASSED, f"{party} {statement}") is not None


# --- digests ----------------------------------------------------------------------------------


def bucket(id: bytes) -> int:
    """In which of the buckets an id is: its first ten bits."""
    return int.from_bytes(id[:2], "big") >> 6


def bucket_hashes(ids: Sequence[bytes]) -> bytes:
    """8 bytes for each bucket, one behind the other: SHA-256 over its sorted ids."""
    hashes = [hashlib.sha256() for _ in range(BUCKETS)]
    for id in sorted(ids):
        hashes[bucket(id)].update(id)
    return b"".join(one.digest()[:8] for one in hashes)


def open_page(raw: bytes) -> Page:
    """A page from its bytes.

    Raises:
        InputError: it is none, or holds more than a page may.
    """
    try:
        page = msgspec.json.decode(raw, type=Page)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise InputError(f"no page of statements: {wrong}", remedy="ask its operator") from wrong
    if len(page.items) > PAGE + OVERTAKING:
        raise InputError(
            f"a page of {len(page.items)} statements, and at most {PAGE + OVERTAKING} go",
            remedy="ask its operator",
        )
    return page
