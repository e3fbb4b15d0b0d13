"""Whose is what a statement brings, and whom may it reach.

Asked of every statement before it is kept, by what its author may read: hidden and unknown are one
answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import orjson
from msgspec.structs import replace

from tocsin.claims import model as claims
from tocsin.errors import ConflictError, MarkingError, SpeakerError
from tocsin.flows.node import Node
from tocsin.policy import TLP_RANK, Audience, Tlp, strictest
from tocsin.record.statement import Statement
from tocsin.stix.bundle import Received
from tocsin.stix.markings import TLP_OF_ID, marking_refs, strictest_tlp, tlp_of
from tocsin.store.interface import EVERYTHING, Attachment, Entry, Kept

Item: TypeAlias = Received | Attachment
Definitions: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
"""What is said of each marking, by its id."""

NOTHING: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType({})
MAX_MARKINGS = 500
"""Definitions that are looked up for one statement; the rest stays unknown."""


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
    node: Node,
    statement: Statement,
    items: Sequence[Item],
    values: Decoded | None = None,
    *,
    taken: set[str] | None = None,
) -> None:
    """Nobody speaks for another party, replaces what it said, or shows it to more readers.

    Of the claim carrier a party publishes its own only. Any other object of a party is passed on
    as that party said it, to readers that party named. All by what `statement.author` may read.

    Args:
        values: `decoded(items)`, where that is at hand.
        taken: where the statement comes from another node: gets the digests of the author's own
            objects whose id somebody else has said something under here. Which of the two came
            first nobody can tell by what reached this node, so it holds up nothing else. None: such
            an object is refused.

    Raises:
        SpeakerError: an object is another party's, and not as that party said it here.
        MarkingError: it would reach readers that its owner did not name.
    """
    if statement.kind == "withdraw" or not items:
        return
    identity = node.identity(statement.author)
    readable = node.allowed(node.reader(statement.author))
    known = node.store.held([item.id for item in items if isinstance(item, Received)], readable)
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
                    if taken is not None and creator == identity:
                        taken.add(item.sha256)
                        break
                    raise SpeakerError(
                        f"{item.id} was created by {held.data.get('created_by_ref')}, not by "
                        f"{creator}",
                        remedy="give your own object an id of its own",
                    )
            everyone = node.everyone
            of = everyone.by_identity(str(creator)) or everyone.by_identity(item.id)
            owner = of.id if of is not None else None
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
    beside = {item.id: data for item, data in received}
    known = definitions(node, audience.author, [d for _, d in received], beside=beside)
    narrowed: dict[str, Audience] = {}
    for item, data in received:
        tlp, unknown = level_of(data, known)
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


def level_of(data: Mapping[str, Any], known: Definitions) -> tuple[Tlp | None, bool]:
    """`stix.markings.tlp_of`, by the strictest of what a marking is said to be.

    Raises:
        MarkingError: a definition contradicts the level that its id stands for.
    """
    most = max(map(len, known.values()), default=0)
    found = [
        tlp_of(data, {ref: them[min(n, len(them) - 1)] for ref, them in known.items()})
        for n in range(max(1, most))
    ]
    return strictest_tlp(tlp for tlp, _ in found if tlp), any(unknown for _, unknown in found)


def definitions(
    node: Node,
    author: str,
    marked: Iterable[Mapping[str, Any]],
    *,
    beside: Mapping[str, Mapping[str, Any]] = NOTHING,
) -> Definitions:
    """What the markings of objects that `author` says are, by their ids.

    A marking is what `author` says it is, with the object or before, or else what the party says
    that made it. Anybody may publish something harmless under its id, earlier, or with a later
    date: that neither loosens nor tightens what others mark, which is then as unknown as before.
    None of those of TLP are looked up: they are known by their ids.

    Args:
        beside: what comes with them, by id.
    """
    named = {ref for data in marked for ref in marking_refs(data)}
    found = {ref: [beside[ref]] for ref in named if ref in beside}
    ids = sorted(named - TLP_OF_ID.keys() - found.keys())[:MAX_MARKINGS]
    if not ids:
        return found
    own = [n for n, one in node.store.audiences().items() if one.author == author]
    for entry in _said(node, ids, frozenset(own)):
        found.setdefault(entry.id, []).append(orjson.loads(entry.raw))
    left = [ref for ref in ids if ref not in found]
    for entry in _said(node, left, node.everything()) if left else ():
        data = orjson.loads(entry.raw)
        maker = node.everyone.by_identity(str(data.get("created_by_ref")))
        if maker and any(
            k.author == maker.id for k in _sayings(node, entry.sha256, node.everything())
        ):
            found.setdefault(entry.id, []).append(data)
    return found


def _said(node: Node, ids: Sequence[str], allowed: frozenset[int]) -> Sequence[Entry]:
    """What stands under these ids, as far as one page goes: whoever floods an id is not read on."""
    return node.store.page(
        EVERYTHING, allowed, after=-1, limit=MAX_MARKINGS, ids=ids, versions=["all"]
    ).entries
