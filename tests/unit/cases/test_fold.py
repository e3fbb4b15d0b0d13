"""The fold of a case: each rule of respond.md §1 as somebody in the case would notice it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec import structs

from tocsin.cases.advisories import Advisories
from tocsin.cases.events import EVENTS, LATER
from tocsin.cases.fold import fold
from tocsin.cases.holds import Holds
from tocsin.cases.members import Members
from tocsin.cases.model import (
    AdvisoryState,
    CaseState,
    HoldState,
    NoticeState,
    PartyState,
    Said,
    TaskState,
)
from tocsin.cases.notices import Notices
from tocsin.cases.tasks import Tasks

START = datetime(2026, 2, 3, 9, tzinfo=UTC)
CERT, ISAC, GRID, PORT = "cert.northland.example", "isac.westwater.example", "gridco", "portco"
DIRECTORY = frozenset({CERT, ISAC, GRID, PORT})
CASE = "case--10000000-0000-4000-8000-000000000001"
HOLD = "hold--20000000-0000-4000-8000-000000000001"
TASK = "task--30000000-0000-4000-8000-000000000001"
ADVISORY = "advisory--40000000-0000-4000-8000-000000000001"
NOTICE = "notice--50000000-0000-4000-8000-000000000001"
SHA = "ab" * 32


def hour(n: float) -> str:
    return (START + timedelta(hours=n)).isoformat().replace("+00:00", "Z")


class Story:
    """Statements of one case, each author's chain kept; the time goes on by a minute each."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self.seq: dict[str, int] = {}
        self.clock = 0.0

    def put(
        self, author: str, kind: str, body: Mapping[str, Any], at: float | None = None, **other: Any
    ) -> str:
        self.clock = self.clock + 1 / 60 if at is None else at
        self.seq[author] = other.pop("seq", self.seq.get(author, 0) + 1)
        ref = hashlib.sha256(f"{author} {len(self.said)}".encode()).hexdigest()
        re = body.get("re")
        given: dict[str, Any] = {"refs": (re,) if isinstance(re, str) else (), "tlp": "AMBER"}
        self.said.append(
            Said(
                id=ref,
                author=author,
                seq=self.seq[author],
                kind=kind,
                time=hour(self.clock),
                body=body,
                **(given | other),
            )
        )
        return ref

    def act(
        self, author: str, event: str, item: str, at: float | None = None, **fields: Any
    ) -> str:
        fields = {name.rstrip("_"): value for name, value in fields.items()}
        return self.put(author, "act", {"event": event, "item": item, **fields}, at)

    def open(self, k: int = 1) -> str:
        return self.act(
            CERT,
            "case.open",
            CASE,
            title="Grid wiper",
            class_="incident",
            tlp="AMBER",
            lang="en",
            quorum={"k": k, "of": 3},
        )

    def invite(self, party: str, role: str = "responder", rsvp: float = 48, by: str = CERT) -> str:
        return self.act(by, "case.invite", CASE, party=party, role=role, rsvp_by=hour(rsvp))

    def join(self, party: str, role: str = "responder", by: str = CERT) -> str:
        return self.act(party, "case.join", CASE, re=self.invite(party, role, by=by), accept=True)

    def hold(self, kind: str = "disclosure", author: str = CERT, rev: int = 1, **other: Any) -> str:
        given: dict[str, Any] = {"ends_at": hour(72), "max_at": hour(96), "terms": f"{rev:064x}"}
        return self.act(
            author,
            "hold.propose",
            HOLD,
            hold_kind=kind,
            rev=rev,
            text="nothing before then",
            **(given | other),
        )

    def task(self, to: str = GRID, **other: Any) -> str:
        given: dict[str, Any] = {"due": hour(24), "accept_by": hour(6), "criteria": "image kept"}
        return self.act(
            CERT, "task.offer", TASK, to=to, title="Image", text="keep it", **given | other
        )

    def freeze(self, rev: int = 1, k: int = 2, sha: str = SHA, sign_by: float = 24) -> str:
        return self.act(
            CERT,
            "advise.freeze",
            ADVISORY,
            rev=rev,
            manifest={"id": f"urn:sha256:{sha}", "sha256": sha},
            policy={"k": k, "of": 3},
            sign_by=hour(sign_by),
        )

    def cosign(self, author: str, freeze: str, at: float | None = None, **body: Any) -> str:
        given = {"manifest_sha256": SHA, "capacity": "co-author"} if not body else {}
        body.setdefault("manifest_sha256", SHA)
        return self.put(author, "cosign", given | body, at, refs=(freeze,))

    def plan(self, rev: int = 1) -> str:
        thing = {"id": "urn:sha256:x", "sha256": SHA}
        return self.act(
            CERT,
            "notice.plan",
            NOTICE,
            rev=rev,
            selector={"any": []},
            list=thing,
            count=3,
            ack_by=hour(8),
            assess_by=hour(24),
            tlp="AMBER",
            text=thing,
        )

    def sent(self) -> str:
        batch = {"id": "urn:sha256:y", "sha256": SHA}
        return self.act(CERT, "notice.sent", NOTICE, batch=batch, handed=3, bounced=0)

    def at(self, n: float | None = None, **other: Any) -> CaseState:
        now = START + timedelta(hours=self.clock if n is None else n)
        return fold(self.said, DIRECTORY, now, **other)


