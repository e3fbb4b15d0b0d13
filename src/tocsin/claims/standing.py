"""Standing: what the published grounds of a claim amount to, link by link. Pure.

A standing says what has been shown, never what is true. It has no numbers: a claim is as strong
as its weakest required link, and a link as independent as the roots of its evidence. Names in
this file follow the terms of the spec; a second reader is asked for every change.

Spec: claims.md §2, algorithm "tocsin-standing" 2.0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from tocsin import canonical
from tocsin.claims.model import (
    ACCESS,
    KIND_CLASS,
    NOT_WEIGHED,
    REQUIRED,
    STANDING_VERSION,
    Challenge,
    Claim,
    Evidence,
    Link,
    StoredStanding,
    Ties,
    View,
)
from tocsin.claims.times import dated_end, instant, rfc3339
from tocsin.errors import NotFoundError

ALGORITHM: Mapping[str, str] = {"id": "tocsin-standing", "version": STANDING_VERSION}

GRADES: tuple[str, ...] = ("none-shown", "indicative", "one-root", "independent-roots")
"""Grades of one link, weakest first."""
BASES: tuple[str, ...] = (
    "none-shown",
    "links-missing",
    "indicative",
    "one-root",
    "independent-roots",
)
"""Bases of a claim, weakest first."""

Label = Literal["IN", "OUT"]
_UNLIMITED = 9  # above every class: a tip that is not held sets no cap
_CONTESTING = frozenset({"rebut", "alternative", "method-critique"})
_NOT_MATERIAL = frozenset({"identity", "note", "opinion"})


class LinkGrade(Struct, frozen=True, kw_only=True):
    """The grade of one required link. `shown`: at least one open piece counts for it."""

    grade: str
    shown: bool


class Reason(Struct, frozen=True, kw_only=True, order=True):
    """Why a standing is as it is; `ref` is an object's id or a link's name (§2.4)."""

    code: str
    ref: str


class Dropped(Struct, frozen=True, kw_only=True, order=True):
    """A supporting piece or support that fell: by which objects, by whose word."""

    id: str
    by: tuple[str, ...]
    why: Literal["owner", "undercut", "source"]


class Standing(Struct, frozen=True, kw_only=True):
    """The standing of one claim for one reader (§2.4)."""

    claim: str
    reader: str
    at: str | None
    coder: str | None
    level: str | None
    base: str | None
    links: Mapping[str, LinkGrade]
    by_coder: Mapping[str, str | None] | None
    reasons: tuple[Reason, ...]
    dropped: tuple[Dropped, ...]
    inputs_sha256: str

    def to_json(self) -> dict[str, Any]:
        """The output of §2.4, ready for JSON; every permutation of a view gives the same."""
        out: dict[str, Any] = {"claim": self.claim, "for": self.reader, "at": self.at}
        if self.coder is not None:
            out["coder"] = self.coder
        out["level"] = self.level
        out["base"] = self.base
        out["links"] = {n: {"grade": g.grade, "shown": g.shown} for n, g in self.links.items()}
        if self.by_coder is not None:
            out["by_coder"] = dict(self.by_coder)
        out["reasons"] = [{"code": r.code, "ref": r.ref} for r in self.reasons]
        out["dropped"] = [{"id": d.id, "by": list(d.by), "why": d.why} for d in self.dropped]
        out["inputs_sha256"] = self.inputs_sha256
        out["algorithm"] = dict(ALGORITHM)
        return out


class Alarm(Struct, frozen=True, kw_only=True):
    """A stored standing that differs from ours; `same_inputs`: from the very same bytes."""

    stored: StoredStanding
    ours: Standing
    same_inputs: bool


def standing(
    view: View,
    claim_id: str,
    reader: str | None = None,
    at: datetime | None = None,
    coder: str | None = None,
) -> Standing:
    """How one claim stands on what `view` shows.

    Args:
        view: what this reader may read, newest version of each object.
        claim_id: the claim's id.
        reader: a STIX identity id, for access given to named readers; None for the public.
        at: only what had been said by then (aware), on the record's clock; None for now.
        coder: keep only the evidence, relationships and undercuts of these by this identity.

    Raises:
        ClaimError: the claim breaks the carrier.
        NotFoundError: no such claim here, or none yet at `at`.
    """
    for broken in view.broken:
        if broken.id == claim_id:
            raise broken.error()
    weighing = _Weighing(view, reader, at, coder)
    claim = weighing.claim(claim_id)
    if claim is None:
        raise NotFoundError(
            f"no claim {claim_id}" + (f" known by {rfc3339(at)}" if at else "") + " is held here",
            remedy="list the claims with `tocsin claims`, or leave the time out",
        )
    weighing.label(weighing.scope(claim_id))
    return weighing.standing(claim)


def standings(
    view: View,
    reader: str | None = None,
    at: datetime | None = None,
    coder: str | None = None,
) -> list[Standing]:
    """The standing of every claim known by `at`, by claim id. Broken ones are `view.broken`."""
    weighing = _Weighing(view, reader, at, coder)
    # What is derived from and not held has a label too: nobody undercuts it, so it stands.
    named = {end for link in view.links.values() for end in (link.source, link.target)}
    weighing.label(sorted({*view.evidence, *view.links, *view.challenges, *named}))
    known = (weighing.claim(ref) for ref in sorted(view.claims))
    return [weighing.standing(claim) for claim in known if claim is not None]


def roots(view: View, evidence_id: str, at: datetime | None = None) -> frozenset[str]:
    """What a piece of evidence rests on (§2.2.6): two pieces that share none are independent.

    Ids and origins of everything it derives from, itself included ("made-of ..."), and the party
    classes of those who made them ("made-by ..."). Compare as sets; never weld them.
    """
    return _Weighing(view, None, at, None).roots(evidence_id)


def alarms(view: View) -> list[Alarm]:
    """Every stored standing of this algorithm that differs from the one we compute, by its id.

    A stored standing is compared on its own terms: its reader, its time, its coder.
    """
    found = []
    for stored in view.standings.values():
        x = stored.x
        if x.claim_ref not in view.claims or x.algorithm != ALGORITHM:
            continue
        reader = None if x.reader == "public" else x.reader
        try:
            ours = standing(view, x.claim_ref, reader, instant(x.at) if x.at else None, x.coder)
        except (NotFoundError, ValueError):
            continue
        links = {name: (grade.grade, grade.shown) for name, grade in ours.links.items()}
        theirs = {
            name: (grade.get("grade"), grade.get("shown")) if isinstance(grade, dict) else grade
            for name, grade in x.links.items()
        }
        same = x.inputs_sha256 == ours.inputs_sha256
        if (x.level, x.base, theirs, same) != (ours.level, ours.base, links, True):
            found.append(Alarm(stored=stored, ours=ours, same_inputs=same))
    return found


def required_links(claim: Claim) -> tuple[str, ...]:
    """The links this claim must show (§2.2.2); empty for a type that is not weighed.

    A charge needs its sponsor link unless it names a group and points at nobody behind it.
    """
    links = REQUIRED.get(claim.x.claim_type, ())
    if "sponsor" not in links:
        return links
    names = claim.x.names
    group_alone = (
        names.actor_ref is not None
        and names.sponsor_ref is None
        and set(claim.x.addressee_refs) <= {names.actor_ref}
    )
    return links[:-1] if group_alone else links


class _Piece(Struct, frozen=True):
    """A piece of evidence that counts for a link."""

    evidence: Evidence
    strength: int
    open: bool


class _Weighing:
    """One reader's weighing of one view: what is kept, and each term computed once.

    Everything held here is a memo of a pure function of (view, reader, at, coder).
    """

    def __init__(
        self, view: View, reader: str | None, at: datetime | None, coder: str | None
    ) -> None:
        self.view = view
        self.ties: View | Ties = view if coder is None else view.coded.get(coder, Ties())
        self.reader = reader
        self.at = at
        self.coder = coder
        self.labels: dict[str, Label] = {}
        self._kept: dict[str, bool] = {}
        self._party: dict[str, str] = {}
        self._sources: dict[str, tuple[str, ...]] = {}
        self._derived: dict[str, _Derived] = {}
        self._bits: dict[tuple[str, str], int] = {}
        self._grounds: dict[str, tuple[tuple[str, str], ...]] = {}
        self._links: dict[str, dict[str, LinkGrade]] = {}

    # --- 2.2.1 what is kept: known by then, and of this coder

    def _then(self, known: datetime) -> bool:
        return self.at is None or known <= self.at

    def _taken_back(self, ref: str) -> bool:
        when = self.view.withdrawn.get(ref)
        return when is not None and self._then(when)

    def _known(self, ref: str, otherwise: datetime) -> bool:
        if self.at is None:
            return True
        view = self.view
        carried = view.claims.get(ref) or view.evidence.get(ref) or view.challenges.get(ref)
        if carried is not None:
            return carried.known <= self.at
        held = view.objects.get(ref)
        try:
            return (instant(str(held.data.get("created"))) if held else otherwise) <= self.at
        except ValueError:
            return otherwise <= self.at

    def claim(self, ref: str) -> Claim | None:
        claim = self.view.claims.get(ref)
        return claim if claim is not None and self._then(claim.known) else None

    def evidence(self, ref: str) -> Evidence | None:
        one = self.view.evidence.get(ref)
        if one is None or not self._then(one.known):
            return None
        return one if self.coder in (None, one.publisher) else None

    def challenge(self, ref: str) -> Challenge | None:
        one = self.view.challenges.get(ref)
        if one is None or not self._then(one.known):
            return None
        coded = one.x.form == "undercut" and not one.target.startswith("opinion--")
        return one if self.coder is None or not coded or one.publisher == self.coder else None

    def link(self, ref: str) -> Link | None:
        one = self.view.links.get(ref)
        if one is None:
            return None
        kept = self._kept.get(ref)
        if kept is None:
            kept = self._kept[ref] = (
                self.coder in (None, one.publisher)
                and not self._taken_back(ref)
                and self._known(one.source, one.known)
                and self._known(one.target, one.known)
            )
        return one if kept else None

    def links_of(self, index: Mapping[str, tuple[str, ...]], ref: str) -> Iterator[Link]:
        for one in index.get(ref, ()):
            link = self.link(one)
            if link is not None:
                yield link

    def challenges_on(self, ref: str) -> Iterator[Challenge]:
        for one in self.view.challenges_on.get(ref, ()):
            challenge = self.challenge(one)
            if challenge is not None:
                yield challenge

    def undercuts(self, ref: str) -> Iterator[Challenge]:
        return (one for one in self.challenges_on(ref) if one.x.form == "undercut")

    def status(self, one: Claim | Challenge) -> str:
        """The latest status that the speaker or the publisher gave, else open."""
        heard = [
            (dated_end(event.at), number, event.status)
            for number, event in enumerate(one.x.status_events)
            if event.by_ref in (one.x.speaker_ref, one.publisher)
        ]
        when = self.view.withdrawn.get(one.id)
        if when is not None:
            heard.append((when, len(heard), "withdrawn"))
        return max((h for h in heard if self._then(h[0])), default=(None, 0, "open"))[2]

    def in_force(self, one: Claim | Challenge) -> bool:
        return self.status(one) not in ("withdrawn", "superseded")

    # --- 2.2.3, 2.2.4 access

    def access(self, one: Evidence) -> str:
        """Access for this reader; open access to nothing attached is a description."""
        if self._taken_back(one.id):
            return "none"
        access = one.x.access_for.get(self.reader or "", one.x.access)
        if access not in ACCESS:
            return "none"
        if access in ("inspectable", "reproduced") and not self._attached(one):
            return "described"
        return access

    def _attached(self, one: Evidence) -> bool:
        return bool(one.urls) or any(
            ref in self.view.objects
            and ref != one.id
            and ref.partition("--")[0] not in _NOT_MATERIAL
            and self._known(ref, one.known)
            for ref in one.object_refs
        )

    def is_open(self, one: Evidence) -> bool:
        return self.access(one) in ("inspectable", "reproduced")

    def counted(self, one: Evidence) -> bool:
        return self.access(one) in ("described", "inspectable", "reproduced")

    # --- 2.2.5, 2.2.6 who is whose, and what comes from what

    def _usable(self, link: Link) -> bool:
        if link.urls:
            return True
        if link.kind == "controlled-by":
            return link.publisher in (link.source, link.target)
        ends = (self.evidence(link.source), self.evidence(link.target))
        return any(link.publisher in end.x.producer_refs for end in ends if end is not None)

    def party(self, ref: str) -> str:
        """The name of the party class: its smallest identity id."""
        if ref not in self._party:
            together, rest = {ref}, [ref]
            while rest:
                for link in self.links_of(self.ties.controls, rest.pop()):
                    if self._usable(link):
                        new = {link.source, link.target} - together
                        together |= new
                        rest += new
            self._party.update(dict.fromkeys(together, min(together)))
        return self._party[ref]

    def sources(self, ref: str) -> tuple[str, ...]:
        """What a piece of evidence derives from, over usable links; empty: it is no copy."""
        if ref not in self._sources:
            self._sources[ref] = tuple(
                sorted(
                    {
                        link.target
                        for link in self.links_of(self.ties.derived_out, ref)
                        if self._usable(link)
                    }
                )
            )
        return self._sources[ref]

    def derived(self, ref: str) -> _Derived:
        """Closure of a piece, as far as it matters: its tips, their cap, its roots."""
        if ref not in self._derived:
            for ring in _rings(ref, self.sources, self._derived):
                self._derive(ring)
        return self._derived[ref]

    def _derive(self, ring: Sequence[str]) -> None:
        below = {one for ref in ring for one in self.sources(ref)} - set(ring)
        under = [self._derived[ref] for ref in sorted(below)]
        is_tip = len(ring) == 1 and not self.sources(ring[0])
        if is_tip:
            tips: frozenset[str] = frozenset(ring)
        elif len(under) == 1:
            tips = under[0].tips  # shared, so that a long chain costs one set
        else:
            tips = frozenset().union(*(one.tips for one in under))
        cap = max((one.cap for one in under), default=0)
        roots = 0
        for one in under:
            roots |= one.roots
        for ref in ring:
            for token in self._tokens(ref):
                # An id that nobody else names tells nothing apart, and would make long integers.
                if token != ("made-of", ref) or ref in self.view.named:
                    roots |= 1 << self._bits.setdefault(token, len(self._bits))
        if is_tip:
            tip = self.evidence(ring[0])
            cap = _UNLIMITED if tip is None else KIND_CLASS.get(tip.x.kind, 0)
        derived = _Derived(tips, cap if tips else 0, roots, tuple(under))
        self._derived.update(dict.fromkeys(ring, derived))

    def _tokens(self, ref: str) -> Iterator[tuple[str, str]]:
        yield "made-of", ref
        one = self.evidence(ref)
        if one is not None:
            yield "made-of", one.origin
            for producer in one.x.producer_refs:
                yield "made-by", self.party(producer)

    def roots(self, ref: str) -> frozenset[str]:
        seen, rest = {ref}, [ref]
        while rest:
            new = set(self.sources(rest.pop())) - seen
            seen |= new
            rest += new
        return frozenset(" ".join(token) for one in seen for token in self._tokens(one))

    def own_class(self, one: Evidence) -> int:
        return KIND_CLASS.get(one.x.kind, 0)

    def strength(self, one: Evidence) -> int:
        return min(self.own_class(one), self.derived(one.id).cap)

    # --- 2.2.8, 2.3.2 labels

    def owner(self, challenge: Challenge) -> bool:
        """Whether a challenge is by whoever made, published or spoke what it is on."""
        speaker = challenge.x.speaker_ref
        if speaker != challenge.publisher and not challenge.urls:
            return False
        target = challenge.target
        evidence = self.evidence(target)
        if evidence is not None:
            return speaker in evidence.x.producer_refs
        link = self.link(target)
        if link is not None:
            source = self.evidence(link.source)
            made = source.x.producer_refs if source is not None else ()
            return speaker == link.publisher or speaker in made
        other = self.challenge(target)
        return other is not None and speaker == other.x.speaker_ref

    def grounds(self, challenge: str) -> tuple[tuple[str, str], ...]:
        """(support, evidence) that could carry a non-owner's undercut: open, strength > 0."""
        if challenge not in self._grounds:
            found = []
            for link in self.links_of(self.ties.supports_into, challenge):
                one = self.evidence(link.source)
                if one is not None and self.is_open(one) and self.strength(one) > 0:
                    found.append((link.id, one.id))
            self._grounds[challenge] = tuple(found)
        return self._grounds[challenge]

    def label(self, scope: Iterable[str]) -> None:
        """Label everything in `scope`: the least fixpoint from "undecided", in rounds."""
        nodes = [ref for ref in scope if not ref.startswith(("note--", "identity--"))]
        touched = self._dependents(nodes)
        turn: Iterable[str] = nodes
        while turn:
            new = {ref: label for ref in turn if (label := self._label_of(ref)) is not None}
            self.labels.update(new)
            turn = {
                after for ref in new for after in touched.get(ref, ()) if after not in self.labels
            }

    def _dependents(self, nodes: Iterable[str]) -> dict[str, set[str]]:
        """What has to be looked at again once a node has a label."""
        touched: dict[str, set[str]] = {}
        for ref in nodes:
            challenge = self.challenge(ref)
            link = self.link(ref)
            if challenge is not None:
                if challenge.x.form == "undercut":
                    touched.setdefault(challenge.target, set())
                    touched.setdefault(ref, set()).add(challenge.target)
                for support, piece in self.grounds(ref):
                    touched.setdefault(support, set()).add(ref)
                    touched.setdefault(piece, set()).add(ref)
            elif link is not None and link.kind == "supports":
                for tip in self._tips(link.source):
                    touched.setdefault(tip, set()).add(ref)
                    for same in self._supports(tip, link.target):
                        touched.setdefault(same, set()).add(ref)
            elif self.evidence(ref) is not None:
                for tip in self._tips(ref):
                    touched.setdefault(tip, set()).add(ref)
        return touched

    def _tips(self, ref: str) -> frozenset[str]:
        """The tips of a copy; none for a piece that derives from nothing."""
        return self.derived(ref).tips if self.sources(ref) else frozenset()

    def _supports(self, source: str, target: str) -> list[str]:
        return [
            link.id
            for link in self.links_of(self.ties.supports_from, source)
            if link.target == target
        ]

    def _label_of(self, ref: str) -> Label | None:
        undercuts = [self.labels.get(one.id) for one in self.undercuts(ref)]
        if "IN" in undercuts:
            return "OUT"
        standing_up = all(label == "OUT" for label in undercuts)
        challenge = self.challenge(ref)
        if challenge is not None:
            if not self.in_force(challenge):
                return "OUT"
            if challenge.x.form == "undercut" and not self.owner(challenge):
                grounds = [self._both(pair) for pair in self.grounds(ref)]
                if all(label == "OUT" for label in grounds):
                    return "OUT"
                standing_up = standing_up and "IN" in grounds
            return "IN" if standing_up else None
        link = self.link(ref)
        if link is None:
            tips = [self.labels.get(tip) for tip in self._tips(ref)]
        else:
            tips = [self._tip_of_support(tip, link.target) for tip in self._tips(link.source)]
        if tips:
            if all(label == "OUT" for label in tips):
                return "OUT"
            standing_up = standing_up and "IN" in tips
        return "IN" if standing_up else None

    def _both(self, pair: tuple[str, str]) -> Label | None:
        labels = {self.labels.get(ref) for ref in pair}
        return "OUT" if "OUT" in labels else "IN" if labels == {"IN"} else None

    def _tip_of_support(self, tip: str, target: str) -> Label | None:
        """A tip as a copy's support sees it: down if it, or all its own support here, is down."""
        itself = self.labels.get(tip)
        same = [self.labels.get(one) for one in self._supports(tip, target)]
        if itself == "OUT" or (same and all(label == "OUT" for label in same)):
            return "OUT"
        return "IN" if itself == "IN" and (not same or "IN" in same) else None

    def out(self, ref: str) -> bool:
        return self.labels.get(ref) == "OUT"

    # --- 2.3.3, 2.3.4 grades and base

    def links(self, claim: Claim) -> dict[str, LinkGrade]:
        if claim.id not in self._links:
            self._links[claim.id] = {
                name: self._grade(self._pieces(claim, name))[0] for name in required_links(claim)
            }
        return self._links[claim.id]

    def _pieces(self, claim: Claim, name: str) -> list[_Piece]:
        found: dict[str, _Piece] = {}
        for link in self.links_of(self.ties.supports_into, claim.id):
            if name in link.x.links and link.source not in found and not self.out(link.id):
                one = self._counting(link.source)
                if one is not None:
                    found[one.id] = _Piece(one, self.strength(one), self.is_open(one))
        return list(found.values())

    def _counting(self, ref: str) -> Evidence | None:
        """Counted, not fallen, and of some strength."""
        one = self.evidence(ref)
        if one is None or self.out(ref) or not self.counted(one) or not self.strength(one):
            return None
        return one

    def _grade(self, pieces: Sequence[_Piece]) -> tuple[LinkGrade, bool]:
        """The grade of one link, and whether disjoint roots were there but none was open."""
        shown = any(piece.open for piece in pieces)
        strong = [piece for piece in pieces if piece.strength >= 2]
        if not strong:
            return LinkGrade(grade="indicative" if pieces else "none-shown", shown=shown), False
        every = _lowest(self.derived(piece.evidence.id) for piece in strong)
        some = _lowest(self.derived(piece.evidence.id) for piece in strong if piece.open)
        if _disjoint(some, every):
            return LinkGrade(grade="independent-roots", shown=shown), False
        return LinkGrade(grade="one-root", shown=shown), _disjoint(every, every)

    def base(self, claim: Claim) -> str | None:
        """The weakest link; None where the claim is not weighed or no longer in force."""
        grades = [one.grade for one in self.links(claim).values()]
        if not grades or not self.in_force(claim):
            return None
        if "none-shown" in grades:
            return "links-missing" if any(g != "none-shown" for g in grades) else "none-shown"
        return min(grades, key=GRADES.index)

    # --- 2.3.5 challenges

    def contests(self, challenge: Challenge) -> bool:
        """Whether a challenge of a contesting form has grounds, or a rival that has some."""
        for link in self.links_of(self.ties.supports_into, challenge.id):
            if not self.out(link.id) and self._counting(link.source) is not None:
                return True
        rival = self.claim(challenge.x.counter_claim_ref or "")
        if rival is None or rival.id == challenge.target:
            return False
        return self.base(rival) not in (None, "none-shown")

    def challenge_code(self, challenge: Challenge) -> str:
        form, scope = challenge.x.form, challenge.x.scope
        if not self.in_force(challenge):
            return "challenge-not-open"
        if self.out(challenge.id):
            return "challenge-undercut"
        if form in ("denial", "request"):
            return "denied" if form == "denial" else "requested"
        if scope == "class":
            return "class-critique"
        # A form or scope we do not know is shown and weighs least.
        contests = form in _CONTESTING and scope == "this" and self.contests(challenge)
        return "contested-by" if contests else "challenge-none-shown"

    # --- 2.4 output

    def standing(self, claim: Claim) -> Standing:
        reasons = {Reason(code=f"flag:{flag.name}", ref=claim.id) for flag in claim.x.flags}
        dropped: set[Dropped] = set()
        status = self.status(claim)
        level: str | None = None
        base: str | None = None
        links: dict[str, LinkGrade] = {}
        by_coder = None
        if not self.in_force(claim):
            level = status
            reasons.add(Reason(code=status, ref=claim.id))
        elif claim.x.claim_type not in REQUIRED:
            known = claim.x.claim_type in NOT_WEIGHED
            code = "not-a-claim-of-fact" if known else "unknown-type"
            reasons.add(Reason(code=code, ref=claim.id))
        else:
            links = self.links(claim)
            base = self.base(claim)
            codes = {one.id: self.challenge_code(one) for one in self.challenges_on(claim.id)}
            level = f"contested({base})" if "contested-by" in codes.values() else base
            reasons |= {Reason(code=code, ref=ref) for ref, code in codes.items()}
            reasons |= set(self._link_reasons(claim, base))
            for reason, drop in self._evidence_reasons(claim):
                reasons.add(reason)
                dropped |= {drop} if drop is not None else set()
            by_coder = self._by_coder(claim)
        return Standing(
            claim=claim.id,
            reader=self.reader or "public",
            at=rfc3339(self.at) if self.at else None,
            coder=self.coder,
            level=level,
            base=base,
            links=links,
            by_coder=by_coder,
            reasons=tuple(sorted(reasons)),
            dropped=tuple(sorted(dropped)),
            inputs_sha256=self._inputs_sha256(claim.id),
        )

    def _link_reasons(self, claim: Claim, base: str | None) -> Iterator[Reason]:
        for name, link in self.links(claim).items():
            if base == "links-missing" and link.grade == "none-shown":
                yield Reason(code="bare-link", ref=name)
            if link.grade == "one-root" and self._grade(self._pieces(claim, name))[1]:
                yield Reason(code="not-inspectable", ref=name)

    def _evidence_reasons(self, claim: Claim) -> Iterator[tuple[Reason, Dropped | None]]:
        required = set(required_links(claim))
        by_source: dict[str, list[Link]] = {}
        for link in self.links_of(self.ties.supports_into, claim.id):
            by_source.setdefault(link.source, []).append(link)
        for ref, supports in by_source.items():
            if self.out(ref):
                yield self._drop(ref)
                continue
            fallen = [link for link in supports if self.out(link.id)]
            for link in fallen:
                yield self._drop(link.id)
            rest = [link for link in supports if link not in fallen]
            if rest:
                speaks = {name for link in rest for name in link.x.links} & required
                undecided = ref not in self.labels or any(
                    link.id not in self.labels for link in rest
                )
                for code in self._piece_codes(ref, bool(speaks), undecided):
                    yield Reason(code=code, ref=ref), None

    def _piece_codes(self, ref: str, speaks: bool, undecided: bool) -> Iterator[str]:
        one = self.evidence(ref)
        access = self.access(one) if one is not None else None
        # Held here but broken, or another coder's: absent. Not held at all: withheld.
        if access == "withheld" or (one is None and ref not in self.view.objects):
            yield "withheld"
        elif access == "committed":
            yield "committed"
        elif not speaks:
            yield "no-link"
        elif one is not None and self.counted(one):
            stated = one.x.access_for.get(self.reader or "", one.x.access)
            if stated in ("inspectable", "reproduced") and not self.is_open(one):
                yield "nothing-to-inspect"
            if self.strength(one) < self.own_class(one):
                yield "capped"
            if undecided:
                yield "undercut-undecided"

    def _drop(self, ref: str) -> tuple[Reason, Dropped]:
        by = [one for one in self.undercuts(ref) if self.labels.get(one.id) == "IN"]
        why: Literal["owner", "undercut", "source"] = "source"
        if by:
            why = "owner" if any(self.owner(one) for one in by) else "undercut"
            fallen = [one.id for one in by]
        else:
            link = self.link(ref)
            fallen = []
            for tip in self._tips(link.source if link else ref):
                if self.out(tip) or link is None:
                    fallen.append(tip)
                else:
                    fallen += self._supports(tip, link.target)
        return (
            Reason(code=f"dropped-by-{why}" if why == "owner" else f"dropped-{why}", ref=ref),
            Dropped(id=ref, by=tuple(sorted(fallen)), why=why),
        )

    def _by_coder(self, claim: Claim) -> dict[str, str | None] | None:
        supports = self.links_of(self.ties.supports_into, claim.id)
        coders = sorted({link.publisher for link in supports if link.publisher is not None})
        if self.coder is not None or len(coders) < 2:
            return None
        levels = {}
        for coder in coders:
            alone = _Weighing(self.view, self.reader, self.at, coder)
            alone.label(alone.scope(claim.id))
            codes = {alone.challenge_code(one) for one in alone.challenges_on(claim.id)}
            base = alone.base(claim)
            levels[coder] = f"contested({base})" if "contested-by" in codes else base
        return levels

    def scope(self, claim_id: str) -> list[str]:
        """Ids of everything that a standing of this claim may rest on, parties' ties aside."""
        seen = {claim_id}
        rest = [claim_id]
        while rest:
            ref = rest.pop()
            near = [one.id for one in self.challenges_on(ref)]
            for link in self.links_of(self.ties.supports_into, ref):
                near += (link.id, link.source)
            for link in self.links_of(self.ties.derived_out, ref):
                near += (link.id, link.target)
            challenge = self.challenge(ref)
            if challenge is not None and challenge.x.counter_claim_ref is not None:
                near.append(challenge.x.counter_claim_ref)
            for one in near:
                if one not in seen:
                    seen.add(one)
                    rest.append(one)
        return sorted(seen)

    def _inputs_sha256(self, claim_id: str) -> str:
        scope = self.scope(claim_id)
        inputs = {ref: self._sha256(ref) for ref in scope}
        # Ties of a party class reach over parties that made nothing here, so they are followed.
        parties = {p for ref in scope if (e := self.evidence(ref)) for p in e.x.producer_refs}
        rest = list(parties)
        while rest:
            for link in self.links_of(self.ties.controls, rest.pop()):
                inputs[link.id] = self._sha256(link.id)
                new = {link.source, link.target} - parties
                parties |= new
                rest += new
        value = {
            "algorithm": dict(ALGORITHM),
            "at": rfc3339(self.at) if self.at else None,
            "claim": claim_id,
            "coder": self.coder,
            "for": self.reader or "public",
            "inputs": sorted([ref, sha256] for ref, sha256 in inputs.items()),
        }
        return hashlib.sha256(canonical.encode(value)).hexdigest()

    def _sha256(self, ref: str) -> str | None:
        """Digest of the bytes held; None where they are not held, not yet said, or taken back."""
        if self._taken_back(ref):
            return None
        for one in (self.claim(ref), self.evidence(ref), self.challenge(ref), self.link(ref)):
            if one is not None:
                return one.sha256
        carried = (self.view.claims, self.view.evidence, self.view.challenges, self.view.links)
        if any(ref in each for each in carried):
            return None
        held = self.view.objects.get(ref)
        return held.sha256 if held is not None else None


