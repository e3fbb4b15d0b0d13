"""What one reader knows at one time, with names put to ids: where every page of claims begins.

What stands beside a claim comes in the version of that time; a party's name is the one it gives
itself in the directory.

Spec: claims.md §2.2.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from tocsin.claims.kept import Kept
from tocsin.claims.model import Challenge, Claim, Dated, View
from tocsin.claims.standing import Standing, level, standing
from tocsin.claims.times import instant
from tocsin.errors import ClaimError, NotFoundError, UsageError
from tocsin.flows.held import Library, Seen, by_then, seen
from tocsin.flows.intake import not_found
from tocsin.flows.weighed import Borne, Name
from tocsin.policy import Reader
from tocsin.store.interface import Kept as KeptStatement
from tocsin.store.interface import KeptObject

_T = TypeVar("_T")


class Known:
    """What a reader holds (`have`) as it was known at `at`; None: now."""

    def __init__(self, node: Library, have: Seen, at: datetime | None = None) -> None:
        self.node = node
        self.have = have
        self.at = at
        self._names: dict[str, Name] = {}

    @cached_property
    def view(self) -> View:
        return self.have.at(self.at)

    @cached_property
    def who(self) -> str | None:
        """The reader's identity, for which its own access to evidence is looked up."""
        return identity_of(self.node, self.have.reader)

    @cached_property
    def kept(self) -> Kept:
        """What counts of all that is held."""
        return Kept(self.view, self.who, self.at, None)

    # --- claims and what stands beside them

    def claim(self, id: str) -> Claim:
        """A claim in the version of then; one said later as it was said. Raises NotFoundError."""
        return self.view.claims.get(id) or claim_in(self.have, id)

    def claims(self) -> list[Claim]:
        """What had been said by then, in the order in which it became known."""
        return sorted(
            (one for one in self.view.claims.values() if by_then(one.known, self.at)),
            key=lambda one: one.known,
        )

    def standing(self, claim: str) -> Standing:
        return standing(self.view, claim, reader=self.who, at=self.at)

    def standing_when_said(self, claim: Claim) -> Standing:
        """How a claim stood when it was said, by its date as it is given now.

        An earlier version may give a later date, or break the carrier: then the claim was none by
        that version, and the newest one counts.
        """
        return self._when_said(claim, standing)

    def level(self, claim: str) -> str | None:
        """Its level alone, which takes less time than `standing`."""
        return level(self.view, claim, reader=self.who, at=self.at)

    def level_when_said(self, claim: Claim) -> str | None:
        """The level of `standing_when_said`."""
        return self._when_said(claim, level)

    def _when_said(self, claim: Claim, weigh: Callable[..., _T]) -> _T:
        try:
            then = self.have.at(claim.known)
            return weigh(then, claim.id, reader=self.who, at=claim.known)
        except (ClaimError, NotFoundError):
            return weigh(self.have.view, claim.id, reader=self.who, at=claim.known)

    def challenges_on(self, target: str) -> list[Challenge]:
        found = [self.view.challenges[ref] for ref in self.view.challenges_on.get(target, ())]
        return [one for one in found if by_then(one.known, self.at)]

    def answers_to(self, claim: str) -> list[tuple[Claim, str | None]]:
        """(claim that answers this one, how)."""
        found = ((self.claim(ref), how) for ref, how in self.have.answers.get(claim, ()))
        return [(one, how) for one, how in found if by_then(one.known, self.at)]

    def answered_by(self, claim: str) -> list[tuple[Claim, str | None]]:
        """(claim that this one answers, how), by date."""
        targets = (
            (self.claim(target), how)
            for target, found in self.have.answers.items()
            for ref, how in found
            if ref == claim
        )
        known = [(one, how) for one, how in targets if by_then(one.known, self.at)]
        return sorted(known, key=lambda pair: (dated(pair[0].x.asserted_at), pair[0].id))

    def rivals_of(self, claim: str) -> list[Claim]:
        """Other accounts of the same matter."""
        found = (self.claim(ref) for ref in self.have.rivals.get(claim, ()))
        return [one for one in found if by_then(one.known, self.at)]

    def versions_of(self, ref: str) -> list[KeptObject]:
        """Every readable version of an object, oldest first; of what was said once, that one."""
        kept = self.have.kept.get(ref)
        return [one for _, one in self.have.revised.get(ref, ())] or ([kept] if kept else [])

    def statements_of(self, ref: str, sha256: str | None = None) -> list[KeptStatement]:
        """Every statement that said an object, as it came to the log.

        Args:
            sha256: only those that said this version of it.
        """
        said_by = {
            id
            for one in self.versions_of(ref)
            if sha256 in (None, one.sha256)
            for id in one.said_by
        }
        found = (self.node.store.statement(id, self.have.allowed) for id in said_by)
        return sorted((one for one in found if one is not None), key=lambda one: one.index)

    # --- names

    def name(self, ref: str) -> Name:
        if ref not in self._names:
            self._names[ref] = name_of(self.node, self.view, ref)
        return self._names[ref]

    def name_if(self, ref: str | None) -> Name | None:
        return self.name(ref) if ref else None

    def coder(self, publisher: str | None, speaker: str | None) -> Name | None:
        """Who coded a word that is not its own."""
        return None if publisher is None or publisher == speaker else self.name(publisher)

    def printed(self, claim: Claim) -> str | None:
        """The speaker as the source prints it, where that is not its name."""
        ref, printed = claim.x.speaker_ref, claim.x.speaker_as_printed
        return None if printed is None or (ref and self.name(ref).name == printed) else printed

    def called(self, ref: str) -> str:
        """What an object is called in a list: its name, or what it says and whose word it is."""
        view = self.view
        if ref in view.claims:
            claim = view.claims[ref]
            return f"{claim.x.claim_type} by {self._by(claim)}"
        if ref in view.challenges:
            challenge = view.challenges[ref]
            return f"{challenge.x.form} by {self._by(challenge)}"
        if ref in view.links:
            link = view.links[ref]
            return f"{link.kind}: {view.name(link.source)}"
        return view.name(ref)

    def _by(self, one: Claim | Challenge) -> str:
        speaker, behind = one.x.speaker_ref, one.x.speaks_for_ref
        by = self.view.name(speaker) if speaker else "a speaker not given"
        return f"{by} for {self.view.name(behind)}" if behind else by

    def borne(self, refs: Iterable[str]) -> tuple[Borne, ...]:
        """Objects as a sentence names them."""
        held = self.view.objects
        return tuple(
            Borne(id=ref, sha256=held[ref].sha256 if ref in held else None, name=self.called(ref))
            for ref in refs
        )