def party(state: CaseState, name: str) -> PartyState:
    found = state.party(name)
    assert found is not None
    return found


def hold(state: CaseState) -> HoldState:
    [found] = state.holds
    return found


def task(state: CaseState) -> TaskState:
    [found] = state.tasks
    return found


def advisory(state: CaseState) -> AdvisoryState:
    [found] = state.advisories
    return found


def notice(state: CaseState) -> NoticeState:
    [found] = state.notices
    return found


def void(state: CaseState) -> list[str]:
    return [one.reason for one in state.void]


@pytest.fixture
def story() -> Story:
    """A case with its owner and two members: a coordinator and a responder."""
    told = Story()
    told.open()
    told.join(ISAC, "coordinator")
    told.join(GRID)
    return told


# --- the case and its parties -----------------------------------------------------------------


def test_whoever_opens_the_case_owns_it(story: Story) -> None:
    state = story.at()
    assert (state.owner, state.title, state.tlp, state.stage) == (
        CERT,
        "Grid wiper",
        "AMBER",
        "OPEN",
    )
    assert state.class_ == "incident"
    assert [(p.party, p.role, p.state) for p in state.parties] == [
        (CERT, "owner", "ACCEPTED"),
        (ISAC, "coordinator", "ACCEPTED"),
        (GRID, "responder", "ACCEPTED"),
    ]
    assert state.members == (CERT, ISAC, GRID)
    assert void(state) == []
    assert [row.event for row in state.timeline] == [
        "case.open",
        *["case.invite", "case.join"] * 2,
    ]


def test_a_second_opening_takes_nothing_over(story: Story) -> None:
    fields: dict[str, Any] = {"title": "Mine", "class_": "x", "tlp": "CLEAR", "lang": "en"}
    story.act(GRID, "case.open", CASE, quorum={"k": 1, "of": 1}, **fields)
    state = story.at()
    assert (state.owner, state.title) == (CERT, "Grid wiper")
    assert void(state) == ["not-owner"]


def test_the_same_opening_said_again_to_more_parties_counts_once(story: Story) -> None:
    story.open()
    state = story.at()
    assert void(state) == ["duplicate"]
    assert state.opened_at == hour(1 / 60)


def test_only_the_owner_moves_the_stage_and_may_move_it_back(story: Story) -> None:
    for stage in ("ACTIVE", "CONTAINED", "ACTIVE"):
        story.act(CERT, "case.stage", CASE, stage=stage)
    story.act(ISAC, "case.stage", CASE, stage="CLOSED")
    state = story.at()
    assert state.stage == "ACTIVE"
    assert void(state) == ["not-owner"]


def test_a_coordinator_invites_and_a_responder_does_not(story: Story) -> None:
    story.invite(PORT, by=GRID)
    assert void(story.at()) == ["not-owner"]
    story.invite(PORT, by=ISAC)
    assert party(story.at(), PORT).invited_by == ISAC


def test_a_party_outside_the_directory_cannot_be_invited(story: Story) -> None:
    story.invite("nobody.example")
    state = story.at()
    assert void(state) == ["void-field"]
    assert state.party("nobody.example") is None


def test_only_the_invitee_answers_its_invitation(story: Story) -> None:
    invite = story.invite(PORT)
    story.act(GRID, "case.join", CASE, re=invite, accept=True)
    state = story.at()
    assert void(state) == ["not-owner"]
    assert party(state, PORT).state == "INVITED"


def test_declining_and_leaving_are_on_record_with_their_reason(story: Story) -> None:
    story.act(PORT, "case.join", CASE, re=story.invite(PORT), accept=False, reason="no mandate")
    story.act(GRID, "case.leave", CASE, reason="done")
    state = story.at()
    assert (party(state, PORT).state, party(state, PORT).reason) == ("DECLINED", "no mandate")
    assert (party(state, GRID).state, party(state, GRID).reason) == ("LEFT", "done")
    assert story.at().members == (CERT, ISAC)


def test_an_answer_to_an_older_invitation_is_stale(story: Story) -> None:
    old = story.invite(PORT)
    story.invite(PORT, rsvp=60)
    story.act(PORT, "case.join", CASE, re=old, accept=True)
    state = story.at()
    assert void(state) == ["stale"]
    assert party(state, PORT).state == "INVITED"


def test_removing_a_party_takes_a_quorum_of_coordinators_each_signing() -> None:
    story = Story()
    story.open(k=2)
    story.join(ISAC, "coordinator")
    story.join(GRID)
    story.act(GRID, "case.remove", CASE, party=ISAC, reason="x")
    story.act(CERT, "case.remove", CASE, party=GRID, reason="leaks")
    assert void(story.at()) == ["not-owner"]
    assert party(story.at(), GRID).state == "ACCEPTED"
    assert party(story.at(), GRID).removal_signed == (CERT,)
    story.act(ISAC, "case.remove", CASE, party=GRID, reason="leaks")
    assert party(story.at(), GRID).state == "REMOVED"
    story.act(GRID, "case.track", CASE, tracking_id="GW-1")
    assert void(story.at())[-1] == "not-member"


