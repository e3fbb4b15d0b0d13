"""From bytes at a door to a statement in the log.

A report is read into drafts and kept on this node only; a person accepts a draft; what is said is
signed by the party that says it, kept, logged, then opened. Software alone asserts nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from tocsin.canonical import b64encode
from tocsin.claims import model as claims
from tocsin.claims import write
from tocsin.errors import (
    ConflictError,
    DraftError,
    ForbiddenError,
    MarkingError,
    NotFoundError,
    SpeakerError,
    StaleDraftError,
    StatementError,
)
from tocsin.flows.node import Node
from tocsin.importers.interface import Loss, Reading, Source, sniff
from tocsin.policy import TLP_RANK, Audience, Tlp, strictest
from tocsin.record.admission import ChainHead, admit
from tocsin.record.envelope import open_envelope, open_statement, pae
from tocsin.record.envelope import sign as sign_payload
from tocsin.record.keys import verify
from tocsin.record.sequencer import Waiting
from tocsin.record.statement import ObjectRef, Seen, Statement, compose, parse
from tocsin.stix import ids
from tocsin.stix.bundle import Received, open_bundle, open_object
from tocsin.stix.markings import tlp_of
from tocsin.stix.model import make
from tocsin.stix.needles import WITHOUT_PATTERN, pattern_for
from tocsin.stix.values import normalise
from tocsin.store.interface import Attachment, Kept

Item: TypeAlias = Received | Attachment


class Act(Struct, frozen=True, kw_only=True):
    """What somebody is about to sign: everything of a statement but its place in a chain."""

    author: str
    kind: str
    tlp: Tlp
    body: dict[str, Any] = {}
    case: str | None = None
    objects: tuple[Item, ...] = ()
    refs: tuple[str, ...] = ()
    to: tuple[str, ...] = ()


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


# --- saying -----------------------------------------------------------------------------------


def record(node: Node, act: Act) -> Done:
    """Sign `act` with the author's key in this folder, log it, open it to its readers.

    Raises:
        ForbiddenError: the author's key is not in this folder.
        StatementError, SpeakerError, MarkingError: the act breaks a rule; nothing is kept.
        LogHalted: the log takes no writes now; nothing is kept.
    """
    signer = node.signers.get(act.author)
    if signer is None:
        raise ForbiddenError(
            f"the signing key of {act.author} is not in this folder",
            remedy=f"run this verb at {act.author}, or give --home of its folder",
        )
    with node.lock:
        payload = _payload(node, act, signer.keyid)
        entering = _enter(node, sign_payload(payload, [signer]), act.objects)
    return entering.wait()


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
    """
    envelope, statement = open_statement(raw)
    known = node.store.statement(envelope.id, node.everything())
    if known is not None:
        return Done(id=known.id, index=known.index)
    # Before anything is looked up: a forged envelope learns nothing of what its "author" may read.
    for public, signature in node.keyring.signers(envelope, statement, None):
        verify(public, signature, pae(envelope.payload))
    items: list[Item] = []
    # Taking back or naming an object needs no bytes; saying it does.
    if statement.kind != "withdraw":
        for ref in statement.objects:
            item = _waiting(node, statement.author, ref) or _held(
                node, statement.author, ref.sha256
            )
            if item is None:
                raise StatementError(
                    f"object {ref.id} ({ref.sha256[:12]}…) is named but not here",
                    remedy="put it first: PUT /api/v1/objects/" + ref.sha256,
                )
            items.append(item)
    with node.lock:
        entering = _enter(node, raw, items)
    done = entering.wait()
    for ref in statement.objects:
        key = f"{statement.author}/{ref.sha256}"
        row = node.store.local("waiting", key)
        if row is not None:
            node.store.keep_local("waiting", key, None, row.version)
    return done


def keep_object(node: Node, author: str, raw: bytes, sha256: str, media_type: str | None) -> None:
    """Keep an object until the statement of `author` that says it arrives.

    Raises:
        StatementError: the bytes have another digest.
    """
    got = hashlib.sha256(raw).hexdigest()
    if got != sha256:
        raise StatementError(
            f"these bytes have SHA-256 {got}, not {sha256}", remedy="send the exact bytes"
        )
    item = _item(raw, media_type)
    if item.sha256 != sha256:
        raise StatementError(
            f"{sha256[:12]}… is a wrapping around {item.id}, and statements name objects",
            remedy=f"put the object's own bytes: PUT /api/v1/objects/{item.sha256}",
        )
    _keep_waiting(node, author, (item,))


