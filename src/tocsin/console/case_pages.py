"""The Cases, Case and Advisory pages, and what a case leaves as.

Spec: console.md §3, "Case", "Matrix", "Timeline", "Advisory".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

from msgspec import Struct

from tocsin.cases.model import CaseState
from tocsin.claims.model import EXTENSION_ID
from tocsin.console import draw, i18n
from tocsin.console.draw import Mark
from tocsin.console.live import News
from tocsin.console.page import Ask, Bytes, Drawn, command, in_words, names, says, sealed_for
from tocsin.errors import NotFoundError
from tocsin.flows import advise, intake, respond, weighed
from tocsin.flows.known import party_name
from tocsin.flows.matrix import matrix as matrix_of
from tocsin.record.statement import Statement
from tocsin.store.interface import Kept, KeptObject

MOST_COLUMNS = 8
LANES = ("attack", "claims", "response", "sightings")


class CasesView(Struct, frozen=True, kw_only=True):
    """The cases this reader may see anything of, newest first."""

    cases: tuple[respond.CaseRow, ...]
    names: dict[str, str]


class PartyRow(Struct, frozen=True, kw_only=True):
    """One organisation in a case."""

    name: weighed.Name
    role: str
    state: str
    """In words."""
    asked: str | None
    rsvp_by: str | None
    answered: str | None
    reason: str | None


class IndicatorRow(Struct, frozen=True, kw_only=True):
    """One indicator said in a case."""

    sha256: str | None
    """None: withdrawn, its value is no longer shown."""
    name: str
    pattern: str
    said_by: tuple[str, ...]
    since: str | None
    withdrawn: bool = False
    at: str | None = None
    """When its author took it back."""
    reason: str | None = None


class HoldRow(Struct, frozen=True, kw_only=True):
    """A promise not to publish, or not to act, before an instant."""

    kind: str
    state: str
    text: str
    ends_at: str | None
    answers: tuple[tuple[str, str], ...]
    """(organisation, what it answered), silence among them."""


class SealedRow(Struct, frozen=True, kw_only=True):
    """A sealed statement of the case: its place, and how it is opened."""

    id: str
    """What the log holds of it: two may have sealed under one id, and this is one's own."""
    index: int
    name: str
    words: str
    tlp: str
    withdrawn: bool


class CaseView(Struct, frozen=True, kw_only=True):
    """Everything the Case page shows: a fold over the statements this reader may see."""

    id: str
    title: str
    stage: str
    tlp: str
    owner: weighed.Name
    statements: int
    matrix: weighed.Matrix
    marks: tuple[Mark, ...]
    parties: tuple[PartyRow, ...]
    indicators: tuple[IndicatorRow, ...]
    advisories: tuple[advise.AdvisoryPage, ...]
    holds: tuple[HoldRow, ...]
    news: tuple[News, ...]
    void: tuple[tuple[str, str, str], ...]
    """(organisation, event, why it has no effect)."""
    sealed: tuple[SealedRow, ...]
    """What is sealed for this reader; nobody else learns that it is there."""
    next: tuple[tuple[str, str], ...]
    """Where nothing has been said yet: the next acts, as (words, command)."""


def cases(ask: Ask) -> Drawn:
    """Cases."""
    view = CasesView(cases=tuple(respond.cases(ask.node, ask.reader)), names=names(ask.node))
    return Drawn(
        template="cases.html",
        view=view,
        key="cases",
        title="Cases",
        cli=command("case", "list"),
        table=(
            ("id", "title", "marking", "stage", "owner", "organisations", "has not answered"),
            [
                (c.id, c.title, c.tlp, c.stage, c.owner, c.parties, " ".join(c.silent))
                for c in view.cases
            ],
        ),
    )


def draw_case(view: CaseView, query: Mapping[str, str]) -> Drawn:
    """The Case page of a view."""
    parties = view.matrix.parties
    columns = parties if query.get("all") else parties[:MOST_COLUMNS]
    order = {p.id: n for n, p in enumerate(parties)}
    for row in view.parties:
        order.setdefault(row.name.id, len(order))
    return Drawn(
        template="case.html",
        view=view,
        key="cases",
        title=i18n.clip(view.title),
        cli=command("case", "show", view.id),
        table=(
            ("claim", "words", *(p.name for p in parties)),
            [
                (row.claim.id, row.claim.text, *(cell.words for cell in row.cells))
                for row in view.matrix.rows
            ],
        ),
        more={
            "columns": columns,
            "others": len(parties) - len(columns),
            "orgs": order,
            "dots": {p.party: order[p.id] for p in parties},
            "roles": {row.name.party: row.role for row in view.parties},
            "timeline": draw.timeline(view.marks, LANES, ticked=("sightings",)),
        },
    )


