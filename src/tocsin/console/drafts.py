"""The Ingest and Drafts pages: a report comes in, a person decides on what was read out of it.

Offsets are code points of the extracted text, whose digest is in the view. Nothing here publishes
but `accept`, `accept_indicators` and `accept_objects`, and all ask policy first.

Spec: console.md §3, "Drafts".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from tocsin.claims.model import CLAIM_TYPES
from tocsin.console import draw, forms, i18n
from tocsin.console.page import Ask, Drawn, Go, command, names
from tocsin.errors import ConflictError, StaleDraftError, UsageError
from tocsin.flows import drafts as drafting
from tocsin.flows import imports, respond, sayings, sharing
from tocsin.flows.drafts import Accepting, KeptDraft, KeptReport
from tocsin.flows.node import Node
from tocsin.policy import TLP_ORDER, Tlp


class ReportRow(Struct, frozen=True, kw_only=True):
    """A report in a list."""

    id: str
    name: str
    media_type: str
    published: str | None
    published_as: str | None
    """How the file gives that day itself; None where whoever brought it in said so."""
    received_at: str
    sha256: str
    drafts: int
    open: int
    objects: int
    objects_state: str
    """What became of its objects: waiting, saying, said, stopped, set-aside; "": it has none."""


class IngestView(Struct, frozen=True, kw_only=True):
    """Reports kept on this node; none of it has left."""

    reports: tuple[ReportRow, ...]


def ingest(ask: Ask) -> Drawn:
    """Ingest: drop, pick or paste; what was brought in before."""
    ask.must("draft")
    waiting = Counter(d.report for d in drafting.drafts(ask.node, state="open"))
    states = {one.report: one.state for one in sayings.sayings(ask.node)}
    rows = tuple(
        _report_row(kept, waiting[kept.id], states.get(kept.id, ""))
        for kept in drafting.reports(ask.node)
    )
    return Drawn(
        template="ingest.html",
        view=IngestView(reports=rows),
        key="ingest",
        title="Ingest",
        cli=command("ingest", "FILE"),
        table=(
            (
                "id",
                "name",
                "media type",
                "published",
                "received",
                "drafts",
                "open",
                "objects",
                "state of objects",
            ),
            [
                (
                    r.id,
                    r.name,
                    r.media_type,
                    r.published,
                    r.received_at,
                    r.drafts,
                    r.open,
                    r.objects,
                    r.objects_state,
                )
                for r in rows
            ],
        ),
    )


def _report_row(kept: KeptReport, waiting: int, objects_state: str) -> ReportRow:
    return ReportRow(
        id=kept.id,
        name=kept.source.name,
        media_type=kept.source.media_type,
        published=kept.source.published,
        published_as=kept.source.published_as,
        received_at=kept.received_at,
        sha256=kept.source.sha256,
        drafts=kept.drafts,
        open=waiting,
        objects=len(kept.objects),
        objects_state=objects_state,
    )


def bring_in(ask: Ask) -> Go:
    """A report or bundle arrives by form; its drafts are shown next. Nothing is said."""
    ask.must("draft")
    pasted = ask.form.get("text", "")
    if ask.uploads:
        upload = ask.uploads[0]
        raw, name = upload.raw, upload.name or "report"
    elif pasted.strip():
        raw, name = pasted.encode(), ask.form.get("name", "").strip() or "pasted.txt"
    else:
        raise UsageError("no file and no text", remedy="pick a file, or paste the text")
    given = ask.form.get("published", "").strip()
    published = forms.day(given) if given else None
    as_claims = bool(ask.form.get("claims"))
    kept, _ = drafting.ingest(ask.node, raw, name, published=published, as_claims=as_claims)
    return Go(f"/drafts/{kept.id}")


class DraftRow(Struct, frozen=True, kw_only=True):
    """A draft as the page shows it: as read, as edited, what became of it."""

    n: int
    id: str
    kind: str
    state: str
    sayable: bool
    """False for an indicator that no STIX object stands for."""
    revision: int
    span: tuple[int, int] | None
    words: str
    """Exactly the source's: `text[start:end]`."""
    fields: dict[str, Any]
    """As a person set them, else as read."""
    edited: dict[str, Any]
    """Fields a person set: name → what the machine had read."""
    notes: tuple[str, ...]
    flags: tuple[Flagged, ...]
    coded: str | None
    """Where in a data set it stands; its words are then our paraphrase of what stands there."""
    sources: tuple[str, ...]
    why: str | None
    object_id: str | None
    statement: str | None
    by: str | None


