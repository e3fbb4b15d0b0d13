"""What a party says, and how it enters the log.

It is signed by the party that says it, here or at its home; kept, logged, then opened to its
readers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tocsin.canonical import b64encode
from tocsin.errors import (
    ChainError,
    ConflictError,
    DirectoryError,
    ForbiddenError,
    LogHalted,
    NotFoundError,
    PurgedError,
    StatementError,
    StoreError,
    TocsinError,
    UsageError,
)
from tocsin.flows import rivals
from tocsin.flows.node import Node
from tocsin.flows.owners import (
    check_opening,
    check_owners,
    decoded,
    marking_of,
    object_audiences,
)
from tocsin.policy import Tlp
from tocsin.record.admission import (
    ChainHead,
    Opened,
    Signed,
    admit_many,
    admit_opened,
    signatures,
)
from tocsin.record.envelope import (
    Envelope,
    Verified,
    keyid_hint,
    open_envelope,
    open_statement,
    pae,
    sealed_entry,
    sign_composed,
)
from tocsin.record.keys import verify
from tocsin.record.sequencer import Keeping, Waiting
from tocsin.record.statement import (
    MAX_SEEN,
    ROOT_KINDS,
    ObjectRef,
    Seen,
    Statement,
    chain_of,
    compose,
    parse,
)
from tocsin.stix.bundle import Received, open_bundle, open_object
from tocsin.stix.check import judged
from tocsin.store.interface import Attachment, Kept, KeptSealed

Item: TypeAlias = Received | Attachment


class Act(Struct, frozen=True, kw_only=True):
    """What somebody is about to sign: everything of a statement but its place in a chain."""

    author: str
    kind: str
    tlp: Tlp
    body: dict[str, Any] = {}
    case: str | None = None
    objects: tuple[Item, ...] = ()
    """What it brings."""
    named: tuple[ObjectRef, ...] = ()
    """Objects it names and does not bring: taking one back needs no bytes of it."""
    refs: tuple[str, ...] = ()
    to: tuple[str, ...] = ()


def addressed(act: Act, to: Iterable[str], persons: Iterable[str]) -> Act:
    """`act` for these parties; of persons named, for those of them alone (RED)."""
    named = sorted(set(persons))
    body = {**act.body, "persons": named} if named else act.body
    return replace(act, to=tuple(to), body=body)


class Prepared(Struct, frozen=True, kw_only=True):
    """A payload for a signer who is elsewhere: sign these bytes, bring the envelope back."""

    payload: str
    """Base64 of the canonical payload."""
    author: str
    key: str


class Done(Struct, frozen=True, kw_only=True):
    """A statement that is in the log."""

    id: str
    index: int
    quorum: bool = True
    """As many witnesses have cosigned it as this node's policy asks for; it may ask for none."""


def record(node: Node, act: Act) -> Done:
    """Sign `act` with the author's key in this folder, log it, open it to its readers.

    Raises:
        ForbiddenError: the author's key is not in this folder.
        StatementError, SpeakerError, MarkingError: the act breaks a rule; nothing is kept.
        LogHalted: the log takes no writes now; nothing is kept.
    """
    return logged(begin(node, act))


def begin(node: Node, act: Act) -> Waiting:
    """Sign `act` and keep it; `logged` waits until it is in the log. Raises as `record`.

    Several that are begun one after the other share the wait.
    """
    signer = node.signers.get(act.author)
    if signer is None:
        raise ForbiddenError(
            f"the signing key of {act.author} is not in this folder",
            remedy=f"run this verb at {act.author}, or give --home of its folder",
        )
    with node.lock:
        payload = _payload(node, act, signer.keyid)
        opened = sign_composed(payload, signer)
        return _enter(node, opened, act.objects)


def record_many(node: Node, acts: Iterable[Act]) -> list[Done]:
    """`record` of each in this order, with one wait for the log at the end.

    Raises:
        As `record`. What came before the one at fault stays said.
    """
    waiting: list[Waiting] = []
    try:
        for act in acts:
            waiting.append(begin(node, act))
    finally:
        done = [logged(one) for one in waiting]
    return done


def prepare(node: Node, act: Act) -> Prepared:
    """The payload of `act` for an author whose key is elsewhere. Its objects must be held."""
    key = signing_key(node, act.author)
    if key is None:
        raise NotFoundError(
            f"{act.author} has no signing key in the log",
            remedy="join first: tocsin party join INVITATION",
        )
    _keep_waiting(node, act.author, act.objects)
    with node.lock:
        payload = _payload(node, act, key)
    return Prepared(payload=b64encode(payload), author=act.author, key=key)


