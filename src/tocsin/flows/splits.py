"""An author that signed two statements for one place of its chain: kept as evidence, and an alarm.

A node takes the first that comes and keeps the other unseen; which one others hold depends on what
reached them first. Only a person can ask the author which was meant, or whether its key is in other
hands, or its node runs from an old backup. The same for a case that two parties say they opened.
Spec: exchange.md §5; decisions/0047.
"""

from __future__ import annotations

import logging

from msgspec import Struct

from tocsin.canonical import b64encode
from tocsin.flows.node import Node
from tocsin.flows.witnessing import Alarm, Rows
from tocsin.policy import HasAudience, Reader, may_read
from tocsin.record.envelope import open_envelope, open_statement, sealed_entry
from tocsin.record.statement import ROOT_KINDS, Statement, time_text

log = logging.getLogger("tocsin.sync")

KEPT = 16
"""Of one author; who signs two can sign any number, and more would say nothing new."""
SPLIT = "split"
"""Local rows, by author and statement."""


class _Kept(Struct, frozen=True, kw_only=True):
    raw: bytes
    """The statement that is not let in."""
    held: str
    """The one that stands at its place, or is named by what stands behind it."""
    seq: int


class SplitRow(Struct, frozen=True, kw_only=True):
    """Two statements of one author for one place."""

    author: str
    seq: int
    held: str
    """Id of the one that counts here."""
    other: str
    held_envelope: str
    """Base64; "" where its bytes are not here."""
    other_envelope: str
    """Base64. It names `held`'s place as another's, or stands there itself."""


def note(node: Node, raw: bytes) -> bool:
    """Keep a statement that cannot stand where its author put it, and raise the alarm.

    Args:
        raw: an envelope; its signature has been checked.

    Returns:
        Whether that is so: another stands at its place, or at the place before it.
    """
    envelope, s = open_statement(raw)
    here = node.store.places(s.author, s.chain, max(1, s.seq - 1), s.seq)
    at = s.seq
    held = here.get(at, envelope.id)
    if held == envelope.id:
        at = s.seq - 1
        held = here.get(at, s.prev)
        if not at or held == s.prev or s.kind in ROOT_KINDS:
            return False
    kept = node.store.statement(held, node.everything())
    if kept is not None and open_envelope(kept.raw).payload == envelope.payload:
        return False  # the same, signed by others of those who may: anybody can leave one out
    rows = Rows(node.store, SPLIT, _Kept)
    key = f"{s.author} {envelope.id}"
    if rows.get(key) is not None or len(rows.items(f"{s.author} ")) >= KEPT:
        return True
    rows.put(key, _Kept(raw=raw, held=held, seq=at))
    # Where that is not held, nothing is said of how many statements there are.
    which = f"number {at} of its chain" if kept is not None else "one place of its chain"
    _alarm(
        node,
        alarm_key(s.author, at),
        f"{s.author} has signed two statements for {which}: this node goes by {held[:16]}…, and "
        f"{envelope.id[:16]}… was brought, which another node may go by",
        "both are kept: tocsin peers --evidence FOLDER, or the Log page; ask the author by "
        "telephone which one was meant, and whether its key is in other hands or its node was "
        "restored from a backup",
        held if kept is not None else None,
    )
    return True


def note_opening(node: Node, id: str, s: Statement) -> None:
    """Raise the alarm where a case that another party has opened is opened by this statement.

    Both count: which is first is decided by the same rule at every node, and not by what came
    first here. That there are two is for a person to look at.
    """
    if s.case is None or s.body.get("event") != "case.open":
        return
    for kept in node.store.statements(node.everything(), case=s.case, kind="act"):
        if kept.author == s.author:
            continue
        if open_statement(kept.raw)[1].body.get("event") == "case.open":
            _alarm(
                node,
                f"opening/{s.case} {s.author}",
                f"{s.case} is opened by {kept.author}, and {s.author} says that it opened it too: "
                f"{kept.id[:16]}… and {id[:16]}…",
                f"compare both: tocsin case show {s.case}; ask them by telephone whose it is",
                id,
            )
            return


def alarm_key(author: str, seq: int) -> str:
    """Key of the alarm for one place of an author's chain."""
    return f"split/{author} {seq}"


def file_name(row: SplitRow, id: str) -> str:
    """Under which one of the two is given out, in a folder as on a page."""
    return f"{row.author}-{row.seq}-{id[:16]}.json"


def splits(node: Node, reader: Reader) -> list[SplitRow]:
    """All that are kept and that the reader may read both of, by author and number."""
    found = []
    for key, kept in Rows(node.store, SPLIT, _Kept).items():
        author, _, other = key.partition(" ")
        s = open_statement(kept.raw)[1]
        held = _standing(node, s, kept)
        if not may_read(reader, s) or (held is not None and not may_read(reader, held[0])):
            continue
        found.append(
            SplitRow(
                author=author,
                seq=kept.seq,
                held=kept.held,
                other=other,
                held_envelope=b64encode(held[1]) if held is not None else "",
                other_envelope=b64encode(kept.raw),
            )
        )
    return sorted(found, key=lambda row: (row.author, row.seq, row.other))


def _standing(node: Node, s: Statement, kept: _Kept) -> tuple[HasAudience, bytes] | None:
    """What stands at the place, sealed perhaps; or else what is behind it and names it."""
    everything = node.everything()
    plain = node.store.statement(kept.held, everything)
    if plain is not None:
        return plain, plain.raw
    entry = sealed_entry(s.author, bytes.fromhex(kept.held)).hex()
    found = node.store.sealed(entry, everything)
    if found is not None:
        return found
    behind = node.store.places(s.author, s.chain, kept.seq + 1, kept.seq + 1)
    after = node.store.statement(behind.get(kept.seq + 1, ""), everything) if behind else None
    return (after, after.raw) if after is not None else None


def _alarm(node: Node, key: str, detail: str, remedy: str, statement: str | None) -> None:
    rows = Rows(node.store, "alarm", Alarm)
    if rows.get(key) is not None:
        return
    log.warning("%s", detail)
    rows.put(
        key,
        Alarm(
            key=key,
            kind="opening" if key.startswith("opening/") else "split",
            origin="",
            detail=detail,
            remedy=remedy,
            since=time_text(node.clock()),
            statement=statement,
        ),
    )
