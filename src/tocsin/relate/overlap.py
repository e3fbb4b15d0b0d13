"""What an incident shares with known groups: tools and techniques, each with how common it is.

The answer is "compatible with N groups", with every shared item and how many other groups use it;
never a name alone, no level, no probability. Half of what such a comparison finds is the campaign's
own reports, from which the group's entry was written: so each figure stands twice, as it is and
without the facts that rest on the campaign's own sources only. Spec: claims.md §4.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

LEAST_SHARED = 3
"""With fewer shared items there is too little to compare."""
CUT = 0.5
"""A group counts whose containment is at least this part of the best one's. Not measured."""

GROUP_TYPES = ("intrusion-set", "threat-actor")
ITEM_TYPES = ("attack-pattern", "malware", "tool")
COMPARED = (*GROUP_TYPES, "campaign", "incident")
"""What can be compared with groups."""
_GONE = ("revoked", "x_mitre_deprecated")


class Use(Struct, frozen=True, kw_only=True):
    """The fact that somebody uses something, and what it is cited to."""

    user: str
    item: str
    sources: frozenset[str] = frozenset()


class Known(Struct, frozen=True, kw_only=True):
    """Groups, campaigns, items by id, and who uses what, with the sources of each such fact."""

    names: Mapping[str, str]
    """Of everything, as its source prints it."""
    codes: Mapping[str, str]
    """The number a catalogue gives it ("T1059", "G0007"), where one does."""
    groups: frozenset[str]
    uses: Mapping[str, Mapping[str, tuple[frozenset[str], ...]]]
    """User → item → the sources of each fact that says so."""
    own: Mapping[str, frozenset[str]]
    """What each object itself is cited to."""


class Subject(Struct, frozen=True, kw_only=True):
    """What is compared: its items, and the sources it rests on itself."""

    id: str
    """"" for what is no object of its own, such as a file."""
    items: frozenset[str]
    sources: frozenset[str]


class Shared(Struct, frozen=True, kw_only=True):
    """One thing that the subject and a group both use."""

    item: str
    name: str
    code: str
    other_groups: int
    """How many groups use it besides this one."""
    own_sources_only: bool
    """That the group uses it is cited to the subject's own sources and to no others."""


class Group(Struct, frozen=True, kw_only=True):
    """A group that fits, with everything it fits by. Containments are of the subject's items."""

    id: str
    name: str
    code: str
    containment: float
    """Part of the subject's items that the group uses, each weighed by how few groups use it."""
    containment_apart: float
    """The same without what is cited only to the subject's own sources."""
    fits_apart: bool
    """Without those, the group would still be among those that fit."""
    shared: tuple[Shared, ...]
    """The rarest first."""


class Overlap(Struct, frozen=True, kw_only=True):
    """The whole answer: `outcome` in words, then the groups by id, which is no order of merit."""

    outcome: Literal["compared", "too-little"]
    items: int
    compared_with: int
    """Groups there were to compare with."""
    compatible: int
    compatible_apart: int
    """How many fit without what is cited only to the subject's own sources."""
    groups: tuple[Group, ...]

    @property
    def sentence(self) -> str:
        """The answer in one sentence, which names nobody."""
        if self.outcome == "too-little":
            return f"too little to compare: no group shares {LEAST_SHARED} items with it"
        some = "1 group" if self.compatible == 1 else f"{self.compatible} groups"
        return (
            f"compatible with {some} of {self.compared_with}; with {self.compatible_apart} "
            "without what is cited only to its own sources"
        )


def known(objects: Iterable[Mapping[str, Any]]) -> Known:
    """Groups, items and uses in STIX objects; what is revoked or deprecated is left out.

    An object that breaks the shape is passed over: the check of the standard names it.
    """
    names: dict[str, str] = {}
    codes: dict[str, str] = {}
    own: dict[str, frozenset[str]] = {}
    groups: set[str] = set()
    uses: list[Use] = []
    for data in objects:
        kind, id = data.get("type"), data.get("id")
        if not isinstance(id, str) or any(data.get(gone) is True for gone in _GONE):
            continue
        if kind == "relationship":
            user, item = data.get("source_ref"), data.get("target_ref")
            if (
                data.get("relationship_type") == "uses"
                and isinstance(user, str)
                and isinstance(item, str)
                and item.partition("--")[0] in ITEM_TYPES
            ):
                uses.append(Use(user=user, item=item, sources=_cited(data)))
            continue
        if kind not in (*COMPARED, *ITEM_TYPES):
            continue
        name = data.get("name")
        names[id] = name if isinstance(name, str) else id
        codes[id] = _code(data)
        own[id] = _cited(data)
        if kind in GROUP_TYPES:
            groups.add(id)
    by_user: dict[str, dict[str, tuple[frozenset[str], ...]]] = {}
    for use in uses:
        # A use of what is gone, or is not here, cannot be listed: it does not count either.
        if use.user in names and use.item in names:
            facts = by_user.setdefault(use.user, {})
            facts[use.item] = (*facts.get(use.item, ()), use.sources)
    return Known(names=names, codes=codes, groups=frozenset(groups), uses=by_user, own=own)


