"""Which names and groups belong together, out of what this node holds for one reader.

Names come from groups and campaigns in STIX, whose publisher speaks for the names in them, and from
claims that one is also called another, as data sets of names are read (`importers.groups`). Only
what the reader may see is looked at or counted, so that no answer tells of the rest.
Spec: claims.md §4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tocsin.claims.kept import Kept
from tocsin.errors import InputError
from tocsin.flows.held import Library, seen
from tocsin.flows.intake import not_found
from tocsin.policy import Reader
from tocsin.relate.names import ACTOR_TYPES, Alias, Names, Record, Speaker, alias_in, record_of
from tocsin.relate.overlap import (
    COMPARED,
    ITEM_TYPES,
    Known,
    Overlap,
    known,
    overlap,
    subject_of,
)

MOST = 200_000
"""Objects that are compared at once; the catalogue of ATT&CK has some 25,000."""


class Held(Struct, frozen=True, kw_only=True):
    """What one reader may see of actors, tools and techniques, ready to be asked."""

    names: Names
    known: Known
    shown: Mapping[str, str]
    """Digest of the version that counts, by STIX id: where an actor's own page is."""


def held(node: Library, reader: Reader) -> Held:
    """Names and uses in what `reader` may see; what is withdrawn or revoked is none.

    Raises:
        InputError: it is more than `MOST` objects.
    """
    allowed = node.allowed(reader)
    head = node.store.head()
    key = ("relate", allowed, head.size if head else 0)
    found = node.views.get(key)
    if isinstance(found, Held):
        return found
    types = [*sorted({*ACTOR_TYPES, *COMPARED, *ITEM_TYPES, "identity"}), "relationship"]
    size = node.store.count(allowed, types=types)
    if size > MOST:
        raise InputError(
            f"{size:,} actors, tools, techniques and links, and we compare at most {MOST:,}",
            remedy="compare with files: tocsin overlap ID --from FILE",
        )
    kept = [one for one in node.store.select(allowed, types=types) if not one.withdrawn]
    objects = [(one, data) for one in kept if (data := one.data).get("revoked") is not True]
    called = {
        data["id"]: data["name"]
        for _, data in objects
        if data.get("type") == "identity" and isinstance(data.get("name"), str)
    }
    authors: dict[str, str | None] = {}
    records: list[Record] = []
    for one, data in objects:
        if data.get("type") not in ACTOR_TYPES:
            continue
        for said in one.said_by:
            if said not in authors:
                statement = node.store.statement(said, allowed)
                authors[said] = statement.author if statement else None
        parties = sorted({author for said in one.said_by if (author := authors[said])})
        record = record_of(data, _speaker(node, parties, data, called))
        if record is not None:
            dated = data.get("modified") or data.get("created")
            of = (("modified", dated),) if isinstance(dated, str) else ()
            records.append(replace(record, words=(*record.words, *of)))
    made = Held(
        names=Names([*records, *_claimed(node, reader)]),
        known=known(data for _, data in objects),
        shown={one.id: one.sha256 for one, _ in objects},
    )
    if len(node.views) > 32:
        node.views.clear()
    node.views[key] = made
    return made


def _speaker(
    node: Library, parties: Sequence[str], data: Mapping[str, Any], called: Mapping[str, str]
) -> Speaker:
    """Who made the object, by way of whom; several who publish one object say it once.

    Objects change one by one: there is no version of all that a party says.
    """
    maker = data.get("created_by_ref")
    own = [p for p in parties if (e := node.everyone.party(p)) and e.identity == maker]
    if own or maker is None:
        return Speaker(own[0] if own else ", ".join(parties) or "nobody named")
    name = called.get(str(maker), str(maker))
    return Speaker(f"{name}, published by {', '.join(parties)}" if parties else name)


def _claimed(node: Library, reader: Reader) -> list[Record]:
    """What claims say that are "A is also called B": a record for each A of each source.

    Where the outlet that reports a name is itself one that gives names, the name is the outlet's
    record, coined by the speaker: so it stands in the file that both came from.
    """
    view = seen(node, reader).view
    kept = Kept(view, node.identity(reader.party) if reader.party else None, None, None)

    def called(ref: str | None) -> str:
        if ref is None:
            return "nobody named"
        name = view.identities.get(ref, {}).get("name")
        if isinstance(name, str):
            return name
        party = node.everyone.by_identity(ref)
        return party.id if party is not None else ref

    told = [
        (claim, *alias, actor)
        for _, claim in sorted(view.claims.items())
        if claim.x.claim_type == "assessment"
        and kept.in_force(claim)
        and (actor := claim.x.names.actor_ref if claim.x.names else None)
        and (alias := alias_in(claim.content)) is not None
    ]
    speakers = {claim.x.speaker_ref for claim, _, _, _ in told}
    found: dict[tuple[str | None, str | None, str, str], list[Alias]] = {}
    for claim, name, other, actor in told:
        speaker, outlet = claim.x.speaker_ref, claim.x.reported_by_ref
        coined = outlet is not None and outlet != speaker and outlet in speakers
        key = (outlet if coined else speaker, claim.publisher, actor, name)
        found.setdefault(key, []).append(Alias(other, called(speaker) if coined else ""))
    return [
        Record(
            id=actor,
            speaker=Speaker(f"{called(source)}, coded by {called(coder)}"),
            name=name,
            aliases=tuple(dict.fromkeys(aliases)),
        )
        for (source, coder, actor, name), aliases in found.items()
    ]


def compared(node: Library, reader: Reader, id: str) -> tuple[Overlap, str]:
    """What a group, campaign or incident shares with the groups this reader knows of; its name.

    Raises:
        NotFoundError: there is no such object that the reader may see.
    """
    have = held(node, reader).known
    if id not in have.names or id.partition("--")[0] not in COMPARED:
        raise not_found(f"group, campaign or incident {id}")
    return overlap(have, subject_of(have, id)), have.names[id]
