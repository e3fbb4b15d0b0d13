"""Whose case it is and who is in it: every family of events asks here who may do what.

Spec: respond.md §1.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import structs

from tocsin.cases.happening import Handler, Happening, NoEffect, not_before, utc_text
from tocsin.cases.model import PartyState, PartyWord
from tocsin.claims.times import instant
from tocsin.policy import TLP_RANK

INVITE_FLOOR = timedelta(hours=4)


class Members:
    """The case itself and its parties.

    `directory` holds the party ids that can be invited (empty: not asked), `unseen` the parties
    that have said something here which this reader may not read.
    """

    def __init__(self, directory: frozenset[str], unseen: frozenset[str]) -> None:
        self.opening: Happening | None = None
        self.owner: str | None = None
        self.stage = "OPEN"
        self.tracking: list[str] = []
        self.parties: dict[str, PartyState] = {}
        self._directory = directory
        self._unseen = unseen
        self._invites: dict[str, str] = {}
        self._removals: dict[str, set[str]] = {}
        self.handlers: Mapping[str, Handler] = {
            "case.open": self._open,
            "case.stage": self._stage,
            "case.invite": self._invite,
            "case.join": self._join,
            "case.leave": self._leave,
            "case.remove": self._remove,
            "case.track": self._track,
        }

    # --- what the families ask

    def knows(self, party: str) -> bool:
        """Whether the directory has this party."""
        return not self._directory or party in self._directory

    def over_ceiling(self, tlp: str) -> bool:
        """Whether a marking is stricter than the one the case was opened with."""
        if self.opening is None:
            return False
        return TLP_RANK.get(tlp, 9) > TLP_RANK[self.opening.body["tlp"]]

    def joined(self) -> list[str]:
        """Every party that is in the case now."""
        return [party for party in self.parties if self.is_member(party)]

    def is_member(self, party: str) -> bool:
        """Whether it has accepted and has neither left nor been removed."""
        one = self.parties.get(party)
        return one is not None and one.state == "ACCEPTED"

    def is_coordinator(self, party: str) -> bool:
        """Whether it may act for the case."""
        return self.is_member(party) and self.parties[party].role in ("owner", "coordinator")

    def must_be_member(self, event: Happening) -> None:
        """See that its author is in the case; an invited party that acts joins by it.

        Raises:
            NoEffect: it is not.
        """
        self._imply_join(event)
        if not self.is_member(event.author):
            raise NoEffect("not-member")

    def must_be_coordinator(self, event: Happening) -> None:
        """See that its author may act for the case.

        Raises:
            NoEffect: it may not.
        """
        self._imply_join(event)
        if not self.is_coordinator(event.author):
            raise NoEffect("not-owner")

    def _imply_join(self, event: Happening) -> None:
        """Rule 5: whoever is invited and acts as a member has joined; the answer is its own.

        It also serves a reader from whom the joining is withheld, as it was said before that
        reader was invited.
        """
        one = self.parties.get(event.author)
        if one is not None and one.state == "INVITED":
            event.jumped.append("case.join")
            event.before = one
            self.parties[event.author] = structs.replace(
                one,
                state="ACCEPTED",
                since=event.time,
                answered_at=event.time,
                late=one.rsvp_by is not None and event.at > instant(one.rsvp_by),
            )

    def undo(self, event: Happening) -> None:
        """Take back what an event implied: what is void joins nobody."""
        if event.before is not None:
            self.parties[event.author] = event.before

    @property
    def quorum(self) -> int:
        """How many coordinators have to sign what none of them may do alone."""
        return int(self.opening.body["quorum"]["k"]) if self.opening is not None else 1

    # --- its events

    def _open(self, event: Happening) -> None:
        if self.opening is not None:
            raise NoEffect("not-owner" if event.author != self.owner else "bad-order")
        self.opening = event
        self.owner = event.author
        self.parties[event.author] = PartyState(
            party=event.author, role="owner", state="ACCEPTED", since=event.time
        )

    def _stage(self, event: Happening) -> None:
        event.must_be_by(self.owner)
        self.stage = event.body["stage"]

    def _invite(self, event: Happening) -> None:
        self.must_be_coordinator(event)
        party = event.body["party"]
        if not self.knows(party):
            raise NoEffect("void-field")
        if self.is_member(party):
            raise NoEffect("bad-order")
        self._invites[event.id] = party
        self._removals.pop(party, None)
        self.parties[party] = PartyState(
            party=party,
            role=event.body["role"],
            state="INVITED",
            since=event.time,
            rsvp_by=utc_text(not_before(event.body["rsvp_by"], event.at + INVITE_FLOOR)),
            invited_by=event.author,
            invited_at=event.time,
            invite=event.id,
        )

    def _join(self, event: Happening) -> None:
        party = self._invites.get(event.re)
        if party is None:
            raise NoEffect("bad-order")
        event.must_be_by(party)
        one = self.parties[party]
        if one.invite != event.re or one.state in ("LEFT", "REMOVED"):
            raise NoEffect("stale")
        event.changed = one.answered_at is not None
        event.late = one.rsvp_by is not None and event.at > instant(one.rsvp_by)
        word: PartyWord = "ACCEPTED" if event.body["accept"] else "DECLINED"
        self.parties[party] = structs.replace(
            one,
            state=word,
            since=event.time,
            answered_at=event.time,
            reason=event.reason,
            late=event.late,
            changed=event.changed,
        )

    def _leave(self, event: Happening) -> None:
        self.must_be_member(event)
        if event.author == self.owner:
            raise NoEffect("bad-order")
        # Its holds stay: leaving a case is not leaving a promise.
        self.parties[event.author] = structs.replace(
            self.parties[event.author], state="LEFT", since=event.time, reason=event.reason
        )

    def _remove(self, event: Happening) -> None:
        self.must_be_coordinator(event)
        party = event.body["party"]
        one = self.parties.get(party)
        if one is None or party == self.owner or one.state in ("REMOVED", "LEFT", "DECLINED"):
            raise NoEffect("bad-order")
        signed = self._removals.setdefault(party, set())
        signed.add(event.author)
        # Signatures of coordinators who have left since are no longer a coordinator's.
        counted = sorted(who for who in signed if self.is_coordinator(who))
        if len(counted) < self.quorum:
            self.parties[party] = structs.replace(one, removal_signed=tuple(counted))
            return
        del self._removals[party]
        self.parties[party] = structs.replace(
            one, state="REMOVED", since=event.time, reason=event.reason, removal_signed=()
        )

    def _track(self, event: Happening) -> None:
        self.must_be_member(event)
        self.tracking.append(event.body["tracking_id"])

    # --- at an instant

    def at(self, now: datetime) -> tuple[PartyState, ...]:
        """The parties, in the order in which they came."""
        return tuple(self._party_at(one, now) for one in self.parties.values())

    def _party_at(self, one: PartyState, now: datetime) -> PartyState:
        # Whoever has said something here that this reader may not see is not silent.
        due = one.rsvp_by is not None and now > instant(one.rsvp_by)
        if one.state == "INVITED" and due and one.party not in self._unseen:
            return structs.replace(one, state="LAPSED", since=one.rsvp_by or one.since)
        return one
