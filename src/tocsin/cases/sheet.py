"""The sheet: one case as one HTML file for those who will never install anything.

A pure function of a dossier: the page is computed from the statements and objects inside it, the
dossier's own bytes ride along, and the checker runs in the reader's browser. `compare_sheet` reads
the dossier back out, renders again and compares every byte.
Spec: record.md, "The sheet".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import jinja2
import orjson
from msgspec import Struct

from tocsin.cases.fold import fold
from tocsin.cases.model import AdvisoryState, CaseState, Cosign, HoldState, Said
from tocsin.claims import carrier, explain, model, standing
from tocsin.claims.model import Claim, Dated, Evidence, View
from tocsin.errors import RenderingError, SpeakerError, UnreadableError, VerificationError
from tocsin.policy import TLP_ORDER, Tlp
from tocsin.record.directory import Directory, fingerprint, read_directory, with_former
from tocsin.record.members import MAX_STATEMENTS, Dossier, open_dossier
from tocsin.record.statement import Statement

MAX_DOSSIER = 64 << 20
"""A sheet is mailed and opened in a browser; a larger case goes as a dossier."""

_HEAD = '<!doctype html>\n<!-- tocsin sheet 1 -->\n<html lang="en">\n'
_DOSSIER_OPEN = '<script type="text/plain" id="tocsin-dossier">'
_DOSSIER_CLOSE = "</script>\n"
_MOUNT = "\nmountSheet(document);\n"

_TLP_WORDS: Mapping[Tlp, str] = {
    "CLEAR": "it may go to anyone.",
    "GREEN": "it may go to peers and partners of whoever got it, and not to public places.",
    "AMBER": "it may go to those who need it in the named parties and among their clients.",
    "AMBER+STRICT": "it may go to those who need it in the named parties, and to no client.",
    "RED": "it is for the named persons only.",
}


class SheetPage(Struct, frozen=True, kw_only=True):
    """The files a sheet is made of, as text: wiring reads them, the core does no I/O."""

    template: str
    """`cases/sheet.html`"""
    style: str
    """`cases/sheet.css`"""
    script: str
    """`console/static/verify.js`"""


# --- making and checking ------------------------------------------------------------------------


def render_sheet(dossier: bytes, page: SheetPage) -> bytes:
    """The sheet of a dossier: the same bytes for the same dossier and page, everywhere.

    It is rendered from what the dossier says, verified or not: whoever renders verifies first.

    Raises:
        DossierError: not a dossier.
        RenderingError: the dossier is too large for one page.
    """
    if len(dossier) > MAX_DOSSIER:
        raise RenderingError(
            f"a dossier of {len(dossier)} bytes, and a sheet carries at most {MAX_DOSSIER}",
            remedy="export it as a dossier, and let the reader run tocsin verify",
        )
    content = _content(open_dossier(dossier))
    script = page.script + _MOUNT
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(page.style)}'; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    )
    body = _template(page.template).render(content)
    title = "".join(run for chip, run in pieces(content["title"]) if not chip)
    return (
        _HEAD + "<head>\n"
        '<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{_escape(title)} · tocsin sheet</title>\n"
        f"<style>{page.style}</style>\n"
        f"</head>\n<body>\n{body}\n"
        f"{_DOSSIER_OPEN}{base64.b64encode(dossier).decode('ascii')}{_DOSSIER_CLOSE}"
        f'<script type="module">{script}</script>\n'
        "</body>\n</html>\n"
    ).encode()


def open_sheet(html: bytes) -> bytes:
    """The dossier that a sheet carries. Nothing is verified here.

    Raises:
        UnreadableError: no sheet, or none of this version.
    """
    before, opened, rest = html.partition(_DOSSIER_OPEN.encode())
    text, closed, _ = rest.partition(_DOSSIER_CLOSE.encode())
    if not (before.startswith(_HEAD.encode()) and opened and closed):
        raise UnreadableError(
            "this is no sheet of this version of tocsin",
            remedy="give the HTML file that tocsin export CASE --as sheet wrote, unchanged",
        )
    try:
        dossier = base64.b64decode(text, validate=True)
    except binascii.Error as wrong:
        raise UnreadableError(
            f"the dossier inside this sheet is damaged: {wrong}",
            remedy="ask for the sheet again; this copy was changed on its way",
        ) from wrong
    return dossier


def is_sheet(data: bytes) -> bool:
    """Whether these bytes begin as a sheet does."""
    return data.startswith(_HEAD.encode())


def compare_sheet(html: bytes, page: SheetPage) -> bytes:
    """Render the sheet again from the dossier inside it and compare every byte.

    Returns:
        The dossier's bytes, which are still to be verified.

    Raises:
        UnreadableError: no sheet.
        DossierError: what it carries is no dossier.
        VerificationError: a byte of the page differs; the message says at which place.
    """
    dossier = open_sheet(html)
    try:
        again = render_sheet(dossier, page)
    except RenderingError as wrong:
        raise VerificationError(
            f"no page is made of the dossier inside: {wrong.message}", remedy=wrong.remedy
        ) from wrong
    if again != html:
        at = next(
            (n for n, (a, b) in enumerate(zip(again, html, strict=False)) if a != b),
            min(len(again), len(html)),
        )
        raise VerificationError(
            f"the page differs from its dossier at byte {at}: {html[at : at + 40]!r} where "
            f"{again[at : at + 40]!r} belongs",
            remedy="do not read this page; read the dossier inside it, or one that another "
            "member exported; a sheet made by another version of tocsin differs too",
        )
    return dossier


def _hash(text: str) -> str:
    # The parser of a browser turns CR LF into LF before it hashes.
    if "\r" in text or "</s" in text:
        raise RenderingError(
            "a script or style of the sheet holds a carriage return or a closing tag",
            remedy="restore the file from the release",
        )
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


@lru_cache(maxsize=4)
def _template(text: str) -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.globals["pieces"] = pieces
    return environment.from_string(text)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")
_JOINERS = "\u200c\u200d"
_HIDDEN = ("Cc", "Cf", "Co", "Cs", "Cn")


def pieces(text: object) -> list[tuple[bool, str]]:
    """Foreign text cut into runs; (True, "U+202E") stands for a character nobody would see.

    Control, direction-changing, zero-width and tag characters are named, never sent as they are;
    joiners stay where a script or an emoji needs them.
    """
    whole = str(text)
    runs: list[tuple[bool, str]] = []
    for at, char in enumerate(whole):
        hidden = char in _BLANKS or (char not in "\n\r\t" and unicodedata.category(char) in _HIDDEN)
        if hidden and not (char in _JOINERS and _joins(whole[at - 1 : at], whole[at + 1 : at + 2])):
            runs.append((True, f"U+{ord(char):04X}"))
        elif runs and not runs[-1][0]:
            runs[-1] = (False, runs[-1][1] + char)
        else:
            runs.append((False, char))
    return runs


def _joins(before: str, after: str) -> bool:
    """Whether a joiner between these two belongs there: Arabic and Indic scripts, or emoji."""
    if not before or not after:
        return False
    kinds = unicodedata.category(before), unicodedata.category(after)
    emoji = kinds[1] == "So" and (kinds[0] in ("So", "Sk") or before == "\ufe0f")
    scripts = all("\u0600" <= char < "\u1900" for char in (before, after))
    return emoji or (scripts and all(kind[0] in "LM" for kind in kinds))


# --- what stands on the page --------------------------------------------------------------------


class _Line(Struct, frozen=True):
    index: int
    id: str
    statement: Statement


class _Case(Struct, frozen=True):
    """What the page is computed from."""

    id: str
    lines: list[_Line]
    withheld: list[tuple[int, str]]
    directory: Directory
    root: bytes
    view: View
    said_by: dict[str, _Line]
    """STIX id → the first statement that says it."""
    taken_back: dict[str, _Line]
    """STIX id → the statement that withdraws it."""
    state: CaseState
    objects: Mapping[str, bytes]
    forged: list[tuple[str, str, str]]
    """(id, author, why): said in the name of a party that did not sign it; shown as that."""
    attached: list[tuple[str, str, str]]
    """(id, media type, author) of what is no STIX object."""
    missing: list[tuple[str, str]]
    """(id, author) of what a statement names and the file has not."""

    def party(self, party: str) -> str:
        """The party's name in the directory, or its id."""
        found = self.directory.party(party)
        return found.name if found else party

    def name(self, identity: str | None) -> str:
        """An identity's name as its own object or the directory gives it."""
        if identity is None:
            return "not given"
        named = self.view.name(identity)
        found = self.directory.by_identity(identity)
        return found.name if named == identity and found else named

    def order(self, ref: str) -> int:
        """Where in the log an object was first said; unsaid ones come last."""
        line = self.said_by.get(ref)
        return line.index if line else 1 << 62


