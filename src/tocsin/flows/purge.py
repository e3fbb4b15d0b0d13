"""Purging: the bytes of an object or a statement go from this node, and its commitment stays.

For spills and personal data. It is local: the author's own purge also says `withdraw`, which tells
the holders; others can only be asked. Spec: record.md, "Purge".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from msgspec import Struct

from tocsin.errors import ForbiddenError, NotFoundError, PurgedError, UsageError
from tocsin.flows import drafts, intake
from tocsin.flows.intake import Done
from tocsin.flows.node import Node
from tocsin.policy import Reader
from tocsin.record.statement import ROOT_KINDS
from tocsin.store.interface import Holding, Purge

MAX_WHY = 500


class Item(Struct, frozen=True, kw_only=True):
    """One thing whose bytes go, or have gone."""

    what: str
    """object or statement."""
    id: str
    """SHA-256 of the object's bytes, or the statement's id."""
    name: str
    """The object's id."""
    type: str
    size: int
    """Bytes dropped; 0 if they were purged before."""
    named_by: tuple[str, ...]
    """Statements this reader may read that name it: they stay."""


class Purging(Struct, frozen=True, kw_only=True):
    """What a purge drops, or dropped."""

    items: tuple[Item, ...]
    withdrawn: tuple[str, ...]
    """Own statements that are taken back, wholly or in part, so that others hear of it."""
    rows: dict[str, int]
    """What else on this node holds the same, and goes too: waiting, report, draft → how many."""
    open_drafts: int
    """Of these, drafts nobody has decided on yet."""
    opens: tuple[str, ...]
    """Cases that lose title, owner and members with it on this node: it is what opened them."""
    done: bool
    """False: nothing has been changed, this is what would be."""


def purge(
    node: Node,
    reader: Reader,
    id: str,
    why: str,
    *,
    actor: str,
    local_only: bool = False,
    dry_run: bool = False,
) -> Purging:
    """Drop the bytes of one statement, or of an object: all its versions, if named by STIX id.

    Whoever may purge here can do so only with what they may read. Purged twice is purged once.

    Args:
        why: kept in this node's audit, and said to the holders with the withdrawal.
        local_only: take nothing back, even what this party said itself.
        dry_run: change nothing.

    Raises:
        NotFoundError: nothing of that id that this reader may read.
        ForbiddenError: it belongs to the history of keys, which every check begins with.
        UsageError: no reason.
    """
    held = _held(node, reader, id)
    _check_why(why)
    local, open_drafts = _rows(node, held)
    found = Purging(
        items=tuple(
            Item(
                what=h.what,
                id=h.id,
                name=h.name,
                type=h.type,
                size=h.size,
                named_by=tuple(s.statement for s in h.said_by) if h.what == "object" else (),
            )
            for h in held
        ),
        withdrawn=() if local_only else tuple(s for s, _ in _own(reader, held)),
        rows={kind: len(list(same)) for kind, same in groupby(sorted(local), lambda row: row[0])},
        open_drafts=open_drafts,
        opens=_opens(node, held),
        done=not dry_run,
    )
    if dry_run:
        return found
    # Before the bytes go: what is taken back is named by what is held of it.
    if not local_only:
        for statement, objects in _own(reader, held):
            done = intake.withdraw(
                node, _party(reader), statement, objects=objects, reason=why.strip()
            )
            if not isinstance(done, Done):
                raise ForbiddenError(
                    f"the signing key of {reader.party} is not at this node, so it cannot take "
                    f"{statement[:12]}… back",
                    remedy="withdraw it first, then purge with --local-only",
                )
    for n, one in enumerate(held):
        node.store.purge(_purge(node, one, why, actor), local if n == 0 else ())
    node.views.clear()
    return found


def lift(node: Node, reader: Reader, id: str, why: str, *, actor: str) -> tuple[str, ...]:
    """Let a purged object be said anew: the SHA-256 of each version that is allowed again.

    Its bytes do not come back by that; whoever has them says them again.

    Raises:
        NotFoundError: no purged object of that id that this reader may read.
        UsageError: a statement: its author says it anew, with another number.
    """
    held = [h for h in _held(node, reader, id) if h.purge is not None]
    _check_why(why)
    if any(h.what == "statement" for h in held):
        raise UsageError(
            f"{id} is a statement, and a purge of one stands",
            remedy="have its author say the same again in a new statement",
        )
    lifted = [h.id for h in held if node.store.lift(_purge(node, h, why, actor))]
    if not lifted:
        raise NotFoundError(f"{id} is not purged here", remedy="nothing has to be done")
    return tuple(lifted)