def test_members_give_tracking_ids(story: Story) -> None:
    story.act(GRID, "case.track", CASE, tracking_id="GW-1")
    assert story.at().tracking_ids == ("GW-1",)


# --- rules 1 and 2: order, waiting ------------------------------------------------------------


def test_the_order_of_arrival_is_nothing(story: Story) -> None:
    story.act(CERT, "case.stage", CASE, stage="ACTIVE")
    expected = story.at()
    for seed in range(20):
        story.said = random.Random(seed).sample(story.said, len(story.said))
        assert story.at() == expected


def test_an_event_waits_for_an_earlier_one_of_its_author(story: Story) -> None:
    story.act(CERT, "case.stage", CASE, stage="ACTIVE")
    story.act(CERT, "case.stage", CASE, stage="CONTAINED")
    lost = story.said.pop(-2)
    state = story.at()
    assert state.stage == "OPEN"
    assert [one.for_ for one in state.waiting] == [(f"{CERT} {lost.seq}",)]
    assert state.waiting[0].event == "case.stage"
    named = story.at(withheld={(CERT, lost.seq)})
    assert (named.stage, named.waiting) == ("CONTAINED", ())


def test_an_answer_waits_for_what_it_answers_and_takes_others_with_it(story: Story) -> None:
    answer = story.act(PORT, "case.join", CASE, re="cd" * 32, accept=True)
    follows = story.act(PORT, "case.leave", CASE)
    state = story.at()
    assert {one.id: one.for_ for one in state.waiting} == {
        answer: ("cd" * 32,),
        follows: (answer,),
    }
    assert msgspec.to_builtins(state.waiting[0])["for"]


def test_what_waits_voids_nothing_and_counts_once_it_comes(story: Story) -> None:
    story.act(PORT, "case.join", CASE, re=story.invite(PORT), accept=True)
    invite = story.said.pop(-2)
    assert (void(story.at()), len(story.at().waiting)) == ([], 1)
    story.said.append(invite)
    assert party(story.at(), PORT).state == "ACCEPTED"


def test_without_the_opening_nothing_is_judged(story: Story) -> None:
    opening = story.said.pop(0)
    state = story.at(withheld={(CERT, opening.seq)})
    assert state.owner is None
    assert void(state) == []
    assert {one.for_ for one in state.waiting} == {("case.open",)}


def test_more_than_ten_thousand_waiting_say_incomplete(story: Story) -> None:
    for _ in range(10_002):
        story.act(CERT, "case.stage", CASE, stage="ACTIVE")
    del story.said[5]
    state = story.at()
    assert state.incomplete
    assert len(state.waiting) == 10_000


# --- rules 3 and 4: time, duplicates, change of mind, equivocation ----------------------------


def test_no_event_is_earlier_than_what_it_answers_or_follows(story: Story) -> None:
    invite = story.invite(PORT)
    story.act(PORT, "case.join", CASE, at=-5, re=invite, accept=True)
    story.act(PORT, "case.track", CASE, at=-6, tracking_id="GW-2")
    state = story.at(1)
    asked = party(state, PORT).invited_at
    assert [row.at for row in state.timeline[-3:]] == [asked] * 3


def test_a_time_the_log_contradicts_is_disputed_and_the_bound_counts(story: Story) -> None:
    invite = story.invite(PORT, rsvp=10)
    late = {"event": "case.join", "item": CASE, "re": invite, "accept": True}
    story.put(PORT, "act", late, 5, not_before=hour(11))
    row = story.at(12).timeline[-1]
    assert (row.disputed, row.at, row.late) == (True, hour(11), True)
    story.said.pop()
    story.put(PORT, "act", late, 20, not_after=hour(9), seq=1)
    row = story.at(21).timeline[-1]
    assert (row.disputed, row.at, row.late) == (True, hour(9), False)
    story.said.pop()
    story.put(PORT, "act", late, 9 + 4 / 60, not_after=hour(9), seq=1)
    assert not story.at(21).timeline[-1].disputed


def test_the_same_statement_twice_counts_once(story: Story) -> None:
    expected = story.at()
    story.said += story.said
    assert story.at() == expected


def test_a_later_answer_of_the_same_party_wins_and_is_marked(story: Story) -> None:
    invite = story.invite(PORT)
    for accept in (False, True):
        story.act(PORT, "case.join", CASE, re=invite, accept=accept)
    state = story.at()
    assert (party(state, PORT).state, party(state, PORT).changed) == ("ACCEPTED", True)
    assert [row.changed for row in state.timeline[-2:]] == [False, True]
    story.act(PORT, "case.join", CASE, re=invite, accept=True)
    assert void(story.at()) == ["duplicate"]