def signing_key(node: Node, party: str) -> str | None:
    """The keyid with which `party` signs ordinary statements now; None: it has enrolled none."""
    valid = [k for k in node.keyring.keys_of(party) if k.until is None]
    return valid[-1].keyid if valid else None


def act_for(node: Node, act: Act) -> Done | Prepared:
    """Record `act` where the author's key is here; otherwise prepare it to be signed away."""
    return record(node, act) if act.author in node.signers else prepare(node, act)


def enter(node: Node, raw: bytes) -> Done:
    """Admit an envelope somebody signed elsewhere. Its objects were put here before it.

    Raises:
        StatementError: not a statement, or one of its objects is not here.
        SignatureError: no key of this author that may sign this, or a wrong signature.
        ChainError: it does not follow what this author said last.
        ConflictError: its author has sealed it here before.
        PurgedError: it was in the log, and was purged here.
    """
    envelope, statement = open_statement(raw)
    known = _known(node, envelope.id)
    if isinstance(known, PurgedError):
        raise known
    if known is not None:
        # Whoever sends it again has put its objects here again. It may be somebody else, though,
        # while its author is about to say anew what is not held any more.
        author = statement.author
        _let_go(node, author, (o for o in statement.objects if held_by(node, author, o.sha256)))
        return known
    # Before anything is looked up: a forged envelope learns nothing of what its "author" may read.
    try:
        signed = node.keyring.signers(envelope, statement, None)
    except DirectoryError:
        rivals.note(node, raw)
        raise
    message = pae(envelope.payload)
    for public, signature in signed:
        verify(public, signature, message)
    items = _items(node, statement)
    arrival = _Arrival((envelope, statement), [(*pair, message) for pair in signed], items)
    node.arrivals.append(arrival)
    with node.lock:
        # Whoever has the lock lets all in who have come by then: they share one commit.
        while arrival.answer is None:
            _let_in(node)
    answer = arrival.answer
    if isinstance(answer, Exception):
        raise sealed_before(node, statement.author, envelope.id, answer) or answer
    done = logged(answer)
    _let_go(node, statement.author, statement.objects)
    return done


class _Arrival:
    """A statement whose signatures are good, at the door."""

    def __init__(
        self, opened: tuple[Envelope, Statement], signed: Sequence[Signed], items: Sequence[Item]
    ) -> None:
        self.opened, self.signed, self.items = opened, signed, items
        self.answer: Waiting | Exception | None = None
        """Set by whoever holds the node's lock."""


def _let_in(node: Node) -> None:
    """Admit and keep whatever is at the door, under the node's lock."""
    arrived: list[_Arrival] = []
    while node.arrivals and len(arrived) < MANY:
        arrived.append(node.arrivals.popleft())
    items = {one.opened[0].id: one.items for one in arrived}
    good = {signed for one in arrived for signed in one.signed}
    keeping: list[Keeping] = []
    try:
        found = admit_many(
            [one.opened for one in arrived],
            keyring=node.keyring,
            chain=lambda s: _chain_head(node, s),
            index=None,
            markings=lambda s, ref: marking_of(node, s.author, ref),
            verifier=lambda signed: [one in good for one in signed],
            check=lambda _, v: keeping.append(_keeping(node, v, items[v.id])),
        )
        tickets = iter(node.log.keep_many(keeping))
        for one, verdict in zip(arrived, found, strict=True):
            one.answer = next(tickets) if isinstance(verdict, Verified) else verdict
    except BaseException as wrong:
        told = LogHalted("it was interrupted before it was kept", remedy="send it again")
        for one in arrived:
            one.answer = one.answer or (wrong if isinstance(wrong, Exception) else told)
        raise


def _known(node: Node, id: str) -> Done | PurgedError | None:
    """Where a statement stands that is held; what to say of one that was purged."""
    known = node.store.statement(id, node.everything())
    if known is None:
        return purged(node, id)
    return Done(id=known.id, index=known.index, quorum=node.log.has_quorum(known.index))


def sealed_before(node: Node, author: str, id: str, wrong: object) -> ConflictError | None:
    """What to say of a place that is taken by the same statement, sealed; None: it is not that.

    Args:
        wrong: why it was not let in.
    """
    if not isinstance(wrong, ChainError):
        return None
    index = node.store.place(sealed_entry(author, bytes.fromhex(id)).hex())
    if index is None:
        return None
    return ConflictError(
        f"{author} has sealed {id} here: entry {index}",
        remedy="its readers open it there: tocsin open; or say it to all in a statement of its own",
    )


