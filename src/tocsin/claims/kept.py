"""What one reader has of a view: known by then, of this coder, not taken back, and its access.

Everything else that is computed for a standing asks here what there is, and never the view.

Spec: claims.md §2.2.1, 2.2.3, 2.2.4.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from tocsin.claims.model import ACCESS, TIES, Challenge, Claim, Evidence, Link, Ties, View
from tocsin.claims.times import dated_end, instant

_NOT_MATERIAL = frozenset({"identity", "note", "opinion"})


class Kept:
    """What of `view` is kept for a reader (None: the public), at a time, of one coder alone.

    None for a time is now, None for a coder is all of them. What is not kept is None or left out.
    """

    def __init__(
        self, view: View, reader: str | None, at: datetime | None, coder: str | None
    ) -> None:
        self.view = view
        self._ties: View | Ties = view if coder is None else view.coded.get(coder, Ties())
        self.reader = reader
        self.at = at
        self.coder = coder
        self._kept: dict[str, bool] = {}
        self._scope: tuple[str, list[str]] = ("", [])

    # --- 2.2.1 known by then, and of this coder

    def _then(self, known: datetime) -> bool:
        return self.at is None or known <= self.at

    def taken_back(self, ref: str) -> bool:
        """Whether its publisher had withdrawn it by then."""
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
                and not self.taken_back(ref)
                and self._known(one.source, one.known)
                and self._known(one.target, one.known)
            )
        return one if kept else None

    def _links(self, index: Mapping[str, tuple[str, ...]], ref: str) -> Iterator[Link]:
        for one in index.get(ref, ()):
            link = self.link(one)
            if link is not None:
                yield link

    def supports_into(self, target: str) -> Iterator[Link]:
        """The supports of a claim or challenge."""
        return self._links(self._ties.supports_into, target)

    def supports(self, source: str, target: str) -> list[str]:
        """Ids of the supports of one by the other."""
        supports = self._links(self._ties.supports_from, source)
        return [link.id for link in supports if link.target == target]

    def derived_out(self, source: str) -> Iterator[Link]:
        """What a piece of evidence is said to derive from."""
        return self._links(self._ties.derived_out, source)

    def only_said_by_the_original(self, target: str) -> Iterator[Link]:
        """What only those who made a piece say derives from it."""
        for link in self._links(self._ties.derived_into, target):
            if self.binds(link, target) and not self.binds(link, link.source):
                yield link

    def controls(self, identity: str) -> Iterator[Link]:
        """Every `controlled-by` that has this identity at one end."""
        return self._links(self._ties.controls, identity)

    def binds(self, link: Link, end: str) -> bool:
        """Whether a tie, if it stands, lowers what counts of `end`, one of its two ends (2.2.5).

        A sourced one does at both. Else it takes the word of whoever `end` is, or of one who made
        it: what others say of it is a rival's bare word.
        """
        if link.urls:
            return True
        if link.kind == "controlled-by":
            return link.publisher == end
        one = self.evidence(end)
        return one is not None and link.publisher in one.x.producer_refs

    def challenges_on(self, ref: str) -> Iterator[Challenge]:
        for one in self.view.challenges_on.get(ref, ()):
            challenge = self.challenge(one)
            if challenge is not None:
                yield challenge

    def undercuts(self, ref: str) -> Iterator[Challenge]:
        """The challenges that say of a piece, support or challenge that it carries nothing."""
        return (one for one in self.challenges_on(ref) if one.x.form == "undercut")

    def status(self, one: Claim | Challenge) -> str:
        """The latest status that the speaker or the publisher gave, else open.

        What was taken back by a statement stays so, whatever dates its own words bear: they were
        written before.
        """
        if self.taken_back(one.id):
            return "withdrawn"
        heard = [
            (dated_end(event.at), number, event.status)
            for number, event in enumerate(one.x.status_events)
            if event.by_ref in (one.x.speaker_ref, one.publisher)
        ]
        return max((h for h in heard if self._then(h[0])), default=(None, 0, "open"))[2]

    def in_force(self, one: Claim | Challenge) -> bool:
        return self.status(one) not in ("withdrawn", "superseded")

    # --- 2.2.3, 2.2.4 access

    def access(self, one: Evidence) -> str:
        """Access for this reader; open access to nothing attached is a description."""
        if self.taken_back(one.id):
            return "none"
        access = self.access_given(one)
        if access not in ACCESS:
            return "none"
        if access in ("inspectable", "reproduced") and not self._attached(one):
            return "described"
        return access

    def access_given(self, one: Evidence) -> str:
        """What its publisher says of it: this reader's own access, else that of all."""
        return one.x.access_for.get(self.reader or "", one.x.access)

    def _attached(self, one: Evidence) -> bool:
        return bool(one.urls) or any(
            ref in self.view.objects
            and ref != one.id
            and ref.partition("--")[0] not in _NOT_MATERIAL
            and self._known(ref, one.known)
            for ref in one.object_refs
        )

    def is_open(self, one: Evidence) -> bool:
        """Whether this reader can look at it."""
        return self.access(one) in ("inspectable", "reproduced")

    def counted(self, one: Evidence) -> bool:
        """Whether it was shown or at least described to this reader."""
        return self.access(one) in ("described", "inspectable", "reproduced")

    # --- 2.4 what a standing is computed from

    def scope(self, claim_id: str) -> Sequence[str]:
        """Ids of everything that a standing of this claim rests on.

        Of a claim that is set against it that is what its base rests on, and not who answers it.
        Of the ties between parties only what challenges them is in it: see `control_over`.
        """
        if self._scope[0] != claim_id:  # every step of one weighing asks for the same
            self._scope = claim_id, self._reached(claim_id, answers=False)
        return self._scope[1]

    def reach(self, claim_id: str) -> Sequence[str]:
        """`scope`, and whatever is set against what is set against it, however far: what the rules
        of 2.0 call the inputs.
        """
        return self._reached(claim_id, answers=True)

    def _reached(self, claim_id: str, *, answers: bool) -> list[str]:
        seen = {claim_id}
        parties: set[str] = set()
        rest = [claim_id]
        while rest:
            ref = rest.pop()
            near = []
            if answers or ref == claim_id or ref not in self.view.claims:
                near += [one.id for one in self.challenges_on(ref)]
            for link in self.supports_into(ref):
                near += (link.id, link.source)
            for link in self.derived_out(ref):
                if self.binds(link, ref):
                    near += (link.id, link.target)
            near += [link.id for link in self.only_said_by_the_original(ref)]
            challenge = self.challenge(ref)
            if challenge is not None and challenge.x.counter_claim_ref is not None:
                near.append(challenge.x.counter_claim_ref)
            evidence = self.evidence(ref) if self.view.challenged_ties else None
            if evidence is not None:
                for link in self.control_over(evidence.x.producer_refs, parties):
                    near += [one.id for one in self.challenges_on(link.id)]
            for one in near:
                if one not in seen:
                    seen.add(one)
                    rest.append(one)
        return sorted(seen)

    def control_over(self, producers: Iterable[str], seen: set[str]) -> Iterator[Link]:
        """Every `controlled-by` that binds these parties, or one whom it leads to; some come twice.

        `seen`: parties that were walked, and are not again; added to.
        """
        rest = [one for one in producers if one not in seen]
        seen.update(rest)
        while rest:
            party = rest.pop()
            for link in self.controls(party):
                if self.binds(link, party):
                    yield link
                    new = {link.source, link.target} - seen
                    seen |= new
                    rest += new

    def bare_ties(self, scope: Iterable[str]) -> bool:
        """Whether a tie is on something in `scope`, or on a party behind it, that has no source
        and is not a copy's own word: rules before 2.2 take it for more, or for less, than it is.
        """
        parties: set[str] = set()
        for ref in scope:
            if any(not self.binds(link, ref) for link in self.derived_out(ref)):
                return True
            if any(True for _ in self.only_said_by_the_original(ref)):
                return True
            one = self.evidence(ref)
            if one is not None:
                deque(self.control_over(one.x.producer_refs, parties), maxlen=0)
        return any(not link.urls for party in parties for link in self.controls(party))

    def undercut_ties(self, scope: Iterable[str]) -> Iterator[tuple[Challenge, Link]]:
        """(undercut, tie) of every undercut in `scope` that is on a tie."""
        for ref in scope if self.view.challenged_ties else ():
            one = self.challenge(ref)
            link = self.link(one.target) if one is not None else None
            on_tie = link is not None and link.kind in TIES
            if one is not None and link is not None and on_tie and one.x.form == "undercut":
                yield one, link

    def sha256(self, ref: str) -> str | None:
        """Digest of the bytes held; None where they are not held, not yet said, or taken back."""
        if self.taken_back(ref):
            return None
        for one in (self.claim(ref), self.evidence(ref), self.challenge(ref), self.link(ref)):
            if one is not None:
                return one.sha256
        carried = (self.view.claims, self.view.evidence, self.view.challenges, self.view.links)
        if any(ref in each for each in carried):
            return None
        held = self.view.objects.get(ref)
        return held.sha256 if held is not None else None
