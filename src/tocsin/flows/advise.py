"""One advisory from a case: composed, frozen byte for byte, co-signed, published.

A draft is this node's own; from the freeze on everything is signed statements: the manifest and
the renderings are said with the freeze, so that whoever signs has read the very bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from tocsin.advisory.compose import Composed, compose
from tocsin.advisory.model import Advisory, Author, ClaimLine, IndicatorLine, Source
from tocsin.cases.model import AdvisoryState, CaseState
from tocsin.claims.model import Claim
from tocsin.errors import (
    CaseError,
    ClaimError,
    HoldError,
    NotFoundError,
    QuorumError,
    RenderingError,
)
from tocsin.flows import respond, weigh, weighed
from tocsin.flows.intake import (
    Act,
    Done,
    Prepared,
    act_for,
    not_found,
    parse_kept,
    stamp,
    stix_time,
)
from tocsin.flows.known import Known, known, party_name
from tocsin.flows.node import Node
from tocsin.flows.owners import definitions, level_of
from tocsin.policy import TLP_RANK, Reader, Tlp
from tocsin.store.interface import Attachment, KeptObject

SIGNING_TIME = timedelta(hours=72)
"""How long parties have to sign, unless the author says otherwise."""


class KeptAdvisory(Struct, kw_only=True):
    """An advisory's source as it is kept on the node that drafts it."""

    id: str
    case: str
    author: str
    tracking_id: str
    title: str
    summary: str
    lang: str
    tlp: Tlp
    k: int
    of: int
    claims: list[str]
    indicators: list[str]
    created: str
    rev: int = 0


class Signature(Struct, frozen=True, kw_only=True):
    """What one party answered: signed in a capacity, refused, or nothing yet."""

    party: weighed.Name
    word: str
    rev: int | None
    dissent: str | None
    at: str | None
    statement: str | None


class RenderingRow(Struct, frozen=True, kw_only=True):
    """One rendering of the frozen advisory."""

    path: str
    media_type: str
    sha256: str
    size: int


class AdvisoryPage(Struct, frozen=True, kw_only=True):
    """Everything the Advisory page shows."""

    id: str
    case: str
    title: str
    summary: str | None
    state: str
    rev: int
    tlp: str
    k: int
    of: int
    signed: int
    sign_by: str | None
    manifest_sha256: str | None
    cosigns: tuple[Signature, ...]
    renderings: tuple[RenderingRow, ...]
    proposer: weighed.Name
    problem: str | None = None
    """Why what was frozen cannot be shown or signed."""


# --- drafting -----------------------------------------------------------------------------------


def draft(
    node: Node,
    author: str,
    *,
    case: str,
    title: str,
    summary: str,
    tlp: Tlp,
    k: int,
    of: int = 0,
    tracking_id: str | None = None,
    claims: Sequence[str] = (),
    indicators: Sequence[str] = (),
    lang: str = "en",
) -> AdvisoryPage:
    """Draft an advisory from claims and indicators of a case; nothing is said yet.

    Args:
        k, of: co-signatures needed, parties asked; `of` 0: everybody in the case.
        indicators: none: every indicator in force of the case.

    Raises:
        NotFoundError: no such case, claim or indicator for this author.
        ClaimError: a claim that is none, or that breaks the rules for claims.
        CaseError: k is not between 1 and `of`.
    """
    reader = node.reader(author)
    s = respond.state(node, case, reader)
    asked = of or len([p for p in s.parties if p.state == "ACCEPTED"]) or 1
    if not 1 <= k <= asked:
        raise CaseError(
            f"{k} of {asked} co-signatures", remedy=f"ask for 1 to {asked}, or invite more parties"
        )
    held = {o.id for o in respond.case_objects(node, case, reader)}
    for wanted in (*claims, *indicators):
        if wanted not in held:
            raise not_found(f"object {wanted} in {case}")
    _claims(known(node, reader, case), claims)
    chosen = list(indicators) or [o.id for o in respond.indicators(node, reader, case)]
    kept = KeptAdvisory(
        id=node.new_id("advisory"),
        case=case,
        author=author,
        tracking_id=tracking_id or f"{author}-{node.clock():%Y}-{case[6:10]}",
        title=title,
        summary=summary,
        lang=lang,
        tlp=tlp,
        k=k,
        of=asked,
        claims=list(claims),
        indicators=chosen,
        created=stix_time(node.clock()),
    )
    node.store.keep_local("advisory", kept.id, msgspec.json.encode(kept), None)
    return page(node, reader, kept.id)


