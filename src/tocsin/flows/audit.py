"""A node looks through everything it keeps: is every statement still the one that was logged?

The log's own tiles show that no commitment was altered (`record/audit.py`). Whether the envelopes
and objects beside them are still those that were committed to, and rightly signed, only the node
itself can see; so too whether a line of its own audit was altered or left out. Spec: record.md,
"Log"; exchange.md §6, `audit`; console.md §2, `log audit`.
"""

from __future__ import annotations

import hashlib

from msgspec import Struct

from tocsin.errors import RecordError, StoreError, TocsinError
from tocsin.flows.node import Node
from tocsin.record import keys
from tocsin.record.envelope import open_statement, pae
from tocsin.record.seal import check_signature, open_sealed
from tocsin.store.interface import Kept, KeptSealed, broken_audit

PAGE = 1_000


class Damage(Struct, frozen=True, kw_only=True):
    """One thing kept here that is not what was logged."""

    index: int
    id: str
    detail: str
    remedy: str


class Checks(Struct, frozen=True, kw_only=True):
    """A part of the log, looked through."""

    statements: int
    objects: int
    gone: int
    """Statements and objects of which only the commitment is left: taken back, or purged here."""
    problems: list[Damage]
    next: int | None
    """Give it as `start` to go on; None at the end."""
    sealed: int = 0
    """Sealed statements whose outside holds; what is inside cannot be seen here."""
    lines: int = 0
    """Lines of this node's own audit; they are looked at with the first part, `start` 0."""
    broken_line: int | None = None
    """Number of the first line that does not follow from the one before it."""


def checks(node: Node, start: int = 0, limit: int = PAGE) -> Checks:
    """Check the kept statements from log index `start` on, at most `limit` of them.

    Of each: that its bytes have the logged commitment, that it is well formed, that every signature
    holds under the keys of that place in the log, and that each object it names has the SHA-256
    that was signed. With the first part goes this node's own audit, line by line.
    """
    everything = node.everything()
    problems: list[Damage] = []
    objects = gone = 0
    end = min(start + limit, node.log.size)
    rows = _rows(node, start, end, problems)
    for kept in rows:
        named = _check(node, kept, problems)
        if named is None:
            gone += 1
            continue
        for id, sha256 in named:
            try:
                held = node.store.object(sha256, everything)
            except TocsinError as wrong:
                problems.append(_damage(kept, f"object {id}: {wrong.message}", wrong.remedy))
                continue
            if held is None:
                gone += 1
            elif hashlib.sha256(held.raw).hexdigest() != sha256:
                problems.append(_damage(kept, f"object {id} has other bytes than were said"))
            else:
                objects += 1
    closed = [k for k in node.store.sealed_in(everything) if start <= k.index < end]
    for one in closed:
        _check_sealed(node, one, problems)
    lines = node.store.audit() if start == 0 else []
    return Checks(
        statements=len(rows),
        objects=objects,
        gone=gone + max(0, end - start - len(rows) - len(closed)),
        problems=problems,
        next=end if end < node.log.size else None,
        sealed=len(closed),
        lines=len(lines),
        broken_line=broken_audit(lines),
    )


def _rows(node: Node, start: int, end: int, problems: list[Damage]) -> list[Kept]:
    everything = node.everything()
    try:
        rows = node.store.statements(everything, after_index=start - 1, limit=end - start)
        return [kept for kept in rows if kept.index < end]
    except StoreError:
        pass
    # A row that must not be handed out stops the page it is on: then one at a time.
    found: dict[int, Kept] = {}
    for index in range(start, end):
        try:
            rows = node.store.statements(everything, after_index=index - 1, limit=1)
            found |= {kept.index: kept for kept in rows if kept.index < end}
        except StoreError as wrong:
            problems.append(Damage(index=index, id="", detail=wrong.message, remedy=wrong.remedy))
    return [found[index] for index in sorted(found)]


def _check(node: Node, kept: Kept, problems: list[Damage]) -> list[tuple[str, str]] | None:
    """The objects it names, as (id, SHA-256); None where nothing but the commitment is kept."""
    if not kept.raw:
        return None
    try:
        envelope, statement = open_statement(kept.raw)
        if envelope.id != kept.id:
            problems.append(_damage(kept, f"its bytes have the commitment {envelope.id}"))
        message = pae(envelope.payload)
        for public, signature in node.keyring.signers(envelope, statement, kept.index):
            keys.verify(public, signature, message)
    except RecordError as wrong:
        problems.append(_damage(kept, wrong.message, wrong.remedy))
        return []
    if statement.kind == "withdraw":
        return []
    return [(o.id, o.sha256) for o in statement.objects]


def _check_sealed(node: Node, kept: KeptSealed, problems: list[Damage]) -> None:
    """Whether the file is the one its author signed for this place."""
    try:
        found = node.store.sealed(kept.id, node.everything())
        if found is not None:
            check_signature(*open_sealed(found[1]), node.keyring, kept.index)
    except (RecordError, StoreError) as wrong:
        problems.append(_damage(kept, wrong.message, wrong.remedy))


def _damage(
    kept: Kept | KeptSealed,
    detail: str,
    remedy: str = "restore the store from a backup, and keep this one",
) -> Damage:
    return Damage(index=kept.index, id=kept.id, detail=detail, remedy=remedy)