def _content(dossier: Dossier) -> dict[str, Any]:
    case = _case(dossier)
    tlp = max((x.statement.tlp for x in case.lines), key=TLP_ORDER.index, default=TLP_ORDER[0])
    times = sorted(x.statement.time for x in case.lines)
    listed = standing.standings(case.view)
    claims = sorted(listed, key=lambda one: _claim_rank(case, case.view.claims[one.claim]))
    return {
        "title": case.state.title or case.id,
        "case": case.id,
        "stage": case.state.stage,
        "tlp": tlp,
        "tlp_words": _TLP_WORDS[tlp],
        "first": times[0] if times else "",
        "last": times[-1] if times else "",
        "fingerprint": fingerprint(case.root),
        "parties": _parties(case),
        "claims": [_claim(case, one) for one in claims],
        "indicators": _indicators(case),
        "advisories": _advisories(case),
        "holds": _holds(case),
        "statements": [_statement(case, line) for line in case.lines],
        "withheld": [{"index": index, "id": ref} for index, ref in case.withheld],
        "missing": [_missing(case, ref, by) for ref, by in case.missing],
        "others": _others(case),
    }


def _case(dossier: Dossier) -> _Case:
    root = dossier.root
    rows = sorted(dossier.statements, key=lambda row: row.index)
    lines = [_Line(row.index, row.id, row.statement) for row in rows]
    versions = [
        read_directory(row.statement.body)
        for row in dossier.directory
        if row.statement.kind == "directory"
    ]
    directory = with_former(sorted(versions, key=lambda version: version.version))
    said_by: dict[str, _Line] = {}
    kinds: dict[str, tuple[str, str, str]] = {}
    saying: dict[str, set[str]] = {}
    first: dict[str, int] = {}
    for line in lines:
        for ref in line.statement.objects if line.statement.kind != "withdraw" else ():
            if line.statement.kind == "say":
                said_by.setdefault(ref.id, line)
            kinds.setdefault(ref.sha256, (ref.id, ref.type, line.statement.author))
            first.setdefault(ref.id, line.index)
            saying.setdefault(ref.sha256, set()).add(line.statement.author)
    taken_back = _withdrawals(lines)
    held: list[tuple[Mapping[str, Any], str]] = []
    forged: list[tuple[str, str, str]] = []
    for digest, (named, kind, author) in kinds.items():
        if digest not in dossier.objects or "/" in kind:
            continue
        data = _decoded(dossier.objects[digest])
        wrong = _forged(data, saying[digest], directory)
        if wrong is None:
            held.append((data, digest))
        else:
            forged.append((named, author, wrong))
    view = carrier.read(
        held, withdrawn={ref: line.statement.at for ref, line in taken_back.items()}
    )
    return _Case(
        id=dossier.case or "no case",
        lines=lines,
        withheld=[(one.index, one.id) for one in dossier.withheld],
        directory=directory,
        root=root,
        view=view,
        said_by=said_by,
        taken_back=taken_back,
        state=_folded(lines, directory),
        objects=dossier.objects,
        forged=forged,
        attached=sorted(
            (
                (ref, kind, author)
                for digest, (ref, kind, author) in kinds.items()
                if digest in dossier.objects and "/" in kind
            ),
            key=lambda one: (first[one[0]], one[1], one[0]),
        ),
        missing=sorted(
            (
                (ref, author)
                for digest, (ref, _, author) in kinds.items()
                if digest not in dossier.objects
            ),
            key=lambda one: (first[one[0]], one[0].partition("--")[0], one[0]),
        ),
    )


