"""Directories, keys and revocations from node to node: what one holds, all come to hold.

Every item carries its own authority (root or registrar signatures), so that it does not matter
who brings it, and the home operator of a party cannot keep its revocation from the others.
Spec: record.md, "Directory and keys".
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from tocsin.canonical import b64decode, b64encode
from tocsin.errors import (
    CanonicalError,
    ConflictError,
    LogHalted,
    RecordError,
    RollbackError,
    StoreError,
    TocsinError,
    UnreachableError,
)
from tocsin.flows import intake
from tocsin.flows.node import Node
from tocsin.record.envelope import open_statement, statement_id
from tocsin.record.history import Refused, settle
from tocsin.record.seal import open_sealed
from tocsin.record.statement import ROOT_KINDS
from tocsin.store.interface import Kept

log = logging.getLogger("tocsin.keys")

PAGE = 500
"""Statements in one answer, at most."""
PAGES_A_ROUND = 20
"""Of one node; a feed without end holds up no other."""
A_DAY = 500
"""Root-kind statements of one party that are taken over in a day: every node keeps them for ever,
and a member could fill all logs with keys of its own."""
ROUNDS_TO_FORGET = 120
"""After so many rounds a feed of which something was refused is read from its beginning."""
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


def root_kinds(node: Node, after: int = -1, limit: int | None = None) -> list[Kept]:
    """The root-kind statements behind index `after`, in log order; of each kind at most `limit`.

    Of one that was purged here only its commitment is left: `raw` is empty.
    """
    found = [
        kept
        for kind in sorted(ROOT_KINDS)
        for kept in node.store.statements(
            node.everything(), kind=kind, after_index=after, limit=limit
        )
    ]
    return sorted(found, key=lambda kept: kept.index)


def feed(node: Node, after: int = -1) -> Feed:
    """The `directory`, `key` and `revoke` statements behind index `after`, in log order.

    They are CLEAR, and open to whoever asks.
    """
    # One more of each than a page holds: so a full page knows that it is not the last.
    found = [kept for kept in root_kinds(node, after, PAGE + 1) if kept.raw]
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


def follow(node: Node, items: Iterable[bytes], *, budget: Budget | None = None) -> Followed:
    """Enter another node's root-kind statements in this log, each judged here, as far as they go.

    What is held already is passed over. What is refused (a gap, a version that does not follow,
    a signature) is told and changes nothing: the next feed, or another node's, may mend it.

    Args:
        budget: how many more of each author may come in now; None: any number.

    Raises:
        LogHalted, StorageFullError: this node takes no statements now.
    """
    entered: list[intake.Done] = []

    def take(raw: bytes) -> None:
        id = statement_id(raw)
        if node.store.place(id) is not None:
            return
        _, s = open_statement(raw)
        if budget is not None and not budget.left(s.author):
            raise RecordError(
                f"{s.author} has said more than {A_DAY} keys and revocations in a day",
                remedy="ask that party; they are taken in over the next days",
            )
        try:
            entered.append(intake.enter(node, raw))
        except ConflictError as wrong:  # entered by another thread meanwhile
            raise RecordError(wrong.message, remedy=wrong.remedy) from wrong
        if budget is not None:
            # Only what has come in: nobody spends another's by forging statements of its.
            budget.spend(s.author)

    refused = settle(items, take)
    return Followed(entered=entered, refused=refused)


def chain_of_trust(node: Node) -> list[bytes]:
    """Every root-kind envelope of this log, in log order: what a new node begins with."""
    return [kept.raw for kept in root_kinds(node) if kept.raw]


class Pages(Protocol):
    """How another node's feed is asked for; `tocsin.peers.Peers` is one. Raises TocsinError."""

    def directory(self, url: str, after: int = -1) -> Any: ...


class Budget:
    """How much of each author's is taken over in a day. One thread uses it.

    Args:
        today: a text that changes with the day.
    """

    def __init__(self, today: Callable[[], str]) -> None:
        self._today = today
        self._day, self._spent = "", dict[str, int]()

    def left(self, author: str) -> bool:
        """Whether one more may come in."""
        if self._day != (today := self._today()):
            self._day, self._spent = today, {}
        return self._spent.get(author, 0) < A_DAY

    def spend(self, author: str) -> None:
        """One has come in."""
        self._spent[author] = self._spent.get(author, 0) + 1