class Flagged(Struct, frozen=True, kw_only=True):
    """A defect of the source that was seen and not mended."""

    name: str
    of: str = "outlet"
    note: str = ""
    pointer: str | None = None


class LossRow(Struct, frozen=True, kw_only=True):
    """What was left out of a report, and why."""

    kind: str
    span: tuple[int, int] | None
    note: str
    pointer: str | None = None
    """Where it stands in a file of records (RFC 6901)."""


class BundleRow(Struct, frozen=True, kw_only=True):
    """One object of a bundle."""

    id: str
    sha256: str
    problem: str | None


class DraftsView(Struct, frozen=True, kw_only=True):
    """A report's text, and what was read out of it."""

    report: ReportRow
    text_sha256: str
    text: str
    drafts: tuple[DraftRow, ...]
    more: int
    """Drafts that are not on the page: of very many, the first that are to decide on are."""
    losses: tuple[LossRow, ...]
    objects: tuple[BundleRow, ...]
    saying: sayings.Saying | None
    """How far the objects have come; None: there are none."""
    sharing: tuple[sharing.Circle, ...] = ()
    """Whom the sharing groups in the file reach, before anything is said."""
    stale: int | None = None
    """The draft somebody else changed between this reader's look and act."""
    yours: dict[str, str] = {}
    """What this reader had sent then: nothing is lost."""


ORIGINAL_FIELDS = ("original", "original_lang", "original_url", "translated_by")
CLAIM_FIELDS = (
    *("claim_type", "speaker", "speaker_role", "speaks_for", "addressee", "date", "gist", "norms"),
    *ORIGINAL_FIELDS,
)
INDICATOR_FIELDS = ("kind", "value")
SHOWN_OF_CLAIM = (*CLAIM_FIELDS, "about", "precision", "direct", "cue", "lang", "outlet")
SHOWN_OF_INDICATOR = (*INDICATOR_FIELDS, "raw", "defanged")


def _draft_row(d: KeptDraft) -> DraftRow:
    shown = SHOWN_OF_CLAIM if d.kind == "claim" else SHOWN_OF_INDICATOR
    fields = {name: d.get(name) for name in shown}
    if d.kind == "indicator":
        fields["kind"] = d.human.get("kind") or d.machine.get("type") or d.machine.get("kind")
    about = fields.get("about")
    if isinstance(about, list | tuple):
        fields["about"] = ", ".join(str(name) for name in about) or None
    span = d.machine.get("span")
    coded = d.machine.get("coded") or {}
    return DraftRow(
        n=d.n,
        id=d.id,
        kind=d.kind,
        sayable=d.kind != "indicator" or drafting.can_be_said(d),
        state=d.state,
        revision=d.revision,
        span=(span[0], span[1]) if span else None,
        words=d.machine.get("words") or d.machine.get("raw") or "",
        fields=fields,
        edited={name: d.machine.get(name) for name in d.human},
        notes=(
            *(d.machine.get("confidence_notes") or d.machine.get("notes") or ()),
            *(found.note for found in drafting.unlike(d)),
        ),
        flags=tuple(msgspec.convert(d.machine.get("flags") or [], list[Flagged])),
        coded=coded.get("pointer"),
        sources=tuple(coded.get("sources") or ()),
        why=d.why,
        object_id=d.object_id,
        statement=d.statement,
        by=d.by,
    )