def _forged(data: Mapping[str, Any], authors: set[str], directory: Directory) -> str | None:
    """Why nobody who says this object may have published it; None if somebody may."""
    why = None
    for author in sorted(authors):
        party = directory.party(author)
        try:
            carrier.check_publisher(data, party.identity if party else "")
        except SpeakerError as wrong:
            why = wrong.message
        else:
            return None
    return why


def _decoded(raw: bytes) -> Mapping[str, Any]:
    """The object; {} for bytes that are none: the digest holds, and there is nothing to show."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _withdrawals(lines: Sequence[_Line]) -> dict[str, _Line]:
    """STIX id → the statement that took it back, if no statement is left that says it."""
    by_id = {line.id: line for line in lines}
    saying: dict[str, set[str]] = {}
    gone: dict[str, _Line] = {}
    for line in lines:
        s = line.statement
        if s.kind == "say":
            for ref in s.objects:
                saying.setdefault(ref.id, set()).add(line.id)
        elif s.kind == "withdraw":
            for target in (by_id[ref] for ref in s.refs if ref in by_id):
                if target.statement.author != s.author:
                    continue
                for ref in s.objects or target.statement.objects:
                    saying.get(ref.id, set()).discard(target.id)
                    gone[ref.id] = line
    return {ref: line for ref, line in gone.items() if not saying.get(ref)}


def _folded(lines: Sequence[_Line], directory: Directory) -> CaseState:
    """The case as of the last statement's time: a sheet knows no clock."""
    heard = [
        Said(
            id=line.id,
            author=line.statement.author,
            seq=line.statement.seq,
            kind=line.statement.kind,
            time=line.statement.time,
            body=line.statement.body,
            refs=line.statement.refs,
            objects=tuple(ref.id for ref in line.statement.objects),
            tlp=line.statement.tlp,
            to=line.statement.to,
            index=line.index,
        )
        for line in lines
    ]
    held = {(one.author, one.seq) for one in heard}
    top: dict[str, int] = {}
    for author, seq in held:
        top[author] = max(seq, top.get(author, 0))
    if sum(top.values()) - len(held) > MAX_STATEMENTS:
        # A number that somebody signed may be any: there are never more than a dossier can name.
        raise RenderingError(
            "a chain of this dossier has more gaps than a case can have statements",
            remedy="treat it as altered; ask another member of the case for its dossier",
        )
    # What stands in a gap of a chain is withheld here; whether it is proven, the verdict says.
    withheld = {(author, seq) for author, last in top.items() for seq in range(1, last)} - held
    return fold(
        heard,
        directory=frozenset(party.id for party in directory.parties),
        now=max((line.statement.at for line in lines), default=datetime.min.replace(tzinfo=UTC)),
        withheld=frozenset(withheld),
    )


