"""Reports and drafts: what was read on this node, until a person makes it a party's word.

A report is read into drafts and kept on this node only; a person edits, rejects or accepts a
draft. What is accepted is said by `flows.intake`. Software alone asserts nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from tocsin.claims import model as claims
from tocsin.claims import norms, write
from tocsin.errors import ConflictError, DraftError, ForbiddenError, ParserError, StaleDraftError
from tocsin.flows import sayings, sharing
from tocsin.flows.intake import Act, Done, not_found, record, refuse_purged, stamp, stix_time
from tocsin.flows.node import Node
from tocsin.importers.interface import Loss, Reading, SharingGroup, Source, as_machine, chosen
from tocsin.policy import Tlp
from tocsin.reading import fidelity
from tocsin.reading.draft import Draft
from tocsin.reading.parsed import RULES, Parser
from tocsin.reading.spokes import speaks_for
from tocsin.stix import ids
from tocsin.stix.bundle import Received, open_object
from tocsin.stix.markings import MARKING_ID
from tocsin.stix.model import make
from tocsin.stix.needles import UNSAYABLE, pattern_for
from tocsin.stix.values import normalise

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
    tlp: Tlp | None = None
    """The marking asked for what carries none."""
    columns: str | None = None
    strictest: Tlp | None = None
    """Of anything in it, where its objects were made here and not received."""
    groups: tuple[SharingGroup, ...] = ()
    held: tuple[sharing.Held, ...] = ()
    """How many of the objects are under which of `groups`; those not counted are under none."""


EDITABLE = frozenset(
    {"claim_type", "speaker", "speaker_role", "addressee", "about", "date", "precision", "gist"}
    | {"lang", "value", "kind", "outlet"}
    | {"original", "original_lang", "original_url", "translated_by", "norms", "speaks_for"}
)


def ingest(
    node: Node,
    raw: bytes,
    name: str,
    *,
    published: date | None = None,
    tlp: Tlp | None = None,
    columns: str | None = None,
    as_claims: bool = False,
    model: str | None = None,
    mark: str = "",
) -> tuple[KeptReport, list[KeptDraft]]:
    """Read a report or a bundle; keep its text and drafts on this node, and assert nothing.

    The same bytes with the same publication date, marking, columns and learned parser are the same
    report: its drafts, with what was done to them, are given again.

    Args:
        tlp, columns: see `importers.interface.Importer`.
        as_claims: read groups and campaigns in STIX as claims, not as objects.
        model: of the learned parser to read running text with besides; `RULES` for none. None: the
            one that this node's operator has set, if there is one and it fits the text.
        mark: under which `Node.reading` tells how far it is, while it is read.

    Raises:
        ParserError: the model that was asked for is not here, or does not fit the text.
    """
    # A file's name may hold bytes that are no text; what is kept is text.
    name = name.encode("utf-8", "backslashreplace").decode()
    kind = chosen(raw, name, columns, as_claims)

    def read(parser: Parser | None) -> Reading:
        return node.importers[kind].read(
            raw, name, published=published, tlp=tlp, columns=columns, parser=parser, progress=told
        )

    def told(done: int, of: int) -> None:
        if mark:
            node.reading[mark] = (done, of)

    try:
        reading, parsed_by = _read(node, read, model if kind == "report" else RULES)
    finally:
        node.reading.pop(mark, None)
    with node.drafting:
        return _kept(
            node, raw, reading, published, tlp, columns, as_claims=as_claims, parsed_by=parsed_by
        )


def _read(
    node: Node, read: Callable[[Parser | None], Reading], model: str | None
) -> tuple[Reading, str]:
    """The reading, and the parser it was made with, "" for none."""
    wanted = node.reads_with if model is None else model
    if wanted in ("", RULES):
        return read(None), ""
    try:
        parser = node.parser_of(wanted)
        return read(parser), parser.name
    except ParserError as wrong:
        if model is not None:
            raise
        # A setting of the node that does not fit this text, or this machine, refuses no report.
        reading = read(None)
        loss = Loss(kind="not-parsed", note=f"read by the rules alone: {wrong.message}")
        return msgspec.structs.replace(reading, losses=(*reading.losses, loss)), ""


def _kept(
    node: Node,
    raw: bytes,
    reading: Reading,
    published: date | None,
    tlp: Tlp | None,
    columns: str | None,
    *,
    as_claims: bool,
    parsed_by: str,
) -> tuple[KeptReport, list[KeptDraft]]:
    asked = f" {tlp or ''} {columns or ''}" if tlp or columns else ""
    asked += " as claims" if as_claims else ""
    asked += f" parsed by {parsed_by}" if parsed_by else ""
    known_by = f"{reading.source.sha256} {published or ''}{asked}"
    tag = hashlib.sha256(known_by.encode()).hexdigest()[:16]
    known = node.store.local("report", tag)
    if known is not None:
        return report(node, tag), drafts(node, tag)
    listed = []
    for item in reading.objects:  # once: those of a large file are opened as they are read
        refuse_purged(node, item.sha256, item.id or "an object in it")
        listed.append((item.id, item.sha256, item.problem))
    found = [
        KeptDraft(report=tag, n=n, kind="claim", machine=_machine(d))
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
        losses=(*reading.losses, *sharing.losses(node, reading.groups)),
        objects=tuple(listed),
        received_at=stamp(node.clock()),
        drafts=len(found),
        tlp=tlp,
        columns=columns,
        strictest=reading.strictest,
        groups=reading.groups,
        held=sharing.counted(reading.shared),
    )
    if reading.objects:
        _put(node, "report-bytes", tag, raw)
        waiting = sayings.Saying(
            report=tag,
            name=reading.source.name,
            received_at=kept.received_at,
            objects=len(reading.objects),
        )
        sayings.add(node, waiting)
    # Last: a report that is listed has all its drafts.
    node.store.keep_local("report", tag, msgspec.json.encode(kept), None)
    return kept, drafts(node, tag)


def _machine(found: Draft) -> dict[str, Any]:
    """A draft as it was read, and whom its speaker speaks for where the role says it."""
    behind = speaks_for(found.speaker_role) if found.speaker else None
    return {**as_machine(found), **({"speaks_for": behind} if behind else {})}


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
    _check_original({**current.human, **fields})
    current.human = {**current.human, **fields}
    return _keep(node, current, revision)


def _check_original(fields: Mapping[str, Any]) -> None:
    """Original words come with their language and the address where they stand."""
    if not fields.get("original"):
        return
    missing = [name for name in ("original_lang", "original_url") if not fields.get(name)]
    if missing:
        raise DraftError(
            f"original words without {' and '.join(missing)} can be looked up by nobody",
            remedy="give original, original_lang and original_url together",
        )
    if len(str(fields["original"])) > fidelity.LONGEST:
        raise DraftError(
            f"original words of {len(str(fields['original']))} characters",
            remedy=f"give only the words of this claim, at most {fidelity.LONGEST}",
        )


def unlike(one: KeptDraft) -> tuple[fidelity.Difference, ...]:
    """What the outlet printed otherwise than the original words that a person gave."""
    original = one.get("original")
    if one.kind != "claim" or not original or one.machine.get("coded"):
        return ()
    return fidelity.differences(
        str(one.machine["words"]),
        str(original),
        lang=str(one.get("lang") or "en"),
        original_lang=str(one.get("original_lang")),
    )


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
        DraftError: a claim has no date, or an indicator ends before it would begin.
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


def _published(node: Node, chosen: Iterable[KeptDraft]) -> str:
    """When the report of some drafts was published, if they are of one: said no later than that."""
    sources = {report(node, id).source.published for id in {one.report for one in chosen}}
    day = sources.pop() if len(sources) == 1 else None
    return f"; the report is of {day}" if day else ""


def _accept(
    node: Node, wanted: Sequence[tuple[str, int]], how: Accepting
) -> tuple[list[KeptDraft], Done | None]:
    # A draft named twice is one draft.
    chosen = list({d.id: d for d in (_open(node, i, revision) for i, revision in wanted)}.values())
    undated = [d.id for d in chosen if d.kind == "claim" and not (_date_of(d) or how.date)]
    if undated:
        raise DraftError(
            f"when was it said? no date in draft {', '.join(undated)}",
            remedy="give --date (a day, month or year), or edit date= of each"
            + _published(node, chosen),
        )
    now = node.clock()
    made: dict[str, Received] = {}
    objects: list[tuple[str, str | None]] = []
    ended: list[str] = []
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
            ended += [one.id] if one.kind == "indicator" and _has_ended(one, now) else []
    if ended:
        raise DraftError(
            f"draft {', '.join(ended)} ended before today, and nothing says when it began",
            remedy="reject it; or give its table a column first_seen, and ingest that",
        )
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

    coded = one.machine.get("coded") or {}
    speaker = identity(one.get("speaker"))
    addressee = identity(one.get("addressee"))
    behind = identity(one.get("speaks_for"))
    named = {
        "actor_ref": identity(coded.get("actor")),
        "sponsor_ref": identity(coded.get("sponsor")),
    }
    translator = identity(one.get("translated_by")) if one.get("original") else None
    outlet_name = one.get("outlet") or how.outlet or coded.get("outlet") or source.source.name
    outlet = identity(outlet_name)
    incident = _incident(node, how.by, outlet_name, coded)
    raws += [incident] if incident is not None else []
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
            capacity="spokesperson"
            if role and ("spokes" in role or speaks_for(role))
            else coded.get("capacity", "unknown"),
            speaks_for_ref=behind if behind != speaker else None,
            addressee_refs=[addressee] if addressee else [],
            asserted_at={"value": value, "precision": _precision(value)},
            words=None
            if coded
            else {
                "text": one.machine["words"],
                "lang": one.get("lang") or "en",
                "start": span[0],
                "end": span[1],
                "source_sha256": source.source.text_sha256,
            },
            gist=(one.get("gist") or one.machine["words"]) if coded else None,
            about_refs=[open_object(incident).id] if incident is not None else [],
            names={name: ref for name, ref in named.items() if ref},
            speaker_confidence={"scale": "as-printed", "term": coded["confidence"]}
            if coded.get("confidence")
            else None,
            norm_refs=norms.named(str(one.get("norms") or "")),
            external_references=[
                {"source_name": outlet_name, "url": url} for url in coded.get("sources", ())
            ],
            words_original={
                "text": one.get("original"),
                "lang": one.get("original_lang"),
                "source_url": one.get("original_url"),
            }
            if one.get("original")
            else None,
            translation_by_ref=translator,
            reported_by_ref=outlet,
            flags=[
                {"name": "as-reported", "of": "outlet"},
                *({"name": found.name, "of": found.of} for found in unlike(one)),
                *_flags(one.machine.get("flags") or ()),
            ],
        )
    )
    return raws


def _flags(found: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Each flag of a draft once, as the carrier has it; its note and place stay with the draft."""
    once = dict.fromkeys((str(one["name"]), str(one.get("of", "outlet"))) for one in found)
    return [{"name": name, "of": of} for name, of in once]


