"""What another node brings: let in by the same door as everything, kept back, or refused.

The peer is believed in nothing but what an author has signed. What cannot be judged yet (a gap, an
unknown key, an owner not heard of) is kept in quarantine, unseen, and tried again; what is wrong is
refused and counted. Spec: exchange.md §5; decisions/0032.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TypeAlias

import msgspec
from msgspec import Struct

from tocsin.errors import (
    ChainError,
    ConflictError,
    DirectoryError,
    LogHalted,
    MarkingError,
    PurgedError,
    RateError,
    RollbackError,
    SignatureError,
    SpeakerError,
    StatementError,
    StoreError,
    TocsinError,
    UnreachableError,
)
from tocsin.flows import before, intake, sealed
from tocsin.flows.homes import host_of
from tocsin.flows.node import Node
from tocsin.flows.owners import check_owners, marking_of, object_audiences
from tocsin.flows.pages import MAX_NAMED, Item
from tocsin.policy import Audience, strictest
from tocsin.record.admission import ChainHead, Opened, Placed, admit_opened
from tocsin.record.envelope import open_envelope, open_statement, pae, statement_id
from tocsin.record.keys import verify
from tocsin.record.ports import Keepable
from tocsin.record.seal import admit_sealed, check_signature, open_sealed
from tocsin.record.sequencer import Keeping, Waiting
from tocsin.record.statement import ORDINARY_KINDS, ROOT_KINDS, ObjectRef, Statement
from tocsin.stix.bundle import Received
from tocsin.stix.check import TOLERATED, check_objects, refused
from tocsin.store.federation import Absent, Quarantined
from tocsin.store.interface import Attachment

log = logging.getLogger("tocsin.sync")

KEPT_FOR = timedelta(days=30)
MAX_OBJECT_BYTES = 64 << 20
TOGETHER_BYTES = 32 << 20
"""Of objects that are in memory at once, about."""

Fetch: TypeAlias = Callable[[str, int], bytes]
"""(SHA-256, its size) → an object's bytes from whoever brings the statement. Raises
UnreachableError: not now; NotFoundError: it has none such."""


class Refused(Struct, frozen=True, kw_only=True):
    """A statement that is not taken, and why."""

    id: str
    error: str
    """Name of the error."""
    remedy: str


class Taken(Struct, kw_only=True):
    """What came of what a peer brought."""

    taken: int = 0
    """Entered, or held already."""
    refused: list[Refused] = []
    quarantined: int = 0
    dropped: int = 0
    """Of those refused: what waits, by authors who are not at home at the peer, and had no room.
    It comes again when there is room, or from who said it."""
    entered: list[str] = []
    """Ids of what is new here, in the order in which it was let in."""
    withdrawals: list[str] = []
    """Of these, what takes something back."""


class _Wait(Exception):
    """It cannot be judged yet: why. Its author has signed it, if `signed`."""

    def __init__(self, wrong: TocsinError, *, signed: bool) -> None:
        super().__init__(wrong.message)
        self.wrong, self.signed = wrong, signed


class Arrivals:
    """The way in for what peers bring. Several threads may use it, each for another peer."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def take(self, peer: str, items: Iterable[Item], fetch: Fetch) -> Taken:
        """Let in what can be let in; for the rest say why not.

        Args:
            peer: who brings it.
            fetch: the way to the objects that are not in the items.

        Raises:
            RateError: the quarantine has no more room for this peer; what came before is in.
            LogHalted, StoreError: this node takes no statements now.
            UnreachableError: an object cannot be fetched now; ask for this page again.
        """
        taken = Taken()
        batch = _Batch(self._node, peer, taken)
        try:
            for item in items:
                self._one(item, fetch, batch)
        finally:
            batch.enter()
        if taken.entered:
            self._again(taken, {peer: fetch})
        return taken

    def wanted(self, peer: str, items: Iterable[Item], has: Callable[[str], bool]) -> list[str]:
        """SHA-256 of the objects without which these items cannot be taken, and that did not come.

        What is left out tells that it is here, and that the author may read it: so nothing is
        answered of an item that its author has not signed.

        Args:
            peer: who brings them.
            has: whether an object has come ahead.
        """
        found: dict[str, None] = {}
        for item in items:
            listed = {sha256 for sha256, _ in item.objects} - item.texts.keys()
            if not listed or item.sealed:
                continue
            try:
                envelope, s = opened = open_statement(item.envelope.encode())
                _signed(self._node, peer, opened, item)
            except (TocsinError, _Wait):
                continue  # it is refused, or kept back, without them
            if self._node.store.place(envelope.id) is not None:
                listed &= {one.sha256 for one in self._node.store.absent(envelope.id)}
            for ref in s.objects:
                if (
                    ref.sha256 in listed
                    and not has(ref.sha256)
                    and intake.held_by(self._node, s.author, ref.sha256) is None
                ):
                    found[ref.sha256] = None
        return list(found)

    def retry(self, fetches: Mapping[str, Fetch]) -> Taken:
        """Try what is quarantined again, and drop what has been there for thirty days.

        Args:
            fetches: the way to the objects of each peer's statements, where there is one.
        """
        taken = Taken()
        now = self._node.clock()
        for one in self._node.store.quarantined():
            if one.since < intake.stamp(now - KEPT_FOR):
                self._node.store.release(one.peer, [one.id])
        self._again(taken, fetches)
        return taken

    def _again(self, taken: Taken, fetches: Mapping[str, Fetch]) -> None:
        """As long as anything more gets in."""
        while True:
            before = len(taken.entered)
            for one in self._node.store.quarantined():
                found = Taken()
                batch = _Batch(self._node, one.peer, found, retrying=True)
                try:
                    item = msgspec.json.decode(one.item, type=Item)
                    self._one(item, fetches.get(one.peer, _nothing), batch)
                    batch.enter()
                except UnreachableError:
                    continue
                taken.entered += found.entered
                taken.withdrawals += found.withdrawals
                if not found.quarantined:
                    self._node.store.release(one.peer, [one.id])
            if len(taken.entered) == before:
                return

    def _one(self, item: Item, fetch: Fetch, batch: _Batch) -> None:
        try:
            try:
                batch.add(item, fetch)
            except _Wait:
                batch.enter()  # what came before it may be what it waits for
                batch.add(item, fetch)
        except _Wait as wait:
            batch.keep_back(item, wait)
        except (LogHalted, RollbackError, StoreError, UnreachableError, RateError):
            raise
        except TocsinError as wrong:
            batch.refuse(item, wrong)