def _item(raw: bytes, media_type: str | None) -> Item:
    if media_type and media_type != "application/stix+json":
        return Attachment.of(raw, media_type)
    received = open_object(raw)
    if received.problem is not None:
        raise StatementError(
            f"{received.id or 'an object'}: {received.problem}", remedy="mend it, then say it"
        )
    return received


class _Waiting(Struct):
    raw: bytes
    media_type: str | None
    since: str


def _keep_waiting(node: Node, author: str, items: Iterable[Item]) -> None:
    now = stamp(node.clock())
    for item in items:
        media_type = item.type if isinstance(item, Attachment) else None
        value = msgspec.msgpack.encode(_Waiting(raw=item.raw, media_type=media_type, since=now))
        # By author too: nobody says another's object by guessing its digest.
        key = f"{author}/{item.sha256}"
        row = node.store.local("waiting", key)
        node.store.keep_local("waiting", key, value, row.version if row else None)


def _waiting(node: Node, author: str, ref: ObjectRef) -> Item | None:
    row = node.store.local("waiting", f"{author}/{ref.sha256}")
    if row is None:
        return None
    kept = msgspec.msgpack.decode(row.value, type=_Waiting)
    return _item(kept.raw, kept.media_type)


def _held(node: Node, author: str, sha256: str) -> Item | None:
    """An object `author` may read: the same answer for what is hidden from it and what is not."""
    kept = node.store.object(sha256, node.allowed(node.reader(author)))
    if kept is None:
        return None
    media_type = kept.type if kept.id.startswith("urn:sha256:") else None
    return _item(kept.raw, media_type)


def _payload(node: Node, act: Act, key: str) -> bytes:
    last = node.store.chain(act.author, act.case)
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
                (ObjectRef(id=o.id, sha256=o.sha256, type=o.type) for o in act.objects),
                key=lambda ref: ref.id,
            )
        ),
        refs=tuple(sorted(set(act.refs))),
        to=tuple(sorted(set(act.to))),
        seen=_seen(node),
    )


def _seen(node: Node) -> tuple[Seen, ...]:
    """The newest checkpoint of this node's own log: a lower bound for when it was said."""
    head = node.store.head()
    if head is None or head.size == 0:
        return ()
    return (Seen(origin=head.origin, root=b64encode(head.root), size=head.size),)


