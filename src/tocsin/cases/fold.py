"""The fold: what a case is at `now`, made of its signed statements and nothing else. Pure.

A transition is a statement signed by the party that owns it. Order comes from the authors' chains
and from what answers what, never from arrival; what is missing is waited for, what has no effect
is shown with the reason, and silence is computed at `now`, never stored.

Spec: respond.md §1, rules 1-9.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from tocsin.cases.advisories import Advisories
from tocsin.cases.events import EVENTS, LATER, family, fits
from tocsin.cases.happening import Handler, Happening, NoEffect, utc_text
from tocsin.cases.holds import Holds
from tocsin.cases.members import Members
from tocsin.cases.model import CaseState, Equivocation, Happened, Said, Void, WaitingFor
from tocsin.cases.notices import Notices
from tocsin.cases.order import answers, event_of, ordered, waits
from tocsin.cases.tasks import Tasks
from tocsin.claims.times import instant

MAX_WAITING = 10_000
CLOCK_SKEW = timedelta(minutes=5)
"""How much later than the log an author's clock may be before its time is disputed."""


def fold(
    statements: Iterable[Said],
    directory: Collection[str],
    now: datetime,
    withheld: Collection[tuple[str, int]] = frozenset(),
) -> CaseState:
    """The state of a case at `now`, the same for every order of `statements`.

    Args:
        statements: what the reader may read of one case; visibility was decided before.
        directory: party ids; an invitation of anyone else is void. Empty: not asked.
        now: aware; only silence and lapses depend on it.
        withheld: (author, seq) of statements that exist and that this reader may not read.
    """
    found = ordered(statements, withheld)
    unseen = frozenset(author for author, _ in withheld)
    case = _Fold(Members(frozenset(directory), unseen), found.times)
    opened = any(s.kind == "act" and s.body.get("event") == "case.open" for s in found.order)
    unopened: list[WaitingFor] = []
    for said in found.order:
        if not opened and said.kind in ("act", "cosign"):
            # Its opening is not for this reader: nobody can tell here whose the case is.
            unopened.append(waits(said, ("case.open",)))
        else:
            case.apply(said)
    every = sorted([*found.waiting, *unopened], key=lambda one: (one.author, one.id))
    return case.at(now.astimezone(UTC), tuple(every), found.equivocations)