def _nothing(sha256: str, size: int) -> bytes:
    raise UnreachableError(f"object {sha256} ({size} bytes) is not here", remedy="ask for it again")


def _narrowed(
    node: Node, audience: Audience, items: Sequence[Received | Attachment]
) -> Mapping[str, Audience]:
    """For whom objects are, each by its own marking. One that breaks a MUST of STIX is kept, as its
    author signed for it, and given to nobody else: the doors that we have ourselves refuse such."""
    narrowed = dict(object_audiences(node, audience, items))
    received = [item for item in items if isinstance(item, Received)]
    nobody = Audience(author=audience.author, tlp="AMBER+STRICT")
    for sha256 in refused(check_objects(received, within=None), tolerated=TOLERATED):
        narrowed[sha256] = strictest(narrowed.get(sha256, audience), nobody)
    return narrowed


def _place(item: Item) -> tuple[str, str, str, int]:
    """(id, author, chain, seq) of an item that opens; of a sealed one, what a log holds of it."""
    if item.sealed:
        found = open_sealed(item.sealed.encode())[1]
        return found.entry, found.author, found.chain, found.seq
    raw = item.envelope.encode()
    if _is_newer(raw):
        return statement_id(raw), "", "", 0
    envelope, s = open_statement(raw)
    return envelope.id, s.author, s.chain, s.seq


class _Outline(Struct, frozen=True):
    v: int
    kind: str