class _Entering:
    """A statement that is kept; `wait`, without the node's lock, until it is in the log."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting

    def wait(self) -> Done:
        receipt = self._waiting.wait()
        return Done(id=receipt.id, index=receipt.index)


def _enter(node: Node, raw: bytes, items: Sequence[Item]) -> _Entering:
    _, statement = open_statement(raw)
    last = node.store.chain(statement.author, statement.case)
    verified = admit(
        raw,
        keyring=node.keyring,
        chain=ChainHead(seq=last.seq, head=last.head) if last else None,
        index=None,
        markings=lambda ref: _marking_of(node, statement.author, ref),
    )
    audience = verified.statement.audience
    _check_opening(node, verified.statement)
    _check_owners(node, verified.statement, items)
    narrowed = _object_audiences(node, audience, items)
    # Taking back names objects and brings none.
    brought = () if verified.statement.kind == "withdraw" else tuple(items)
    return _Entering(node.log.keep(verified, brought, audience, narrowed))


def _marking_of(node: Node, author: str, ref: str) -> Audience | None:
    """How `ref` is marked, as far as `author` may know: hidden and unknown are one answer."""
    kept = node.store.statement(ref, node.allowed(node.reader(author)))
    return kept.audience if kept else None


def _check_opening(node: Node, statement: Statement) -> None:
    """A case is opened by whoever speaks in it first, and by nobody after.

    Whoever learnt a case's id could else open it for those who cannot see the true opening yet.
    An id is a random number: to try one here, one has to know it.

    Raises:
        ConflictError: the case is another party's.
    """
    if statement.case is None or statement.body.get("event") != "case.open":
        return
    first = node.store.statements(node.everything(), case=statement.case, limit=1)
    if first and first[0].author != statement.author:
        raise ConflictError(
            f"{statement.case} is open already, and {statement.author} did not open it",
            remedy="open a case of your own: tocsin case open TITLE",
        )


def _check_owners(node: Node, statement: Statement, items: Sequence[Item]) -> None:
    """Nobody speaks for another party, replaces what it said, or shows it to more readers.

    Of the claim carrier a party publishes its own only. Any other object of a party is passed on
    as that party said it, to readers that party named. All by what `statement.author` may read.

    Raises:
        SpeakerError: an object is another party's, and not as that party said it here.
        MarkingError: it would reach readers that its owner did not name.
    """
    if statement.kind == "withdraw" or not items:
        return
    identity = node.identity(statement.author)
    readable = node.allowed(node.reader(statement.author))
    for item in items:
        owner = None
        if isinstance(item, Received):
            creator = item.data.get("created_by_ref")
            if claims.EXTENSION_ID in item.data.get("extensions", {}) and creator != identity:
                raise SpeakerError(
                    f"{item.id} was created by {creator}, and {statement.author} signs as "
                    f"{identity}",
                    remedy="say only your own claims, evidence and challenges; quote others by "
                    "coding",
                )
            for held in node.store.versions(item.id, readable):
                if held.data.get("created_by_ref") != creator:
                    raise SpeakerError(
                        f"{item.id} was created by {held.data.get('created_by_ref')}, not by "
                        f"{creator}",
                        remedy="give your own object an id of its own",
                    )
            entry = node.directory.by_identity(str(creator)) or node.directory.by_identity(item.id)
            owner = entry.id if entry else None
        said = _sayings(node, item.sha256, readable)
        if isinstance(item, Attachment) and said:
            owner = said[0].author
        if owner is None or owner == statement.author:
            continue
        own = [k.audience for k in said if k.author == owner]
        if not own:
            raise SpeakerError(
                f"{item.id} is {owner}'s, and {owner} has not said it so here",
                remedy="ask them to say it, or publish an object of your own about it",
            )
        if not any(_within(statement.audience, a) for a in own):
            raise MarkingError(
                f"{item.id} would reach more readers than {owner} named",
                remedy=f"mark it no looser and name no others, or ask {owner} to say it again",
            )


def _sayings(node: Node, sha256: str, readable: frozenset[int]) -> list[Kept]:
    """The readable statements that say these bytes, in log order."""
    kept = node.store.object(sha256, readable)
    found = [node.store.statement(i, readable) for i in (kept.said_by if kept else ())]
    return sorted((k for k in found if k is not None), key=lambda k: k.index)


def _within(inner: Audience, outer: Audience) -> bool:
    """Whether what is under `inner` reaches nobody that `outer` does not."""
    if TLP_RANK[inner.tlp] < TLP_RANK[outer.tlp]:
        return False
    if outer.tlp == "CLEAR" or (outer.tlp == "GREEN" and not outer.to):
        return True
    if inner.tlp == "GREEN" and not inner.to:
        return False
    return inner.to <= outer.to | {outer.author, inner.author}


def _object_audiences(
    node: Node, audience: Audience, items: Sequence[Item]
) -> Mapping[str, Audience]:
    """An object's own marking only ever tightens the audience of the statement that says it."""
    received = [item for item in items if isinstance(item, Received)]
    if not received:
        return {}
    known = definitions(node) | {item.id: item.data for item in received}
    narrowed: dict[str, Audience] = {}
    for item in received:
        tlp, unknown = tlp_of(item.data, known)
        if tlp is None and not unknown:
            continue
        own = Audience(
            author=audience.author,
            tlp=tlp or audience.tlp,
            to=audience.to,
            persons=audience.persons,
            unknown=unknown,
        )
        result = strictest(audience, own)
        if result != audience:
            narrowed[item.sha256] = result
    return narrowed


def definitions(node: Node) -> dict[str, Mapping[str, Any]]:
    """Every marking definition held, by id: what a marking is resolved with."""
    held = node.store.select(node.everything(), types=["marking-definition"])
    return {o.id: o.data for o in held}


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
    kept = node.store.statement(statement_id, node.allowed(node.reader(author)))
    if kept is None:
        raise not_found(f"statement {statement_id}")
    if kept.author != author:
        raise ForbiddenError(
            f"{kept.author} said {statement_id[:12]}…, and only {kept.author} may take it back",
            remedy="answer it instead: publish a challenge",
        )
    statement = parse_kept(kept)
    chosen = [o for o in statement.objects if not objects or o.id in objects]
    missing = set(objects) - {o.id for o in chosen}
    if missing:
        raise NotFoundError(
            f"{', '.join(sorted(missing))} is not among the objects of {statement_id[:12]}…",
            remedy="tocsin log show " + statement_id,
        )
    items = [_held(node, author, o.sha256) for o in chosen]
    act = Act(
        author=author,
        kind="withdraw",
        tlp=statement.tlp,
        body={"reason": reason} if reason else {},
        case=statement.case,
        objects=tuple(i for i in items if i is not None) if objects else (),
        refs=(statement_id,),
        to=statement.to,
    )
    return act_for(node, act)