def purged(node: Node, id: str) -> PurgedError | None:
    """What to say of a statement that was purged here; None: it was not."""
    if node.store.purge_of("statement", id) is None:
        return None
    return PurgedError(
        f"statement {id} was purged on this node, and is not kept again; its commitment is "
        "in the log",
        remedy="say what may be known of it in a new statement",
    )


def _items(node: Node, statement: Statement) -> list[Item]:
    """The objects a statement says, put here before it or held.

    Raises:
        StatementError: one is neither.
    """
    if statement.kind == "withdraw":
        return []  # taking back or naming an object needs no bytes; saying it does
    items: list[Item] = []
    for ref in statement.objects:
        item = _waiting(node, statement.author, ref) or held_by(node, statement.author, ref.sha256)
        if item is None:
            raise StatementError(
                f"object {ref.id} ({ref.sha256[:12]}…) is named but not here",
                remedy="put it first: PUT /api/v1/objects/" + ref.sha256,
            )
        items.append(item)
    return items


def _let_go(node: Node, author: str, objects: Iterable[ObjectRef]) -> None:
    """What an author had put here for a statement is the statement's own now."""
    for ref in objects:
        key = f"{author}/{ref.sha256}"
        row = node.store.local("waiting", key)
        if row is not None:
            node.store.keep_local("waiting", key, None, row.version)


MANY = 1_000
"""Statements that are admitted and kept together."""


def enter_many(node: Node, raws: Sequence[bytes]) -> list[Done | TocsinError]:
    """Admit many envelopes in this order; for each what `enter` would give, or raise.

    Those that do not depend on each other share one verification, one commit and one wait.

    Raises:
        LogHalted, StoreError: as `enter`, and of what came behind nothing is kept.
    """
    answers: list[Done | TocsinError | Waiting] = []
    together = _Together()
    for raw, one in _opened(node, raws):
        if isinstance(one, TocsinError):
            together.add(one)
            continue
        opened, signed = one
        depends = together.depends(opened)
        if depends or len(together.opened) == MANY:
            answers += together.enter(node)
            if depends:  # on what is in the log: so it has to be there
                answers = [_settled(answer) for answer in answers]
            together = _Together()
        if opened[1].kind in ROOT_KINDS:
            # The key ring learns it where it stands in the log, not before.
            answers.append(_tried(node, raw))
        else:
            together.add(opened, signed)
    answers += together.enter(node)
    return [_settled(answer) for answer in answers]


def _opened(
    node: Node, raws: Sequence[bytes]
) -> Iterator[tuple[bytes, tuple[Opened, Signed | None] | TocsinError]]:
    """Each envelope opened, so many at a time as are kept together."""
    for start in range(0, len(raws), MANY):
        part = raws[start : start + MANY]
        publics = node.keyring.publics(frozenset(map(keyid_hint, part)))
        yield from zip(part, node.opener(part, publics), strict=True)


def _tried(node: Node, raw: bytes) -> Done | TocsinError:
    try:
        return enter(node, raw)
    except (LogHalted, StoreError):
        raise
    except TocsinError as wrong:
        return wrong


def _settled(answer: Done | TocsinError | Waiting) -> Done | TocsinError:
    return logged(answer) if isinstance(answer, Waiting) else answer