def _is_newer(raw: bytes) -> bool:
    """Whether an envelope holds a statement of a version or kind that this tocsin does not know."""
    try:
        outline = msgspec.json.decode(open_envelope(raw).payload, type=_Outline)
    except (TocsinError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return outline.v != 1 or outline.kind not in (*ORDINARY_KINDS, *ROOT_KINDS)


def _signed(node: Node, peer: str, opened: Opened, item: Item) -> int | None:
    """The index at which to judge it here: the log's end, but for a key revoked since.

    Raises:
        _Wait: its key, or its author, has not been heard of yet.
        SignatureError: its author has not signed it.
    """
    envelope, s = opened
    index = before.shown(node, peer, s, envelope.id, item.proofs)
    try:
        signed = node.keyring.signers(envelope, s, index)
    except (SignatureError, DirectoryError) as wrong:
        raise _Wait(wrong, signed=False) from wrong
    for public, signature in signed:
        verify(public, signature, pae(envelope.payload))
    return index


class _Batch:
    """Statements that are let in together: none of them rests on another being in the log."""

    def __init__(self, node: Node, peer: str, taken: Taken, *, retrying: bool = False) -> None:
        self._node, self._peer, self.taken, self._retrying = node, peer, taken, retrying
        self._keeping: list[Keeping] = []
        self._items: dict[str, Item] = {}
        self._bytes = 0
        self._places: dict[tuple[str, str, int], str] = {}
        self._names: set[str] = set()
        self._came: list[str] = []

    def keep_back(self, item: Item, wait: _Wait) -> None:
        """Keep one in quarantine.

        Raises:
            RateError: there is no more room for what this peer brings.
        """
        self.taken.quarantined += 1
        if self._retrying:
            return
        id, author, chain, seq = _place(item)
        if wait.signed and seq and not item.sealed:
            # Its content waits; its place is its author's word, and holds up nothing behind it.
            self._node.store.withhold("", author, chain, {seq: id})
        one = Quarantined(
            peer=self._peer,
            id=id,
            author=author,
            chain=chain,
            seq=seq,
            reason=type(wait.wrong).__name__,
            message=wait.wrong.message[:500],
            since=intake.stamp(self._node.clock()),
            item=msgspec.json.encode(item),
        )
        if self._node.store.quarantine(one):
            return
        full = RateError(
            f"what {self._peer} brings cannot be let in yet, and there is no room to keep more "
            "of it",
            remedy="keep it, and bring it again later",
        )
        if not self._of_peer(author):
            # Whoever signs two histories fills this. It must not stop what an honest peer says.
            self.taken.quarantined -= 1
            self.taken.dropped += 1
            self.refuse(item, full)
        elif not (self._make_room() and self._node.store.quarantine(one)):
            raise full

    def _of_peer(self, author: str) -> bool:
        return not author or host_of(self._node.directory, author) == self._peer

    def _make_room(self) -> bool:
        """Let go of what others' statements this peer brought take up, but the first of each
        author, which is evidence; whether anything went."""
        seen: set[str] = set()
        gone: list[str] = []
        for one in self._node.store.quarantined(self._peer):
            if self._of_peer(one.author):
                continue
            if one.author in seen:
                gone.append(one.id)
            seen.add(one.author)
        if gone:
            self.taken.dropped += len(gone)
            self._node.store.release(self._peer, gone)
        return bool(gone)

    def refuse(self, item: Item, wrong: TocsinError) -> None:
        try:
            id = _place(item)[0]
        except TocsinError:
            id = hashlib.sha256((item.envelope or item.sealed).encode()).hexdigest()
        log.info("of %s: %s refused: %s", self._peer, id[:16], wrong.message)
        self.taken.refused.append(
            Refused(id=id, error=type(wrong).__name__, remedy=wrong.remedy[:300])
        )

    def add(self, item: Item, fetch: Fetch) -> None:
        """Judge one, and have it entered with the others.

        Raises:
            _Wait: it cannot be judged yet.
            UnreachableError: an object cannot be fetched now.
            TocsinError: it is refused.
        """
        if item.sealed:
            self.enter()
            self._seal(item)
            return
        raw = item.envelope.encode()
        try:
            opened = open_statement(raw)
        except StatementError as wrong:
            if _is_newer(raw):
                raise _Wait(wrong, signed=False) from wrong
            raise
        envelope, s = opened
        if envelope.id in self._came:
            return
        if self._node.store.place(envelope.id) is not None:
            self._complete(item, envelope.id, s, fetch)
            self._came.append(envelope.id)
            self.taken.taken += 1
            return
        if s.kind in ROOT_KINDS:
            self.enter()
            self._root(opened)
            return
        index = _signed(self._node, self._peer, opened, item)
        if self._depends(s):
            self.enter()
        head = self._head(s, dict(item.withheld))
        found = self._objects(item, s, fetch)
        try:
            verified = admit_opened(
                envelope,
                s,
                keyring=self._node.keyring,
                chain=head,
                index=index,
                markings=lambda ref: marking_of(self._node, s.author, ref),
            )
            here = [one for one in found if isinstance(one, Received | Attachment)]
            check_owners(self._node, s, here)
            narrowed = _narrowed(self._node, verified.audience, here)
        except (MarkingError, SpeakerError, ConflictError) as wrong:
            raise _Wait(wrong, signed=True) from wrong
        except ChainError as wrong:
            raise _Wait(wrong, signed=False) from wrong
        self._note(s, dict(item.withheld))
        self._keeping.append((verified, found, verified.audience, narrowed))
        self._items[verified.id] = item
        self._places[s.author, s.chain, s.seq] = verified.id
        self._names.update({verified.id}, (name for o in s.objects for name in (o.id, o.sha256)))
        self._came.append(verified.id)
        self._bytes += sum(len(one.raw) for one in found)
        if self._bytes > TOGETHER_BYTES or len(self._keeping) >= intake.MANY:
            self.enter()

    def enter(self) -> None:
        """Keep what has been judged, wait until it is in the log, and note who brought it."""
        keeping, self._keeping = self._keeping, []
        came, self._came = self._came, []
        items, self._items = self._items, {}
        self._bytes, self._names = 0, set()
        self._places = {}
        waiting: list[Waiting] = []
        if keeping:
            with self._node.lock:
                tickets = self._node.log.keep_many(keeping)
            for (verified, *_), ticket in zip(keeping, tickets, strict=True):
                told = intake.sealed_before(
                    self._node, verified.statement.author, verified.id, ticket
                )
                if told is not None:
                    came.remove(verified.id)
                    self.refuse(items[verified.id], told)
                elif isinstance(ticket, ChainError):
                    # Its author has signed another for this place: kept, as evidence.
                    came.remove(verified.id)
                    self.keep_back(items[verified.id], _Wait(ticket, signed=False))
                elif isinstance(ticket, TocsinError):
                    came.remove(verified.id)
                    self.refuse(items[verified.id], ticket)
                else:
                    waiting.append(ticket)
                    self._entered(verified.id, verified.statement.kind)
        for ticket in waiting:
            ticket.logged()
        if came:
            self._node.store.came(self._peer, came)

    def _entered(self, id: str, kind: str) -> None:
        self.taken.taken += 1
        self.taken.entered.append(id)
        if kind == "withdraw":
            self.taken.withdrawals.append(id)

    # --- one of them --------------------------------------------------------------------------

    def _depends(self, s: Statement) -> bool:
        if s.body.get("event") == "case.open" or any(
            o.type == "marking-definition" for o in s.objects
        ):
            return True
        names = {name for o in s.objects for name in (o.id, o.sha256)}
        return not self._names.isdisjoint(names.union(s.refs))

    def _head(self, s: Placed, withheld: Mapping[int, str]) -> ChainHead | None:
        """What stands before it in its chain: held, signed for, or named by the peer.

        Raises:
            _Wait: a gap. A withdrawal is let in nevertheless: its effect must not wait.
        """
        if s.seq == 1:
            return None
        first = max(1, s.seq - MAX_NAMED)
        places = self._node.store.places(s.author, s.chain, first, s.seq - 1)
        for (author, chain, seq), id in self._places.items():
            if (author, chain) == (s.author, s.chain):
                places[seq] = id
        prev = places.get(s.seq - 1)
        if prev is None:
            at = s.seq - 1
            while at >= first and at not in places:
                if at not in withheld and getattr(s, "kind", "") != "withdraw":
                    raise _Wait(
                        ChainError(
                            f"number {at} of {s.author} in this chain has not come, and number "
                            f"{s.seq} has",
                            remedy="it is tried again when the one before it is here",
                            seq=at - 1,
                            head="",
                        ),
                        signed=False,
                    )
                at -= 1
            prev = s.prev
        return ChainHead(seq=s.seq - 1, head=prev)

    def _note(self, s: Statement, withheld: Mapping[int, str]) -> None:
        """Keep which places this peer has named: its word, to be compared with what comes."""
        if withheld:
            first = max(1, s.seq - MAX_NAMED)
            named = {seq: id for seq, id in withheld.items() if first <= seq < s.seq}
            self._node.store.withhold(self._peer, s.author, s.chain, named)

    def _objects(self, item: Item, s: Statement, fetch: Fetch) -> list[Keepable]:
        if s.kind == "withdraw":
            return []
        listed = dict(item.objects)
        return [self._object(item, s, ref, listed, fetch) for ref in s.objects]

    def _object(
        self, item: Item, s: Statement, ref: ObjectRef, listed: Mapping[str, int], fetch: Fetch
    ) -> Keepable:
        absent = Absent(sha256=ref.sha256, id=ref.id, type=ref.type)
        if self._node.store.purge_of("object", ref.sha256) is not None:
            return absent
        # Never by its digest alone from what is held here: whoever knows a digest could have it
        # opened. What its author may read anyway is no secret from its author.
        held = intake.held_by(self._node, s.author, ref.sha256)
        if held is not None:
            return held
        if ref.sha256 in item.texts:
            raw = item.texts[ref.sha256].encode("utf-8", "surrogatepass")
        elif ref.sha256 in listed:
            raw = fetch(ref.sha256, min(listed[ref.sha256], MAX_OBJECT_BYTES))
        else:
            return absent
        if hashlib.sha256(raw).hexdigest() != ref.sha256:
            raise StatementError(
                f"the bytes of {ref.id} do not have SHA-256 {ref.sha256}",
                remedy="send the exact bytes that were signed for",
            )
        media_type = ref.type if ref.id.startswith("urn:sha256:") else None
        return intake.item_of(raw, media_type)

    def _complete(self, item: Item, id: str, s: Statement, fetch: Fetch) -> None:
        """Take what a held statement lacks from whoever has it: who brought it first may have
        kept it to himself."""
        lacking = {a.sha256 for a in self._node.store.absent(id)}
        listed = {sha256 for sha256, _ in item.objects} | item.texts.keys()
        if lacking.isdisjoint(listed):
            return
        kept = self._node.store.statement(id, self._node.everything())
        found = [
            one
            for ref in s.objects
            if ref.sha256 in lacking
            and isinstance(
                one := self._object(item, s, ref, dict(item.objects), fetch), Received | Attachment
            )
        ]
        if kept is not None and found:
            check_owners(self._node, s, found)
            narrowed = _narrowed(self._node, kept.audience, found)
            self._node.store.complete(id, found, narrowed)

    def _root(self, opened: Opened) -> None:
        envelope, s = opened
        try:
            intake.enter(self._node, envelope.raw)
        except PurgedError:
            raise
        except (ChainError, DirectoryError, SignatureError, ConflictError) as wrong:
            raise _Wait(wrong, signed=False) from wrong
        self._entered(envelope.id, s.kind)
        self._came.append(envelope.id)

    def _seal(self, item: Item) -> None:
        raw = item.sealed.encode()
        envelope, found = open_sealed(raw)
        try:
            check_signature(envelope, found, self._node.keyring, None)
        except (SignatureError, DirectoryError) as wrong:
            raise _Wait(wrong, signed=False) from wrong
        with self._node.lock:
            known = sealed.known(self._node, found, raw)
            if known is None:
                head = self._head(found, dict(item.withheld))
                try:
                    verified = admit_sealed(envelope, found, keyring=self._node.keyring, chain=head)
                except ChainError as wrong:
                    raise _Wait(wrong, signed=False) from wrong
                waiting = self._node.log.keep(verified, (), verified.audience)
        if known is None:
            waiting.logged()
            self._entered(found.entry, "sealed")
        else:
            self.taken.taken += 1
        self._came.append(found.entry)