def _references(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    given = data.get("external_references")
    return [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []


def _cited(data: Mapping[str, Any]) -> frozenset[str]:
    """What an object cites: names of sources, without the entry of the catalogue it stands in."""
    return frozenset(
        str(one["source_name"])
        for one in _references(data)
        if isinstance(one.get("source_name"), str) and not one.get("external_id")
    )


def _code(data: Mapping[str, Any]) -> str:
    for one in _references(data):
        if isinstance(found := one.get("external_id"), str) and len(found) <= 40:
            return found
    return ""


def subject_of(known: Known, id: str) -> Subject:
    """A campaign, incident or group as a subject: what it uses, and all that this is cited to."""
    facts = known.uses.get(id, {})
    sources = known.own.get(id, frozenset()).union(*(s for said in facts.values() for s in said))
    return Subject(id=id, items=frozenset(facts), sources=sources)


def overlap(known: Known, subject: Subject) -> Overlap:
    """Compare `subject` with every group known but itself.

    Weights are log(groups / groups that use it), those nobody else uses at log(groups); the
    containment is the weight of what is shared over the weight of all the subject has. Groups that
    share fewer than `LEAST_SHARED` items are not compared. The same input gives the same bytes.
    """
    others = sorted(known.groups - {subject.id})
    # What the subject does not have weighs nothing in its containments.
    whole = {g: subject.items & known.uses.get(g, {}).keys() for g in others}
    apart = {
        g: frozenset(i for i in items if not _rests_on(known.uses[g][i], subject.sources))
        for g, items in whole.items()
    }
    as_is = containments(whole, subject.items)
    without = containments(apart, subject.items)
    fits = _fitting(whole, subject.items, as_is)
    fits_apart = _fitting(apart, subject.items, without)
    spread = {i: sum(i in items for items in whole.values()) for i in subject.items}
    return Overlap(
        outcome="compared" if fits else "too-little",
        items=len(subject.items),
        compared_with=len(others),
        compatible=len(fits),
        compatible_apart=len(fits_apart),
        groups=tuple(
            Group(
                id=g,
                name=known.names[g],
                code=known.codes.get(g, ""),
                containment=round(as_is[g], 4),
                containment_apart=round(without[g], 4),
                fits_apart=g in fits_apart,
                shared=tuple(
                    Shared(
                        item=i,
                        name=known.names.get(i, i),
                        code=known.codes.get(i, ""),
                        other_groups=spread[i] - 1,
                        own_sources_only=i not in apart[g],
                    )
                    for i in sorted(whole[g] & subject.items, key=lambda i: (spread[i], i))
                ),
            )
            for g in sorted(fits)
        ),
    )


def _rests_on(facts: Iterable[frozenset[str]], sources: frozenset[str]) -> bool:
    """Whether each of the facts is cited, and to nothing but `sources`."""
    return all(cited and cited <= sources for cited in facts)


def containments(profiles: Mapping[str, frozenset[str]], items: frozenset[str]) -> dict[str, float]:
    """Part of `items` in each profile, by the weight of how few profiles have it: 0 to 1."""
    size = max(len(profiles), 1)
    weights = {}
    for item in sorted(items):
        users = sum(item in profile for profile in profiles.values())
        weights[item] = math.log(size / users) if users else math.log(size)
    # `fsum` gives the same whatever the order of a set is today.
    total = math.fsum(weights.values())
    return {
        id: math.fsum(weights[i] for i in profile & items) / total if total else 0.0
        for id, profile in profiles.items()
    }


def _fitting(
    profiles: Mapping[str, frozenset[str]],
    items: frozenset[str],
    found: Mapping[str, float],
) -> frozenset[str]:
    enough = {g: found[g] for g, p in profiles.items() if len(p & items) >= LEAST_SHARED}
    best = max(enough.values(), default=0.0)
    # What every group uses weighs nothing: with nothing but that there is nothing to compare.
    return frozenset(g for g, value in enough.items() if best > 0 and value >= CUT * best)


def as_data(found: Overlap, id: str, name: str) -> dict[str, Any]:
    """An overlap as data, its sentence first."""
    return {
        "id": id,
        "name": name,
        "says": found.sentence,
        **msgspec.to_builtins(found),
    }