def say(
    node: Node,
    author: str,
    raw: bytes,
    *,
    tlp: Tlp,
    to: Sequence[str] = (),
    case: str | None = None,
    refs: Sequence[str] = (),
) -> Done | Prepared:
    """Publish the objects of a STIX bundle in `author`'s name, as the bytes they came in.

    Raises:
        BundleError: not a bundle; or an object in it has a problem: nothing is said.
    """
    items = open_bundle(raw)
    for item in items:
        if item.problem is not None:
            raise StatementError(
                f"{item.id or 'an object'}: {item.problem}",
                remedy="mend or leave out that object, then say the rest",
            )
    unique = {item.sha256: item for item in items}
    return act_for(
        node,
        Act(
            author=author,
            kind="say",
            tlp=tlp,
            case=case,
            objects=tuple(unique.values()),
            refs=tuple(refs),
            to=tuple(to),
        ),
    )


def parse_kept(kept: Kept) -> Statement:
    """The statement inside a stored envelope."""
    return parse(open_envelope(kept.raw).payload)


def not_found(what: str) -> NotFoundError:
    """The one answer for hidden and unknown."""
    return NotFoundError(
        f"no {what} here that you may read", remedy="check the id, or ask its owner"
    )


# --- reports and drafts -------------------------------------------------------------------------

State = Literal["open", "accepted", "rejected"]


class KeptDraft(Struct, kw_only=True):
    """A draft as it is kept: the machine's reading, a person's wording beside it, its fate."""

    report: str
    n: int
    kind: Literal["claim", "indicator"]
    machine: dict[str, Any]
    """What the reader of the report found; never changed afterwards."""
    human: dict[str, Any] = {}
    """Fields a person set instead. The span and the machine's words stay beside them."""
    state: State = "open"
    why: str | None = None
    object_id: str | None = None
    statement: str | None = None
    by: str | None = None
    revision: int = 0

    @property
    def id(self) -> str:
        return f"{self.report}.{self.n}"

    def get(self, name: str) -> Any:
        """The field as a person set it, else as the machine read it."""
        return self.human[name] if name in self.human else self.machine.get(name)


class KeptReport(Struct, kw_only=True):
    """A report as it is kept on this node: the extracted text stays here until somebody says it."""

    id: str
    source: Source
    text: str
    losses: tuple[Loss, ...]
    objects: tuple[tuple[str, str, str | None], ...] = ()
    """For a bundle: (id, sha256, problem) of each object."""
    received_at: str = ""
    drafts: int = 0


EDITABLE = frozenset(
    {"claim_type", "speaker", "speaker_role", "addressee", "about", "date", "precision", "gist"}
    | {"lang", "value", "kind", "outlet"}
)


def ingest(
    node: Node, raw: bytes, name: str, *, published: date | None = None
) -> tuple[KeptReport, list[KeptDraft]]:
    """Read a report or a bundle; keep its text and drafts on this node, and assert nothing.

    The same bytes with the same publication date are the same report: its drafts, with what was
    done to them, are given again.
    """
    # A file's name may hold bytes that are no text; what is kept is text.
    name = name.encode("utf-8", "backslashreplace").decode()
    reading = node.importers[sniff(raw, name)].read(raw, name, published=published)
    with node.drafting:
        return _kept(node, raw, reading, published)