def revise(node: Node, author: str, advisory: str, *, summary: str) -> None:
    """Another text for the next revision: every signature so far stays with the one it signed."""
    with node.drafting:  # or a freeze that has begun could be said and not be kept as said
        kept, version = _kept(node, author, advisory)
        kept.summary = summary
        node.store.keep_local("advisory", advisory, msgspec.json.encode(kept), version)


def _kept(node: Node, author: str, advisory: str) -> tuple[KeptAdvisory, int]:
    row = node.store.local("advisory", advisory)
    kept = msgspec.json.decode(row.value, type=KeptAdvisory) if row else None
    if row is None or kept is None or kept.author != author:
        raise not_found(f"advisory {advisory}")
    return kept, row.version


def _claims(now: Known, ids: Sequence[str]) -> list[Claim]:
    """The claims of an advisory. Raises ClaimError where one is none."""
    found = []
    for id in ids:
        if id not in now.view.claims:
            raise ClaimError(
                f"{id} is no claim, or breaks the rules for claims",
                remedy="choose among those of: tocsin claims --case CASE",
            )
        found.append(now.view.claims[id])
    return found


def _composed(node: Node, kept: KeptAdvisory, rev: int) -> Composed:
    reader = node.reader(kept.author)
    objects = {o.id: o for o in respond.case_objects(node, kept.case, reader)}
    missing = [i for i in (*kept.claims, *kept.indicators) if i not in objects]
    if missing:
        raise not_found(f"object {missing[0]} in {kept.case}")
    now = known(node, reader, kept.case)
    rows = [weigh.row(now, claim) for claim in _claims(now, kept.claims)]
    return compose(
        Advisory(
            id=kept.id,
            rev=rev,
            tracking_id=kept.tracking_id,
            title=kept.title,
            lang=kept.lang,
            tlp=kept.tlp,
            date=kept.created,
            k=kept.k,
            of=kept.of,
            authors=(
                Author(
                    party=kept.author,
                    name=node.party_entry(kept.author).name,
                    identity=node.identity(kept.author),
                    capacity="author",
                ),
            ),
            summary=kept.summary,
            claims=tuple(_line(row) for row in rows),
            indicators=tuple(_indicator(objects[i]) for i in kept.indicators),
            objects=tuple(
                Source(id=o.id, sha256=o.sha256, raw=o.raw, tlp=_marking(node, reader, o))
                for i in dict.fromkeys((*kept.claims, *kept.indicators))
                for o in (objects[i],)
            ),
        )
    )


def _line(row: weighed.ClaimRow) -> ClaimLine:
    return ClaimLine(
        id=row.id,
        type=row.word,
        words=row.text,
        quoted=row.quoted,
        lang=row.lang,
        speaker=row.speaker.name if row.speaker else (row.printed or "not named"),
        said_at=row.said_at,
        standing=row.now_words,
        denials=row.denials,
        rivals=row.rivals + row.critiques,
    )


def _indicator(held: KeptObject) -> IndicatorLine:
    data = held.data
    return IndicatorLine(
        id=held.id,
        name=str(data.get("name") or ""),
        pattern=str(data.get("pattern") or ""),
        valid_until=data.get("valid_until"),
    )


def _marking(node: Node, reader: Reader, held: KeptObject) -> Tlp:
    """The marking under which the author has the object: the loosest of its own statements."""
    allowed = node.allowed(reader)
    said = [node.store.statement(i, allowed) for i in held.said_by]
    found: Tlp = min((k.audience.tlp for k in said if k), key=lambda m: TLP_RANK[m], default="RED")
    data = held.data
    for author in sorted({k.author for k in said if k}):
        own, unknown = level_of(data, definitions(node, author, [data]))
        if unknown:
            return "RED"
        found = max(found, own, key=lambda m: TLP_RANK[m]) if own else found
    return found


# --- signing ------------------------------------------------------------------------------------


def freeze(
    node: Node, author: str, advisory: str, *, sign_by: str | None = None
) -> Done | Prepared:
    """Fix every byte of the next revision, and say manifest and renderings in the case.

    Raises:
        MarkingError: an object is marked more strictly than the text.
        NotFoundError: no such draft of this author.
        ClaimError: one of its claims breaks the rules for claims by now.
    """
    with node.drafting:  # two that freeze at once would say one revision twice
        return _freeze(node, author, advisory, sign_by)


