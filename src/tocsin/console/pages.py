"""The pages: which flow answers which address, and which template shows the answer.

Thin: a page asks a flow for a view struct and hands it on. The struct is what `.json` gives; the
template shows it; `.csv` is its main table. Nothing is decided or computed here.

Spec: console.md §3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from tocsin.console import answering, case_pages, drafts, i18n, record_pages, relate_pages
from tocsin.console.live import News
from tocsin.console.page import ROWS, Ask, Drawn, Page, command, names, news
from tocsin.flows import advise, claim_tables, respond, weigh, weighed
from tocsin.flows import drafts as drafting
from tocsin.flows.drafts import KeptDraft
from tocsin.flows.held import Library
from tocsin.flows.known import as_known
from tocsin.flows.node import Node
from tocsin.flows.sayings import Saying, sayings
from tocsin.policy import Reader

# --- Now ---


class Waiting(Struct, frozen=True, kw_only=True):
    """Something that waits for this organisation."""

    what: str
    title: str
    href: str
    due: str | None
    cli: str


class LogState(Struct, frozen=True, kw_only=True):
    """The log in one line."""

    origin: str
    size: int
    halted: str | None


class NowView(Struct, frozen=True, kw_only=True):
    """What waits, what changed, how the cases stand."""

    waiting: tuple[Waiting, ...]
    cases: tuple[respond.CaseRow, ...]
    news: tuple[News, ...]
    drafts: int
    files: int
    """Files whose objects wait to be accepted."""
    log: LogState
    names: dict[str, str]


def log_state(node: Node) -> LogState:
    """The log in one line."""
    head = node.store.head()
    return LogState(origin=node.log.origin, size=head.size if head else 0, halted=node.log.halted)


def now(ask: Ask) -> Drawn:
    """Now: what waits, then what changed, then the cases."""
    node = ask.node
    state = log_state(node)
    latest: list[News] = []
    back = state.size
    # Walk back in growing steps: what a reader may not see leaves gaps.
    step = 64
    while back > 0 and len(latest) < 12:
        start = max(0, back - step)
        latest = [n for n in news(node, ask.reader, start - 1, back - start) if n.index < back] + (
            latest
        )
        back, step = start, step * 4
    open_drafts = drafting.drafts(node, state="open") if ask.may("draft") else []
    objects = [s for s in sayings(node) if s.open] if ask.may("draft") else []
    folded = respond.folded(node, ask.reader)
    view = NowView(
        waiting=tuple(_waiting(ask, folded, open_drafts, objects)),
        cases=tuple(one.row for one in folded),
        news=tuple(reversed(latest[-12:])),
        drafts=len(open_drafts),
        files=len(objects),
        log=state,
        names=names(node),
    )
    return Drawn(
        template="now.html",
        view=view,
        key="now",
        title="Now",
        cli=command("case", "list"),
        table=(
            ("what", "title", "due"),
            [(w.what, w.title, w.due) for w in view.waiting],
        ),
    )


def _waiting(
    ask: Ask,
    folded: Iterable[respond.Folded],
    open_drafts: list[KeptDraft],
    objects: list[Saying],
) -> Iterable[Waiting]:
    node, me = ask.node, ask.party
    out = []
    for one in folded:
        case, state = one.row, one.state
        for party in state.parties:
            if party.party == me and party.state in ("INVITED", "LAPSED"):
                out.append(
                    Waiting(
                        what="Invitation to a case",
                        title=case.title,
                        href=f"/cases/{case.id}",
                        due=party.rsvp_by,
                        cli=command("case", "join", case.id),
                    )
                )
        for hold in state.holds:
            if hold.in_force and me in hold.unanswered:
                out.append(
                    Waiting(
                        what=f"Hold to sign or refuse ({hold.kind})",
                        title=case.title,
                        href=f"/cases/{case.id}",
                        due=hold.answer_by,
                        cli=command(
                            "case",
                            "act",
                            case.id,
                            "hold.sign",
                            f"item={hold.item}",
                            f"re={hold.proposal}",
                            f"terms={hold.terms}",
                        ),
                    )
                )
        for task in state.tasks:
            if task.state == "OFFERED" and task.addressee == me:
                out.append(
                    Waiting(
                        what=f"Task offered: {task.title}",
                        title=case.title,
                        href=f"/cases/{case.id}",
                        due=task.accept_by,
                        cli=command(
                            "case",
                            "act",
                            case.id,
                            "task.accept",
                            f"item={task.item}",
                            f"re={task.offer}",
                        ),
                    )
                )
        for frozen in advise.waiting_for(state, me):
            out.append(
                Waiting(
                    what="Advisory to sign or refuse",
                    title=advise.title_of(node, ask.reader, frozen),
                    href=f"/advisories/{frozen.item}",
                    due=frozen.sign_by,
                    cli=command("advisory", "cosign", frozen.item, "--as", "co-author"),
                )
            )
    out.sort(key=lambda w: (w.due is None, w.due or "", w.title))
    return out + _brought_in(node, open_drafts, objects)


def _brought_in(
    node: Node, open_drafts: Iterable[KeptDraft], objects: Iterable[Saying]
) -> list[Waiting]:
    """Reports that came in and wait for a person, newest first: their drafts, their objects."""
    found = [
        (
            one.received_at,
            Waiting(
                what=_of_objects(one),
                title=one.name,
                href=f"/drafts/{one.report}",
                due=None,
                cli=command("accept", "--report", one.report),
            ),
        )
        for one in objects
    ]
    for id, count in Counter(draft.report for draft in open_drafts).items():
        kept = drafting.report(node, id)
        found.append(
            (
                kept.received_at,
                Waiting(
                    what=i18n.plural(count, "draft") + " to decide on",
                    title=kept.source.name,
                    href=f"/drafts/{id}",
                    due=None,
                    cli=command("accept", "--report", id),
                ),
            )
        )
    found.sort(key=lambda row: (row[0], row[1].href), reverse=True)
    return [waiting for _, waiting in found]


def _of_objects(one: Saying) -> str:
    if one.state == "waiting":
        return f"{i18n.plural(one.objects, 'object')} of a file to accept"
    word = "being said" if one.state == "saying" else "said, then it stopped"
    return f"{one.done} of {i18n.plural(one.objects, 'object')} {word}"


# --- Claims ---

_Coded = weighed.ClaimRow | weighed.Position | weighed.Ground


class ClaimsView(Struct, frozen=True, kw_only=True):
    """One page of claims, by the date they were said."""

    claims: tuple[weighed.ClaimRow, ...]
    count: int
    page_rows: int
    next: str | None


def claims(ask: Ask) -> Drawn:
    """Claims: who says what, as known then and now."""
    return claims_of(ask.node, ask.reader, ask.query)


def claims_of(node: Library, reader: Reader, q: Mapping[str, str]) -> Drawn:
    """The Claims page of a node, or of a space that has none."""
    found = weigh.claims(
        node,
        reader,
        query=q.get("q", ""),
        by=q.get("by"),
        about=q.get("about"),
        case=q.get("case"),
        challenged=bool(q.get("challenged")),
        at=as_known(q.get("at")),
    )
    after = q.get("after", "")
    rest = [c for c in found if f"{c.said_at} {c.id}" > after] if after else found
    page = rest[:ROWS]
    following = None
    if len(rest) > ROWS:
        keys = {**q, "after": f"{page[-1].said_at} {page[-1].id}"}
        following = "/claims?" + urlencode(keys)
    view = ClaimsView(claims=tuple(page), count=len(found), page_rows=ROWS, next=following)
    words = ["claims"]
    for flag in ("about", "by", "case"):
        words += [f"--{flag}", q[flag]] if q.get(flag) else []
    words += ["--challenged"] if q.get("challenged") else []
    words += ["--as-known", q["at"]] if q.get("at") else []
    words += [q["q"]] if q.get("q") else []
    return Drawn(
        template="claims.html",
        view=view,
        key="claims",
        title="Claims",
        cli=command(*words),
        table=claim_tables.listed(page),
        more={"query": dict(q), "coder": _one_coder(page)},
    )


def claim(ask: Ask) -> Drawn:
    """Claim: everybody's position side by side, in order of speaking; how it stands and why."""
    at = ask.query.get("at")
    view = weigh.claim_page(ask.node, ask.reader, ask.path["id"], at=as_known(at))
    return draw_claim(view, at, answering.controls(ask, view))


