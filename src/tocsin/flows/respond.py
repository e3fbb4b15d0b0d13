"""A case across organisations: open, invite, join, promise, tell; and take it away as one file.

Every change is one `act` statement signed by the party that owns it. Before one is signed here the
fold is asked what it would make of it: an act that would have no effect is refused with the reason.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from tocsin.canonical import encode
from tocsin.cases.fold import fold
from tocsin.cases.model import CaseState, Said
from tocsin.cases.sheet import render_sheet
from tocsin.errors import CaseError, UsageError
from tocsin.flows.intake import (
    Act,
    Done,
    Item,
    Prepared,
    act_for,
    not_found,
    one_sealed,
    parse_kept,
    record,
    stamp,
)
from tocsin.flows.node import Node
from tocsin.policy import Reader, Tlp
from tocsin.record.checkpoint import open_checkpoint, open_note, write_proof
from tocsin.record.members import write_dossier
from tocsin.record.statement import Statement
from tocsin.stix.bundle import write_bundle
from tocsin.stix.ids import deterministic
from tocsin.stix.markings import definitions_for
from tocsin.store.interface import Kept, KeptObject, KeptSealed, Purged


def said(kept: Kept, statement: Statement | None = None) -> Said:
    """A logged statement as the fold takes it."""
    s = statement or parse_kept(kept)
    return Said(
        id=kept.id,
        author=s.author,
        seq=s.seq,
        kind=s.kind,
        time=s.time,
        body=s.body,
        refs=s.refs,
        objects=tuple(o.id for o in s.objects),
        tlp=s.tlp,
        to=s.to,
        index=kept.index,
    )


MAX_GAPS = 10_000
"""Places in one chain of a case that may be missing here, for the fold to be told of them."""


def case_statements(node: Node, case: str, reader: Reader) -> list[Kept]:
    """What `reader` may read of a case, in log order.

    Raises:
        NotFoundError: nothing: no such case, or none of it is for this reader.
    """
    found = node.store.statements(node.allowed(reader), case=case)
    if not found:
        raise not_found(f"case {case}")
    return found


def state(node: Node, case: str, reader: Reader) -> CaseState:
    """The case as `reader` may see it, folded anew from its statements.

    What the reader may not see is named to the fold as withheld, by its place in the author's
    chain only: a chain's gaps are no secret, what stands in them is.
    """
    kept = case_statements(node, case, reader)
    return _fold(node, case, [said(k) for k in kept], {k.id for k in kept})


def _fold(node: Node, case: str, visible: list[Said], ids: set[str]) -> CaseState:
    held = node.store.statements(node.everything(), case=case)
    withheld = frozenset((k.author, k.seq) for k in held if k.id not in ids)
    withheld |= {(k.author, k.seq) for k in _closed(node, case)}
    withheld |= _never_here(held)
    return fold(
        visible,
        directory=frozenset(p.id for p in node.everyone.parties),
        now=node.clock(),
        withheld=withheld,
    )


def _never_here(held: Sequence[Kept]) -> frozenset[tuple[str, int]]:
    """Places of a case's chains that are not held: other nodes keep from this one what nobody at
    home here may read. They were named when what follows them came (exchange.md §5)."""
    seqs: dict[str, set[int]] = {}
    for kept in held:
        seqs.setdefault(kept.author, set()).add(kept.seq)
    return frozenset(
        (author, seq)
        for author, there in seqs.items()
        if len(there) < (last := max(there)) <= len(there) + MAX_GAPS
        for seq in range(1, last)
        if seq not in there
    )


def _closed(node: Node, case: str) -> list[Purged | KeptSealed]:
    """What stands in a case's log with an id and no envelope here: purged, or sealed.

    Of a sealed one a dossier shows the place, by its entry: whoever opened it shows its envelope
    beside it, and from that and its author the entry follows.
    """
    everything = node.everything()
    return [
        *node.store.purged(everything, case=case),
        *node.store.sealed_in(everything, case=case),
    ]


class CaseRow(Struct, frozen=True, kw_only=True):
    """A case in a list."""

    id: str
    title: str
    tlp: Tlp
    stage: str
    owner: str
    parties: int
    silent: tuple[str, ...]
    """Parties invited that have not answered in time."""
    statements: int


class Folded(Struct, frozen=True, kw_only=True):
    """A case as one reader may see it, and its line in a list."""

    row: CaseRow
    state: CaseState


def folded(node: Node, reader: Reader, case: str | None = None) -> list[Folded]:
    """The cases (or the one) whose opening `reader` may see, newest first, each folded once."""
    acts = node.store.statements(node.allowed(reader), case=case, kind="act")
    last: dict[str, int] = {k.case: k.index for k in acts if k.case}
    found = []
    for one in sorted(last, key=lambda c: -last[c]):
        kept = case_statements(node, one, reader)
        s = _fold(node, one, [said(k) for k in kept], {k.id for k in kept})
        if s.owner is None:
            continue  # its opening is not for this reader
        row = CaseRow(
            id=one,
            title=s.title,
            tlp=s.tlp,
            stage=s.stage,
            owner=s.owner,
            parties=len(s.parties),
            silent=tuple(p.party for p in s.parties if p.state == "LAPSED"),
            statements=len(kept),
        )
        found.append(Folded(row=row, state=s))
    return found


def cases(node: Node, reader: Reader) -> list[CaseRow]:
    """The cases `reader` may see anything of, newest first."""
    return [one.row for one in folded(node, reader)]


def open_case(
    node: Node,
    author: str,
    title: str,
    *,
    class_: str = "incident",
    tlp: Tlp = "AMBER",
    pap: str | None = None,
    lang: str = "en",
    quorum: tuple[int, int] = (1, 1),
    to: Sequence[str] = (),
) -> tuple[str, Done | Prepared]:
    """Open a case owned by `author`; its id, `case--<uuid4>`.

    Args:
        title: one line.
        tlp: the ceiling: what is said in the case is never looser by default.
        quorum: (k, of): how many coordinators remove a party or end a hold.
        to: parties who may read that the case exists, from the start.
    """
    if not title.strip():
        raise CaseError("a case needs a title", remedy='tocsin case open "Grid wiper"')
    case = node.new_id("case")
    body: dict[str, Any] = {
        "event": "case.open",
        "item": case,
        "title": title,
        "class": class_,
        "tlp": tlp,
        "lang": lang,
        "quorum": {"k": quorum[0], "of": quorum[1]},
    }
    if pap:
        body["pap"] = pap
    return case, act(node, author, case, body, tlp=tlp, to=to)


def act(
    node: Node,
    author: str,
    case: str,
    body: Mapping[str, Any],
    *,
    objects: Iterable[Item] = (),
    tlp: Tlp | None = None,
    to: Sequence[str] | None = None,
) -> Done | Prepared:
    """Sign one event of a case, unless the fold says that it would have no effect.

    Args:
        body: `{"event", "item", "re"?, ...fields}`; `re` goes to `refs` too.
        tlp: default the case's ceiling.
        to: default everybody invited to or in the case.

    Raises:
        NotFoundError: no such case for this author.
        CaseError: void: not the author's to do, out of order, a field missing, stale.
    """
    s, marking, refs = _check(node, author, case, body, tlp)
    audience = tuple(to) if to is not None else members(s) if s else ()
    return act_for(
        node,
        Act(
            author=author,
            kind="act",
            tlp=marking,
            body=dict(body),
            case=case,
            objects=tuple(objects),
            refs=refs,
            to=tuple(p for p in audience if p != author) if marking != "CLEAR" else (),
        ),
    )


def check(node: Node, author: str, case: str, body: Mapping[str, Any]) -> None:
    """Raises as `act` does, and signs nothing: for what is said before an event."""
    _check(node, author, case, body, None)


def _check(
    node: Node, author: str, case: str, body: Mapping[str, Any], tlp: Tlp | None
) -> tuple[CaseState | None, Tlp, tuple[str, ...]]:
    """The case before, the event's marking, and what it refers to."""
    reader = node.reader(author)
    opening = body.get("event") == "case.open"
    before = (
        node.store.statements(node.allowed(reader), case=case)
        if opening
        else case_statements(node, case, reader)
    )
    visible = [said(k) for k in before]
    re_ = body.get("re")
    refs = (str(re_),) if re_ else ()
    s = _fold(node, case, visible, {k.id for k in before}) if before else None
    last = node.store.chain(author, case)
    marking: Tlp = tlp or (s.tlp if s else "AMBER")
    trial = Said(
        id="f" * 64,
        author=author,
        seq=last.seq + 1 if last else 1,
        kind="act",
        time=stamp(node.clock()),
        body=dict(body),
        refs=refs,
        objects=(),
        tlp=marking,
        to=(),
        index=None,
    )
    after = _fold(node, case, [*visible, trial], {k.id for k in before})
    void = next((v.reason for v in after.void if v.id == trial.id), None)
    waits = next((w for w in after.waiting if w.id == trial.id), None)
    if void is not None or waits is not None:
        raise CaseError(
            f"{body.get('event')} by {author} would have no effect: "
            + (void or "it waits for a statement this node does not hold"),
            remedy=VOID_REMEDIES.get(void or "", "see the case: tocsin case show " + case),
        )
    return s, marking, refs


