"""The API of cases and of advisories, which are made within them."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from tocsin.console.api_parts import (
    Answer,
    Request,
    Route,
    decode,
    route,
)
from tocsin.flows import advise, respond
from tocsin.policy import Tlp


class OpenCaseBody(Struct, kw_only=True, forbid_unknown_fields=True):
    title: str
    class_: str = msgspec.field(name="class", default="incident")
    tlp: Tlp = "AMBER"
    pap: str | None = None
    lang: str = "en"
    quorum: tuple[int, int] = (1, 1)
    to: list[str] = []


class InviteBody(Struct, kw_only=True, forbid_unknown_fields=True):
    party: str
    role: str = "contributor"
    rsvp_by: str
    note: str | None = None


class JoinCaseBody(Struct, kw_only=True, forbid_unknown_fields=True):
    accept: bool = True
    reason: str | None = None


class DraftAdvisoryBody(Struct, kw_only=True, forbid_unknown_fields=True):
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


class FreezeBody(Struct, kw_only=True, forbid_unknown_fields=True):
    sign_by: str | None = None


class CosignBody(Struct, kw_only=True, forbid_unknown_fields=True):
    capacity: str | None = None
    refuse: bool = False
    dissent: str | None = None


class ReasonBody(Struct, kw_only=True, forbid_unknown_fields=True):
    reason: str | None = None


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
    body = decode(r.body, dict[str, Any])
    return {"statement": respond.act(r.node, r.party, r.params["id"], body)}


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


ROUTES: tuple[Route, ...] = (
    route("GET", "/cases", "read", _cases, "Cases."),
    route("POST", "/cases", "publish", _open_case, "Open a case.", OpenCaseBody, "write"),
    route("GET", "/cases/{id}", "read", _one_case, "One case, folded."),
    route("POST", "/cases/{id}/invite", "publish", _invite, "Invite a party.", InviteBody, "write"),
    route(
        "POST", "/cases/{id}/join", "publish", _join_case, "Join or decline.", JoinCaseBody, "write"
    ),
    route(
        "POST", "/cases/{id}/events", "publish", _event, "One `act` event of a case.", cost="write"
    ),
    route("GET", "/advisories", "read", _advisories, "Advisories; ?case."),
    route(
        "POST",
        "/advisories",
        "draft",
        _draft_advisory,
        "Draft an advisory.",
        DraftAdvisoryBody,
        "write",
    ),
    route("GET", "/advisories/{id}", "read", _advisory, "One advisory."),
    route("POST", "/advisories/{id}/freeze", "publish", _freeze, "Freeze.", FreezeBody, "write"),
    route(
        "POST",
        "/advisories/{id}/cosign",
        "publish",
        _cosign,
        "Co-sign or refuse.",
        CosignBody,
        "write",
    ),
    route(
        "POST", "/advisories/{id}/publish", "publish", _publish, "Publish at k of n.", cost="write"
    ),
    route(
        "POST",
        "/advisories/{id}/withdraw",
        "publish",
        _withdraw_advisory,
        "Take it back.",
        ReasonBody,
        "write",
    ),
    route("GET", "/advisories/{id}/renderings/{path}", "read", _rendering, "One rendering."),
)
