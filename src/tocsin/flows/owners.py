"""Whose is what a statement brings, and whom may it reach.

Asked of every statement before it is kept, by what its author may read: hidden and unknown are one
answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from msgspec.structs import replace

from tocsin.claims import model as claims
from tocsin.errors import ConflictError, MarkingError, SpeakerError
from tocsin.flows.node import Node
from tocsin.policy import TLP_RANK, Audience, strictest
from tocsin.record.statement import Statement
from tocsin.stix.bundle import Received
from tocsin.stix.markings import TLP_OF_ID, tlp_of
from tocsin.store.interface import Attachment, Kept

Item: TypeAlias = Received | Attachment


def marking_of(node: Node, author: str, ref: str) -> Audience | None:
    """How `ref` is marked, as far as `author` may know: hidden and unknown are one answer.

    What is here in plain is what its id says. Of what is only sealed under it one's own counts, and
    else the strictest: which of them is the true one nobody here can see.
    """
    readable = node.allowed(node.reader(author))
    kept = node.store.statement(ref, readable)
    if kept is not None:
        return kept.audience
    sealed = node.store.sealed_in(readable, inside=ref)
    own = [one for one in sealed if one.author == author]
    found = max(own or sealed, key=lambda one: TLP_RANK[one.tlp], default=None)
    # As its author marked it; that only named readers fetch it is no marking.
    return replace(found.audience, tlp=found.tlp) if found else None


def check_opening(node: Node, statement: Statement) -> None:
    """A case is opened by whoever speaks in it first, and by nobody after.

    Whoever learnt a case's id could else open it for those who cannot see the true opening yet.
    An id is a random number: to try one here, one has to know it.

    Raises:
        ConflictError: the case is another party's.
    """
    if statement.case is None or statement.body.get("event") != "case.open":
        return
    first = node.store.statements(node.everything(), case=statement.case, limit=1)
    if first and first[0].author != statement.author:
        raise ConflictError(
            f"{statement.case} is open already, and {statement.author} did not open it",
            remedy="open a case of your own: tocsin case open TITLE",
        )


Decoded: TypeAlias = Sequence[Mapping[str, Any] | None]
"""What each item decodes to; None: it is an attachment."""


def decoded(items: Sequence[Item]) -> Decoded:
    """For `check_owners` and `object_audiences`, which both look into every object."""
    return [item.data if isinstance(item, Received) else None for item in items]


def check_owners(
    node: Node, statement: Statement, items: Sequence[Item], values: Decoded | None = None
) -> None:
    """Nobody speaks for another party, replaces what it said, or shows it to more readers.

    Of the claim carrier a party publishes its own only. Any other object of a party is passed on
    as that party said it, to readers that party named. All by what `statement.author` may read.

    Args:
        values: `decoded(items)`, where that is at hand.

    Raises:
        SpeakerError: an object is another party's, and not as that party said it here.
        MarkingError: it would reach readers that its owner did not name.
    """
    if statement.kind == "withdraw" or not items:
        return
    identity = node.identity(statement.author)
    readable = node.allowed(node.reader(statement.author))
    known = node.store.held([item.id for item in items if isinstance(item, Received)], readable)
    everyone = {party.identity: party.id for party in reversed(node.everyone.parties)}
    for item, data in zip(items, decoded(items) if values is None else values, strict=True):
        owner = None
        if data is not None:
            creator = data.get("created_by_ref")
            if claims.EXTENSION_ID in data.get("extensions", {}) and creator != identity:
                raise SpeakerError(
                    f"{item.id} was created by {creator}, and {statement.author} signs as "
                    f"{identity}",
                    remedy="say only your own claims, evidence and challenges; quote others by "
                    "coding",
                )
            for held in node.store.versions(item.id, readable) if item.id in known else ():
                if held.data.get("created_by_ref") != creator:
                    raise SpeakerError(
                        f"{item.id} was created by {held.data.get('created_by_ref')}, not by "
                        f"{creator}",
                        remedy="give your own object an id of its own",
                    )
            owner = everyone.get(str(creator)) or everyone.get(item.id)
        elif first := _sayings(node, item.sha256, readable):
            owner = first[0].author
        if owner is None or owner == statement.author:
            continue
        said = _sayings(node, item.sha256, readable)
        own = [k.audience for k in said if k.author == owner]
        if not own:
            raise SpeakerError(
                f"{item.id} is {owner}'s, and {owner} has not said it so here",
                remedy="ask them to say it, or publish an object of your own about it",
            )
        if not any(_within(statement.audience, a) for a in own):
            raise MarkingError(
                f"{item.id} would reach more readers than {owner} named",
                remedy=f"mark it no looser and name no others, or ask {owner} to say it again",
            )


def _sayings(node: Node, sha256: str, readable: frozenset[int]) -> list[Kept]:
    """The readable statements that say these bytes, in log order."""
    kept = node.store.object(sha256, readable)
    found = [node.store.statement(i, readable) for i in (kept.said_by if kept else ())]
    return sorted((k for k in found if k is not None), key=lambda k: k.index)


def _within(inner: Audience, outer: Audience) -> bool:
    """Whether what is under `inner` reaches nobody that `outer` does not."""
    if TLP_RANK[inner.tlp] < TLP_RANK[outer.tlp]:
        return False
    if outer.tlp == "CLEAR" or (outer.tlp == "GREEN" and not outer.to):
        return True
    if inner.tlp == "GREEN" and not inner.to:
        return False
    return inner.to <= outer.to | {outer.author, inner.author}


def object_audiences(
    node: Node, audience: Audience, items: Sequence[Item], values: Decoded | None = None
) -> Mapping[str, Audience]:
    """An object's own marking only ever tightens the audience of the statement that says it.

    Args:
        values: `decoded(items)`, where that is at hand.
    """
    both = zip(items, decoded(items) if values is None else values, strict=True)
    received = [(item, data) for item, data in both if data is not None]
    if not received:
        return {}
    known = definitions(node) | {item.id: data for item, data in received}
    narrowed: dict[str, Audience] = {}
    for item, data in received:
        tlp, unknown = tlp_of(data, known)
        if tlp is None and not unknown:
            continue
        own = Audience(
            author=audience.author,
            tlp=tlp or audience.tlp,
            to=audience.to,
            persons=audience.persons,
            unknown=unknown,
        )
        result = strictest(audience, own)
        if result != audience:
            narrowed[item.sha256] = result
    return narrowed


def definitions(node: Node) -> dict[str, Mapping[str, Any]]:
    """Every marking definition held, by id: what a marking is resolved with.

    None of those of TLP, which are known by their ids: whoever says other content under one would
    else have every object refused, of everybody, that bears this level.
    """
    held = node.store.select(node.everything(), types=["marking-definition"])
    return {o.id: o.data for o in held if o.id not in TLP_OF_ID}
