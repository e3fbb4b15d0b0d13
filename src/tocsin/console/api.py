"""The HTTP API: one table of routes, and the one function that answers a request.

No web framework in here: `answer` takes a method, a path and bytes and gives a status and bytes,
so that a verb that opens the data folder itself walks the same path as one that talks to a running
node over HTTP. A route that is not in the table cannot be served; what it needs of the actor is
asked of `policy.may_act` before its handler runs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Struct

from tocsin import errors
from tocsin.canonical import b64encode
from tocsin.console import forms, problems
from tocsin.console.auth import Doors, Person
from tocsin.errors import ForbiddenError, NotFoundError, TocsinError, UsageError
from tocsin.flows import (
    advise,
    audit,
    holders,
    imports,
    intake,
    join,
    neighbours,
    respond,
    rivals,
    sayings,
    sealed,
    taxii_users,
    weigh,
)
from tocsin.flows import drafts as drafting
from tocsin.flows import export as exporting
from tocsin.flows import keys as key_flow
from tocsin.flows import purge as purging
from tocsin.flows.node import Node
from tocsin.policy import TLP_ORDER, Actor, Tlp, UserRole, may_act
from tocsin.record.statement import read_time

BASE = "/api/v1"
JSON = "application/json"


class Request(Struct, frozen=True, kw_only=True):
    """One request, past sign-in: who asks, and what for."""

    node: Node
    actor: Actor
    params: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    body: bytes = b""
    headers: Mapping[str, str] = {}
    """Lower-case names."""

    @property
    def party(self) -> str:
        """The party in whose name the actor acts. Raises ForbiddenError for nobody."""
        if self.actor.reader.party is None:
            raise ForbiddenError("nobody is signed in", remedy="use a token: tocsin token link")
        return self.actor.reader.party

    def whole(self, name: str, default: int) -> int:
        """A whole number of the query, 0 or more. Raises UsageError."""
        text = self.query.get(name)
        if not text:
            return default
        if not text.isdecimal() or len(text) > 15:
            raise UsageError(f"{name}={text!r} is no whole number", remedy=f"{name}=10")
        return int(text)


class Answer(Struct, frozen=True, kw_only=True):
    """What goes back."""

    status: int
    media_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Route(Struct, frozen=True, kw_only=True):
    """One line of the table."""

    method: str
    path: str
    """`{name}` stands for one segment."""
    verb: str
    """What `policy.may_act` is asked; "" for routes whose body carries its own authority."""
    handler: Callable[..., Any]
    takes: type[Struct] | None = None
    """The JSON body, decoded strictly; None: raw bytes or nothing."""
    cost: str = "read"
    says: str = ""
    """One line for the reference."""


# --- bodies -------------------------------------------------------------------------------------


class _Strict(Struct, kw_only=True, forbid_unknown_fields=True):
    pass


class AcceptBody(_Strict, kw_only=True):
    drafts: list[tuple[str, int]]
    """(draft id, revision seen)."""
    tlp: Tlp | None = None
    to: list[str] = []
    case: str | None = None
    date: str | None = None
    outlet: str | None = None


class SayReportBody(_Strict, kw_only=True):
    tlp: Tlp | None = None
    to: list[str] = []
    case: str | None = None


class RejectReportBody(_Strict, kw_only=True):
    why: str


class EditBody(_Strict, kw_only=True):
    revision: int
    fields: dict[str, str | None]


class RejectBody(_Strict, kw_only=True):
    revision: int
    why: str = ""


class PurgeBody(_Strict, kw_only=True):
    id: str
    """A STIX id, a SHA-256, or a statement's id."""
    why: str
    local_only: bool = False
    lift: bool = False
    dry_run: bool = False


class OpenCaseBody(_Strict, kw_only=True):
    title: str
    class_: str = msgspec.field(name="class", default="incident")
    tlp: Tlp = "AMBER"
    pap: str | None = None
    lang: str = "en"
    quorum: tuple[int, int] = (1, 1)
    to: list[str] = []


class InviteBody(_Strict, kw_only=True):
    party: str
    role: str = "contributor"
    rsvp_by: str
    note: str | None = None


class JoinCaseBody(_Strict, kw_only=True):
    accept: bool = True
    reason: str | None = None


class WithdrawBody(_Strict, kw_only=True):
    objects: list[str] = []
    reason: str | None = None


class InvitationBody(_Strict, kw_only=True):
    party: str
    url: str = ""
    node_url: str = ""
    days: Annotated[int, msgspec.Meta(ge=1, le=365)] = join.INVITED_DAYS


class AddressesBody(_Strict, kw_only=True):
    party: str
    urls: Annotated[list[str], msgspec.Meta(min_length=1, max_length=16)]


