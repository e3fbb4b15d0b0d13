"""What MISP tags and distribution levels come to: markings, kill chain phases, labels.

A TLP tag becomes a real marking, in both spellings; the strictest wins, and a distribution level
is a floor under it. Nothing here ever makes anything readable by more people.

Spec: FIRST TLP 2.0; MISP taxonomies `tlp`, `PAP`, `kill-chain`; exchange.md §3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from tocsin.importers.misp_fields import record, text, whole
from tocsin.policy import TLP_RANK, Tlp
from tocsin.stix.ids import deterministic
from tocsin.stix.markings import strictest_tlp
from tocsin.stix.model import make

_TLP = re.compile(r"tlp:(white|clear|green|amber|amber\+strict|amber-strict|red|ex:chr)", re.I)
_TLP_WORD = re.compile(r"\s*tlp\s*[:=]", re.I)
_PAP = re.compile(r"pap:(white|clear|green|amber|red)", re.I)
_KILL_CHAIN = re.compile(r"kill-chain:(.{1,60})", re.I)
_LEVEL: dict[str, Tlp] = {
    "white": "CLEAR",
    "clear": "CLEAR",
    "green": "GREEN",
    "amber": "AMBER",
    "amber+strict": "AMBER+STRICT",
    "amber-strict": "AMBER+STRICT",
    "red": "RED",
    "ex:chr": "AMBER+STRICT",
}
GROUP, INHERIT = 4, 5
_FLOOR: dict[int, Tlp | None] = {
    0: "AMBER+STRICT",
    1: "GREEN",
    2: "GREEN",
    3: None,
    GROUP: "AMBER+STRICT",
    INHERIT: None,
}
"""By distribution: this organisation, this community, connected ones, all, a sharing group, as
what holds it."""


class Marks(Struct, frozen=True, kw_only=True):
    """What the tags and the distribution of one thing say."""

    tlp: Tlp | None
    """The strictest of its TLP tags and the floor of its distribution; None: neither is there."""
    named: tuple[Tlp, ...]
    """The different levels that tags name, loosest first: more than one contradict each other."""
    pap: str | None
    labels: tuple[str, ...]
    """Every other tag, as text: STIX has labels for what it has no rule for."""
    phases: tuple[tuple[str, str], ...]
    unreadable: tuple[str, ...] = ()
    """Tags that speak of TLP in words that are none of its levels: read as RED."""
    group: bool = False
    """Only the organisations of a sharing group may have it."""
    strange: bool = False
    """Its distribution is none of the six: read as this organisation only."""


def marks(holder: Mapping[str, Any]) -> Marks:
    """What `Tag` and `distribution` of an event, object or attribute come to."""
    levels: list[Tlp] = []
    labels: list[str] = []
    phases: list[tuple[str, str]] = []
    unreadable: list[str] = []
    pap: str | None = None
    for name in _names(holder):
        if found := _TLP.fullmatch(name):
            levels.append(_LEVEL[found[1].lower()])
        elif _TLP_WORD.match(name):
            # Somebody limited this, and we cannot tell how far.
            unreadable.append(name)
            levels.append("RED")
        elif found := _PAP.fullmatch(name):
            pap = stricter_pap(pap, found[1].upper())
        else:
            labels.append(name)
            if found := _KILL_CHAIN.fullmatch(name):
                phase = re.sub(r"[^a-z0-9]+", "-", found[1].lower()).strip("-")
                if phase:
                    phases.append(("lockheed-martin-cyber-kill-chain", phase))
    level, given = whole(holder.get("distribution")), limited(holder)
    # A group that is named counts, whatever stands beside it: nothing is the looser for it.
    group = level == GROUP or bool(holder.get("SharingGroup"))
    strange = given and level not in _FLOOR
    floor = _FLOOR[GROUP] if group else "AMBER+STRICT" if strange else None
    if floor is None and given and level is not None:
        floor = _FLOOR[level]
    return Marks(
        tlp=strictest_tlp([*levels, *([floor] if floor else [])]),
        named=tuple(sorted(set(levels), key=TLP_RANK.__getitem__)),
        pap=pap,
        labels=tuple(dict.fromkeys(labels)),
        phases=tuple(dict.fromkeys(phases)),
        unreadable=tuple(unreadable),
        group=group,
        strange=strange,
    )


def limited(holder: Mapping[str, Any]) -> bool:
    """Whether a thing says anything of its own about how far it goes, in words or in none."""
    return holder.get("distribution") not in (None, "")


def _names(holder: Mapping[str, Any]) -> Iterable[str]:
    tags = holder.get("Tag")
    for tag in tags if isinstance(tags, list) else [tags] if isinstance(tags, Mapping) else ():
        name = text(tag if isinstance(tag, str) else record(tag).get("name"))
        if name is not None:
            yield name[:1_000]


_PAPS = ("CLEAR", "GREEN", "AMBER", "RED")


def stricter_pap(a: str | None, b: str) -> str:
    """The stricter of two PAP levels."""
    b = "CLEAR" if b == "WHITE" else b
    return b if a is None or _PAPS.index(b) > _PAPS.index(a) else a


def both(outer: Tlp | None, inner: Tlp | None) -> Tlp | None:
    """The marking of a thing inside another: never looser than that one's."""
    return strictest_tlp(level for level in (outer, inner) if level is not None)


def pap_marking(level: str) -> tuple[str, bytes]:
    """Id and bytes of the marking that states a PAP level, the same wherever it is made.

    STIX has no PAP of its own; a statement travels with every object it is on.
    """
    id = deterministic("marking-definition", "PAP", level)
    return id, make(
        "marking-definition",
        id=id,
        created="2026-01-01T00:00:00.000Z",
        definition_type="statement",
        definition={"statement": f"PAP:{level}"},
    )
