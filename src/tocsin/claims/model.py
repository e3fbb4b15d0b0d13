"""The claim carrier: claims, evidence, challenges and links as they stand in STIX objects.

A claim is a `note`, a piece of evidence a `grouping`, a challenge an `opinion`, a link a
`relationship`, each with one property-extension. A `View` holds typed views beside the decoded
objects they were read from.

Spec: claims.md §1.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from tocsin.errors import ClaimError

EXTENSION_ID = "extension-definition--b57c915e-ef34-559b-a164-4f7a58b7cd08"
"""The property-extension that carries everything of ours."""

STANDING_VERSION = "2.0"
STANDING_WITH_TIES = "2.2"
"""The rules of 2.0, undercuts of ties, and a bare word about oneself that binds nobody else."""

TIES = frozenset({"derived-from", "controlled-by"})
"""Links that say who depends on whom: what makes two roots one."""

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "victim-claim": ("activity",),
    "reported-declaration": ("statement",),
    "discovery": ("activity", "actor"),
    "accusation": ("activity", "actor", "sponsor"),
    "attribution": ("activity", "actor", "sponsor"),
    "counter-attribution": ("activity", "actor", "sponsor"),
    "reported-accusation": ("activity", "actor", "sponsor"),
}
"""Weighed types and the links each must show; a group named alone needs no sponsor."""

NOT_WEIGHED = frozenset({"denial", "assessment", "position", "call", "demand", "correction"})
CLAIM_TYPES: tuple[str, ...] = (*REQUIRED, *sorted(NOT_WEIGHED))

LINKS = ("activity", "actor", "sponsor", "statement")
"""Every link that a claim may have."""
FORMS = frozenset({"denial", "rebut", "alternative", "method-critique", "request", "undercut"})
ACCESS: tuple[str, ...] = (
    "none",
    "withheld",
    "committed",
    "described",
    "inspectable",
    "reproduced",
)

KIND_CLASS: Mapping[str, int] = {
    "assertion": 0,
    "ttp-overlap": 1,
    "timestamp-pattern": 1,
    "language-artifact": 1,
    "victimology": 1,
    "motive": 1,
    "common-tool-overlap": 1,
    "argument": 1,
    "infrastructure-overlap": 2,
    "exclusive-code-overlap": 2,
    "artifact-analysis": 2,
    "opsec-slip": 2,
    "telemetry": 2,
    "leaked-document": 2,
    "testimony": 2,
    "court-finding": 2,
    "admission": 2,
}
"""Class of each kind of evidence (§2.1); a kind we do not know is of class 0."""

PLANTABLE = frozenset(
    {"infrastructure-overlap", "exclusive-code-overlap", "opsec-slip", "leaked-document"}
)

ROLE_TYPE: Mapping[str, str] = {
    "claim": "note",
    "evidence": "grouping",
    "challenge": "opinion",
    "link": "relationship",
    "standing": "note",
}
"""The STIX type that carries each role."""

# --- the extension's fields -------------------------------------------------------------------

IdentityRef = Annotated[str, Meta(pattern="^identity--")]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Dated(Struct, frozen=True, kw_only=True):
    """When something was said or published, as exactly as it is known."""

    value: str
    precision: str
    until: str | None = None
    printed: str | None = None


class Words(Struct, frozen=True, kw_only=True):
    """Exact words: a half-open span of code points in a kept text, or the address of a page."""

    text: str
    lang: str | None = None
    start: int | None = None
    end: int | None = None
    source_sha256: Sha256 | None = None
    source_url: str | None = None


class Names(Struct, frozen=True, kw_only=True):
    """Whom a claim's words name."""

    actor_ref: Annotated[str, Meta(pattern="^(identity|intrusion-set)--")] | None = None
    sponsor_ref: IdentityRef | None = None


class Step(Struct, frozen=True, kw_only=True):
    """A finer step within a link: shown, never graded."""

    link: str
    name: str


class SpeakerConfidence(Struct, frozen=True, kw_only=True):
    """The speaker's own words of confidence, with the scale they belong to."""

    scale: str
    term: str


class StatusEvent(Struct, frozen=True, kw_only=True):
    """What became of a claim or challenge later, by whose word."""

    status: str
    at: Dated | str
    by_ref: IdentityRef
    replaced_by_ref: str | None = None
    url: str | None = None


class Flag(Struct, frozen=True, kw_only=True):
    """An error shown as that of the speaker or of the outlet; no effect on the level."""

    name: str
    of: str = "speaker"


class Custody(Struct, frozen=True, kw_only=True):
    """One hand-over of a piece of evidence."""

    at: str
    from_ref: IdentityRef
    to_ref: IdentityRef
    sha256: Sha256


class ClaimFields(Struct, frozen=True, kw_only=True):
    """What the extension of a claim says (claims.md §1)."""

    claim_type: str
    asserted_at: Dated
    speaker_ref: IdentityRef | None = None
    speaker_as_printed: str | None = None
    capacity: str | None = None
    speaks_for_ref: IdentityRef | None = None
    addressee_refs: tuple[IdentityRef, ...] = ()
    about_refs: tuple[str, ...] = ()
    names: Names = Names()
    also_asserted_at: tuple[Dated, ...] = ()
    words: Words | None = None
    words_original: Words | None = None
    translation_by_ref: IdentityRef | None = None
    reported_by_ref: IdentityRef | None = None
    gist: str | None = None
    steps: Annotated[tuple[Step, ...], Meta(max_length=12)] = ()
    speaker_confidence: SpeakerConfidence | None = None
    status_events: tuple[StatusEvent, ...] = ()
    legal_reference: tuple[str, ...] = ()
    norm_refs: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()