class LinkBody(_Strict, kw_only=True):
    person: str = "operator"
    role: UserRole = "admin"


class TaxiiUserBody(_Strict, kw_only=True):
    name: str
    party: str = ""
    """"": this node's own."""
    write: bool = False
    collections: list[str] = []
    tlp: Tlp = "AMBER+STRICT"
    to: list[str] = []
    bearer: bool = False
    """A token in place of a password."""
    days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 365
    """For how long the token holds."""


class DraftAdvisoryBody(_Strict, kw_only=True):
    case: str
    title: str
    summary: str
    tlp: Tlp
    k: int = 2
    of: int = 0
    """0: every party now in the case."""
    tracking_id: str | None = None
    claims: list[str] = []
    indicators: list[str] = []
    lang: str = "en"


class FreezeBody(_Strict, kw_only=True):
    sign_by: str | None = None


class CosignBody(_Strict, kw_only=True):
    capacity: str | None = None
    refuse: bool = False
    dissent: str | None = None


class ReasonBody(_Strict, kw_only=True):
    reason: str | None = None


# --- handlers -----------------------------------------------------------------------------------


def _me(r: Request) -> Any:
    return {
        "party": r.actor.reader.party,
        "person": r.actor.reader.person,
        "role": r.actor.role,
        "node": r.node.party,
        "exercise": r.node.exercise,
    }


def _ingest(r: Request) -> Any:
    published = r.query.get("published")
    kept, drafts = drafting.ingest(
        r.node,
        r.body,
        r.query.get("name", "report"),
        published=forms.day(published) if published else None,
        tlp=_level(r.query.get("tlp")),
        columns=r.query.get("columns") or None,
    )
    return _report(kept, drafts)


def _level(word: str | None) -> Tlp | None:
    if not word:
        return None
    found = next((level for level in TLP_ORDER if level == word.upper()), None)
    if found is None:
        raise UsageError(f"tlp={word!r}", remedy="one of: " + ", ".join(TLP_ORDER))
    return found


def _accept_report(r: Request, body: SayReportBody) -> Any:
    tlp, to = _marking(r, body.tlp, body.to, body.case)
    how = drafting.Accepting(
        by=r.party, tlp=tlp, to=tuple(to), case=body.case, person=r.actor.reader.person
    )
    if r.query.get("later"):
        return imports.begun(r.node, r.params["id"], how)
    return imports.accept(r.node, r.params["id"], how)


def _saying(r: Request) -> Any:
    found = sayings.saying(r.node, r.params["id"])
    if found is None:
        raise errors.NotFoundError(
            f"report {r.params['id']} holds no objects", remedy="its drafts: tocsin accept"
        )
    return found


def _sayings(r: Request) -> Any:
    found = [one for one in sayings.sayings(r.node) if one.open or r.query.get("all")]
    return {"items": [msgspec.structs.replace(one, left_out=()) for one in found]}


def _set_aside(r: Request, body: RejectReportBody) -> Any:
    return imports.set_aside(r.node, r.params["id"], body.why)


def _report(kept: drafting.KeptReport, drafts: list[drafting.KeptDraft]) -> dict[str, Any]:
    return {
        "id": kept.id,
        "source": kept.source,
        "losses": kept.losses,
        "objects": [{"id": i, "sha256": s, "problem": p} for i, s, p in kept.objects],
        "received_at": kept.received_at,
        "drafts": drafts,
    }


def _reports(r: Request) -> Any:
    return {
        "items": [
            _report(k, drafting.drafts(r.node, k.id)) | {"text": None}
            for k in drafting.reports(r.node)
        ]
    }


def _one_report(r: Request) -> Any:
    kept = drafting.report(r.node, r.params["id"])
    return _report(kept, drafting.drafts(r.node, kept.id)) | {"text": kept.text}


def _drafts(r: Request) -> Any:
    state = r.query.get("state")
    if state not in (None, "", "open", "accepted", "rejected"):
        raise UsageError(f"state={state!r}", remedy="open, accepted or rejected")
    return {"items": drafting.drafts(r.node, r.query.get("report", ""), state=state or None)}  # type: ignore[arg-type]


def _one_draft(r: Request) -> Any:
    return drafting.draft(r.node, r.params["id"])


def _accept(r: Request, body: AcceptBody) -> Any:
    tlp, to = _marking(r, body.tlp, body.to, body.case)
    drafts, done = drafting.accept(
        r.node,
        body.drafts,
        drafting.Accepting(
            by=r.party,
            tlp=tlp,
            to=tuple(to),
            case=body.case,
            date=body.date,
            outlet=body.outlet,
            person=r.actor.reader.person,
        ),
    )
    return {"drafts": drafts, "statement": done}