_STATES = {
    "INVITED": "invited, no answer yet",
    "ACCEPTED": "joined",
    "DECLINED": "declined",
    "LAPSED": "invited, silent past the date asked for",
    "LEFT": "left",
    "REMOVED": "removed",
}


def _parties(case: _Case) -> list[dict[str, Any]]:
    counts: dict[str, int] = {}
    for line in case.lines:
        counts[line.statement.author] = counts.get(line.statement.author, 0) + 1
    listed = [
        (one.party, f"{one.role}, {_STATES.get(one.state, one.state.lower())}")
        for one in case.state.parties
    ]
    known = {party for party, _ in listed}
    listed += [(author, "not of the case") for author in counts if author not in known]
    return [
        {"name": case.party(party), "id": party, "role": role, "count": counts.get(party, 0)}
        for party, role in listed
    ]


def _advisories(case: _Case) -> list[dict[str, Any]]:
    return [
        {
            "title": f"{_title(case, one)}, revision {one.rev}",
            "state": f"{one.state}, proposed by {case.party(one.proposer)}",
            "count": f"signed by {one.signed}; it needs {one.k} of {one.of} parties",
            "answers": _answers(case, one),
        }
        for one in case.state.advisories
    ]


def _title(case: _Case, one: AdvisoryState) -> str:
    """As its STIX rendering names it, which is signed with it; without one, its id."""
    renderings = _decoded(case.objects.get(one.manifest_sha256, b"{}")).get("renderings")
    for digest in _texts(renderings, "sha256"):
        bundle = _decoded(case.objects.get(digest, b"{}"))
        reports = [o for o in _dicts(bundle.get("objects")) if o.get("type") == "report"]
        for name in _texts(reports, "name"):
            return name
    return one.item


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _texts(found: Any, field: str) -> list[str]:
    return [one[field] for one in _dicts(found) if isinstance(one.get(field), str) and one[field]]