VOID_REMEDIES = {
    "not-owner": "only the party that owns this step may sign it",
    "not-member": "join the case first: tocsin case join CASE",
    "bad-order": "something has to come before it: tocsin case show CASE",
    "stale": "it has been replaced by a newer offer; answer that one",
    "duplicate": "it has been said already; nothing more is needed",
    "void-field": "a field is missing or of the wrong kind",
    "unknown-event": "see the list of events: tocsin case --help",
    "over-ceiling": "its marking is stricter than the case's own: say it outside the case",
}


def members(s: CaseState) -> tuple[str, ...]:
    """Everybody who is to hear what is said in a case: invited or joined, not removed or left."""
    named = {p.party for p in s.parties if p.state in ("INVITED", "ACCEPTED", "LAPSED")}
    return tuple(sorted(named | ({s.owner} if s.owner else set())))


def invite(
    node: Node, author: str, case: str, party: str, role: str, rsvp_by: str, note: str | None = None
) -> Done | Prepared:
    """Invite a party. It can read the invitation, and that the case exists, from now on.

    What was said before stays with those it was said to, but for the opening and the invitations,
    which their author says again to the wider circle: only an originator widens (record.md).
    """
    if node.directory.party(party) is None:
        raise UsageError(
            f"{party} is not in the directory",
            remedy="see: tocsin party list; new ones come by: tocsin party invite " + party,
        )
    s = state(node, case, node.reader(author))
    mine = case_statements(node, case, node.reader(author))
    opened = [x for k in mine if (x := parse_kept(k)).body.get("event") == "case.open"]
    # Who may know of the case may know who is in it.
    to = tuple(sorted({*members(s), party, *(p for x in opened for p in x.to)}))
    body: dict[str, Any] = {
        "event": "case.invite",
        "item": case,
        "party": party,
        "role": role,
        "rsvp_by": rsvp_by,
    }
    if note:
        body["note"] = note
    if s.tlp != "CLEAR" and author in node.signers:
        # An invitation that would have no effect must not have shown anybody the case.
        check(node, author, case, body)
        _widen(node, author, case, to)
    return act(node, author, case, body, to=to)