def _marking(r: Request, tlp: Tlp | None, to: list[str], case: str | None) -> tuple[Tlp, list[str]]:
    """In a case: its ceiling and its members, unless said otherwise; outside: one's own eyes."""
    strange = [p for p in to if r.node.directory.party(p) is None]
    if strange:
        # A mistyped reader would be nobody, and whoever was meant would never know.
        raise UsageError(
            f"{', '.join(strange)}: no party of the directory", remedy="see: tocsin party list"
        )
    if case is None:
        return tlp or "AMBER+STRICT", to
    s = respond.state(r.node, case, r.actor.reader)
    return tlp or s.tlp, to or [p for p in respond.members(s) if p != r.party]


def _edit(r: Request, body: EditBody) -> Any:
    return drafting.edit(r.node, r.params["id"], body.revision, body.fields)


def _reject(r: Request, body: RejectBody) -> Any:
    return drafting.reject(r.node, r.params["id"], body.revision, body.why, r.actor.reader.person)


def _claims(r: Request) -> Any:
    q = r.query
    return {
        "items": weigh.claims(
            r.node,
            r.actor.reader,
            query=q.get("q", ""),
            by=q.get("by") or None,
            about=q.get("about") or None,
            case=q.get("case") or None,
            challenged=q.get("challenged") == "1",
            at=weigh.as_known(q.get("as-known")),
        )
    }


def _claim(r: Request) -> Any:
    at = weigh.as_known(r.query.get("as-known"))
    return weigh.claim_page(r.node, r.actor.reader, r.params["id"], at=at)


def _standing(r: Request) -> Any:
    at = weigh.as_known(r.query.get("as-known"))
    return weigh.weigh(r.node, r.actor.reader, r.params["id"], at).to_json()


def _cases(r: Request) -> Any:
    return {"items": respond.cases(r.node, r.actor.reader)}


def _one_case(r: Request) -> Any:
    return respond.state(r.node, r.params["id"], r.actor.reader)


def _open_case(r: Request, body: OpenCaseBody) -> Any:
    for party in body.to:
        r.node.party_entry(party)
    case, done = respond.open_case(
        r.node,
        r.party,
        body.title,
        class_=body.class_,
        tlp=body.tlp,
        pap=body.pap,
        lang=body.lang,
        quorum=body.quorum,
        to=[p for p in body.to if p != r.party],
    )
    return {"case": case, "statement": done}


def _invite(r: Request, body: InviteBody) -> Any:
    done = respond.invite(
        r.node, r.party, r.params["id"], body.party, body.role, body.rsvp_by, body.note
    )
    return {"statement": done}


def _join_case(r: Request, body: JoinCaseBody) -> Any:
    done = respond.answer_invitation(
        r.node, r.party, r.params["id"], accept=body.accept, reason=body.reason
    )
    return {"statement": done}


def _event(r: Request) -> Any:
    body = _decode(r.body, dict[str, Any])
    return {"statement": respond.act(r.node, r.party, r.params["id"], body)}


def _statements(r: Request) -> Any:
    q = r.query
    limit = r.whole("limit", 200)
    if not 1 <= limit <= 1000:
        raise UsageError(f"limit={limit}", remedy="1 to 1000")
    kept = r.node.store.statements(
        r.node.allowed(r.actor.reader),
        case=q.get("case") or None,
        author=q.get("party") or None,
        kind=q.get("kind") or None,
        after_index=r.whole("after_index", -1),
        limit=limit + 1,
    )
    page = kept[:limit]
    return {
        "items": [
            {
                "id": k.id,
                "index": k.index,
                "author": k.author,
                "kind": k.kind,
                "case": k.case,
                "seq": k.seq,
                "tlp": k.audience.tlp,
                "withdrawn": k.withdrawn,
                "time": intake.parse_kept(k).time,
            }
            for k in page
        ],
        # Where to go on: `after_index` of the next page. Indexes of what is hidden tell nothing.
        "next": page[-1].index if len(kept) > limit else None,
    }


def _chain(r: Request) -> Any:
    return sealed.place(r.node, r.party, r.query.get("case") or None)


def _post_sealed(r: Request) -> Any:
    return Created(sealed.enter(r.node, r.body))


def _sealed(r: Request) -> Any:
    return {"items": sealed.listed(r.node, r.actor.reader, r.query.get("case") or None)}


def _one_sealed(r: Request) -> Any:
    raw = sealed.sealed_file(r.node, r.actor.reader, r.params["id"])
    return Answer(status=200, media_type="application/vnd.dsse+json", body=raw)