MOST_SHOWN = 500
"""Drafts on one page: a data set has thousands, and a browser shows them slowly."""


def _drafts_view(node: Node, party: str, kept: KeptReport, **extra: Any) -> DraftsView:
    found = drafting.drafts(node, kept.id)
    shown = found
    if len(found) > MOST_SHOWN:
        shown = [d for d in found if d.state == "open"][:MOST_SHOWN]
    saying = sayings.saying(node, kept.id)
    return DraftsView(
        saying=saying,
        sharing=tuple(sharing.circles(node, kept.groups, kept.held, party)),
        report=_report_row(
            kept, sum(d.state == "open" for d in found), saying.state if saying else ""
        ),
        text_sha256=kept.source.text_sha256 or "",
        text=kept.text,
        drafts=tuple(_draft_row(d) for d in shown),
        more=len(found) - len(shown),
        losses=tuple(
            LossRow(kind=x.kind, span=x.span, note=x.note, pointer=x.pointer) for x in kept.losses
        ),
        objects=tuple(
            BundleRow(id=object_id, sha256=sha256, problem=problem)
            for object_id, sha256, problem in kept.objects
        ),
        **extra,
    )


def drafts(ask: Ask, status: int = 200, **extra: Any) -> Drawn:
    """Drafts beside the words they came from."""
    ask.must("draft")
    kept = drafting.report(ask.node, ask.path["report"])
    view = _drafts_view(ask.node, ask.party, kept, **extra)
    return draw_drafts(
        view,
        cases=respond.cases(ask.node, ask.reader),
        parties=[(p, n) for p, n in names(ask.node).items() if p != ask.party],
        may_publish=ask.may("publish"),
        query=ask.query,
        status=status,
    )


def draw_drafts(
    view: DraftsView,
    *,
    cases: Iterable[respond.CaseRow],
    parties: Iterable[tuple[str, str]],
    may_publish: bool,
    query: Mapping[str, str],
    status: int = 200,
) -> Drawn:
    """The Drafts page of a view."""
    spans = [draw.Span(*d.span, f"m{d.n}") for d in view.drafts if d.span]
    spans += [draw.Span(*x.span, f"x{i}") for i, x in enumerate(view.losses) if x.span]
    return Drawn(
        template="drafts.html",
        view=view,
        key="ingest",
        title=f"Drafts of {i18n.clip(view.report.name)}",
        cli=command("accept", "--report", view.report.id),
        table=(
            ("n", "kind", "state", "type", "speaker", "addressee", "date", "words", "value"),
            [
                (
                    d.n,
                    d.kind,
                    d.state,
                    d.fields.get("claim_type") or d.fields.get("kind"),
                    d.fields.get("speaker"),
                    d.fields.get("addressee"),
                    d.fields.get("date"),
                    d.words,
                    d.fields.get("value"),
                )
                for d in view.drafts
            ],
        ),
        more={
            "runs": draw.runs(view.text, spans),
            "cases": list(cases),
            "parties": list(parties),
            "tlps": TLP_ORDER,
            "may_publish": may_publish,
            "claim_types": CLAIM_TYPES,
            "did": query.get("did", ""),
        },
        status=status,
        beside=status == 200,
        again_s=2 if view.saying is not None and view.saying.state == "saying" else None,
    )


def _revision(ask: Ask) -> int:
    given = ask.form.get("revision", "")
    if not given.isdecimal():
        raise UsageError("which revision was seen?", remedy="send the form of the page itself")
    return int(given)