class Follower:
    """Keeps this node's directory, keys and revocations as new as those of the nodes it can ask.

    One thread uses it. Places in other nodes' feeds are kept in memory only: after a restart each
    is read from its beginning once, and what is held is passed over.

    Args:
        sources: addresses, in the order in which they are asked; asked anew each round.
        pages: the way to them.
    """

    def __init__(self, node: Node, sources: Callable[[], Sequence[str]], pages: Pages) -> None:
        self._node, self._sources, self._pages = node, sources, pages
        self._after: dict[str, int] = {}
        # Refused once, a statement may stand when another node has told what it builds on.
        self._again: set[str] = set()
        self._rounds = 0
        self._budget = Budget(lambda: intake.stamp(node.clock())[:10])

    def run(self, stop: threading.Event, wait: Callable[[], float]) -> None:
        """Round after round until `stop` is set; `wait` gives the seconds between two."""
        said = ""
        while not stop.is_set():
            try:
                self.round(stop)
                said = ""
            except TocsinError as wrong:  # a log that takes no writes: said once, in words
                if wrong.message != said:
                    log.warning("directories are not followed: %s", wrong.message)
                said = wrong.message
            except Exception:  # the next round may find things mended
                log.exception("following directories failed")
            stop.wait(wait())

    def round(self, stop: threading.Event | None = None) -> int:
        """Ask every source once; how many statements came in.

        Raises:
            LogHalted, StorageFullError: this node takes no statements now.
        """
        entered = 0
        for url in self._sources():
            if stop is not None and stop.is_set():
                break
            try:
                entered += self._ask(url)
            except (LogHalted, RollbackError, StoreError):
                raise  # ours, whoever is asked
            except TocsinError as wrong:
                log.info("directory of %s: %s", url, wrong.message)
            except Exception:  # nor does what nobody thought of hold up the sources behind it
                log.exception("directory of %s", url)
        self._rounds += 1
        if entered or self._rounds % ROUNDS_TO_FORGET == 0:
            for url in self._again:
                self._after.pop(url, None)
            self._again = set()
        return entered

    def _ask(self, url: str) -> int:
        entered = 0
        for _ in range(PAGES_A_ROUND):
            after = self._after.get(url, -1)
            page = self._pages.directory(url, after)
            indexes = [int(item.index) for item in page.items]
            if not indexes or indexes != sorted(set(indexes)) or indexes[0] <= after:
                break
            try:
                raws = [b64decode(item.envelope) for item in page.items]
            except CanonicalError as wrong:
                raise UnreachableError(
                    f"{url} gives envelopes that are no base64", remedy="ask its operator"
                ) from wrong
            followed = follow(self._node, raws, budget=self._budget)
            entered += len(followed.entered)
            for refused in followed.refused:
                self._again.add(url)
                log.info("of %s: %s refused: %s", url, refused.id[:16], refused.error.message)
            self._after[url] = indexes[-1]
            if page.next is None:
                break
        return entered


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
    before it is said. Another party's key has signed nothing here. Of a sealed statement the time
    is inside: it is told whatever `since` says, with no time.
    """
    found = []
    readable = node.allowed(node.reader(party))
    for one in node.store.sealed_in(readable):
        held = node.store.sealed(one.id, readable) if one.author == party else None
        if held is not None and open_sealed(held[1])[1].key == keyid:
            found.append(
                SignedWith(id=one.inside, index=one.index, kind="sealed", case=one.case, time="")
            )
    for kept in node.store.statements(readable, author=party):
        s = intake.parse_kept(kept)
        if s.kind not in ROOT_KINDS and s.key == keyid and (since is None or s.time >= since):
            found.append(
                SignedWith(id=kept.id, index=kept.index, kind=s.kind, case=s.case, time=s.time)
            )
    return sorted(found, key=lambda one: one.index)
