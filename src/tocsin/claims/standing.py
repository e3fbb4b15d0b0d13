"""Standing: what the published grounds of a claim amount to, link by link. Pure.

A standing says what has been shown, never what is true. It has no numbers: a claim is as strong
as its weakest required link, and a link as independent as the roots of its evidence. Names here
and in `kept`, `derivation` and `labels` follow the terms of the spec; a second reader is asked for
every change.

Spec: claims.md §2, algorithm "tocsin-standing" 2.0; 2.2 where a tie is undercut (decisions/0064)
or somebody's bare word about itself (decisions/0072).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from tocsin import canonical
from tocsin.claims.derivation import Derivation, disjoint, independent
from tocsin.claims.kept import Kept
from tocsin.claims.labels import Labels
from tocsin.claims.model import (
    NOT_WEIGHED,
    REQUIRED,
    STANDING_VERSION,
    STANDING_WITH_TIES,
    Challenge,
    Claim,
    Evidence,
    Link,
    StoredStanding,
    View,
)
from tocsin.claims.times import instant, rfc3339
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

_CONTESTING = frozenset({"rebut", "alternative", "method-critique"})


class LinkGrade(Struct, frozen=True, kw_only=True):
    """The grade of one required link. `shown`: at least one open piece counts for it."""

    grade: str
    shown: bool
    pieces: tuple[str, ...] = ()
    """Ids of the evidence that counts for it, sorted; said in explanations, not in `to_json`."""


class Reason(Struct, frozen=True, kw_only=True, order=True):
    """Why a standing is as it is; `ref` is an object's id or a link's name (§2.4)."""

    code: str
    ref: str


class Dropped(Struct, frozen=True, kw_only=True, order=True):
    """A supporting piece or support that fell: by which objects, by whose word."""

    id: str
    by: tuple[str, ...]
    why: Literal["owner", "undercut", "source"]


class Brought(Struct, frozen=True, kw_only=True):
    """What is brought for one challenge: which pieces count, and why others do not."""

    pieces: tuple[str, ...]
    """Ids of the evidence that counts, sorted."""
    reasons: tuple[Reason, ...]
    dropped: tuple[Dropped, ...]


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
    version: str = STANDING_VERSION
    """2.2 where a tie is undercut, or is a word without a source: the rules that were asked for."""
    roots: int = 0
    """How many independent roots the pieces that count show at least: pages print "N reports, M
    roots". Not in `to_json`, and no rule asks for it."""
    brought: Mapping[str, Brought] = {}
    """Challenge on the claim → what is brought for it; for pages, not in `to_json`."""

    @property
    def algorithm(self) -> dict[str, str]:
        """By which rules it was computed."""
        return {**ALGORITHM, "version": self.version}

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
        out["algorithm"] = self.algorithm
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
    weighing, claim = _weighed(view, claim_id, reader, at, coder)
    return weighing.standing(claim)


def _weighed(
    view: View, claim_id: str, reader: str | None, at: datetime | None, coder: str | None
) -> tuple[_Weighing, Claim]:
    if claim_id not in view.claims:
        for broken in view.broken:
            if broken.id == claim_id:
                raise broken.error()
    weighing = _Weighing(view, reader, at, coder)
    claim = weighing.kept.claim(claim_id)
    if claim is None:
        raise NotFoundError(
            f"no claim {claim_id}" + (f" known by {rfc3339(at)}" if at else "") + " is held here",
            remedy="list the claims with `tocsin claims`, or leave the time out",
        )
    weighing.label(weighing.kept.scope(claim_id))
    return weighing, claim


def level(
    view: View, claim_id: str, reader: str | None = None, at: datetime | None = None
) -> str | None:
    """`standing(...).level`, without what tells why.

    Raises:
        as `standing`.
    """
    weighing, claim = _weighed(view, claim_id, reader, at, None)
    return weighing.level(claim)[0]


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
    known = (weighing.kept.claim(ref) for ref in sorted(view.claims))
    return [weighing.standing(claim) for claim in known if claim is not None]


def roots(view: View, evidence_id: str, at: datetime | None = None) -> frozenset[str]:
    """What a piece of evidence rests on (§2.2.6): two pieces that share none are independent.

    Ids and origins of everything it derives from, itself included ("made-of ..."), and the party
    classes of those who made them ("made-by ..."). Compare as sets; never weld them.
    """
    weighing = _Weighing(view, None, at, None)
    if view.challenged_ties:
        weighing.label(sorted({*view.evidence, *view.links, *view.challenges}))
    return weighing.derivation.roots(evidence_id)


