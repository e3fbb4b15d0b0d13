"""What stands beside a claim and decides nothing: its speaker's other figures, and sightings.

Sightings before and after a demand are counted and nothing is concluded: who saw less may have
looked less. Everything is counted among what the reader holds.

Spec: claims.md §1 (`answers`, `speaker-inconsistent`), §2.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from tocsin.claims.consistency import MOST_TOLD, Compared, Figures, figures
from tocsin.claims.model import Claim, View
from tocsin.store.interface import KeptObject

_NO_MATTER = ("identity--", "location--")
DEMANDS = frozenset({"demand", "call"})
SIGHTED = frozenset({"sighting", "relationship"})
"""The STIX types that are counted for a demand, or tie to it what is counted."""


class Differing(Struct, frozen=True, kw_only=True):
    """Another claim of the same speaker about the same matter, with other figures."""

    claim: str
    what: str
    here: str
    there: str


class Sightings(Struct, frozen=True, kw_only=True):
    """How often what a demand is about was seen, by its date. Counts, and nothing follows."""

    indicators: int
    """Indicators and other objects that are tied to the demand."""
    before: int
    """Seen last on a day before it."""
    after: int
    """Seen first on a day after it."""
    across: int
    """First seen before or on its day, and last on or after it."""
    undated: int
    sightings: int
    """Objects that were counted; each counts as often as it says."""


def inconsistent(view: View, cases: Mapping[str, str | None]) -> dict[str, tuple[Differing, ...]]:
    """Claim → others of its speaker that give other figures for the same matter.

    The same matter: an incident or campaign that both are about, or one case and two longer words
    that both have. Of very many only the first: whoever floods is not read on. What one publisher
    gives is compared by itself before it is with that of others, so that nobody's many words in
    another's mouth leave the others' unread.
    """
    groups: dict[tuple[str, bool, str], list[str]] = {}
    for id, claim in view.claims.items():
        if claim.x.speaker_ref is None:
            continue
        for ref in dict.fromkeys(claim.x.about_refs):
            if not ref.startswith(_NO_MATTER):
                groups.setdefault((claim.x.speaker_ref, False, ref), []).append(id)
        case = cases.get(id)
        if case is not None:
            groups.setdefault((claim.x.speaker_ref, True, case), []).append(id)
    ids = list(view.claims)
    number = {id: n for n, id in enumerate(ids)}
    read: dict[str, Figures] = {}
    compared: dict[tuple[str, str | None], Compared] = {}
    found: dict[str, dict[Differing, None]] = {}
    # A case comes after the matters that its claims name: those need no words in common.
    alone: list[tuple[str, str | None, bool, list[str]]] = []
    together: list[tuple[str, str | None, bool, list[str]]] = []
    for (speaker, in_case, _), them in sorted(groups.items()):
        by: dict[str, list[str]] = {}
        for id in them:
            by.setdefault(view.claims[id].publisher or "", []).append(id)
        alone += [(speaker, publisher, in_case, some) for publisher, some in by.items()]
        if len(by) > 1:
            turns = sorted((n, id) for some in by.values() for n, id in enumerate(some))
            together.append((speaker, None, in_case, [id for _, id in turns]))
    for speaker, publisher, in_case, them in (*alone, *together):
        if len(them) < 2:
            continue
        for id in them:
            if id not in read:
                read[id] = figures(_text(view.claims[id]))
        so_far = compared.setdefault((speaker, publisher), Compared())
        texts = [(number[id], read[id]) for id in them]
        for n, m, one in so_far.among(texts, same_matter=not in_case):
            _note(found, ids[n], ids[m], one.what, one.here, one.there)
            _note(found, ids[m], ids[n], one.what, one.there, one.here)
    return {id: tuple(some) for id, some in found.items()}


def _note(
    found: dict[str, dict[Differing, None]], id: str, other: str, what: str, here: str, there: str
) -> None:
    one = Differing(claim=other, what=what, here=here, there=there)
    told = found.setdefault(id, {})
    if len(told) < MOST_TOLD:
        told[one] = None


def _text(claim: Claim) -> str:
    return claim.x.words.text if claim.x.words else (claim.x.gist or claim.content)


def told(one: Differing) -> str:
    """A difference in one line."""
    return f"{one.what}: {one.here} here, {one.there} there"


def sightings(view: View, held: Iterable[KeptObject], claim: Claim) -> Sightings | None:
    """Sightings of what a demand or call is about; None where nothing is tied to it.

    Args:
        view: as of one time.
        held: of `SIGHTED` types, as of that time; nothing that was withdrawn by then.
        claim: of one of `DEMANDS`.
    """
    seen: list[Mapping[str, Any]] = []
    relationships: list[Mapping[str, Any]] = []
    for kept in held:
        (seen if kept.type == "sighting" else relationships).append(kept.data)
    tied = _tied(view, relationships, claim)
    if not tied:
        return None
    day, end = claim.x.asserted_at.value[:10], claim.known.date().isoformat()
    counts = {"before": 0, "after": 0, "across": 0, "undated": 0}
    objects = 0
    for data in seen:
        if data.get("sighting_of_ref") not in tied or data.get("revoked") is True:
            continue
        objects += 1
        counts[_when(data, day, end)] += _count(data)
    return Sightings(indicators=len(tied), sightings=objects, **counts)


def _tied(view: View, relationships: Iterable[Mapping[str, Any]], claim: Claim) -> frozenset[str]:
    """Indicators, and what they indicate, that a demand or evidence for it names."""
    about = {ref for ref in claim.x.about_refs if not ref.startswith(_NO_MATTER)}
    for link in view.supports_into.get(claim.id, ()):
        piece = view.evidence.get(view.links[link].source)
        for ref in piece.object_refs if piece is not None else ():
            if not ref.startswith((*_NO_MATTER, "note--", "opinion--")):
                about.add(ref)
    found = set(about)
    for data in relationships:
        indicates = data.get("relationship_type") == "indicates"
        if indicates and data.get("target_ref") in about:
            found.add(str(data.get("source_ref")))
    return frozenset(found)


def _when(data: Mapping[str, Any], day: str, end: str) -> str:
    first, last = (str(data.get(name) or "")[:10] for name in ("first_seen", "last_seen"))
    first, last = first or last, last or first
    if not first:
        return "undated"
    if last < day:
        return "before"
    return "after" if first > _last_day(day, end) else "across"


def _last_day(day: str, end: str) -> str:
    """The last day of a date as it is known: a day's own, else that on which it is over."""
    return day if len(day) == 10 else end


def _count(data: Mapping[str, Any]) -> int:
    count = data.get("count", 1)
    return count if isinstance(count, int) and 0 <= count <= 999_999_999 else 1
