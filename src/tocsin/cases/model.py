"""A case as its signed statements make it: what goes into the fold, and what comes out.

Nothing here is stored as truth. `Said` is one readable statement; `CaseState` is what `fold` makes
of all of them at one instant. Times are RFC 3339 text, UTC.

Spec: respond.md §1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct, field

from tocsin.policy import Tlp

CASE_ROLES = (
    "owner",
    "coordinator",
    "contributor",
    "vendor",
    "affected",
    "responder",
    "observer",
)
"""What a party may be in a case. A regulator only gets an export."""
STAGES = ("OPEN", "ACTIVE", "CONTAINED", "RECOVERED", "CLOSED")
CAPACITIES = ("author", "co-author", "endorses", "no-objection")
COUNTED_CAPACITIES = ("author", "co-author")
"""Those that count towards k of an advisory; the others stand in the same table, same size."""

PartyWord = Literal["INVITED", "ACCEPTED", "DECLINED", "LAPSED", "LEFT", "REMOVED"]
TaskWord = Literal[
    "OFFERED",
    "ACCEPTED",
    "REFUSED",
    "LAPSED",
    "BLOCKED",
    "DONE",
    "VERIFIED",
    "RETURNED",
    "CANCELLED",
]
AdvisoryWord = Literal["DRAFT", "FROZEN", "SIGNED", "PUBLISHED", "LAPSED", "WITHDRAWN"]
NoticeWord = Literal["SELECTED", "SENT", "RETRACTED"]
RecipientWord = Literal["SENT", "ACKED", "ASSESSED", "MITIGATED", "ESCALATED"]
HoldWord = Literal["IN_FORCE", "ENDED"]
HoldAnswerWord = Literal["SIGNATORY", "DECLINED", "FREED"]
VoidReason = Literal[
    "not-owner",
    "not-member",
    "bad-order",
    "stale",
    "duplicate",
    "void-field",
    "unknown-event",
    "over-ceiling",
]


class Said(Struct, frozen=True, kw_only=True):
    """One statement of a case that the reader may read, as the fold takes it."""

    id: str
    """Statement id: 64 lower hex."""
    author: str
    seq: int
    """Place in the author's chain in this case, from 1."""
    kind: str
    time: str
    """The author's own word."""
    body: Mapping[str, Any]
    refs: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    tlp: str = "CLEAR"
    to: tuple[str, ...] = ()
    index: int | None = None
    """Place in the log: it decides where chains and answers do not."""
    not_before: str | None = None
    """When the newest checkpoint that the author had seen was cosigned."""
    not_after: str | None = None
    """When the log had taken it in."""


class PartyState(Struct, frozen=True, kw_only=True):
    """A party in a case. The owner is the first, ACCEPTED from the opening on."""

    party: str
    role: str
    state: PartyWord
    since: str
    rsvp_by: str | None = None
    """When an answer was asked for, never sooner than 4 h after the invitation."""
    invited_by: str | None = None
    invited_at: str | None = None
    invite: str | None = None
    """Id of the invitation that stands."""
    answered_at: str | None = None
    reason: str | None = None
    late: bool = False
    changed: bool = False
    removal_signed: tuple[str, ...] = ()
    """Coordinators who have signed a removal that is not yet carried."""


class Binding(Struct, frozen=True, kw_only=True):
    """A party's own promise, over the terms it signed."""

    party: str
    rev: int
    terms: str
    ends_at: str
    """The hard stop included."""
    since: str
    id: str


class HoldAnswer(Struct, frozen=True, kw_only=True):
    """A party's answer to the revision of a hold that stands."""

    party: str
    state: HoldAnswerWord
    at: str
    reason: str | None = None
    late: bool = False
    changed: bool = False


class HoldState(Struct, frozen=True, kw_only=True):
    """A hold: the proposal that stands, and who is bound by which terms at `now`."""

    item: str
    kind: Literal["disclosure", "operational"]
    proposer: str
    rev: int
    proposal: str
    terms: str
    text: str
    ends_at: str
    max_at: str
    go_at: str | None
    answer_by: str
    """From when on silence is counted: 24 h after the proposal. Silence never binds."""
    state: HoldWord
    in_force: bool
    signatories: tuple[str, ...]
    """Who is bound now."""
    bindings: tuple[Binding, ...]
    answers: tuple[HoldAnswer, ...]
    unanswered: tuple[str, ...]
    """Members that have not answered this revision; not bound."""
    silent: bool
    """The time to answer is over, and somebody has not."""
    end_signed: tuple[str, ...] = ()
    end_reason: str | None = None
    ended_at: str | None = None


class Recipient(Struct, frozen=True, kw_only=True):
    """A recipient of a notice that has answered, or about whom the planner has said something."""

    party: str
    state: RecipientWord
    at: str
    status: str | None = None
    by_proxy: bool = False
    late: bool = False
    level: int | None = None