def _freeze(node: Node, author: str, advisory: str, sign_by: str | None) -> Done | Prepared:
    kept, version = _kept(node, author, advisory)
    rev = kept.rev + 1
    made = _composed(node, kept, rev)
    manifest = Attachment.of(made.manifest, "application/vnd.tocsin.manifest+json")
    objects = [manifest]
    # A statement names a type without its parameters; the manifest has them.
    objects += [
        Attachment.of(body, media_type.partition(";")[0])
        for media_type, body in made.renderings.values()
    ]
    body: dict[str, Any] = {
        "event": "advise.freeze",
        "item": advisory,
        "rev": rev,
        "manifest": {"id": manifest.id, "sha256": manifest.sha256},
        "policy": {"k": kept.k, "of": kept.of},
        "sign_by": sign_by or stamp(node.clock() + SIGNING_TIME),
        "title": kept.title,
    }
    done = respond.act(node, author, kept.case, body, objects=objects)
    kept.rev = rev
    node.store.keep_local("advisory", advisory, msgspec.json.encode(kept), version)
    return done


def _frozen(node: Node, reader: Reader, advisory: str) -> tuple[str, CaseState, AdvisoryState]:
    """The case, folded, and the state of an advisory in it. Raises NotFoundError."""
    allowed = node.allowed(reader)
    said = (node.store.statement(id, allowed) for id in _freezes(node).get(advisory, ()))
    cases = [kept.case for kept in said if kept is not None and kept.case is not None]
    for case in dict.fromkeys(cases):
        s = respond.state(node, case, reader)
        for one in s.advisories:
            if one.item == advisory:
                return case, s, one
    raise not_found(f"advisory {advisory}")


class _Freezes(Struct, frozen=True):
    """Advisory → the statements that freeze it, in log order, of a log of this size."""

    size: int = 0
    of: Mapping[str, tuple[str, ...]] = {}


def _freezes(node: Node) -> Mapping[str, tuple[str, ...]]:
    """See `_Freezes`; whoever may read them. Only what the log holds since last time is read."""
    head = node.store.head()
    key = ("freezes", head.origin if head else "")
    found: _Freezes = node.views.get(key, _Freezes())
    if head is None or found.size == head.size:
        return found.of
    of = dict(found.of)
    everything = node.everything()
    for kept in node.store.statements(everything, kind="act", after_index=found.size - 1):
        body = parse_kept(kept).body if kept.index < head.size else {}
        item = body.get("item")
        if body.get("event") == "advise.freeze" and isinstance(item, str):
            of[item] = (*of.get(item, ()), kept.id)
    node.views[key] = _Freezes(head.size, of)
    return of


def cosign(
    node: Node,
    author: str,
    advisory: str,
    *,
    capacity: str | None,
    refuse: bool = False,
    dissent: str | None = None,
) -> Done | Prepared:
    """Sign the frozen manifest in a capacity, or refuse it, on record.

    Raises:
        NotFoundError: nothing frozen under this id that this party may read.
        CaseError: both or neither of capacity and refusal, or the signing time is over.
    """
    if refuse == bool(capacity):
        raise CaseError("sign or refuse?", remedy="give a capacity, or refuse with a reason")
    reader = node.reader(author)
    case, s, one = _frozen(node, reader, advisory)
    if one.state in ("PUBLISHED", "WITHDRAWN", "LAPSED"):
        raise CaseError(
            f"advisory {advisory} is {one.state}", remedy="ask its author for a new revision"
        )
    if not refuse:
        _manifest(node, reader, one)
    body: dict[str, Any] = {"manifest_sha256": one.manifest_sha256}
    if refuse:
        body["refuse"] = True
    else:
        body["capacity"] = capacity
    if dissent:
        body["dissent"] = dissent
    return act_for(
        node,
        Act(
            author=author,
            kind="cosign",
            tlp=s.tlp,
            body=body,
            case=case,
            refs=(one.freeze,),
            to=tuple(p for p in respond.members(s) if p != author) if s.tlp != "CLEAR" else (),
        ),
    )