def _statement(r: Request) -> Any:
    kept = r.node.store.statement(r.params["id"], r.node.allowed(r.actor.reader))
    if kept is None:
        purging.gone(r.node, r.actor.reader, r.params["id"])
        raise intake.not_found("statement " + r.params["id"])
    return Answer(status=200, media_type="application/vnd.dsse+json", body=kept.raw)


def _post_statement(r: Request) -> Any:
    kind = r.headers.get("content-type", "").partition(";")[0].strip()
    if kind in ("application/jsonl", "application/x-ndjson"):
        return _post_statements(r)
    done = intake.enter(r.node, r.body)
    return Created({**msgspec.to_builtins(done), "proof": respond.receipt(r.node, done).decode()})


def _post_statements(r: Request) -> Answer:
    """One envelope a line in, one result a line out: what it became, or why it was refused."""
    lines = r.body.removesuffix(b"\n").split(b"\n") if r.body else []
    if len(lines) > intake.MANY:
        raise UsageError(
            f"{len(lines)} lines, and {intake.MANY} go in one request",
            remedy=f"send at most {intake.MANY} envelopes at a time",
        )
    answers = [
        msgspec.json.encode(problems.problem_of(one) if isinstance(one, TocsinError) else one)
        for one in intake.enter_many(r.node, lines)
    ]
    body = b"".join(line + b"\n" for line in answers)
    return Answer(status=200, media_type="application/jsonl", body=body)


class Created(Struct, frozen=True):
    """Answered with 201."""

    value: Any


def _say(r: Request) -> Any:
    q = r.query
    case = q.get("case") or None
    to = [p for p in q.get("to", "").split(",") if p]
    asked = q.get("tlp")
    tlp, to = _marking(r, forms.marking(asked) if asked else None, to, case)
    done = intake.say(r.node, r.party, r.body, tlp=tlp, to=to, case=case)
    return {"statements": [done]}


def _withdraw(r: Request, body: WithdrawBody) -> Any:
    done = intake.withdraw(
        r.node, r.party, r.params["id"], objects=body.objects, reason=body.reason
    )
    return {"statement": done}


def _purge(r: Request, body: PurgeBody) -> Any:
    reader = r.actor.reader
    actor = reader.person or r.party
    if body.lift:
        lifted = purging.lift(r.node, reader, body.id, body.why, actor=actor)
        return {"lifted": lifted, "done": True}
    return purging.purge(
        r.node,
        reader,
        body.id,
        body.why,
        actor=actor,
        local_only=body.local_only,
        dry_run=body.dry_run,
    )


def _put_object(r: Request) -> Any:
    intake.keep_object(
        r.node,
        r.party,
        r.body,
        r.params["sha256"],
        r.headers.get("content-type", "").split(";")[0] or None,
    )
    return {"kept": r.params["sha256"]}


def _object(r: Request) -> Any:
    kept = r.node.store.object(r.params["sha256"], r.node.allowed(r.actor.reader))
    if kept is None:
        purging.gone(r.node, r.actor.reader, r.params["sha256"])
        raise intake.not_found("object " + r.params["sha256"])
    return Answer(
        status=200,
        media_type="application/octet-stream",
        body=kept.raw,
        headers=(
            ("content-disposition", f'attachment; filename="{kept.sha256}"'),
            ("content-security-policy", "sandbox"),
        ),
    )


def _indicators(r: Request) -> Any:
    found = respond.indicators(r.node, r.actor.reader, r.query.get("case") or None)
    # The exercise's indicators are addresses reserved for documentation; they are its own.
    return {
        "items": [o.data for o in found],
        "overrides": ["documentation"] if r.node.exercise else [],
    }


def _parties(r: Request) -> Any:
    directory = r.node.directory
    return {
        "version": directory.version,
        "items": [
            {
                "id": p.id,
                "name": p.name,
                "identity": p.identity,
                "nodes": [msgspec.to_builtins(n) for n in p.nodes],
            }
            for p in directory.parties
        ],
    }


def _rivals(r: Request) -> Any:
    return {"items": rivals.rivals(r.node)}


def _invitation(r: Request, body: InvitationBody) -> Any:
    return join.invitation(
        r.node, r.party, body.party, url=body.url, node_url=body.node_url, days=body.days
    )


def _addresses(r: Request, body: AddressesBody) -> Any:
    join.confirm(r.node, r.party, body.party, body.urls)
    return {"party": body.party, "urls": body.urls}


def _join(r: Request) -> Any:
    return Created(join.admit_party(r.node, _decode(r.body, join.Enrolment)))


def _link(r: Request, body: LinkBody) -> Any:
    if r.node.new_link is None:
        raise ForbiddenError("this node prints no links", remedy="tocsin up runs one that does")
    return {"url": r.node.new_link(body.person, body.role)}