def _widen(node: Node, author: str, case: str, to: Sequence[str]) -> None:
    """Say the author's opening and invitations again to whom they were not yet said."""
    mine = node.store.statements(node.everything(), case=case, author=author, kind="act")
    roster = [
        (k, s)
        for k in mine
        if (s := parse_kept(k)).body.get("event") in ("case.open", "case.invite")
    ]
    readers: dict[bytes, set[str]] = {}
    for _, s in roster:
        readers.setdefault(encode(s.body), set()).update(s.to)
    for first, s in roster:
        key = encode(s.body)
        if key in readers and not set(to) - {author} <= readers.pop(key):
            record(
                node,
                Act(
                    author=author,
                    kind="act",
                    tlp=s.tlp,
                    body=s.body,
                    case=case,
                    refs=(first.id,),
                    to=tuple(p for p in to if p != author),
                ),
            )


def answer_invitation(
    node: Node, author: str, case: str, *, accept: bool, reason: str | None = None
) -> Done | Prepared:
    """Join a case one was invited to, or decline; either is on record."""
    s = state(node, case, node.reader(author))
    asked = next((p.invite for p in s.parties if p.party == author and p.invite), None)
    if asked is None:
        raise CaseError(
            f"{author} has not been invited to {case}",
            remedy="ask a coordinator of the case: tocsin case invite",
        )
    body: dict[str, Any] = {
        "event": "case.join",
        "item": case,
        "re": asked,
        "accept": accept,
    }
    if reason:
        body["reason"] = reason
    return act(node, author, case, body)