class _Derived(Struct, frozen=True):
    """Tips of a closure, the highest class among them, its roots as bits, and what is below."""

    tips: frozenset[str]
    cap: int
    roots: int
    under: tuple[_Derived, ...]


def _rings(start: str, below: Any, done: Mapping[str, Any]) -> Iterator[list[str]]:
    """Strongly connected parts reachable from `start`, what is derived from first (Tarjan).

    Without recursion: a chain of copies may be longer than Python's stack.
    """
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    work: list[tuple[str, Iterator[str]]] = []

    def enter(ref: str) -> None:
        number[ref] = low[ref] = len(number)
        stack.append(ref)
        on_stack.add(ref)
        work.append((ref, iter(below(ref))))

    enter(start)
    while work:
        ref, targets = work[-1]
        for target in targets:
            if target in done:
                continue
            if target not in number:
                enter(target)
                break
            if target in on_stack:
                low[ref] = min(low[ref], number[target])
        else:
            work.pop()
            if work:
                above = work[-1][0]
                low[above] = min(low[above], low[ref])
            if low[ref] == number[ref]:
                ring = []
                while True:
                    one = stack.pop()
                    on_stack.discard(one)
                    ring.append(one)
                    if one == ref:
                        break
                yield ring


def _disjoint(some: Sequence[int], every: Sequence[int]) -> bool:
    """Whether one set of `some` shares nothing with one of `every`; sets are bits of an integer.

    Distinct sets only, and only of tokens that two of them have: a token of one set joins
    nothing. Then, per token, which sets have it: the union over a set's tokens is what it meets.
    """
    once = twice = 0
    for mask in {*some, *every}:
        twice |= once & mask
        once |= mask
    shared = {mask & twice for mask in every}
    asked = set()
    for mask in set(some):
        if not mask & twice and any(other != mask for other in every):
            return True
        asked.add(mask & twice)
    having: dict[int, int] = {}
    for number, mask in enumerate(shared):
        for bit in _bits_of(mask):
            having[bit] = having.get(bit, 0) | 1 << number
    everybody = (1 << len(shared)) - 1
    for mask in asked - {0}:
        met = 0
        for bit in _bits_of(mask):
            met |= having.get(bit, 0)
            if met == everybody:
                break
        else:
            return True
    return False