def test_of_two_statements_in_one_place_neither_counts_and_later_ones_wait(story: Story) -> None:
    story.act(CERT, "case.stage", CASE, stage="ACTIVE")
    place = story.seq[CERT]
    story.put(CERT, "act", {"event": "case.stage", "item": CASE, "stage": "CLOSED"}, seq=place)
    story.act(CERT, "case.track", CASE, tracking_id="GW-1")
    state = story.at()
    assert state.stage == "OPEN"
    [doubled] = state.equivocations
    assert (doubled.author, doubled.seq, len(doubled.ids)) == (CERT, place, 2)
    assert [one.for_ for one in state.waiting] == [(f"{CERT} {place}",)]


# --- rules 5 to 9: jumps, silence, lateness, void ---------------------------------------------


def test_done_without_accept_implies_it_and_says_so(story: Story) -> None:
    story.task()
    story.act(GRID, "task.done", TASK, evidence={"id": "x"})
    state = story.at()
    assert (task(state).state, task(state).jumped) == ("DONE", ("task.accept",))
    assert state.timeline[-1].jumped == ("task.accept",)


def test_whoever_is_invited_and_acts_as_a_member_has_joined(story: Story) -> None:
    story.invite(PORT)
    story.act(PORT, "case.track", CASE, tracking_id="P-7")
    state = story.at()
    assert party(state, PORT).state == "ACCEPTED"
    assert state.timeline[-1].jumped == ("case.join",)
    story.invite("portco")
    assert void(story.at()) == ["duplicate"]


def test_a_void_act_of_an_invited_party_joins_nobody(story: Story) -> None:
    story.invite(PORT)
    story.act(PORT, "hold.sign", HOLD, re=story.hold(), terms="0" * 64)
    assert void(story.at()) == ["void-field"]
    assert party(story.at(), PORT).state == "INVITED"


def test_a_joining_said_before_one_was_invited_is_implied_by_what_follows(story: Story) -> None:
    # The invitation was said again to the wider circle; the answer to the first is withheld.
    seen = [one for one in story.said if one.author != GRID]
    story.said = seen
    story.cosign(GRID, story.freeze())
    state = story.at(withheld={(GRID, 1)})
    assert party(state, GRID).state == "ACCEPTED"
    assert [one.party for one in advisory(state).cosigns] == [GRID]


def test_a_jump_over_anothers_transition_is_bad_order(story: Story) -> None:
    story.task()
    story.act(CERT, "task.verify", TASK)
    assert void(story.at()) == ["bad-order"]
    assert task(story.at()).state == "OFFERED"


def test_a_void_event_never_voids_its_neighbours(story: Story) -> None:
    story.task()
    story.act(GRID, "task.accept", TASK, re="no id")
    story.act(GRID, "case.track", CASE, tracking_id="GW-1")
    state = story.at()
    assert void(state) == ["void-field"]
    assert state.tracking_ids == ("GW-1",)


def test_silence_is_computed_at_now_and_never_stored(story: Story) -> None:
    story.invite(PORT, rsvp=10)
    story.task()
    assert party(story.at(9), PORT).state == "INVITED"
    assert party(story.at(10), PORT).state == "INVITED"
    state = story.at(11)
    assert (party(state, PORT).state, party(state, PORT).since) == ("LAPSED", hour(10))
    assert task(state).state == "LAPSED"


def test_a_late_answer_counts_and_is_marked(story: Story) -> None:
    invite, offer = story.invite(PORT, rsvp=10), story.task()
    story.act(PORT, "case.join", CASE, at=12, re=invite, accept=True)
    story.act(GRID, "task.accept", TASK, re=offer)
    state = story.at(13)
    assert (party(state, PORT).state, party(state, PORT).late) == ("ACCEPTED", True)
    assert (task(state).state, task(state).late) == ("ACCEPTED", True)


def test_deadlines_below_the_floor_are_moved_up(story: Story) -> None:
    story.invite(PORT, rsvp=0.5)
    asked = story.clock
    story.task(due=hour(0), accept_by=hour(0))
    state = story.at()
    assert party(state, PORT).rsvp_by == hour(asked + 4)
    assert task(state).accept_by == task(state).due == hour(story.clock + 1)
    story.hold()
    assert hold(story.at()).answer_by == hour(story.clock + 24)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"event": "case.stage", "item": CASE}, "void-field"),
        ({"event": "case.stage", "item": CASE, "stage": "WON"}, "void-field"),
        ({"event": "case.stage", "stage": "ACTIVE"}, "void-field"),
        ({"event": 7, "item": CASE}, "void-field"),
        ({"event": "case.merge", "item": CASE}, "unknown-event"),
        ({"event": "task.accept", "item": TASK, "re": "ef" * 32}, None),
        ({"event": "hold.end", "item": HOLD, "reason": "agreed"}, "bad-order"),
        ({"event": "case.stage", "item": CASE, "stage": "ACTIVE", "extra": [1]}, "ok"),
    ],
)
def test_every_void_event_is_shown_with_its_reason(
    story: Story, body: Mapping[str, Any], reason: str | None
) -> None:
    story.put(CERT, "act", body)
    state = story.at()
    if reason in (None, "ok"):
        assert void(state) == []
        assert len(state.waiting) == (reason is None)
    else:
        assert void(state) == [reason]
        assert state.void[0].author == CERT


