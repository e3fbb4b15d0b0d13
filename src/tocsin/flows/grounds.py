"""The grounds of a claim or an answer as one reader sees them: what counts, why the rest does not.

Spec: claims.md §2.2, §2.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from tocsin.claims.answering import revealed
from tocsin.claims.kept import Kept
from tocsin.claims.model import EXTENSION_ID, KIND_CLASS, PLANTABLE, Evidence, Link
from tocsin.claims.standing import Standing
from tocsin.flows.held import by_then
from tocsin.flows.intake import parse_kept
from tocsin.flows.known import Known, dated
from tocsin.flows.weighed import LINK_QUESTIONS, REASON_WORDS, Ground

_OPEN = ("inspectable", "reproduced")
_WHY = {"owner": "by-owner", "undercut": "undercut", "source": "source"}


def grounds(known: Known, target: str, computed: Standing) -> tuple[Ground, ...]:
    """The evidence that is said to support a claim or challenge, by date, then by id.

    Each piece once, however often it is said to support it.

    Args:
        computed: the standing of the claim that `target` is or is on: what counts is what it made
            of each piece.
    """
    view, brought = known.view, computed.brought.get(target)
    supports: dict[str, list[Link]] = {}
    for ref in view.supports_into.get(target, ()):
        supports.setdefault(view.links[ref].source, []).append(view.links[ref])
    counting = brought.pieces if brought is not None else counted(computed)
    weighed = brought is not None or computed.base is not None
    reasons = _reasons(known, target, computed)
    found = []
    for source, links in supports.items():
        evidence = view.evidence.get(source)
        if evidence is None:
            # Of what is not held only the ties have a date.
            tied = [link for link in links if by_then(link.known, known.at)]
            if tied:
                found.append(_not_held(known, source, sorted(tied, key=_age)))
            continue
        if not by_then(evidence.known, known.at):
            continue
        why = [
            word for ref in (source, *(one.id for one in links)) for word in reasons.get(ref, ())
        ]
        if source not in counting and not why:
            why.append(_why_not(known.kept, evidence, links, weighed))
        found.append(_ground(known, evidence, links, counts=source in counting, why=why))
    return tuple(sorted(found, key=lambda g: (g.published, g.id)))


def _age(link: Link) -> tuple[datetime, str]:
    return link.known, link.id


def counted(computed: Standing) -> frozenset[str]:
    """Ids of the evidence that counts for some link of a claim."""
    return frozenset(ref for link in computed.links.values() for ref in link.pieces)


def _ground(
    known: Known, evidence: Evidence, links: Sequence[Link], *, counts: bool, why: Iterable[str]
) -> Ground:
    x, publisher = evidence.x, evidence.publisher
    access = known.kept.access_given(evidence)
    commitment, committed = _committed(known, evidence, access)
    return Ground(
        commitment=commitment,
        committed=committed,
        id=evidence.id,
        sha256=evidence.sha256,
        name=evidence.name,
        description=evidence.description,
        kind=x.kind,
        strength=KIND_CLASS.get(x.kind, 0),
        plantable=x.kind in PLANTABLE,
        access=access,
        producers=tuple(known.name(ref) for ref in x.producer_refs),
        coder=known.name(publisher) if publisher and publisher not in x.producer_refs else None,
        published=dated(x.published) if x.published else evidence.created[:10],
        undated=x.published is None,
        links=_speaks_to(links),
        sources=evidence.urls,
        counts=counts,
        reasons=tuple(dict.fromkeys(why)),
    )


def _reasons(known: Known, target: str, computed: Standing) -> dict[str, list[str]]:
    """Piece or link of `target` → what the standing says of it, in words; what dropped it last."""
    weighed = computed.brought.get(target) or computed
    found: dict[str, list[str]] = {}
    for reason in weighed.reasons:
        if reason.code in REASON_WORDS and not reason.code.startswith("dropped-"):
            found.setdefault(reason.ref, []).append(REASON_WORDS[reason.code])
    for fallen in weighed.dropped:
        by = ", ".join(_saying(known, ref) for ref in fallen.by)
        word = REASON_WORDS["dropped-" + _WHY[fallen.why]]
        found.setdefault(fallen.id, []).append(f"{word}: {by}")
    return found


def _saying(known: Known, ref: str) -> str:
    """What dropped a piece, with the words it was said in."""
    one = known.view.challenges.get(ref)
    text = (one.x.words.text if one.x.words else one.explanation) if one else None
    return known.called(ref) + (f", “{text}”" if text else "")


def _speaks_to(links: Iterable[Link]) -> tuple[str, ...]:
    """The links of a claim that a piece is said to speak to, in the order in which they ask."""
    found = {name for link in links for name in link.x.links}
    return (*(n for n in LINK_QUESTIONS if n in found), *sorted(found - LINK_QUESTIONS.keys()))


def _why_not(kept: Kept, evidence: Evidence, links: Iterable[Link], weighed: bool) -> str:
    """Why a piece does not count, where the standing gives no reason: it has none for absence."""
    if kept.taken_back(evidence.id) or all(kept.taken_back(link.id) for link in links):
        return "taken back"
    if not weighed:
        return "nothing is weighed here"
    if kept.access_given(evidence) not in ("described", *_OPEN):
        return "nothing of it is open to anybody"
    if not KIND_CLASS.get(evidence.x.kind, 0):
        return "somebody's word, which shows nothing by itself"
    return "derives from nothing that shows something by itself"


def _not_held(known: Known, source: str, links: Sequence[Link]) -> Ground:
    """What is said to support something and is withheld from this reader, or breaks the carrier."""
    held, first = known.view.objects.get(source), links[0]
    broken = held is not None
    word = "breaks the rules for evidence, and is left out" if broken else "withheld"
    return Ground(
        id=source,
        sha256=held.sha256 if held is not None else None,
        name=known.view.name(source) if broken else "withheld",
        description=None,
        kind="broken" if broken else "withheld",
        strength=None,
        plantable=False,
        access="none" if broken else "withheld",
        producers=(),
        coder=known.name_if(first.publisher),
        published=first.created[:10],
        links=_speaks_to(links),
        sources=tuple(dict.fromkeys(url for link in links for url in link.urls)),
        counts=False,
        reasons=(word,),
    )


def _committed(known: Known, evidence: Evidence, access: str) -> tuple[str | None, str | None]:
    """What a piece was first committed to, and in words whether it has been kept.

    Args:
        access: that of this reader: what is shown to some is not yet shown to others.
    """
    if evidence.x.commitment is None:
        return None, None
    first, day = _first_commitment(known, evidence)
    first = first or evidence.x.commitment
    since = f"committed on {day}" if day else "committed"
    if first != evidence.x.commitment:
        return first, f"{since}; another digest has been put in its place since"
    held = known.view.objects
    materials = [
        (ref.partition("--")[0], held[ref].data, held[ref].sha256)
        for ref in evidence.object_refs
        if ref in held
    ]
    if revealed(first, materials):
        return first, f"{since}; what is shown now is what was committed to"
    if access in _OPEN:
        return first, f"{since}; what is shown now is not what was committed to"
    return first, f"{since}; not shown yet"


def _first_commitment(known: Known, evidence: Evidence) -> tuple[str | None, str | None]:
    """(digest, day) of its publisher's first version in the log that has one.

    Not by the dates that versions bear: who has committed to two digests could date one back.
    """
    store, allowed = known.node.store, known.have.allowed
    found: list[tuple[int, str, str]] = []
    unsaid = None
    for version in store.versions(evidence.id, allowed):
        x = (version.data.get("extensions") or {}).get(EXTENSION_ID) or {}
        given = x.get("commitment")
        if version.data.get("created_by_ref") != evidence.publisher or not isinstance(given, str):
            continue
        unsaid = given
        said = (store.statement(id, allowed) for id in version.said_by)
        found += [(one.index, given, parse_kept(one).time[:10]) for one in said if one is not None]
    if not found:
        return unsaid, None
    _, first, day = min(found)
    return first, day
