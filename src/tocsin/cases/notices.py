"""Notices: whom a case tells, how many were reached, and what each recipient has said.

Spec: respond.md §1.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import structs

from tocsin.cases.happening import Handler, Happening, NoEffect, utc_text
from tocsin.cases.members import Members
from tocsin.cases.model import NoticeState, Recipient, RecipientWord
from tocsin.claims.times import instant

_RANK: dict[RecipientWord, int] = {
    "SENT": 0,
    "ESCALATED": 0,
    "ACKED": 1,
    "ASSESSED": 2,
    "MITIGATED": 3,
}
_HEARD: dict[str, RecipientWord] = {
    "ack": "ACKED",
    "acked": "ACKED",
    "assess": "ASSESSED",
    "assessed": "ASSESSED",
    "done": "MITIGATED",
    "mitigated": "MITIGATED",
}


class Notices:
    """Every notice of a case, by item."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._notices: dict[str, NoticeState] = {}
        self._item_of: dict[str, tuple[str, int]] = {}
        """Statement that planned or sent it -> item and revision."""
        self._heard_of: dict[str, dict[str, Recipient]] = {}
        """Item -> recipient -> its latest word, in the standing revision."""
        self.handlers: Mapping[str, Handler] = {
            "notice.plan": self._plan,
            "notice.sent": self._sent,
            "notice.ack": self._ack,
            "notice.assess": self._assess,
            "notice.done": self._done,
            "notice.heard": self._heard,
            "notice.escalate": self._escalate,
            "notice.retract": self._retract,
        }

    def _plan(self, event: Happening) -> None:
        self._members.must_be_coordinator(event)
        body = event.body
        if self._members.over_ceiling(body["tlp"]):
            raise NoEffect("over-ceiling")
        old = self._notices.get(event.item)
        if old is not None:
            event.must_be_by(old.planner)
            if old.state == "RETRACTED" or body["rev"] <= old.rev:
                raise NoEffect("stale")
        self._item_of[event.id] = (event.item, body["rev"])
        self._heard_of[event.item] = {}
        self._notices[event.item] = NoticeState(
            item=event.item,
            planner=event.author,
            rev=body["rev"],
            plan=event.id,
            state="SELECTED",
            count=body["count"],
            handed=0,
            bounced=0,
            ack_by=utc_text(instant(body["ack_by"])),
            assess_by=utc_text(instant(body["assess_by"])),
            tlp=body["tlp"],
            list_sha256=body["list"]["sha256"],
            text_sha256=body["text"]["sha256"],
            recipients=(),
            acked=0,
            assessed=0,
            mitigated=0,
            overdue=0,
        )

    def _planned(self, event: Happening) -> NoticeState:
        """The notice, if this is its planner speaking."""
        notice = self._notices.get(event.item)
        if notice is None:
            raise NoEffect("bad-order")
        event.must_be_by(notice.planner)
        if notice.state == "RETRACTED":
            raise NoEffect("stale")
        return notice

    def _sent(self, event: Happening) -> None:
        notice = self._planned(event)
        self._item_of[event.id] = (event.item, notice.rev)
        self._notices[event.item] = structs.replace(
            notice,
            state="SENT",
            handed=notice.handed + event.body["handed"],
            bounced=notice.bounced + event.body["bounced"],
        )

    def _answer(self, event: Happening, word: RecipientWord, status: str | None) -> None:
        found = self._item_of.get(event.re)
        if found is None or found[0] != event.item:
            raise NoEffect("bad-order")
        notice = self._notices[event.item]
        if event.author == notice.planner:
            raise NoEffect("not-owner")
        if found[1] != notice.rev or notice.state == "RETRACTED":
            raise NoEffect("stale")
        rows = self._heard_of[event.item]
        before = rows.get(event.author)
        own = before if before is not None and not before.by_proxy else None
        rank = _RANK[own.state] if own is not None else 0
        skipped = [
            name
            for name, place in (("notice.ack", 1), ("notice.assess", 2))
            if rank < place < _RANK[word]
        ]
        # The signer owns what it skipped, so it is implied (rule 5).
        event.jumped += skipped
        event.changed = own is not None and _RANK[word] <= rank
        due = notice.ack_by if word == "ACKED" else notice.assess_by
        event.late = event.at > instant(due)
        keeps = own is not None and rank > _RANK[word]
        rows[event.author] = Recipient(
            party=event.author,
            state=own.state if own is not None and keeps else word,
            at=event.time,
            status=status or (own.status if own is not None else None),
            late=event.late,
        )

    def _ack(self, event: Happening) -> None:
        self._answer(event, "ACKED", None)

    def _assess(self, event: Happening) -> None:
        self._answer(event, "ASSESSED", event.body["status"])

    def _done(self, event: Happening) -> None:
        self._answer(event, "MITIGATED", None)

    def _heard(self, event: Happening) -> None:
        self._planned(event)
        rows = self._heard_of[event.item]
        party, what = event.body["recipient"], event.body["what"]
        before = rows.get(party)
        if before is not None and not before.by_proxy and _RANK[before.state]:
            return  # it has spoken for itself
        statuses = ("affected", "not_affected", "investigating", "not_checked")
        rows[party] = Recipient(
            party=party,
            state="ASSESSED" if what in statuses else _HEARD.get(what, "ACKED"),
            at=event.time,
            status=what if what in statuses else None,
            by_proxy=True,
        )

    def _escalate(self, event: Happening) -> None:
        self._planned(event)
        rows = self._heard_of[event.item]
        party = event.body["recipient"]
        before = rows.get(party)
        if before is not None and _RANK[before.state]:
            raise NoEffect("bad-order")
        rows[party] = Recipient(
            party=party, state="ESCALATED", at=event.time, level=event.body["level"]
        )

    def _retract(self, event: Happening) -> None:
        notice = self._planned(event)
        self._notices[event.item] = structs.replace(notice, state="RETRACTED", reason=event.reason)

    def at(self, now: datetime) -> tuple[NoticeState, ...]:
        """Every notice, in the order in which they were first planned."""
        return tuple(self._notice_at(one, now) for one in self._notices.values())

    def _notice_at(self, one: NoticeState, now: datetime) -> NoticeState:
        rows = tuple(self._heard_of[one.item].values())
        counts = [sum(_RANK[row.state] >= rank for row in rows) for rank in (1, 2, 3)]
        past = one.state == "SENT" and now > instant(one.ack_by)
        return structs.replace(
            one,
            recipients=rows,
            acked=counts[0],
            assessed=counts[1],
            mitigated=counts[2],
            overdue=max(0, one.handed - counts[0]) if past else 0,
        )