def gone(node: Node, reader: Reader, id: str) -> None:
    """Raises PurgedError if this is something that `reader` could read before it was purged."""
    for one in node.store.holdings(id, node.allowed(reader)):
        if one.purge is not None:
            raise PurgedError(
                f"{one.what} {one.name} is withheld: purged on {one.purge.time[:10]}",
                remedy="ask its author, or another node; its place in the log is proven as before",
            )


def _held(node: Node, reader: Reader, id: str) -> list[Holding]:
    held = node.store.holdings(id, node.allowed(reader))
    if not held:
        raise intake.not_found(f"statement or object {id}")
    for one in held:
        if one.what == "statement" and one.type in ROOT_KINDS:
            raise ForbiddenError(
                f"{id[:12]}… is a {one.type}: the history of keys stays whole, or nothing "
                "signed could be checked any more",
                remedy="publish a directory version, or revoke the key: what comes after it counts",
            )
    return held


def _check_why(why: str) -> None:
    size = len(why.strip())
    if not 1 <= size <= MAX_WHY:
        raise UsageError(
            f"a purge needs a reason of 1 to {MAX_WHY} characters, and this has {size}",
            remedy='say why: --why "personal data of a third party"',
        )


def _party(reader: Reader) -> str:
    assert reader.party is not None  # whoever may purge has signed in
    return reader.party


def _purge(node: Node, one: Holding, why: str, actor: str) -> Purge:
    return Purge(
        what=one.what, id=one.id, time=intake.stamp(node.clock()), actor=actor, why=why.strip()
    )


def _own(reader: Reader, held: Sequence[Holding]) -> list[tuple[str, tuple[str, ...]]]:
    """What this party has said of it and not taken back: (statement, objects; () for all of it)."""
    found: dict[str, list[str]] = {}
    for one in held:
        for said in one.said_by:
            if said.live and said.author == reader.party and one.type != "withdraw":
                objects = found.setdefault(said.statement, [])
                if one.what == "object" and one.name not in objects:
                    objects.append(one.name)
    return [(statement, tuple(objects)) for statement, objects in found.items()]


def _opens(node: Node, held: Sequence[Holding]) -> tuple[str, ...]:
    found = []
    for one in held:
        kept = node.store.statement(one.id, node.everything()) if one.type == "act" else None
        body = intake.parse_kept(kept).body if kept is not None else {}
        if kept is not None and kept.case is not None and body.get("event") == "case.open":
            found.append(kept.case)
    return tuple(found)


def _rows(node: Node, held: Sequence[Holding]) -> tuple[list[tuple[str, str]], int]:
    """Local rows that hold the same bytes or the words they were made of; open drafts of these.

    An object was read out of a report: its text and its other drafts have the same words.
    """
    digests = {h.id for h in held if h.what == "object"}
    names = {h.name for h in held if h.what == "object"}
    rows = [
        ("waiting", row.key)
        for row in node.store.list_local("waiting")
        if row.key.rpartition("/")[2] in digests
    ]
    open_drafts = 0
    for report in _reports(node, digests, names):
        rows += [("report", report), ("report-bytes", report), ("report-objects", report)]
        own = drafts.drafts(node, report)
        open_drafts += sum(draft.state == "open" for draft in own)
        rows += [("draft", row.key) for row in node.store.list_local("draft", report + ".")]
    return [row for row in rows if node.store.local(*row) is not None], open_drafts


def _reports(node: Node, digests: set[str], names: set[str]) -> Iterator[str]:
    """The reports these objects came in, or were made of."""
    if not digests:
        return
    accepted = {draft.report for draft in drafts.drafts(node) if draft.object_id in names}
    for report in drafts.reports(node):
        brought = {sha256 for _, sha256, _ in report.objects}
        attached = report.source.sha256
        if report.id in accepted or brought & digests or attached in digests:
            yield report.id