class EvidenceFields(Struct, frozen=True, kw_only=True):
    """What the extension of a piece of evidence says."""

    kind: str
    producer_refs: Annotated[tuple[IdentityRef, ...], Meta(min_length=1)]
    access: str
    published: Dated | None = None
    origin: str | None = None
    access_for: dict[str, str] = {}
    commitment: Sha256 | None = None
    court: str | None = None
    reproduced_by_refs: tuple[IdentityRef, ...] = ()
    custody: tuple[Custody, ...] = ()


class ChallengeFields(Struct, frozen=True, kw_only=True):
    """What the extension of a challenge says."""

    form: str
    speaker_ref: IdentityRef
    asserted_at: Dated
    capacity: str | None = None
    speaks_for_ref: IdentityRef | None = None
    """As for a claim (decisions/0066, 0069): so is every field below that a claim has too."""
    target_link: str | None = None
    counter_claim_ref: str | None = None
    scope: str = "this"
    words: Words | None = None
    words_original: Words | None = None
    translation_by_ref: IdentityRef | None = None
    reported_by_ref: IdentityRef | None = None
    speaker_confidence: SpeakerConfidence | None = None
    status_events: tuple[StatusEvent, ...] = ()
    legal_reference: tuple[str, ...] = ()
    norm_refs: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()
    """Shown, and of no effect on a level."""


class LinkFields(Struct, frozen=True, kw_only=True):
    """What the extension of a relationship says."""

    links: tuple[str, ...] = ()
    basis: str | None = None
    answer: str | None = None


class StandingFields(Struct, frozen=True, kw_only=True):
    """A standing as somebody stored it: never an input, only compared with ours."""

    claim_ref: str
    level: str | None = None
    base: str | None = None
    at: str | None = None
    coder: str | None = None
    links: dict[str, Any] = {}
    inputs_sha256: str | None = None
    algorithm: dict[str, Any] = {}
    reader: str = msgspec.field(name="for", default="public")


# --- what a view holds ------------------------------------------------------------------------


class Held(Struct, frozen=True, kw_only=True):
    """An object as decoded, and the SHA-256 of the bytes it was received in."""

    data: Mapping[str, Any]
    sha256: str


class Carried(Struct, frozen=True, kw_only=True):
    """What all four carriers share. `known` is when it had been said: an instant, UTC."""

    id: str
    sha256: str
    publisher: str | None
    created: str
    modified: str
    known: datetime
    urls: tuple[str, ...] = ()


class Claim(Carried, frozen=True, kw_only=True):
    """A `note` that says who says what. `content` is the exact words, or the coder's gist."""

    content: str
    lang: str | None
    object_refs: tuple[str, ...]
    x: ClaimFields


class Evidence(Carried, frozen=True, kw_only=True):
    """A `grouping` that carries the grounds, or says that there are some."""

    name: str
    description: str | None
    object_refs: tuple[str, ...]
    x: EvidenceFields

    @property
    def origin(self) -> str:
        """The raw material it was made of: what nobody said is its own."""
        return self.x.origin or self.id


class Challenge(Carried, frozen=True, kw_only=True):
    """An `opinion` on exactly one target."""

    target: str
    explanation: str | None
    x: ChallengeFields


class Link(Carried, frozen=True, kw_only=True):
    """A `relationship` of ours. `kind` is its relationship type."""

    kind: str
    source: str
    target: str
    x: LinkFields


class StoredStanding(Carried, frozen=True, kw_only=True):
    """A standing somebody published."""

    x: StandingFields


class Broken(Struct, frozen=True, kw_only=True):
    """An object that breaks the carrier: kept, named, and left out of weighing."""

    id: str
    sha256: str
    field: str
    message: str
    remedy: str

    def error(self) -> ClaimError:
        """The same as an exception, for whoever was asked for this object."""
        return ClaimError(f"{self.id}: {self.message}", remedy=self.remedy)


class Ties(Struct, frozen=True, kw_only=True):
    """Ids of links by what they touch."""

    supports_into: Mapping[str, tuple[str, ...]] = {}
    supports_from: Mapping[str, tuple[str, ...]] = {}
    derived_out: Mapping[str, tuple[str, ...]] = {}
    derived_into: Mapping[str, tuple[str, ...]] = {}
    controls: Mapping[str, tuple[str, ...]] = {}
    """Identity → ids of the `controlled-by` that have it at one end."""


class View(Ties, frozen=True, kw_only=True):
    """Everything one reader holds, by id, newest version each. Indexes are made once.

    `withdrawn` maps an id to the instant at which its publisher took it back by a `withdraw`
    statement.
    """

    claims: Mapping[str, Claim]
    evidence: Mapping[str, Evidence]
    challenges: Mapping[str, Challenge]
    links: Mapping[str, Link]
    standings: Mapping[str, StoredStanding]
    identities: Mapping[str, Mapping[str, Any]]
    objects: Mapping[str, Held]
    broken: tuple[Broken, ...]
    withdrawn: Mapping[str, datetime]
    challenges_on: Mapping[str, tuple[str, ...]]
    coded: Mapping[str, Ties]
    """The links of each publisher alone."""
    challenged_ties: frozenset[str]
    """The `derived-from` and `controlled-by` that somebody undercuts."""
    named: frozenset[str]
    """Origins, what others derive from, and what others call a copy of theirs: all else can be
    common to no two pieces.
    """
    called: Mapping[str, str] = {}
    """Identity → the name its party gives itself elsewhere: shown, and nothing is weighed by it."""

    def name(self, ref: str) -> str:
        """What a party calls itself; else what an object calls itself, or its id."""
        if ref in self.called:
            return self.called[ref]
        held = self.objects.get(ref)
        name = held.data.get("name") if held else None
        return name if isinstance(name, str) and name else ref