def test_an_answer_names_in_refs_what_it_answers(story: Story) -> None:
    body = {"event": "case.join", "item": CASE, "re": story.invite(PORT), "accept": True}
    story.put(PORT, "act", body, refs=())
    assert void(story.at()) == ["void-field"]


def test_what_is_marked_above_the_ceiling_of_the_case_has_no_effect(story: Story) -> None:
    body = {"event": "case.stage", "item": CASE, "stage": "ACTIVE"}
    story.put(CERT, "act", body, tlp="RED")
    assert void(story.at()) == ["over-ceiling"]
    story.put(CERT, "act", body, tlp="GREEN")
    assert story.at().stage == "ACTIVE"


def test_what_is_said_in_a_case_stands_in_its_timeline(story: Story) -> None:
    story.put(GRID, "say", {}, objects=("indicator--1",))
    story.put(ISAC, "ack", {"heads": []})
    state = story.at()
    assert [row.event for row in state.timeline[-2:]] == ["say", "ack"]


def test_known_events_of_later_parts_are_listed_and_keep_no_state(story: Story) -> None:
    fields: dict[str, Any] = {
        "anchor": "x",
        "anchor_at": hour(0),
        "due": hour(24),
        "owed_to": "regulator",
    }
    rule = {"id": "nis2.early", "rev": 1, "sha256": SHA}
    clock = "clock--60000000-0000-4000-8000-000000000001"
    story.act(GRID, "clock.start", clock, rule=rule, owed_by=GRID, **fields)
    story.act(CERT, "clock.start", clock + "x", rule=rule, owed_by=GRID, **fields)
    story.act(PORT, "clock.waive", clock)
    story.act(GRID, "play.abort", "run--1", reason="x")
    story.act(CERT, "play.abort", "run--1", reason="x")
    state = story.at()
    assert len(state.later) == 3
    assert [row.claimed for row in state.timeline[-3:]] == [False, True, False]
    assert sorted(void(state)) == ["not-member", "not-owner"]


# --- holds ------------------------------------------------------------------------------------


def test_a_hold_binds_only_those_who_signed_and_only_over_their_terms(story: Story) -> None:
    proposal = story.hold()
    story.act(GRID, "hold.sign", HOLD, re=proposal, terms=f"{1:064x}")
    state = hold(story.at())
    assert (state.signatories, state.unanswered) == ((CERT, GRID), (ISAC,))
    assert state.in_force
    story.hold(rev=2, ends_at=hour(90))
    state = hold(story.at())
    assert {one.party: (one.rev, one.ends_at) for one in state.bindings} == {
        CERT: (2, hour(90)),
        GRID: (1, hour(72)),
    }
    assert hold(story.at(80)).signatories == (CERT,)
    story.act(ISAC, "hold.sign", HOLD, re=proposal, terms=f"{1:064x}")
    assert void(story.at()) == ["stale"]


def test_nobody_is_bound_by_terms_it_did_not_sign(story: Story) -> None:
    proposal = story.hold()
    story.act(GRID, "hold.sign", HOLD, re=proposal, terms="0" * 64)
    story.act(PORT, "hold.sign", HOLD, re=proposal, terms=f"{1:064x}")
    state = story.at()
    assert void(state) == ["void-field", "not-member"]
    assert hold(state).signatories == (CERT,)


def test_a_refusal_stands_beside_the_signatures_and_silence_does_not_bind(story: Story) -> None:
    proposal = story.hold()
    story.act(GRID, "hold.refuse", HOLD, re=proposal, terms=f"{1:064x}", reason="we must warn")
    state = hold(story.at(30))
    assert {one.party: one.state for one in state.answers} == {CERT: "SIGNATORY", GRID: "DECLINED"}
    assert (state.unanswered, state.silent) == ((ISAC,), True)
    assert not hold(story.at(20)).silent


def test_a_disclosure_hold_ends_for_all_when_a_signatory_says_it_is_public(story: Story) -> None:
    proposal = story.hold()
    story.act(GRID, "hold.end", HOLD, reason="public")
    assert void(story.at()) == ["not-owner"]  # it has not signed
    story.act(GRID, "hold.sign", HOLD, re=proposal, terms=f"{1:064x}")
    story.act(GRID, "hold.end", HOLD, reason="exploit-public")
    state = hold(story.at())
    assert (state.state, state.in_force, state.signatories) == ("ENDED", False, ())
    assert state.end_reason == "exploit-public"
    story.act(ISAC, "hold.sign", HOLD, re=proposal, terms=f"{1:064x}")
    assert void(story.at())[-1] == "stale"


