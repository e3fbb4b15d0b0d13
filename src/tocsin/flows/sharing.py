"""Whom the sharing groups of a foreign file reach: the parties that their organisations are.

An organisation is a party where that party declares the organisation's UUID in the directory, or
where this node's operator says so in `tocsin.toml`. Never because the names look alike: what is
for an organisation that nobody has tied reaches nobody, and stays listed.

Spec: exchange.md §3 (distribution 4), §4 rule 2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import orjson
from msgspec import Struct

from tocsin.exporters import interface as out
from tocsin.flows.node import Node
from tocsin.importers.interface import Limits, Loss, Organisation, SharingGroup
from tocsin.importers.misp_fields import uuid
from tocsin.record.directory import Party
from tocsin.stix.bundle import Received, open_object
from tocsin.stix.ids import deterministic
from tocsin.stix.model import make

FACET = "misp_organisations"
"""In a party's directory entry: UUIDs of its organisations in MISP, beside its STIX identity's."""
MAX_NAMED = 50
"""Organisations of one group that are listed as losses one by one."""
MAX_KINDS = 200
"""Kinds of limits of one file that are shown before it is said."""

Way = tuple[int, ...]


class Held(Struct, frozen=True, kw_only=True):
    """How many objects of a file are under the same limits."""

    ways: tuple[Way, ...]
    """Each enough: places in the groups of the file; () is whoever the file is said to."""
    objects: int


class Member(Struct, frozen=True, kw_only=True):
    """An organisation of a sharing group, and the party it is."""

    name: str
    uuid: str
    party: str | None
    by: Literal["directory", "operator", ""]
    why: str = ""
    """Why it is no party here."""


class Circle(Struct, frozen=True, kw_only=True):
    """Objects of a file under the same sharing groups, and whom they reach."""

    groups: tuple[str, ...]
    """Names; who is to have the objects has to be in all of them."""
    objects: int
    parties: tuple[str, ...]
    """Whom they reach besides the party that says them, unless the acceptance names fewer."""
    members: tuple[Member, ...]
    unknown: bool
    """None of the organisations of one of the groups is a party here: the objects are marked so,
    and go to nobody and into no file."""


class Target(Struct, frozen=True):
    """Readers of one statement: `limit` None is whoever the acceptance names."""

    limit: frozenset[str] | None = None
    unknown: tuple[int, ...] = ()
    """Groups of which no organisation is a party here."""


AS_SAID = Target()


class Tied:
    """The organisations that are parties of this node's directory, as things stand now."""

    def __init__(self, node: Node, groups: Sequence[SharingGroup]) -> None:
        self._groups = groups
        self._given = {_key(key): party for key, party in node.organisations.items()}
        self._parties = {p.id for p in node.directory.parties}
        self._declared: dict[str, set[str]] = {}
        for party in node.directory.parties:
            for declared in _declared(party):
                self._declared.setdefault(declared, set()).add(party.id)
        self._reached: dict[int, frozenset[str]] = {}

    def member(self, one: Organisation) -> Member:
        """The party an organisation is, or why it is none."""

        def found(party: str | None, by: Any, why: str = "") -> Member:
            return Member(name=one.name, uuid=one.uuid, party=party, by=by, why=why)

        given = self._given.get(one.uuid) or self._given.get(one.name)
        if given is not None:
            if given in self._parties:
                return found(given, "operator")
            return found(None, "", f"tocsin.toml says {given}, which is no party here")
        declared = sorted(self._declared.get(one.uuid, ()))
        if len(declared) == 1:
            return found(declared[0], "directory")
        if declared:
            return found(None, "", "declared by several: " + ", ".join(declared[:3]))
        return found(None, "", "no party declares it")

    def reached(self, place: int) -> frozenset[str]:
        """The parties that organisations of a group are."""
        known = self._reached.get(place)
        if known is None:
            members = map(self.member, self._groups[place].organisations)
            known = frozenset(m.party for m in members if m.party is not None)
            self._reached[place] = known
        return known

    def targets(self, ways: Iterable[Limits], by: str) -> tuple[Target, ...]:
        """For whom an object under these limits is, when `by` says it; at least one."""
        found: dict[Target, None] = {}
        for way in ways:
            if not way:
                found[AS_SAID] = None
                continue
            none = tuple(sorted(place for place in way if not self.reached(place)))
            limit = frozenset.intersection(*map(self.reached, way)) - {by}
            found[Target(limit, none)] = None
        # A way that reaches nobody adds nobody to the others.
        return tuple(t for t in found if not t.unknown) or tuple(found)[:1]

    def marked(self, one: Received, places: Iterable[int]) -> tuple[Received, list[Received]]:
        """An object under the marking of groups that nobody here can resolve; and the markings."""
        made = [_marking(self._groups[place]) for place in places]
        data = one.data
        refs = data.get("object_marking_refs")
        refs = [*(refs if isinstance(refs, list) else []), *(m.id for m in made)]
        return open_object(orjson.dumps(data | {"object_marking_refs": refs})), made