def _kept(
    node: Node, raw: bytes, reading: Reading, published: date | None
) -> tuple[KeptReport, list[KeptDraft]]:
    tag = hashlib.sha256(f"{reading.source.sha256} {published or ''}".encode()).hexdigest()[:16]
    known = node.store.local("report", tag)
    if known is not None:
        return report(node, tag), drafts(node, tag)
    found = [
        KeptDraft(report=tag, n=n, kind="claim", machine=msgspec.to_builtins(d))
        for n, d in enumerate(reading.drafts, 1)
    ]
    found += [
        KeptDraft(report=tag, n=n, kind="indicator", machine=msgspec.to_builtins(i))
        for n, i in enumerate(reading.indicators, len(found) + 1)
    ]
    for draft in found:
        _put(node, "draft", _key(draft), msgspec.json.encode(draft))
    kept = KeptReport(
        id=tag,
        source=reading.source,
        text=reading.text,
        losses=reading.losses,
        objects=tuple((o.id, o.sha256, o.problem) for o in reading.objects),
        received_at=stamp(node.clock()),
        drafts=len(found),
    )
    if reading.objects:
        _put(node, "report-bytes", tag, raw)
    # Last: a report that is listed has all its drafts.
    node.store.keep_local("report", tag, msgspec.json.encode(kept), None)
    return kept, drafts(node, tag)


def _put(node: Node, kind: str, key: str, value: bytes) -> None:
    """Keep a row of a report that is not listed yet; a reading cut off may have left it."""
    row = node.store.local(kind, key)
    node.store.keep_local(kind, key, value, row.version if row else None)


_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


def _key(draft: KeptDraft) -> str:
    return f"{draft.report}.{draft.n:06d}"


def reports(node: Node) -> list[KeptReport]:
    """Every report kept here, newest first."""
    rows = node.store.list_local("report")
    found = [msgspec.json.decode(row.value, type=KeptReport) for row in rows]
    return sorted(found, key=lambda r: (r.received_at, r.id), reverse=True)


def report(node: Node, report_id: str) -> KeptReport:
    """One report. Raises NotFoundError."""
    row = node.store.local("report", report_id)
    if row is None:
        raise not_found(f"report {report_id}")
    return msgspec.json.decode(row.value, type=KeptReport)


def drafts(node: Node, report_id: str = "", *, state: State | None = None) -> list[KeptDraft]:
    """Drafts of a report (of all, for ""), in the order of the text."""
    rows = node.store.list_local("draft", prefix=report_id and report_id + ".")
    found = []
    for row in rows:
        draft = msgspec.json.decode(row.value, type=KeptDraft)
        draft.revision = row.version
        if state is None or draft.state == state:
            found.append(draft)
    return found


def draft(node: Node, draft_id: str) -> KeptDraft:
    """One draft by id `REPORT.N`. Raises NotFoundError."""
    tag, _, n = draft_id.rpartition(".")
    # One spelling for each: 3, never 03.
    known = _NUMBER.fullmatch(n) is not None
    row = node.store.local("draft", f"{tag}.{int(n):06d}") if known else None
    if row is None:
        raise not_found(f"draft {draft_id}")
    found = msgspec.json.decode(row.value, type=KeptDraft)
    found.revision = row.version
    return found


def edit(node: Node, draft_id: str, revision: int, fields: Mapping[str, Any]) -> KeptDraft:
    """Set fields of an open draft beside the machine's reading.

    Raises:
        StaleDraftError: it has changed since `revision`, or is no longer open.
        DraftError: a field that cannot be edited; the span and the words are the source's.
    """
    current = _open(node, draft_id, revision)
    wrong = set(fields) - EDITABLE
    if wrong:
        raise DraftError(
            f"{', '.join(sorted(wrong))} cannot be edited: words and spans are the source's own",
            remedy="fields that can: " + ", ".join(sorted(EDITABLE)),
        )
    if fields.get("claim_type") not in (None, *claims.CLAIM_TYPES):
        raise DraftError(
            f"there is no claim type {fields['claim_type']!r}",
            remedy="one of: " + ", ".join(claims.CLAIM_TYPES),
        )
    emptied = [name for name in ("claim_type", "kind", "value") if fields.get(name, "-") is None]
    if emptied:
        raise DraftError(
            f"{', '.join(emptied)} of a draft cannot be empty", remedy="reject the draft instead"
        )
    if fields.get("date"):
        _precision(str(fields["date"]))
    current.human = {**current.human, **fields}
    return _keep(node, current, revision)


def reject(node: Node, draft_id: str, revision: int, why: str, by: str | None = None) -> KeptDraft:
    """Set a draft aside, with the reason. It stays on this node."""
    current = _open(node, draft_id, revision)
    current.state = "rejected"
    current.why = why
    current.by = by
    return _keep(node, current, revision)


