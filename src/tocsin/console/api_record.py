"""The API of what is said: claims, statements, sealed ones, objects, the log and its checks."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from tocsin.console import forms, problems
from tocsin.console.api_parts import (
    Answer,
    Created,
    Request,
    Route,
    marking,
    route,
)
from tocsin.errors import ForbiddenError, TocsinError, UsageError
from tocsin.flows import (
    audit,
    intake,
    join,
    respond,
    sealed,
    weigh,
)
from tocsin.flows import purge as purging
from tocsin.flows.known import as_known, identity_of, since


class PurgeBody(Struct, kw_only=True, forbid_unknown_fields=True):
    id: str
    """A STIX id, a SHA-256, or a statement's id."""
    why: str
    local_only: bool = False
    lift: bool = False
    dry_run: bool = False


class WithdrawBody(Struct, kw_only=True, forbid_unknown_fields=True):
    objects: list[str] = []
    reason: str | None = None


def _me(r: Request) -> Any:
    return {
        "party": r.actor.reader.party,
        "person": r.actor.reader.person,
        "role": r.actor.role,
        "identity": identity_of(r.node, r.actor.reader),
        "node": r.node.party,
        "exercise": r.node.exercise,
    }


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
            at=as_known(q.get("as-known")),
        )
    }


def _claim(r: Request) -> Any:
    at = as_known(r.query.get("as-known"))
    return weigh.claim_page(r.node, r.actor.reader, r.params["id"], at=at)


def _standing(r: Request) -> Any:
    at = as_known(r.query.get("as-known"))
    return weigh.weigh(r.node, r.actor.reader, r.params["id"], at).to_json()


def _changes(r: Request) -> Any:
    q = r.query
    after, until = since(q.get("after")), as_known(q.get("until"))
    found = weigh.changed(r.node, r.actor.reader, r.params["id"], after=after, until=until)
    return {"items": found}


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


def _say(r: Request) -> Any:
    q = r.query
    case = q.get("case") or None
    to = [p for p in q.get("to", "").split(",") if p]
    asked = q.get("tlp")
    tlp, to = marking(r, forms.marking(asked) if asked else None, to, case)
    persons = [p for p in q.get("persons", "").split(",") if p]
    done = intake.say(r.node, r.party, r.body, tlp=tlp, to=to, case=case, persons=persons)
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


def _objects(r: Request) -> Any:
    id = r.query.get("id", "")
    if not id:
        raise UsageError("no id was given", remedy="ask with ?id=TYPE--UUID")
    allowed = r.node.allowed(r.actor.reader)
    found = r.node.store.versions(id, allowed)
    return {
        "items": [
            {
                "id": one.id,
                "sha256": one.sha256,
                "type": one.type,
                "modified": one.modified,
                "withdrawn": one.withdrawn,
                "said_by": one.said_by,
                "marked": weigh.marked(r.node, allowed, one),
            }
            for one in found
        ]
    }


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


def _checks(r: Request) -> Any:
    if r.party != r.node.party:
        # What is found speaks of all that is kept here, also of what is hidden from this reader.
        raise ForbiddenError(
            f"only {r.node.party} looks through what its own node keeps",
            remedy="audit what is published: tocsin log audit URL",
        )
    return audit.checks(r.node, r.whole("start", 0))


def _root(r: Request) -> Any:
    return Answer(status=200, media_type="application/vnd.dsse+json", body=r.node.root)


ROUTES: tuple[Route, ...] = (
    route("GET", "/me", "read", _me, "Who this token speaks for."),
    route("GET", "/claims", "read", _claims, "Claims; ?q&by&about&case&challenged&as-known."),
    route("GET", "/claims/{id}", "read", _claim, "One claim with its answers beside it."),
    route("GET", "/claims/{id}/standing", "read", _standing, "One standing, recomputable."),
    route(
        "GET",
        "/claims/{id}/changes",
        "read",
        _changes,
        "What changed in its standing between two times, and why; ?after&until.",
    ),
    route(
        "GET", "/statements", "read", _statements, "Statements; ?kind&party&case&after_index&limit."
    ),
    route("GET", "/statements/{id}", "read", _statement, "One signed envelope, byte for byte."),
    route(
        "POST",
        "/statements",
        "",
        _post_statement,
        "A signed envelope, or one a line as JSONL; its objects are put first.",
        cost="write",
    ),
    route(
        "POST",
        "/statements/{id}/withdraw",
        "publish",
        _withdraw,
        "Take it back.",
        WithdrawBody,
        "write",
    ),
    route("GET", "/chains", "read", _chain, "Your own chain's end, and checkpoints; ?case."),
    route(
        "POST",
        "/sealed",
        "publish",
        _post_sealed,
        "A sealed statement, composed and signed at home.",
        cost="write",
    ),
    route("GET", "/sealed", "read", _sealed, "What is sealed for you, or by you; ?case."),
    route("GET", "/sealed/{id}", "read", _one_sealed, "One sealed file, by its id or entry."),
    route(
        "POST",
        "/say",
        "publish",
        _say,
        "Publish a STIX bundle; ?tlp&to&case, RED: &persons.",
        cost="write",
    ),
    route(
        "PUT",
        "/objects/{sha256}",
        "publish",
        _put_object,
        "Keep an object until it is said.",
        cost="write",
    ),
    route("GET", "/objects", "read", _objects, "Versions of an object, newest first; ?id."),
    route("GET", "/objects/{sha256}", "read", _object, "An object's received bytes."),
    route(
        "POST",
        "/purge",
        "purge",
        _purge,
        "Drop the bytes of an object or a statement from this node.",
        PurgeBody,
        "write",
    ),
    route("GET", "/indicators", "read", _indicators, "Indicators in force; ?case."),
    route("GET", "/log", "read", _log, "Head, checkpoint, policy, fingerprint."),
    route("GET", "/log/proof", "read", _proof, "A tlog-proof; ?id."),
    route("GET", "/log/root", "read", _root, "The root file."),
    route(
        "GET", "/log/checks", "purge", _checks, "All that is kept, checked; ?start.", cost="ingest"
    ),
)