# --- one file -----------------------------------------------------------------------------------


def dossier(node: Node, case: str, reader: Reader, *, own: Reader | None = None) -> bytes:
    """Everything of a case that `reader` (and `own`) may have, with all proofs, as one file.

    The rest of the case is there as proven ids: its place is no secret, its content is.

    Raises:
        NotFoundError: no such case for this reader.
    """
    allowed = _both(node, reader, own or reader)
    readable = node.store.statements(allowed, case=case)
    if not readable:
        raise not_found(f"case {case}")
    checkpoint, size = _covering(node, readable[0].index)
    seen = {k.id: k for k in readable if k.index < size and k.raw}
    rows = [k for k in node.store.statements(node.everything(), case=case) if k.index < size]
    objects: dict[str, bytes] = {}
    parsed = [parse_kept(kept) for kept in seen.values()]
    for ref in (ref for s in parsed for ref in s.objects):
        found = node.store.object(ref.sha256, allowed)
        if found is not None:
            objects[ref.sha256] = found.raw
    directory = [
        k
        for kind in ("directory", "key", "revoke")
        for k in node.store.statements(node.everything(), kind=kind)
        if k.index < size
    ]
    named = {one.size for s in parsed for one in s.seen if one.origin == node.log.origin}
    return write_dossier(
        case=case,
        origin=node.log.origin,
        checkpoint=checkpoint,
        statements=[
            *((k.index, k.id, seen[k.id].raw if k.id in seen else None) for k in rows),
            *((k.index, k.id, None) for k in _closed(node, case) if k.index < size),
        ],
        directory=sorted((k.index, k.raw) for k in directory),
        path=node.log.prove,
        objects=objects,
        history=[
            (note, node.log.consistency(older, size))
            for older, note in telling(
                node.store.checkpoints(), named, [k.index for k in (*rows, *directory)], size
            )
        ],
    )


def cosigned_size(node: Node) -> int | None:
    """Entries under the newest checkpoint with a quorum; None: there is none yet."""
    note = node.log.cosigned
    return None if note is None else open_checkpoint(open_note(note).text).size


def _covering(node: Node, index: int) -> tuple[bytes, int]:
    """The newest checkpoint with a quorum, if it covers `index`, else the newest; and its size.

    What was logged after it is for the next dossier.
    """
    for note in (node.log.cosigned, node.log.checkpoint):
        if note is not None:
            size = open_checkpoint(open_note(note).text).size
            if index < size:
                return note, size
    raise not_found(f"a checkpoint over index {index}")


def telling(
    checkpoints: Sequence[tuple[int, bytes]],
    named: Collection[int],
    indexes: Iterable[int],
    size: int,
) -> list[tuple[int, bytes]]:
    """Of the cosigned checkpoints below `size`, those that tell a time of these statements.

    Args:
        checkpoints: (size, note), smallest first.
        named: sizes that a statement says it has seen: not before.
        indexes: of the entries shown; the first checkpoint that covers one tells not after.
        size: of the dossier's own checkpoint.
    """
    older = [one for one in checkpoints if one[0] < size]
    sizes = [one[0] for one in older]
    wanted = set(named)
    for index in indexes:
        at = bisect_right(sizes, index)
        if at < len(sizes):
            wanted.add(sizes[at])
    return [one for one in older if one[0] in wanted]


