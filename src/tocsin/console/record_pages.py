"""The Log and Object pages: what is in the record, byte for byte, and what checks it.

Spec: console.md §3, "Log checks"; record.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress

import msgspec
from msgspec import Struct

from tocsin.canonical import b64decode, b64encode
from tocsin.claims.model import EXTENSION_ID
from tocsin.console.page import (
    ROWS,
    Ask,
    Bytes,
    Drawn,
    command,
    in_words,
    names,
    sealed_for,
)
from tocsin.errors import LogHalted, NotFoundError
from tocsin.flows import holders as holding
from tocsin.flows import intake, purge, splits
from tocsin.flows.holders import Holder
from tocsin.flows.node import Node
from tocsin.flows.witnessing import Alarm, Witnessing
from tocsin.record import checkpoint as notes
from tocsin.record import fork as forks
from tocsin.relate.names import ACTOR_TYPES, MAX_NAME
from tocsin.relate.overlap import COMPARED
from tocsin.store.interface import Head, Kept, KeptObject, KeptSealed, Purged

# --- Log ---


class StatementRow(Struct, frozen=True, kw_only=True):
    """A statement in the log, in one line."""

    index: int
    id: str
    kind: str
    author: str
    name: str
    what: str
    tlp: str
    case: str | None
    time: str
    withdrawn: bool


class SplitFiles(Struct, frozen=True, kw_only=True):
    """Two statements of one author for one place that this reader may read, to be fetched."""

    alarm: str
    """Key of the alarm that they raised."""
    held: str
    """Id of the one that this node goes by."""
    held_here: bool
    """Whether its bytes are here, or those of what stands behind it and names it."""
    other: str


class LogView(Struct, frozen=True, kw_only=True):
    """The log's head, who vouches for it, and the statements this reader may read."""

    origin: str
    size: int
    root: str
    """Base64."""
    checkpoint: str
    """The published note, with the cosignatures so far."""
    cosigned: int
    """Entries under the newest checkpoint that the quorum has cosigned; 0: none yet."""
    witnessing: Witnessing | None
    """None where no gossip runs."""
    alarms: tuple[Alarm, ...]
    splits: tuple[SplitFiles, ...]
    halted: str | None
    statements: tuple[StatementRow, ...]
    before: int | None
    """Where the next older page starts; None: nothing older."""
    vkeys: tuple[str, ...]


EMPTY_ROOT = hashlib.sha256(b"").digest()


def log(ask: Ask) -> Drawn:
    """Log: the head, the checkpoint's text, the statements; checks are done in the browser."""
    node = ask.node
    head = node.store.head()
    size = head.size if head else 0
    asked = ask.query.get("before", "")
    top = min(int(asked), size) if asked.isdecimal() and len(asked) < 16 else size
    called = names(node)
    rows: list[StatementRow] = []
    purged = {k.index: k for k in node.store.purged(node.allowed(ask.reader))}
    sealed = {k.index: k for k in node.store.sealed_in(node.allowed(ask.reader))}
    start = top
    while start > 0 and len(rows) < ROWS:
        back = max(0, start - ROWS)
        found = node.store.statements(
            node.allowed(ask.reader), after_index=back - 1, limit=start - back
        )
        here = {k.index: _statement_row(k, called) for k in found if k.index < start}
        here |= {n: _purged_row(k, called) for n, k in purged.items() if back <= n < start}
        here |= {n: _sealed_row(k, called) for n, k in sealed.items() if back <= n < start}
        rows = [here[n] for n in sorted(here)] + rows
        start = back
    shown = rows[-ROWS:]
    alarms = tuple(node.alarms(ask.reader))
    view = LogView(
        origin=node.log.origin,
        size=size,
        root=b64encode(head.root if head else EMPTY_ROOT),
        checkpoint=_published(node, head),
        cosigned=_size_of(node.log.cosigned),
        witnessing=node.witnessing(),
        alarms=alarms,
        splits=_splits(ask) if any(a.kind == "split" for a in alarms) else (),
        halted=node.log.halted,
        statements=tuple(reversed(shown)),
        before=shown[0].index if shown and (start > 0 or len(rows) > ROWS) else None,
        vkeys=_vkeys(node),
    )
    return Drawn(
        template="log.html",
        view=view,
        key="log",
        title="Log",
        cli=command("log", "show"),
        table=(
            ("index", "id", "kind", "author", "what", "tlp", "case", "time", "withdrawn"),
            [
                (s.index, s.id, s.kind, s.author, s.what, s.tlp, s.case, s.time, s.withdrawn)
                for s in view.statements
            ],
        ),
    )