def _taxii_users(r: Request) -> Any:
    found = taxii_users.users(r.node)
    return {"items": [taxii_users.shown(user) for user in found]}


def _taxii_user(r: Request, body: TaxiiUserBody) -> Any:
    user = taxii_users.User(
        name=body.name,
        party=body.party or r.node.party,
        write=body.write,
        collections=tuple(body.collections),
        tlp=body.tlp,
        to=tuple(sorted(set(body.to))),
        bearer=body.bearer,
    )
    secret = taxii_users.add(r.node, user)
    if body.bearer:
        secret = _doors(r).make_token(
            Person(name=user.name, party=user.party, role="analyst"),
            ["taxii:read", *(["taxii:write"] if user.write else [])],
            timedelta(days=body.days),
            taxii_users.LABEL,
        )
    return {"user": user.name, "party": user.party, "secret": secret, "bearer": body.bearer}


def _taxii_remove(r: Request) -> Any:
    name = r.params["name"]
    taxii_users.remove(r.node, name)
    doors = _doors(r)
    for token in doors.tokens():
        if token.label == taxii_users.LABEL and token.person.name == name:
            doors.revoke_token(token.id, r.party)
    return {"removed": name}


def _doors(r: Request) -> Doors:
    return Doors(r.node.store, clock=r.node.clock, rng=r.node.rng)


def _log(r: Request) -> Any:
    head = r.node.store.head()
    halted = r.node.log.halted
    # A log that does not know its own head any more still shows what its store holds.
    checkpoint = head.checkpoint if halted and head else r.node.log.checkpoint
    watched = r.node.witnessing()
    return {
        "origin": r.node.log.origin,
        "size": head.size if head else 0,
        "cosigned": respond.cosigned_size(r.node),
        "root": head.root.hex() if head else None,
        "checkpoint": checkpoint.decode(),
        "policy": r.node.policy_text,
        "fingerprint": join.root_fingerprint(r.node),
        "halted": halted,
        "quorum": watched.quorum if watched else "none",
        "policy_error": watched.policy_error if watched else None,
        "witnesses": watched.witnesses if watched else (),
        "witnessing": watched.logs if watched else (),
        "peers": watched.peers if watched else (),
        "forks": watched.forks if watched else (),
        "alarms": r.node.alarms(r.actor.reader),
    }


def _proof(r: Request) -> Any:
    return Answer(
        status=200,
        media_type="text/plain; charset=utf-8",
        body=respond.proof(r.node, r.query.get("id", ""), r.actor.reader),
    )


def _export(r: Request) -> Any:
    case = r.query.get("case", "")
    as_ = r.query.get("as", "dossier")
    party = r.query.get("for")
    reader = r.actor.reader
    if party and party != reader.party:
        if reader.party != r.node.party:
            raise ForbiddenError(
                f"only {r.node.party} exports for another party",
                remedy="leave out --for to export what you may read",
            )
        r.node.party_entry(party)
        # For another party: at most what both may read.
        reader = r.node.reader(party)
    body, media_type = respond.export(r.node, case, reader, as_, own=r.actor.reader)
    return Answer(status=200, media_type=media_type, body=body)


def _list(r: Request) -> Any:
    q = r.query
    reader = r.actor.reader
    party = q.get("for")
    if party and party != reader.party:
        if reader.party != r.node.party:
            raise ForbiddenError(
                f"only {r.node.party} exports for another party",
                remedy="leave out --for to export what you may read",
            )
        r.node.party_entry(party)
        reader = r.node.reader(party)
    made = exporting.export(
        r.node,
        exporting.Wanted(
            form=q.get("as", "blocklist"),
            case=q.get("case") or None,
            words=q.get("q", ""),
            ceiling=_level(q.get("tlp")),
            overrides=tuple(name for name in q.get("override", "").split(",") if name),
            white=q.get("white") == "1",
            kinds=tuple(kind for kind in q.get("kind", "").split(",") if kind),
        ),
        reader,
        own=r.actor.reader,
    )
    written = made.written
    return {
        "media_type": written.media_type,
        "suffix": written.suffix,
        "count": written.count,
        "data": b64encode(written.raw),
        "left_out": dict(made.left_out),
        "losses": made.losses,
    }


def _checks(r: Request) -> Any:
    if r.party != r.node.party:
        # What is found speaks of all that is kept here, also of what is hidden from this reader.
        raise ForbiddenError(
            f"only {r.node.party} looks through what its own node keeps",
            remedy="audit what is published: tocsin log audit URL",
        )
    return audit.checks(r.node, r.whole("start", 0))


def _directory(r: Request) -> Any:
    # Index 0 is behind -1.
    after = r.query.get("after") or "-1"
    return key_flow.feed(r.node, -1 if after == "-1" else r.whole("after", -1))