def _incident(node: Node, coder: str, outlet: str, coded: Mapping[str, Any]) -> bytes | None:
    """The incident of a data set that a row is about: the same one for all its rows."""
    given = coded.get("incident")
    if not given:
        return None
    return make(
        "incident",
        id=_own_id(node, "incident", coder, " ".join(outlet.casefold().split()), str(given[0])),
        created="2000-01-01T00:00:00.000Z",
        created_by_ref=node.identity(coder),
        name=str(given[1]),
    )


TLP_OF: Mapping[str, str] = {str(level): id for level, id in MARKING_ID.items()}


def can_be_said(one: KeptDraft) -> bool:
    """Whether an object stands for this draft of an indicator: for a wallet, for example, none."""
    return (one.human.get("kind") or one.machine.get("type")) not in UNSAYABLE


def _clipped(raw: str, most: int = 200) -> str:
    return raw if len(raw) <= most else raw[: most - 1] + "…"


def _has_ended(one: KeptDraft, now: datetime) -> bool:
    """Whether it would be valid from now, and until a time that is over.

    No indicator is (STIX 2.1 §4.7: valid_until is later than valid_from), and without its end it
    would be in force for ever.
    """
    until = one.machine.get("valid_until")
    if until is None or one.machine.get("first_seen"):
        return False
    return datetime.fromisoformat(str(until)) <= now


