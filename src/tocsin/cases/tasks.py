"""Tasks: what one party asks of another, from the offer to its verification.

Spec: respond.md §1.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import structs

from tocsin.cases.happening import Handler, Happening, NoEffect, not_before, utc_text
from tocsin.cases.members import Members
from tocsin.cases.model import TaskState, TaskWord
from tocsin.claims.times import instant

TASK_FLOOR = timedelta(hours=1)


class Tasks:
    """Every task of a case, by item."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._tasks: dict[str, TaskState] = {}
        self._offers: dict[str, str] = {}
        """Offering statement -> item."""
        self._bids: dict[str, tuple[str, str]] = {}
        """Bidding statement -> item and bidder."""
        self.handlers: Mapping[str, Handler] = {
            "task.offer": self._offer,
            "task.accept": self._accept,
            "task.refuse": self._refuse,
            "task.block": self._block,
            "task.done": self._done,
            "task.verify": self._verify,
            "task.return": self._return,
            "task.cancel": self._cancel,
            "task.bid": self._bid,
            "task.agree": self._agree,
        }

    def _offer(self, event: Happening) -> None:
        self._members.must_be_member(event)
        body = event.body
        to = body["to"]
        if to != "open" and not self._members.knows(to):
            raise NoEffect("void-field")
        old = self._tasks.get(event.item)
        if old is not None:
            event.must_be_by(old.offerer)
            if old.state in ("VERIFIED", "CANCELLED"):
                raise NoEffect("stale")
        floor = event.at + TASK_FLOOR
        self._offers[event.id] = event.item
        self._tasks[event.item] = TaskState(
            item=event.item,
            offerer=event.author,
            to=to,
            title=body["title"],
            text=body["text"],
            criteria=body["criteria"],
            due=utc_text(not_before(body["due"], floor)),
            accept_by=utc_text(not_before(body["accept_by"], floor)),
            offer=event.id,
            state="OFFERED",
            since=event.time,
            addressee=None if to == "open" else to,
            assist=body.get("assist"),
        )

    def _task(self, event: Happening) -> TaskState:
        """The task, if it is still open."""
        task = self._tasks.get(event.item)
        if task is None:
            raise NoEffect("bad-order")
        if task.state in ("VERIFIED", "CANCELLED"):
            raise NoEffect("stale")
        return task

    def _addressed(self, event: Happening) -> TaskState:
        """The task, if this is its addressee speaking."""
        task = self._task(event)
        event.must_be_by(task.addressee)
        return task

    def _to_offer(self, task: TaskState, event: Happening) -> None:
        if event.re != task.offer:
            raise NoEffect("stale" if self._offers.get(event.re) == task.item else "bad-order")

    def _turn(self, task: TaskState, event: Happening, state: TaskWord, **fields: Any) -> None:
        self._tasks[task.item] = structs.replace(
            task,
            state=state,
            since=event.time,
            reason=event.reason,
            late=task.late or event.late,
            changed=task.changed or event.changed,
            jumped=(*task.jumped, *event.jumped),
            **fields,
        )

    def _answer(self, event: Happening, state: TaskWord) -> None:
        task = self._addressed(event)
        self._to_offer(task, event)
        if task.state in ("DONE", "RETURNED"):
            raise NoEffect("bad-order")
        event.late = task.state == "OFFERED" and event.at > instant(task.accept_by)
        event.changed = task.state in ("ACCEPTED", "REFUSED") and task.state != state
        self._turn(task, event, state)

    def _accept(self, event: Happening) -> None:
        self._answer(event, "ACCEPTED")

    def _refuse(self, event: Happening) -> None:
        self._answer(event, "REFUSED")

    def _taken(self, event: Happening) -> TaskState:
        """The addressee's task, its acceptance implied where it was skipped."""
        task = self._addressed(event)
        if task.state in ("OFFERED", "REFUSED"):
            event.jumped.append("task.accept")
            event.late = event.at > instant(task.accept_by)
            event.changed = task.state == "REFUSED"
        return task

    def _block(self, event: Happening) -> None:
        task = self._taken(event)
        if task.state == "DONE":
            raise NoEffect("bad-order")
        self._turn(task, event, "BLOCKED")

    def _done(self, event: Happening) -> None:
        task = self._taken(event)
        event.late = event.late or event.at > instant(task.due)
        self._turn(task, event, "DONE", evidence=event.body["evidence"])

    def _offered(self, event: Happening) -> TaskState:
        """The task, if this is its offerer speaking."""
        task = self._task(event)
        event.must_be_by(task.offerer)
        return task

    def _verify(self, event: Happening) -> None:
        task = self._offered(event)
        if task.state != "DONE":
            raise NoEffect("bad-order")  # a jump over another's transition
        self._turn(task, event, "VERIFIED")

    def _return(self, event: Happening) -> None:
        task = self._offered(event)
        if task.state != "DONE":
            raise NoEffect("bad-order")
        self._turn(task, event, "RETURNED")

    def _cancel(self, event: Happening) -> None:
        self._turn(self._offered(event), event, "CANCELLED")

    def _bid(self, event: Happening) -> None:
        task = self._task(event)
        one = self._members.parties.get(event.author)
        if one is None or one.state in ("LEFT", "REMOVED"):
            raise NoEffect("not-member")
        if task.to != "open" or event.author == task.offerer:
            raise NoEffect("bad-order")
        self._to_offer(task, event)
        self._bids[event.id] = (event.item, event.author)
        others = tuple(bid for bid in task.bids if bid[0] != event.author)
        event.changed = others != task.bids
        self._tasks[event.item] = structs.replace(task, bids=(*others, (event.author, event.id)))

    def _agree(self, event: Happening) -> None:
        task = self._offered(event)
        item, bidder = self._bids.get(event.re, ("", ""))
        if item != event.item:
            raise NoEffect("bad-order")
        if (bidder, event.re) not in task.bids or task.state != "OFFERED":
            raise NoEffect("stale")
        # A bid is its bidder's word that it will do it: nothing is left to accept.
        self._turn(task, event, "ACCEPTED", addressee=bidder)

    def at(self, now: datetime) -> tuple[TaskState, ...]:
        """Every task, in the order in which they were first offered."""
        return tuple(self._task_at(one, now) for one in self._tasks.values())

    def _task_at(self, one: TaskState, now: datetime) -> TaskState:
        if one.state == "OFFERED" and now > instant(one.accept_by):
            return structs.replace(one, state="LAPSED", since=one.accept_by)
        open_ = one.state in ("ACCEPTED", "BLOCKED", "RETURNED")
        return structs.replace(one, overdue=open_ and now > instant(one.due))