def known(
    node: Library, reader: Reader, case: str | None = None, at: datetime | None = None
) -> Known:
    """What a reader knows, of one case or of all."""
    return Known(node, seen(node, reader, case), at)


def claim_in(have: Seen, claim_id: str) -> Claim:
    """A claim among what a reader holds. Raises NotFoundError."""
    claim = have.view.claims.get(claim_id)
    if claim is None:
        raise not_found(f"claim {claim_id}")
    return claim


def identity_of(node: Library, reader: Reader) -> str | None:
    """The STIX identity for which a reader's own access is looked up."""
    return node.identity(reader.party) if reader.party else None


def name_of(node: Library, view: View, ref: str) -> Name:
    """The name an organisation gives itself in the directory, else in its identity object."""
    entry = node.everyone.by_identity(ref)
    if entry is not None:
        return Name(id=ref, name=entry.name, party=entry.id)
    return Name(id=ref, name=view.name(ref))


def party_name(node: Library, party: str) -> Name:
    """A party by its directory id; one the directory does not list keeps its id as name."""
    entry = node.everyone.party(party)
    return Name(
        id=entry.identity if entry else party, name=entry.name if entry else party, party=party
    )


def dated(when: Dated) -> str:
    """A date, or both ends of a span, as a page shows it."""
    return when.value if not when.until else f"{when.value} to {when.until}"


# --- times from outside -------------------------------------------------------------------------


def as_known(text: str | None) -> datetime | None:
    """An as-known time from outside: RFC 3339 with a zone, or a day (all of it, UTC).

    Raises:
        UsageError: anything else; a naive time above all.
    """
    return _outside(text, "T23:59:59.999999Z")


def since(text: str | None) -> datetime | None:
    """The time after which changes are asked for, as `as_known`; of a day its start, UTC.

    Raises:
        UsageError: as `as_known`.
    """
    return _outside(text, "T00:00:00Z")


def _outside(text: str | None, clock: str) -> datetime | None:
    if not text:
        return None
    value = text + clock if len(text) == 10 else text
    try:
        found = instant(value)
    except ValueError as wrong:
        raise UsageError(
            f"{text!r} is no time", remedy="write 2026-11-22T08:30:00Z or 2026-11-22"
        ) from wrong
    return found
