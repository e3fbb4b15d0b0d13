"""The claim carrier: claims, evidence, challenges and links as they stand in STIX objects.

A claim is a `note`, a piece of evidence a `grouping`, a challenge an `opinion`, a link a
`relationship`, each with one property-extension. `read` makes a `View` of typed views beside the
decoded objects; nothing here rewrites them. What breaks a rule of the carrier is named in
`View.broken` and left out of weighing; the others are read all the same.

Spec: claims.md §1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from tocsin.errors import ClaimError, SpeakerError
from tocsin.stix.model import make

EXTENSION_ID = "extension-definition--b57c915e-ef34-559b-a164-4f7a58b7cd08"
"""The property-extension that carries everything of ours."""

STANDING_VERSION = "2.0"

LINKS: tuple[str, ...] = ("activity", "actor", "sponsor", "statement")
"""The fixed vocabulary of links a claim is judged by."""

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

_REMEDY = "correct the object and publish a newer version of it"

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
    target_link: str | None = None
    counter_claim_ref: str | None = None
    scope: str = "this"
    words: Words | None = None
    status_events: tuple[StatusEvent, ...] = ()


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
    named: frozenset[str]
    """Origins, and what others derive from: all else can be common to no two pieces."""

    def name(self, ref: str) -> str:
        """What an object calls itself, or its id."""
        held = self.objects.get(ref)
        name = held.data.get("name") if held else None
        return name if isinstance(name, str) and name else ref


# --- time -------------------------------------------------------------------------------------

_FORM = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?P<time>[Tt]\d\d:\d\d(?P<second>:\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:\d\d))?)?)?"
)
_COARSENESS = {"instant": 0, "minute": 1, "day": 2, "month": 3, "year": 4}
_LATEST = datetime.max.replace(tzinfo=UTC)


def instant(text: str) -> datetime:
    """An RFC 3339 instant as an aware datetime, UTC.

    Raises:
        ValueError: not an instant, or without a zone.
    """
    found = _FORM.fullmatch(text)
    if not found or not found["time"]:
        raise ValueError(f"{text!r} is not an RFC 3339 instant with a zone")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError as wrong:
        raise ValueError(f"{text!r} is outside the years we can count") from wrong


def ended(text: str, precision: str | None = None) -> datetime:
    """The instant at which a date of this precision is over, UTC.

    The coarser of the written form and `precision` decides: "2024-02" with precision "day" is
    over when February is. A precision we do not know is that of the written form.

    Raises:
        ValueError: not a year, month, day, minute or instant.
    """
    found = _FORM.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a year, month, day or RFC 3339 instant")
    form = (
        ("instant" if found["second"] else "minute")
        if found["time"]
        else ("day" if found["day"] else "month" if found["month"] else "year")
    )
    grain = max(form, precision or form, key=lambda name: _COARSENESS.get(name, -1))
    if grain == "instant":
        return instant(text)
    try:
        if grain == "minute":
            return instant(text).replace(second=0, microsecond=0) + timedelta(minutes=1)
        day = (
            instant(text).date()
            if found["time"]
            else date(int(found["year"]), int(found["month"] or 1), int(found["day"] or 1))
        )
        if grain == "day":
            after = day + timedelta(days=1)
        elif grain == "month" and day.month < 12:
            after = date(day.year, day.month + 1, 1)
        else:
            after = date(day.year + 1, 1, 1)
    except OverflowError:
        return _LATEST
    except ValueError:
        if found["year"] == "9999" and found["month"] in (None, "12"):
            return _LATEST
        raise
    return datetime(after.year, after.month, after.day, tzinfo=UTC)


def dated_end(dated: Dated | str) -> datetime:
    """The instant at which a dated interval has ended.

    Raises:
        ValueError: value or until is not a date we can read.
    """
    if isinstance(dated, str):
        return ended(dated)
    end = ended(dated.value, dated.precision)
    return max(end, ended(dated.until)) if dated.until else end


def rfc3339(at: datetime) -> str:
    """UTC text with at least milliseconds, as STIX writes it."""
    at = at.astimezone(UTC)
    fine = at.microsecond if at.microsecond % 1000 else at.microsecond // 1000
    digits = 6 if at.microsecond % 1000 else 3
    return f"{at:%Y-%m-%dT%H:%M:%S}.{fine:0{digits}d}Z"


# --- reading ----------------------------------------------------------------------------------

_ROLE_TYPE = {
    "claim": "note",
    "evidence": "grouping",
    "challenge": "opinion",
    "link": "relationship",
    "standing": "note",
}
_FIELDS: dict[str, Any] = {
    "claim": ClaimFields,
    "evidence": EvidenceFields,
    "challenge": ChallengeFields,
    "link": LinkFields,
    "standing": StandingFields,
}
_ENDS = {
    "supports": (("grouping",), ("note", "opinion")),
    "derived-from": (("grouping",), ("grouping",)),
    "controlled-by": (("identity",), ("identity",)),
    "answers": (("note",), ("note",)),
    "quotes": (("note",), ("note",)),
    "alternative-to": (("note",), ("note",)),
}


class _Wrong(Exception):
    def __init__(self, field: str, message: str, remedy: str = _REMEDY) -> None:
        super().__init__(message)
        self.field, self.message, self.remedy = field, message, remedy


def read(
    objects: Iterable[tuple[Mapping[str, Any], str]],
    *,
    withdrawn: Mapping[str, datetime] | None = None,
) -> View:
    """What these objects say, newest version of each id, in any order.

    Args:
        objects: (decoded object, lower hex SHA-256 of the bytes it was received in).
        withdrawn: id → when its publisher withdrew it by a statement.

    Returns:
        A view; objects that break the carrier are in `broken`, sorted by id, and nowhere else
        but `objects`.
    """
    newest: dict[str, tuple[tuple[str, str, str], Held]] = {}
    for data, sha256 in objects:
        ref = data.get("id")
        if not isinstance(ref, str) or not isinstance(data.get("type"), str):
            continue
        # Two versions of one instant: the larger digest, so that the order of arrival is nothing.
        rank = (*_sortable(data.get("modified") or data.get("created")), sha256)
        if ref not in newest or newest[ref][0] < rank:
            newest[ref] = (rank, Held(data=data, sha256=sha256))
    held = {ref: newest[ref][1] for ref in sorted(newest)}
    found: dict[str, dict[str, Any]] = {role: {} for role in _ROLE_TYPE}
    broken: list[Broken] = []
    for ref, one in held.items():
        try:
            carried = _carried(ref, one)
        except _Wrong as wrong:
            broken.append(
                Broken(
                    id=ref,
                    sha256=one.sha256,
                    field=wrong.field,
                    message=wrong.message,
                    remedy=wrong.remedy,
                )
            )
            continue
        if carried is not None:
            found[carried[0]][ref] = carried[1]
    broken += _misdirected(found["challenge"], held)
    return _index(found, held, tuple(sorted(broken, key=lambda b: b.id)), dict(withdrawn or {}))


def _sortable(stamp: Any) -> tuple[str, str]:
    """A STIX timestamp as text that sorts by time, whatever its number of digits."""
    if not isinstance(stamp, str):
        return ("", "")
    whole, _, fraction = stamp.rstrip("Zz").partition(".")
    return whole, fraction.rstrip("0")


def _carried(ref: str, held: Held) -> tuple[str, Any] | None:
    data = held.data
    extensions = data.get("extensions")
    if not isinstance(extensions, dict) or EXTENSION_ID not in extensions:
        return None
    x = extensions[EXTENSION_ID]
    if not isinstance(x, dict):
        raise _Wrong("extensions", f"its extension is {x!r}, not an object")
    role = x.get("role")
    if role is None and data["type"] not in _ROLE_TYPE.values():
        return None
    if not isinstance(role, str):
        raise _Wrong("role", f"role is {role!r}, not text")
    if role not in _ROLE_TYPE:
        return None
    if data["type"] != _ROLE_TYPE[role]:
        raise _Wrong(
            "role", f"a {data['type']} cannot be a {role}; a {_ROLE_TYPE[role]} can", _REMEDY
        )
    try:
        fields = msgspec.convert(x, _FIELDS[role], strict=True)
    except msgspec.ValidationError as wrong:
        field = _field_of(str(wrong))
        raise _Wrong(field, f"{field}: {wrong}") from wrong
    common: dict[str, Any] = {
        "id": ref,
        "sha256": held.sha256,
        "publisher": _text(data, "created_by_ref", required=False),
        "created": _text(data, "created"),
        "modified": _text(data, "modified", required=False) or _text(data, "created"),
        "urls": _urls(data),
        "x": fields,
    }
    try:
        created = instant(common["created"])
    except ValueError as wrong:
        raise _Wrong("created", str(wrong)) from wrong
    return role, _BUILD[role](data, common, created)


def _field_of(message: str) -> str:
    missing = re.search(r"missing required field `([^`]+)`", message)
    place = re.search(r"`\$\.?([^`]*)`", message)
    path = place[1] if place else ""
    return ".".join(part for part in (path, missing[1] if missing else "") if part) or "extension"


def _text(data: Mapping[str, Any], field: str, *, required: bool = True) -> Any:
    value = data.get(field)
    if value is None and not required:
        return None
    if not isinstance(value, str):
        raise _Wrong(field, f"{field} is {value!r}, not text")
    return value


def _refs(data: Mapping[str, Any], field: str = "object_refs") -> tuple[str, ...]:
    value = data.get(field, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _Wrong(field, f"{field} is not a list of ids")
    return tuple(value)


def _urls(data: Mapping[str, Any]) -> tuple[str, ...]:
    references = data.get("external_references")
    if not isinstance(references, list):
        return ()
    return tuple(
        one["url"]
        for one in references
        if isinstance(one, dict) and isinstance(one.get("url"), str) and one["url"]
    )


def _end_of(dated: Dated | str, field: str) -> datetime:
    try:
        return dated_end(dated)
    except ValueError as wrong:
        raise _Wrong(field, f"{field}: {wrong}", "write a year, month, day or instant") from wrong


def _check_events(events: Sequence[StatusEvent]) -> None:
    for number, event in enumerate(events):
        _end_of(event.at, f"status_events[{number}].at")


def _claim(data: Mapping[str, Any], common: dict[str, Any], _created: datetime) -> Claim:
    x: ClaimFields = common["x"]
    _check_events(x.status_events)
    for number, again in enumerate(x.also_asserted_at):
        _end_of(again, f"also_asserted_at[{number}]")
    return Claim(
        **common,
        known=_end_of(x.asserted_at, "asserted_at"),
        content=_text(data, "content"),
        lang=_text(data, "lang", required=False),
        object_refs=_refs(data),
    )


def _evidence(data: Mapping[str, Any], common: dict[str, Any], created: datetime) -> Evidence:
    x: EvidenceFields = common["x"]
    if x.kind == "court-finding" and not x.court:
        raise _Wrong("court", "court is missing in a court-finding", "name the court and its state")
    if x.commitment is None and "committed" in (x.access, *x.access_for.values()):
        raise _Wrong("commitment", "commitment is missing though access is committed")
    return Evidence(
        **common,
        known=created if x.published is None else _end_of(x.published, "published"),
        name=_text(data, "name", required=False) or common["id"],
        description=_text(data, "description", required=False),
        object_refs=_refs(data),
    )


def _challenge(data: Mapping[str, Any], common: dict[str, Any], _created: datetime) -> Challenge:
    x: ChallengeFields = common["x"]
    _check_events(x.status_events)
    targets = _refs(data)
    if len(targets) != 1:
        raise _Wrong(
            "object_refs",
            f"object_refs names {len(targets)} targets, and a challenge has exactly one",
            "publish one challenge for each target",
        )
    kind = targets[0].partition("--")[0]
    if x.form == "undercut":
        if kind not in ("grouping", "relationship", "opinion"):
            raise _Wrong(
                "object_refs",
                f"an undercut of {targets[0]}, which is no evidence, support or challenge",
                "use rebut, alternative or denial against a claim",
            )
    elif kind != "note":
        raise _Wrong(
            "object_refs",
            f"a {x.form} of {targets[0]}, which is no claim",
            "use undercut against evidence, a support or a challenge",
        )
    return Challenge(
        **common,
        known=_end_of(x.asserted_at, "asserted_at"),
        target=targets[0],
        explanation=_text(data, "explanation", required=False),
    )


def _link(data: Mapping[str, Any], common: dict[str, Any], created: datetime) -> Link:
    kind = _text(data, "relationship_type")
    ends = _text(data, "source_ref"), _text(data, "target_ref")
    for end, field, types in zip(
        ends, ("source_ref", "target_ref"), _ENDS.get(kind, ()), strict=False
    ):
        if end.partition("--")[0] not in types:
            raise _Wrong(field, f"{field} of a {kind} is {end}, not a {' or '.join(types)}")
    if kind == "controlled-by" and not common["x"].basis:
        raise _Wrong("basis", "basis is missing in a controlled-by")
    return Link(**common, known=created, kind=kind, source=ends[0], target=ends[1])


def _stored(_data: Mapping[str, Any], common: dict[str, Any], created: datetime) -> StoredStanding:
    return StoredStanding(**common, known=created)


_BUILD: dict[str, Any] = {
    "claim": _claim,
    "evidence": _evidence,
    "challenge": _challenge,
    "link": _link,
    "standing": _stored,
}


def _misdirected(challenges: dict[str, Challenge], held: Mapping[str, Held]) -> list[Broken]:
    """Undercuts of a relationship that is held and is no `supports`: taken out, and named."""
    wrong = []
    for ref, challenge in list(challenges.items()):
        target = held.get(challenge.target)
        kind = target.data.get("relationship_type") if target else None
        if challenge.target.startswith("relationship--") and kind not in (None, "supports"):
            del challenges[ref]
            wrong.append(
                Broken(
                    id=ref,
                    sha256=challenge.sha256,
                    field="object_refs",
                    message=f"an undercut of {challenge.target}, a {kind} and no support",
                    remedy="undercut the evidence or its support",
                )
            )
    return wrong


def _index(
    found: Mapping[str, dict[str, Any]],
    held: Mapping[str, Held],
    broken: tuple[Broken, ...],
    withdrawn: Mapping[str, datetime],
) -> View:
    challenges_on: dict[str, list[str]] = {}
    for challenge in found["challenge"].values():
        challenges_on.setdefault(challenge.target, []).append(challenge.id)
    by_publisher: dict[str, list[Link]] = {}
    for link in found["link"].values():
        if link.publisher is not None:
            by_publisher.setdefault(link.publisher, []).append(link)
    return View(
        claims=found["claim"],
        evidence=found["evidence"],
        challenges=found["challenge"],
        links=found["link"],
        standings=found["standing"],
        identities={r: h.data for r, h in held.items() if h.data["type"] == "identity"},
        objects=held,
        broken=broken,
        withdrawn=withdrawn,
        challenges_on={ref: tuple(ids) for ref, ids in challenges_on.items()},
        named=frozenset(
            [one.x.origin for one in found["evidence"].values() if one.x.origin]
            + [link.target for link in found["link"].values() if link.kind == "derived-from"]
        ),
        coded={who: Ties(**_ties(links)) for who, links in by_publisher.items()},
        **_ties(found["link"].values()),
    )


def _ties(links: Iterable[Link]) -> dict[str, dict[str, tuple[str, ...]]]:
    """The four indexes of `Ties`."""
    made: dict[str, dict[str, list[str]]] = {name: {} for name in Ties.__struct_fields__}
    for link in links:
        if link.kind == "supports":
            made["supports_into"].setdefault(link.target, []).append(link.id)
            made["supports_from"].setdefault(link.source, []).append(link.id)
        elif link.kind == "derived-from":
            made["derived_out"].setdefault(link.source, []).append(link.id)
        elif link.kind == "controlled-by":
            for end in {link.source, link.target}:
                made["controls"].setdefault(end, []).append(link.id)
    return {name: {ref: tuple(ids) for ref, ids in one.items()} for name, one in made.items()}


def check_publisher(data: Mapping[str, Any], identity: str) -> None:
    """See that an object of ours is published by the identity of the party that signs it.

    Raises:
        SpeakerError: `created_by_ref` is missing or another's.
    """
    extensions = data.get("extensions")
    ours = isinstance(extensions, dict) and EXTENSION_ID in extensions
    if ours and data.get("created_by_ref") != identity:
        raise SpeakerError(
            f"{data.get('id')} says it is published by {data.get('created_by_ref')}, and the party "
            f"that signs is {identity}",
            remedy="publish it under your own identity; name the other one as the speaker",
        )


# --- writing ----------------------------------------------------------------------------------

TOOL_IDENTITY = "identity--a5295150-3330-5ee7-a051-0c5c4a5fbfca"
_SCHEMA = "https://tocsin.example/schema/claims-1.0.json"
_LONG_AGO = "2026-01-01T00:00:00.000Z"

_OPINION = {"denial": "strongly-disagree", "request": "neutral"}
"""The native `opinion` by form, for other tools; never read back. Every other form: disagree."""


def extension_objects() -> tuple[bytes, bytes]:
    """The identity and the extension definition that a strict reader asks of a bundle of ours."""
    return (
        make(
            "identity",
            id=TOOL_IDENTITY,
            created=_LONG_AGO,
            name="tocsin",
            identity_class="system",
        ),
        make(
            "extension-definition",
            id=EXTENSION_ID,
            created=_LONG_AGO,
            created_by_ref=TOOL_IDENTITY,
            name="tocsin claims",
            schema=_SCHEMA,
            version="1.0.0",
            extension_types=["property-extension"],
        ),
    )


def identity_object(
    *,
    id: str,
    name: str,
    created: datetime | str,
    created_by_ref: str | None = None,
    identity_class: str = "organization",
    modified: datetime | str | None = None,
) -> bytes:
    """A party, person or outlet by the name it is printed with, as strict STIX 2.1."""
    return make(
        "identity",
        id=id,
        created=created,
        modified=modified,
        created_by_ref=created_by_ref,
        name=name,
        identity_class=identity_class,
    )


def claim_object(
    *,
    id: str,
    created: datetime | str,
    created_by_ref: str,
    claim_type: str,
    asserted_at: Mapping[str, Any],
    modified: datetime | str | None = None,
    content: str | None = None,
    lang: str | None = None,
    authors: Sequence[str] = (),
    external_references: Sequence[Mapping[str, Any]] = (),
    object_marking_refs: Sequence[str] = (),
    **x: Any,
) -> bytes:
    """A claim as a strict STIX 2.1 `note`.

    Args:
        content: default the exact `words`, else the `gist`.
        x: the other fields of the extension (§1); None and empty lists are left out.

    Raises:
        ClaimError: a field missing or of the wrong kind.
    """
    words = x.get("words") or {}
    about = [x.get("speaker_ref"), *(x.get("addressee_refs") or ())]
    refs = [ref for ref in about if ref] or [r for r in (x.get("reported_by_ref"),) if r]
    if not refs:
        raise ClaimError(
            f"{id}: a claim without speaker, addressee or outlet speaks of nobody",
            remedy="give speaker_ref, addressee_refs or reported_by_ref",
        )
    return _write(
        "claim",
        {"claim_type": claim_type, "asserted_at": dict(asserted_at), **x},
        id=id,
        created=created,
        modified=modified,
        created_by_ref=created_by_ref,
        abstract=claim_type,
        content=content or words.get("text") or x.get("gist"),
        lang=lang or words.get("lang"),
        authors=authors or [name for name in (x.get("speaker_as_printed"),) if name],
        object_refs=list(dict.fromkeys(refs)),
        external_references=external_references,
        object_marking_refs=object_marking_refs,
    )


def evidence_object(
    *,
    id: str,
    created: datetime | str,
    created_by_ref: str,
    name: str,
    kind: str,
    producer_refs: Sequence[str],
    access: str,
    modified: datetime | str | None = None,
    description: str | None = None,
    object_refs: Sequence[str] = (),
    external_references: Sequence[Mapping[str, Any]] = (),
    object_marking_refs: Sequence[str] = (),
    **x: Any,
) -> bytes:
    """A piece of evidence as a strict STIX 2.1 `grouping`.

    Args:
        object_refs: the material; default those who made it.
        x: the other fields of the extension (§1); None and empty lists are left out.

    Raises:
        ClaimError: a field missing or of the wrong kind.
    """
    return _write(
        "evidence",
        {"kind": kind, "producer_refs": list(producer_refs), "access": access, **x},
        id=id,
        created=created,
        modified=modified,
        created_by_ref=created_by_ref,
        name=name,
        description=description,
        context="unspecified",
        object_refs=list(object_refs) or list(producer_refs),
        external_references=external_references,
        object_marking_refs=object_marking_refs,
    )


def challenge_object(
    *,
    id: str,
    created: datetime | str,
    created_by_ref: str,
    target: str,
    form: str,
    speaker_ref: str,
    asserted_at: Mapping[str, Any],
    modified: datetime | str | None = None,
    explanation: str | None = None,
    authors: Sequence[str] = (),
    external_references: Sequence[Mapping[str, Any]] = (),
    object_marking_refs: Sequence[str] = (),
    **x: Any,
) -> bytes:
    """A challenge of exactly one target as a strict STIX 2.1 `opinion`.

    Args:
        explanation: default the exact `words`.
        x: the other fields of the extension (§1); None and empty lists are left out.

    Raises:
        ClaimError: a field missing or of the wrong kind, or a form that cannot have this target.
    """
    return _write(
        "challenge",
        {"form": form, "speaker_ref": speaker_ref, "asserted_at": dict(asserted_at), **x},
        id=id,
        created=created,
        modified=modified,
        created_by_ref=created_by_ref,
        opinion=_OPINION.get(form, "disagree"),
        explanation=explanation or (x.get("words") or {}).get("text"),
        authors=authors,
        object_refs=[target],
        external_references=external_references,
        object_marking_refs=object_marking_refs,
    )


def link_object(
    *,
    id: str,
    created: datetime | str,
    created_by_ref: str,
    kind: str,
    source_ref: str,
    target_ref: str,
    links: Sequence[str] = (),
    modified: datetime | str | None = None,
    description: str | None = None,
    external_references: Sequence[Mapping[str, Any]] = (),
    object_marking_refs: Sequence[str] = (),
    **x: Any,
) -> bytes:
    """A `supports`, `derived-from`, `controlled-by`, `answers` … as a strict `relationship`.

    Raises:
        ClaimError: an end of the wrong type, or a field missing or of the wrong kind.
    """
    return _write(
        "link",
        {"links": list(links), **x},
        id=id,
        created=created,
        modified=modified,
        created_by_ref=created_by_ref,
        relationship_type=kind,
        source_ref=source_ref,
        target_ref=target_ref,
        description=description,
        external_references=external_references,
        object_marking_refs=object_marking_refs,
    )


def standing_object(
    *,
    id: str,
    created: datetime | str,
    created_by_ref: str,
    standing: Mapping[str, Any],
    content: str,
    modified: datetime | str | None = None,
    object_marking_refs: Sequence[str] = (),
) -> bytes:
    """A computed standing as a strict `note`; never an input, never STIX `confidence`.

    Args:
        standing: the output of §2.4 (`Standing.to_json()`); `claim` becomes `claim_ref`, and what
            is null is left out, as STIX asks.
        content: one plain sentence (`standing.summary`).
    """
    x = {"claim_ref" if name == "claim" else name: value for name, value in standing.items()}
    return _write(
        "standing",
        x,
        keep_empty=True,
        id=id,
        created=created,
        modified=modified,
        created_by_ref=created_by_ref,
        abstract=f"standing: {standing.get('level') or 'none'}",
        content=content,
        object_refs=[standing["claim"]],
        object_marking_refs=object_marking_refs,
    )


def _write(role: str, x: Mapping[str, Any], *, keep_empty: bool = False, **props: Any) -> bytes:
    """Bytes that `read` takes as this role, or a ClaimError: nothing broken is ever written."""
    fields: dict[str, Any] = {"extension_type": "property-extension", "role": role}
    for name, value in x.items():
        if value is not None and (keep_empty or value not in ((), [], {})):
            fields[name] = list(value) if isinstance(value, tuple) else value
    kind = _ROLE_TYPE[role]
    own: dict[str, Any] = {}
    for name, value in props.items():
        if value:
            own[name] = list(value) if isinstance(value, tuple) else value
    for name in ("created", "modified"):
        if isinstance(own.get(name), datetime):
            own[name] = rfc3339(own[name])
    own["extensions"] = {EXTENSION_ID: fields}
    try:
        _carried(own["id"], Held(data={"type": kind, **own}, sha256=""))
    except _Wrong as wrong:
        raise ClaimError(f"{own['id']}: {wrong.message}", remedy=wrong.remedy) from wrong
    return make(kind, **own)
