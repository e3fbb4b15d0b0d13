"""The API of what waits for a person: reports, drafts, and objects that a file brings."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

from tocsin import errors
from tocsin.console import forms
from tocsin.console.api_parts import (
    Request,
    Route,
    level,
    marking,
    route,
)
from tocsin.errors import UsageError
from tocsin.flows import drafts as drafting
from tocsin.flows import imports, sayings, sharing
from tocsin.policy import Tlp


class AcceptBody(Struct, kw_only=True, forbid_unknown_fields=True):
    drafts: list[tuple[str, int]]
    """(draft id, revision seen)."""
    tlp: Tlp | None = None
    to: list[str] = []
    case: str | None = None
    date: str | None = None
    outlet: str | None = None


class SayReportBody(Struct, kw_only=True, forbid_unknown_fields=True):
    tlp: Tlp | None = None
    to: list[str] = []
    case: str | None = None


class RejectReportBody(Struct, kw_only=True, forbid_unknown_fields=True):
    why: str


class EditBody(Struct, kw_only=True, forbid_unknown_fields=True):
    revision: int
    fields: dict[str, str | None]


class RejectBody(Struct, kw_only=True, forbid_unknown_fields=True):
    revision: int
    why: str = ""


def _ingest(r: Request) -> Any:
    published = r.query.get("published")
    kept, drafts = drafting.ingest(
        r.node,
        r.body,
        r.query.get("name", "report"),
        published=forms.day(published) if published else None,
        tlp=level(r.query.get("tlp")),
        columns=r.query.get("columns") or None,
        as_claims=bool(r.query.get("claims")),
        model=r.query.get("nlp") or None,
        mark=_mark(r.query.get("mark", "")),
    )
    return _report(r, kept, drafts)


_MARK = re.compile(r"[0-9a-f]{16,64}")


def _mark(text: str) -> str:
    if text and not _MARK.fullmatch(text):
        raise UsageError(f"mark={text[:80]!r}", remedy="16 to 64 hexadecimal digits, of your own")
    return text


def _how_far(r: Request) -> Any:
    done, of = r.node.reading.get(_mark(r.params["mark"]), (0, 0))
    return {"done": done, "of": of}


def _accept_report(r: Request, body: SayReportBody) -> Any:
    tlp, to = marking(r, body.tlp, body.to, body.case)
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
    return msgspec.to_builtins(found) | {
        "sharing": imports.reached(r.node, r.params["id"], r.party or r.node.party)
    }


def _sayings(r: Request) -> Any:
    found = [one for one in sayings.sayings(r.node) if one.open or r.query.get("all")]
    return {"items": [msgspec.structs.replace(one, left_out=()) for one in found]}


def _set_aside(r: Request, body: RejectReportBody) -> Any:
    return imports.set_aside(r.node, r.params["id"], body.why)


def _report(
    r: Request, kept: drafting.KeptReport, drafts: list[drafting.KeptDraft]
) -> dict[str, Any]:
    return {
        "id": kept.id,
        "source": kept.source,
        "losses": kept.losses,
        "objects": [{"id": i, "sha256": s, "problem": p} for i, s, p in kept.objects],
        "received_at": kept.received_at,
        "drafts": drafts,
        "sharing": sharing.circles(r.node, kept.groups, kept.held, r.party or r.node.party),
    }


def _reports(r: Request) -> Any:
    return {
        "items": [
            _report(r, k, drafting.drafts(r.node, k.id)) | {"text": None}
            for k in drafting.reports(r.node)
        ]
    }


def _one_report(r: Request) -> Any:
    kept = drafting.report(r.node, r.params["id"])
    return _report(r, kept, drafting.drafts(r.node, kept.id)) | {"text": kept.text}


def _drafts(r: Request) -> Any:
    state = r.query.get("state")
    if state not in (None, "", "open", "accepted", "rejected"):
        raise UsageError(f"state={state!r}", remedy="open, accepted or rejected")
    return {"items": drafting.drafts(r.node, r.query.get("report", ""), state=state or None)}  # type: ignore[arg-type]


def _one_draft(r: Request) -> Any:
    return drafting.draft(r.node, r.params["id"])


def _accept(r: Request, body: AcceptBody) -> Any:
    tlp, to = marking(r, body.tlp, body.to, body.case)
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


def _edit(r: Request, body: EditBody) -> Any:
    return drafting.edit(r.node, r.params["id"], body.revision, body.fields)


def _reject(r: Request, body: RejectBody) -> Any:
    return drafting.reject(r.node, r.params["id"], body.revision, body.why, r.actor.reader.person)


ROUTES: tuple[Route, ...] = (
    route(
        "POST",
        "/reports",
        "draft",
        _ingest,
        "Read a report; raw bytes, ?name&published&tlp&columns&claims&nlp&mark.",
        cost="ingest",
    ),
    route(
        "GET",
        "/reports/reading/{mark}",
        "draft",
        _how_far,
        "How many parts of a report that is being read are done; 0 of 0 where nothing is known.",
    ),
    route("GET", "/reports", "draft", _reports, "Reports kept on this node."),
    route("GET", "/reports/waiting", "draft", _sayings, "Reports whose objects wait; ?all."),
    route("GET", "/reports/{id}", "draft", _one_report, "One report with its text and drafts."),
    route(
        "POST",
        "/reports/{id}/accept",
        "publish",
        _accept_report,
        "Say a report's objects in your party's name; ?later: begin, and see GET how far it is.",
        SayReportBody,
        "write",
    ),
    route(
        "GET",
        "/reports/{id}/accept",
        "draft",
        _saying,
        "How far saying its objects has come; whom they reach.",
    ),
    route(
        "POST",
        "/reports/{id}/reject",
        "draft",
        _set_aside,
        "Set a report's objects aside.",
        RejectReportBody,
        "write",
    ),
    route("GET", "/drafts", "draft", _drafts, "Drafts; ?report&state."),
    route(
        "POST",
        "/drafts/accept",
        "publish",
        _accept,
        "Say drafts in your party's name.",
        AcceptBody,
        "write",
    ),
    route("GET", "/drafts/{id}", "draft", _one_draft, "One draft."),
    route(
        "POST",
        "/drafts/{id}/edit",
        "draft",
        _edit,
        "Set fields beside the machine's.",
        EditBody,
        "write",
    ),
    route(
        "POST", "/drafts/{id}/reject", "draft", _reject, "Set a draft aside.", RejectBody, "write"
    ),
)