def test_any_other_end_takes_a_quorum_of_coordinators() -> None:
    story = Story()
    story.open(k=2)
    story.join(ISAC, "coordinator")
    story.join(GRID)
    story.hold("operational", max_at=hour(24 * 20), ends_at=hour(24 * 20))
    story.act(CERT, "hold.end", HOLD, reason="eviction-done")
    assert hold(story.at()).in_force
    assert hold(story.at()).end_signed == (CERT,)
    story.act(CERT, "hold.end", HOLD, reason="public")
    assert void(story.at()) == ["void-field"]
    story.act(ISAC, "hold.end", HOLD, reason="eviction-done")
    assert hold(story.at()).state == "ENDED"


def test_a_hold_is_over_at_its_hard_stop_at_the_latest(story: Story) -> None:
    story.hold(ends_at=hour(200), max_at=hour(100))
    assert hold(story.at(99)).in_force
    state = hold(story.at(100))
    assert (state.in_force, state.state, state.ended_at) == (False, "ENDED", hour(100))


def test_an_operational_hold_of_more_than_thirty_days_is_void(story: Story) -> None:
    story.hold("operational", max_at=hour(24 * 31))
    assert void(story.at()) == ["void-field"]


def test_a_party_frees_itself_and_nobody_else(story: Story) -> None:
    proposal = story.hold("operational", max_at=hour(24 * 20))
    story.act(GRID, "hold.sign", HOLD, re=proposal, terms=f"{1:064x}")
    story.act(GRID, "hold.free", HOLD, terms=f"{1:064x}", reason="we are hit")
    story.act(ISAC, "hold.free", HOLD, terms=f"{1:064x}", reason="x")
    state = story.at()
    assert hold(state).signatories == (CERT,)
    assert void(state) == ["bad-order"]


def test_leaving_a_case_is_not_leaving_a_promise(story: Story) -> None:
    proposal = story.hold()
    story.act(GRID, "hold.sign", HOLD, re=proposal, terms=f"{1:064x}")
    story.act(GRID, "case.leave", CASE)
    assert hold(story.at()).signatories == (CERT, GRID)


def test_of_several_holds_the_shortest_comes_first(story: Story) -> None:
    story.hold()
    story.said[-1] = msgspec.structs.replace(
        story.said[-1], body={**story.said[-1].body, "item": "hold--2"}
    )
    story.hold(author=ISAC, ends_at=hour(48))
    assert [one.proposer for one in story.at().holds] == [ISAC, CERT]


# --- tasks ------------------------------------------------------------------------------------


def test_a_task_goes_its_way_and_may_come_back(story: Story) -> None:
    offer = story.task()
    seen = []
    steps: Sequence[tuple[str, str, dict[str, Any]]] = [
        (GRID, "task.accept", {"re": offer}),
        (GRID, "task.block", {"reason": "no spare disk"}),
        (GRID, "task.accept", {"re": offer}),
        (GRID, "task.done", {"evidence": "image"}),
        (CERT, "task.return", {"reason": "wrong host"}),
        (GRID, "task.done", {"evidence": "other image"}),
        (CERT, "task.verify", {}),
    ]
    for author, event, fields in steps:
        story.act(author, event, TASK, **fields)
        seen.append(task(story.at()).state)
    assert seen == ["ACCEPTED", "BLOCKED", "ACCEPTED", "DONE", "RETURNED", "DONE", "VERIFIED"]
    assert void(story.at()) == []
    story.act(CERT, "task.cancel", TASK)
    assert void(story.at()) == ["stale"]


def test_a_task_may_be_refused_without_a_reason_and_the_mind_changed(story: Story) -> None:
    offer = story.task()
    story.act(GRID, "task.refuse", TASK, re=offer)
    assert task(story.at()).state == "REFUSED"
    story.act(GRID, "task.accept", TASK, re=offer)
    assert (task(story.at()).state, task(story.at()).changed) == ("ACCEPTED", True)


def test_only_the_addressee_answers_and_only_the_offerer_closes(story: Story) -> None:
    offer = story.task()
    story.act(ISAC, "task.accept", TASK, re=offer)
    story.act(GRID, "task.done", TASK, evidence="x")
    story.act(GRID, "task.verify", TASK)
    assert void(story.at()) == ["not-owner", "not-owner"]


def test_an_answer_to_an_offer_made_anew_is_stale(story: Story) -> None:
    offer = story.task()
    story.task(to=ISAC)
    story.act(ISAC, "task.accept", TASK, re=offer)
    assert void(story.at()) == ["stale"]
    assert (task(story.at()).state, task(story.at()).addressee) == ("OFFERED", ISAC)


def test_a_task_that_is_accepted_and_not_done_is_overdue(story: Story) -> None:
    offer = story.task()
    story.act(GRID, "task.accept", TASK, re=offer)
    assert (task(story.at(24)).overdue, task(story.at(25)).overdue) == (False, True)


def test_an_open_request_takes_bids_and_goes_to_the_one_agreed(story: Story) -> None:
    offer = story.task(to="open", assist={"needs": ["forensics"]})
    bid = story.act(GRID, "task.bid", TASK, re=offer, terms="two people")
    story.act(PORT, "task.bid", TASK, re=offer, terms="x")
    story.act(ISAC, "task.agree", TASK, re=bid)
    story.act(CERT, "task.agree", TASK, re=bid)
    state = story.at()
    assert void(state) == ["not-member", "not-owner"]
    assert (task(state).addressee, task(state).state) == (GRID, "ACCEPTED")
    assert task(state).assist == {"needs": ["forensics"]}