def _published(node: Node, head: Head | None) -> str:
    """The checkpoint as everybody is given it; the stored one where none is published."""
    with suppress(LogHalted):
        return node.log.checkpoint.decode("utf-8", "replace")
    return head.checkpoint.decode("utf-8", "replace") if head else ""


def _size_of(note: bytes | None) -> int:
    return 0 if note is None else notes.open_checkpoint(notes.open_note(note).text).size


def _vkeys(node: Node) -> tuple[str, ...]:
    """What the directory says this node's log is checked with."""
    own = node.everyone.party(node.party)
    return tuple(
        key
        for entry in (own.nodes if own is not None else ())
        if entry.origin == node.log.origin
        for key in entry.log_vkeys
    )


def _statement_row(kept: Kept, called: Mapping[str, str]) -> StatementRow:
    statement = intake.parse_kept(kept)
    return StatementRow(
        index=kept.index,
        id=kept.id,
        kind=kept.kind,
        author=kept.author,
        name=called.get(kept.author, kept.author),
        what=in_words(kept.kind, statement.body, len(statement.objects)),
        tlp=statement.tlp,
        case=kept.case,
        time=statement.time,
        withdrawn=kept.withdrawn,
    )


def _purged_row(gone: Purged, called: Mapping[str, str]) -> StatementRow:
    """A statement whose bytes were purged here: its place, its author, and when it went."""
    return StatementRow(
        index=gone.index,
        id=gone.id,
        kind=gone.kind,
        author=gone.author,
        name=called.get(gone.author, gone.author),
        what="withheld: purged",
        tlp=gone.audience.tlp,
        case=gone.case,
        time=gone.purge.time,
        withdrawn=False,
    )


def _sealed_row(kept: KeptSealed, called: Mapping[str, str]) -> StatementRow:
    """A sealed statement, to those who can open it: its time and all it says are inside."""
    return StatementRow(
        index=kept.index,
        id=kept.inside,
        kind="sealed",
        author=kept.author,
        name=called.get(kept.author, kept.author),
        what=sealed_for(kept, called),
        tlp=kept.tlp,
        case=kept.case,
        time="",
        withdrawn=kept.withdrawn,
    )


class CopiedEntry(Struct, frozen=True, kw_only=True):
    """One entry of the log as it can be checked: its commitment, and its envelope if readable."""

    index: int
    commitment: str
    """Base64, 32 bytes: what the tree is built from, public by design."""
    id: str | None
    envelope: str | None
    """Base64 of the exact bytes; None where this reader may not have them."""


class LogKeys(Struct, frozen=True, kw_only=True):
    """What the checkpoints of one log, or the lines of one party's witness, are checked with."""

    name: str
    """The log's origin, or the party whose node witnesses."""
    vkeys: tuple[str, ...]


class LogCopy(Struct, frozen=True, kw_only=True):
    """A copy of the log for a browser to check, or to tamper with: it is only a copy."""

    origin: str
    size: int
    """Entries under `checkpoint`."""
    checkpoint: str
    cosigned: str | None
    """The newest checkpoint that the quorum has cosigned, where that is an older one."""
    vkeys: tuple[str, ...]
    witnesses: tuple[LogKeys, ...]
    """The witnesses of the directory."""
    logs: tuple[LogKeys, ...]
    """All logs of the directory."""
    policy: str
    """This node's own, in force: for readers who give none."""
    witnessed: tuple[str, ...]
    """Logs of which this node's witness holds a checkpoint, to compare with."""
    entries: tuple[CopiedEntry, ...]


MOST_COPIED = 20_000