def publish(node: Node, author: str, advisory: str) -> Done | Prepared:
    """Publish a frozen advisory that enough parties have signed.

    Its renderings are said again by their author under the text's own marking (only an originator
    widens), then the act goes on record.

    Raises:
        QuorumError: fewer signatures than the policy asks for; how many are missing.
        HoldError: publishing would break a hold this party signed.
    """
    reader = node.reader(author)
    case, s, one = _frozen(node, reader, advisory)
    if one.signed < one.k:
        raise QuorumError(
            f"advisory {advisory} rev {one.rev} has {one.signed} of {one.k} signatures",
            remedy="ask the others to sign: tocsin advisory show " + advisory,
        )
    _check_holds(s, author, case)
    manifest = _manifest(node, reader, one)
    held = [node.store.object(r.sha256, node.allowed(reader)) for r in manifest.renderings]
    if None in held:
        raise RenderingError(
            f"a rendering of {advisory} rev {one.rev} is not here",
            remedy="ask whoever froze it to freeze it again",
        )
    items = tuple(Attachment.of(o.raw, o.type) for o in held if o is not None)
    body = {"event": "advise.publish", "item": advisory, "re": one.freeze}
    if manifest.tlp in ("CLEAR", "GREEN") and author in node.signers:
        # Whoever may not publish it must not have opened it to everybody.
        respond.check(node, author, case, body)
        act_for(node, Act(author=author, kind="say", tlp=manifest.tlp, objects=items))
    return respond.act(node, author, case, body)


def _check_holds(s: CaseState, author: str, case: str) -> None:
    for hold in s.holds:
        if hold.kind == "disclosure" and hold.in_force and author in hold.signatories:
            raise HoldError(
                f"{author} signed {hold.item}: nothing before {hold.ends_at}",
                remedy="wait, or end the hold with the others: tocsin case show " + case,
            )


def withdraw(
    node: Node, author: str, advisory: str, *, reason: str | None = None
) -> Done | Prepared:
    """Take an advisory back. What was signed stays on record."""
    case, _, one = _frozen(node, node.reader(author), advisory)
    body: dict[str, Any] = {"event": "advise.withdraw", "item": advisory, "re": one.freeze}
    if reason:
        body["reason"] = reason
    return respond.act(node, author, case, body)


class _Rendering(Struct, frozen=True, kw_only=True):
    # A name that is one file's, in this folder, in every system and header.
    path: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")]
    media_type: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9 !#$&^_.+;=-]+\Z")]
    sha256: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
    size: Annotated[int, Meta(ge=0)]


class Manifest(Struct, frozen=True, kw_only=True):
    """What parties sign: the renderings of one revision by digest. Spec: respond.md §5."""

    advisory: str
    rev: int
    tlp: Tlp
    renderings: tuple[_Rendering, ...]


def open_manifest(raw: bytes, advisory: str, rev: int) -> Manifest:
    """The manifest of a frozen advisory; whoever froze it may have written anything.

    Raises:
        RenderingError: it is none, or another's.
    """
    try:
        found = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise RenderingError(
            f"the manifest of {advisory} rev {rev} is none: {wrong}",
            remedy="do not sign; ask whoever froze it",
        ) from wrong
    if (found.advisory, found.rev) != (advisory, rev):
        raise RenderingError(
            f"the manifest of {advisory} rev {rev} is that of {found.advisory} rev {found.rev}",
            remedy="do not sign; ask whoever froze it",
        )
    return found


def _manifest(node: Node, reader: Reader, one: AdvisoryState) -> Manifest:
    held = node.store.object(one.manifest_sha256, node.allowed(reader))
    if held is None:
        raise not_found(f"manifest {one.manifest_sha256}")
    return open_manifest(held.raw, one.item, one.rev)


# --- showing ------------------------------------------------------------------------------------


class AdvisoryRow(Struct, frozen=True, kw_only=True):
    """An advisory in a list."""

    id: str
    case: str
    title: str
    state: str
    rev: int
    signed: int
    k: int


def advisories(node: Node, reader: Reader, case: str | None = None) -> list[AdvisoryRow]:
    """Advisories this reader may see: frozen ones of its cases, and its own drafts."""
    found: dict[str, AdvisoryRow] = {}
    for among in respond.folded(node, reader, case):
        for one in among.state.advisories:
            found[one.item] = AdvisoryRow(
                id=one.item,
                case=among.row.id,
                title=title_of(node, reader, one),
                state=one.state,
                rev=one.rev,
                signed=one.signed,
                k=one.k,
            )
    for local in node.store.list_local("advisory"):
        kept = msgspec.json.decode(local.value, type=KeptAdvisory)
        if kept.id not in found and kept.author == reader.party and case in (None, kept.case):
            found[kept.id] = AdvisoryRow(
                id=kept.id,
                case=kept.case,
                title=kept.title,
                state="DRAFT",
                rev=0,
                signed=0,
                k=kept.k,
            )
    return sorted(found.values(), key=lambda a: (a.case, a.id))