# --- notices ----------------------------------------------------------------------------------


def test_a_notice_counts_answers_and_silence_apart(story: Story) -> None:
    story.plan()
    sent = story.sent()
    story.put(
        PORT,
        "ack",
        {"event": "notice.ack", "item": NOTICE, "re": sent, "by": "human", "heads": []},
    )
    story.act(GRID, "notice.assess", NOTICE, re=sent, status="not_affected")
    state = notice(story.at(9))
    assert (state.state, state.handed, state.acked, state.assessed) == ("SENT", 3, 2, 1)
    assert state.overdue == 1
    assert notice(story.at(8)).overdue == 0
    assert {one.party: one.status for one in state.recipients} == {
        PORT: None,
        GRID: "not_affected",
    }
    assert story.at().timeline[-1].jumped == ("notice.ack",)


def test_a_word_by_proxy_counts_until_the_recipient_speaks(story: Story) -> None:
    story.plan()
    sent = story.sent()
    evidence = {"id": "urn:sha256:m", "sha256": SHA}
    heard: dict[str, Any] = {"recipient": PORT, "via": "mail", "evidence": evidence}
    story.act(CERT, "notice.heard", NOTICE, what="affected", **heard)
    [row] = notice(story.at()).recipients
    assert (row.by_proxy, row.state, row.status) == (True, "ASSESSED", "affected")
    story.act(PORT, "notice.ack", NOTICE, re=sent, by="human")
    story.act(CERT, "notice.heard", NOTICE, what="done", **heard)
    [row] = notice(story.at()).recipients
    assert (row.by_proxy, row.state) == (False, "ACKED")


def test_only_its_planner_sends_escalates_and_retracts(story: Story) -> None:
    plan = story.plan()
    batch = {"id": "urn:sha256:y", "sha256": SHA}
    story.act(ISAC, "notice.sent", NOTICE, batch=batch, handed=1, bounced=0)
    story.act(GRID, "notice.retract", NOTICE, reason="x")
    story.sent()
    story.act(CERT, "notice.escalate", NOTICE, recipient=PORT, level=2, to="isac", reason="silent")
    assert void(story.at()) == ["not-owner", "not-owner"]
    [row] = notice(story.at()).recipients
    assert (row.state, row.level) == ("ESCALATED", 2)
    story.act(CERT, "notice.retract", NOTICE, reason="wrong list")
    story.act(GRID, "notice.ack", NOTICE, re=plan, by="human")
    assert void(story.at())[-1] == "stale"
    assert notice(story.at()).state == "RETRACTED"


def test_an_answer_to_an_older_plan_is_stale(story: Story) -> None:
    plan = story.plan()
    story.plan(rev=2)
    story.act(GRID, "notice.ack", NOTICE, re=plan, by="human")
    assert void(story.at()) == ["stale"]


# --- advisories -------------------------------------------------------------------------------


def test_an_advisory_is_signed_when_k_have_signed_and_then_published(story: Story) -> None:
    freeze = story.freeze()
    story.act(CERT, "advise.publish", ADVISORY, re=freeze)
    assert void(story.at()) == ["bad-order"]
    one = story.cosign(CERT, freeze, capacity="author")
    assert (advisory(story.at()).state, advisory(story.at()).signed) == ("FROZEN", 1)
    story.cosign(ISAC, freeze)
    assert advisory(story.at()).state == "SIGNED"
    story.act(ISAC, "advise.publish", ADVISORY, re=freeze)
    story.act(CERT, "advise.publish", ADVISORY, re=freeze)
    state = advisory(story.at())
    assert (state.state, state.published_rev, state.k, state.of) == ("PUBLISHED", 1, 2, 3)
    assert state.cosigns[0].id == one
    assert void(story.at()) == ["bad-order", "not-owner"]
    story.act(CERT, "advise.withdraw", ADVISORY, re=freeze, reason="error in table")
    assert advisory(story.at()).state == "WITHDRAWN"


def test_refusals_stand_in_the_same_table_and_only_authors_count(story: Story) -> None:
    freeze = story.freeze()
    story.cosign(ISAC, freeze, refuse=True, dissent="the second paragraph")
    story.cosign(GRID, freeze, capacity="endorses")
    state = advisory(story.at())
    assert state.signed == 0
    assert [(c.party, c.capacity, c.refuse, c.dissent) for c in state.cosigns] == [
        (ISAC, None, True, "the second paragraph"),
        (GRID, "endorses", False, None),
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"capacity": "co-author", "manifest_sha256": "0" * 64}, "void-field"),
        ({"capacity": "witness"}, "void-field"),
        ({"capacity": "author", "refuse": True}, "void-field"),
        ({"refuse": "yes"}, "void-field"),
        ({"capacity": "author", "dissent": 7}, "void-field"),
    ],
)
def test_a_signature_over_anything_else_does_not_count(
    story: Story, body: dict[str, Any], reason: str
) -> None:
    story.cosign(GRID, story.freeze(), **body)
    assert void(story.at()) == [reason]
    assert advisory(story.at()).cosigns == ()


