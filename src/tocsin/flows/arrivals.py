"""What another node brings: let in by the same door as everything, kept back, or refused.

The peer is believed in nothing but what an author has signed. What cannot be judged yet (a gap, an
unknown key, an owner not heard of) is kept in quarantine, unseen, and tried again; what is wrong is
refused and counted. Spec: exchange.md §5; decisions/0032.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

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
from tocsin.flows import before, intake, quarantine, sealed, splits
from tocsin.flows import waiting as waits
from tocsin.flows.homes import peers_of
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

MAX_OBJECT_BYTES = 64 << 20
TOGETHER_BYTES = 8 << 20
"""Of objects that are in memory at once for one peer, about, and one more."""
OBJECTS_BYTES = 64 << 20
"""Of one statement's objects that are in memory at once, and one more: the rest comes after it."""
ALL_AGAIN = 10
LOOKED_AT = 1_000
KEYS_AT_ONCE = 5_000

Fetch: TypeAlias = Callable[[str, int], bytes]
"""(SHA-256, its size) → an object's bytes from whoever brings the statement. Raises
UnreachableError: not now; NotFoundError: it has none such."""
NO_FETCHES: Mapping[str, Fetch] = MappingProxyType({})


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
    ended: list[str] = []
    """What nobody has to wait for any more, by `waiting`."""
    contradicted: list[str] = []
    """Peers that named another statement at a place than its author has signed, once for each."""


class _Wait(Exception):
    """It cannot be judged yet: why, and what it waits for. `signed`: by its author."""

    def __init__(self, wrong: TocsinError, *waits: str, signed: bool = False) -> None:
        super().__init__(wrong.message)
        self.wrong, self.waits, self.signed = wrong, waits, signed