def _signed_with(r: Request) -> Any:
    since = r.query.get("since") or None
    if since is not None:
        read_time(since)
    found = key_flow.signed_with(r.node, r.party, r.params["keyid"], since)
    return {"count": len(found), "items": found}


def _peers(r: Request) -> Any:
    waiting = [
        {"peer": q.peer, "id": q.id, "author": q.author, "since": q.since,
         "reason": q.reason, "detail": q.message}
        for q in r.node.store.quarantined()
    ]  # fmt: skip
    return {"items": neighbours.peers(r.node), "quarantine": waiting}


def _holders(r: Request) -> Any:
    return {"items": holders.holders(r.node, r.actor.reader, r.query.get("id", ""))}


def _waiting_entries(r: Request) -> Any:
    return {"items": join.waiting_entries(r.node)}


def _root(r: Request) -> Any:
    return Answer(status=200, media_type="application/vnd.dsse+json", body=r.node.root)


def _advisories(r: Request) -> Any:
    return {"items": advise.advisories(r.node, r.actor.reader, r.query.get("case") or None)}


def _draft_advisory(r: Request, body: DraftAdvisoryBody) -> Any:
    return advise.draft(
        r.node,
        r.party,
        case=body.case,
        title=body.title,
        summary=body.summary,
        tlp=body.tlp,
        k=body.k,
        of=body.of,
        tracking_id=body.tracking_id,
        claims=body.claims,
        indicators=body.indicators,
        lang=body.lang,
    )


def _advisory(r: Request) -> Any:
    return advise.page(r.node, r.actor.reader, r.params["id"])


def _freeze(r: Request, body: FreezeBody) -> Any:
    return {"statement": advise.freeze(r.node, r.party, r.params["id"], sign_by=body.sign_by)}


def _cosign(r: Request, body: CosignBody) -> Any:
    done = advise.cosign(
        r.node,
        r.party,
        r.params["id"],
        capacity=body.capacity,
        refuse=body.refuse,
        dissent=body.dissent,
    )
    return {"statement": done}


def _publish(r: Request) -> Any:
    return {"statement": advise.publish(r.node, r.party, r.params["id"])}


def _withdraw_advisory(r: Request, body: ReasonBody) -> Any:
    return {"statement": advise.withdraw(r.node, r.party, r.params["id"], reason=body.reason)}


def _rendering(r: Request) -> Any:
    media_type, body = advise.rendering(r.node, r.actor.reader, r.params["id"], r.params["path"])
    return Answer(
        status=200,
        media_type=media_type,
        body=body,
        headers=(
            ("content-disposition", f'attachment; filename="{r.params["path"]}"'),
            ("content-security-policy", "sandbox"),
        ),
    )


def _route(
    method: str,
    path: str,
    verb: str,
    handler: Callable[..., Any],
    says: str,
    takes: type[Struct] | None = None,
    cost: str = "read",
) -> Route:
    return Route(
        method=method, path=path, verb=verb, handler=handler, takes=takes, cost=cost, says=says
    )