def log_copy(ask: Ask) -> Drawn:
    """The whole log for the checks in the browser, while it is small enough for one.

    `?only=commitments` leaves the statements out, `?only=keys` the entries too, of a log of any
    size: what a proof or a checkpoint from elsewhere is compared with.
    """
    node = ask.node
    head = node.store.head()
    only = ask.query.get("only", "")
    if head is None:
        raise NotFoundError("nothing is in this log yet", remedy="say something: tocsin case open")
    if head.size > MOST_COPIED and only != "keys":
        raise NotFoundError(
            "this log is too long for a browser",
            remedy="tocsin log audit, or export a case and check its dossier: tocsin verify",
        )
    rows = node.witnessing()
    note = _published(node, head)
    size = min(_size_of(note.encode()), head.size)
    cosigned = node.log.cosigned
    readable = (
        {k.index: k for k in node.store.statements(node.allowed(ask.reader)) if k.index < size}
        if not only
        else {}
    )
    commitments = node.store.entries(0, size) if only != "keys" else []
    view = LogCopy(
        origin=head.origin,
        size=size,
        checkpoint=note,
        cosigned=cosigned.decode() if cosigned and _size_of(cosigned) < size else None,
        vkeys=_vkeys(node),
        witnesses=tuple(
            LogKeys(name=party.id, vkeys=keys)
            for party in node.directory.parties
            if (keys := tuple(key for entry in party.nodes for key in entry.witness_vkeys))
        ),
        logs=tuple(
            LogKeys(name=origin, vkeys=keys)
            for origin, keys in sorted(node.directory.origins().items())
        ),
        policy=node.policy_text,
        witnessed=tuple(w.origin for w in rows.logs if w.size > 0) if rows else (),
        entries=tuple(
            CopiedEntry(
                index=n,
                commitment=b64encode(commitment),
                id=readable[n].id if n in readable else None,
                envelope=b64encode(readable[n].raw) if n in readable else None,
            )
            for n, commitment in enumerate(commitments)
        ),
    )
    return Drawn(template="", view=view, key="log", title="")


# --- a fork ---


class ForkHead(Struct, frozen=True, kw_only=True):
    """One of the two heads that a log has signed."""

    size: int
    root: str
    """Base64."""
    signed: tuple[str, ...]
    """Names of the log's own lines and of witnesses that stand on it; not checked here."""
    note: str


class ForkView(Struct, frozen=True, kw_only=True):
    """Two heads of one log that cannot both be of one history, side by side."""

    origin: str
    heads: tuple[ForkHead, ForkHead]
    path: int
    """Hashes in the proof: 0 where both heads have one size."""
    since: str
    statement: str | None
    proof: str
    """The proof as it is published, for the check in the browser and for `tocsin verify`."""
    vkeys: tuple[str, ...]


def fork(ask: Ask) -> Drawn:
    """Fork: both heads of a log that has signed two histories."""
    node = ask.node
    origin = ask.query.get("log", "")
    found = _fork_of(node, origin)
    rows = node.witnessing()
    row = next((f for f in rows.forks if f.origin == origin), None) if rows else None
    view = ForkView(
        origin=origin,
        heads=(_fork_head(found.a), _fork_head(found.b)),
        path=len(found.proof),
        since=row.since if row else "",
        statement=row.statement if row else None,
        proof=forks.write_fork(found).decode(),
        vkeys=node.directory.origins().get(origin, ()),
    )
    return Drawn(
        template="fork.html",
        view=view,
        key="log",
        title=f"Two histories of {origin}",
        cli=command("verify", "fork.json"),
        table=(
            ("head", "size", "root"),
            [(name, h.size, h.root) for name, h in zip("ab", view.heads, strict=True)],
        ),
    )


def fork_bytes(ask: Ask) -> Bytes:
    """The fork proof as it is published, to keep and to pass on."""
    found = _fork_of(ask.node, ask.query.get("log", ""))
    return Bytes(raw=forks.write_fork(found), name="fork.json")


# --- two statements for one place ---


def _splits(ask: Ask) -> tuple[SplitFiles, ...]:
    return tuple(
        SplitFiles(
            alarm=splits.alarm_key(row.author, row.seq),
            held=row.held,
            held_here=bool(row.held_envelope),
            other=row.other,
        )
        for row in splits.splits(ask.node, ask.reader)
    )


def split_bytes(ask: Ask) -> Bytes:
    """One of two statements for one place, as it was signed: to keep, and to ask its author."""
    id = ask.path["id"]
    for row in splits.splits(ask.node, ask.reader):
        for one, envelope in ((row.held, row.held_envelope), (row.other, row.other_envelope)):
            if one == id and envelope:
                return Bytes(raw=b64decode(envelope), name=splits.file_name(row, one))
    raise intake.not_found(f"statement {id[:16]}")


def _fork_of(node: Node, origin: str) -> forks.ForkProof:
    for raw in node.watch.forks() if node.watch is not None else ():
        found = forks.open_fork(raw)
        if found.origin == origin:
            return found
    raise intake.not_found(f"fork of {origin or 'a log'}")