def counted(shared: Mapping[str, frozenset[Limits]]) -> tuple[Held, ...]:
    """How many objects are under the same limits, the most first; of very many kinds the first."""
    counts = Counter(shared.values())
    return tuple(
        Held(ways=tuple(sorted(tuple(sorted(way)) for way in ways)), objects=n)
        for ways, n in sorted(counts.items(), key=lambda c: -c[1])[:MAX_KINDS]
    )


def circles(
    node: Node, groups: Sequence[SharingGroup], held: Sequence[Held], by: str
) -> list[Circle]:
    """Whom the objects of a file reach, to be seen before they are said. The most first."""
    tied = Tied(node, groups)
    found = []
    for one in held:
        for way in one.ways:
            if not way:
                continue
            (target,) = tied.targets((frozenset(way),), by)
            members = {o: None for place in way for o in groups[place].organisations}
            found.append(
                Circle(
                    groups=tuple(groups[place].name for place in way),
                    objects=one.objects,
                    parties=tuple(sorted(target.limit or ())),
                    members=tuple(map(tied.member, members)),
                    unknown=bool(target.unknown),
                )
            )
    return found


def organisations(node: Node) -> dict[str, out.Organisation]:
    """Every party as an organisation of MISP, so that `Tied` finds it again when it comes back."""
    given = {party: uuid(key) for key, party in node.organisations.items() if uuid(key)}
    found = {}
    for party in node.directory.parties:
        declared = sorted(filter(uuid, _declared(party) - {party.identity[10:]}))
        known = given.get(party.id) or next(iter(declared), party.identity[10:])
        found[party.id] = out.Organisation(uuid=known, name=party.name)
    return found


def losses(node: Node, groups: Sequence[SharingGroup]) -> Iterator[Loss]:
    """The organisations of sharing groups that are no parties here: what is for them is not."""
    tied = Tied(node, groups)
    for group in groups:
        left = [m for m in map(tied.member, group.organisations) if m.party is None]
        for m in left[:MAX_NAMED]:
            known = f"{m.name[:60]!r}" if m.name else m.uuid
            note = f"{known} of the sharing group {group.name[:60]!r} gets nothing: {m.why}"
            yield Loss(kind="sharing-group", note=note, pointer=group.pointer)
        if len(left) > MAX_NAMED:
            note = f"{len(left) - MAX_NAMED} more of {group.name[:60]!r} get nothing"
            yield Loss(kind="sharing-group", note=note, pointer=group.pointer)


def _declared(party: Party) -> set[str]:
    said = party.facets.get(FACET)
    listed = said if isinstance(said, list) else [said]
    return {party.identity[10:], *(u.strip().lower() for u in listed if isinstance(u, str))}


def _marking(group: SharingGroup) -> Received:
    """A marking that speaks of access: whoever meets it shows the object to nobody unnamed."""
    called = f"{group.name} ({group.uuid})" if group.uuid else group.name
    words = f"Only for the organisations of the MISP sharing group {called}; do not share further."
    id = deterministic("marking-definition", "misp sharing group", group.uuid, group.name)
    return open_object(
        make(
            "marking-definition",
            id=id,
            created="2026-01-01T00:00:00.000Z",
            definition_type="statement",
            definition={"statement": words},
        )
    )


def _key(given: str) -> str:
    """A key of `[misp.organisations]`: a UUID in lower case, or a name to the letter."""
    return uuid(given) or given