ROUTES: tuple[Route, ...] = (
    _route("GET", "/me", "read", _me, "Who this token speaks for."),
    _route(
        "POST",
        "/reports",
        "draft",
        _ingest,
        "Read a report; raw bytes, ?name&published&tlp&columns.",
        cost="ingest",
    ),
    _route("GET", "/reports", "draft", _reports, "Reports kept on this node."),
    _route("GET", "/reports/waiting", "draft", _sayings, "Reports whose objects wait; ?all."),
    _route("GET", "/reports/{id}", "draft", _one_report, "One report with its text and drafts."),
    _route(
        "POST",
        "/reports/{id}/accept",
        "publish",
        _accept_report,
        "Say a report's objects in your party's name; ?later: begin, and see GET how far it is.",
        SayReportBody,
        "write",
    ),
    _route("GET", "/reports/{id}/accept", "draft", _saying, "How far saying its objects has come."),
    _route(
        "POST",
        "/reports/{id}/reject",
        "draft",
        _set_aside,
        "Set a report's objects aside.",
        RejectReportBody,
        "write",
    ),
    _route("GET", "/drafts", "draft", _drafts, "Drafts; ?report&state."),
    _route(
        "POST",
        "/drafts/accept",
        "publish",
        _accept,
        "Say drafts in your party's name.",
        AcceptBody,
        "write",
    ),
    _route("GET", "/drafts/{id}", "draft", _one_draft, "One draft."),
    _route(
        "POST",
        "/drafts/{id}/edit",
        "draft",
        _edit,
        "Set fields beside the machine's.",
        EditBody,
        "write",
    ),
    _route(
        "POST", "/drafts/{id}/reject", "draft", _reject, "Set a draft aside.", RejectBody, "write"
    ),
    _route("GET", "/claims", "read", _claims, "Claims; ?q&by&about&case&challenged&as-known."),
    _route("GET", "/claims/{id}", "read", _claim, "One claim with its answers beside it."),
    _route("GET", "/claims/{id}/standing", "read", _standing, "One standing, recomputable."),
    _route("GET", "/cases", "read", _cases, "Cases."),
    _route("POST", "/cases", "publish", _open_case, "Open a case.", OpenCaseBody, "write"),
    _route("GET", "/cases/{id}", "read", _one_case, "One case, folded."),
    _route(
        "POST", "/cases/{id}/invite", "publish", _invite, "Invite a party.", InviteBody, "write"
    ),
    _route(
        "POST", "/cases/{id}/join", "publish", _join_case, "Join or decline.", JoinCaseBody, "write"
    ),
    _route(
        "POST", "/cases/{id}/events", "publish", _event, "One `act` event of a case.", cost="write"
    ),
    _route(
        "GET", "/statements", "read", _statements, "Statements; ?kind&party&case&after_index&limit."
    ),
    _route("GET", "/statements/{id}", "read", _statement, "One signed envelope, byte for byte."),
    _route(
        "POST",
        "/statements",
        "",
        _post_statement,
        "A signed envelope, or one a line as JSONL; its objects are put first.",
        cost="write",
    ),
    _route(
        "POST",
        "/statements/{id}/withdraw",
        "publish",
        _withdraw,
        "Take it back.",
        WithdrawBody,
        "write",
    ),
    _route("GET", "/chains", "read", _chain, "Your own chain's end, and checkpoints; ?case."),
    _route(
        "POST",
        "/sealed",
        "publish",
        _post_sealed,
        "A sealed statement, composed and signed at home.",
        cost="write",
    ),
    _route("GET", "/sealed", "read", _sealed, "What is sealed for you, or by you; ?case."),
    _route("GET", "/sealed/{id}", "read", _one_sealed, "One sealed file, by its id or entry."),
    _route("POST", "/say", "publish", _say, "Publish a STIX bundle; ?tlp&to&case.", cost="write"),
    _route(
        "PUT",
        "/objects/{sha256}",
        "publish",
        _put_object,
        "Keep an object until it is said.",
        cost="write",
    ),
    _route("GET", "/objects/{sha256}", "read", _object, "An object's received bytes."),
    _route(
        "POST",
        "/purge",
        "purge",
        _purge,
        "Drop the bytes of an object or a statement from this node.",
        PurgeBody,
        "write",
    ),
    _route("GET", "/indicators", "read", _indicators, "Indicators in force; ?case."),
    _route("GET", "/parties", "read", _parties, "The directory."),
    _route(
        "GET",
        "/directory",
        "",
        _directory,
        "Directory versions, keys and revocations in log order, open to all; ?after=INDEX.",
    ),
    _route(
        "GET",
        "/directory/rivals",
        "",
        _rivals,
        "Directory versions of one number that enough registrars signed twice, open to all.",
    ),
    _route(
        "GET",
        "/keys/{keyid}/statements",
        "read",
        _signed_with,
        "To a key's owner: what was signed with it; ?since=TIME.",
    ),
    _route(
        "GET",
        "/parties/waiting",
        "party",
        _waiting_entries,
        "Entries of invited parties that registrars have to sign for.",
    ),
    _route(
        "POST",
        "/parties/invitations",
        "party",
        _invitation,
        "An invitation.",
        InvitationBody,
        "write",
    ),
    _route(
        "POST",
        "/parties/addresses",
        "party",
        _addresses,
        "Confirm where an invited party's node may be listed.",
        AddressesBody,
        "write",
    ),
    _route(
        "POST",
        "/parties",
        "",
        _join,
        "Join by invitation: its nonce is the authority.",
        cost="write",
    ),
    _route("POST", "/links", "token", _link, "A one-time sign-in link.", LinkBody, "write"),
    _route("GET", "/taxii/users", "token", _taxii_users, "Accounts of the TAXII server."),
    _route(
        "POST",
        "/taxii/users",
        "token",
        _taxii_user,
        "A new account; its password or token is shown once.",
        TaxiiUserBody,
        "write",
    ),
    _route("DELETE", "/taxii/users/{name}", "token", _taxii_remove, "End an account."),
    _route("GET", "/peers", "party", _peers, "Other nodes: reached, lag, errors, quarantine."),
    _route("GET", "/holders", "read", _holders, "To whom what you said went; ?id."),
    _route("GET", "/log", "read", _log, "Head, checkpoint, policy, fingerprint."),
    _route("GET", "/log/proof", "read", _proof, "A tlog-proof; ?id."),
    _route("GET", "/log/root", "read", _root, "The root file."),
    _route(
        "GET", "/log/checks", "purge", _checks, "All that is kept, checked; ?start.", cost="ingest"
    ),
    _route(
        "GET",
        "/exports/lists",
        "export",
        _list,
        "Indicators for machines and tools; ?as&case&q&tlp&for&override&white.",
    ),
    _route("GET", "/exports", "export", _export, "A case as one file; ?case&as&for."),
    _route("GET", "/advisories", "read", _advisories, "Advisories; ?case."),
    _route(
        "POST",
        "/advisories",
        "draft",
        _draft_advisory,
        "Draft an advisory.",
        DraftAdvisoryBody,
        "write",
    ),
    _route("GET", "/advisories/{id}", "read", _advisory, "One advisory."),
    _route("POST", "/advisories/{id}/freeze", "publish", _freeze, "Freeze.", FreezeBody, "write"),
    _route(
        "POST",
        "/advisories/{id}/cosign",
        "publish",
        _cosign,
        "Co-sign or refuse.",
        CosignBody,
        "write",
    ),
    _route(
        "POST", "/advisories/{id}/publish", "publish", _publish, "Publish at k of n.", cost="write"
    ),
    _route(
        "POST",
        "/advisories/{id}/withdraw",
        "publish",
        _withdraw_advisory,
        "Take it back.",
        ReasonBody,
        "write",
    ),
    _route("GET", "/advisories/{id}/renderings/{path}", "read", _rendering, "One rendering."),
)