def _answers(case: _Case, one: AdvisoryState) -> list[dict[str, Any]]:
    """Every member's answer, refusals and silence at the same size."""
    answered = {answer.party: answer for answer in one.cosigns}
    order = list(dict.fromkeys((*case.state.members, *answered)))
    return [
        {"who": case.party(party), "answer": _answer(answered.get(party), one)} for party in order
    ]


def _answer(found: Cosign | None, one: AdvisoryState) -> str:
    if found is None:
        return "no answer"
    old = "" if found.rev == one.rev else f" (revision {found.rev}; revision {one.rev} stands)"
    if not found.refuse:
        return f"signed as {found.capacity}{old}"
    return f"refused{old}" + (f": {found.dissent}" if found.dissent else "")


def _holds(case: _Case) -> list[dict[str, Any]]:
    return [
        {
            "text": one.text,
            "state": _hold_state(one),
            "signed": [case.party(party) for party in one.signatories],
            "unanswered": [case.party(party) for party in one.unanswered],
        }
        for one in case.state.holds
    ]


def _hold_state(one: HoldState) -> str:
    ends = f"until {one.ends_at}" if one.in_force else f"ended {one.ended_at or one.ends_at}"
    return f"{one.kind}, {ends}"


def _claim_rank(case: _Case, claim: Claim) -> tuple[Any, ...]:
    return case.order(claim.id), claim.known, claim.x.claim_type, claim.content, claim.id


def _claim(case: _Case, one: standing.Standing) -> dict[str, Any]:
    claim = case.view.claims[one.claim]
    x = claim.x
    links = [
        {
            "name": name,
            "grade": grade.grade,
            "shown": "shown"
            if grade.shown
            else ("no grounds shown here" if grade.grade == "none-shown" else "stated, not shown"),
        }
        for name, grade in one.links.items()
    ]
    return {
        "heading": x.gist or claim.content,
        "lang": None if x.gist else claim.lang,
        "quote": x.words.text if x.words and (x.gist or x.words.text != claim.content) else "",
        "original": x.words_original.text if x.words_original else "",
        "original_lang": x.words_original.lang if x.words_original else None,
        "speaker": _speaker(case, claim),
        "voice": _voice(case, x),
        "type": x.claim_type,
        "said": _when(x.asserted_at),
        "reported": case.name(x.reported_by_ref) if x.reported_by_ref else "",
        "coder": case.name(claim.publisher),
        "flags": [f"{flag.name} (of the {flag.of})" for flag in x.flags],
        "level": one.level or "no level",
        "summary": explain.summary(one),
        "links": links,
        "positions": _positions(case, claim),
        "reasons": [said.text for said in explain.explain(one, case.view)[1:]],
        "algorithm": f"{one.algorithm['id']} {one.algorithm['version']}",
        "inputs": one.inputs_sha256,
    }


def _speaker(case: _Case, claim: Claim) -> str:
    x = claim.x
    name = case.name(x.speaker_ref) if x.speaker_ref else x.speaker_as_printed
    return name or "speaker not given"


def _voice(case: _Case, x: model.ClaimFields | model.ChallengeFields) -> str:
    """As what somebody speaks, and for whom: the same line for a charge and an answer to it."""
    capacity = x.capacity if x.capacity != "unknown" else None
    if x.speaks_for_ref is None:
        return capacity or ""
    return f"{capacity or 'speaks'} for {case.name(x.speaks_for_ref)}"


