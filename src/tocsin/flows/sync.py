"""Statements from node to node: each gives the others what they may read, and tells what it undoes.

Whoever has an address is asked; whoever has none asks and brings. The place up to which a peer's
outbox was read moves after what was read is durable, so that a kill anywhere repeats and loses
nothing. Spec: exchange.md §5; decisions/0032.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from tocsin.errors import (
    InputError,
    LogHalted,
    RollbackError,
    StoreError,
    TocsinError,
    UnreachableError,
)
from tocsin.flows import holders, intake, quarantine
from tocsin.flows.arrivals import MAX_OBJECT_BYTES, Arrivals, Taken
from tocsin.flows.comparing import Comparing, Later, decode, id_of
from tocsin.flows.homes import Peer, peers_of
from tocsin.flows.neighbours import State, add, note, state_of
from tocsin.flows.node import Node
from tocsin.flows.pages import (
    MAX_PAGE_BYTES,
    MAX_WANTED,
    PREFIX,
    Item,
    Mark,
    Page,
    Pages,
    open_page,
)
from tocsin.flows.sent import Sent
from tocsin.flows.turns import Turns
from tocsin.record.requests import Answer
from tocsin.record.statement import read_time

log = logging.getLogger("tocsin.sync")

PAGES_A_ROUND = 50
"""Of one peer; whoever has more holds up no other."""
TURN_SECONDS = 120.0
"""Of waiting for one peer's answers in a turn: who answers slowly makes room for others."""
SLOW_SECONDS = 10.0
"""Whoever has been waited for so long in a turn is slow: see `turns`."""
LARGE_BYTES = 1 << 20
"""An object larger than this is fetched in a few turns at a time only."""
STOP_SECONDS = 2.0
BACK_OFF = timedelta(seconds=30)
MAX_BACK_OFF = timedelta(minutes=15)


class Wire(Protocol):
    """The way to other nodes: it signs what is asked. `tocsin.peers.SignedWire` is one."""

    def ask(
        self, party: str, url: str, method: str, target: str, body: bytes = b"", *, limit: int
    ) -> Answer:
        """One request and its answer, whatever its status.

        Raises:
            UnreachableError: none in time.
            InputError: one of more than `limit` bytes.
        """
        ...


class Delivered(Struct, frozen=True, kw_only=True):
    """The answer to a page that was brought."""

    taken: int
    refused: tuple[dict[str, str], ...] = ()
    wanted: tuple[str, ...] = ()
    """SHA-256 of objects to put first; then the same page again."""