def test_only_members_sign(story: Story) -> None:
    story.cosign(PORT, story.freeze())
    assert void(story.at()) == ["not-member"]


def test_a_new_revision_needs_new_signatures_and_shows_the_old_ones_as_such(story: Story) -> None:
    first = story.freeze()
    story.cosign(ISAC, first)
    story.cosign(GRID, first)
    second = story.freeze(rev=2, sha="cd" * 32)
    story.cosign(GRID, first, capacity="author")
    state = advisory(story.at())
    assert (state.state, state.rev, state.freeze, state.signed) == ("FROZEN", 2, second, 0)
    assert [(c.party, c.rev) for c in state.cosigns] == [(ISAC, 1), (GRID, 1)]
    assert void(story.at()) == ["stale"]
    story.act(CERT, "advise.publish", ADVISORY, re=first)
    assert void(story.at())[-1] == "stale"


def test_past_its_date_an_advisory_lapses_and_a_late_signature_still_counts(story: Story) -> None:
    freeze = story.freeze(k=1)
    assert advisory(story.at(24)).state == "FROZEN"
    assert advisory(story.at(25)).state == "LAPSED"
    story.cosign(ISAC, freeze, at=26)
    state = advisory(story.at(27))
    assert (state.state, state.cosigns[0].late) == ("SIGNED", True)


def test_a_signature_is_taken_back_by_a_withdraw_of_its_author(story: Story) -> None:
    freeze = story.freeze()
    signature = story.cosign(ISAC, freeze)
    story.put(GRID, "withdraw", {}, refs=(signature,))
    assert void(story.at()) == ["not-owner"]
    assert advisory(story.at()).signed == 1
    story.put(ISAC, "withdraw", {}, refs=(signature,))
    assert advisory(story.at()).cosigns == ()


def test_a_changed_answer_replaces_the_first_and_says_so(story: Story) -> None:
    freeze = story.freeze()
    story.cosign(ISAC, freeze)
    story.cosign(ISAC, freeze)
    assert void(story.at()) == ["duplicate"]
    story.cosign(ISAC, freeze, refuse=True)
    [answer] = advisory(story.at()).cosigns
    assert (answer.refuse, answer.changed) == (True, True)


def test_where_the_policy_names_parties_only_theirs_count(story: Story) -> None:
    freeze = story.freeze(k=1)
    story.said[-1] = msgspec.structs.replace(
        story.said[-1], body={**story.said[-1].body, "policy": {"k": 1, "of": [CERT, ISAC]}}
    )
    story.cosign(GRID, freeze)
    assert (advisory(story.at()).state, advisory(story.at()).of) == ("FROZEN", 2)
    story.cosign(ISAC, freeze)
    assert advisory(story.at()).state == "SIGNED"


def test_another_party_cannot_freeze_a_revision_of_it(story: Story) -> None:
    story.freeze()
    body = {**story.said[-1].body, "rev": 2}
    story.put(ISAC, "act", body)
    assert void(story.at()) == ["not-owner"]


def test_every_event_of_the_list_is_applied_by_one_family() -> None:
    members = Members(frozenset(), frozenset())
    families = (members, Holds(members), Notices(members), Tasks(members), Advisories(members))
    names = [name for one in families for name in one.handlers]
    assert sorted(names) == sorted(EVENTS.keys() - LATER)


def test_an_early_date_makes_nobody_the_first_where_the_log_knows_better() -> None:
    story = Story()
    story.open()
    story.join(GRID)
    story.join(PORT)
    frozen: dict[str, Any] = {
        "rev": 1,
        "manifest": {"id": "urn:sha256:" + SHA, "sha256": SHA},
        "policy": {"k": 1, "of": 1},
    }
    story.act(GRID, "advise.freeze", ADVISORY, **frozen)
    story.act(PORT, "advise.freeze", ADVISORY, at=-9000, **frozen)
    logged = [structs.replace(said, index=n) for n, said in enumerate(story.said)]
    state = fold(logged, DIRECTORY, START)
    assert [one.proposer for one in state.advisories] == [GRID]
    assert [(v.author, v.reason) for v in state.void] == [(PORT, "not-owner")]
    assert fold(reversed(logged), DIRECTORY, START) == state


def test_a_case_is_its_first_opener_s_whatever_dates_others_write() -> None:
    story = Story()
    story.open()
    story.act(
        GRID,
        "case.open",
        CASE,
        at=-9000,
        title="Mine",
        class_="incident",
        tlp="AMBER",
        lang="en",
        quorum={"k": 1, "of": 1},
    )
    state = fold([structs.replace(s, index=n) for n, s in enumerate(story.said)], DIRECTORY, START)
    assert (state.owner, state.title) == (CERT, "Grid wiper")