def _compiled() -> tuple[tuple[re.Pattern[str], Route], ...]:
    return tuple(
        (re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(BASE + r.path))), r)
        for r in ROUTES
    )


_PATTERNS = _compiled()

OWN = frozenset({"draft", "case", "party", "token", "purge"})
"""Verbs on what belongs to this node alone, which no token of another party's does."""


def route_of(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route that serves this. Raises NotFoundError, or UsageError for another method."""
    methods = []
    for pattern, route in _PATTERNS:
        match = pattern.fullmatch(path)
        if match is None:
            continue
        if route.method == method:
            return route, match.groupdict()
        methods.append(route.method)
    if methods:
        raise UsageError(f"{method} {path}", remedy="this address takes " + ", ".join(methods))
    raise NotFoundError(f"no address {path}", remedy="check the address")


def answer(
    node: Node,
    actor: Actor,
    method: str,
    path: str,
    query: Mapping[str, str],
    body: bytes,
    headers: Mapping[str, str],
) -> Answer:
    """Serve one request; every refusal is problem details (RFC 9457), never an exception."""
    try:
        route, params = route_of(method, path)
        guest = actor.reader.party not in node.signers
        if route.verb and (not may_act(actor, route.verb) or (guest and route.verb in OWN)):
            raise ForbiddenError(
                f"your user role does not allow {method} {path}",
                remedy="ask somebody whose role does, or use a token with that scope",
            )
        request = Request(
            node=node, actor=actor, params=params, query=query, body=body, headers=headers
        )
        if route.takes is not None:
            result = route.handler(request, _decode(body or b"{}", route.takes))
        else:
            result = route.handler(request)
    except TocsinError as error:
        problem = problems.problem_of(error)
        return Answer(
            status=problem.status,
            media_type="application/problem+json",
            body=msgspec.json.encode(problem),
        )
    if isinstance(result, Answer):
        return result
    status, value = (201, result.value) if isinstance(result, Created) else (200, result)
    encoded = msgspec.json.encode(value)
    etag = '"' + hashlib.sha256(encoded).hexdigest()[:32] + '"'
    if method == "GET" and headers.get("if-none-match") == etag:
        return Answer(status=304, media_type=JSON, body=b"", headers=(("etag", etag),))
    return Answer(status=status, media_type=JSON, body=encoded, headers=(("etag", etag),))


MAX_DEPTH = 64
"""Brackets within brackets in a request's JSON."""


def _too_deep(body: bytes) -> bool:
    """Whether JSON nests deeper than we go; brackets inside its text do not count."""
    depth = 0
    for bracket in re.finditer(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', body, re.DOTALL):
        if bracket[0] in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif bracket[0] in b"]}":
            depth -= 1
    return False


def _decode(body: bytes, kind: Any) -> Any:
    if _too_deep(body):
        raise errors.InputError(
            f"the request's body nests deeper than {MAX_DEPTH}", remedy="send a flatter document"
        )
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise errors.InputError(
            f"the request's body: {wrong}", remedy="send the JSON the reference describes"
        ) from wrong