class _Fold:
    """The case while its statements are applied one after the other.

    Every family of events keeps its own state; what is about any statement is kept here.
    """

    def __init__(self, members: Members, claimed: Mapping[str, datetime]) -> None:
        self.claimed = claimed
        self.members = members
        self.holds = Holds(members)
        self.notices = Notices(members)
        self.tasks = Tasks(members)
        self.advisories = Advisories(members)
        self.handlers: Mapping[str, Handler] = {
            **members.handlers,
            **self.holds.handlers,
            **self.notices.handlers,
            **self.tasks.handlers,
            **self.advisories.handlers,
        }
        self.times: dict[str, datetime] = {}
        self.clock: dict[str, datetime] = {}
        self.authors: dict[str, str] = {}
        self.latest: dict[tuple[str, str, str, str], bytes] = {}
        self.timeline: list[Happened] = []
        self.void: list[Void] = []
        self.later: list[str] = []

    def apply(self, said: Said) -> None:
        at, disputed = self._time(said)
        self.times[said.id] = at
        self.clock[said.author] = at
        self.authors[said.id] = said.author
        name = event_of(said)
        item = said.body.get("item")
        shown = item if isinstance(item, str) else None
        event = Happening(
            id=said.id,
            author=said.author,
            name=name,
            item=shown or "",
            body=said.body,
            at=at,
            jumped=[],
        )
        try:
            if said.kind == "act" or name == "notice.ack":
                self._act(said, event)
            elif said.kind == "cosign":
                self._ceiling(said)
                self.advisories.cosign(event, said.refs)
            elif said.kind == "withdraw":
                self._withdraw(said)
        except NoEffect as wrong:
            self.members.undo(event)
            self.void.append(
                Void(
                    id=said.id,
                    reason=wrong.reason,
                    author=said.author,
                    event=name,
                    item=shown,
                    at=utc_text(at),
                )
            )
            return
        self.timeline.append(
            Happened(
                at=utc_text(at),
                author=said.author,
                event=name,
                item=shown,
                id=said.id,
                jumped=tuple(event.jumped),
                late=event.late,
                changed=event.changed,
                disputed=disputed,
                claimed=event.claimed,
            )
        )

    def _time(self, said: Said) -> tuple[datetime, bool]:
        """Rule 3: its own time, or the log's bound, and never before what it follows."""
        at = self.claimed[said.id]
        disputed = False
        if said.not_before is not None and instant(said.not_before) > at:
            at, disputed = instant(said.not_before), True
        elif said.not_after is not None and at > instant(said.not_after) + CLOCK_SKEW:
            at, disputed = instant(said.not_after), True
        earlier = [self.times[ref] for ref in answers(said) if ref in self.times]
        if said.author in self.clock:
            earlier.append(self.clock[said.author])
        return max([at, *earlier]), disputed

    def _act(self, said: Said, event: Happening) -> None:
        if event.name not in EVENTS:
            known = isinstance(said.body.get("event"), str)
            raise NoEffect("unknown-event" if known else "void-field")
        if not fits(event.name, said.body) or ("re" in said.body and event.re not in said.refs):
            raise NoEffect("void-field")
        if event.name != "case.open":
            self._ceiling(said)
        # The same again by the same author counts once; going back and forth is a change of mind.
        slot = (event.author, family(event.name), event.item, _subject(said.body))
        content = orjson.dumps(
            [said.kind, said.body, sorted(said.objects)], option=orjson.OPT_SORT_KEYS
        )
        if self.latest.get(slot) == content:
            raise NoEffect("duplicate")
        if event.name in LATER:
            self._later(event)
        else:
            self.handlers[event.name](event)
        self.latest[slot] = content

    def _ceiling(self, said: Said) -> None:
        if self.members.over_ceiling(said.tlp):
            raise NoEffect("over-ceiling")

    def _withdraw(self, said: Said) -> None:
        """A co-signature is taken back by a `withdraw`; of other statements nothing is folded."""
        if any(self.authors.get(ref, said.author) != said.author for ref in said.refs):
            raise NoEffect("not-owner")
        self.advisories.take_back(said.author, said.refs)

    # --- known events of parts that keep no state yet

    def _later(self, event: Happening) -> None:
        self.members.must_be_member(event)
        coordinator = ("play.prepare", "play.start", "play.resume", "play.abort")
        if event.name in coordinator:
            self.members.must_be_coordinator(event)
        its_own = (event.author, self.members.parties[event.author].role)
        event.claimed = event.name == "clock.start" and event.body["owed_by"] not in its_own
        self.later.append(event.id)

    # --- rule 7: what silence has come to at `now`

    def at(
        self,
        now: datetime,
        waiting: tuple[WaitingFor, ...],
        equivocations: tuple[Equivocation, ...],
    ) -> CaseState:
        opening = self.members.opening
        body = opening.body if opening is not None else {}
        quorum = body.get("quorum", {"k": 1, "of": 1})
        of = quorum["of"]
        return CaseState(
            now=utc_text(now),
            title=body.get("title", ""),
            class_=body.get("class", ""),
            tlp=body.get("tlp", "RED"),
            stage=self.members.stage,
            owner=self.members.owner,
            pap=body.get("pap"),
            lang=body.get("lang"),
            quorum_k=quorum["k"],
            quorum_of=of if isinstance(of, int) else len(of),
            opened_at=opening.time if opening is not None else None,
            tracking_ids=tuple(dict.fromkeys(self.members.tracking)),
            parties=self.members.at(now),
            holds=self.holds.at(now),
            notices=self.notices.at(now),
            tasks=self.tasks.at(now),
            advisories=self.advisories.at(now),
            void=tuple(self.void),
            waiting=waiting[:MAX_WAITING],
            incomplete=len(waiting) > MAX_WAITING,
            equivocations=equivocations,
            timeline=tuple(self.timeline),
            later=tuple(self.later),
        )


def _subject(body: Mapping[str, Any]) -> str:
    """Whom an event of a shared item is about."""
    about = body.get("party") or body.get("recipient") or ""
    return about if isinstance(about, str) else ""