def _indicator(
    node: Node, one: KeptDraft, source: KeptReport, how: Accepting, now: datetime
) -> bytes:
    kind = one.get("kind") if "kind" in one.human else one.machine.get("type")
    value = normalise(str(kind), str(one.get("value")))
    if kind == "cve":
        return _vulnerability(node, one, source, how, value, now)
    pattern = pattern_for(str(kind), value)
    if pattern is None:
        raise DraftError(
            f"STIX has no object for {value!r} ({kind})",
            remedy="reject this draft, or share it in a report's text",
        )
    at = stix_time(now)
    machine = one.machine
    level = TLP_OF.get(str(machine.get("tlp")))
    return make(
        "indicator",
        id=_own_id(node, "indicator", how.by, str(source.source.text_sha256), str(one.n)),
        created=at,
        created_by_ref=node.identity(how.by),
        name=value,
        description=machine.get("comment"),
        pattern=pattern,
        pattern_type="stix",
        valid_from=machine.get("first_seen") or at,
        valid_until=machine.get("valid_until"),
        external_references=[_printed(one, source, how)],
        object_marking_refs=[level] if level else [],
    )


def _printed(one: KeptDraft, source: KeptReport, how: Accepting) -> dict[str, Any]:
    """The report that printed a value, and how."""
    return {
        "source_name": one.get("outlet") or how.outlet or source.source.name,
        "description": f"printed there as {_clipped(one.machine['raw'])}",
        "hashes": {"SHA-256": source.source.sha256},
    }


def _vulnerability(
    node: Node, one: KeptDraft, source: KeptReport, how: Accepting, number: str, now: datetime
) -> bytes:
    """A flaw by its number. Spec: STIX 2.1 §4.18, which asks for the number as a reference."""
    level = TLP_OF.get(str(one.machine.get("tlp")))
    return make(
        "vulnerability",
        id=_own_id(node, "vulnerability", how.by, str(source.source.text_sha256), str(one.n)),
        created=stix_time(now),
        created_by_ref=node.identity(how.by),
        name=number,
        description=one.machine.get("comment"),
        external_references=[
            {"source_name": "cve", "external_id": number},
            _printed(one, source, how),
        ],
        object_marking_refs=[level] if level else [],
    )