def _who_spoke(positions: Sequence[weighed.Position], most: int = 3) -> str:
    """The heading of a Claim page: who spoke and how, in order; no side's words are a headline."""
    spoke = [
        f"{p.word} by {i18n.clip(p.speaker.name if p.speaker else p.printed or 'nobody named')}"
        + (f" for {i18n.clip(p.speaks_for.name)}" if p.speaks_for else "")
        for p in positions
    ]
    more = [f"{len(spoke) - most} more"] if len(spoke) > most else []
    heading = "; ".join([*spoke[:most], *more])
    return heading[:1].upper() + heading[1:]


def _one_coder(coded: Sequence[_Coded]) -> weighed.Name | None:
    """Who coded all of it, so that it is said once; None where that is not one."""
    found = {one.coder.id: one.coder for one in coded if one.coder is not None}
    return next(iter(found.values())) if len(found) == 1 and all(c.coder for c in coded) else None


def draw_claim(
    view: weighed.ClaimPage, at: str | None = None, controls: Mapping[str, Any] | None = None
) -> Drawn:
    """The Claim page of a view; `controls`: what this person may say on it."""
    order = [p.speaker.id for p in view.positions if p.speaker] + [s.id for s in view.silent]
    named = view.row.addressees[0] if view.row.addressees else None
    words = ["standing", view.row.id] + (["--as-known", at] if at else [])
    heading = _who_spoke(view.positions)
    return Drawn(
        template="claim.html",
        view=view,
        key="claims",
        title=i18n.clip(heading),
        cli=command(*words),
        table=claim_tables.beside(view),
        more={
            "at": at,
            "heading": heading,
            "coder": _one_coder([*view.positions, *(g for p in view.positions for g in p.grounds)]),
            "orgs": {ref: n for n, ref in enumerate(dict.fromkeys(order))},
            **(controls or {"may_answer": False, "did": ""}),
            "ask": command("case", "invite", view.row.case or "CASE", named.party or named.name)
            if named
            else command("case", "invite", view.row.case or "CASE", "PARTY"),
        },
    )