def _lowest(pieces: Iterable[_Derived]) -> list[int]:
    """Roots of those pieces that derive from none of the others.

    Whatever is disjoint from a piece is disjoint from all that it derives from, so the others
    need no look; without this a long chain of copies costs its square.
    """
    asked = {id(one): one for one in pieces}
    reaches: dict[int, bool] = {}
    for start in asked.values():
        work = [start]
        while work:
            one = work[-1]
            waiting = [u for u in one.under if id(u) not in reaches]
            if waiting:
                work += waiting
                continue
            work.pop()
            reaches[id(one)] = any(id(u) in asked or reaches[id(u)] for u in one.under)
    return [one.roots for key, one in asked.items() if not reaches[key]]


def _bits_of(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length()
        mask ^= low


# --- words ------------------------------------------------------------------------------------

_GRADE_WORDS = {
    "indicative": "grounds of kinds that others share or that are easily planted",
    "one-root": "grounds from one root",
    "independent-roots": "grounds from independent roots",
}
_BASE_WORDS = {
    "none-shown": "No grounds shown here.",
    "links-missing": "Some links show no grounds here.",
    "indicative": "Every link has grounds; the weakest has only kinds that are easily planted.",
    "one-root": "Every link has grounds; the weakest rests on one root.",
    "independent-roots": "Every link has grounds from independent roots.",
}
_CHALLENGE_WORDS = {
    "denied": "{who} denies it.",
    "requested": "{who} asks to be shown the grounds.",
    "class-critique": "{who} criticises this kind of report; recorded, not weighed.",
    "contested-by": "{who} contests it, with grounds of its own.",
    "challenge-none-shown": "{who} contests it; no grounds shown here for that.",
    "challenge-not-open": "A challenge by {who} is no longer open.",
    "challenge-undercut": "A challenge by {who} has itself been undercut.",
}
_PIECE_WORDS = {
    "withheld": "“{what}” is said to exist and is withheld.",
    "committed": "“{what}” is withheld; a digest of it has been given.",
    "no-link": "“{what}” names none of the links this claim needs.",
    "nothing-to-inspect": "“{what}” is called open, and nothing to inspect is attached.",
    "capped": "“{what}” counts no more than what it derives from.",
    "undercut-undecided": "“{what}” is undercut, the dispute is undecided, and it counts so far.",
    "dropped-by-owner": "“{what}” was disowned by those who made it, and is not counted.",
    "dropped-undercut": "“{what}” was undercut, and is not counted.",
    "dropped-source": "“{what}” derives from something no longer counted, and is not counted.",
}


def explain(one: Standing, view: View) -> list[str]:
    """A standing in plain sentences, the same for every side; names as `view` has them."""
    claim = view.claims.get(one.claim)
    codes = {reason.code for reason in one.reasons}
    said = ["What has been shown here, not what is true."]
    if "not-a-claim-of-fact" in codes or "unknown-type" in codes:
        kind = claim.x.claim_type if claim else "claim of this type"
        known = "it is not weighed" if "not-a-claim-of-fact" in codes else "its type is not known"
        return [*said, f"This is a {kind}: {known}, and has no level."]
    if one.base is None:
        return [*said, f"Its speaker or publisher says that it is {one.level}; it is not weighed."]
    said.append(_BASE_WORDS[one.base])
    for name, link in one.links.items():
        if link.grade == "none-shown":
            said.append(f"No grounds shown here for {name}.")
        else:
            shown = "part of it open to inspection" if link.shown else "this is stated, not shown"
            said.append(f"For {name}: {_GRADE_WORDS[link.grade]}; {shown}.")
    for reason in one.reasons:
        if reason.code == "not-inspectable":
            said.append(f"Roots for {reason.ref} are separate, and none of them is open.")
        elif reason.code in _PIECE_WORDS:
            said.append(_PIECE_WORDS[reason.code].format(what=_what(reason.ref, view)))
        elif reason.code in _CHALLENGE_WORDS:
            challenge = view.challenges.get(reason.ref)
            who = view.name(challenge.x.speaker_ref) if challenge else reason.ref
            said.append(_CHALLENGE_WORDS[reason.code].format(who=who))
    if one.by_coder:
        levels = ", ".join(f"{view.name(who)}: {level}" for who, level in one.by_coder.items())
        said.append(f"By coder: {levels}.")
    return said


def _what(ref: str, view: View) -> str:
    link = view.links.get(ref)
    return view.name(link.source if link is not None else ref)


def summary(one: Standing) -> str:
    """One plain sentence or two for the `content` of a standing object."""
    codes = {reason.code for reason in one.reasons}
    if one.base is None:
        words = f"Status: {one.level}." if one.level else "Not weighed: it has no level."
        return f"{words} Not a finding of truth."
    parts = []
    for shown, words in ((True, "Grounds shown for"), (False, "Grounds stated, not shown, for")):
        names = [n for n, g in one.links.items() if g.grade != "none-shown" and g.shown is shown]
        if names:
            parts.append(f"{words} {_and(names)}")
    bare = [name for name, link in one.links.items() if link.grade == "none-shown"]
    if bare:
        parts.append(f"{'none' if parts else 'No grounds'} shown here for {_and(bare)}")
    answers = [
        word
        for code, word in (
            ("denied", "Denied."),
            ("contested-by", "Contested."),
            ("requested", "Grounds asked for."),
        )
        if code in codes
    ]
    return " ".join([f"{'; '.join(parts)}.", *answers, "Not a finding of truth."])


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