def waiting_for(s: CaseState, party: str) -> list[AdvisoryState]:
    """Frozen advisories of a case that this party is asked to sign and has not answered."""
    return [
        one
        for one in s.advisories
        if one.state == "FROZEN"
        and party in _asked(s, one)
        and party not in {c.party for c in one.cosigns}
    ]


def _asked(s: CaseState, one: AdvisoryState) -> list[str]:
    """Whose answers are listed: whoever is in the case or has answered; its owner always."""
    answered = {c.party for c in one.cosigns}
    order = [p.party for p in s.parties if p.state == "ACCEPTED" or p.party in answered]
    return order if s.owner is None or s.owner in order else [s.owner, *order]


def title_of(node: Node, reader: Reader, one: AdvisoryState) -> str:
    """What its freezing calls it, else its id."""
    kept = node.store.statement(one.freeze, node.allowed(reader))
    return str(parse_kept(kept).body.get("title") or one.item) if kept else one.item


def page(node: Node, reader: Reader, advisory: str) -> AdvisoryPage:
    """One advisory with every answer to it, refusals at the same size. Raises NotFoundError."""
    row = node.store.local("advisory", advisory)
    own = msgspec.json.decode(row.value, type=KeptAdvisory) if row else None
    if own is not None and own.author != reader.party:
        own = None
    if own is not None and own.rev == 0:
        return _draft_page(node, own)
    case, s, one = _frozen(node, reader, advisory)
    problem = None
    try:
        manifest = _manifest(node, reader, one)
        tlp, renderings = manifest.tlp, manifest.renderings
    except (RenderingError, NotFoundError) as wrong:
        # Whoever froze it wrote no manifest; that must not take the case away from the others.
        problem, tlp, renderings = wrong.message, s.tlp, ()
    answered = {c.party: c for c in one.cosigns}
    return AdvisoryPage(
        id=advisory,
        case=case,
        title=title_of(node, reader, one),
        summary=own.summary if own else None,
        state=one.state,
        rev=one.rev,
        tlp=tlp,
        k=one.k,
        of=one.of,
        signed=one.signed,
        sign_by=one.sign_by,
        manifest_sha256=one.manifest_sha256,
        cosigns=tuple(_signature(node, p, answered.get(p)) for p in _asked(s, one)),
        renderings=tuple(
            RenderingRow(path=r.path, media_type=r.media_type, sha256=r.sha256, size=r.size)
            for r in renderings
        ),
        proposer=party_name(node, one.proposer),
        problem=problem,
    )


def _signature(node: Node, party: str, found: Any) -> Signature:
    if found is None:
        return Signature(
            party=party_name(node, party),
            word="no answer yet",
            rev=None,
            dissent=None,
            at=None,
            statement=None,
        )
    return Signature(
        party=party_name(node, party),
        word="refused" if found.refuse else f"signed as {found.capacity}",
        rev=found.rev,
        dissent=found.dissent,
        at=found.at,
        statement=found.id,
    )


def _draft_page(node: Node, own: KeptAdvisory) -> AdvisoryPage:
    return AdvisoryPage(
        id=own.id,
        case=own.case,
        title=own.title,
        summary=own.summary,
        state="DRAFT",
        rev=0,
        tlp=own.tlp,
        k=own.k,
        of=own.of,
        signed=0,
        sign_by=None,
        manifest_sha256=None,
        cosigns=(),
        renderings=(),
        proposer=party_name(node, own.author),
    )


def rendering(node: Node, reader: Reader, advisory: str, path: str) -> tuple[str, bytes]:
    """(media type, bytes) of one rendering of the frozen advisory. Raises NotFoundError."""
    _, _, one = _frozen(node, reader, advisory)
    for r in _manifest(node, reader, one).renderings:
        if r.path == path:
            held = node.store.object(r.sha256, node.allowed(reader))
            if held is not None:
                return r.media_type, held.raw
    raise not_found(f"rendering {path} of {advisory}")