def export(node: Node, case: str, reader: Reader, as_: str, *, own: Reader) -> tuple[bytes, str]:
    """A case as one file, for one reader: (bytes, media type).

    Args:
        as_: dossier, sheet or stix.
        own: who exports: the file holds at most what both may read.

    Raises:
        NotFoundError: no such case for this reader.
        UsageError: no such form.
    """
    case_statements(node, case, own)
    data = dossier(node, case, reader, own=own)
    if as_ == "dossier":
        return data, "application/zip"
    if as_ == "sheet":
        return render_sheet(data, node.sheet), "text/html; charset=utf-8"
    if as_ == "stix":
        held = node.store.select(_both(node, reader, own), case=case)
        objects = {o.id: o.raw for o in held if not o.withdrawn}
        raws = [*definitions_for([*objects.values()], objects), *objects.values()]
        bundle = write_bundle(raws, deterministic("bundle", case, reader.party or ""))
        return bundle, "application/stix+json;version=2.1"
    raise UsageError(f"--as {as_!r}", remedy="dossier, sheet or stix")


def _both(node: Node, reader: Reader, own: Reader) -> frozenset[int]:
    """The audiences that both belong to: nobody takes away for another what it may not read."""
    return node.allowed(reader) & node.allowed(own)


def proof(node: Node, statement: str, reader: Reader) -> bytes:
    """A tlog-proof of one statement that `reader` may read; `extra` holds its id, in hex.

    Of a sealed one `extra` holds its entry: whoever has opened it computes that from its author and
    the envelope, and everybody else sees that something is there.

    Raises:
        NotFoundError: no such statement for this reader.
        ConflictError: several are sealed under this id.
    """
    readable = node.allowed(reader)
    kept = node.store.statement(statement, readable) or one_sealed(node, readable, statement)
    if kept is None:
        raise not_found(f"statement {statement}")
    return _proof(node, kept.id, kept.index)


def receipt(node: Node, done: Done) -> bytes:
    """What whoever brought a statement takes away: a tlog-proof that it is in this log."""
    return _proof(node, done.id, done.index)


def _proof(node: Node, statement: str, index: int) -> bytes:
    found = node.log.proof(index)
    # Who has the file alone can see which entry it is about, and check it by the id.
    return write_proof(found.index, found.path, found.checkpoint, extra=statement.encode())


def case_objects(node: Node, case: str, reader: Reader) -> list[KeptObject]:
    """The newest readable version of every STIX object said in a case."""
    return node.store.select(node.allowed(reader), case=case)


def indicators(node: Node, reader: Reader, case: str | None = None) -> list[KeptObject]:
    """Indicators in force that `reader` may read: not withdrawn, not revoked."""
    found = node.store.select(node.allowed(reader), types=["indicator"], case=case)
    return [o for o in found if not o.withdrawn and o.data.get("revoked") is not True]


class TakenBack(Struct, frozen=True, kw_only=True):
    """An object its author has withdrawn: that it was said stays, what it said is not shown."""

    id: str
    type: str
    by: str
    """The party."""
    at: str
    reason: str | None
    said: str | None
    """When it was first said, if this reader may read that."""


def taken_back(node: Node, case: str, reader: Reader) -> list[TakenBack]:
    """What was withdrawn in a case by whoever said it, in log order."""
    kept = case_statements(node, case, reader)
    said = {k.id: parse_kept(k) for k in kept}
    authors: dict[str, set[str]] = {}
    for s in said.values():
        for o in s.objects if s.kind != "withdraw" else ():
            authors.setdefault(o.id, set()).add(s.author)
    found: dict[str, TakenBack] = {}
    for k in kept:
        s = said[k.id]
        if s.kind != "withdraw":
            continue
        own = [said[ref] for ref in s.refs if ref in said and said[ref].author == s.author]
        named = s.objects or tuple(o for one in own for o in one.objects)
        first = next((one.time for one in own), None)
        for o in named:
            if s.author not in authors.get(o.id, {s.author}):
                continue  # another's: a stranger takes back nothing
            found.setdefault(
                o.id,
                TakenBack(
                    id=o.id,
                    type=o.type,
                    by=k.author,
                    at=s.time,
                    reason=s.body.get("reason"),
                    said=first,
                ),
            )
    return list(found.values())


def to_json(value: object) -> Any:
    """A view as plain JSON values."""
    return msgspec.to_builtins(value)