class NoticeState(Struct, frozen=True, kw_only=True):
    """A notice: its plan, and the counts of what came back. Silence is never "not affected"."""

    item: str
    planner: str
    rev: int
    plan: str
    state: NoticeWord
    count: int
    handed: int
    bounced: int
    ack_by: str
    assess_by: str
    tlp: str
    list_sha256: str
    text_sha256: str
    recipients: tuple[Recipient, ...]
    acked: int
    assessed: int
    mitigated: int
    overdue: int
    """Handed over, past `ack_by`, and not a word."""
    reason: str | None = None


class TaskState(Struct, frozen=True, kw_only=True):
    """A task that another party may refuse, or a request for assistance (`to` "open")."""

    item: str
    offerer: str
    to: str
    title: str
    text: str
    criteria: Any
    due: str
    accept_by: str
    offer: str
    state: TaskWord
    since: str
    addressee: str | None
    """Whose it is; None while it is open to bids."""
    overdue: bool = False
    reason: str | None = None
    evidence: Any = None
    assist: Any = None
    bids: tuple[tuple[str, str], ...] = ()
    """(party, statement id) of each bid, in order."""
    late: bool = False
    changed: bool = False
    jumped: tuple[str, ...] = ()


class Cosign(Struct, frozen=True, kw_only=True):
    """One party's answer to a frozen advisory: a signature in a capacity, or a refusal."""

    party: str
    capacity: str | None
    refuse: bool
    dissent: str | None
    at: str
    rev: int
    """The revision it is over: an older one counts for nothing, and is shown as such."""
    id: str
    late: bool = False
    changed: bool = False


class AdvisoryState(Struct, frozen=True, kw_only=True):
    """An advisory from its freezing on."""

    item: str
    proposer: str
    rev: int
    freeze: str
    """Id of the `advise.freeze` that stands."""
    manifest_id: str
    manifest_sha256: str
    k: int
    of: int
    sign_by: str | None
    state: AdvisoryWord
    since: str
    cosigns: tuple[Cosign, ...] = ()
    signed: int = 0
    """Answers over this revision that count towards k."""
    published_rev: int | None = None
    published_at: str | None = None
    reason: str | None = None


class Void(Struct, frozen=True, kw_only=True):
    """A statement without effect: kept, shown, with the reason."""

    id: str
    reason: VoidReason
    author: str
    event: str
    item: str | None
    at: str

    @property
    def again(self) -> bool:
        """An opening or invitation said again to a wider circle: nothing is wrong with it."""
        return self.reason == "duplicate" and self.event in ("case.open", "case.invite")

    @property
    def words(self) -> str:
        """What became of it, in words."""
        return "said again, to a wider circle" if self.again else f"without effect: {self.reason}"


class WaitingFor(Struct, frozen=True, kw_only=True):
    """A statement that waits for what is not held: statement ids, or "AUTHOR SEQ"."""

    id: str
    for_: tuple[str, ...] = field(name="for")
    author: str
    event: str


class Equivocation(Struct, frozen=True, kw_only=True):
    """Two statements of one author in one place: both shown, none counted."""

    author: str
    seq: int
    ids: tuple[str, ...]


class Happened(Struct, frozen=True, kw_only=True):
    """One line of the timeline: a statement that counts."""

    at: str
    author: str
    event: str
    """The event of an act; else the statement's kind."""
    item: str | None
    id: str
    jumped: tuple[str, ...] = ()
    """Transitions of the signer's own that it skipped, and that are therefore implied."""
    late: bool = False
    changed: bool = False
    disputed: bool = False
    """The log contradicts the author's time; `at` is the log's bound."""
    claimed: bool = False
    """A clock started for somebody else: its word, not the debtor's."""


class CaseState(Struct, frozen=True, kw_only=True):
    """A case at `now`. `owner` is None where its opening cannot be read."""

    now: str
    title: str
    class_: str
    tlp: Tlp
    stage: str
    owner: str | None
    pap: str | None
    lang: str | None
    quorum_k: int
    quorum_of: int
    opened_at: str | None
    tracking_ids: tuple[str, ...]
    parties: tuple[PartyState, ...]
    holds: tuple[HoldState, ...]
    """Shortest first: of several proposals the shortest counts first."""
    notices: tuple[NoticeState, ...]
    tasks: tuple[TaskState, ...]
    advisories: tuple[AdvisoryState, ...]
    void: tuple[Void, ...]
    waiting: tuple[WaitingFor, ...]
    incomplete: bool
    """More waits than is held for; peers have to be asked for the gap."""
    equivocations: tuple[Equivocation, ...]
    timeline: tuple[Happened, ...]
    later: tuple[str, ...] = ()
    """Ids of known events of parts that keep no state yet: clocks, playbooks, report answers."""

    def party(self, party: str) -> PartyState | None:
        """One party's state, or None."""
        return next((one for one in self.parties if one.party == party), None)

    @property
    def members(self) -> tuple[str, ...]:
        """The owner and every party that joined."""
        return tuple(one.party for one in self.parties if one.state == "ACCEPTED")
