"""Holds: what parties promised not to do before when, to whom each is bound, and how one ends.

Spec: respond.md §1.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from tocsin.cases.happening import Handler, Happening, NoEffect, utc_text
from tocsin.cases.members import Members
from tocsin.cases.model import Binding, HoldAnswer, HoldAnswerWord, HoldState
from tocsin.claims.times import instant

HOLD_FLOOR = timedelta(hours=24)
OPERATIONAL_LIMIT = timedelta(days=30)
_END_AT_ONCE = ("public", "exploit-public")


class _Hold(Struct, kw_only=True):
    """What has been promised about one hold so far."""

    kind: str
    proposer: str
    rev: int
    proposals: list[str]
    terms: str
    text: str
    ends_at: datetime
    max_at: datetime
    go_at: str | None
    answer_by: datetime
    bindings: dict[str, Binding] = {}
    answers: dict[str, HoldAnswer] = {}
    end_signed: dict[str, str] = {}
    ended_at: str | None = None
    end_reason: str | None = None

    @property
    def end(self) -> datetime:
        return min(self.ends_at, self.max_at)


class Holds:
    """Every hold of a case, by item."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._holds: dict[str, _Hold] = {}
        self.handlers: Mapping[str, Handler] = {
            "hold.propose": self._propose,
            "hold.sign": self._sign,
            "hold.refuse": self._refuse,
            "hold.free": self._free,
            "hold.end": self._end,
        }

    def _propose(self, event: Happening) -> None:
        self._members.must_be_member(event)
        body = event.body
        old = self._holds.get(event.item)
        if old is not None:
            event.must_be_by(old.proposer)
            if old.ended_at is not None or body["rev"] <= old.rev:
                raise NoEffect("stale")
            if old.kind != body["hold_kind"]:
                raise NoEffect("void-field")
        max_at = instant(body["max_at"])
        if body["hold_kind"] == "operational" and max_at - event.at > OPERATIONAL_LIMIT:
            raise NoEffect("void-field")
        new = _Hold(
            kind=body["hold_kind"],
            proposer=event.author,
            rev=body["rev"],
            proposals=[*(old.proposals if old else ()), event.id],
            terms=body["terms"],
            text=body["text"],
            ends_at=instant(body["ends_at"]),
            max_at=max_at,
            go_at=body.get("go_at"),
            answer_by=event.at + HOLD_FLOOR,
            # Whoever signed an earlier revision stays on its terms until it signs this one.
            bindings=dict(old.bindings) if old else {},
            answers={},
            end_signed=dict(old.end_signed) if old else {},
        )
        self._holds[event.item] = new
        self._bind(new, event)

    def _bind(self, hold: _Hold, event: Happening) -> None:
        hold.bindings[event.author] = Binding(
            party=event.author,
            rev=hold.rev,
            terms=hold.terms,
            ends_at=utc_text(hold.end),
            since=event.time,
            id=event.id,
        )
        self._answer(hold, event, "SIGNATORY")

    def _answer(self, hold: _Hold, event: Happening, word: HoldAnswerWord) -> None:
        before = hold.answers.get(event.author)
        event.changed = before is not None and before.state != word
        event.late = event.at > hold.answer_by and before is None
        hold.answers[event.author] = HoldAnswer(
            party=event.author,
            state=word,
            at=event.time,
            reason=event.reason,
            late=event.late,
            changed=event.changed,
        )

    def _hold(self, event: Happening) -> _Hold:
        """The hold, if it has not ended."""
        hold = self._holds.get(event.item)
        if hold is None:
            raise NoEffect("bad-order")
        if hold.ended_at is not None:
            raise NoEffect("stale")
        return hold

    def _proposal(self, event: Happening) -> _Hold:
        """The hold an answer is to, if it is to the revision that stands and over its terms."""
        hold = self._hold(event)
        self._members.must_be_member(event)
        if event.re != hold.proposals[-1]:
            raise NoEffect("stale" if event.re in hold.proposals else "bad-order")
        if event.body["terms"] != hold.terms:
            raise NoEffect("void-field")
        if event.at >= hold.end:
            raise NoEffect("stale")
        return hold

    def _sign(self, event: Happening) -> None:
        self._bind(self._proposal(event), event)

    def _refuse(self, event: Happening) -> None:
        hold = self._proposal(event)
        bound = hold.bindings.get(event.author)
        if bound is not None and bound.rev == hold.rev:
            del hold.bindings[event.author]
        self._answer(hold, event, "DECLINED")

    def _free(self, event: Happening) -> None:
        hold = self._hold(event)
        bound = hold.bindings.get(event.author)
        if bound is None:
            raise NoEffect("bad-order")
        if bound.terms != event.body["terms"]:
            raise NoEffect("void-field")
        del hold.bindings[event.author]
        if bound.rev == hold.rev:
            self._answer(hold, event, "FREED")

    def _end(self, event: Happening) -> None:
        hold = self._hold(event)
        reason = event.body["reason"]
        at_once = hold.kind == "disclosure" and reason in _END_AT_ONCE
        if hold.kind == "operational" and reason in _END_AT_ONCE:
            raise NoEffect("void-field")
        bound = hold.bindings.get(event.author)
        if not (at_once and bound is not None and event.at < instant(bound.ends_at)):
            self._members.must_be_coordinator(event)
            hold.end_signed[event.author] = reason
            counted = [who for who in hold.end_signed if self._members.is_coordinator(who)]
            if len(counted) < self._members.quorum:
                return
        hold.ended_at, hold.end_reason = event.time, reason

    def at(self, now: datetime) -> tuple[HoldState, ...]:
        """Every hold, the one that ends first first."""
        holds = [self._hold_at(item, hold, now) for item, hold in self._holds.items()]
        return tuple(sorted(holds, key=lambda hold: (hold.ends_at, hold.item)))

    def _hold_at(self, item: str, hold: _Hold, now: datetime) -> HoldState:
        over = hold.ended_at is not None
        bound = [one for one in hold.bindings.values() if not over and now < instant(one.ends_at)]
        unanswered = tuple(who for who in self._members.joined() if who not in hold.answers)
        ended = over or (not bound and now >= hold.end)
        return HoldState(
            item=item,
            kind="disclosure" if hold.kind == "disclosure" else "operational",
            proposer=hold.proposer,
            rev=hold.rev,
            proposal=hold.proposals[-1],
            terms=hold.terms,
            text=hold.text,
            ends_at=utc_text(hold.end),
            max_at=utc_text(hold.max_at),
            go_at=hold.go_at,
            answer_by=utc_text(hold.answer_by),
            state="ENDED" if ended else "IN_FORCE",
            in_force=bool(bound),
            signatories=tuple(one.party for one in bound),
            bindings=tuple(hold.bindings.values()),
            answers=tuple(hold.answers.values()),
            unanswered=unanswered,
            silent=bool(unanswered) and now > hold.answer_by,
            end_signed=tuple(sorted(hold.end_signed)) if not over else (),
            end_reason=hold.end_reason,
            ended_at=hold.ended_at or (utc_text(hold.end) if ended else None),
        )
