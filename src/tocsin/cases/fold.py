"""The fold: what a case is at `now`, made of its signed statements and nothing else. Pure.

A transition is a statement signed by the party that owns it. Order comes from the authors' chains
and from what answers what, never from arrival; what is missing is waited for, what has no effect
is shown with the reason, and silence is computed at `now`, never stored.

Spec: respond.md §1, rules 1-9.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from msgspec import Struct, structs

from tocsin.cases.events import EVENTS, LATER, family, fits, is_digest
from tocsin.cases.model import (
    CAPACITIES,
    COUNTED_CAPACITIES,
    AdvisoryState,
    AdvisoryWord,
    Binding,
    CaseState,
    Cosign,
    Equivocation,
    Happened,
    HoldAnswer,
    HoldState,
    NoticeState,
    PartyState,
    PartyWord,
    Recipient,
    RecipientWord,
    Said,
    TaskState,
    TaskWord,
    Void,
    VoidReason,
    WaitingFor,
)
from tocsin.claims.times import instant
from tocsin.policy import TLP_RANK

MAX_WAITING = 10_000
INVITE_FLOOR = timedelta(hours=4)
HOLD_FLOOR = timedelta(hours=24)
TASK_FLOOR = timedelta(hours=1)
OPERATIONAL_LIMIT = timedelta(days=30)
CLOCK_SKEW = timedelta(minutes=5)
"""How much later than the log an author's clock may be before its time is disputed."""

_END_AT_ONCE = ("public", "exploit-public")
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
    held, equivocations = _once(statements)
    held = _resaid(held)
    times = {ref: instant(said.time) for ref, said in held.items()}
    order, waiting = _order(held, times, frozenset(withheld))
    case = _Fold(frozenset(directory), times)
    case.unseen = frozenset(author for author, _ in withheld)
    opened = any(s.kind == "act" and s.body.get("event") == "case.open" for s in order)
    unopened: list[WaitingFor] = []
    for said in order:
        if not opened and said.kind in ("act", "cosign"):
            # Its opening is not for this reader: nobody can tell here whose the case is.
            unopened.append(_waits(said, ("case.open",)))
        else:
            case.apply(said)
    every = sorted([*waiting, *unopened], key=lambda one: (one.author, one.id))
    return case.at(now.astimezone(UTC), tuple(every), tuple(equivocations))


# --- rules 1 to 4: which statements, in which order ------------------------------------------


def _once(statements: Iterable[Said]) -> tuple[dict[str, Said], list[Equivocation]]:
    """Every statement once, and none of those by which an author contradicts its own chain."""
    held = {said.id: said for said in statements}
    places: dict[tuple[str, int], list[str]] = {}
    for said in held.values():
        places.setdefault((said.author, said.seq), []).append(said.id)
    doubled = []
    for (author, seq), ids in sorted(places.items()):
        if len(ids) > 1:
            doubled.append(Equivocation(author=author, seq=seq, ids=tuple(sorted(ids))))
            for ref in ids:
                del held[ref]
    return held, doubled


def _resaid(held: Mapping[str, Said]) -> dict[str, Said]:
    """Answers to a statement that this reader has only as said again to a wider circle.

    Whoever says an act again names the first one in `refs`; what answers the first one answers it.
    """
    again = {
        ref: said.id
        for said in sorted(held.values(), key=lambda s: s.id)
        if said.kind == "act" and "re" not in said.body
        for ref in said.refs
        if ref not in held
    }
    found = {}
    for ref, said in held.items():
        answered = said.body.get("re")
        if ref not in again.values() and again.keys() & {answered, *said.refs}:
            body = {**said.body, "re": again.get(answered, answered)} if answered else said.body
            refs = tuple(again.get(r, r) for r in said.refs)
            found[ref] = structs.replace(said, body=body, refs=refs)
        else:
            found[ref] = said
    return found


def _answers(said: Said) -> tuple[str, ...]:
    """Ids of the statements that have to come first: what it answers."""
    if said.kind == "cosign":
        return said.refs
    re = said.body.get("re")
    # What is no statement id cannot come: the event is void at once instead of waiting for ever.
    return (re,) if isinstance(re, str) and is_digest(re) else ()