def alarms(view: View) -> list[Alarm]:
    """Every stored standing of this algorithm that differs from the one we compute, by its id.

    A stored standing is compared on its own terms: its reader, its time, its coder.
    """
    found = []
    for stored in view.standings.values():
        x = stored.x
        if x.claim_ref not in view.claims:
            continue
        reader = None if x.reader == "public" else x.reader
        try:
            ours = standing(view, x.claim_ref, reader, instant(x.at) if x.at else None, x.coder)
        except (NotFoundError, ValueError):
            continue
        if x.algorithm != ours.algorithm:
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
    """One reader's weighing of one view, on what is kept, derived and labelled for it.

    Everything held here is a memo of a pure function of (view, reader, at, coder).
    """

    def __init__(
        self, view: View, reader: str | None, at: datetime | None, coder: str | None
    ) -> None:
        self.kept = Kept(view, reader, at, coder)
        self.derivation = Derivation(self.kept)
        self.labels = Labels(self.kept, self.derivation)
        self._judge = self.labels
        """Labels by which the ties that have fallen fell."""
        self._fallen: frozenset[str] = frozenset()
        self._scope: set[str] = set()
        self._links: dict[str, dict[str, LinkGrade]] = {}

    def label(self, scope: Iterable[str]) -> None:
        """Label `scope`, ties first.

        Labels rest on ties, and an undercut of a tie on its label. So they are settled in this
        order, twice and no more, so that nothing loops. No tie speaks for itself: with none in
        force that is undercut with something, labels tell which undercuts could drop theirs; with
        all but those ties in force, which of them do. Without what falls then all is labelled
        anew, and what falls after that brings no tie back.
        """
        self._scope.update(scope)
        pairs = list(self.kept.undercut_ties(self._scope))
        fallen = frozenset(tie.id for one, tie in pairs if self.labels.says_something(one))
        self._label_without(fallen)
        for _ in range(2):
            if not fallen:
                break
            self._judge = self.labels
            stand = {tie.id for one, tie in pairs if self._judge.of.get(one.id) == "IN"}
            still = fallen & stand
            if still != fallen:
                self._label_without(still)
            fallen = still
        self._fallen = fallen

    def _label_without(self, fallen: Collection[str]) -> None:
        """Label everything asked for so far, with these ties joining nothing."""
        self.derivation = Derivation(self.kept, fallen)
        self.labels = Labels(self.kept, self.derivation)
        self.labels.label(sorted(self._scope))

    # --- 2.3.3, 2.3.4 grades and base

    def links(self, claim: Claim) -> dict[str, LinkGrade]:
        if claim.id not in self._links:
            self._links[claim.id] = {
                name: self._grade(self._pieces(claim, name))[0] for name in required_links(claim)
            }
        return self._links[claim.id]

    def _pieces(self, claim: Claim, name: str) -> list[_Piece]:
        found: dict[str, _Piece] = {}
        for link in self.kept.supports_into(claim.id):
            if name in link.x.links and link.source not in found and not self.labels.out(link.id):
                one = self._counting(link.source)
                if one is not None:
                    found[one.id] = _Piece(
                        one, self.derivation.strength(one), self.kept.is_open(one)
                    )
        return list(found.values())

    def _counting(self, ref: str) -> Evidence | None:
        """Counted, not fallen, and of some strength."""
        one = self.kept.evidence(ref)
        if one is None or self.labels.out(ref) or not self.kept.counted(one):
            return None
        return one if self.derivation.strength(one) else None

    def _grade(self, pieces: Sequence[_Piece]) -> tuple[LinkGrade, bool]:
        """The grade of one link, and whether disjoint roots were there but none was open."""
        shown = any(piece.open for piece in pieces)
        ids = tuple(sorted(piece.evidence.id for piece in pieces))
        strong = [piece for piece in pieces if piece.strength >= 2]
        if not strong:
            grade = "indicative" if pieces else "none-shown"
            return LinkGrade(grade=grade, shown=shown, pieces=ids), False
        every = self.derivation.lowest(piece.evidence.id for piece in strong)
        some = self.derivation.lowest(piece.evidence.id for piece in strong if piece.open)
        if disjoint(some, every):
            return LinkGrade(grade="independent-roots", shown=shown, pieces=ids), False
        return LinkGrade(grade="one-root", shown=shown, pieces=ids), disjoint(every, every)

    def base(self, claim: Claim) -> str | None:
        """The weakest link; None where the claim is not weighed or no longer in force."""
        grades = [one.grade for one in self.links(claim).values()]
        if not grades or not self.kept.in_force(claim):
            return None
        if "none-shown" in grades:
            return "links-missing" if any(g != "none-shown" for g in grades) else "none-shown"
        return min(grades, key=GRADES.index)

    # --- 2.3.5 challenges

    def contests(self, challenge: Challenge) -> bool:
        """Whether a challenge of a contesting form has grounds, or a rival that has some."""
        if any(True for _ in self._carrying(challenge)):
            return True
        rival = self.kept.claim(challenge.x.counter_claim_ref or "")
        if rival is None or rival.id == challenge.target:
            return False
        return self.base(rival) not in (None, "none-shown")

    def _carrying(self, challenge: Challenge) -> Iterator[str]:
        """Ids of the evidence that counts for a challenge, which need name no link."""
        for link in self.kept.supports_into(challenge.id):
            if not self.labels.out(link.id) and self._counting(link.source) is not None:
                yield link.source

    def challenge_code(self, challenge: Challenge) -> str:
        form, scope = challenge.x.form, challenge.x.scope
        if not self.kept.in_force(challenge):
            return "challenge-not-open"
        if self.labels.out(challenge.id):
            return "challenge-undercut"
        if form in ("denial", "request"):
            return "denied" if form == "denial" else "requested"
        if scope == "class":
            return "class-critique"
        # A form or scope we do not know is shown and weighs least.
        contests = form in _CONTESTING and scope == "this" and self.contests(challenge)
        return "contested-by" if contests else "challenge-none-shown"

    # --- 2.4 output

    def level(self, claim: Claim) -> tuple[str | None, str | None]:
        """Level and base."""
        if not self.kept.in_force(claim):
            return self.kept.status(claim), None
        base = self.base(claim)
        on = self.kept.challenges_on(claim.id) if base is not None else ()
        contested = any(self.challenge_code(one) == "contested-by" for one in on)
        return (f"contested({base})" if contested else base), base

    def standing(self, claim: Claim) -> Standing:
        reasons = {Reason(code=f"flag:{flag.name}", ref=claim.id) for flag in claim.x.flags}
        dropped: set[Dropped] = set()
        level, base = self.level(claim)
        links: dict[str, LinkGrade] = {}
        by_coder = None
        challenges = list(self.kept.challenges_on(claim.id))
        version = self._version(claim.id)
        if not self.kept.in_force(claim):
            reasons.add(Reason(code=self.kept.status(claim), ref=claim.id))
        elif claim.x.claim_type not in REQUIRED:
            known = claim.x.claim_type in NOT_WEIGHED
            code = "not-a-claim-of-fact" if known else "unknown-type"
            reasons.add(Reason(code=code, ref=claim.id))
        else:
            links = self.links(claim)
            reasons |= {Reason(code=self.challenge_code(one), ref=one.id) for one in challenges}
            reasons |= set(self._link_reasons(claim, base))
            for reason, drop in self._evidence_reasons(claim.id, set(required_links(claim))):
                reasons.add(reason)
                dropped |= {drop} if drop is not None else set()
            for reason, drop in self._tie_reasons(claim):
                reasons.add(reason)
                dropped.add(drop)
            by_coder = self._by_coder(claim)
        return Standing(
            claim=claim.id,
            reader=self.kept.reader or "public",
            at=rfc3339(self.kept.at) if self.kept.at else None,
            coder=self.kept.coder,
            level=level,
            base=base,
            links=links,
            by_coder=by_coder,
            reasons=tuple(sorted(reasons)),
            dropped=tuple(sorted(dropped)),
            inputs_sha256=self._inputs_sha256(claim.id, version),
            version=version,
            roots=self._roots(sorted({ref for link in links.values() for ref in link.pieces})),
            brought={one.id: self._brought(one) for one in challenges},
        )

    def _roots(self, pieces: Sequence[str]) -> int:
        return independent(self.derivation.lowest(pieces))

    def _brought(self, challenge: Challenge) -> Brought:
        found = list(self._evidence_reasons(challenge.id, None))
        return Brought(
            pieces=tuple(sorted(set(self._carrying(challenge)))),
            reasons=tuple(sorted({reason for reason, _ in found})),
            dropped=tuple(sorted({drop for _, drop in found if drop is not None})),
        )

    def _link_reasons(self, claim: Claim, base: str | None) -> Iterator[Reason]:
        for name, link in self.links(claim).items():
            if base == "links-missing" and link.grade == "none-shown":
                yield Reason(code="bare-link", ref=name)
            if link.grade == "one-root" and self._grade(self._pieces(claim, name))[1]:
                yield Reason(code="not-inspectable", ref=name)

    def _evidence_reasons(
        self, target: str, required: Set[str] | None
    ) -> Iterator[tuple[Reason, Dropped | None]]:
        """Of each piece for a claim that needs these links, or (None) for a challenge."""
        by_source: dict[str, list[Link]] = {}
        for link in self.kept.supports_into(target):
            by_source.setdefault(link.source, []).append(link)
        for ref, supports in by_source.items():
            if self.labels.out(ref):
                yield self._drop(ref)
                continue
            fallen = [link for link in supports if self.labels.out(link.id)]
            for link in fallen:
                yield self._drop(link.id)
            rest = [link for link in supports if link not in fallen]
            if rest:
                speaks = required is None or any(required & set(link.x.links) for link in rest)
                undecided = ref not in self.labels.of or any(
                    link.id not in self.labels.of for link in rest
                )
                for code in self._piece_codes(ref, speaks, undecided):
                    yield Reason(code=code, ref=ref), None

    def _piece_codes(self, ref: str, speaks: bool, undecided: bool) -> Iterator[str]:
        one = self.kept.evidence(ref)
        access = self.kept.access(one) if one is not None else None
        # Held here but broken, or another coder's: absent. Not held at all: withheld.
        if access == "withheld" or (one is None and ref not in self.kept.view.objects):
            yield "withheld"
        elif access == "committed":
            yield "committed"
        elif not speaks:
            yield "no-link"
        elif one is not None and self.kept.counted(one):
            stated = self.kept.access_given(one)
            if stated in ("inspectable", "reproduced") and not self.kept.is_open(one):
                yield "nothing-to-inspect"
            if self.derivation.strength(one) < self.derivation.own_class(one):
                yield "capped"
            if undecided:
                yield "undercut-undecided"

    def _tie_reasons(self, claim: Claim) -> Iterator[tuple[Reason, Dropped]]:
        """Ties that have fallen, where a standing of this claim could rest on them."""
        by: dict[str, list[Challenge]] = {}
        for one, tie in self.kept.undercut_ties(self.kept.scope(claim.id)):
            if tie.id in self._fallen and self._judge.of.get(one.id) == "IN":
                by.setdefault(tie.id, []).append(one)
        for ref, undercuts in by.items():
            owner = any(self._judge.owner(one) for one in undercuts)
            ids = tuple(sorted(one.id for one in undercuts))
            yield (
                Reason(code="tie-dropped-by-owner" if owner else "tie-dropped-undercut", ref=ref),
                Dropped(id=ref, by=ids, why="owner" if owner else "undercut"),
            )

    def _version(self, claim_id: str) -> str:
        scope = self.kept.scope(claim_id)
        challenged = any(True for _ in self.kept.undercut_ties(scope))
        return STANDING_WITH_TIES if challenged or self.kept.bare_ties(scope) else STANDING_VERSION

    def _drop(self, ref: str) -> tuple[Reason, Dropped]:
        by = [one for one in self.kept.undercuts(ref) if self.labels.of.get(one.id) == "IN"]
        why: Literal["owner", "undercut", "source"] = "source"
        if by:
            why = "owner" if any(self.labels.owner(one) for one in by) else "undercut"
            fallen = [one.id for one in by]
        else:
            link = self.kept.link(ref)
            fallen = []
            for tip in self.derivation.tips(link.source if link else ref):
                if self.labels.out(tip) or link is None:
                    fallen.append(tip)
                else:
                    fallen += self.kept.supports(tip, link.target)
        return (
            Reason(code=f"dropped-by-{why}" if why == "owner" else f"dropped-{why}", ref=ref),
            Dropped(id=ref, by=tuple(sorted(fallen)), why=why),
        )

    def _by_coder(self, claim: Claim) -> dict[str, str | None] | None:
        supports = self.kept.supports_into(claim.id)
        coders = sorted({link.publisher for link in supports if link.publisher is not None})
        if self.kept.coder is not None or len(coders) < 2:
            return None
        levels = {}
        for coder in coders:
            alone = _Weighing(self.kept.view, self.kept.reader, self.kept.at, coder)
            alone.label(alone.kept.scope(claim.id))
            levels[coder] = alone.level(claim)[0]
        return levels

    def _inputs_sha256(self, claim_id: str, version: str) -> str:
        plain = version == STANDING_VERSION
        scope = self.kept.reach(claim_id) if plain else self.kept.scope(claim_id)
        inputs = {ref: self.kept.sha256(ref) for ref in scope}
        # Ties of a party class reach over parties that made nothing here, so they are followed.
        made_by = [p for ref in scope if (e := self.kept.evidence(ref)) for p in e.x.producer_refs]
        for link in self.kept.control_over(made_by, set()):
            inputs[link.id] = self.kept.sha256(link.id)
        value = {
            "algorithm": {**ALGORITHM, "version": version},
            "at": rfc3339(self.kept.at) if self.kept.at else None,
            "claim": claim_id,
            "coder": self.kept.coder,
            "for": self.kept.reader or "public",
            "inputs": sorted([ref, sha256] for ref, sha256 in inputs.items()),
        }
        return hashlib.sha256(canonical.encode(value)).hexdigest()