def _positions(case: _Case, claim: Claim) -> list[dict[str, Any]]:
    """The claim's speaker, everyone who answered, and the named who said nothing, all alike."""
    found: dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]] = {}
    spoken_for: set[str | None] = set()

    def stands(who: str, rank: tuple[Any, ...], entry: dict[str, Any]) -> None:
        found.setdefault(who, []).append((rank, entry))

    def said(other: Claim, what: str) -> None:
        who = other.x.speaker_ref or f"?{_speaker(case, other)}"
        spoken_for.add(other.x.speaks_for_ref)
        rank = (other.id != claim.id, other.known, case.order(other.id), other.id)
        stands(who, rank, _entry(case, other, what, other.x.words, other.content, other.lang))

    said(claim, claim.x.claim_type)
    for link in case.view.links.values():
        if claim.id not in (link.source, link.target):
            continue
        other = case.view.claims.get(link.source if link.target == claim.id else link.target)
        if other is None or link.id in case.taken_back:
            continue
        if link.kind == "answers" and link.target == claim.id:
            answer = f", answer: {link.x.answer}" if link.x.answer else ""
            said(other, f"{other.x.claim_type}{answer}")
        elif link.kind == "answers":
            said(other, f"{other.x.claim_type}, which this answers")
        elif link.kind == "alternative-to":
            said(other, f"{other.x.claim_type}, a rival account")
    for ref in case.view.challenges_on.get(claim.id, ()):
        challenge = case.view.challenges[ref]
        x = challenge.x
        spoken_for.add(x.speaks_for_ref)
        part = f" of {x.target_link}" if x.target_link else ""
        what = f"{x.form}{part}" + (", of this kind of report" if x.scope == "class" else "")
        rank = (True, challenge.known, case.order(ref), ref)
        entry = _entry(case, challenge, what, x.words, challenge.explanation or "", None)
        stands(x.speaker_ref, rank, entry)
    names = claim.x.names
    for named in (*claim.x.addressee_refs, names.sponsor_ref, names.actor_ref):
        if named and named.startswith("identity--") and named not in spoken_for:
            found.setdefault(named, [])
    columns = [
        (min((rank for rank, _ in entries), default=(2,)), place, who, entries)
        for place, (who, entries) in enumerate(found.items())
    ]
    return [
        {
            "who": case.name(who) if not who.startswith("?") else who[1:],
            "entries": [entry for _, entry in sorted(entries, key=lambda pair: pair[0])],
        }
        for _, _, who, entries in sorted(columns, key=lambda column: column[:2])
    ]


def _entry(
    case: _Case,
    said: Claim | model.Challenge,
    what: str,
    words: model.Words | None,
    otherwise: str,
    lang: str | None,
) -> dict[str, Any]:
    confidence = said.x.speaker_confidence
    state = ", withdrawn" if said.id in case.taken_back else ""
    return {
        "what": what + state,
        "voice": _voice(case, said.x),
        "confidence": f"{confidence.term} ({confidence.scale})" if confidence else "",
        "words": words.text if words else otherwise,
        "lang": words.lang if words else lang,
        "said": _when(said.x.asserted_at),
        "signed": _signed(case, said.id, said.x.speaker_ref),
        "grounds": _grounds(case, said.id),
        "asked": said.x.form not in ("denial", "request")
        if isinstance(said.x, model.ChallengeFields)
        else said.x.claim_type not in model.NOT_WEIGHED,
    }


def _signed(case: _Case, ref: str, speaker: str | None) -> str:
    line = case.said_by.get(ref)
    if line is None:
        return "not said by a statement in this file"
    party = case.directory.party(line.statement.author)
    at = f"at place {line.index} of the log"
    if party is not None and speaker == party.identity:
        return f"signed by {party.name}, {at}"
    return f"by publication, brought in by {case.party(line.statement.author)}, {at}"


def _grounds(case: _Case, target: str) -> list[dict[str, Any]]:
    view = case.view
    listed = []
    for ref in view.supports_into.get(target, ()):
        link = view.links[ref]
        piece = view.evidence.get(link.source)
        entry = {
            "name": view.name(link.source),
            "kind": piece.x.kind if piece else "evidence that is not in this file",
            "access": _access(piece),
            "links": link.x.links,
            "producers": [case.name(p) for p in piece.x.producer_refs] if piece else [],
            "coder": case.name(piece.publisher if piece else link.publisher),
            "published": _when(piece.x.published) if piece and piece.x.published else "",
            "withdrawn": link.source in case.taken_back or ref in case.taken_back,
        }
        # Ids come last: two sides that did the same are shown in the same order.
        known = piece.known if piece else link.known
        rank = (case.order(link.source), known, entry["kind"], link.x.links, entry["name"], ref)
        listed.append((rank, entry))
    return [entry for _, entry in sorted(listed, key=lambda pair: pair[0])]