class Arrivals:
    """The way in for what peers bring. Several threads may use it, each for another peer."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._retried = 0
        self._looked = 0
        """The log index up to which what came in has been looked at, but by `take`."""

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
        self._again(taken, taken.ended, {peer: fetch})
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

    def retry(self) -> Taken:
        """What has come in by other doors since the last time may be what something waits for.

        The first time, and every tenth, all that waits is tried again, but for what is only kept
        as evidence.
        """
        taken = Taken()
        store = self._node.store
        head = store.head()
        end = head.size if head is not None else 0
        if self._retried % ALL_AGAIN == 0:
            for peer in peers_of(self._node.directory, self._node.party):
                waiting = quarantine.whole(self._node, peer, evidence=False)
                self._again(taken, self._try_all(waiting, _nothing, taken))
        else:
            while self._looked < end:
                kept = store.statements(
                    self._node.everything(), after_index=self._looked - 1, limit=LOOKED_AT
                )
                ended = [k for one in kept for k in waits.ended_by(intake.parse_kept(one), one.id)]
                self._again(taken, ended)
                self._looked = kept[-1].index + 1 if len(kept) == LOOKED_AT else end
        self._retried += 1
        self._looked = max(self._looked, end)
        return taken

    def retry_of(self, peer: str, fetch: Fetch) -> Taken:
        """Try again what a peer brought and only its objects were wanting of.

        Args:
            fetch: the way to them.
        """
        taken = Taken()
        waiting = quarantine.whole(self._node, peer, waits=[waits.OBJECTS])
        self._again(taken, self._try_all(waiting, fetch, taken), {peer: fetch})
        return taken

    def _again(
        self, taken: Taken, ended: Iterable[str], fetches: Mapping[str, Fetch] = NO_FETCHES
    ) -> None:
        """Try what waits for any of these, and what waits for what gets in so."""
        left = list(dict.fromkeys(ended))
        while left:
            some, left = left[:KEYS_AT_ONCE], left[KEYS_AT_ONCE:]
            for one in quarantine.whole(self._node, waits=some):
                fetch = fetches.get(one.peer, _nothing)
                left += self._try_all([one], fetch, taken)

    def _try_all(self, waiting: Iterable[Quarantined], fetch: Fetch, taken: Taken) -> list[str]:
        """Whether they can be let in now; what nobody has to wait for any more."""
        ended: list[str] = []
        for one in waiting:
            found = Taken()
            batch = _Batch(self._node, one.peer, found, retried=one)
            try:
                self._one(msgspec.json.decode(one.item, type=Item), fetch, batch)
                batch.enter()
            except UnreachableError:
                if one.waits != (waits.OBJECTS,):
                    self._node.store.quarantine(replace(one, waits=(waits.OBJECTS,)))
                continue
            taken.entered += found.entered
            taken.withdrawals += found.withdrawals
            ended += found.ended
            if not found.quarantined:
                self._node.store.release(one.peer, [one.id])
        return ended

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


def _has_all(item: Item, s: Statement) -> bool:
    """Whether its bringer has every object that it says."""
    if s.kind == "withdraw":
        return True
    return {o.sha256 for o in s.objects} <= {sha for sha, _ in item.objects} | item.texts.keys()


def _nothing(sha256: str, size: int) -> bytes:
    raise UnreachableError(f"object {sha256} ({size} bytes) is not here", remedy="ask for it again")


def _narrowed(
    node: Node, s: Statement, audience: Audience, items: Sequence[Received | Attachment]
) -> Mapping[str, Audience]:
    """For whom objects are, each by its own marking. One that breaks a MUST of STIX, or whose id is
    another's here, is kept, as its author signed for it, and given to nobody else: the doors that
    we have ourselves refuse such.

    Raises SpeakerError, MarkingError: see `check_owners`.
    """
    taken: set[str] = set()
    check_owners(node, s, items, taken=taken)
    narrowed = dict(object_audiences(node, audience, items))
    received = [item for item in items if isinstance(item, Received)]
    nobody = Audience(author=audience.author, tlp="AMBER+STRICT")
    broken = refused(check_objects(received, within=None), tolerated=TOLERATED)
    for sha256 in {*broken, *taken}:
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
        raise _Wait(wrong, waits.party(s.author), waits.DIRECTORY) from wrong
    for public, signature in signed:
        verify(public, signature, pae(envelope.payload))
    return index


class _Batch:
    """Statements that are let in together: none of them rests on another being in the log."""

    def __init__(
        self, node: Node, peer: str, taken: Taken, *, retried: Quarantined | None = None
    ) -> None:
        self._node, self._peer, self.taken, self._retried = node, peer, taken, retried
        self._keeping: list[Keeping] = []
        self._items: dict[str, Item] = {}
        self._bytes = 0
        self._places: dict[tuple[str, str, int], str] = {}
        self._names: set[str] = set()
        self._came: set[str] = set()

    def keep_back(self, item: Item, wait: _Wait) -> None:
        """Keep one in quarantine.

        Raises:
            RateError: there is no more room for what this peer brings.
        """
        self.taken.quarantined += 1
        id, author, chain, seq = _place(item)
        if wait.signed and seq and not item.sealed:
            # Its content waits; its place is its author's word, and holds up nothing behind it.
            self._node.store.withhold("", author, chain, {seq: id})
            self.taken.ended += waits.ended_at(author, chain, seq, id)
        if self._retried is not None and self._retried.waits == tuple(sorted(wait.waits)):
            return
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
            waits=tuple(sorted(wait.waits)),
        )
        kept, let_go = quarantine.keep(self._node, one)
        self.taken.dropped += let_go
        if kept:
            return
        if quarantine.of_peer(self._node, self._peer, author):
            raise quarantine.full(self._peer)
        self.taken.quarantined -= 1
        self.taken.dropped += 1
        self.refuse(item, quarantine.full(self._peer))

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
                raise _Wait(wrong, waits.NOTHING_KNOWN) from wrong
            raise
        envelope, s = opened
        first = self._items.get(envelope.id)
        if first is not None:
            if _has_all(first, s) or not _has_all(item, s):
                return
            self.enter()
        if self._node.store.place(envelope.id) is not None:
            self._complete(item, envelope.id, s, fetch)
            self._has(item, envelope.id, s)
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
            narrowed = _narrowed(self._node, s, verified.audience, here)
        except (MarkingError, SpeakerError, ConflictError) as wrong:
            raise _Wait(wrong, *waits.names(s), signed=True) from wrong
        except ChainError as wrong:
            if splits.note(self._node, raw):
                raise _Wait(wrong, waits.EVIDENCE) from wrong
            raise _Wait(wrong, waits.place(s.author, s.chain, s.seq - 1)) from wrong
        self._note(s, dict(item.withheld))
        self._keeping.append((verified, found, verified.audience, narrowed))
        self._items[verified.id] = item
        self._places[s.author, s.chain, s.seq] = verified.id
        self._names.update({verified.id}, (name for o in s.objects for name in (o.id, o.sha256)))
        self._has(item, verified.id, s)
        self._bytes += sum(len(one.raw) for one in found)
        if self._bytes > TOGETHER_BYTES or len(self._keeping) >= intake.MANY:
            self.enter()
        if sum(len(one.raw) for one in found) > OBJECTS_BYTES:
            self.enter()
            if self._node.store.place(envelope.id) is not None:
                self._complete(item, envelope.id, s, fetch)

    def enter(self) -> None:
        """Keep what has been judged, wait until it is in the log, and note who brought it."""
        keeping, self._keeping = self._keeping, []
        came, self._came = self._came, set()
        items, self._items = self._items, {}
        self._bytes, self._names = 0, set()
        self._places = {}
        waiting: list[Waiting] = []
        entered: list[Statement] = []
        if keeping:
            with self._node.lock:
                tickets = self._node.log.keep_many(keeping)
            for (verified, *_), ticket in zip(keeping, tickets, strict=True):
                told = intake.sealed_before(
                    self._node, verified.statement.author, verified.id, ticket
                )
                if told is not None:
                    came.discard(verified.id)
                    self.refuse(items[verified.id], told)
                elif isinstance(ticket, ChainError):
                    # Its author has signed another for this place: kept, as evidence.
                    came.discard(verified.id)
                    splits.note(self._node, verified.raw)
                    self.keep_back(items[verified.id], _Wait(ticket, waits.EVIDENCE))
                elif isinstance(ticket, TocsinError):
                    came.discard(verified.id)
                    self.refuse(items[verified.id], ticket)
                else:
                    waiting.append(ticket)
                    self._entered(verified.id, verified.statement.kind)
                    if isinstance(verified.statement, Statement):
                        entered.append(verified.statement)
                        self.taken.ended += waits.ended_by(verified.statement, verified.id)
                        splits.note_opening(self._node, verified.id, verified.statement)
        self._compare(entered)
        for ticket in waiting:
            ticket.logged()
        if came:
            self._node.store.came(self._peer, sorted(came))

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
                        waits.place(s.author, s.chain, at),
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

    def _compare(self, entered: Sequence[Statement]) -> None:
        """What peers have said of these places, with what their author signed."""
        spans: dict[tuple[str, str], list[int]] = {}
        for s in entered:
            spans.setdefault((s.author, s.chain), []).append(s.seq)
        for (author, chain), at in spans.items():
            named = self._node.store.named(author, chain, min(at), max(at))
            if named:
                held = self._node.store.places(author, chain, min(at), max(at))
                self.taken.contradicted += [
                    peer
                    for seq in at
                    for peer, id in named.get(seq, {}).items()
                    if held.get(seq, id) != id
                ]

    def _has(self, item: Item, id: str, s: Statement) -> None:
        """Note that the peer has it, if it has all of it: else whoever has more still brings it."""
        if _has_all(item, s):
            self._came.add(id)

    def _objects(self, item: Item, s: Statement, fetch: Fetch) -> list[Keepable]:
        if s.kind == "withdraw":
            return []
        return self._some(item, s, s.objects, fetch)

    def _some(
        self, item: Item, s: Statement, refs: Sequence[ObjectRef], fetch: Fetch
    ) -> list[Keepable]:
        """Those objects that are held, given or fetched, as many as memory has room for at once."""
        listed = dict(item.objects)
        found: list[Keepable] = []
        size = 0
        for ref in refs:
            if size > OBJECTS_BYTES:
                found.append(Absent(sha256=ref.sha256, id=ref.id, type=ref.type))
                continue
            found.append(self._object(item, s, ref, listed, fetch))
            size += len(found[-1].raw)
        return found

    def _object(
        self, item: Item, s: Statement, ref: ObjectRef, listed: Mapping[str, int], fetch: Fetch
    ) -> Keepable:
        absent = Absent(sha256=ref.sha256, id=ref.id, type=ref.type)
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
        # Fetched all the same: whoever lists a digest would know by our not asking that it was held
        # and purged here.
        if self._node.store.purge_of("object", ref.sha256) is not None:
            return absent
        media_type = ref.type if ref.id.startswith("urn:sha256:") else None
        return intake.item_of(raw, media_type)

    def _complete(self, item: Item, id: str, s: Statement, fetch: Fetch) -> None:
        """Take what a held statement lacks from whoever has it: who brought it first may have
        kept it to himself."""
        listed = {sha256 for sha256, _ in item.objects} | item.texts.keys()
        kept = self._node.store.statement(id, self._node.everything())
        while kept is not None:
            lacking = {
                a.sha256
                for a in self._node.store.absent(id)
                if a.sha256 in listed and self._node.store.purge_of("object", a.sha256) is None
            }
            refs = [ref for ref in s.objects if ref.sha256 in lacking]
            some = self._some(item, s, refs, fetch)
            found = [one for one in some if isinstance(one, Received | Attachment)]
            if not found:
                return
            narrowed = _narrowed(self._node, s, kept.audience, found)
            self._node.store.complete(id, found, narrowed)
            if len(found) == len(refs):
                return

    def _root(self, opened: Opened) -> None:
        envelope, s = opened
        try:
            intake.enter(self._node, envelope.raw)
        except PurgedError:
            raise
        except ChainError as wrong:
            if splits.note(self._node, envelope.raw):
                raise _Wait(wrong, waits.EVIDENCE) from wrong
            raise _Wait(wrong, waits.place(s.author, s.chain, s.seq - 1)) from wrong
        except (DirectoryError, SignatureError, ConflictError) as wrong:
            before = waits.place(s.author, s.chain, s.seq - 1)
            raise _Wait(wrong, waits.party(s.author), waits.DIRECTORY, before) from wrong
        self._entered(envelope.id, s.kind)
        self.taken.ended += waits.ended_by(s, envelope.id)
        self._came.add(envelope.id)

    def _seal(self, item: Item) -> None:
        raw = item.sealed.encode()
        envelope, found = open_sealed(raw)
        try:
            check_signature(envelope, found, self._node.keyring, None)
        except (SignatureError, DirectoryError) as wrong:
            raise _Wait(wrong, waits.party(found.author), waits.DIRECTORY) from wrong
        with self._node.lock:
            known = sealed.known(self._node, found, raw)
            if known is None:
                head = self._head(found, dict(item.withheld))
                try:
                    verified = admit_sealed(envelope, found, keyring=self._node.keyring, chain=head)
                except ChainError as wrong:
                    before = waits.place(found.author, found.chain, found.seq - 1)
                    raise _Wait(wrong, before) from wrong
                waiting = self._node.log.keep(verified, (), verified.audience)
        if known is None:
            waiting.logged()
            self._entered(found.entry, "sealed")
            self.taken.ended += waits.ended_at(
                found.author, found.chain, found.seq, found.commitment
            )
        else:
            self.taken.taken += 1
        self._came.add(found.entry)