class _Together:
    """Statements that are entered at once: none of them rests on another being in the log."""

    def __init__(self) -> None:
        self.opened: list[tuple[Envelope, Statement]] = []
        self._good_already: set[Signed] = set()
        self._places: list[int | TocsinError] = []  # in `opened`, or why it is not there
        self._named: set[str] = set()
        self._cases: set[str | None] = set()
        self._defines = False  # a marking, by which objects behind it are read

    def add(
        self, one: tuple[Envelope, Statement] | TocsinError, signed: Signed | None = None
    ) -> None:
        """`signed`: its signature, where that is known to be good."""
        if signed is not None:
            self._good_already.add(signed)
        if isinstance(one, TocsinError):
            self._places.append(one)
            return
        envelope, s = one
        self._places.append(len(self.opened))
        self.opened.append(one)
        self._named.add(envelope.id)
        self._cases.add(s.case)
        for o in s.objects:
            self._named.update((o.id, o.sha256))
            self._defines |= o.type == "marking-definition"

    def depends(self, one: tuple[Envelope, Statement]) -> bool:
        """Whether what this one may say hangs on what is here already."""
        envelope, s = one
        if s.kind in ROOT_KINDS or envelope.id in self._named:
            return True
        if s.body.get("event") == "case.open" and s.case in self._cases:
            return True
        if self._defines and s.objects:
            return True
        if not s.objects:
            return not self._named.isdisjoint(s.refs)
        names = {name for o in s.objects for name in (o.id, o.sha256)}
        return not self._named.isdisjoint(names.union(s.refs))

    def enter(self, node: Node) -> list[Done | TocsinError | Waiting]:
        """Admit and keep; for each what to wait for, where it stands, or why it is not let in."""
        kept = self._keep(node) if self.opened else []
        return [kept[place] if isinstance(place, int) else place for place in self._places]

    def _keep(self, node: Node) -> list[Done | TocsinError | Waiting]:
        # Signatures first and without the lock: others keep theirs meanwhile.
        good = self._good(node)
        keeping: dict[str, Keeping] = {}

        def check(s: Statement, verified: Verified) -> None:
            items = _items(node, s)
            keeping[verified.id] = _keeping(node, verified, items)

        with node.lock:
            found = admit_many(
                self.opened,
                keyring=node.keyring,
                chain=lambda s: _chain_head(node, s),
                index=None,
                markings=lambda s, ref: marking_of(node, s.author, ref),
                verifier=lambda signed: [one in good for one in signed],
                check=check,
            )
            let_in = [one for one in found if isinstance(one, Verified)]
            tickets = iter(node.log.keep_many([keeping[one.id] for one in let_in]))
        answers: list[Done | TocsinError | Waiting] = []
        for (envelope, statement), one in zip(self.opened, found, strict=True):
            if isinstance(one, Verified):
                answers.append(next(tickets))
                _let_go(node, statement.author, statement.objects)
            else:
                told = _known(node, envelope.id)
                answers.append(
                    told or sealed_before(node, statement.author, envelope.id, one) or one
                )
        return answers

    def _good(self, node: Node) -> set[Signed]:
        if len(self._good_already) == len(self.opened):  # one each, as ordinary kinds have
            return self._good_already
        asked = signatures(self.opened, node.keyring, None)
        # Of whom the key ring refuses, admission says so in its place.
        signed = [
            one
            for each in asked
            if not isinstance(each, TocsinError)
            for one in each
            if one not in self._good_already
        ]
        found = zip(signed, node.verifier(signed), strict=True)
        return self._good_already.union(one for one, fine in found if fine)


def keep_object(node: Node, author: str, raw: bytes, sha256: str, media_type: str | None) -> None:
    """Keep an object until the statement of `author` that says it arrives.

    Raises:
        StatementError: the bytes have another digest, or the object breaks a MUST of STIX.
    """
    got = hashlib.sha256(raw).hexdigest()
    if got != sha256:
        raise StatementError(
            f"these bytes have SHA-256 {got}, not {sha256}", remedy="send the exact bytes"
        )
    item = item_of(raw, media_type)
    if isinstance(item, Received):
        [item] = judged([item])
        _refuse(item)
    if item.sha256 != sha256:
        raise StatementError(
            f"{sha256[:12]}… is a wrapping around {item.id}, and statements name objects",
            remedy=f"put the object's own bytes: PUT /api/v1/objects/{item.sha256}",
        )
    _keep_waiting(node, author, (item,))


def item_of(raw: bytes, media_type: str | None) -> Item:
    """The object or attachment that these bytes are.

    Args:
        media_type: of an attachment; None: a STIX object.

    Raises:
        StatementError: they are no object.
    """
    if media_type and media_type != "application/stix+json":
        return Attachment.of(raw, media_type)
    received = open_object(raw)
    _refuse(received)
    return received


def _refuse(received: Received) -> None:
    if received.problem is not None:
        raise StatementError(
            f"{received.id or 'an object'}: {received.problem}", remedy="mend it, then say it"
        )


class _Waiting(Struct):
    raw: bytes
    media_type: str | None
    since: str


def _keep_waiting(node: Node, author: str, items: Iterable[Item]) -> None:
    now = stamp(node.clock())
    for item in items:
        refuse_purged(node, item.sha256, item.id)
        media_type = item.type if isinstance(item, Attachment) else None
        value = msgspec.msgpack.encode(_Waiting(raw=item.raw, media_type=media_type, since=now))
        # By author too: nobody says another's object by guessing its digest.
        key = f"{author}/{item.sha256}"
        row = node.store.local("waiting", key)
        node.store.keep_local("waiting", key, value, row.version if row else None)