def _open(node: Node, draft_id: str, revision: int) -> KeptDraft:
    current = draft(node, draft_id)
    if current.state != "open":
        raise StaleDraftError(
            f"draft {draft_id} was {current.state} already",
            remedy="see it with: tocsin accept --report " + current.report,
        )
    if current.revision != revision:
        raise StaleDraftError(
            f"draft {draft_id} is at revision {current.revision}, and you have seen {revision}",
            remedy="look at it again, then decide",
        )
    return current


def _keep(node: Node, changed: KeptDraft, revision: int) -> KeptDraft:
    try:
        changed.revision = node.store.keep_local(
            "draft", _key(changed), msgspec.json.encode(changed), revision
        )
    except ConflictError as conflict:
        raise StaleDraftError(
            f"draft {changed.id} has just been changed by somebody else",
            remedy="look at it again, then decide",
        ) from conflict
    return changed


class Accepting(Struct, frozen=True, kw_only=True):
    """How accepted drafts are to be said."""

    by: str
    """The party that says them: the coder."""
    tlp: Tlp = "AMBER+STRICT"
    to: tuple[str, ...] = ()
    case: str | None = None
    date: str | None = None
    """For claims whose draft has no date: when the words were said (RFC 3339 date or part)."""
    outlet: str | None = None
    """Who published the report; default: the file's name as printed."""
    person: str | None = None


def accept(
    node: Node, wanted: Sequence[tuple[str, int]], how: Accepting
) -> tuple[list[KeptDraft], Done | None]:
    """Turn open drafts (id, revision seen) into objects, said in one statement.

    All or none: every draft is checked before anything is signed. A claim needs a date; a claim
    nobody is named for refers to the outlet. Object ids follow from the draft, so that a crash
    between logging and marking cannot say it twice.

    Raises:
        StaleDraftError: one of them has changed, or was dealt with already.
        DraftError: a claim has no date.
    """
    if not wanted:
        raise DraftError("no draft is named", remedy="list them with: tocsin accept")
    if how.by not in node.signers:
        raise ForbiddenError(
            f"{how.by} does not sign here, and drafts stay on this node",
            remedy="read the report at " + how.by,
        )
    with node.drafting:
        return _accept(node, wanted, how)


def _accept(
    node: Node, wanted: Sequence[tuple[str, int]], how: Accepting
) -> tuple[list[KeptDraft], Done | None]:
    # A draft named twice is one draft.
    chosen = list({d.id: d for d in (_open(node, i, revision) for i, revision in wanted)}.values())
    undated = [d.id for d in chosen if d.kind == "claim" and not (_date_of(d) or how.date)]
    if undated:
        raise DraftError(
            f"when was it said? no date in draft {', '.join(undated)}",
            remedy="give --date (a day, month or year), or edit date= of each",
        )
    now = node.clock()
    made: dict[str, Received] = {}
    objects: list[tuple[str, str | None]] = []
    for one in chosen:
        source = report(node, one.report)
        raws = (
            _claim(node, one, source, how, now)
            if one.kind == "claim"
            else [_indicator(node, one, source, how, now)]
        )
        opened = [open_object(raw) for raw in raws]
        before = _said_by(node, how.by, opened[-1].id)
        objects.append((opened[-1].id, before))
        if before is None:
            made.update((received.id, received) for received in opened)
    if len(made) > MAX_TOGETHER:
        raise DraftError(
            f"{len(chosen)} drafts make {len(made)} objects, and one statement says at most "
            f"{MAX_TOGETHER}",
            remedy="accept them in parts",
        )
    done: Done | None = None
    if made:
        act = Act(
            author=how.by,
            kind="say",
            tlp=how.tlp,
            to=how.to,
            case=how.case,
            objects=tuple(made.values()),
        )
        done = record(node, act)
    for one, (object_id, before) in zip(chosen, objects, strict=True):
        one.state = "accepted"
        one.object_id = object_id
        one.statement = before or (done.id if done else None)
        one.by = how.person or how.by
        _keep(node, one, one.revision)
    return chosen, done


MAX_TOGETHER = 300
"""Objects of one accepting: their names fit into the 64 KiB of a statement."""


def _said_by(node: Node, party: str, object_id: str) -> str | None:
    """The statement in which `party` said this object already.

    There is one after an accept that was cut off before it could mark its draft.
    """
    everything = node.everything()
    for version in node.store.versions(object_id, everything):
        for statement in version.said_by:
            kept = node.store.statement(statement, everything)
            if kept is not None and kept.author == party:
                return statement
    return None