def _fork_head(note: bytes) -> ForkHead:
    opened = notes.open_note(note)
    head = notes.open_checkpoint(opened.text)
    return ForkHead(
        size=head.size,
        root=b64encode(head.root),
        signed=tuple(dict.fromkeys(line.name for line in opened.lines)),
        note=note.decode("utf-8", "replace"),
    )


# --- Object ---


class ObjectView(Struct, frozen=True, kw_only=True):
    """One object: its bytes as they came, and a decoded view beside them."""

    sha256: str
    id: str
    type: str
    size: int
    created: str | None
    modified: str | None
    withdrawn: bool
    said_by: tuple[StatementRow, ...]
    fields: dict[str, str]
    """The decoded top-level fields, as text."""
    raw: str | None
    """The received bytes as text; None if they are not UTF-8."""
    role: str | None
    """What the claim carrier makes of it: claim, evidence, challenge, link."""
    holders: tuple[Holder, ...] | None
    """To whom it went, for the party that said it alone; None: this reader's has not."""
    related: bool
    """Whether it is something that groups are compared with."""
    called: str
    """Its name, where that is a name to look up; else ""."""


def object_(ask: Ask) -> Drawn:
    """Object: decoded view, received bytes, who said it."""
    node = ask.node
    allowed = node.allowed(ask.reader)
    found = _found(ask)
    called = names(node)
    said = [node.store.statement(s, allowed) for s in found.said_by]
    try:
        raw: str | None = found.raw.decode()
    except UnicodeDecodeError:
        raw = None
    extension = found.data.get("extensions", {}).get(EXTENSION_ID, {})
    view = ObjectView(
        sha256=found.sha256,
        id=found.id,
        type=found.type,
        size=len(found.raw),
        created=found.created,
        modified=found.modified,
        withdrawn=found.withdrawn,
        said_by=tuple(_statement_row(k, called) for k in said if k is not None),
        fields={
            key: value if isinstance(value, str) else msgspec.json.encode(value).decode()
            for key, value in found.data.items()
        },
        raw=raw if raw is None or len(raw) <= 200_000 else None,
        role=extension.get("role") if isinstance(extension, dict) else None,
        holders=_holders(ask, found.sha256),
        related=found.type in COMPARED and not found.withdrawn,
        called=_called(found),
    )
    return Drawn(
        template="object.html",
        view=view,
        key="object",
        title=f"{view.type} {view.sha256[:12]}",
        cli=command("log", "show", found.said_by[-1]) if found.said_by else None,
        table=(("field", "value"), list(view.fields.items())),
    )


def _called(found: KeptObject) -> str:
    name = found.data.get("name")
    if found.type not in ACTOR_TYPES or not isinstance(name, str) or len(name) > MAX_NAME:
        return ""
    return name


class HoldersView(Struct, frozen=True, kw_only=True):
    """To whom a statement or object of the reader's party went; also one that was withdrawn."""

    id: str
    holders: tuple[Holder, ...]


def holders(ask: Ask) -> Drawn:
    """Who still holds what this reader's party said; to anybody else there is no such page."""
    id = ask.path["id"]
    view = HoldersView(id=id, holders=tuple(holding.holders(ask.node, ask.reader, id)))
    return Drawn(
        template="holders.html",
        view=view,
        key="log",
        title="Who still holds it",
        cli=command("holders", id),
        table=(
            ("party", "node", "statement", "received", "state", "since"),
            [(h.party, h.node, h.statement, h.received, h.state, h.since) for h in view.holders],
        ),
    )


def _holders(ask: Ask, sha256: str) -> tuple[Holder, ...] | None:
    """As `tocsin holders` tells it, by the same rule: who got a thing is its author's to know."""
    try:
        return tuple(holding.holders(ask.node, ask.reader, sha256))
    except NotFoundError:
        return None


def _found(ask: Ask) -> KeptObject:
    found = ask.node.store.object(ask.path["sha256"], ask.node.allowed(ask.reader))
    if found is None:
        purge.gone(ask.node, ask.reader, ask.path["sha256"])
        raise intake.not_found("object " + ask.path["sha256"])
    return found


def object_bytes(ask: Ask) -> Bytes:
    """The exact bytes of an object, to keep."""
    found = _found(ask)
    return Bytes(raw=found.raw, name=found.sha256 + ".bin")