# --- the advisory ---


def advisory(ask: Ask) -> Drawn:
    """Advisory: its renderings, and who signed which revision."""
    return draw_advisory(advise.page(ask.node, ask.reader, ask.path["id"]))


def draw_advisory(view: advise.AdvisoryPage) -> Drawn:
    """The Advisory page of a view."""
    return Drawn(
        template="advisory.html",
        view=view,
        key="cases",
        title=i18n.clip(view.title),
        cli=command("advisory", "show", view.id),
        table=(
            ("organisation", "answer", "revision", "at", "reason"),
            [(s.party.name, s.word, s.rev, s.at, s.dissent) for s in view.cosigns],
        ),
        more={
            "sign": command("advisory", "cosign", view.id, "--as", "co-author"),
            "refuse": command("advisory", "cosign", view.id, "--refuse", "--dissent", "WHY"),
            "freeze": command("advisory", "freeze", view.id),
        },
    )


def rendering(ask: Ask) -> Bytes:
    """One rendering of a frozen advisory: the very bytes that are signed."""
    path = ask.path["path"]
    _, raw = advise.rendering(ask.node, ask.reader, ask.path["id"], path)
    return Bytes(raw=raw, name=file_name(path))


def file_name(text: str) -> str:
    """A name fit for a header and for any disk: letters, digits, dot, dash, underscore."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in text)
    return kept.strip(".-")[:120] or "file"


# --- exports ---

_ENDINGS = {"dossier": ".tocsin", "sheet": ".html", "stix": ".json"}


def export(ask: Ask) -> Bytes:
    """A case as one file, holding what this reader may read."""
    ask.must("export")
    as_ = ask.path["form"]
    if as_ not in _ENDINGS:
        raise NotFoundError("no such form", remedy="dossier, sheet or stix")
    case = ask.path["id"]
    raw, _ = respond.export(ask.node, case, ask.reader, as_, own=ask.reader)
    return Bytes(raw=raw, name=file_name(case) + _ENDINGS[as_])


# --- the case ---

_STATES = {
    "INVITED": "invited, has not answered",
    "ACCEPTED": "joined",
    "DECLINED": "declined",
    "LAPSED": "did not answer in time",
    "LEFT": "left",
    "REMOVED": "removed",
}


def case(ask: Ask) -> Drawn:
    """Case: claims by organisations, what happened when, who was asked, what was shared."""
    node, reader, case_id = ask.node, ask.reader, ask.path["id"]
    state = respond.state(node, case_id, reader)
    said = [
        (kept, intake.parse_kept(kept)) for kept in respond.case_statements(node, case_id, reader)
    ]
    called = names(node)
    asked = {
        p.party: p.invited_at
        for p in state.parties
        if p.invited_at and p.state in ("INVITED", "LAPSED")
    }
    columns = [p.party for p in state.parties if p.state != "REMOVED"]
    if state.owner and state.owner not in columns:
        columns.insert(0, state.owner)
    objects = respond.case_objects(node, case_id, reader)
    authors = {kept.id: called.get(kept.author, kept.author) for kept, _ in said}
    matrix = matrix_of(node, reader, case_id, columns, asked)
    view = CaseView(
        id=case_id,
        title=state.title,
        stage=state.stage,
        tlp=state.tlp,
        owner=party_name(node, state.owner or node.party),
        statements=len(said),
        matrix=matrix,
        marks=tuple(_marks(said, objects, matrix, called)),
        parties=tuple(
            PartyRow(
                name=party_name(node, p.party),
                role=p.role,
                state=_STATES.get(p.state, p.state.lower()),
                asked=p.invited_at,
                rsvp_by=p.rsvp_by,
                answered=p.answered_at,
                reason=p.reason,
            )
            for p in state.parties
        ),
        indicators=tuple(
            IndicatorRow(
                sha256=o.sha256,
                name=str(o.data.get("name") or o.data.get("pattern") or o.id),
                pattern=str(o.data.get("pattern") or ""),
                said_by=tuple(dict.fromkeys(authors[s] for s in o.said_by if s in authors)),
                since=o.data.get("valid_from") or o.created,
            )
            for o in objects
            if o.type == "indicator" and not o.withdrawn
        )
        + tuple(
            IndicatorRow(
                sha256=None,
                name=back.id,
                pattern="",
                said_by=(called.get(back.by, back.by),),
                since=back.said,
                withdrawn=True,
                at=back.at,
                reason=back.reason,
            )
            for back in respond.taken_back(node, case_id, reader)
            if back.type == "indicator"
        ),
        advisories=tuple(
            advise.page(node, reader, row.id) for row in advise.advisories(node, reader, case_id)
        ),
        holds=tuple(_holds(state, called)),
        news=tuple(says(kept, called) for kept, _ in reversed(said[-12:])),
        void=tuple(_void(state, called)),
        sealed=tuple(
            SealedRow(
                id=k.id,
                index=k.index,
                name=called.get(k.author, k.author),
                words=sealed_for(k, called),
                tlp=k.tlp,
                withdrawn=k.withdrawn,
            )
            for k in node.store.sealed_in(node.allowed(reader), case=case_id)
        ),
        next=() if matrix.rows else _next(case_id),
    )
    return draw_case(view, ask.query)


_HAPPENED = {
    "sighting": ("sightings", "first_seen"),
    "observed-data": ("attack", "first_observed"),
    "incident": ("attack", "created"),
    "campaign": ("attack", "first_seen"),
    "infrastructure": ("attack", "first_seen"),
}
"""Object types that tell when something happened, the lane they belong to, and where it stands."""


def _marks(
    said: Sequence[tuple[Kept, Statement]],
    objects: Iterable[KeptObject],
    matrix: weighed.Matrix,
    called: Mapping[str, str],
) -> Iterable[Mark]:
    """What happened, by its own date, and when it was learnt: the time of the statement."""
    numbers = {p.party: n for n, p in enumerate(matrix.parties)}
    by_id = {kept.id: statement for kept, statement in said}
    for kept, statement in said:
        if kept.kind != "say":
            yield Mark(
                at=statement.time,
                lane="response",
                label=in_words(kept.kind, statement.body, len(statement.objects)),
                party=called.get(kept.author, kept.author),
                who=numbers.get(kept.author, 0),
            )
    for held in objects:
        first = next((by_id[s] for s in held.said_by if s in by_id), None)
        if first is None:
            continue
        lane, at, label, href = _happened(held)
        if at is None:
            continue
        yield Mark(
            at=at,
            lane=lane,
            label=label,
            party=called.get(first.author, first.author),
            who=numbers.get(first.author, 0),
            learnt=first.time if first.time[:16] != at[:16] else None,
            href=href,
        )


def _happened(held: KeptObject) -> tuple[str, str | None, str, str | None]:
    """(lane, when, label, link) of one object; no time: it is not for the timeline."""
    data = held.data
    carried = data.get("extensions", {}).get(EXTENSION_ID, {})
    if carried.get("role") in ("claim", "challenge"):
        dated = carried.get("asserted_at") or {}
        word = carried.get("claim_type") or carried.get("form")
        target = held.id if carried["role"] == "claim" else (data.get("object_refs") or [""])[0]
        return "claims", dated.get("value"), str(word), f"/claims/{quote(str(target))}"
    if held.type in _HAPPENED:
        lane, field = _HAPPENED[held.type]
        name = data.get("name") or held.type
        return lane, data.get(field), str(name), f"/objects/{held.sha256}"
    return "", None, "", None


_ANSWERS = {"SIGNATORY": "signed", "DECLINED": "refused", "FREED": "freed itself"}


def _holds(state: CaseState, called: Mapping[str, str]) -> Iterable[HoldRow]:
    for hold in state.holds:
        answers = [(called.get(a.party, a.party), _ANSWERS[a.state]) for a in hold.answers]
        answers += [(called.get(p, p), "no statement") for p in hold.unanswered]
        yield HoldRow(
            kind=hold.kind,
            state="in force" if hold.in_force else "ended",
            text=hold.text,
            ends_at=hold.ended_at or hold.ends_at,
            answers=tuple(answers),
        )


def _void(state: CaseState, called: Mapping[str, str]) -> Iterable[tuple[str, str, str]]:
    """What was signed and has no effect: void, waiting for something, or said twice."""
    for one in (v for v in state.void if not v.again):
        yield called.get(one.author, one.author), one.event, one.reason
    for waiting in state.waiting:
        yield called.get(waiting.author, waiting.author), waiting.event, "waits for what is missing"
    for double in state.equivocations:
        yield called.get(double.author, double.author), f"number {double.seq}", "said in two ways"


def _next(case_id: str) -> tuple[tuple[str, str], ...]:
    """The three next acts of a case in which nothing has been claimed yet."""
    return (
        ("Invite an organisation", command("case", "invite", case_id, "PARTY")),
        ("Bring in a report", command("ingest", "FILE")),
        ("Say a claim in this case", command("accept", "DRAFT", "--case", case_id)),
    )