def _access(piece: Evidence | None) -> str:
    if piece is None:
        return "withheld"
    if piece.x.access == "committed":
        return f"withheld, digest {piece.x.commitment}"
    return piece.x.access


def _when(dated: Dated) -> str:
    until = f" to {dated.until}" if dated.until else ""
    printed = f" (printed: {dated.printed})" if dated.printed else ""
    return f"{dated.value}{until}{printed}"


def _held(case: _Case) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every object by the order in which it was first said."""
    objects = {ref: held.data for ref, held in case.view.objects.items()}

    def rank(ref: str) -> tuple[int, str, str, str]:
        data = objects[ref]
        return case.order(ref), str(data.get("type")), str(data.get("name")), ref

    for ref in sorted(objects, key=rank):
        yield ref, objects[ref]


def _by(case: _Case, ref: str) -> str:
    line = case.said_by.get(ref)
    return case.party(line.statement.author) if line else "nobody here"


def _indicators(case: _Case) -> list[dict[str, Any]]:
    return [
        {
            "pattern": data.get("pattern", ""),
            # Most are named by their value: that need not stand there twice.
            "name": ""
            if str(data.get("name", "")) in str(data.get("pattern", ""))
            else data["name"],
            "valid": data.get("valid_from", ""),
            "by": _by(case, ref),
            "state": f"withdrawn by its author, place {case.taken_back[ref].index}"
            if ref in case.taken_back
            else "in force",
        }
        for ref, data in _held(case)
        if data.get("type") == "indicator"
    ]


_SHOWN_ELSEWHERE = ("indicator", "extension-definition", "marking-definition")


def _missing(case: _Case, ref: str, author: str) -> dict[str, str]:
    line = case.taken_back.get(ref)
    why = f", withdrawn by its author at place {line.index}" if line else ""
    return {"id": ref, "by": case.party(author) + why}


def _others(case: _Case) -> list[dict[str, Any]]:
    view = case.view
    carried = {*view.claims, *view.evidence, *view.challenges, *view.links, *view.standings}
    broken = {one.id: one.message for one in view.broken}
    listed = [
        {
            "type": data.get("type", ""),
            "name": f"left out of weighing: {broken[ref]}"
            if ref in broken
            else str(data.get("name") or ""),
            "by": _by(case, ref),
            "id": ref,
        }
        for ref, data in _held(case)
        if ref not in carried and data.get("type") not in _SHOWN_ELSEWHERE
    ]
    attached = [
        {"type": kind, "name": "", "by": case.party(author), "id": ref}
        for ref, kind, author in case.attached
    ]
    forged = [
        {"type": "", "name": f"left out of weighing: {why}", "by": case.party(author), "id": ref}
        for ref, author, why in case.forged
    ]
    return [*listed, *forged, *attached]


def _statement(case: _Case, line: _Line) -> dict[str, Any]:
    s = line.statement
    what: str = s.kind
    if s.kind == "act":
        what = f"act: {s.body.get('event', '')}"
    elif s.kind in ("say", "withdraw"):
        count = len(s.objects)
        what = f"{s.kind}: {count} object{'' if count == 1 else 's'}" if count else s.kind
    elif s.kind == "cosign":
        what = f"cosign: {'refuses' if s.body.get('refuse') else s.body.get('capacity')}"
    for void in case.state.void:
        if void.id == line.id:
            what += f", {void.words}"
    if any(line.id in one.ids for one in case.state.equivocations):
        what += ", signed twice for one place: neither counts"
    return {
        "index": line.index,
        "time": s.time,
        "who": case.party(s.author),
        "what": what,
        "tlp": s.tlp,
        "id": line.id,
    }