def refuse_purged(node: Node, sha256: str, name: str) -> None:
    """Raises PurgedError if these bytes were purged here: nothing keeps them again."""
    if node.store.purge_of("object", sha256) is not None:
        raise PurgedError(
            f"{name} was purged on this node, and is not kept again",
            remedy="leave it out; or have an admin allow it: tocsin purge ID --lift --why TEXT",
        )


def _waiting(node: Node, author: str, ref: ObjectRef) -> Item | None:
    row = node.store.local("waiting", f"{author}/{ref.sha256}")
    if row is None:
        return None
    kept = msgspec.msgpack.decode(row.value, type=_Waiting)
    return item_of(kept.raw, kept.media_type)


def held_by(node: Node, author: str, sha256: str) -> Item | None:
    """An object `author` may read: the same answer for what is hidden from it and what is not."""
    kept = node.store.object(sha256, node.allowed(node.reader(author)))
    if kept is None:
        return None
    media_type = kept.type if kept.id.startswith("urn:sha256:") else None
    return item_of(kept.raw, media_type)


def _payload(node: Node, act: Act, key: str) -> bytes:
    last = node.store.chain(act.author, chain_of(act.kind, act.case))
    return compose(
        author=act.author,
        key=key,
        kind=act.kind,
        seq=last.seq + 1 if last else 1,
        prev=last.head if last else "",
        time=stamp(node.clock()),
        salt=node.rng(16).hex(),
        tlp=act.tlp,
        body=act.body,
        case=act.case,
        objects=tuple(
            sorted(
                [ObjectRef(id=o.id, sha256=o.sha256, type=o.type) for o in act.objects]
                + [*act.named],
                key=lambda ref: ref.id,
            )
        ),
        refs=tuple(sorted(set(act.refs))),
        to=tuple(sorted(set(act.to))),
        seen=seen_now(node),
    )


def seen_now(node: Node) -> tuple[Seen, ...]:
    """The newest cosigned checkpoints held, of this log and of others, by origin.

    A lower bound for when it was said, and how a log that shows two histories is found out.
    """
    own = node.log.seen()
    others = sorted(
        (s for s in node.seen_others() if s.origin != node.log.origin), key=lambda s: s.origin
    )
    return tuple(sorted([*own, *others[: MAX_SEEN - 1]], key=lambda s: s.origin))


def logged(waiting: Waiting) -> Done:
    """Where a kept statement stands, once it is in the log. Not to be waited for under the lock."""
    receipt = waiting.wait()
    return Done(id=receipt.id, index=receipt.index, quorum=receipt.quorum)


def _enter(
    node: Node,
    opened: tuple[Envelope, Statement],
    items: Sequence[Item],
) -> Waiting:
    envelope, statement = opened
    admitted = admit_opened(
        envelope,
        statement,
        keyring=node.keyring,
        chain=_chain_head(node, statement),
        index=None,
        markings=lambda ref: marking_of(node, statement.author, ref),
    )
    return node.log.keep(*_keeping(node, admitted, items))


def _chain_head(node: Node, statement: Statement) -> ChainHead | None:
    last = node.store.chain(statement.author, statement.chain)
    return ChainHead(seq=last.seq, head=last.head) if last else None


def _keeping(node: Node, verified: Verified, items: Sequence[Item]) -> Keeping:
    """What is kept of a statement that is let in, and for whom.

    Raises:
        ConflictError, SpeakerError, MarkingError: it opens another's case, or speaks for another.
    """
    audience = verified.audience
    check_opening(node, verified.statement)
    values = decoded(items)
    check_owners(node, verified.statement, items, values)
    narrowed = object_audiences(node, audience, items, values)
    return verified, tuple(items), audience, narrowed