def _order(
    held: Mapping[str, Said],
    times: Mapping[str, datetime],
    withheld: frozenset[tuple[str, int]],
) -> tuple[list[Said], list[WaitingFor]]:
    """Topological by chain and `re`, ties by (time, id); and what waits, with what it waits for."""
    missing: dict[str, list[str]] = {}
    before: dict[str, set[str]] = {ref: set() for ref in held}
    gap: dict[str, int] = {}
    last: dict[str, tuple[int, str | None]] = {}
    for said in sorted(held.values(), key=lambda s: (s.author, s.seq)):
        seq, earlier = last.get(said.author, (0, None))
        for between in range(seq + 1, said.seq):
            if (said.author, between) not in withheld:
                gap.setdefault(said.author, between)
                break
        if said.author in gap:
            missing.setdefault(said.id, []).append(f"{said.author} {gap[said.author]}")
        if earlier is not None:
            before[said.id].add(earlier)
        last[said.author] = (said.seq, said.id)
        for ref in _answers(said):
            if ref in held:
                before[said.id].add(ref)
            else:
                missing.setdefault(said.id, []).append(ref)
        if said.kind == "withdraw":
            before[said.id] |= {ref for ref in said.refs if ref in held}
    after: dict[str, list[str]] = {}
    for ref, earliers in before.items():
        for one in earliers:
            after.setdefault(one, []).append(ref)
    open_ends = {ref: len(earliers) for ref, earliers in before.items()}
    ready = [(times[r], r) for r, n in open_ends.items() if not n and r not in missing]
    heapq.heapify(ready)
    order: list[Said] = []
    while ready:
        _, ref = heapq.heappop(ready)
        order.append(held[ref])
        for one in after.get(ref, ()):
            open_ends[one] -= 1
            if not open_ends[one] and one not in missing:
                heapq.heappush(ready, (times[one], one))
    done = {said.id for said in order}
    waiting = [
        _waits(said, tuple(missing.get(ref) or sorted(before[ref] - done)))
        for ref, said in held.items()
        if ref not in done
    ]
    return order, waiting


def _waits(said: Said, for_: tuple[str, ...]) -> WaitingFor:
    return WaitingFor(id=said.id, for_=for_, author=said.author, event=_event_of(said))


def _event_of(said: Said) -> str:
    event = said.body.get("event")
    return event if said.kind in ("act", "ack") and isinstance(event, str) else said.kind


# --- times ------------------------------------------------------------------------------------


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _not_before(asked: str, floor: datetime) -> datetime:
    """A deadline, never below its floor: clamped up, never refused (rule 8)."""
    return max(instant(asked), floor)


class _Wrong(Exception):
    """The event is void for this reason; its neighbours are not touched (rule 6)."""

    def __init__(self, reason: VoidReason) -> None:
        super().__init__(reason)
        self.reason = reason


class _Event(Struct, kw_only=True):
    """A statement being applied, and what is learnt about it on the way."""

    id: str
    author: str
    name: str
    item: str
    body: Mapping[str, Any]
    at: datetime
    jumped: list[str] = []
    late: bool = False
    changed: bool = False
    claimed: bool = False
    before: PartyState | None = None
    """Its author as it was before this event implied its joining."""

    @property
    def time(self) -> str:
        return _text(self.at)

    @property
    def re(self) -> str:
        found: str = self.body["re"]
        return found

    @property
    def reason(self) -> str | None:
        found: str | None = self.body.get("reason")
        return found


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