def _own_id(node: Node, kind: str, *parts: str) -> str:
    """An id that follows from its parts, and that nobody but this node can work out beforehand.

    Who could would say something else under it first.
    """
    row = node.store.local("salt", "ids")
    if row is None:
        node.store.keep_local("salt", "ids", node.rng(16).hex().encode(), None)
        row = node.store.local("salt", "ids")
    assert row is not None
    return ids.deterministic(kind, row.value.decode(), *parts)


def _date_of(one: KeptDraft) -> str | None:
    value = one.get("date")
    return str(value) if value else None


_DATE = re.compile(
    r"(?P<year>\d{4})(?P<month>-\d{2}(?P<day>-\d{2}(?P<time>T\d{2}:\d{2}(?P<s>:\d{2}(\.\d+)?)?Z)?)?)?"
)


def _precision(value: str) -> str:
    match = _DATE.fullmatch(value)
    if match is None:
        raise DraftError(
            f"{value!r} is not a date we can keep",
            remedy="write 2026, 2026-11, 2026-11-22 or 2026-11-22T08:30:00Z",
        )
    try:
        datetime.fromisoformat((value + "-01-01"[len(value) - 4 :]) if len(value) < 10 else value)
    except ValueError as wrong:
        raise DraftError(
            f"{value!r} is no day of the calendar", remedy="check the month and the day"
        ) from wrong
    if match["s"]:
        return "instant"
    if match["time"]:
        return "minute"
    return "day" if match["day"] else "month" if match["month"] else "year"


def _identity(node: Node, coder: str, name: str) -> bytes:
    """An identity for a name as printed, this coder's own: nobody's names are merged."""
    return make(
        "identity",
        id=_own_id(node, "identity", coder, " ".join(name.casefold().split())),
        created="2000-01-01T00:00:00.000Z",
        created_by_ref=node.identity(coder),
        name=name,
    )


def _claim(
    node: Node, one: KeptDraft, source: KeptReport, how: Accepting, now: datetime
) -> list[bytes]:
    """The identities a claim names, then the claim itself."""
    coder = node.identity(how.by)
    raws: list[bytes] = []

    def identity(name: str | None) -> str | None:
        if not name:
            return None
        raw = _identity(node, how.by, name)
        raws.append(raw)
        return open_object(raw).id

    speaker = identity(one.get("speaker"))
    addressee = identity(one.get("addressee"))
    outlet_name = one.get("outlet") or how.outlet or source.source.name
    outlet = identity(outlet_name)
    value = _date_of(one) or str(how.date)
    span = one.machine["span"]
    role = one.get("speaker_role")
    raws.append(
        write.claim_object(
            id=_own_id(node, "note", how.by, str(source.source.text_sha256), str(one.n)),
            created=stix_time(now),
            created_by_ref=coder,
            claim_type=one.get("claim_type"),
            speaker_ref=speaker,
            speaker_as_printed=one.get("speaker"),
            capacity="spokesperson" if role and "spokes" in role else "unknown",
            addressee_refs=[addressee] if addressee else [],
            asserted_at={"value": value, "precision": _precision(value)},
            words={
                "text": one.machine["words"],
                "lang": one.get("lang") or "en",
                "start": span[0],
                "end": span[1],
                "source_sha256": source.source.text_sha256,
            },
            reported_by_ref=outlet,
            flags=[{"name": "as-reported", "of": "outlet"}],
        )
    )
    return raws


def has_pattern(one: KeptDraft) -> bool:
    """Whether this draft of an indicator can be shared as one: a CVE, for example, cannot."""
    return (one.human.get("kind") or one.machine.get("type")) not in WITHOUT_PATTERN


def _indicator(
    node: Node, one: KeptDraft, source: KeptReport, how: Accepting, now: datetime
) -> bytes:
    kind = one.get("kind") if "kind" in one.human else one.machine.get("type")
    value = normalise(str(kind), str(one.get("value")))
    pattern = pattern_for(str(kind), value)
    if pattern is None:
        raise DraftError(
            f"a {kind} such as {value!r} has no STIX pattern to be shared as",
            remedy="reject this draft, or share it in a report's text",
        )
    at = stix_time(now)
    return make(
        "indicator",
        id=_own_id(node, "indicator", how.by, str(source.source.text_sha256), str(one.n)),
        created=at,
        created_by_ref=node.identity(how.by),
        name=value,
        pattern=pattern,
        pattern_type="stix",
        valid_from=at,
    )