class Sync:
    """This node's exchange with all others.

    Args:
        node: ours.
        wire: the way to the others.
        address: whether others can reach this node; where not, it brings what it has.
        monotonic: seconds, for how long a peer has been waited for.
        turns: who exchanges at a time; None: one peer after the other, in the caller's thread.
    """

    def __init__(
        self,
        node: Node,
        wire: Wire,
        *,
        address: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
        turns: Turns | None = None,
    ) -> None:
        self.node = node
        self.pages = Pages(node)
        self.arrivals = Arrivals(node)
        self.sent = Sent(node)
        self._wire = wire
        self._address = address
        self._monotonic = monotonic
        self._turns = turns or Turns(0)
        self._comparing = Comparing(
            node,
            lambda peer, target, limit: self._asked(peer, "GET", target, limit=limit),
            self._take,
        )
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._waited: dict[str, float] = {}
        self._nudged: set[str] = set()
        self._wake = threading.Event()
        self._told = -1
        self._following_up = threading.Lock()
        self._rounds = 0
        self._asking = quarantine.Asking(node)

    def peers(self) -> dict[str, Peer]:
        """The other nodes of the directory, by party."""
        return peers_of(self.node.directory, self.node.party)

    # --- rounds -------------------------------------------------------------------------------

    def run(self, stop: threading.Event, wait: Callable[[], float]) -> None:
        """Round after round until `stop` is set; `wait` gives the seconds between two.

        In between, whoever nudges this node is asked, and what is new here is told to others.
        """
        left, said = 0.0, ""
        while not stop.is_set():
            try:
                if left <= 0:
                    left = wait()
                    self.round(stop)
                else:
                    self._errands(stop)
                said = ""
            except StoreError as wrong:  # it may be gone for hours: said once, in words
                if wrong.message != said:
                    log.warning("nothing is exchanged with other nodes: %s", wrong.message)
                said = wrong.message
            except Exception:  # the next round may find things mended
                log.exception("exchange with other nodes failed")
            pause = min(0.25, left)
            self._wake.wait(pause)
            self._wake.clear()
            left -= pause
        self._turns.close(STOP_SECONDS)

    def wake(self) -> None:
        """Look now whether there is something to do."""
        self._wake.set()

    def nudged(self, party: str) -> None:
        """A peer says that it has something new."""
        with self._lock:
            self._nudged.add(party)
        self._wake.set()

    def round(self, stop: threading.Event | None = None) -> int:
        """Give every peer a turn; how many statements came in, where turns are in this thread."""
        self._follow_up({})
        entered = self._retry()
        for peer in self.peers().values():
            if stop is not None and stop.is_set():
                break
            if self.state(peer.party).wait_until <= intake.stamp(self.node.clock()):
                entered += self._turn(peer)
        return entered

    def _turn(self, peer: Peer) -> int:
        if not peer.url:
            return 0
        return self._turns.start(peer.party, "exchange", lambda: self.exchange(peer))

    def _errands(self, stop: threading.Event) -> None:
        with self._lock:
            nudged, self._nudged = self._nudged, set()
        peers = self.peers()
        for party in nudged & peers.keys():
            if not stop.is_set():
                self._turn(peers[party])
        size = self.node.store.head()
        now = size.size if size else 0
        if now != self._told:
            self._told = now
            self._tell(peers.values(), stop)

    def _tell(self, peers: Iterable[Peer], stop: threading.Event) -> None:
        """Nudge those for whom there is something, or bring it where we have no address."""
        for peer in peers:
            if stop.is_set() or not peer.url:
                continue
            state = self.state(peer.party)
            if state.wait_until > intake.stamp(self.node.clock()):
                continue
            if not self._address():
                self._turn(peer)
            elif self.pages.lag(peer):
                self._turns.start(peer.party, "nudge", partial(self._nudge, peer))

    def _nudge(self, peer: Peer) -> int:
        try:
            self._wire.ask(peer.party, peer.url, "POST", "/peer/nudge", limit=4_096)
        except TocsinError as wrong:
            log.debug("nudging %s: %s", peer.party, wrong.message)
        return 0

    def exchange(self, peer: Peer) -> int:
        """Bring to and fetch from one peer; how many statements came in. Failures are noted."""
        with self._lock:
            if peer.party in self._busy or not peer.url:
                return 0
            self._busy.add(peer.party)
        self._waited[peer.party] = 0.0
        entered = 0
        try:
            entered += self._retry_of(peer)
            if not self._address():
                self._push(peer)
            entered += self._pull(peer)
        except (LogHalted, RollbackError, StoreError) as wrong:
            log.warning("nothing can be taken in: %s", wrong.message)
            self._failed(peer, wrong, 0)
        except Later as later:
            self._failed(peer, later.wrong, later.seconds)
        except _TurnOver as over:
            log.info("%s", over.message)
            self._note(peer, more=True)
        except TocsinError as wrong:
            self._failed(peer, wrong, 0)
        else:
            self._note(peer, reached=self._now(), error="", failing="", wait_until="")
        finally:
            self._turns.note(peer.party, slow=self._waited[peer.party] > SLOW_SECONDS)
            with self._lock:
                self._busy.discard(peer.party)
        return entered

    def _failed(self, peer: Peer, wrong: TocsinError, seconds: int) -> None:
        state = self.state(peer.party)
        now = self.node.clock()
        since = state.failing or self._now()
        # Twice as long each time, counted by how long it has failed already.
        failing = now - read_time(since)
        pause = min(max(BACK_OFF, failing), MAX_BACK_OFF)
        if seconds:
            pause = min(timedelta(seconds=seconds), MAX_BACK_OFF)
        elif not state.failing:
            pause = timedelta(0)
        if state.error != wrong.message:
            log.info("exchange with %s: %s", peer.party, wrong.message)
        self._note(
            peer,
            error=wrong.message[:300],
            failing=since,
            wait_until=intake.stamp(now + pause) if pause else "",
        )

    # --- fetching -----------------------------------------------------------------------------

    def _pull(self, peer: Peer) -> int:
        entered = 0
        for _ in range(PAGES_A_ROUND):
            state = self.state(peer.party)
            if not state.epoch:
                entered += self._comparing.turn(peer)
                continue
            target = f"/peer/outbox?epoch={state.epoch}&after={state.after}&at={state.at}"
            answer = self._asked(peer, "GET", target, limit=MAX_PAGE_BYTES)
            if answer.status == 204:
                if state.more:
                    self._note(peer, more=False)
                break
            if answer.status == 409:
                # Its numbers are not those we know: what we have, and it has, is compared.
                self._note(peer, epoch="", after=0, at="", compared=0)
                continue
            page = open_page(answer.body)
            if page.epoch != state.epoch or page.next <= state.after:
                raise InputError(
                    f"{peer.party} gives a page that leads from {state.after} to {page.next}",
                    remedy="ask its operator",
                )
            entered += self._take(peer, page.items)
            self._note(peer, after=page.next, at=page.at, more=page.more)
            if not page.more:
                break
        return entered

    def _take(self, peer: Peer, items: Sequence[Item]) -> int:
        taken = self.arrivals.take(peer.party, items, self._fetch(peer))
        self._came_in(peer.party, taken)
        return len(taken.entered)

    def _fetch(self, peer: Peer) -> Callable[[str, int], bytes]:
        def fetch(sha256: str, size: int) -> bytes:
            limit = min(size, MAX_OBJECT_BYTES)
            if limit > LARGE_BYTES and not self._turns.take_large(peer.party):
                raise _TurnOver(
                    f"{peer.party} has a large object, and others are being fetched",
                    remedy="nothing to do: the next round goes on",
                )
            answer = self._asked(peer, "GET", f"/peer/objects/{sha256}", limit=limit)
            if answer.status != 200:
                raise UnreachableError(
                    f"{peer.party} lists object {sha256[:12]}… and does not give it",
                    remedy="ask its operator",
                )
            return answer.body

        return fetch

    def _came_in(self, party: str, taken: Taken) -> None:
        if taken.refused:
            add(self.node, party, refused=len(taken.refused))
        for peer in taken.contradicted:
            log.warning("%s names a statement otherwise than its author signed it", peer)
            add(self.node, peer, contradicted=1)
        if taken.dropped:
            self._note_party(party, dropped=True)
        if taken.entered:
            self._follow_up(dict.fromkeys(taken.withdrawals, party))

    def _follow_up(self, tellers: dict[str, str]) -> None:
        with self._following_up:
            try:
                holders.follow_up(self.node, tellers)
            except TocsinError as wrong:
                log.warning("withdrawals are not acknowledged now: %s", wrong.message)

    def _retry(self) -> int:
        """Once a round, what waits for what has come in by other doors."""
        entered = 0
        self._rounds += 1
        # It may be judged by now, and is asked for once more. Noted before anything is let in: that
        # may fail, and nothing else knows any more of what was dropped.
        for party in quarantine.expire(self.node):
            self._note_party(party, dropped=True)
        try:
            taken = self.arrivals.retry()
            self._came_in(self.node.party, taken)
            entered += len(taken.entered)
            for party, peer in self.peers().items():
                if not peer.url:
                    taken = self.arrivals.retry_of(party, self.sent.fetch(peer.party))
                    self._came_in(party, taken)
                    entered += len(taken.entered)
                    self.sent.drop(peer.party)
        except UnreachableError as wrong:
            log.info("quarantine: %s", wrong.message)
        return entered

    def _retry_of(self, peer: Peer) -> int:
        """What this peer brought and waits for objects, or for keys, or had no room."""
        fetch, gave_up = self._fetch(peer), list[UnreachableError]()

        def asked(sha256: str, size: int) -> bytes:
            raw = self.sent.get(peer.party, sha256)
            if raw is not None:
                return raw
            if gave_up:
                raise gave_up[0]
            try:
                return fetch(sha256, size)
            except (Later, _TurnOver) as wrong:
                gave_up.append(wrong)
                raise

        taken = self.arrivals.retry_of(peer.party, asked)
        self._came_in(peer.party, taken)
        entered = len(taken.entered)
        if entered:
            self.sent.drop(peer.party)
        state = self.state(peer.party)
        if state.dropped and quarantine.has_room(self.node, peer.party):
            # What had no room in quarantine is found by comparing, once there is room again.
            self._note(peer, epoch="", after=0, at="", compared=0, dropped=False)
        if self._asking.due(peer.party, self._rounds):
            entered += self._ask_again(peer)
        return entered

    def _ask_again(self, peer: Peer) -> int:
        """Ask for what waits for a key: who speaks in its own log may show by now that a statement
        was there before its key was revoked."""
        ids = self._asking.next(peer.party, MAX_WANTED)
        if not ids:
            return 0
        target = "/peer/outbox?want=" + ",".join(id[: 2 * PREFIX] for id in ids)
        answer = self._asked(peer, "GET", target, limit=MAX_PAGE_BYTES)
        items = open_page(answer.body).items
        self._asking.settle(peer.party, ids, _ids(items))
        return self._take(peer, items)

    # --- bringing -----------------------------------------------------------------------------

    def _push(self, peer: Peer) -> None:
        for _ in range(PAGES_A_ROUND):
            state = self.state(peer.party)
            page = self.pages.page(peer, state.pushed)
            if page is None:
                return
            if page.items:
                self._bring(peer, page)
            self.node.store.receipt(peer.party, page.next, self._now())
            self._note(peer, pushed=page.next)

    def _bring(self, peer: Peer, page: Page) -> None:
        body = msgspec.json.encode(page)
        for _ in range(3):
            answer = self._asked(peer, "POST", "/peer/inbox", body, limit=1 << 20)
            delivered = decode(answer.body, Delivered, peer)
            for one in delivered.refused:
                log.info("%s refuses %s", peer.party, one)
            if not delivered.wanted:
                brought = {id_of(item) for item in page.items}
                refused = {one.get("id", "") for one in delivered.refused}
                holders.not_taken(self.node, peer.party, brought, refused)
                return
            for sha256 in delivered.wanted:
                raw = self.pages.object(peer, sha256)
                self._asked(peer, "PUT", f"/peer/objects/{sha256}", raw, limit=4_096)
        raise UnreachableError(
            f"{peer.party} asks for the same objects again and again", remedy="ask its operator"
        )

    def _asked(
        self, peer: Peer, method: str, target: str, body: bytes = b"", *, limit: int
    ) -> Answer:
        if self._turns.closed:
            raise _TurnOver("this node is stopping", remedy="start it again")
        waited = self._waited.get(peer.party, 0.0)
        if waited > TURN_SECONDS:
            raise _TurnOver(
                f"{peer.party} has been waited for {waited:.0f} s: others come first",
                remedy="nothing to do: the next round goes on",
            )
        started = self._monotonic()
        try:
            answer = self._wire.ask(peer.party, peer.url, method, target, body, limit=limit)
        except UnreachableError:
            if not self.state(peer.party).unreachable:
                self._note(peer, unreachable=self._now())
            raise
        finally:
            self._waited[peer.party] = waited + self._monotonic() - started
        if self.state(peer.party).unreachable:
            self._note(peer, unreachable="")
        if answer.status in (200, 201, 202, 204, 409) or (
            answer.status == 404 and "/objects/" in target
        ):
            return answer
        words = answer.body[:200].decode("utf-8", "replace").strip()
        wrong = UnreachableError(
            f"{peer.party} answers {method} {target[:60]} with status {answer.status}: {words}",
            remedy="ask its operator",
        )
        if answer.status in (429, 503):
            raise Later(wrong, max(1, min(answer.retry_after, 900)))
        raise wrong

    # --- asked by others ----------------------------------------------------------------------

    def receive(self, peer: Peer, page: Page) -> Delivered:
        """Take in what a peer brings.

        Raises:
            RateError: it is to keep what it has, and come again.
        """
        if wanted := self._wanted(peer, page):
            return wanted
        try:
            taken = self.arrivals.take(peer.party, page.items, self.sent.fetch(peer.party))
        except UnreachableError:
            # The key of something came in with the same page: now it is known what that lacks.
            if wanted := self._wanted(peer, page):
                return wanted
            raise
        self._came_in(peer.party, taken)
        self.sent.drop(peer.party)
        self._note(peer, reached=self._now())
        return Delivered(
            taken=taken.taken, refused=tuple(msgspec.to_builtins(one) for one in taken.refused)
        )

    def _wanted(self, peer: Peer, page: Page) -> Delivered | None:
        found = self.arrivals.wanted(
            peer.party, page.items, lambda sha256: self.sent.get(peer.party, sha256) is not None
        )
        return Delivered(taken=0, wanted=tuple(found)[:1_000]) if found else None

    def has(self, peer: Peer, mark: Mark) -> None:
        """The peer has everything up to this place of its outbox durably: it asks for more."""
        if mark.n:
            self.node.store.receipt(peer.party, mark.n, self._now())

    def seen(self, peer: Peer) -> None:
        """The peer has asked for something: it is there. Noted once a minute."""
        now = self.node.clock()
        state = self.state(peer.party)
        long_ago = state.reached < intake.stamp(now - timedelta(minutes=1))
        if long_ago or state.wait_until or state.unreachable:
            # It was not to be reached before: now it may be, and is asked again.
            self._note(peer, reached=intake.stamp(now), wait_until="", unreachable="")

    # --- state --------------------------------------------------------------------------------

    def state(self, party: str) -> State:
        """How this node stands with one other."""
        return state_of(self.node, party)

    def _now(self) -> str:
        return intake.stamp(self.node.clock())

    def _note(self, peer: Peer, **changed: Any) -> None:
        self._note_party(peer.party, **changed)

    def _note_party(self, party: str, **changed: Any) -> None:
        note(self.node, party, **changed)


def _ids(items: Sequence[Item]) -> frozenset[str]:
    """Of what can be told apart; the rest is refused when it is taken in."""
    found = set()
    for item in items:
        with contextlib.suppress(TocsinError):
            found.add(id_of(item))
    return frozenset(found)


class _TurnOver(UnreachableError):
    """A peer has taken its share of this round; what has come of it is in."""