class _Fold:
    """The case while its statements are applied one after the other."""

    def __init__(self, directory: frozenset[str], claimed: Mapping[str, datetime]) -> None:
        self.directory = directory
        self.claimed = claimed
        self.opening: _Event | None = None
        self.owner: str | None = None
        self.unseen: frozenset[str] = frozenset()
        self.stage = "OPEN"
        self.tracking: list[str] = []
        self.parties: dict[str, PartyState] = {}
        self.invites: dict[str, str] = {}
        self.holds: dict[str, _Hold] = {}
        self.notices: dict[str, NoticeState] = {}
        self.notice_of: dict[str, tuple[str, int]] = {}
        self.heard: dict[str, dict[str, Recipient]] = {}
        self.tasks: dict[str, TaskState] = {}
        self.offers: dict[str, str] = {}
        self.bids: dict[str, tuple[str, str]] = {}
        self.advisories: dict[str, AdvisoryState] = {}
        self.freezes: dict[str, tuple[str, int]] = {}
        self.cosigns: dict[str, dict[str, Cosign]] = {}
        self.asked: dict[str, frozenset[str]] = {}
        self.removals: dict[str, set[str]] = {}
        self.times: dict[str, datetime] = {}
        self.clock: dict[str, datetime] = {}
        self.authors: dict[str, str] = {}
        self.latest: dict[tuple[str, str, str, str], bytes] = {}
        self.timeline: list[Happened] = []
        self.void: list[Void] = []
        self.later: list[str] = []

    # --- one statement

    def apply(self, said: Said) -> None:
        at, disputed = self._time(said)
        self.times[said.id] = at
        self.clock[said.author] = at
        self.authors[said.id] = said.author
        name = _event_of(said)
        item = said.body.get("item")
        shown = item if isinstance(item, str) else None
        event = _Event(
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
                self._cosign(said, event)
            elif said.kind == "withdraw":
                self._withdraw(said)
        except _Wrong as wrong:
            if event.before is not None:
                self.parties[event.author] = event.before  # what is void joins nobody
            self.void.append(
                Void(
                    id=said.id,
                    reason=wrong.reason,
                    author=said.author,
                    event=name,
                    item=shown,
                    at=_text(at),
                )
            )
            return
        self.timeline.append(
            Happened(
                at=_text(at),
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
        earlier = [self.times[ref] for ref in _answers(said) if ref in self.times]
        if said.author in self.clock:
            earlier.append(self.clock[said.author])
        return max([at, *earlier]), disputed

    def _act(self, said: Said, event: _Event) -> None:
        if event.name not in EVENTS:
            known = isinstance(said.body.get("event"), str)
            raise _Wrong("unknown-event" if known else "void-field")
        if not fits(event.name, said.body) or ("re" in said.body and event.re not in said.refs):
            raise _Wrong("void-field")
        if event.name != "case.open":
            self._ceiling(said)
        # The same again by the same author counts once; going back and forth is a change of mind.
        slot = (event.author, family(event.name), event.item, _subject(said.body))
        content = orjson.dumps(
            [said.kind, said.body, sorted(said.objects)], option=orjson.OPT_SORT_KEYS
        )
        if self.latest.get(slot) == content:
            raise _Wrong("duplicate")
        if event.name in LATER:
            self._later(event)
        else:
            _HANDLERS[event.name](self, event)
        self.latest[slot] = content

    def _ceiling(self, said: Said) -> None:
        if (
            self.opening is not None
            and TLP_RANK.get(said.tlp, 9) > TLP_RANK[self.opening.body["tlp"]]
        ):
            raise _Wrong("over-ceiling")

    # --- whose is it to do

    def is_member(self, party: str) -> bool:
        one = self.parties.get(party)
        return one is not None and one.state == "ACCEPTED"

    def is_coordinator(self, party: str) -> bool:
        return self.is_member(party) and self.parties[party].role in ("owner", "coordinator")

    def _only(self, author: str, owner: str | None) -> None:
        if author != owner:
            raise _Wrong("not-owner")

    def _member(self, event: _Event) -> None:
        self._imply_join(event)
        if not self.is_member(event.author):
            raise _Wrong("not-member")

    def _coordinator(self, event: _Event) -> None:
        self._imply_join(event)
        if not self.is_coordinator(event.author):
            raise _Wrong("not-owner")

    def _imply_join(self, event: _Event) -> None:
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

    @property
    def quorum(self) -> int:
        return int(self.opening.body["quorum"]["k"]) if self.opening is not None else 1

    # --- case

    def case_open(self, event: _Event) -> None:
        if self.opening is not None:
            raise _Wrong("not-owner" if event.author != self.owner else "bad-order")
        self.opening = event
        self.owner = event.author
        self.parties[event.author] = PartyState(
            party=event.author, role="owner", state="ACCEPTED", since=event.time
        )

    def case_stage(self, event: _Event) -> None:
        self._only(event.author, self.owner)
        self.stage = event.body["stage"]

    def case_invite(self, event: _Event) -> None:
        self._coordinator(event)
        party = event.body["party"]
        if self.directory and party not in self.directory:
            raise _Wrong("void-field")
        if self.is_member(party):
            raise _Wrong("bad-order")
        self.invites[event.id] = party
        self.removals.pop(party, None)
        self.parties[party] = PartyState(
            party=party,
            role=event.body["role"],
            state="INVITED",
            since=event.time,
            rsvp_by=_text(_not_before(event.body["rsvp_by"], event.at + INVITE_FLOOR)),
            invited_by=event.author,
            invited_at=event.time,
            invite=event.id,
        )

    def case_join(self, event: _Event) -> None:
        party = self.invites.get(event.re)
        if party is None:
            raise _Wrong("bad-order")
        self._only(event.author, party)
        one = self.parties[party]
        if one.invite != event.re or one.state in ("LEFT", "REMOVED"):
            raise _Wrong("stale")
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

    def case_leave(self, event: _Event) -> None:
        self._member(event)
        if event.author == self.owner:
            raise _Wrong("bad-order")
        # Its holds stay: leaving a case is not leaving a promise.
        self.parties[event.author] = structs.replace(
            self.parties[event.author], state="LEFT", since=event.time, reason=event.reason
        )

    def case_remove(self, event: _Event) -> None:
        self._coordinator(event)
        party = event.body["party"]
        one = self.parties.get(party)
        if one is None or party == self.owner or one.state in ("REMOVED", "LEFT", "DECLINED"):
            raise _Wrong("bad-order")
        signed = self.removals.setdefault(party, set())
        signed.add(event.author)
        # Signatures of coordinators who have left since are no longer a coordinator's.
        counted = sorted(who for who in signed if self.is_coordinator(who))
        if len(counted) < self.quorum:
            self.parties[party] = structs.replace(one, removal_signed=tuple(counted))
            return
        del self.removals[party]
        self.parties[party] = structs.replace(
            one, state="REMOVED", since=event.time, reason=event.reason, removal_signed=()
        )

    def case_track(self, event: _Event) -> None:
        self._member(event)
        self.tracking.append(event.body["tracking_id"])

    # --- holds

    def hold_propose(self, event: _Event) -> None:
        self._member(event)
        body = event.body
        old = self.holds.get(event.item)
        if old is not None:
            self._only(event.author, old.proposer)
            if old.ended_at is not None or body["rev"] <= old.rev:
                raise _Wrong("stale")
            if old.kind != body["hold_kind"]:
                raise _Wrong("void-field")
        max_at = instant(body["max_at"])
        if body["hold_kind"] == "operational" and max_at - event.at > OPERATIONAL_LIMIT:
            raise _Wrong("void-field")
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
        self.holds[event.item] = new
        self._bind(new, event)

    def _bind(self, hold: _Hold, event: _Event) -> None:
        hold.bindings[event.author] = Binding(
            party=event.author,
            rev=hold.rev,
            terms=hold.terms,
            ends_at=_text(hold.end),
            since=event.time,
            id=event.id,
        )
        self._answer_hold(hold, event, "SIGNATORY")

    def _answer_hold(self, hold: _Hold, event: _Event, word: Any) -> None:
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

    def _hold(self, event: _Event) -> _Hold:
        hold = self.holds.get(event.item)
        if hold is None:
            raise _Wrong("bad-order")
        if hold.ended_at is not None:
            raise _Wrong("stale")
        return hold

    def _proposal(self, event: _Event) -> _Hold:
        """The hold an answer is to, if it is to the revision that stands and over its terms."""
        hold = self._hold(event)
        self._member(event)
        if event.re != hold.proposals[-1]:
            raise _Wrong("stale" if event.re in hold.proposals else "bad-order")
        if event.body["terms"] != hold.terms:
            raise _Wrong("void-field")
        if event.at >= hold.end:
            raise _Wrong("stale")
        return hold

    def hold_sign(self, event: _Event) -> None:
        self._bind(self._proposal(event), event)

    def hold_refuse(self, event: _Event) -> None:
        hold = self._proposal(event)
        bound = hold.bindings.get(event.author)
        if bound is not None and bound.rev == hold.rev:
            del hold.bindings[event.author]
        self._answer_hold(hold, event, "DECLINED")

    def hold_free(self, event: _Event) -> None:
        hold = self._hold(event)
        bound = hold.bindings.get(event.author)
        if bound is None:
            raise _Wrong("bad-order")
        if bound.terms != event.body["terms"]:
            raise _Wrong("void-field")
        del hold.bindings[event.author]
        if bound.rev == hold.rev:
            self._answer_hold(hold, event, "FREED")

    def hold_end(self, event: _Event) -> None:
        hold = self._hold(event)
        reason = event.body["reason"]
        at_once = hold.kind == "disclosure" and reason in _END_AT_ONCE
        if hold.kind == "operational" and reason in _END_AT_ONCE:
            raise _Wrong("void-field")
        bound = hold.bindings.get(event.author)
        if not (at_once and bound is not None and event.at < instant(bound.ends_at)):
            self._coordinator(event)
            hold.end_signed[event.author] = reason
            counted = [who for who in hold.end_signed if self.is_coordinator(who)]
            if len(counted) < self.quorum:
                return
        hold.ended_at, hold.end_reason = event.time, reason

    # --- notices

    def notice_plan(self, event: _Event) -> None:
        self._coordinator(event)
        body = event.body
        if self.opening is not None and TLP_RANK[body["tlp"]] > TLP_RANK[self.opening.body["tlp"]]:
            raise _Wrong("over-ceiling")
        old = self.notices.get(event.item)
        if old is not None:
            self._only(event.author, old.planner)
            if old.state == "RETRACTED" or body["rev"] <= old.rev:
                raise _Wrong("stale")
        self.notice_of[event.id] = (event.item, body["rev"])
        self.heard[event.item] = {}
        self.notices[event.item] = NoticeState(
            item=event.item,
            planner=event.author,
            rev=body["rev"],
            plan=event.id,
            state="SELECTED",
            count=body["count"],
            handed=0,
            bounced=0,
            ack_by=_text(instant(body["ack_by"])),
            assess_by=_text(instant(body["assess_by"])),
            tlp=body["tlp"],
            list_sha256=body["list"]["sha256"],
            text_sha256=body["text"]["sha256"],
            recipients=(),
            acked=0,
            assessed=0,
            mitigated=0,
            overdue=0,
        )

    def _planned(self, event: _Event) -> NoticeState:
        """The notice, if this is its planner speaking."""
        notice = self.notices.get(event.item)
        if notice is None:
            raise _Wrong("bad-order")
        self._only(event.author, notice.planner)
        if notice.state == "RETRACTED":
            raise _Wrong("stale")
        return notice

    def notice_sent(self, event: _Event) -> None:
        notice = self._planned(event)
        self.notice_of[event.id] = (event.item, notice.rev)
        self.notices[event.item] = structs.replace(
            notice,
            state="SENT",
            handed=notice.handed + event.body["handed"],
            bounced=notice.bounced + event.body["bounced"],
        )

    def _answer_notice(self, event: _Event, word: RecipientWord, status: str | None) -> None:
        found = self.notice_of.get(event.re)
        if found is None or found[0] != event.item:
            raise _Wrong("bad-order")
        notice = self.notices[event.item]
        if event.author == notice.planner:
            raise _Wrong("not-owner")
        if found[1] != notice.rev or notice.state == "RETRACTED":
            raise _Wrong("stale")
        rows = self.heard[event.item]
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

    def notice_ack(self, event: _Event) -> None:
        self._answer_notice(event, "ACKED", None)

    def notice_assess(self, event: _Event) -> None:
        self._answer_notice(event, "ASSESSED", event.body["status"])

    def notice_done(self, event: _Event) -> None:
        self._answer_notice(event, "MITIGATED", None)

    def notice_heard(self, event: _Event) -> None:
        self._planned(event)
        rows = self.heard[event.item]
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

    def notice_escalate(self, event: _Event) -> None:
        self._planned(event)
        rows = self.heard[event.item]
        party = event.body["recipient"]
        before = rows.get(party)
        if before is not None and _RANK[before.state]:
            raise _Wrong("bad-order")
        rows[party] = Recipient(
            party=party, state="ESCALATED", at=event.time, level=event.body["level"]
        )

    def notice_retract(self, event: _Event) -> None:
        notice = self._planned(event)
        self.notices[event.item] = structs.replace(notice, state="RETRACTED", reason=event.reason)

    # --- tasks

    def task_offer(self, event: _Event) -> None:
        self._member(event)
        body = event.body
        to = body["to"]
        if to != "open" and self.directory and to not in self.directory:
            raise _Wrong("void-field")
        old = self.tasks.get(event.item)
        if old is not None:
            self._only(event.author, old.offerer)
            if old.state in ("VERIFIED", "CANCELLED"):
                raise _Wrong("stale")
        floor = event.at + TASK_FLOOR
        self.offers[event.id] = event.item
        self.tasks[event.item] = TaskState(
            item=event.item,
            offerer=event.author,
            to=to,
            title=body["title"],
            text=body["text"],
            criteria=body["criteria"],
            due=_text(_not_before(body["due"], floor)),
            accept_by=_text(_not_before(body["accept_by"], floor)),
            offer=event.id,
            state="OFFERED",
            since=event.time,
            addressee=None if to == "open" else to,
            assist=body.get("assist"),
        )

    def _task(self, event: _Event) -> TaskState:
        task = self.tasks.get(event.item)
        if task is None:
            raise _Wrong("bad-order")
        if task.state in ("VERIFIED", "CANCELLED"):
            raise _Wrong("stale")
        return task

    def _addressed(self, event: _Event) -> TaskState:
        """The task, if this is its addressee speaking."""
        task = self._task(event)
        self._only(event.author, task.addressee)
        return task

    def _to_offer(self, task: TaskState, event: _Event) -> None:
        if event.re != task.offer:
            raise _Wrong("stale" if self.offers.get(event.re) == task.item else "bad-order")

    def _turn(self, task: TaskState, event: _Event, state: TaskWord, **fields: Any) -> None:
        self.tasks[task.item] = structs.replace(
            task,
            state=state,
            since=event.time,
            reason=event.reason,
            late=task.late or event.late,
            changed=task.changed or event.changed,
            jumped=(*task.jumped, *event.jumped),
            **fields,
        )

    def _answer_task(self, event: _Event, state: TaskWord) -> None:
        task = self._addressed(event)
        self._to_offer(task, event)
        if task.state in ("DONE", "RETURNED"):
            raise _Wrong("bad-order")
        event.late = task.state == "OFFERED" and event.at > instant(task.accept_by)
        event.changed = task.state in ("ACCEPTED", "REFUSED") and task.state != state
        self._turn(task, event, state)

    def task_accept(self, event: _Event) -> None:
        self._answer_task(event, "ACCEPTED")

    def task_refuse(self, event: _Event) -> None:
        self._answer_task(event, "REFUSED")

    def _taken(self, event: _Event) -> TaskState:
        """The addressee's task, its acceptance implied where it was skipped."""
        task = self._addressed(event)
        if task.state in ("OFFERED", "REFUSED"):
            event.jumped.append("task.accept")
            event.late = event.at > instant(task.accept_by)
            event.changed = task.state == "REFUSED"
        return task

    def task_block(self, event: _Event) -> None:
        task = self._taken(event)
        if task.state == "DONE":
            raise _Wrong("bad-order")
        self._turn(task, event, "BLOCKED")

    def task_done(self, event: _Event) -> None:
        task = self._taken(event)
        event.late = event.late or event.at > instant(task.due)
        self._turn(task, event, "DONE", evidence=event.body["evidence"])

    def _offered(self, event: _Event) -> TaskState:
        """The task, if this is its offerer speaking."""
        task = self._task(event)
        self._only(event.author, task.offerer)
        return task

    def task_verify(self, event: _Event) -> None:
        task = self._offered(event)
        if task.state != "DONE":
            raise _Wrong("bad-order")  # a jump over another's transition
        self._turn(task, event, "VERIFIED")

    def task_return(self, event: _Event) -> None:
        task = self._offered(event)
        if task.state != "DONE":
            raise _Wrong("bad-order")
        self._turn(task, event, "RETURNED")

    def task_cancel(self, event: _Event) -> None:
        self._turn(self._offered(event), event, "CANCELLED")

    def task_bid(self, event: _Event) -> None:
        task = self._task(event)
        one = self.parties.get(event.author)
        if one is None or one.state in ("LEFT", "REMOVED"):
            raise _Wrong("not-member")
        if task.to != "open" or event.author == task.offerer:
            raise _Wrong("bad-order")
        self._to_offer(task, event)
        self.bids[event.id] = (event.item, event.author)
        others = tuple(bid for bid in task.bids if bid[0] != event.author)
        event.changed = others != task.bids
        self.tasks[event.item] = structs.replace(task, bids=(*others, (event.author, event.id)))

    def task_agree(self, event: _Event) -> None:
        task = self._offered(event)
        item, bidder = self.bids.get(event.re, ("", ""))
        if item != event.item:
            raise _Wrong("bad-order")
        if (bidder, event.re) not in task.bids or task.state != "OFFERED":
            raise _Wrong("stale")
        # A bid is its bidder's word that it will do it: nothing is left to accept.
        self._turn(task, event, "ACCEPTED", addressee=bidder)

    # --- advisories

    def advise_freeze(self, event: _Event) -> None:
        self._member(event)
        body = event.body
        old = self.advisories.get(event.item)
        if old is not None:
            self._only(event.author, old.proposer)
            if old.state == "WITHDRAWN" or body["rev"] <= old.rev:
                raise _Wrong("stale")
        of = body["policy"]["of"]
        self.asked[event.item] = frozenset() if isinstance(of, int) else frozenset(of)
        self.freezes[event.id] = (event.item, body["rev"])
        self.cosigns.setdefault(event.item, {})
        self.advisories[event.item] = AdvisoryState(
            item=event.item,
            proposer=event.author,
            rev=body["rev"],
            freeze=event.id,
            manifest_id=body["manifest"]["id"],
            manifest_sha256=body["manifest"]["sha256"],
            k=body["policy"]["k"],
            of=of if isinstance(of, int) else len(of),
            sign_by=_text(instant(body["sign_by"])) if body.get("sign_by") else None,
            state="FROZEN",
            since=event.time,
            published_rev=old.published_rev if old else None,
            published_at=old.published_at if old else None,
        )

    def _advised(self, event: _Event) -> AdvisoryState:
        """The advisory, if its proposer speaks of the revision that stands."""
        one = self.advisories.get(event.item)
        if one is None or self.freezes.get(event.re, ("", 0))[0] != event.item:
            raise _Wrong("bad-order")
        self._only(event.author, one.proposer)
        if event.re != one.freeze or one.state == "WITHDRAWN":
            raise _Wrong("stale")
        return one

    def advise_publish(self, event: _Event) -> None:
        one = self._advised(event)
        if self._signed(one) < one.k:
            raise _Wrong("bad-order")
        self.advisories[event.item] = structs.replace(
            one,
            state="PUBLISHED",
            since=event.time,
            published_rev=one.rev,
            published_at=event.time,
        )

    def advise_withdraw(self, event: _Event) -> None:
        one = self._advised(event)
        self.advisories[event.item] = structs.replace(
            one, state="WITHDRAWN", since=event.time, reason=event.reason
        )

    def _cosign(self, said: Said, event: _Event) -> None:
        frozen = [self.freezes[ref] for ref in said.refs if ref in self.freezes]
        if len(frozen) != 1:
            raise _Wrong("bad-order")
        [(item, rev)] = frozen
        event.item = item
        one = self.advisories[item]
        body = said.body
        refuse, capacity, dissent = body.get("refuse"), body.get("capacity"), body.get("dissent")
        if (
            (refuse is not True and refuse is not None)
            or bool(refuse) == (capacity is not None)
            or (capacity is not None and capacity not in CAPACITIES)
            or not (dissent is None or isinstance(dissent, str))
        ):
            raise _Wrong("void-field")
        self._member(event)
        if rev != one.rev or one.state == "WITHDRAWN":
            raise _Wrong("stale")
        if body.get("manifest_sha256") != one.manifest_sha256:
            raise _Wrong("void-field")
        before = self.cosigns[item].get(said.author)
        answer = (capacity, bool(refuse), dissent)
        if before is not None and before.rev == rev:
            if (before.capacity, before.refuse, before.dissent) == answer:
                raise _Wrong("duplicate")
            event.changed = True
        event.late = one.sign_by is not None and event.at > instant(one.sign_by)
        self.cosigns[item][said.author] = Cosign(
            party=said.author,
            capacity=capacity,
            refuse=bool(refuse),
            dissent=dissent,
            at=event.time,
            rev=rev,
            id=said.id,
            late=event.late,
            changed=event.changed,
        )

    def _withdraw(self, said: Said) -> None:
        """A co-signature is taken back by a `withdraw`; of other statements nothing is folded."""
        if any(self.authors.get(ref, said.author) != said.author for ref in said.refs):
            raise _Wrong("not-owner")
        for answers in self.cosigns.values():
            mine = answers.get(said.author)
            if mine is not None and mine.id in said.refs:
                del answers[said.author]

    def _signed(self, one: AdvisoryState) -> int:
        asked = self.asked[one.item]
        return sum(
            answer.rev == one.rev
            and answer.capacity in COUNTED_CAPACITIES
            and (not asked or answer.party in asked)
            for answer in self.cosigns[one.item].values()
        )

    # --- known events of parts that keep no state yet

    def _later(self, event: _Event) -> None:
        self._member(event)
        coordinator = ("play.prepare", "play.start", "play.resume", "play.abort")
        if event.name in coordinator:
            self._coordinator(event)
        its_own = (event.author, self.parties[event.author].role)
        event.claimed = event.name == "clock.start" and event.body["owed_by"] not in its_own
        self.later.append(event.id)

    # --- rule 7: what silence has come to at `now`

    def at(
        self,
        now: datetime,
        waiting: tuple[WaitingFor, ...],
        equivocations: tuple[Equivocation, ...],
    ) -> CaseState:
        body = self.opening.body if self.opening is not None else {}
        quorum = body.get("quorum", {"k": 1, "of": 1})
        of = quorum["of"]
        holds = [self._hold_at(item, hold, now) for item, hold in self.holds.items()]
        return CaseState(
            now=_text(now),
            title=body.get("title", ""),
            class_=body.get("class", ""),
            tlp=body.get("tlp", "RED"),
            stage=self.stage,
            owner=self.owner,
            pap=body.get("pap"),
            lang=body.get("lang"),
            quorum_k=quorum["k"],
            quorum_of=of if isinstance(of, int) else len(of),
            opened_at=self.opening.time if self.opening is not None else None,
            tracking_ids=tuple(dict.fromkeys(self.tracking)),
            parties=tuple(self._party_at(one, now) for one in self.parties.values()),
            holds=tuple(sorted(holds, key=lambda hold: (hold.ends_at, hold.item))),
            notices=tuple(self._notice_at(one, now) for one in self.notices.values()),
            tasks=tuple(self._task_at(one, now) for one in self.tasks.values()),
            advisories=tuple(self._advisory_at(one, now) for one in self.advisories.values()),
            void=tuple(self.void),
            waiting=waiting[:MAX_WAITING],
            incomplete=len(waiting) > MAX_WAITING,
            equivocations=equivocations,
            timeline=tuple(self.timeline),
            later=tuple(self.later),
        )

    def _party_at(self, one: PartyState, now: datetime) -> PartyState:
        # Whoever has said something here that this reader may not see is not silent.
        due = one.rsvp_by is not None and now > instant(one.rsvp_by)
        if one.state == "INVITED" and due and one.party not in self.unseen:
            return structs.replace(one, state="LAPSED", since=one.rsvp_by or one.since)
        return one

    def _hold_at(self, item: str, hold: _Hold, now: datetime) -> HoldState:
        over = hold.ended_at is not None
        bound = [one for one in hold.bindings.values() if not over and now < instant(one.ends_at)]
        members = [party for party in self.parties if self.is_member(party)]
        unanswered = tuple(party for party in members if party not in hold.answers)
        ended = over or (not bound and now >= hold.end)
        return HoldState(
            item=item,
            kind="disclosure" if hold.kind == "disclosure" else "operational",
            proposer=hold.proposer,
            rev=hold.rev,
            proposal=hold.proposals[-1],
            terms=hold.terms,
            text=hold.text,
            ends_at=_text(hold.end),
            max_at=_text(hold.max_at),
            go_at=hold.go_at,
            answer_by=_text(hold.answer_by),
            state="ENDED" if ended else "IN_FORCE",
            in_force=bool(bound),
            signatories=tuple(one.party for one in bound),
            bindings=tuple(hold.bindings.values()),
            answers=tuple(hold.answers.values()),
            unanswered=unanswered,
            silent=bool(unanswered) and now > hold.answer_by,
            end_signed=tuple(sorted(hold.end_signed)) if not over else (),
            end_reason=hold.end_reason,
            ended_at=hold.ended_at or (_text(hold.end) if ended else None),
        )

    def _notice_at(self, one: NoticeState, now: datetime) -> NoticeState:
        rows = tuple(self.heard[one.item].values())
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

    def _task_at(self, one: TaskState, now: datetime) -> TaskState:
        if one.state == "OFFERED" and now > instant(one.accept_by):
            return structs.replace(one, state="LAPSED", since=one.accept_by)
        open_ = one.state in ("ACCEPTED", "BLOCKED", "RETURNED")
        return structs.replace(one, overdue=open_ and now > instant(one.due))

    def _advisory_at(self, one: AdvisoryState, now: datetime) -> AdvisoryState:
        signed = self._signed(one)
        state: AdvisoryWord = one.state
        since = one.since
        if state == "FROZEN":
            if signed >= one.k:
                state = "SIGNED"
            elif one.sign_by is not None and now > instant(one.sign_by):
                state, since = "LAPSED", one.sign_by
        answers = tuple(self.cosigns[one.item].values())
        return structs.replace(one, state=state, since=since, signed=signed, cosigns=answers)


def _subject(body: Mapping[str, Any]) -> str:
    """Whom an event of a shared item is about."""
    about = body.get("party") or body.get("recipient") or ""
    return about if isinstance(about, str) else ""


def _handlers(names: Sequence[str]) -> dict[str, Callable[[_Fold, _Event], None]]:
    return {name: getattr(_Fold, name.replace(".", "_")) for name in names}


_HANDLERS = _handlers([name for name in EVENTS if name not in LATER])