def _how(ask: Ask) -> Accepting:
    case = ask.form.get("case") or None
    to = {name[3:] for name in ask.form if name.startswith("to.")}
    marking: Tlp = "AMBER+STRICT"
    if case is not None:
        state = respond.state(ask.node, case, ask.reader)
        to |= set(respond.members(state))
        marking = state.tlp
    asked = ask.form.get("tlp")
    if asked:
        marking = forms.marking(asked)
    return Accepting(
        by=ask.party,
        tlp=marking,
        to=tuple(sorted(to - {ask.party})),
        case=case,
        date=ask.form.get("date", "").strip() or None,
        outlet=ask.form.get("outlet", "").strip() or None,
        person=ask.person,
    )


def _on_draft(ask: Ask, verb: str, act: Callable[[str, int], object], did: str) -> Drawn | Go:
    ask.must("draft")
    ask.must(verb)
    report, n = ask.path["report"], ask.path["n"]
    try:
        act(f"{report}.{n}", _revision(ask))
    except (StaleDraftError, ConflictError):
        yours = {k: v for k, v in ask.form.items() if k != "revision" and v}
        return drafts(ask, 409, stale=int(n) if n.isdecimal() else 0, yours=yours)
    return Go(f"/drafts/{report}?did={did}#d{n}")


def accept(ask: Ask) -> Drawn | Go:
    """A person accepts a draft: it is signed by their organisation and enters the log."""
    return _on_draft(
        ask, "publish", lambda d, r: drafting.accept(ask.node, [(d, r)], _how(ask)), "accepted"
    )


def edit(ask: Ask) -> Drawn | Go:
    """A person sets fields beside the machine's reading."""

    def act(draft_id: str, revision: int) -> object:
        kind = drafting.draft(ask.node, draft_id).kind
        wanted = CLAIM_FIELDS if kind == "claim" else INDICATOR_FIELDS
        before = _draft_row(drafting.draft(ask.node, draft_id)).fields
        fields = {
            name: ask.form[name].strip() or None
            for name in wanted
            if name in ask.form and (ask.form[name].strip() or None) != before.get(name)
        }
        return drafting.edit(ask.node, draft_id, revision, fields)

    return _on_draft(ask, "draft", act, "edited")


def reject(ask: Ask) -> Drawn | Go:
    """A person sets a draft aside, with the reason."""

    def act(draft_id: str, revision: int) -> object:
        why = ask.form.get("why", "").strip()
        if not why:
            raise UsageError("a rejection without a reason", remedy="say in a word why")
        return drafting.reject(ask.node, draft_id, revision, why, ask.person)

    return _on_draft(ask, "draft", act, "rejected")


def accept_indicators(ask: Ask) -> Drawn | Go:
    """All open indicators of a report at once; the page named the count, and it must still hold."""
    # Drafts are this node's alone: who may only publish learns not even which reports there are.
    ask.must("draft")
    ask.must("publish")
    report = ask.path["report"]
    wanted = [
        (d.id, d.revision)
        for d in drafting.drafts(ask.node, report, state="open")
        if d.kind == "indicator" and drafting.can_be_said(d)
    ]
    if ask.form.get("count") != str(len(wanted)):
        return drafts(ask, 409, stale=0, yours={})
    drafting.accept(ask.node, wanted, _how(ask))
    return Go(f"/drafts/{report}?did=accepted-{len(wanted)}")


def accept_objects(ask: Ask) -> Drawn | Go:
    """All objects that were read out of a file; the page named their count, and it must hold."""
    ask.must("draft")
    ask.must("publish")
    report = ask.path["report"]
    held = drafting.report(ask.node, report)
    if ask.form.get("objects") != str(len(held.objects)):
        return drafts(ask, 409, stale=0, yours={})
    imports.begun(ask.node, report, _how(ask))
    return Go(f"/drafts/{report}#objects")


def set_aside(ask: Ask) -> Drawn | Go:
    """A person wants none of a file's objects said."""
    ask.must("draft")
    why = ask.form.get("why", "").strip()
    if not why:
        raise UsageError("set aside without a reason", remedy="say in a word why")
    imports.set_aside(ask.node, ask.path["report"], why)
    return Go(f"/drafts/{ask.path['report']}#objects")