def stamp(at: datetime) -> str:
    """A statement's time: UTC, whole seconds, 20 characters."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def stix_time(at: datetime) -> str:
    """A STIX `created` or `modified`: UTC to the millisecond (STIX 2.1 §3.2)."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def withdraw(
    node: Node,
    author: str,
    statement_id: str,
    *,
    objects: Sequence[str] = (),
    reason: str | None = None,
) -> Done | Prepared:
    """Take back a statement, or the named objects of it. Nothing is deleted.

    Raises:
        NotFoundError: no such statement, or not one `author` may read.
        ForbiddenError: somebody else said it.
    """
    readable = node.allowed(node.reader(author))
    plain = node.store.statement(statement_id, readable)
    given: list[Kept | KeptSealed] = [
        *([plain] if plain else []),
        *sealed_as(node, readable, statement_id),
    ]
    # One's own first: others may have sealed under the same id.
    found = next((one for one in given if one.author == author), given[0] if given else None)
    if found is None:
        raise not_found(f"statement {statement_id}")
    if found.author != author:
        raise ForbiddenError(
            f"{found.author} said {statement_id[:12]}…, and only {found.author} may take it back",
            remedy="answer it instead: publish a challenge",
        )
    if isinstance(found, KeptSealed):
        return act_for(node, _unsaying(found, objects, reason))
    statement = parse_kept(found)
    chosen = [o for o in statement.objects if not objects or o.id in objects]
    missing = set(objects) - {o.id for o in chosen}
    if missing:
        raise NotFoundError(
            f"{', '.join(sorted(missing))} is not among the objects of {statement_id[:12]}…",
            remedy="tocsin log show " + statement_id,
        )
    act = Act(
        author=author,
        kind="withdraw",
        tlp=statement.tlp,
        body={"reason": reason} if reason else {},
        case=statement.case,
        # By name: what was purged here is taken back all the same. None named: all of it.
        named=tuple(chosen) if objects else (),
        refs=(statement_id,),
    )
    # Who holds it is told, and nobody else is.
    return act_for(node, addressed(act, statement.to, statement.audience.persons))


def _unsaying(sealed: KeptSealed, objects: Sequence[str], reason: str | None) -> Act:
    """The withdrawal of a sealed statement, all of it: in plain, to those who can open it."""
    if objects:
        raise UsageError(
            f"{sealed.inside[:12]}… is sealed, and its objects are not known here",
            remedy="take back all of it, then seal again what still stands",
        )
    return Act(
        author=sealed.author,
        kind="withdraw",
        tlp=sealed.tlp,
        body={"reason": reason} if reason else {},
        case=sealed.case,
        refs=(sealed.inside,),
        to=tuple(party for party in sealed.readers if party != sealed.author),
    )


def say(
    node: Node,
    author: str,
    raw: bytes,
    *,
    tlp: Tlp,
    to: Sequence[str] = (),
    case: str | None = None,
    refs: Sequence[str] = (),
    persons: Sequence[str] = (),
) -> Done | Prepared:
    """Publish the objects of a STIX bundle in `author`'s name, as the bytes they came in.

    Args:
        persons: of the parties in `to`, under RED; none named: whoever may sign there.

    Raises:
        BundleError: not a bundle.
        StatementError: an object in it breaks a MUST of STIX: nothing is said.
    """
    items = judged(open_bundle(raw))
    for item in items:
        if item.problem is not None:
            raise StatementError(
                f"{item.id or 'an object'}: {item.problem}",
                remedy="mend or leave out that object, then say the rest",
            )
    unique = {item.sha256: item for item in items}
    act = Act(
        author=author,
        kind="say",
        tlp=tlp,
        case=case,
        objects=tuple(unique.values()),
        refs=tuple(refs),
    )
    return act_for(node, addressed(act, to, persons))


def sealed_as(node: Node, readable: frozenset[int], id: str) -> list[KeptSealed]:
    """The sealed statements that `id` names: one by its entry, or all that are sealed under it."""
    found = node.store.sealed(id, readable)
    return [found[0]] if found else node.store.sealed_in(readable, inside=id)


def one_sealed(node: Node, readable: frozenset[int], id: str) -> KeptSealed | None:
    """The sealed statement that `id` names; None: none of these.

    Raises:
        ConflictError: several have sealed under it; it names their entries.
    """
    found = sealed_as(node, readable, id)
    if len(found) > 1:
        raise ConflictError(
            f"{', '.join(one.author for one in found)} have sealed under the id {id}",
            remedy="name one by its entry: "
            + ", ".join(f"{one.id} ({one.author})" for one in found),
        )
    return found[0] if found else None


def parse_kept(kept: Kept) -> Statement:
    """The statement inside a stored envelope."""
    return parse(open_envelope(kept.raw).payload)


def not_found(what: str) -> NotFoundError:
    """The one answer for hidden and unknown."""
    return NotFoundError(
        f"no {what} here that you may read", remedy="check the id, or ask its owner"
    )