# --- the table ---

TABLE: tuple[Page, ...] = (
    Page(path="/", draw=now),
    Page(path="/ingest", draw=drafts.ingest),
    Page(path="/ingest", draw=drafts.bring_in, method="POST", cost="ingest"),
    Page(path="/drafts/{report}", draw=drafts.drafts),
    Page(
        path="/drafts/{report}/accept-indicators",
        draw=drafts.accept_indicators,
        method="POST",
        cost="write",
        audit="publish",
    ),
    Page(
        path="/drafts/{report}/accept-objects",
        draw=drafts.accept_objects,
        method="POST",
        cost="write",
        audit="publish",
    ),
    Page(
        path="/drafts/{report}/set-aside",
        draw=drafts.set_aside,
        method="POST",
        cost="write",
    ),
    Page(
        path="/drafts/{report}/{n}/accept",
        draw=drafts.accept,
        method="POST",
        cost="write",
        audit="publish",
    ),
    Page(path="/drafts/{report}/{n}/edit", draw=drafts.edit, method="POST", cost="write"),
    Page(path="/drafts/{report}/{n}/reject", draw=drafts.reject, method="POST", cost="write"),
    Page(path="/cases", draw=case_pages.cases),
    Page(path="/cases/{id}", draw=case_pages.case),
    Page(path="/cases/{id}/{form}", draw=case_pages.export, forms=("html",), audit="export"),
    Page(path="/claims", draw=claims),
    Page(path="/claims/{id}", draw=claim),
    Page(
        path="/claims/{id}/answers",
        draw=answering.answer,
        method="POST",
        cost="write",
        audit="publish",
    ),
    Page(
        path="/claims/{id}/grounds",
        draw=answering.ground,
        method="POST",
        cost="ingest",
        audit="publish",
    ),
    Page(path="/names", draw=relate_pages.names),
    Page(path="/overlap/{id}", draw=relate_pages.overlap),
    Page(path="/log", draw=record_pages.log),
    Page(path="/log/fork", draw=record_pages.fork),
    Page(path="/log/fork/bytes", draw=record_pages.fork_bytes, forms=("html",)),
    Page(path="/log/split/{id}", draw=record_pages.split_bytes, forms=("html",)),
    Page(path="/log/copy", draw=record_pages.log_copy, forms=("json",)),
    Page(path="/objects/{sha256}", draw=record_pages.object_),
    Page(path="/holders/{id}", draw=record_pages.holders),
    Page(path="/objects/{sha256}/bytes", draw=record_pages.object_bytes, forms=("html",)),
    Page(path="/advisories/{id}", draw=case_pages.advisory),
    Page(path="/advisories/{id}/renderings/{path}", draw=case_pages.rendering, forms=("html",)),
)
"""Every page there is. What is not here is a 404, the same as what one may not see."""
